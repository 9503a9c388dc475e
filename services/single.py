"""One job against the room the present plan leaves: estimates, explanations and single moves without a full plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from agents import policy_agent
from agents.describe import Describer, savings_between
from agents.faults import JobFault
from agents.job_agent import options_for
from agents.refusals import over_budget, refuse
from agents.wording import award_sentence
from models.domain.asset import Asset
from models.domain.errors import PlanningFailed
from models.domain.job import Job
from models.domain.plan import (
    Baseline,
    Certificate,
    Deferral,
    Explanation,
    Placement,
    Refusal,
    Savings,
)
from models.domain.time import floor_slot
from models.optimise.assignment import UNSERVED, Assignment, Links, Options
from models.optimise.budget import DaysLeft
from models.optimise.budget_refuse import cheapest_within
from models.optimise.options import must_run_on_arrival
from models.optimise.table import PricedTable
from services import market_claims, room
from services.around import Around, around, budget_left, charged, proof_in_force
from services.context import Context
from services.situation import FAULT, horizon_for


@dataclass
class Lone(Assignment):
    """A plan of one job, between its neighbours of the plan in force."""

    latest_end: int | None = None
    """Slot in which the first job that waits for it starts; None: none is planned."""

    def neighbours(self, k: int) -> tuple[int | None, int | None]:
        """Return (earliest start, latest end) in slots; jobs it waits for are in its options already."""
        del k
        return 0, self.latest_end


@dataclass(frozen=True)
class Alone:
    """A job's options in the room that is left, and the tools to describe them."""

    job: Job
    table: PricedTable
    options: Options
    plan: Lone
    describer: Describer
    around: Around
    proof: Certificate | None
    """Certificate of the plan in force, where there is a carbon budget."""
    left: DaysLeft | None = None
    """What the plan in force leaves of the carbon budget, for a job that has no part of it yet."""

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
    deferral: Deferral | None = None
    """Left out for now, for a job it waits for."""


def alone(
    context: Context,
    job: Job,
    assets: tuple[Asset, ...],
    now: datetime,
    *,
    before_successors: bool = True,
    is_new: bool = False,
) -> Alone:
    """Price a job's options as the planner does, in the room left by every award but its own, and let it choose.

    Args:
        context: Ports.
        job: Any job, stored or not.
        assets: Clusters of its owner.
        now: Planning clock.
        before_successors: It must end before planned jobs that wait for it start; False: those would move with it.
        is_new: It was made up for a question, so that nothing of it is stored.

    Raises:
        PlanningFailed: If our own code fails on the job.
    """
    horizon = horizon_for(now, [job])
    with context.uow() as uow:
        own = None if is_new else job.job_id
        held = room.held_kw(context, uow, horizon, now, without_job=own)
        near = around(context, uow, job, assets, now, is_new=is_new)
        proof = proof_in_force(context, uow)
        assets = market_claims.limited(assets, uow.market.claims(floor_slot(now)))
    table, describer = room.priced(context, assets, horizon, now, held)
    table = charged(table, proof)
    describer = replace(describer, table=table)
    try:
        options = options_for(job, near.view(context, table))
    except JobFault as error:
        raise PlanningFailed(f"job {job.job_id}: {FAULT}") from error
    first = near.first_successor if before_successors else None
    latest_end = None if first is None else horizon.index_of(first[1])
    plan = Lone([options], Links.none(1), table.room_kw, latest_end=latest_end)
    left = None if near.incumbent(horizon) else budget_left(context, proof, horizon)
    pick = UNSERVED if near.is_shut else _best(plan, table, left)
    if pick != UNSERVED:
        plan.place(0, pick)
    return Alone(job, table, options, plan, describer, near, proof, left)


def _best(plan: Lone, table: PricedTable, left: DaysLeft | None) -> int:
    """Return the option the job would take, or `UNSERVED`."""
    pick = plan.best(0)
    if pick == UNSERVED or left is None or left.admits(plan.options[0], pick, table):
        return pick
    return cheapest_within(plan, 0, table, left.days, left.left_kg + left.slack_kg)


def answer(context: Context, facing: Alone) -> Answer:
    """Describe what the job would get: its placement, or its refusal with checked relaxations."""
    baseline = facing.describer.baseline(facing.job)
    near = facing.around
    if near.stands.refusal is not None:
        return Answer(None, baseline, None, None, near.stands.refusal, near.why_shut)
    if near.stands.deferral is not None:
        shut = f"Left out for now: {near.why_shut}."
        return Answer(None, baseline, None, None, None, shut, near.stands.deferral)
    if facing.pick == UNSERVED:
        weights = policy_agent.weights_of(context.policy)
        refusal = None
        if facing.left is not None:
            refusal = over_budget(facing.plan, 0, facing.table, facing.left)
        if refusal is None:
            refusal = refuse(facing.plan, 0, facing.table, weights, left=facing.left)
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
    if near.unplanned:
        names = ", ".join(near.unplanned)
        why += f" It waits for {names}, without a window yet, taken to run as early as it may."
    return Answer(placed, baseline, savings, explanation, None, why)


def unpinned(job: Job) -> Job:
    """Return the job as if nobody had pinned it."""
    return replace(job, pinned_start=None, pinned_asset_id=None)
