"""What a user does to a job after submitting it: change, cancel, run now, pin, hold, confirm.

Every act is stored with the job and recorded in the audit log in the same transaction; acts that change what
can be planned are followed by a re-plan.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from math import inf
from typing import Any

from models.domain.access import Caller
from models.domain.errors import Conflict, FieldError, InvalidRequest
from models.domain.job import FINAL_STATUSES, OPEN_STATUSES, Job, JobStatus
from models.domain.ports import JobView, UnitOfWork
from models.domain.time import SLOT, ceil_slot, format_utc
from models.optimise.options import Closed
from services import planning, single
from services.acts import do, must_be_open, must_not_be_frozen
from services.context import Context
from services.market_claims import must_be_free
from services.submit import get

CLOSED_WORDS = {
    Closed.OPEN: "power is held by other jobs",
    Closed.POWER: "its cluster's limit of power leaves less than it needs",
    Closed.TRANSFER: "its data cannot be there by then",
}
"""Why a start cannot be had, where the rule's name alone does not say it."""

EVENTS = ("started", "completed", "failed", "did_not_run")
"""What can be said about a run."""

EARLY_START = timedelta(minutes=5)
"""A run may be confirmed this long before its planned start (clocks differ); earlier is refused."""

WAS_HELD = "was_held"
"""Said with a cancellation of a held job."""

CONFIRMABLE = frozenset({JobStatus.SCHEDULED, JobStatus.RUNNING, JobStatus.UNCONFIRMED})
"""Statuses in which a job has a run to speak of."""


def cancel(context: Context, caller: Caller, job_id: str) -> JobView:
    """Cancel a job and give its power back; the record is kept. Cancelling again has no effect.

    Whatever kept it out of the plan ends with it; that it was held is remembered, for `undo_cancel`.
    """
    view = get(context, caller, job_id)
    if view.status is JobStatus.CANCELLED:
        return view
    detail: dict[str, Any] = {}

    def act(uow: UnitOfWork, view: JobView, now: datetime) -> Job:
        del now
        if view.status in {JobStatus.COMPLETED, JobStatus.FAILED}:
            raise Conflict(f"job {job_id} is {view.status} and can no longer be cancelled")
        if view.job.is_held:
            detail[WAS_HELD] = True
        if view.plan is not None and view.plan.deferral is not None:
            uow.plans.forget(job_id)
        uow.plans.release(job_id)
        return replace(view.job, status=JobStatus.CANCELLED, is_held=False)

    return do(context, caller, job_id, "cancel", act, detail=detail, trigger="cancel")


def undo_cancel(context: Context, caller: Caller, job_id: str) -> JobView:
    """Reopen a cancelled job that can still meet its deadline; plan it, or hold it if it was held."""

    def act(uow: UnitOfWork, view: JobView, now: datetime) -> Job:
        if view.job.status is not JobStatus.CANCELLED:
            raise Conflict(f"job {job_id} is {view.status}, not cancelled")
        if view.job.started_at is not None:
            raise Conflict(f"job {job_id} had started when it was cancelled; submit it again")
        if ceil_slot(now) + view.job.duration > view.job.latest_finish:
            raise Conflict(f"job {job_id} can no longer meet {format_utc(view.job.latest_finish)}")
        cancelled = [c for c in uow.jobs.controls(job_id) if c.action == "cancel"]
        was_held = bool(cancelled) and bool(cancelled[-1].detail.get(WAS_HELD))
        return replace(view.job, status=JobStatus.PENDING, is_held=was_held)

    return do(context, caller, job_id, "undo_cancel", act, trigger="control")


def run_now(context: Context, caller: Caller, job_id: str) -> JobView:
    """Pin a job to the first half-hour that has room on one of its clusters, and re-plan."""

    def act(uow: UnitOfWork, view: JobView, now: datetime) -> Job:
        must_be_open(view, "started now")
        must_be_free(uow, job_id)
        must_not_be_frozen(
            context,
            uow,
            view,
            now,
            cure="it cannot start any sooner: wait for that start, or cancel it",
        )
        start, asset_id = _first_room(context, uow, view.job, now)
        return replace(view.job, is_held=False, pinned_start=start, pinned_asset_id=asset_id)

    return do(context, caller, job_id, "run_now", act, trigger="control")


