"""One job against the room the present plan leaves: estimates, explanations and single moves without a full plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from agents import policy_agent
from agents.describe import Describer, savings_between
from agents.refusals import refuse
from agents.wording import award_sentence
from models.domain.asset import Asset
from models.domain.job import Job, JobStatus
from models.domain.plan import Baseline, Explanation, Placement, Refusal, Savings
from models.domain.ports import UnitOfWork
from models.domain.time import Horizon, ceil_slot, floor_slot
from models.optimise.assignment import UNSERVED, Assignment, Links, Options
from models.optimise.choices import options_of
from models.optimise.options import Incumbent, must_run_on_arrival
from models.optimise.table import PricedTable
from services import market_claims, room
from services.context import Context
from services.situation import horizon_for

NOBODY = UUID(int=0)
"""Negotiation id of a question that is not a negotiation."""


@dataclass(frozen=True)
class Alone:
    """A job's options in the room that is left, and the tools to describe them."""

    job: Job
    table: PricedTable
    options: Options
    plan: Assignment
    describer: Describer

    @property
    def pick(self) -> int:
        """Return the option the job would take, or `UNSERVED`."""
        return int(self.plan.choice[0])


@dataclass(frozen=True)
class Answer:
    """What the planner would do with the job now."""

    placement: Placement | None
    baseline: Baseline
    savings: Savings | None
    explanation: Explanation | None
    refusal: Refusal | None
    why: str


def alone(context: Context, job: Job, assets: tuple[Asset, ...], now: datetime) -> Alone:
    """Price a job's options in the room left by every award but its own, and let it choose."""
    horizon = horizon_for(now, [job])
    with context.uow() as uow:
        held = room.held_kw(context, uow, horizon, now, without_job=job.job_id)
        release = _after_predecessors(uow, job, now)
        sent_to = _sent_to(uow, job, horizon, now)
        assets = market_claims.limited(assets, uow.market.claims(floor_slot(now)))
    table, describer = room.priced(context, assets, horizon, now, held)
    weights = policy_agent.weights_of(context.policy)
    options = options_of(job, table, weights, release=release, sent_to=sent_to)
    plan = Assignment([options], Links.none(1), table.room_kw)
    pick = plan.best(0)
    if pick != UNSERVED:
        plan.place(0, pick)
    return Alone(job, table, options, plan, describer)


def answer(context: Context, facing: Alone) -> Answer:
    """Describe what the job would get: its placement, or its refusal with checked relaxations."""
    baseline = facing.describer.baseline(facing.job)
    if facing.pick == UNSERVED:
        weights = policy_agent.weights_of(context.policy)
        refusal = refuse(facing.plan, 0, facing.table, weights)
        return Answer(None, baseline, None, None, refusal, refusal.detail)
    placed = facing.describer.placement(facing.options, facing.pick)
    savings = savings_between(baseline.placement, placed)
    explanation = facing.describer.explain(facing.plan, 0, facing.job.owner)
    own = facing.table.assets[facing.table.index[facing.job.asset_id]]
    why = award_sentence(
        placed,
        baseline,
        savings,
        explanation,
        is_pinned=facing.job.pinned_start is not None,
        must_run=must_run_on_arrival(facing.job, own),
    )
    return Answer(placed, baseline, savings, explanation, None, why)


def unpinned(job: Job) -> Job:
    """Return the job as if nobody had pinned it."""
    return replace(job, pinned_start=None, pinned_asset_id=None)


def _after_predecessors(uow: UnitOfWork, job: Job, now: datetime) -> datetime:
    """Return when the jobs it waits for have ended by the present plan, at least its own release."""
    release = job.release
    for name in uow.jobs.many(job.depends_on):
        view = uow.jobs.view(name, now)
        award = view.plan.award if view.plan else None
        if view.job.status is JobStatus.COMPLETED and view.job.ended_at is not None:
            release = max(release, view.job.ended_at)
        elif award is not None and view.job.status in {JobStatus.SCHEDULED, JobStatus.RUNNING}:
            release = max(release, ceil_slot(award.placement.end))
    return release


def _sent_to(uow: UnitOfWork, job: Job, horizon: Horizon, now: datetime) -> Incumbent | None:
    """Return the award a job's data are on their way to; None where it has none or no data."""
    if job.data_gb <= 0.0 or not uow.jobs.many([job.job_id]):
        return None
    plan = uow.jobs.view(job.job_id, now).plan
    if plan is None or plan.award is None:
        return None
    placed = plan.award.placement
    return Incumbent(placed.asset_id, horizon.index_of(placed.start))
