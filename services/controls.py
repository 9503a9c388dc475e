"""What a user does to a job after submitting it: change, cancel, run now, pin, hold, confirm.

Every act is stored with the job and recorded in the audit log in the same transaction; acts that change what
can be planned are followed by a re-plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from models.domain.access import Caller
from models.domain.decision import EventType
from models.domain.errors import Conflict, FieldError, Forbidden, InvalidRequest
from models.domain.job import FINAL_STATUSES, OPEN_STATUSES, Job, JobControls, JobStatus
from models.domain.ports import JobView, UnitOfWork
from models.domain.time import format_utc
from models.optimise.options import Closed
from services import planning, records, single
from services.context import Context
from services.drafting import job_of
from services.holding import freeze_lead
from services.submit import get
from services.types import JobDraft

EVENTS = ("started", "completed", "failed", "did_not_run")
"""What can be said about a run."""

EARLY_START = timedelta(minutes=5)
"""A run may be confirmed this long before its planned start (clocks differ); earlier is refused."""


def change(context: Context, caller: Caller, job_id: str, changes: Mapping[str, Any]) -> JobView:
    """Change fields of a job that has not started, check it as if it were new, and re-plan."""

    def act(uow: UnitOfWork, view: JobView, now: datetime) -> Job:
        _must_be_open(view, "changed")
        _must_not_be_frozen(context, uow, view, now)
        assets = uow.assets.all_live(view.job.owner)
        draft = replace(_draft_of(view.job), **dict(changes))
        own = uow.assets.get(draft.asset_id or view.job.asset_id, view.job.owner)
        before = uow.jobs.many(draft.depends_on) if draft.depends_on else {}
        mine = {k: v for k, v in before.items() if v.owner == view.job.owner}
        _no_circle(uow, job_id, draft.depends_on)
        made = job_of(draft, view.job.owner, own, assets, mine, now, UUID(int=0))
        return replace(
            made,
            job_id=job_id,
            job_name=draft.job_name or view.job.job_name,
            accepted_at=view.job.accepted_at,
            status=view.job.status,
            is_held=view.job.is_held,
            pinned_start=view.job.pinned_start,
            pinned_asset_id=view.job.pinned_asset_id,
            is_demo=view.job.is_demo,
            version=view.job.version,
        )

    named = {key: _shown(value) for key, value in changes.items()}
    return _do(context, caller, job_id, "change", act, detail=named, trigger="control")


def cancel(context: Context, caller: Caller, job_id: str) -> JobView:
    """Cancel a job and give its power back; the record is kept. Cancelling again has no effect."""
    view = get(context, caller, job_id)
    if view.status is JobStatus.CANCELLED:
        return view

    def act(uow: UnitOfWork, view: JobView, now: datetime) -> Job:
        del now
        if view.status in {JobStatus.COMPLETED, JobStatus.FAILED}:
            raise Conflict(f"job {job_id} is {view.status} and can no longer be cancelled")
        uow.plans.release(job_id)
        return replace(view.job, status=JobStatus.CANCELLED)

    return _do(context, caller, job_id, "cancel", act, trigger="cancel")


def undo_cancel(context: Context, caller: Caller, job_id: str) -> JobView:
    """Reopen a cancelled job that can still meet its deadline, and plan it."""

    def act(uow: UnitOfWork, view: JobView, now: datetime) -> Job:
        del uow
        if view.job.status is not JobStatus.CANCELLED:
            raise Conflict(f"job {job_id} is {view.status}, not cancelled")
        if now + view.job.duration > view.job.latest_finish:
            raise Conflict(f"job {job_id} can no longer meet {format_utc(view.job.latest_finish)}")
        return replace(view.job, status=JobStatus.PENDING)

    return _do(context, caller, job_id, "undo_cancel", act, trigger="control")


def run_now(context: Context, caller: Caller, job_id: str) -> JobView:
    """Pin a job to the first half-hour that has room on one of its clusters, and re-plan."""

    def act(uow: UnitOfWork, view: JobView, now: datetime) -> Job:
        _must_be_open(view, "started now")
        start, asset_id = _first_room(context, uow, view.job, now)
        return replace(view.job, is_held=False, pinned_start=start, pinned_asset_id=asset_id)

    return _do(context, caller, job_id, "run_now", act, trigger="control")


def _first_room(context: Context, uow: UnitOfWork, job: Job, now: datetime) -> tuple[datetime, str]:
    assets = uow.assets.all_live(job.owner)
    facing = single.alone(context, single.unpinned(job), assets, now)
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
        _must_be_open(view, "pinned" if pinned else "unpinned")
        if not pinned:
            return replace(view.job, pinned_start=None, pinned_asset_id=None)
        award = view.plan.award if view.plan else None
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
        _check_pin(context, uow, view.job, start_time, asset_id, now)
        return replace(view.job, is_held=False, pinned_start=start_time, pinned_asset_id=asset_id)

    detail = {"start_time": start_time, "asset_id": asset_id}
    act_name = "pin" if pinned else "unpin"
    return _do(context, caller, job_id, act_name, act, detail=detail, trigger="control")


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
    facing = single.alone(context, single.unpinned(job), assets, now)
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
        rule = "power is held by other jobs" if code is Closed.OPEN else f"{code.rule} forbids it"
        raise Conflict(f"job {job.job_id} cannot start at {format_utc(start)}: {rule}")


def hold(context: Context, caller: Caller, job_id: str, *, held: bool) -> JobView:
    """Take a job out of the plan, or put it back."""

    def act(uow: UnitOfWork, view: JobView, now: datetime) -> Job:
        _must_be_open(view, "held" if held else "released")
        if held:
            _must_not_be_frozen(context, uow, view, now)
            uow.plans.release(job_id)
        return replace(
            view.job, is_held=held, status=JobStatus.PENDING if held else view.job.status
        )

    return _do(context, caller, job_id, "hold" if held else "release", act, trigger="control")


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

    def act(uow: UnitOfWork, view: JobView, now: datetime) -> Job:
        moment = at or _unsaid(view, event, now)
        _check_event(view, event, moment, now)
        return _confirmed(uow, view, event, moment, energy_kwh)

    detail = {"event": event, "at": at, "energy_kwh": energy_kwh}
    trigger = "control" if event in {"failed", "did_not_run"} else None
    return _do(context, caller, job_id, "confirm", act, detail=detail, trigger=trigger)


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
    if award is None:
        raise Conflict(f"job {job.job_id} is {view.status}: it has no run to confirm")
    begins = award.placement.start
    if moment < begins - EARLY_START and event != "did_not_run":
        raise Conflict(
            f"job {job.job_id} is planned from {format_utc(begins)}; use run-now to start it earlier"
        )
    if event == "did_not_run" and now < begins:
        raise Conflict(f"its window opens at {format_utc(begins)}; cancel or hold the job instead")


def _confirmed(
    uow: UnitOfWork, view: JobView, event: str, moment: datetime, energy_kwh: float | None
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
            ended_at=max(moment, started) if moment < award.placement.end else moment,
            measured_energy_kwh=energy_kwh,
        )
    uow.plans.release(job.job_id)
    if event == "failed":
        return replace(
            job, status=JobStatus.FAILED, ended_at=moment, measured_energy_kwh=energy_kwh
        )
    still_time = moment + job.duration <= job.latest_finish
    return replace(
        job,
        status=JobStatus.PENDING if still_time else JobStatus.FAILED,
        pinned_start=None,
        pinned_asset_id=None,
        ended_at=None if still_time else moment,
    )


def _do(
    context: Context,
    caller: Caller,
    job_id: str,
    action: str,
    act: Callable[[UnitOfWork, JobView, datetime], Job],
    *,
    detail: Mapping[str, Any] | None = None,
    trigger: str | None,
) -> JobView:
    """Apply one act in a transaction with its record, then re-plan where it matters."""
    if not caller.may_submit:
        raise Forbidden(f"the role {caller.role} may read but not change jobs")
    now = context.clock.now()
    with context.uow(write=True) as uow:
        view = uow.jobs.view(job_id, now, caller.owner)
        changed = act(uow, view, now)
        control = JobControls(action, now, caller.owner, records.plain(dict(detail or {})))
        uow.jobs.update(replace(changed, updated_at=now, version=view.job.version + 1), control)
        uow.decisions.append(
            records.event_draft(
                EventType.OUTCOME if action == "confirm" else EventType.CORRECTION,
                records.person(caller.owner),
                {
                    "action": action,
                    "detail": dict(detail or {}),
                    "status_before": str(view.status),
                    "status_after": str(changed.status),
                },
                job=changed,
                ref=UUID(view.plan.decision_id) if view.plan and view.plan.decision_id else None,
                clock_utc=now if context.clock.is_shifted else None,
            )
        )
        uow.plans.bump()
        uow.commit()
    if trigger is not None:
        planning.replan(context, trigger=trigger)
    return get(context, caller, job_id)


def _must_be_open(view: JobView, verb: str) -> None:
    if view.status not in OPEN_STATUSES:
        raise Conflict(f"job {view.job.job_id} is {view.status} and can no longer be {verb}")


def _must_not_be_frozen(context: Context, uow: UnitOfWork, view: JobView, now: datetime) -> None:
    award = view.plan.award if view.plan else None
    if view.job.status is not JobStatus.SCHEDULED or award is None:
        return
    asset = {a.asset_id: a for a in uow.assets.all_live()}.get(award.placement.asset_id)
    if award.placement.start <= now + freeze_lead(context.settings, asset):
        raise Conflict(
            f"job {view.job.job_id} starts at {format_utc(award.placement.start)} and is frozen; "
            "cancel it if it must not run"
        )


def _draft_of(job: Job) -> JobDraft:
    """Return the draft that would make this job again."""
    same = {f.name for f in fields(JobDraft)} & {f.name for f in fields(Job)}
    values = {name: getattr(job, name) for name in same - {"job_id"}}
    return JobDraft(
        **values,
        job_id=job.job_id,
        estimated_power_kw=None if job.power_profile_kw else job.power_kw,
    )


def _no_circle(uow: UnitOfWork, job_id: str, depends_on: tuple[str, ...]) -> None:
    """Refuse predecessors that wait, directly or not, for this very job."""
    seen: set[str] = set()
    ahead = set(depends_on)
    while ahead:
        if job_id in ahead:
            raise InvalidRequest(
                f"job {job_id} would wait for itself",
                (
                    FieldError(
                        "depends_on",
                        "the jobs would wait for each other in a circle",
                        list(depends_on),
                        "jobs that do not wait for this one",
                        "remove the job that closes the circle",
                    ),
                ),
            )
        seen |= ahead
        found = uow.jobs.many(ahead)
        ahead = {p for job in found.values() for p in job.depends_on} - seen


def _shown(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds() / 3600
    return value