def _first_room(context: Context, uow: UnitOfWork, job: Job, now: datetime) -> tuple[datetime, str]:
    assets = uow.assets.all_live(job.owner)
    facing = single.alone(context, single.unpinned(job), assets, now, before_successors=False)
    facing.plan.lift(0)
    mine, free = facing.options, facing.plan.available(0)
    usable = [k for k in range(mine.count) if free[k]]
    if not usable:
        raise Conflict(f"no half-hour before the deadline has room for job {job.job_id}")
    first = min(usable, key=lambda k: (int(mine.start[k]), float(mine.objective_gbp[k])))
    row = int(mine.asset_row[first])
    return facing.table.horizon.start_of(int(mine.start[first])), facing.table.assets[row].asset_id


def pin(
    context: Context,
    caller: Caller,
    job_id: str,
    *,
    start_time: datetime | None,
    asset_id: str | None,
    pinned: bool,
) -> JobView:
    """Keep a job at a start, or let it move again."""

    def act(uow: UnitOfWork, view: JobView, now: datetime) -> Job:
        must_be_open(view, "pinned" if pinned else "unpinned")
        must_be_free(uow, job_id)
        if not pinned:
            return replace(view.job, pinned_start=None, pinned_asset_id=None)
        is_planned = view.job.status is JobStatus.SCHEDULED
        award = view.plan.award if view.plan and is_planned else None
        if start_time is None and award is None:
            raise InvalidRequest(
                f"job {job_id} has no start to keep",
                (
                    FieldError(
                        "start_time",
                        "the job is not scheduled",
                        None,
                        "a half-hour of its window",
                        "name a start_time, or plan the job first",
                    ),
                ),
            )
        if start_time is None and award is not None:
            placed = award.placement
            return replace(view.job, pinned_start=placed.start, pinned_asset_id=placed.asset_id)
        assert start_time is not None
        must_not_be_frozen(context, uow, view, now)
        _check_pin(context, uow, view.job, start_time, asset_id, now)
        return replace(view.job, is_held=False, pinned_start=start_time, pinned_asset_id=asset_id)

    detail = {"start_time": start_time, "asset_id": asset_id}
    act_name = "pin" if pinned else "unpin"
    return do(context, caller, job_id, act_name, act, detail=detail, trigger="control")


def _check_pin(
    context: Context,
    uow: UnitOfWork,
    job: Job,
    start: datetime,
    asset_id: str | None,
    now: datetime,
) -> None:
    """Refuse a start that is off the half-hour, outside the window, closed by a cap or full."""
    assets = uow.assets.all_live(job.owner)
    facing = single.alone(context, single.unpinned(job), assets, now, before_successors=False)
    facing.plan.lift(0)
    mine, free = facing.options, facing.plan.available(0)
    slot = facing.table.horizon.index_of(start)
    on_grid = facing.table.horizon.start_of(slot) == start
    rows = [
        k
        for k in range(mine.count)
        if int(mine.start[k]) == slot
        and asset_id in (None, facing.table.assets[int(mine.asset_row[k])].asset_id)
    ]
    names = [facing.table.assets[row].asset_id for row in mine.candidate_rows]
    if asset_id is not None and asset_id not in names:
        raise InvalidRequest(
            f"job {job.job_id} cannot run on {asset_id!r}",
            (
                FieldError(
                    "asset_id",
                    "not a cluster this job may use",
                    asset_id,
                    ", ".join(names) or "none",
                    "name one of these, or leave it out",
                ),
            ),
        )
    if not mine.count:
        raise Conflict(f"job {job.job_id} can no longer meet {format_utc(job.latest_finish)}")
    if not on_grid or not rows:
        first = facing.table.horizon.start_of(mine.first_start)
        last = facing.table.horizon.start_of(mine.last_start)
        raise InvalidRequest(
            f"job {job.job_id} cannot start at {format_utc(start)}",
            (
                FieldError(
                    "start_time",
                    "not a start this job could take",
                    format_utc(start),
                    f"half-hours from {format_utc(first)} to {format_utc(last)}",
                    "see GET /api/jobs/{id}/explain for every start",
                ),
            ),
        )
    if not any(free[k] for k in rows):
        code = Closed(int(mine.closed[rows[0]]))
        rule = CLOSED_WORDS.get(code, f"{code.rule} forbids it")
        raise Conflict(f"job {job.job_id} cannot start at {format_utc(start)}: {rule}")


def hold(context: Context, caller: Caller, job_id: str, *, held: bool) -> JobView:
    """Take a job out of the plan, or put it back."""

    def act(uow: UnitOfWork, view: JobView, now: datetime) -> Job:
        must_be_open(view, "held" if held else "released")
        must_be_free(uow, job_id)
        if held:
            must_not_be_frozen(context, uow, view, now)
            uow.plans.release(job_id)
        return replace(
            view.job, is_held=held, status=JobStatus.PENDING if held else view.job.status
        )

    return do(context, caller, job_id, "hold" if held else "release", act, trigger="control")


