"""Finds interruptible work that has begun and whose remaining part may still move."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from agents.policy import Policy
from agents.view import Started
from models.domain.job import Flexibility, Job, JobStatus
from models.domain.market import Claim
from models.domain.plan import Award, Segment
from models.domain.ports import JobPlan
from models.domain.time import SLOT, ceil_slot


def started_work(
    policy: Policy,
    jobs: Sequence[Job],
    plans: Mapping[str, JobPlan],
    claims: Sequence[Claim],
    frozen: Sequence[Job],
    leads: Mapping[str, timedelta],
    now: datetime,
    faulty: Collection[str],
) -> tuple[Started, ...]:
    """Return started work whose rest may move; nothing under a carbon budget or a contract, which count on it.

    Args:
        policy: The operator's.
        jobs: All open jobs.
        plans: Their present answers, by job id.
        claims: Of contracts.
        frozen: The jobs that keep their awards.
        leads: See `services.situation.freeze_leads`.
        now: The planning clock.
        faulty: Ids of jobs that our own code fails on.
    """
    if policy.carbon_budget_kg_per_day is not None:
        return ()
    claimed = {claim.job_id for claim in claims}
    awaited = {name for job in jobs for name in job.depends_on}
    found = [
        started_of(job, plans.get(job.job_id), now, leads, awaited)
        for job in frozen
        if job.job_id not in faulty and job.job_id not in claimed
    ]
    return tuple(each for each in found if each is not None)


def started_of(
    job: Job,
    plan: JobPlan | None,
    now: datetime,
    leads: Mapping[str, timedelta],
    awaited: Collection[str],
) -> Started | None:
    """Return interruptible work that has begun and whose remaining part may still move; None for everything else.

    What stays are the half-hours that begin within the freeze, and the minimum run of the chunk that has begun by then.

    Args:
        job: A job that keeps its award.
        plan: Its present answer.
        now: The planning clock.
        leads: See `freeze_leads`.
        awaited: Ids of jobs that others wait for: they end no later than now planned.
    """
    award = plan.award if plan else None
    if award is None or award.held_until is not None or not _may_rest_move(job, award, now):
        return None
    placed = award.placement
    lead = max(
        leads.get(placed.asset_id, timedelta(0)), leads.get(f"job {job.job_id}", timedelta(0))
    )
    boundary = ceil_slot(now + lead)
    fixed: list[Segment] = []
    rest: list[Segment] = []
    for each in placed.segments:
        cut = max(boundary, each.start + job.min_run_slots * SLOT)
        if each.start >= boundary:
            rest.append(each)
        elif each.end <= cut:
            fixed.append(each)
        else:
            fixed.append(replace(each, end=cut))
            rest.append(replace(each, start=cut))
    if not fixed or not rest:
        return None
    # An executor was told how long the job runs, restarts included: no more of them than then.
    most = job.max_chunks if job.workload is None else min(job.max_chunks, _chunks(placed.segments))
    return Started(
        job=replace(job, max_chunks=most),
        asset_id=placed.asset_id,
        fixed=tuple(fixed),
        rest=tuple(rest),
        free_from=max(boundary, fixed[-1].end),
        latest_end=placed.end if job.job_id in awaited else job.latest_finish,
        transfer_kwh=placed.transfer_kwh,
    )


def _may_rest_move(job: Job, award: Award, now: datetime) -> bool:
    """Return whether a run is under way as planned: begun in its first half-hour, and its own to shape."""
    begun = award.placement.start
    is_on_time = job.started_at is None or job.started_at < begun + SLOT
    return (
        job.status is JobStatus.RUNNING
        and job.flexibility is Flexibility.INTERRUPTIBLE
        and job.pinned_start is None
        and begun <= now < award.placement.end
        and is_on_time
    )


def _chunks(stretches: Sequence[Segment]) -> int:
    """Return how many stretches there are with breaks between them."""
    return 1 + sum(after.start > before.end for before, after in pairwise(stretches))
