"""What executors report becomes what we know: runs started, ended, failed, vanished, at their real times.

Each report is one small transaction with its record, checked again inside it. Where plan and executor differ, what the
executor says has happened is the truth: a job that runs is running, whatever was meanwhile planned.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from models.domain.errors import Conflict
from models.domain.execution import (
    ACTIVE,
    WAITING,
    ExecutionReport,
    ExecutionState,
    HandOver,
    Stage,
    Wanted,
)
from models.domain.job import FINAL_STATUSES, OPEN_STATUSES, Job, JobStatus
from models.domain.ports import Executor, JobView, UnitOfWork
from models.domain.time import ceil_slot, floor_slot, format_utc
from models.domain.workload import read_workload
from services.context import Context
from services.intents import told
from services.overrun import held_award
from services.valuation import meter_factor

SHORTEST_RUN = timedelta(seconds=1)
"""What a run lasted that began and ended at the same time: clusters tell whole seconds."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Step:
    """What a report changes."""

    hand_over: HandOver
    job: Job
    event: str | None = None
    """Word of the record; None: only the hand-over's own notes change."""
    detail: str = ""


def absorb(
    context: Context,
    executor: Executor,
    seen: HandOver,
    reports: tuple[ExecutionReport, ...],
) -> bool:
    """Store what an executor says of one hand-over; return whether a new plan is called for."""
    now, system_now = context.clock.now(), context.system_now()
    with context.uow(write=True) as uow:
        hand_over = uow.hand_overs.get(seen.hand_over_id)
        if hand_over.version != seen.version or not hand_over.is_open:
            return False
        view = uow.jobs.view(hand_over.job_id, now)
        if reports:
            attempts = uow.hand_overs.of_job(hand_over.job_id)
            failures = sum(one.state is ExecutionState.FAILED for one in attempts)
            step = _reported(view, hand_over, reports[0], now, failures + 1)
        else:
            step = _unseen(executor, view.job, hand_over, system_now)
        changes = step.hand_over != hand_over or step.job != view.job
        if changes and not _store(context, uow, view, step, now):
            return False
        keeps = step.job.status is JobStatus.RUNNING and _keep_power(uow, view, step, now)
        if not changes and not keeps:
            return False
        calls_for_plan = keeps or _calls_for_plan(uow, view.job, step.job)
        uow.commit()
    return calls_for_plan


def _calls_for_plan(uow: UnitOfWork, before: Job, after: Job) -> bool:
    """Return whether others can or must be planned anew after a job's change."""
    if after.status is before.status or after.status is JobStatus.RUNNING:
        return False
    if after.status is not JobStatus.COMPLETED:
        return True
    return any(job.status in OPEN_STATUSES for job in uow.jobs.successors(after.job_id))


def _store(context: Context, uow: UnitOfWork, view: JobView, step: _Step, now: datetime) -> bool:
    """Write a step with its record; False where another process was quicker."""
    hand_over, job = step.hand_over, step.job
    try:
        if job != view.job:
            uow.jobs.update(replace(job, updated_at=now, version=view.job.version + 1))
            if job.status is not JobStatus.RUNNING:
                uow.plans.release(job.job_id)
            uow.plans.bump()
        if step.event is not None:
            detail: dict[str, Any] = {
                "started_at": hand_over.started_at,
                "ended_at": hand_over.ended_at,
                "exit_code": hand_over.exit_code,
                "reason": hand_over.reason,
                "status_before": str(view.job.status),
                "status_after": str(job.status),
                "text": step.detail,
            }
            uow.decisions.append(told(context, step.event, job, hand_over, view.plan, **detail))
        uow.hand_overs.update(replace(hand_over, version=hand_over.version + 1))
        if not hand_over.is_open:
            uow.plans.bump()  # where the job is still to run, a new attempt is looked for
    except Conflict:
        log.info("what %s reports of %s was stored by another process", hand_over.executor, job)
        return False
    return True


