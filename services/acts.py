"""How an act on a job is carried out: checked, stored and recorded in one transaction, then planned with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from models.domain.access import Caller
from models.domain.decision import EventType
from models.domain.errors import Conflict, Forbidden
from models.domain.job import OPEN_STATUSES, Job, JobControls, JobStatus
from models.domain.ports import JobView, UnitOfWork
from models.domain.time import format_utc
from services import planning, records
from services.context import Context
from services.holding import freeze_lead
from services.submit import get


def do(
    context: Context,
    caller: Caller,
    job_id: str,
    action: str,
    act: Callable[[UnitOfWork, JobView, datetime], Job],
    *,
    detail: Mapping[str, Any] | None = None,
    trigger: str | None,
) -> JobView:
    """Apply one act in a transaction with its record, then re-plan where it matters.

    Args:
        context: Ports.
        caller: Who acts; only on jobs of its own owner.
        job_id: The job.
        action: Name of the act in the records.
        act: Checks and returns the changed job; runs inside the transaction.
        detail: What was asked, for the records.
        trigger: Why to re-plan afterwards; None: nothing that is planned has changed.
    """
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
        planning.replan_after(context, trigger=trigger)
    return get(context, caller, job_id)


def must_be_open(view: JobView, verb: str) -> None:
    """Raise `Conflict` where a job has started or ended."""
    if view.status not in OPEN_STATUSES:
        raise Conflict(f"job {view.job.job_id} is {view.status} and can no longer be {verb}")


def must_not_be_frozen(
    context: Context,
    uow: UnitOfWork,
    view: JobView,
    now: datetime,
    cure: str = "cancel it if it must not run",
) -> None:
    """Raise `Conflict` where a job's award starts too soon to move; the sentence ends in what to do about it."""
    award = view.plan.award if view.plan else None
    if view.job.status is not JobStatus.SCHEDULED or award is None:
        return
    asset = {a.asset_id: a for a in uow.assets.all_live()}.get(award.placement.asset_id)
    lead = freeze_lead(context.settings, asset, view.job)
    start = award.placement.start
    if start > now + lead:
        return
    minutes = round(lead.total_seconds() / 60)
    raise Conflict(
        f"job {view.job.job_id} starts at {format_utc(start)} and is frozen, because nothing moves from "
        f"{minutes} min before its start; {cure}"
    )
