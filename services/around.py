"""What stands around one job in the plan in force, as the planner sees it when it plans that job.

The jobs it waits for, those that wait for it, the award it has, and what a carbon budget charges: a question about one
job reads them for that job alone, by the same rules by which a plan reads them for all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property

from agents import policy_agent
from agents.carbon_budget import CarbonBudget
from agents.links import tightened_windows
from agents.view import JobAgentView
from models.domain.asset import Asset
from models.domain.job import OPEN_STATUSES, Job, JobStatus
from models.domain.plan import Certificate, Deferral, NegotiationStatus, Refusal
from models.domain.ports import JobPlan, UnitOfWork
from models.domain.time import Horizon, ceil_slot
from models.optimise.budget import DaysLeft, london_days
from models.optimise.table import PricedTable
from models.optimise.terms import Incumbent
from services.context import Context
from services.situation import Standing, freeze_leads, is_frozen, standing

MOST_LINKED = 200
"""Most jobs that are followed along dependencies in each direction."""


@dataclass(frozen=True)
class Around:
    """The neighbours of one job.

    Attributes:
        job: The job.
        stands: Refused or left out for the jobs it waits for, or when the last of them outside a plan has ended.
        linked: Open jobs before and after it, directly or through others.
        placed_end: When the last of those that may still move ends, by the plan in force; None: none is planned.
        successors: Planned jobs that wait for it, with their starts.
        unplanned: Jobs it waits for that have no window yet.
        plan: What it has now.
    """

    job: Job
    stands: Standing
    linked: tuple[Job, ...] = ()
    placed_end: datetime | None = None
    successors: tuple[tuple[str, datetime], ...] = ()
    unplanned: tuple[str, ...] = ()
    plan: JobPlan | None = None

    @property
    def is_shut(self) -> bool:
        """Return whether no window at all can be given to it now."""
        return self.stands.refusal is not None or self.stands.deferral is not None

    @property
    def why_shut(self) -> str:
        """Return why not, without a full stop; empty where it is not."""
        refusal, deferral = self.stands.refusal, self.stands.deferral
        return refusal.detail if refusal else f"it {deferral.reason}" if deferral else ""

    @cached_property
    def first_successor(self) -> tuple[str, datetime] | None:
        """Return the planned job that starts first of those that wait for it."""
        return min(self.successors, key=lambda pair: (pair[1], pair[0]), default=None)

    def incumbent(self, horizon: Horizon) -> Incumbent | None:
        """Return the award it would leave by moving."""
        award = self.plan.award if self.plan else None
        if award is None or self.job.status is not JobStatus.SCHEDULED:
            return None
        placed = award.placement
        return Incumbent(placed.asset_id, horizon.index_of(placed.start), placed.segments)

    def view(self, context: Context, table: PricedTable) -> JobAgentView:
        """Return what a Job Agent would see of the job, its predecessors where the plan in force puts them."""
        ends = {} if self.stands.ends is None else {self.job.job_id: self.stands.ends}
        opens = table.horizon.start_of(table.first_open)
        releases, deadlines = tightened_windows((self.job, *self.linked), ends, opens)
        if self.placed_end is not None:
            job_id = self.job.job_id
            releases[job_id] = max(releases[job_id], ceil_slot(self.placed_end))
        present = self.incumbent(table.horizon)
        return JobAgentView(
            jobs=(self.job,),
            table=table,
            weights=policy_agent.weights_of(context.policy),
            incumbents={} if present is None else {self.job.job_id: present},
            releases=releases,
            deadlines=deadlines,
        )


def around(
    context: Context,
    uow: UnitOfWork,
    job: Job,
    assets: tuple[Asset, ...],
    now: datetime,
    *,
    is_new: bool = False,
) -> Around:
    """Read what stands around a job; it need not be stored.

    Args:
        context: Ports.
        uow: A reading transaction.
        job: The job, perhaps with other fields than the stored one.
        assets: Clusters of its owner.
        now: Planning clock.
        is_new: It was made up for a question, so that nothing of it is stored.
    """
    names = job.depends_on if is_new else (job.job_id, *job.depends_on)
    known = uow.jobs.many(names) if names else {}
    stored = known.pop(job.job_id, None)
    is_stored = stored is not None and stored.owner == job.owner
    plans = {name: plan for name in known if (plan := uow.jobs.view(name, now).plan) is not None}
    leads = freeze_leads(context, assets, tuple(known.values()))
    stands = standing(job, known, plans, now, leads)
    before = [
        one
        for one in known.values()
        if one.status in OPEN_STATUSES and not is_frozen(plans.get(one.job_id), one, now, leads)
    ]
    if stands.refusal is None and stands.deferral is None:
        stands = _by_the_plan(job, before, plans) or stands
    after = _after(uow, job) if is_stored else []
    awards = {one.job_id: plans[one.job_id].award for one in before if one.job_id in plans}
    return Around(
        job=job,
        stands=stands,
        linked=(*_before(uow, before, job), *after),
        placed_end=max((one.placement.end for one in awards.values() if one), default=None),
        successors=tuple(_starts(uow, job, after, now)),
        unplanned=tuple(one.job_id for one in before if awards.get(one.job_id) is None),
        plan=uow.jobs.view(job.job_id, now).plan if is_stored else None,
    )


def _by_the_plan(job: Job, before: Iterable[Job], plans: dict[str, JobPlan]) -> Standing | None:
    """Return how a job stands where the plan in force leaves out one that it waits for; None: it leaves none out."""
    for one in before:
        plan = plans.get(one.job_id)
        if one.is_held or (plan is not None and plan.deferral is not None):
            reason = f"waits for {one.job_id}, which is left out for now"
            return Standing(deferral=Deferral(job.job_id, reason, None))
        if plan is not None and plan.refusal is not None:
            detail = f"it waits for {one.job_id}, which the plan in force does not serve"
            return Standing(refusal=Refusal(job.job_id, "predecessor", detail, None))
    return None


def _before(uow: UnitOfWork, nearest: list[Job], job: Job) -> list[Job]:
    """Return open jobs that a job waits for, directly or through others."""
    found = {one.job_id: one for one in nearest}
    wave = nearest
    while wave and len(found) < MOST_LINKED:
        names = {name for one in wave for name in one.depends_on} - found.keys() - {job.job_id}
        wave = [one for one in uow.jobs.many(names).values() if one.status in OPEN_STATUSES]
        found |= {one.job_id: one for one in wave}
    return list(found.values())


def _after(uow: UnitOfWork, job: Job) -> list[Job]:
    """Return open jobs that wait for a job, directly or through others, and are up for planning."""
    found: dict[str, Job] = {}
    wave = [job]
    while wave and len(found) < MOST_LINKED:
        near = [one for before in wave for one in uow.jobs.successors(before.job_id)]
        wave = [
            one
            for one in near
            if one.job_id not in found and one.status in OPEN_STATUSES and not one.is_held
        ]
        found |= {one.job_id: one for one in wave}
    return list(found.values())


def _starts(
    uow: UnitOfWork, job: Job, after: Iterable[Job], now: datetime
) -> Iterable[tuple[str, datetime]]:
    """Yield the planned jobs that wait for a job itself, with their starts."""
    for one in after:
        if job.job_id in one.depends_on and one.status is JobStatus.SCHEDULED:
            plan = uow.jobs.view(one.job_id, now).plan
            if plan is not None and plan.award is not None:
                yield one.job_id, plan.award.placement.start


def proof_in_force(context: Context, uow: UnitOfWork) -> Certificate | None:
    """Return the certificate of the plan in force where there is a carbon budget; None without either."""
    if context.policy.carbon_budget_kg_per_day is None:
        return None
    newest = uow.plans.negotiations(status=NegotiationStatus.COMMITTED, limit=1).items
    return newest[0].certificate if newest else None


def budget_left(context: Context, proof: Certificate | None, horizon: Horizon) -> DaysLeft | None:
    """Return what the plan in force leaves of the carbon budget of each London day; None without a budget."""
    limit_kg = context.policy.carbon_budget_kg_per_day
    if limit_kg is None:
        return None
    days = london_days(horizon)
    emits = days.array({} if proof is None else dict(proof.carbon_kg_by_day))
    return CarbonBudget(days, limit_kg, emits).left_after(emits)


def charged(table: PricedTable, proof: Certificate | None) -> PricedTable:
    """Return a table with what the plan in force charges for carbon on days whose budget is short."""
    charges: dict[date, float] = {}
    if proof is not None:
        charges = {day: per_tonne / 1000.0 for day, per_tonne in proof.carbon_gbp_per_tonne_by_day}
    if not any(mu > 0.0 for mu in charges.values()):
        return table
    days = london_days(table.horizon)
    return replace(table, carbon_charge_gbp_per_kg=days.array(charges)[days.of_slot])