def _keep_power(uow: UnitOfWork, view: JobView, step: _Step, now: datetime) -> bool:
    """Let a run that lasts longer than planned keep its power; return whether others must make room."""
    plan = view.plan
    if plan is None or plan.award is None:
        return False
    award = held_award(plan.award, step.job, now)
    if award is None:
        if view.job.status is JobStatus.UNCONFIRMED:  # its power had been given back
            uow.plans.put([replace(plan, award=replace(plan.award, is_frozen=True))])
        return False
    kept = [replace(plan, award=award)]
    for other in uow.plans.current().values():
        if other.award is None or other.job_id == plan.job_id:
            continue
        placed = other.award.placement
        is_open = placed.start <= now < placed.end
        if is_open and placed.asset_id == award.placement.asset_id:
            # Its window is open, so it cannot move any more: a breach it is part of is not planned around.
            kept.append(replace(other, award=replace(other.award, is_frozen=True)))
    uow.plans.put(kept)
    uow.plans.bump()
    return True


# --- one report -------------------------------------------------------------------------------


def _reported(
    view: JobView, hand_over: HandOver, report: ExecutionReport, now: datetime, failures: int
) -> _Step:
    known = replace(
        hand_over,
        stage=Stage.HANDED,
        external_id=report.external_id or hand_over.external_id,
        called_at=None,
        missing_since=None,
        state=report.state,
        started_at=_first(hand_over.started_at, report.started_at),
        ended_at=report.ended_at,
        exit_code=report.exit_code,
        reason=report.reason,
        energy_kwh=report.energy_kwh,
    )
    found = hand_over.stage is Stage.INTENDED
    if report.state in WAITING:
        # After an unanswered call nobody knows which begin time it was given, so it is told again.
        return _Step(known, view.job, "found" if found else None, "it was there already")
    if report.state in ACTIVE:
        return _running(view.job, known, now)
    if report.state is ExecutionState.COMPLETED:
        return _completed(view, known, now)
    if report.state is ExecutionState.FAILED:
        return _failed(view.job, known, now, failures)
    if report.state is ExecutionState.CANCELLED:
        return _cancelled(view.job, known, now)
    return _lost(view.job, known, "it started, and nothing says how it ended")


def _first(known: datetime | None, told: datetime | None) -> datetime | None:
    """Return the earlier of two instants; a run that went back to the queue keeps its first start."""
    return min((at for at in (known, told) if at is not None), default=None)


def _running(job: Job, known: HandOver, now: datetime) -> _Step:
    if job.status is JobStatus.RUNNING or job.status in FINAL_STATUSES:
        return _Step(known, job)
    started_at = known.started_at or now
    running = replace(job, status=JobStatus.RUNNING, started_at=started_at, is_held=False)
    return _Step(replace(known, started_at=started_at), running, "started", _wait_text(known))


def _completed(view: JobView, known: HandOver, now: datetime) -> _Step:
    job, ended = view.job, replace(known, stage=Stage.ENDED)
    if job.status in FINAL_STATUSES:
        return _Step(ended, job, "ended", "it had been settled before")
    ended_at = known.ended_at or now
    began = known.started_at or job.started_at
    started_at = began or ended_at
    if began is not None and known.ended_at is not None:
        ended_at = max(ended_at, began + SHORTEST_RUN)
    done = replace(
        job,
        status=JobStatus.COMPLETED,
        started_at=started_at,
        ended_at=max(started_at, ended_at),
        is_held=False,
        measured_energy_kwh=_metered_kwh(view, known),
    )
    return _Step(replace(ended, started_at=started_at, ended_at=ended_at), done, "completed", "")


def _metered_kwh(view: JobView, known: HandOver) -> float | None:
    """Return accounted energy at the meter; the factor is that of the plan, which knows the cluster's PUE. [kWh]"""
    award = view.plan.award if view.plan else None
    if known.energy_kwh is None:
        return None
    return known.energy_kwh * (1.0 if award is None else meter_factor(award.placement))


