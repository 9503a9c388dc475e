"""How a negotiation stands, from its beginning to its end: running, committed, failed or abandoned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from agents.view import Outcome
from models.domain.errors import HalfhourError
from models.domain.plan import NegotiationStatus, NegotiationSummary
from models.domain.ports import UnitOfWork
from models.domain.signal import Quality
from services.changes import Change
from services.context import Context
from services.situation import Facts

ABANDONED_AFTER = timedelta(minutes=10)
"""A negotiation that has been running for longer lost its process. [planning clock]"""


def begin(context: Context, negotiation_id: UUID, trigger: str) -> None:
    """Store a negotiation as running, so that it can be followed."""
    now = context.clock.now()
    with context.uow(write=True) as uow:
        _bury(uow, now)
        uow.plans.begin_negotiation(
            _summary(negotiation_id, trigger, NegotiationStatus.RUNNING, now, None)
        )
        uow.commit()


def _bury(uow: UnitOfWork, now: datetime) -> None:
    """Close negotiations whose process died; nothing of them was written."""
    for lost in uow.plans.negotiations(status=NegotiationStatus.RUNNING).items:
        if lost.started_at < now - ABANDONED_AFTER:
            told = replace(lost, status=NegotiationStatus.ABANDONED, finished_at=now)
            uow.plans.finish_negotiation(told, (), {})


def finished(
    outcome: Outcome,
    trigger: str,
    started: datetime,
    now: datetime,
    changed: Sequence[Change],
    facts: Facts,
) -> NegotiationSummary:
    """Return how a committed negotiation ended; `scheduled` counts frozen work too."""
    frozen = untouched(outcome, facts)
    return replace(
        _summary(outcome.negotiation_id, trigger, NegotiationStatus.COMMITTED, started, now),
        scheduled=len(outcome.awards) + len(frozen),
        refused=len(outcome.refusals),
        deferred=len(outcome.deferrals),
        moved=sum(change.is_move for change in changed),
        data_quality=outcome.data_quality,
        certificate=outcome.certificate,
    )


def untouched(outcome: Outcome, facts: Facts) -> list[str]:
    """Return ids of jobs that keep an award the negotiation did not speak of: frozen or running work."""
    open_ids = {job.job_id for job in facts.jobs}
    answered = {award.job_id for award in outcome.awards}
    answered |= {refusal.job_id for refusal in outcome.refusals}
    answered |= {deferral.job_id for deferral in outcome.deferrals}
    return [
        job_id
        for job_id, plan in facts.plans.items()
        if plan.award is not None and job_id in open_ids and job_id not in answered
    ]


def _summary(
    negotiation_id: UUID,
    trigger: str,
    status: NegotiationStatus,
    started: datetime,
    finished: datetime | None,
    error: str | None = None,
) -> NegotiationSummary:
    return NegotiationSummary(
        negotiation_id=str(negotiation_id),
        status=status,
        trigger=trigger,
        started_at=started,
        finished_at=finished,
        scheduled=0,
        refused=0,
        deferred=0,
        moved=0,
        data_quality=Quality.NONE,
        certificate=None,
        error=error,
    )


def mark_failed(
    context: Context, negotiation_id: UUID, trigger: str, started: datetime, error: BaseException
) -> None:
    """Store that a negotiation failed, and why in one sentence."""
    told = str(error) if isinstance(error, HalfhourError) else type(error).__name__
    with context.uow(write=True) as uow:
        uow.plans.finish_negotiation(
            _summary(
                negotiation_id,
                trigger,
                NegotiationStatus.FAILED,
                started,
                context.clock.now(),
                told,
            ),
            (),
            {},
        )
        uow.commit()
