"""Asking executors what they have and what became of it, and storing the answers.

What no executor has started when its window passed goes back into the plan here, or is given up where it is too late.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace

from models.domain import trace
from models.domain.errors import ExecutorFailed
from models.domain.execution import WAITING, ExecutionReport, HandOver, Stage, Wanted
from models.domain.job import JobStatus
from models.domain.ports import Executor
from models.domain.time import ceil_slot
from services import intents
from services.context import Context
from services.executor_turn import Renew
from services.run_reports import absorb

log = logging.getLogger(__name__)


def open_ones(context: Context) -> tuple[HandOver, ...]:
    """Return every hand-over with something left to do."""
    with context.uow() as uow:
        return uow.hand_overs.open()


def by_executor(hand_overs: Iterable[HandOver]) -> dict[str, list[HandOver]]:
    """Return hand-overs by the name of their executor."""
    groups: dict[str, list[HandOver]] = {}
    for hand_over in hand_overs:
        groups.setdefault(hand_over.executor, []).append(hand_over)
    return groups


def look(context: Context, executor: Executor, group: Iterable[HandOver]) -> bool | None:
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
    """Return what an executor knows of some hand-overs; None where it does not answer."""
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


def settle_late(context: Context, renew: Renew) -> bool:
    """Put back what no executor had started when its window passed; return whether a plan is called for."""
    with context.uow() as uow:
        open_ones = uow.hand_overs.open()
        jobs = uow.jobs.many([h.job_id for h in open_ones])
    late = [h for h in open_ones if jobs[h.job_id].status is JobStatus.UNCONFIRMED]
    changed = False
    for name, group in by_executor(late).items():
        executor = context.executors.get(name)
        if executor is None or not executor.reports:
            continue
        renew()
        calls_for_plan = look(context, executor, group)
        if calls_for_plan is None:
            continue  # it may have run: nothing is done before somebody answers
        changed |= calls_for_plan
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
