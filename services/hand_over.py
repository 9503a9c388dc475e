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
from collections.abc import Iterable
from dataclasses import dataclass

from models.domain import trace
from models.domain.errors import AuditBroken
from models.domain.execution import HandOver
from models.domain.ports import Executor
from services import intents, planning
from services.asking import by_executor, look, open_ones, settle_late
from services.context import Context
from services.executor_turn import Renew, turn
from services.telling import is_due, tell

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Handed:
    """What one pass did."""

    intents: int = 0
    calls: int = 0
    failures: int = 0


def confirm(context: Context) -> int:
    """Ask the executors what became of their runs, store it and plan anew where that is called for.

    Returns:
        How many open hand-overs were asked about.
    """
    asked = 0
    calls_for_plan = False
    with turn(context) as renew:
        if renew is None:
            return 0
        for name, group in by_executor(open_ones(context)).items():
            executor = context.executors.get(name)
            if executor is None or not executor.reports:
                continue
            renew()
            asked += len(group)
            calls_for_plan |= bool(look(context, executor, group))
    if calls_for_plan:
        planning.replan_after(context, trigger="executor")
    return asked


def follow(context: Context) -> Handed:
    """Tell the executors what the plan wants; safe to call as often as wanted."""
    if not context.executors:
        return Handed()
    calls = failures = stored = 0
    calls_for_plan = False
    with turn(context) as renew:
        if renew is None:
            return Handed()
        stored = intents.note(context) + intents.chunks(context)
        calls_for_plan = settle_late(context, renew)
        to_do = [h for h in open_ones(context) if is_due(context, h)]
        is_written = not to_do or _in_file(context, to_do)
        for name, group in by_executor(to_do if is_written else ()).items():
            executor = context.executors.get(name)
            if executor is None:
                continue
            news = _look_first(context, executor, group, renew)
            if news is None:
                continue  # nobody answers, so nothing is known of what is there
            calls_for_plan |= news
            for hand_over in _still_due(context, group):
                renew()
                with trace.about(job_id=hand_over.job_id):
                    went_well = tell(context, executor, hand_over)
                calls += went_well is not None
                failures += went_well is False
    if calls_for_plan:
        planning.replan_after(context, trigger="executor")
    return Handed(stored, calls, failures)


def _look_first(
    context: Context, executor: Executor, group: list[HandOver], renew: Renew
) -> bool | None:
    """Ask about what is there or may be, before anything is said; as `look` answers."""
    asked = [h for h in group if h.may_be_there]
    if not executor.reports or not asked:
        return False
    renew()
    return look(context, executor, asked)


def _still_due(context: Context, group: list[HandOver]) -> list[HandOver]:
    """Return the hand-overs to tell about as they stand after asking."""
    wanted = {h.hand_over_id for h in group}
    return [h for h in open_ones(context) if h.hand_over_id in wanted and is_due(context, h)]


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
