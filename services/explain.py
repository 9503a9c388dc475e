"""Why a job stands where it stands: every window it could take, what closes each, and what would change that."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from agents.describe import digest_of
from models.domain.access import Caller
from models.domain.errors import Conflict, FieldError, InvalidRequest
from models.domain.job import OPEN_STATUSES, Flexibility, Job
from models.domain.plan import Refusal
from models.domain.ports import JobView, UnitOfWork
from services import scarcity, single, why_not, windows
from services.context import Context
from services.explain_types import (
    Account,
    Candidate,
    CheckedRelaxation,
    Scarcity,
    WindowOrder,
    WindowPage,
    WindowQuery,
)
from services.windows import Facing

MOST_CANDIDATES = 2000
"""Most candidates returned at once; a job with more (many clusters, many days) shows the cheapest of them."""


def account(
    context: Context,
    caller: Caller,
    job_id: str,
    query: WindowQuery,
    *,
    start: datetime | None = None,
    asset_id: str | None = None,
) -> Account:
    """Return a job's windows, one page of them, and why it does not run at an instant somebody named.

    Args:
        context: Ports.
        caller: Who asks; other owners' jobs are counted and never named.
        job_id: The job.
        query: Which windows, in which order.
        start: The instant asked about; None: nobody asked.
        asset_id: The asset asked about; None: where the job is planned, else its own.

    Raises:
        NotFound: If the caller has no such job.
        InvalidRequest: If the cursor or the asset asked about cannot be used.
    """
    context.signals.ensure_fresh()
    now = context.clock.now()
    with context.uow() as uow:
        view = uow.jobs.view(job_id, now, caller.sees_owner)
        if view.status not in OPEN_STATUSES:
            told = None if start is None else why_not.over(view, start, asset_id)
            return Account(now, scarcity.in_force(context, uow), None, told, ())
        facing = windows.face(context, uow, view, now)
        owner = caller.sees_owner
        told = None
        if start is not None:
            told = why_not.answer(context, uow, facing, start, asset_id, owner)
        return Account(
            asked_at=now,
            scarcity=facing.scarcity,
            windows=_page(context, uow, facing, query, owner),
            why_not=told,
            relaxations=_relaxations(context, facing),
        )


def candidates(context: Context, caller: Caller, job_id: str) -> tuple[Candidate, ...]:
    """Return the options of a job that has not started, by start then cluster, without who holds their power.

    Raises:
        Conflict: If the job has started or ended; its record tells what was considered then.
    """
    context.signals.ensure_fresh()
    now = context.clock.now()
    with context.uow() as uow:
        view = uow.jobs.view(job_id, now, caller.sees_owner)
        if view.status not in OPEN_STATUSES:
            raise Conflict(
                f"job {job_id} is {view.status}; its alternatives are in its decision record"
            )
        facing = windows.face(context, uow, view, now)
    mine = facing.options
    chosen = sorted(
        (int(k) for k in mine.ranking[:MOST_CANDIDATES]),
        key=lambda k: (int(mine.start[k]), int(mine.asset_row[k])),
    )
    return tuple(facing.candidate(k) for k in chosen)


def scarce(context: Context) -> Scarcity:
    """Return the shadow prices of the plan in force."""
    with context.uow() as uow:
        return scarcity.in_force(context, uow)


def _page(
    context: Context, uow: UnitOfWork, facing: Facing, query: WindowQuery, owner: str | None
) -> WindowPage:
    mine = facing.options
    picks = [
        k
        for k in range(mine.count)
        if query.region in {None, facing.asset_of(k).region}
        and query.asset_id in {None, facing.asset_of(k).asset_id}
    ]
    picks.sort(key=lambda k: _order(facing, query.sort, k))
    digest = digest_of(mine)[:16]
    first = _offset(query.cursor, f"{query.sort}.{digest}")
    last = first + query.limit
    return WindowPage(
        items=tuple(windows.named(context, uow, facing, picks[first:last], owner)),
        total=len(picks),
        open_windows=sum(facing.is_free(k) for k in picks),
        next_cursor=f"{last}.{query.sort}.{digest}" if last < len(picks) else None,
    )


def _order(facing: Facing, sort: WindowOrder, k: int) -> tuple[Any, ...]:
    """Return what a window is sorted by; unknown cost or carbon comes last."""
    mine = facing.options
    tie = (int(mine.start[k]), int(mine.asset_row[k]))
    if sort is WindowOrder.START:
        return tie
    if sort is WindowOrder.OBJECTIVE:
        return (mine.tier_of(k), mine.objective_of(k), *tie)
    value = mine.cost_of(k) if sort is WindowOrder.COST else mine.carbon_of(k)
    return (value != value, value if value == value else 0.0, *tie)


def _offset(cursor: str | None, of_list: str) -> int:
    """Return where a page begins; a cursor of other windows (new signals, another order) is refused."""
    if cursor is None:
        return 0
    offset, _, rest = cursor.partition(".")
    if offset.isascii() and offset.isdigit() and len(offset) < 8 and rest == of_list:
        return int(offset)
    raise InvalidRequest(
        "the cursor belongs to another list of windows",
        (
            FieldError(
                "cursor",
                "belongs to windows that were priced or sorted otherwise",
                cursor,
                "next_cursor of the page before, asked with the same sort",
                "leave cursor out to begin at the first page",
            ),
        ),
    )


def _relaxations(context: Context, facing: Facing) -> tuple[CheckedRelaxation, ...]:
    """Return the changes that the refusal of a job offers, each planned again in the room of now."""
    view = facing.view
    refusal = view.plan.refusal if view.plan else None
    if refusal is None:
        return ()
    return tuple(
        _checked(context, facing, view, offer.field, offer.value) for offer in _offered(refusal)
    )


def _offered(refusal: Refusal) -> tuple[Any, ...]:
    if refusal.relaxations:
        return refusal.relaxations
    return (refusal.smallest_relaxation,) if refusal.smallest_relaxation else ()


def _checked(
    context: Context, facing: Facing, view: JobView, field: str, value: Any
) -> CheckedRelaxation:
    changed = _relaxed(view.job, field, value)
    again = single.alone(context, changed, facing.assets, facing.now)
    return CheckedRelaxation(field, value, single.answer(context, again).placement)


def _relaxed(job: Job, field: str, value: Any) -> Job:
    """Return a job with one field changed as a refusal offers it (REST names)."""
    if field == "latest_finish":
        finish = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return replace(job, latest_finish=finish)
    if field == "carbon_cap_g_per_kwh":
        return replace(job, carbon_cap_g_per_kwh=float(value))
    if field == "max_price_per_kwh":
        return replace(job, max_price_gbp_per_kwh=float(value))
    if field == "estimated_power_kw":
        return replace(job, power_kw=float(value), power_profile_kw=())
    if field == "power_profile_kw":
        profile = tuple(float(kw) for kw in value)
        return replace(job, power_kw=sum(profile) / len(profile), power_profile_kw=profile)
    if field == "allowed_regions":
        return replace(job, allowed_regions=tuple(value))
    assert field == "flexibility_type", f"no refusal offers to change {field}"
    return replace(job, flexibility=Flexibility(value))
