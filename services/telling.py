"""Telling executors what the plan wants: one call at a time, noted before it is made and stored after it.

A call without a stored outcome may have been heard. It is made again only where the executor starts the same id once, or
after the executor was asked by our id and knows nothing of it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

from models.domain.errors import Conflict, ExecutorFailed
from models.domain.execution import (
    ExecutionState,
    HandOver,
    Stage,
    Wanted,
    WorkOrder,
    time_limit_of,
)
from models.domain.job import FINAL_STATUSES, Flexibility, JobStatus
from models.domain.ports import Executor, JobView, UnitOfWork
from models.domain.workload import read_workload, workload_digest
from services import intents
from services.context import Context

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
"""Pauses between calls that fail: doubled each time, up to five minutes. [s]"""

ENDS = frozenset({Wanted.CANCEL, Wanted.WITHDRAW})
"""Wishes that end a hand-over."""


def is_due(context: Context, hand_over: HandOver) -> bool:
    """Return whether an executor is to be told of a hand-over, or asked about one, now."""
    now = context.system_now()
    is_waiting = hand_over.retry_at is not None and now < hand_over.retry_at
    if hand_over.stage is Stage.INTENDED:
        uncertain = hand_over.called_at is not None
        return not is_waiting and (uncertain or hand_over.wanted is not Wanted.HOLD)
    return hand_over.stage is Stage.HANDED and not hand_over.is_told and not is_waiting


def tell(context: Context, executor: Executor, hand_over: HandOver) -> bool | None:
    """Make the one call a hand-over needs; True: it went well, False: it failed, None: none was made."""
    if hand_over.stage is Stage.INTENDED:
        return _hand_over(context, executor, hand_over)
    if hand_over.is_told:
        return None
    external_id = hand_over.external_id or ""
    begin = hand_over.begin
    wanted = hand_over.wanted
    try:
        if wanted is Wanted.RUN and hand_over.told is Wanted.SUSPEND:
            executor.resume(external_id)
        elif wanted is Wanted.RUN and begin is not None:
            if hand_over.has_started:
                return None
            executor.move(external_id, begin)
        elif wanted is Wanted.HOLD:
            executor.hold(external_id)
        elif wanted is Wanted.SUSPEND:
            executor.suspend(external_id)
        else:
            executor.cancel(external_id, only_waiting=wanted is Wanted.WITHDRAW)
    except ExecutorFailed as error:
        if error.is_final and wanted in ENDS and not executor.reports:
            _given_up(context, hand_over, error)
        else:
            _note_failure(context, hand_over, error)
        return False
    moved = wanted is Wanted.RUN and hand_over.told_begin not in (None, begin)
    ends = wanted in ENDS and not executor.reports
    _note(
        context,
        hand_over,
        "told",
        told=wanted,
        told_begin=begin if wanted is Wanted.RUN else hand_over.told_begin,
        moves=hand_over.moves + moved,
        stage=Stage.ENDED if ends else hand_over.stage,
    )
    return True


def _hand_over(context: Context, executor: Executor, hand_over: HandOver) -> bool | None:
    """Hand work over for the first time, or again once it is sure that the call before had no effect."""
    now = context.system_now()
    if hand_over.called_at is not None and not executor.is_idempotent:
        return None  # the executor may yet show what became of the call
    if hand_over.wanted in ENDS:
        return _drop(context, executor, hand_over)
    if hand_over.wanted is Wanted.HOLD:
        return None  # nobody is known to have it, so nothing need be held
    with context.uow() as uow:
        view = uow.jobs.view(hand_over.job_id, context.clock.now())
    if view.job.status in FINAL_STATUSES:
        return None
    order = _order(view, hand_over)
    claimed = _claim(context, hand_over, view, order)
    if claimed is None:
        return None
    try:
        external_id = executor.hand_over(order)
    except ExecutorFailed as error:
        if error.is_final and not error.may_have_acted:
            _refused(context, claimed, error)
        else:
            _note_failure(context, claimed, error, called=error.may_have_acted)
        return False
    _note(
        context,
        claimed,
        "handed_over",
        stage=Stage.HANDED,
        external_id=external_id,
        told=Wanted.RUN,
        told_begin=claimed.begin,
        called_at=None,
        state=ExecutionState.QUEUED if executor.reports else None,
        reason="" if executor.is_real else f"only noted at {now:%H:%M} UTC: nothing is started",
    )
    return True


def _order(view: JobView, hand_over: HandOver) -> WorkOrder:
    """Return what an executor is given; at lower power a run lasts longer than the job asked for."""
    job = view.job
    workload = read_workload(job.workload or {})
    length = intents.run_length(job, view.plan.award if view.plan else None)
    return WorkOrder(
        hand_over_id=hand_over.hand_over_id,
        job_id=job.job_id,
        owner=job.owner,
        workload=workload,
        begin=hand_over.begin,
        duration=length,
        time_limit=time_limit_of(length, workload),
        is_interruptible=job.flexibility is Flexibility.INTERRUPTIBLE,
    )


def _drop(context: Context, executor: Executor, hand_over: HandOver) -> bool | None:
    """Take back what nobody is known to have; whoever cannot be asked and may have heard of it is told so first."""
    is_told = hand_over.called_at is not None and not executor.reports
    if is_told:
        try:
            executor.cancel(
                hand_over.hand_over_id, only_waiting=hand_over.wanted is Wanted.WITHDRAW
            )
        except ExecutorFailed as error:
            if not error.is_final:
                _note_failure(context, hand_over, error, called=True)
                return False
            log.info("%s does not know job %s: %s", executor.name, hand_over.job_id, error)
    _note(context, hand_over, "dropped", stage=Stage.DROPPED, called_at=None)
    return True if is_told else None


def _claim(
    context: Context, hand_over: HandOver, view: JobView, order: WorkOrder
) -> HandOver | None:
    """Note that a call is about to be made; None where another process was quicker or the wish has changed."""
    has_own_limit = order.workload.resources.time_limit_minutes is not None
    claimed = replace(
        hand_over,
        called_at=context.system_now(),
        given_sha256=workload_digest(view.job.workload or {}),
        given_limit=None if has_own_limit else order.time_limit,
        version=hand_over.version + 1,
    )
    with context.uow(write=True) as uow:
        try:
            uow.hand_overs.update(claimed)
        except Conflict:
            return None
        uow.commit()
    return claimed


def _note(context: Context, called: HandOver, event: str, **changes: Any) -> None:
    """Store what came of a call, with its record; the wish may have changed meanwhile and is kept."""
    changes = {"tries": 0, "retry_at": None, "last_error": None, **changes}
    with context.uow(write=True) as uow:
        fresh = uow.hand_overs.get(called.hand_over_id)
        after = replace(fresh, **changes, version=fresh.version + 1)
        uow.hand_overs.update(after)
        _record(context, uow, event, after)
        if not after.is_open:
            uow.plans.bump()  # what is wanted instead is looked for in the next round
        uow.commit()


def _note_failure(
    context: Context, told: HandOver, error: ExecutorFailed, *, called: bool = False
) -> None:
    """Store that a call failed, and when it is made again."""
    tries = told.tries + 1
    pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(tries - 1, 10))
    log.warning("%s, job %s: %s (try %d)", told.executor, told.job_id, error, tries)
    with context.uow(write=True) as uow:
        fresh = uow.hand_overs.get(told.hand_over_id)
        after = replace(
            fresh,
            tries=tries,
            retry_at=context.system_now() + timedelta(seconds=pause),
            last_error=str(error)[:500],
            called_at=fresh.called_at if called else None,
            version=fresh.version + 1,
        )
        uow.hand_overs.update(after)
        if tries == 1:
            _record(context, uow, "call_failed", after, error=str(error)[:500])
        uow.commit()


def _given_up(context: Context, told: HandOver, error: ExecutorFailed) -> None:
    """Store that somebody who cannot be asked will not take a run off: nothing more can be done about it."""
    log.warning("%s will not end job %s: %s", told.executor, told.job_id, error)
    text = str(error)[:500]
    _note(context, told, "not_ended", stage=Stage.ENDED, last_error=text, reason=text)


def _refused(context: Context, told: HandOver, error: ExecutorFailed) -> None:
    """Store that an executor will never take this work: the job fails, and says why."""
    now = context.clock.now()
    log.error("%s refuses job %s: %s", told.executor, told.job_id, error)
    with context.uow(write=True) as uow:
        fresh = uow.hand_overs.get(told.hand_over_id)
        after = replace(
            fresh, stage=Stage.REFUSED, called_at=None, last_error=str(error)[:500],
            reason=str(error)[:500], version=fresh.version + 1,
        )  # fmt: skip
        uow.hand_overs.update(after)
        _record(context, uow, "refused", after, error=str(error)[:500])
        job = uow.jobs.get(told.job_id)
        if job.status not in FINAL_STATUSES:
            over = replace(job, status=JobStatus.FAILED, ended_at=now, updated_at=now)
            uow.jobs.update(replace(over, version=job.version + 1))
            uow.plans.release(job.job_id)
        uow.plans.bump()
        uow.commit()


def _record(
    context: Context, uow: UnitOfWork, event: str, hand_over: HandOver, **detail: Any
) -> None:
    view = uow.jobs.view(hand_over.job_id, context.clock.now())
    uow.decisions.append(intents.told(context, event, view.job, hand_over, view.plan, **detail))
