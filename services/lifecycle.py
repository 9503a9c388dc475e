"""What time does to awards: windows that passed unconfirmed, and plans that were only ever simulated.

A scheduled award whose start has come is *open*: it stays scheduled until somebody or something says that it started.
When its end passes unsaid it becomes `unconfirmed` and gives its power back. A running job stays running. Every
transition is one small transaction with its record, checked again inside it, so that two processes never do it twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from models.domain.errors import Conflict, NotFound
from models.domain.job import JobStatus
from models.domain.plan import Award, Deferral
from models.domain.ports import JobPlan, JobView, UnitOfWork
from models.domain.time import floor_slot
from services import change_records, planning
from services.context import Context
from services.memo import Memo

SIMULATED = "simulated"
"""Mode of awards that were computed from the synthetic grid."""

LIVE = "live"
"""Mode in which simulated awards are void."""

VOID_REASON = "it was planned on simulated signals, which is void since live data arrived"
"""Deferral of an award that was withdrawn because it was only simulated."""

_clean: Memo[bool] = Memo()


@dataclass(frozen=True)
class Passage:
    """What one pass changed."""

    unconfirmed: int = 0
    voided: int = 0

    @property
    def changed(self) -> int:
        """Return how many jobs changed."""
        return self.unconfirmed + self.voided


def advance(context: Context) -> Passage:
    """Move every job that time has overtaken; safe to call from several processes and as often as wanted."""
    unconfirmed = sum(
        _close(context, view.job.job_id)
        for view in _due(context)
        if _has_passed(view, context.clock.now())
    )
    voided = _void_simulated(context) if context.signals.mode == LIVE else 0
    if voided:
        planning.replan(context, trigger="new_forecast")
    return Passage(unconfirmed, voided)


def is_open(view: JobView, now: datetime) -> bool:
    """Return whether a job's window is open: its start has come and nobody has said that it started."""
    award = view.plan.award if view.plan else None
    return (
        view.job.status is JobStatus.SCHEDULED
        and award is not None
        and award.placement.start <= now < award.placement.end
    )


def _due(context: Context) -> tuple[JobView, ...]:
    with context.uow() as uow:
        return uow.jobs.due(context.clock.now())


def _has_passed(view: JobView, now: datetime) -> bool:
    award = view.plan.award if view.plan else None
    return (
        view.job.status is JobStatus.SCHEDULED and award is not None and award.placement.end <= now
    )


def _close(context: Context, job_id: str) -> bool:
    """Make a passed window `unconfirmed` and give its power back; False where another was quicker."""
    now = context.clock.now()
    with context.uow(write=True) as uow:
        view = _view(uow, job_id, now)
        if view is None or not _has_passed(view, now):
            return False
        plan, award = _answer(view)
        if not _store(uow, view, JobStatus.UNCONFIRMED, now):
            return False
        uow.plans.release(job_id)
        uow.decisions.append(
            change_records.outcome(
                context,
                "lifecycle",
                "unconfirmed",
                view.job,
                plan,
                {
                    "start": award.placement.start,
                    "end": award.placement.end,
                    "asset_id": award.placement.asset_id,
                    "text": "the window passed and nobody said whether the job ran; it counts in no statement",
                },
            )
        )
        uow.plans.bump()
        uow.commit()
    return True


def _void_simulated(context: Context) -> int:
    """Withdraw awards of simulated plans that have not started; return how many.

    Once none was found, the plans are looked through again only in the next half-hour: a process that had not yet
    noticed the live data may have committed one more.
    """
    now = context.clock.now()
    key = floor_slot(now)
    if _clean.peek(context, key):
        return 0
    with context.uow() as uow:
        wanted = [plan.job_id for plan in uow.plans.current().values() if _is_void(plan, now)]
    if not wanted:
        _clean.get(context, key, lambda: True)
    return sum(_void(context, job_id) for job_id in wanted)


def _is_void(plan: JobPlan, now: datetime) -> bool:
    return (
        plan.signals_mode == SIMULATED
        and plan.award is not None
        and plan.award.placement.start > now
    )


def _void(context: Context, job_id: str) -> bool:
    now = context.clock.now()
    with context.uow(write=True) as uow:
        view = _view(uow, job_id, now)
        if view is None or view.plan is None or not _is_void(view.plan, now):
            return False
        if view.job.status is not JobStatus.SCHEDULED:
            return False
        plan, award = _answer(view)
        if not _store(uow, view, JobStatus.PENDING, now):
            return False
        record = uow.decisions.append(
            change_records.outcome(
                context,
                "lifecycle",
                "void",
                view.job,
                plan,
                {"start": award.placement.start, "text": VOID_REASON},
            )
        )
        uow.plans.put(
            [
                replace(
                    plan,
                    award=None,
                    deferral=Deferral(job_id, VOID_REASON, None),
                    decision_id=record.event_id,
                    decided_at=now,
                    signals_mode=LIVE,
                )
            ]
        )
        uow.plans.bump()
        uow.commit()
    return True


def _view(uow: UnitOfWork, job_id: str, now: datetime) -> JobView | None:
    try:
        return uow.jobs.view(job_id, now)
    except NotFound:
        return None


def _answer(view: JobView) -> tuple[JobPlan, Award]:
    assert view.plan is not None
    assert view.plan.award is not None
    return view.plan, view.plan.award


def _store(uow: UnitOfWork, view: JobView, status: JobStatus, now: datetime) -> bool:
    """Store a job's new status; False where its version moved on meanwhile."""
    job = view.job
    try:
        uow.jobs.update(replace(job, status=status, updated_at=now, version=job.version + 1))
    except Conflict:
        return False
    return True
