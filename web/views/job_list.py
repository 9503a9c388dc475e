"""The list of jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.domain.asset import Asset
from models.domain.job import JobStatus
from models.domain.ports import JobView
from models.domain.regions import REGIONS
from web.views.formatting import carbon_against, kilowatts, length, money_against
from web.views.stamps import Stamp, dated, span
from web.views.states import State, state_of, status_words


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job of the list."""

    job_id: str
    name: str
    state: State
    when: tuple[Stamp, Stamp] | None
    where: str
    needs: str
    ready_by: Stamp
    carbon: str
    cost: str
    note: str
    is_demo: bool


@dataclass(frozen=True, slots=True)
class JobList:
    """Everything the Jobs page places."""

    rows: tuple[JobRow, ...]
    next_cursor: str | None
    is_first: bool
    statuses: tuple[tuple[str, str, bool], ...]
    """(value, word, is ticked)."""
    assets: tuple[tuple[str, str, bool], ...]
    text: str
    is_filtered: bool


def job_row(view: JobView, now: datetime, names: Mapping[str, str]) -> JobRow:
    """Return one job ready to place."""
    job, plan = view.job, view.plan
    award = plan.award if plan else None
    shows_award = award is not None and view.status is not JobStatus.REFUSED
    note = ""
    if plan is not None and plan.refusal is not None and view.status is JobStatus.REFUSED:
        note = plan.refusal.detail
    elif plan is not None and plan.deferral is not None and view.status is JobStatus.PENDING:
        note = plan.deferral.reason
    region = award.placement.region if award is not None else ""
    asset_id = award.placement.asset_id if award is not None else job.asset_id
    where = names.get(asset_id, asset_id)
    if region in REGIONS:
        where = f"{where}, {REGIONS[region].name}"
    return JobRow(
        job_id=job.job_id,
        name=job.job_name,
        state=state_of(view, now),
        when=span(award.placement.start, award.placement.end, now)
        if award and shows_award
        else None,
        where=where,
        needs=f"{length(job.duration)} at {kilowatts(job.power_kw)}",
        ready_by=dated(job.latest_finish, now),
        carbon=carbon_against(award.savings.carbon_kg) if award and shows_award else "",
        cost=money_against(award.savings.cost_gbp) if award and shows_award else "",
        note=note,
        is_demo=job.is_demo,
    )


def job_list(
    views: Sequence[JobView],
    *,
    now: datetime,
    assets: Sequence[Asset],
    next_cursor: str | None,
    is_first: bool,
    statuses: frozenset[JobStatus],
    asset_id: str | None,
    text: str,
) -> JobList:
    """Return the view of a page of jobs."""
    names = {a.asset_id: a.label for a in assets}
    return JobList(
        rows=tuple(job_row(view, now, names) for view in views),
        next_cursor=next_cursor,
        is_first=is_first,
        statuses=tuple((v, w, v in {str(s) for s in statuses}) for v, w in status_words()),
        assets=tuple((a.asset_id, a.label, a.asset_id == asset_id) for a in assets),
        text=text,
        is_filtered=bool(statuses or asset_id or text),
    )
