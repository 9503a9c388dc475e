"""The Schedule page: what runs when, what needs the user, and what happened since yesterday."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agents.wording import when
from models.domain.access import Caller
from models.domain.change import MovesNews
from models.domain.job import JobStatus
from models.domain.ports import JobFilter, JobView, Page, UnitOfWork
from models.domain.regions import region as known_region
from models.domain.time import LONDON, SLOT, floor_slot
from services import assets, energy
from services.board_needs import audit_need, data_need, job_needs
from services.board_news import NEWS_STATUSES, happenings, since_yesterday
from services.context import Context
from services.holding import PAGE_SIZE
from services.memo import Memo, state_of
from services.plan_changes import last_moves
from services.types import AssetUse, Board, Happening, Need

CHART_SLOTS = 96
"""Half-hours of the chart (48 h)."""

CHART_EDGES = (1, 2, 4, 8, 16, 32, 64, CHART_SLOTS)
"""Half-hours from the current one at which the stretches end that are read one after the other."""

HOLDING = frozenset({JobStatus.SCHEDULED, JobStatus.RUNNING})
"""Statuses of jobs that are drawn."""

MOST_BARS = 300
"""Most jobs drawn; the sentence counts all of them."""

NEEDY = frozenset({JobStatus.REFUSED, JobStatus.UNCONFIRMED, JobStatus.PENDING, JobStatus.RUNNING})
"""Statuses in which a job may need its user (windows that are open come from the chart)."""

MOST_NEEDS = 50
"""Most lines under "needs you"; older ones are behind the list of jobs."""


@dataclass(frozen=True)
class _Read:
    """What the page takes from the database."""

    jobs: tuple[JobView, ...]
    needs: tuple[Need, ...]
    happenings: tuple[Happening, ...]
    planned: int
    running: int
    next_start: datetime | None
    moves: MovesNews | None


_reads: Memo[_Read] = Memo(8)


def show(context: Context, caller: Caller, *, region: str | None = None) -> Board:
    """Return the Schedule page for what the caller may see.

    Args:
        context: Ports.
        caller: Whose jobs.
        region: Region whose carbon and price are drawn; None: where most jobs run.

    Raises:
        InvalidRequest: If the region is not one.
    """
    if region is not None:
        known_region(region)
    now = context.clock.now()
    start = floor_slot(now)
    with context.uow() as uow:
        minute = now.replace(second=0, microsecond=0)
        key = (caller.sees_owner, minute, state_of(uow))
        read = _reads.get(context, key, lambda: _read(uow, caller, now))
        audit = audit_need(uow, context.system_now())
    uses = assets.uses(context, caller, CHART_SLOTS)
    data = context.signals.data_line()
    needs = [*(n for n in (audit, data_need(data)) if n is not None), *read.needs]
    choices = _regions(context, uses, read.jobs, region)
    drawn = region or choices[0]
    return Board(
        now=now,
        start=start,
        slots=CHART_SLOTS,
        data=data,
        sentence=sentence(
            planned=read.planned,
            running=read.running,
            next_start=read.next_start,
            needs=len(needs),
            has_assets=bool(uses),
            now=now,
        ),
        needs=tuple(needs),
        jobs=read.jobs,
        uses=uses,
        region=drawn,
        regions=choices,
        rows=energy.forecast(context, drawn, CHART_SLOTS / 2),
        happenings=read.happenings,
        carbon_price_gbp_per_tonne=context.policy.carbon_price_gbp_per_tonne,
        has_assets=bool(uses),
        has_demo=any(use.asset.is_demo for use in uses),
        moves=read.moves,
    )


def sentence(
    *,
    planned: int,
    running: int,
    next_start: datetime | None,
    needs: int,
    has_assets: bool,
    now: datetime,
) -> str:
    """Return the one sentence on top, e.g. `9 jobs planned; next starts 23:30; 1 needs you.`"""
    if not has_assets and planned == running == 0:
        return "No cluster yet: add one, or load the demo."
    parts = [f"{planned} {'job' if planned == 1 else 'jobs'} planned"]
    if running:
        parts.append(f"{running} {'runs' if running == 1 else 'run'} now")
    if next_start is not None:
        parts.append(f"next starts {_clock_text(next_start, now)}")
    if needs:
        parts.append(f"{needs} {'needs' if needs == 1 else 'need'} you")
    return "; ".join(parts) + "."


def _clock_text(instant: datetime, now: datetime) -> str:
    """Return `23:30` within the same London day, else with the weekday."""
    text = when(instant)
    same_day = instant.astimezone(LONDON).date() == now.astimezone(LONDON).date()
    return text.split(" ", 1)[1] if same_day else text


def _read(uow: UnitOfWork, caller: Caller, now: datetime) -> _Read:
    owner, start = caller.sees_owner, floor_slot(now)
    shown = _on_chart(uow, owner, start, now)
    counts = uow.jobs.counts(owner, now)
    needy = _page(uow, JobFilter(owner=owner, statuses=NEEDY), now, 4 * MOST_NEEDS)
    since = since_yesterday(now)
    news = _page(uow, JobFilter(owner=owner, statuses=NEWS_STATUSES), now, PAGE_SIZE)
    return _Read(
        jobs=tuple(shown[:MOST_BARS]),
        needs=job_needs([*shown, *needy.items], now)[:MOST_NEEDS],
        happenings=happenings([*shown, *news.items], since, now),
        planned=counts[JobStatus.SCHEDULED],
        running=counts[JobStatus.RUNNING],
        moves=last_moves(uow, owner, since),
        next_start=min((s for view in shown if (s := _start_of(view)[0]) > now), default=None),
    )


def _on_chart(uow: UnitOfWork, owner: str | None, start: datetime, now: datetime) -> list[JobView]:
    """Return jobs with an award that touches the chart, by start.

    They include the next one to start, and are about as many as are drawn. Widening stretches of time keep the reading
    short however many jobs there are.
    """
    shown: list[JobView] = []
    first: datetime | None = None
    for edge in CHART_EDGES:
        last = start + edge * SLOT
        wanted = JobFilter(owner=owner, statuses=HOLDING, start_after=first, start_before=last)
        limit = max(1, MOST_BARS - len(shown))
        found = uow.jobs.page(wanted, now, limit=limit, newest_first=False).items
        shown += [view for view in found if _touches(view, start)]
        first = last
        if len(shown) >= MOST_BARS and any(_start_of(view)[0] > now for view in shown):
            break
    return sorted(shown, key=_start_of)


def _page(uow: UnitOfWork, wanted: JobFilter, now: datetime, limit: int) -> Page[JobView]:
    return uow.jobs.page(wanted, now, limit=limit)


def _start_of(view: JobView) -> tuple[datetime, str]:
    assert view.plan is not None
    assert view.plan.award is not None
    return view.plan.award.placement.start, view.job.job_id


def _touches(view: JobView, start: datetime) -> bool:
    award = view.plan.award if view.plan else None
    return award is not None and (award.placement.end > start or view.status is JobStatus.RUNNING)


def _regions(
    context: Context, uses: Sequence[AssetUse], jobs: Sequence[JobView], asked: str | None
) -> tuple[str, ...]:
    """Return the regions to choose from, the one with most jobs first."""
    counted = Counter(
        view.plan.award.placement.region for view in jobs if view.plan and view.plan.award
    )
    by_jobs = [slug for slug, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0]))]
    own = sorted({use.asset.region for use in uses})
    extra = [context.settings.default_region] + ([asked] if asked else [])
    return tuple(dict.fromkeys([*by_jobs, *own, *extra]))
