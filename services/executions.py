"""Which executor starts a job, what it must not be given, and the checks of a workload before it is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.domain.access import Caller
from models.domain.errors import FieldError, InvalidRequest, NotFound
from models.domain.execution import HandOver
from models.domain.ports import Executor, JobPlan, JobView, UnitOfWork
from models.domain.workload import executor_of, read_workload
from services.context import Context

LOG_TAIL_BYTES = 16_384
"""Most of the end of a run's output that is shown. [B]"""

SIMULATED = "simulated"
"""Mode of plans that were made on the synthetic grid."""


def check_workload(
    context: Context, raw: Mapping[str, Any], owner: str, asset_executor: str | None
) -> None:
    """Refuse a workload that could not be run as it stands.

    Args:
        context: Ports; the executors are asked.
        raw: The workload as sent.
        owner: Whose job it is.
        asset_executor: Executor of the job's own asset.

    Raises:
        InvalidRequest: With one error per wrong field, each naming the cure.
    """
    workload = read_workload(raw)
    name = executor_of(raw, asset_executor)
    executor = context.executors.get(name or "")
    if executor is None:
        known = ", ".join(sorted(context.executors)) or "none"
        error = FieldError(
            "workload.executor",
            f"the executor {name} is not switched on here",
            name,
            known,
            f"use one of these, or ask the operator to add {name} to HALFHOUR_EXECUTORS",
        )
        raise InvalidRequest(f"the executor {name} is not switched on here", (error,))
    wrong = executor.check(workload, owner)
    if wrong:
        raise InvalidRequest(f"{name} cannot run this workload: {wrong[0].message}", wrong)


def withheld(context: Context, executor: Executor | None, name: str, plan: JobPlan) -> str | None:
    """Return why an award is not handed over, in one sentence; None where it may be.

    Args:
        context: Ports; the clock is used.
        executor: Who would start it; None where no such executor is switched on.
        name: Its name.
        plan: The present plan of the job.
    """
    if executor is None:
        return (
            f"It is not handed over: the executor {name} is not switched on (HALFHOUR_EXECUTORS)."
        )
    if not executor.is_real:
        return None
    if plan.signals_mode == SIMULATED:
        return "It is not handed over: its plan was made on a simulated grid, and such plans never reach an executor."
    if context.clock.is_shifted:
        return "It is not handed over: the program's clock is shifted (HALFHOUR_CLOCK), which bars executors."
    return None


def with_execution(context: Context, uow: UnitOfWork, view: JobView) -> JobView:
    """Return a job with what became of it at its executor, or why it was not handed over."""
    if view.job.workload is None:
        return view
    attempts = uow.hand_overs.of_job(view.job.job_id)
    last = attempts[-1] if attempts else None
    reason = None
    plan = view.plan
    if plan is not None and plan.award is not None and (last is None or not last.is_open):
        asset = {a.asset_id: a for a in uow.assets.all_live()}.get(plan.award.placement.asset_id)
        name = executor_of(view.job.workload, asset.executor if asset else None)
        assert name is not None
        reason = withheld(context, context.executors.get(name), name, plan)
    return replace(view, hand_over=last, withheld=reason)


def log_tail(context: Context, caller: Caller, job_id: str) -> str:
    """Return the end of what a job's last run wrote.

    Raises:
        NotFound: If the job is not the caller's, was never handed over, or nothing of its output is kept here.
        ExecutorFailed: If the executor that keeps it cannot be asked.
    """
    with context.uow() as uow:
        uow.jobs.view(job_id, context.clock.now(), caller.sees_owner)
        attempts = uow.hand_overs.of_job(job_id)
    if not attempts:
        raise NotFound(f"job {job_id} was not handed to an executor, so it has no output")
    text = tail_of(context, attempts[-1])
    if text is None:
        raise NotFound(f"the executor {attempts[-1].executor} keeps no output of job {job_id} here")
    return text


def tail_of(context: Context, hand_over: HandOver) -> str | None:
    """Return the end of what a run wrote; None where nothing of it is kept here."""
    executor = context.executors.get(hand_over.executor)
    if executor is None or hand_over.external_id is None:
        return None
    return executor.log_tail(hand_over.hand_over_id, hand_over.external_id, LOG_TAIL_BYTES)
