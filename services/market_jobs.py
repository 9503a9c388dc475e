"""What a contract does to our own jobs: finding a start inside a window, binding a job to it, letting it go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from models.domain.errors import Conflict, NotFound
from models.domain.job import OPEN_STATUSES, Job, JobControls, JobStatus
from models.domain.market import DealRefused, DealRule, Move, Window
from models.domain.ports import UnitOfWork
from models.domain.time import format_utc
from models.optimise.options import JobOptions
from services import single
from services.context import Context
from services.holding import freeze_lead

BY = "market"
"""Who a bound job's controls name."""


def fit(
    context: Context, job_id: str, window: Window, owner: str | None, *, anywhere: bool = False
) -> Move:
    """Return the best start of a job wholly inside a window, in the room that is left there.

    Args:
        context: Ports.
        job_id: The job.
        window: The window; on its own cluster where it is ours.
        owner: Whose job it must be; None: anybody's.
        anywhere: The window is another party's: any cluster of the owner in its region will do.

    Raises:
        NotFound: If there is no such job.
        DealRefused: If it has started, is bound otherwise, or does not fit; the sentence says what would.
    """
    now = context.clock.now()
    with context.uow() as uow:
        job = uow.jobs.get(job_id, owner)
        view = uow.jobs.view(job_id, now, owner)
        assets = uow.assets.all_live(job.owner)
        _must_be_movable(context, uow, job, now)
    if view.job.status not in OPEN_STATUSES:
        raise DealRefused(
            DealRule.JOB, f"job {job_id} is {view.status}; only open jobs take a window"
        )
    if job.duration > window.end - window.start:
        hours, most = job.duration.total_seconds() / 3600, window.duration_h
        raise DealRefused(
            DealRule.JOB,
            f"job {job_id} runs {hours:g} h and the window lasts {most:g} h; choose a longer one",
        )
    facing = single.alone(
        context, single.unpinned(replace(job, is_held=False)), assets, now, before_successors=False
    )
    facing.plan.lift(0)
    mine, table = facing.options, facing.table
    if not isinstance(mine, JobOptions):
        raise DealRefused(
            DealRule.JOB, f"job {job_id} is {job.flexibility}; a window takes jobs that run in one stretch"
        )  # fmt: skip
    rows = [
        row
        for row, asset in enumerate(table.assets)
        if (anywhere and asset.region == window.region) or asset.asset_id == window.asset_id
    ]
    first = table.horizon.index_of(window.start)
    last = table.horizon.index_of(window.end) - mine.slots
    inside = np.isin(mine.asset_row, rows) & (mine.start >= first) & (mine.start <= last)
    if not inside.any():
        raise DealRefused(
            DealRule.JOB,
            f"job {job_id} cannot run in {window.region} between {format_utc(window.start)} and "
            f"{format_utc(window.end)}: its regions, its earliest start or its deadline forbid it",
        )
    at = np.flatnonzero(inside & facing.plan.available(0))
    if not at.size:
        raise DealRefused(
            DealRule.QUANTITY,
            f"the window has no room left for the {job.power_kw:g} kW of job {job_id}",
        )
    pick = int(at[np.argmin(mine.objective_gbp[at])])
    award = view.plan.award if view.plan else None
    asset = table.assets[int(mine.asset_row[pick])]
    return Move(
        job_id=job_id,
        from_start=award.placement.start if award else job.release,
        to_start=table.horizon.start_of(int(mine.start[pick])),
        to_asset_id=asset.asset_id,
        power_kw=max(job.slot_power_kw()),
        extra_gbp=0.0,
        from_asset_id=award.placement.asset_id if award else "",
    )


def bind(context: Context, uow: UnitOfWork, moves: Sequence[Move], contract_id: str) -> None:
    """Pin jobs where a contract wants them; runs inside the transaction that confirms it.

    Raises:
        DealRefused: If one of them cannot be moved any more.
    """
    now = context.clock.now()
    for move in moves:
        job = _open_job(uow, move.job_id)
        _must_be_movable(context, uow, job, now)
        _store(uow, job, "contract", now, contract_id, move.to_start, move.to_asset_id)


def release(context: Context, uow: UnitOfWork, moves: Sequence[Move], contract_id: str) -> None:
    """Let jobs go that a contract had pinned; one that was pinned elsewhere or has ended is left alone."""
    now = context.clock.now()
    for move in moves:
        try:
            job = uow.jobs.get(move.job_id)
        except NotFound:
            continue
        if job.status in OPEN_STATUSES and job.pinned_start == move.to_start:
            _store(uow, job, "contract_end", now, contract_id, None, None)


def _open_job(uow: UnitOfWork, job_id: str) -> Job:
    job = uow.jobs.get(job_id)
    if job.status not in OPEN_STATUSES:
        raise DealRefused(DealRule.JOB, f"job {job_id} is {job.status} meanwhile")
    return job


def _must_be_movable(context: Context, uow: UnitOfWork, job: Job, now: datetime) -> None:
    view = uow.jobs.view(job.job_id, now)
    award = view.plan.award if view.plan else None
    if award is None or job.status is not JobStatus.SCHEDULED:
        return
    assets = {asset.asset_id: asset for asset in uow.assets.all_live()}
    lead = freeze_lead(context.settings, assets.get(award.placement.asset_id))
    if award.placement.start <= now + lead:
        raise DealRefused(DealRule.JOB, f"job {job.job_id} starts too soon to be moved")


def _store(
    uow: UnitOfWork,
    job: Job,
    action: str,
    now: datetime,
    contract_id: str,
    start: datetime | None,
    asset_id: str | None,
) -> None:
    changed = replace(
        job,
        pinned_start=start,
        pinned_asset_id=asset_id,
        is_held=False if start is not None else job.is_held,
        updated_at=now,
        version=job.version + 1,
    )
    detail = {"contract_id": contract_id, "start_time": format_utc(start) if start else None}
    try:
        uow.jobs.update(changed, JobControls(action, now, BY, detail))
    except Conflict as error:
        raise DealRefused(DealRule.JOB, f"job {job.job_id} has changed meanwhile") from error
