"""Every start a job could take, with its price and what closes it: for explanations and for choosing another slot."""

from __future__ import annotations

from models.domain.access import Caller
from models.domain.errors import Conflict
from models.domain.job import FINAL_STATUSES, JobStatus
from models.domain.plan import Award
from models.optimise.award import Assignment
from models.optimise.options import Closed
from services import single
from services.context import Context
from services.types import Candidate

MOST_CANDIDATES = 2000
"""Most candidates returned; a job with more (many clusters, many days) shows the cheapest of them."""


def candidates(context: Context, caller: Caller, job_id: str) -> tuple[Candidate, ...]:
    """Return the options of a job that has not started, by start then cluster.

    Raises:
        Conflict: If the job has started or ended; its record tells what was considered then.
    """
    now = context.clock.now()
    with context.uow() as uow:
        view = uow.jobs.view(job_id, now, caller.sees_owner)
        assets = uow.assets.all_live(view.job.owner)
    if view.status in FINAL_STATUSES | {JobStatus.RUNNING, JobStatus.UNCONFIRMED}:
        raise Conflict(
            f"job {job_id} is {view.status}; its alternatives are in its decision record"
        )
    context.signals.ensure_fresh()
    facing = single.alone(context, single.unpinned(view.job), assets, now)
    award = view.plan.award if view.plan else None
    return tuple(_rows(facing, _present_gbp(facing, award)))


def _present_gbp(facing: single.Alone, award: Award | None) -> float | None:
    """Return what the present award is worth on the same signals as the candidates; None without one. [GBP]"""
    if award is None:
        return None
    row = facing.table.index.get(award.placement.asset_id)
    start = facing.table.horizon.index_of(award.placement.start)
    found = None if row is None else facing.options.find(row, start)
    if found is None:
        return award.placement.objective_gbp
    return facing.describer.placement(facing.options, found).objective_gbp


def _rows(facing: single.Alone, present_gbp: float | None) -> list[Candidate]:
    mine = facing.options
    bare = Assignment([mine], facing.plan.links, facing.table.room_kw)
    free = bare.available(0)
    chosen = sorted(
        (int(k) for k in mine.ranking[:MOST_CANDIDATES]),
        key=lambda k: (int(mine.start[k]), int(mine.asset_row[k])),
    )
    rows = []
    for k in chosen:
        placed = facing.describer.placement(mine, k)
        code = Closed(int(mine.closed[k]))
        rule = None if free[k] else ("power" if code is Closed.OPEN else code.rule)
        worth = placed.objective_gbp
        rows.append(
            Candidate(
                placement=placed,
                feasible=bool(free[k]),
                rule=rule,
                extra_gbp=None if worth is None or present_gbp is None else worth - present_gbp,
            )
        )
    return rows