def confirm(
    context: Context,
    caller: Caller,
    job_id: str,
    event: str,
    *,
    at: datetime | None,
    energy_kwh: float | None,
) -> JobView:
    """Say what really happened. Only confirmed runs enter statements."""
    if event not in EVENTS:
        raise InvalidRequest(
            f"{event!r} is not an event",
            (FieldError("event", "unknown event", event, ", ".join(EVENTS), "use one of these"),),
        )
    if energy_kwh is not None and not 0.0 <= energy_kwh < inf:
        raise InvalidRequest(
            "that energy cannot have been used",
            (
                FieldError(
                    "energy_kwh", "not an amount of energy", str(energy_kwh), "0 kWh or more"
                ),
            ),
        )

    def act(uow: UnitOfWork, view: JobView, now: datetime) -> Job:
        moment = at or _unsaid(view, event, now)
        _check_event(view, event, moment, now)
        return _confirmed(uow, view, event, moment, now, energy_kwh)

    detail = {"event": event, "at": at, "energy_kwh": energy_kwh}
    trigger = event if event in {"failed", "did_not_run"} else None
    view = do(context, caller, job_id, "confirm", act, detail=detail, trigger=trigger)
    if event == "completed" and _has_waiting(context, job_id):
        planning.replan_after(context, trigger="completed")
    return view


def _has_waiting(context: Context, job_id: str) -> bool:
    """Return whether a job that has not started waits for this one."""
    with context.uow() as uow:
        return any(job.status in OPEN_STATUSES for job in uow.jobs.successors(job_id))


def _unsaid(view: JobView, event: str, now: datetime) -> datetime:
    """Return the time of an event that came without one: now, for a completion at most the planned length on."""
    award = view.plan.award if view.plan else None
    if event != "completed" or award is None:
        return now
    begun = view.job.started_at or award.placement.start
    return min(now, begun + (award.placement.end - award.placement.start))


def _check_event(view: JobView, event: str, moment: datetime, now: datetime) -> None:
    job, award = view.job, view.plan.award if view.plan else None
    if job.status in FINAL_STATUSES:
        raise Conflict(f"job {job.job_id} is already {job.status}")
    if moment > now + EARLY_START:
        raise InvalidRequest(
            "that time lies in the future",
            (FieldError("at", "lies in the future", format_utc(moment),
                        f"up to {format_utc(now)}", "say when it really happened"),),
        )  # fmt: skip
    if award is None or view.status not in CONFIRMABLE:
        raise Conflict(f"job {job.job_id} is {view.status}: it has no run to confirm")
    if event == "started" and job.status is JobStatus.RUNNING:
        raise Conflict(f"job {job.job_id} is already running")
    if event != "started" and job.started_at is not None and moment < job.started_at:
        raise InvalidRequest(
            "that time lies before the start",
            (FieldError("at", "lies before the start", format_utc(moment),
                        f"from {format_utc(job.started_at)}", "say when it really ended"),),
        )  # fmt: skip
    begins = award.placement.start
    if moment < begins - EARLY_START and event != "did_not_run":
        # Nothing starts before the next half-hour: where it is planned for that, there is only waiting.
        advice = "use run-now to start it earlier" if begins - now > SLOT else "say so from then on"
        raise Conflict(f"job {job.job_id} is planned from {format_utc(begins)}; {advice}")
    if event == "did_not_run" and now < begins:
        raise Conflict(f"its window opens at {format_utc(begins)}; cancel or hold the job instead")


def _confirmed(
    uow: UnitOfWork,
    view: JobView,
    event: str,
    moment: datetime,
    now: datetime,
    energy_kwh: float | None,
) -> Job:
    job, award = view.job, view.plan.award if view.plan else None
    assert award is not None
    if event == "started":
        return replace(job, status=JobStatus.RUNNING, started_at=moment)
    if event == "completed":
        uow.plans.release(job.job_id)
        started = job.started_at or award.placement.start
        return replace(
            job,
            status=JobStatus.COMPLETED,
            started_at=started,
            ended_at=max(moment, started),
            measured_energy_kwh=energy_kwh,
        )
    uow.plans.release(job.job_id)
    if event == "failed":
        return replace(
            job, status=JobStatus.FAILED, ended_at=moment, measured_energy_kwh=energy_kwh
        )
    still_time = ceil_slot(now) + job.duration <= job.latest_finish
    return replace(
        job,
        status=JobStatus.PENDING if still_time else JobStatus.FAILED,
        pinned_start=None,
        pinned_asset_id=None,
        started_at=None,
        ended_at=None if still_time else moment,
    )
