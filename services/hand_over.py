"""Hand-over: executors are told what the plan wants, exactly once, and asked what became of it.

Two steps of the loop, each under the lease `hand_over`, so that of several processes one acts:

1. `confirm` asks every executor about what it has, and stores what happened.
2. `follow` stores and audits what executors are to be told (`services.intents`), waits until those records are in the
   audit file, notes in the table that a call is about to be made, makes it, and stores its outcome.

A process may die anywhere in between. Whoever comes next finds either no intent (nothing was said), an intent without a
call (nothing was said), or a call without an outcome: then the executor is asked by our id, and only when it has had
time to answer and knows nothing is the call made again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from models.domain import trace
from models.domain.errors import AuditBroken, Conflict, ExecutorFailed
from models.domain.execution import (
    WAITING,
    ExecutionReport,
    ExecutionState,
    HandOver,
    Stage,
    Wanted,
    WorkOrder,
    time_limit_of,
)
from models.domain.job import FINAL_STATUSES, Flexibility, JobStatus
from models.domain.ports import Executor, JobView, UnitOfWork
from models.domain.time import ceil_slot
from models.domain.workload import read_workload
from services import intents, planning
from services.context import Context
from services.run_reports import absorb

log = logging.getLogger(__name__)

HAND_OVER_LEASE = "hand_over"
"""Name of the lease of whoever speaks with executors."""

LEASE_SECONDS = 90.0
"""How long it lasts unrenewed; it is renewed before every call. [s]"""

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 300.0
"""Pauses between calls that fail: doubled each time, up to five minutes. [s]"""


@dataclass(frozen=True)
class Handed:
    """What one pass did."""

    intents: int = 0
    calls: int = 0
    failures: int = 0


class _LeaseLost(Exception):
    """Another process speaks with the executors now."""


Renew = Callable[[], None]


@contextmanager
def _turn(context: Context) -> Iterator[Renew | None]:
    """Hold the lease inside the block; gives what renews it, None where another process has it."""
    leases, holder = context.leases, context.settings.holder
    token = leases.acquire(HAND_OVER_LEASE, holder, LEASE_SECONDS)
    if token is None:
        yield None
        return

    def renew() -> None:
        if not leases.renew(HAND_OVER_LEASE, holder, token, LEASE_SECONDS):
            raise _LeaseLost

    try:
        yield renew
    except _LeaseLost:
        log.warning("the lease of the hand-over was lost; another process goes on")
    finally:
        leases.release(HAND_OVER_LEASE, holder, token)


def confirm(context: Context) -> int:
    """Ask the executors what became of their runs, store it and plan anew where that is called for.

    Returns:
        How many open hand-overs were asked about.
    """
    asked = 0
    calls_for_plan = False
    with _turn(context) as renew:
        if renew is None:
            return 0
        open_ones = _open(context)
        for name, group in _by_executor(open_ones).items():
            executor = context.executors.get(name)
            if executor is None or not executor.reports:
                continue
            renew()
            asked += len(group)
            calls_for_plan |= bool(_look(context, executor, group))
    if calls_for_plan:
        planning.replan_after(context, trigger="executor")
    return asked


def follow(context: Context) -> Handed:
    """Tell the executors what the plan wants; safe to call as often as wanted."""
    if not context.executors:
        return Handed()
    calls = failures = stored = 0
    late = False
    with _turn(context) as renew:
        if renew is None:
            return Handed()
        stored = intents.note(context) + intents.chunks(context)
        late = _settle_late(context, renew)
        to_do = [h for h in _open(context) if _is_due(context, h)]
        if to_do and not _in_file(context, to_do):
            return Handed(stored)
        for name, group in _by_executor(to_do).items():
            executor = context.executors.get(name)
            if executor is None:
                continue
            for hand_over in _known_now(context, executor, group, renew):
                renew()
                with trace.about(job_id=hand_over.job_id):
                    went_well = _tell(context, executor, hand_over)
                calls += went_well is not None
                failures += went_well is False
    if late:
        planning.replan_after(context, trigger="executor")
    return Handed(stored, calls, failures)


# --- looking ----------------------------------------------------------------------------------


def _open(context: Context) -> tuple[HandOver, ...]:
    with context.uow() as uow:
        return uow.hand_overs.open()


def _by_executor(hand_overs: Iterable[HandOver]) -> dict[str, list[HandOver]]:
    groups: dict[str, list[HandOver]] = {}
    for hand_over in hand_overs:
        groups.setdefault(hand_over.executor, []).append(hand_over)
    return groups


def _look(context: Context, executor: Executor, group: Iterable[HandOver]) -> bool | None:
    """Ask about some hand-overs and store the answers; return whether a plan is called for, None without an answer."""
    found = _ask(executor, group)
    if found is None:
        return None
    calls_for_plan = False
    for hand_over in group:
        reports = found.get(hand_over.hand_over_id, ())
        with trace.about(job_id=hand_over.job_id):
            _take_off_doubles(executor, reports)
            calls_for_plan |= absorb(context, executor, hand_over, reports)
    return calls_for_plan


def _ask(
    executor: Executor, group: Iterable[HandOver]
) -> Mapping[str, tuple[ExecutionReport, ...]] | None:
    try:
        return executor.find({h.hand_over_id: h.external_id for h in group})
    except ExecutorFailed as error:
        log.warning("%s cannot be asked: %s", executor.name, error)
        return None


def _take_off_doubles(executor: Executor, reports: tuple[ExecutionReport, ...]) -> None:
    """Withdraw what was handed over a second time by a fault; the first report counts."""
    for extra in reports[1:]:
        if extra.state not in WAITING:
            continue
        log.warning(
            "%s has %s twice; %s is taken off", executor.name, extra.hand_over_id, extra.external_id
        )
        try:
            executor.cancel(extra.external_id, only_waiting=True)
        except ExecutorFailed as error:
            log.warning("%s could not be taken off: %s", extra.external_id, error)


def _known_now(
    context: Context, executor: Executor, group: list[HandOver], renew: Renew
) -> list[HandOver]:
    """Return the hand-overs to tell about as they stand after asking; none where nobody answers."""
    if not executor.reports:
        return group
    asked = [h for h in group if h.stage is Stage.HANDED or h.called_at is not None]
    if asked:
        renew()
        found = _ask(executor, asked)
        if found is None:
            return []
        for hand_over in asked:
            reports = found.get(hand_over.hand_over_id, ())
            _take_off_doubles(executor, reports)
            absorb(context, executor, hand_over, reports)
    wanted = {h.hand_over_id for h in group}
    return [h for h in _open(context) if h.hand_over_id in wanted and _is_due(context, h)]


def _settle_late(context: Context, renew: Renew) -> bool:
    """Plan anew what no executor had started when its window passed; return whether there was any."""
    with context.uow() as uow:
        open_ones = uow.hand_overs.open()
        jobs = uow.jobs.many([h.job_id for h in open_ones])
    late = [h for h in open_ones if jobs[h.job_id].status is JobStatus.UNCONFIRMED]
    changed = False
    for name, group in _by_executor(late).items():
        executor = context.executors.get(name)
        if executor is None or not executor.reports:
            continue
        renew()
        if _look(context, executor, group) is None:
            continue  # it may have run: nothing is done before somebody answers
        for one in group:
            changed |= _unstarted(context, one.hand_over_id)
    return changed


def _unstarted(context: Context, hand_over_id: str) -> bool:
    """Put a job whose window passed without a start back into the plan, or have it taken off where it is too late."""
    now = context.clock.now()
    with context.uow(write=True) as uow:
        hand_over = uow.hand_overs.get(hand_over_id)
        view = uow.jobs.view(hand_over.job_id, now)
        job = view.job
        is_waiting = hand_over.is_open and not hand_over.has_started
        if job.status is not JobStatus.UNCONFIRMED or not is_waiting:
            return False
        if hand_over.wanted is Wanted.WITHDRAW:
            return False
        has_time = ceil_slot(now) + job.duration <= job.latest_finish
        if has_time:
            back = replace(job, status=JobStatus.PENDING, pinned_start=None, pinned_asset_id=None)
            uow.jobs.update(replace(back, updated_at=now, version=job.version + 1))
            wished = hand_over
            text = "its executor had not started it when its window passed; it is planned again"
        else:
            wished = replace(hand_over, wanted=Wanted.WITHDRAW, retry_at=None)
            text = "its executor had not started it by its last start; it is taken off"
            if hand_over.stage is Stage.INTENDED and hand_over.called_at is None:
                wished = replace(wished, stage=Stage.DROPPED)
                failed = replace(job, status=JobStatus.FAILED, ended_at=now, updated_at=now)
                uow.jobs.update(replace(failed, version=job.version + 1))
        record = uow.decisions.append(
            intents.told(context, "not_started", job, wished, view.plan, text=text)
        )
        uow.hand_overs.update(
            replace(wished, audited_seq=record.seq, version=hand_over.version + 1)
        )
        uow.plans.bump()
        uow.commit()
    return has_time


# --- telling ----------------------------------------------------------------------------------


def _is_due(context: Context, hand_over: HandOver) -> bool:
    now = context.system_now()
    is_waiting = hand_over.retry_at is not None and now < hand_over.retry_at
    if hand_over.stage is Stage.INTENDED:
        uncertain = hand_over.called_at is not None
        return not is_waiting and (uncertain or hand_over.wanted is not Wanted.HOLD)
    return hand_over.stage is Stage.HANDED and not hand_over.is_told and not is_waiting


def _in_file(context: Context, to_do: Iterable[HandOver]) -> bool:
    """Return whether the records of some intents are safely in the audit file, after writing it."""
    try:
        context.audit.flush(context.uow)
    except AuditBroken:
        log.exception("no executor is told anything while the audit log differs from its outbox")
        return False
    with context.uow() as uow:
        flushed = uow.decisions.flushed_seq()
    return all(hand_over.audited_seq <= flushed for hand_over in to_do)


def _tell(context: Context, executor: Executor, hand_over: HandOver) -> bool | None:
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
        _note_failure(context, hand_over, error)
        return False
    moved = wanted is Wanted.RUN and hand_over.told_begin not in (None, begin)
    ends = wanted in {Wanted.CANCEL, Wanted.WITHDRAW} and not executor.reports
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
    if hand_over.wanted not in {Wanted.RUN, Wanted.HOLD}:
        _note(context, hand_over, "dropped", stage=Stage.DROPPED)
        return None
    if hand_over.wanted is Wanted.HOLD:
        return None  # nobody has it yet, so nothing need be held
    with context.uow() as uow:
        view = uow.jobs.view(hand_over.job_id, context.clock.now())
    if view.job.status in FINAL_STATUSES:
        return None
    claimed = _claim(context, hand_over)
    if claimed is None:
        return None
    try:
        external_id = executor.hand_over(_order(view, claimed))
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
    job, award = view.job, view.plan.award if view.plan else None
    workload = read_workload(job.workload or {})
    running = [s.end - s.start for s in award.placement.segments if s.power_kw > 0] if award else []
    length = max(job.duration, sum(running, timedelta(0)))
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


def _claim(context: Context, hand_over: HandOver) -> HandOver | None:
    """Note that a call is about to be made; None where another process was quicker or the wish has changed."""
    claimed = replace(hand_over, called_at=context.system_now(), version=hand_over.version + 1)
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
