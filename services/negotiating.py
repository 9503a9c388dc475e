"""One negotiation that a faulty job cannot stop: shared by plans that are committed and by those only asked about."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from agents.faults import MISTAKES, JobFault
from agents.scheduler import negotiate
from agents.view import Outcome, Situation
from models.domain.errors import PlanningFailed
from models.domain.job import JobStatus
from services.context import Context
from services.situation import INTERNAL, Facts, situation

log = logging.getLogger(__name__)

MOST_FAULTS = 20
"""Most jobs that are left out of one plan because our own code fails on them; beyond that the planner itself is at fault."""


def negotiated(
    context: Context,
    facts: Facts,
    negotiation_id: UUID,
    now: datetime,
    faulty: Collection[str] = (),
) -> tuple[Situation, Outcome]:
    """Negotiate, and again without each job that our own code fails on; the other jobs must not wait for its cure.

    Args:
        context: Ports; only read.
        facts: What is planned.
        negotiation_id: Names the negotiation.
        now: Planning clock.
        faulty: Jobs that are left out from the start, see `known_faults`.

    Raises:
        PlanningFailed: If no single job is to blame, or too many are.
    """
    left_out = set(faulty)
    while True:
        facing = situation(context, facts, negotiation_id, now, left_out)
        try:
            return facing, negotiate(facing)
        except (JobFault, *MISTAKES) as error:
            job_id = getattr(error, "job_id", None)
            planned = {job.job_id for job in facing.jobs}
            planned |= {started.job.job_id for started in facing.started}
            if job_id not in planned or len(left_out) >= MOST_FAULTS:
                log.exception(
                    "negotiation %s: our own code fails, on no single job", negotiation_id
                )
                raise PlanningFailed(
                    "no plan could be made, through a fault of the planner's own; the operator was told, and the "
                    "plan in force stays"
                ) from error
            log.exception(
                "negotiation %s: our own code fails on job %s; planning without it",
                negotiation_id,
                job_id,
            )
            left_out.add(job_id)


def known_faults(facts: Facts) -> set[str]:
    """Return jobs that were left out for a fault and not changed since; trying them again would fail again."""
    return {
        job.job_id
        for job in facts.jobs
        if job.status is JobStatus.REFUSED
        and (plan := facts.plans.get(job.job_id)) is not None
        and plan.refusal is not None
        and plan.refusal.rule == INTERNAL
        and (job.updated_at is None or job.updated_at < plan.decided_at)
    }