def _failed(job: Job, known: HandOver, now: datetime, failures: int) -> _Step:
    ended = replace(known, stage=Stage.ENDED)
    if job.status in FINAL_STATUSES:
        return _Step(ended, job, "ended", "it had been settled before")
    work = read_workload(job.workload or {})
    allowed = work.max_attempts
    fits = ceil_slot(now) + job.duration <= job.latest_finish
    if failures < allowed and fits:
        # The pause gives way where the deadline could not be met after it.
        last_start = floor_slot(job.latest_finish - job.duration)
        ready = min(now + work.pause_after(failures), last_start)
        text = f"run {failures} of at most {allowed} failed; it is planned again, not before {format_utc(ready)}"
        again = replace(
            job, status=JobStatus.PENDING, started_at=None, ended_at=None,
            pinned_start=None, pinned_asset_id=None, earliest_start=max(job.earliest_start, ready),
        )  # fmt: skip
        return _Step(ended, again, "failed", text)
    text = "no run is left" if failures >= allowed else "its deadline can no longer be met"
    over = replace(
        job,
        status=JobStatus.FAILED,
        started_at=known.started_at or job.started_at,
        ended_at=known.ended_at or now,
    )
    return _Step(ended, over, "failed", f"run {failures} failed; {text}")


def _cancelled(job: Job, known: HandOver, now: datetime) -> _Step:
    ended = replace(known, stage=Stage.ENDED)
    if job.status in FINAL_STATUSES:
        return _Step(ended, job, "cancelled", "taken off as wanted")
    if known.wanted is Wanted.WITHDRAW and job.status is JobStatus.UNCONFIRMED:
        over = replace(job, status=JobStatus.FAILED, ended_at=now)
        text = "its executor had not started it by its last start, so it was taken off"
        return _Step(ended, over, "failed", text)
    ours = {Wanted.WITHDRAW, Wanted.CANCEL}
    if known.wanted in ours or known.told in ours:
        return _Step(
            ended,
            job,
            "cancelled",
            "taken off by us; where it is still to run, it is handed over anew",
        )
    over = replace(
        job,
        status=JobStatus.CANCELLED,
        started_at=known.started_at or job.started_at,
        ended_at=known.ended_at if known.started_at else None,
    )
    return _Step(ended, over, "cancelled", "somebody took it off at the executor")


def _lost(job: Job, known: HandOver, text: str) -> _Step:
    lost = replace(known, stage=Stage.LOST)
    status = JobStatus.UNCONFIRMED if job.status is JobStatus.RUNNING else job.status
    return _Step(lost, replace(job, status=status), "lost", text)


def _unseen(executor: Executor, job: Job, hand_over: HandOver, system_now: datetime) -> _Step:
    """Return what it means that an executor knows nothing of a hand-over.

    One that had not started is handed over again, under the same id: the executor starts that at most once. One that
    had started is lost: it is never started again by itself.
    """
    patience = timedelta(seconds=executor.settle_seconds)
    if hand_over.stage is Stage.INTENDED:
        if hand_over.called_at is None or system_now < hand_over.called_at + patience:
            return _Step(hand_over, job)
        return _Step(replace(hand_over, called_at=None), job)
    if hand_over.missing_since is None:
        return _Step(replace(hand_over, missing_since=system_now), job)
    if system_now < hand_over.missing_since + patience:
        return _Step(hand_over, job)
    if hand_over.has_started:
        return _lost(job, hand_over, "its executor has forgotten it, and nothing says how it ended")
    again = replace(
        hand_over, stage=Stage.INTENDED, external_id=None, state=None, told=None, told_begin=None,
        missing_since=None, called_at=None,
    )  # fmt: skip
    text = "its executor has lost it before it started; it is handed over again"
    return _Step(again, job, "vanished", text)


def _wait_text(known: HandOver) -> str:
    queueing = known.queueing
    if queueing is None:
        return ""
    seconds = queueing.total_seconds()
    return f"{abs(seconds):.0f} s {'after' if seconds >= 0 else 'before'} its planned start"
