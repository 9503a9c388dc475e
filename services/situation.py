"""Loads the facts a negotiation starts from: what is open, what is frozen, what is known."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

import numpy as np

from agents.view import Held, Situation
from models.domain.asset import Asset
from models.domain.job import Job, JobStatus
from models.domain.market import Claim
from models.domain.plan import Award, Deferral, Placement, Refusal
from models.domain.ports import JobPlan, UnitOfWork
from models.domain.signal import FloatArray
from models.domain.time import SLOT, Horizon, ceil_slot, floor_slot
from models.domain.vat import vat_rate
from models.optimise.terms import Incumbent
from services import market_claims
from services.carbon_spent import ended_today, spent_kg_by_day
from services.context import Context
from services.holding import freeze_lead, segments_kw
from services.overrun import thawed
from services.started_work import started_work

SHORTEST_SLOTS = 96
LONGEST_SLOTS = 672
"""Bounds of the service horizon (design section 3): 2 to 14 days."""

HELD = "held by a user"
"""Reason of the deferral of a job that somebody took out of the plan."""

INTERNAL = "internal"
"""Rule of a refusal for which our own code is to blame."""

FAULT = (
    "the planner failed on this job through a fault of its own, so it was left out of the plan and the operator "
    "was told; change the job or ask for a plan again, and if it is left out again, ask the operator to mend it"
)
"""What the owner of such a job reads."""

LOST = {JobStatus.CANCELLED: "was cancelled", JobStatus.FAILED: "has failed"}
"""Ends of a job that leave those that wait for it without a plan, in words."""

ROOM_FOR_RELAXATION_SLOTS = 96
"""Half-hours beyond the last deadline in which a later deadline is looked for."""


@dataclass(frozen=True)
class Facts:
    """What was read in one transaction."""

    version: int
    jobs: tuple[Job, ...]
    plans: Mapping[str, JobPlan]
    assets: tuple[Asset, ...]
    predecessors: Mapping[str, Job]
    now: datetime
    """When it was read, on the planning clock."""
    ended: Mapping[str, Placement] = field(default_factory=dict)
    """Runs of the present London day that are over, by job id; read only where there is a carbon budget."""
    claims: tuple[Claim, ...] = ()
    """What contracts of the market claim from the current half-hour on."""


def load(context: Context) -> Facts:
    """Read jobs, present plans and assets as of one plan version.

    A refused job whose last start has passed is left out: its refusal is final.
    """
    with context.uow() as uow:
        has_budget = context.policy.carbon_budget_kg_per_day is not None
        return _read(uow, context.clock.now(), has_budget=has_budget)


def _read(uow: UnitOfWork, now: datetime, *, has_budget: bool = False) -> Facts:
    version = uow.plans.version()
    jobs = tuple(job for job in uow.jobs.open_jobs() if not _is_too_late(job, now))
    wanted = {p for job in jobs for p in job.depends_on}
    claims = uow.market.claims(floor_slot(now))
    return Facts(
        version,
        jobs,
        uow.plans.current(),
        market_claims.limited(uow.assets.all_live(), claims),
        uow.jobs.many(wanted),
        now,
        ended_today(uow, now) if has_budget else {},
        claims,
    )


def _is_too_late(job: Job, now: datetime) -> bool:
    return job.status is JobStatus.REFUSED and ceil_slot(now) + job.duration > job.latest_finish


def overtaken(before: Facts, uow: UnitOfWork) -> frozenset[str] | None:
    """Return the jobs whose answer must wait for the next plan, because they or others of their chain changed since.

    Those that wait for one of them wait too, and so do those it waits for: they might move past what it keeps. Jobs
    added since are no matter: they come with the next plan. None where clusters or contracts changed, which is
    everybody's matter.
    """
    present = _read(uow, before.now)
    if present.assets != before.assets or present.claims != before.claims:
        return None
    jobs = {**present.predecessors, **{job.job_id: job for job in present.jobs}}
    known = {**before.predecessors, **{job.job_id: job for job in before.jobs}}
    changed = {job_id for job_id, job in known.items() if jobs.get(job_id) != job}
    while True:
        late = {job.job_id for job in before.jobs if changed.intersection(job.depends_on)}
        late |= {name for job_id in changed if job_id in known for name in known[job_id].depends_on}
        if late <= changed:
            return frozenset(changed)
        changed |= late


def lacks_answer(job: Job, plan: JobPlan | None) -> bool:
    """Return whether a job waits for a planner: it was accepted, put back or released, and not planned since."""
    if job.is_held or job.status is JobStatus.RUNNING:
        return False
    if plan is None:
        return True
    deferral = plan.deferral
    return job.status is JobStatus.PENDING and (deferral is None or deferral.reason == HELD)


def freeze_leads(
    context: Context, assets: tuple[Asset, ...], jobs: tuple[Job, ...] = ()
) -> dict[str, timedelta]:
    """Return how long before its start an award stops moving: per asset id, and per id of a job with a workload."""
    by_id = {asset.asset_id: asset for asset in assets}
    leads = {name: freeze_lead(context.settings, asset) for name, asset in by_id.items()}
    own = {
        f"job {job.job_id}": freeze_lead(context.settings, by_id.get(job.asset_id), job)
        for job in jobs
        if job.workload is not None and job.workload.get("executor")
    }
    return {**leads, **own}


FOREVER = timedelta(days=36_500)
"""Lead of an award that others count on: it moves no more."""


def with_chains(
    leads: Mapping[str, timedelta],
    jobs: Collection[Job],
    plans: Mapping[str, JobPlan],
    now: datetime,
) -> dict[str, timedelta]:
    """Return leads by which a job does not move any more either once one that waits for it is frozen.

    Args:
        leads: See `freeze_leads`.
        jobs: Open jobs.
        plans: Their present plans, by id.
        now: Planning clock.
    """
    by_id = {job.job_id: job for job in jobs}
    counted_on: set[str] = set()
    frozen = [job for job in jobs if is_frozen(plans.get(job.job_id), job, now, leads)]
    while frozen:
        names = {name for job in frozen for name in job.depends_on} - counted_on
        counted_on |= names
        frozen = [by_id[name] for name in names if name in by_id]
    return {**leads, **{f"job {name}": FOREVER for name in counted_on}}


def is_frozen(
    plan: JobPlan | None, job: Job, now: datetime, leads: Mapping[str, timedelta]
) -> bool:
    """Return whether a job's award may no longer move."""
    if plan is None or plan.award is None:
        return False
    if job.status is JobStatus.RUNNING:
        return True
    lead = leads.get(plan.award.placement.asset_id, timedelta(0))
    lead = max(lead, leads.get(f"job {job.job_id}", lead))
    return job.status is JobStatus.SCHEDULED and plan.award.placement.start <= now + lead


def situation(
    context: Context,
    facts: Facts,
    negotiation_id: UUID,
    now: datetime,
    faulty: Collection[str] = (),
) -> Situation:
    """Sort the facts into what is up for planning and what is not, and add the signals.

    Jobs our own code fails on (`faulty`) are refused before planning, so that the others are planned.
    """
    leads = freeze_leads(context, facts.assets, facts.jobs)
    leads = with_chains(leads, facts.jobs, facts.plans, now)
    sorted_out = _sort_out(facts, now, leads, faulty)
    started = started_work(
        context.policy, facts.jobs, facts.plans, facts.claims, sorted_out.frozen, leads, now, faulty
    )
    horizon = horizon_for(now, [*sorted_out.jobs, *(each.job for each in started)])
    regions = sorted({asset.region for asset in facts.assets})
    signals = context.signals.view(regions, horizon)
    return Situation(
        negotiation_id=negotiation_id,
        now=now,
        horizon=horizon,
        jobs=tuple(sorted_out.jobs),
        assets=facts.assets,
        signals=signals,
        policy=context.policy,
        held=(
            *(_held(job, facts.plans[job.job_id], horizon) for job in sorted_out.frozen),
            *market_claims.held_of(
                facts.claims,
                horizon,
                {job.job_id for job in (*sorted_out.jobs, *sorted_out.frozen)},
            ),
        ),
        started=started,
        incumbents={
            job.job_id: Incumbent(
                plan.award.placement.asset_id,
                horizon.index_of(plan.award.placement.start),
                plan.award.placement.segments,
            )
            for job in sorted_out.jobs
            if job.status is JobStatus.SCHEDULED
            and (plan := facts.plans.get(job.job_id)) is not None
            and plan.award is not None
        },
        refused=tuple(sorted_out.refused),
        deferred=tuple(sorted_out.deferred),
        predecessor_ends=sorted_out.ends,
        vat_factor=vat_factors(context, horizon),
        spent_kg_by_day=_spent(context, facts, sorted_out.frozen, horizon),
    )


def _spent(
    context: Context, facts: Facts, frozen: list[Job], horizon: Horizon
) -> dict[date, float]:
    """Return what work before or outside the horizon takes of the carbon budget; nothing where there is none."""
    if context.policy.carbon_budget_kg_per_day is None:
        return {}
    runs = {
        job.job_id: award.placement
        for job in frozen
        if (award := facts.plans[job.job_id].award) is not None
    }
    # A run that nobody has confirmed is over and yet frozen: it counts once.
    ended = [placed for job_id, placed in facts.ended.items() if job_id not in runs]
    return spent_kg_by_day(ended, runs.values(), horizon.start)


def vat_factors(context: Context, horizon: Horizon) -> FloatArray | None:
    """Return price multipliers where prices include VAT, shape (slots,); else None."""
    if not context.settings.prices_include_vat:
        return None
    rates = [
        1.0 + float(vat_rate(start, context.settings.customer_class)) for start in horizon.starts()
    ]
    return np.array(rates, dtype=np.float64)


def horizon_for(now: datetime, jobs: list[Job]) -> Horizon:
    """Return the half-hours of a negotiation: from the earliest baseline to beyond the last deadline."""
    current = floor_slot(now)
    baselines = [job.baseline_start for job in jobs if job.baseline_start is not None]
    start = min([current, *baselines])
    start = max(start, current - LONGEST_SLOTS * SLOT)
    last = max((job.latest_finish for job in jobs), default=current)
    ahead = (ceil_slot(last) - current) // SLOT + ROOM_FOR_RELAXATION_SLOTS
    ahead = min(max(ahead, SHORTEST_SLOTS), LONGEST_SLOTS)
    return Horizon(start, (current - start) // SLOT + ahead)


@dataclass
class _Sorted:
    jobs: list[Job]
    frozen: list[Job]
    refused: list[Refusal]
    deferred: list[Deferral]
    ends: dict[str, datetime]


def _sort_out(
    facts: Facts, now: datetime, leads: Mapping[str, timedelta], faulty: Collection[str]
) -> _Sorted:
    answer = _Sorted([], [], [], [], {})
    by_id = {job.job_id: job for job in facts.jobs}
    known = {**facts.predecessors, **by_id}
    frozen = {
        job.job_id: job
        for job in facts.jobs
        if is_frozen(facts.plans.get(job.job_id), job, now, leads)
    }
    for job_id in thawed(frozen.values(), facts.plans, facts.assets, now):
        del frozen[job_id]
    for job in sorted(facts.jobs, key=lambda j: j.job_id):
        if job.job_id in frozen:
            answer.frozen.append(job)
        elif job.status is JobStatus.RUNNING:
            continue
        elif job.is_held:
            answer.deferred.append(Deferral(job.job_id, HELD, None))
        elif job.job_id in faulty:
            answer.refused.append(Refusal(job.job_id, INTERNAL, FAULT, None))
        else:
            _consider(answer, job, known, facts.plans, now, leads)
    while _pass_on(answer):
        pass
    return answer


def _pass_on(answer: _Sorted) -> bool:
    """Leave out the jobs that wait for one that is left out; return whether there was any."""
    refused = {refusal.job_id for refusal in answer.refused}
    deferred = {deferral.job_id for deferral in answer.deferred}
    kept = []
    for job in answer.jobs:
        lost = next((name for name in job.depends_on if name in refused), None)
        late = next((name for name in job.depends_on if name in deferred), None)
        if lost is not None:
            detail = f"it waits for {lost}, which this plan does not serve"
            answer.refused.append(Refusal(job.job_id, "predecessor", detail, None))
        elif late is not None:
            reason = f"waits for {late}, which is left out for now"
            answer.deferred.append(Deferral(job.job_id, reason, None))
        else:
            kept.append(job)
    is_changed = len(kept) < len(answer.jobs)
    answer.jobs[:] = kept
    return is_changed


def _consider(
    answer: _Sorted,
    job: Job,
    known: Mapping[str, Job],
    plans: Mapping[str, JobPlan],
    now: datetime,
    leads: Mapping[str, timedelta],
) -> None:
    """Place a job among those to plan unless a predecessor outside this plan decides for it."""
    stands = standing(job, known, plans, now, leads)
    if stands.refusal is not None:
        answer.refused.append(stands.refusal)
    elif stands.deferral is not None:
        answer.deferred.append(stands.deferral)
    else:
        answer.jobs.append(job)
        if stands.ends is not None:
            answer.ends[job.job_id] = stands.ends


@dataclass(frozen=True)
class Standing:
    """What the jobs outside a plan that a job waits for say of it: refused, left out for now, or free from an instant."""

    refusal: Refusal | None = None
    deferral: Deferral | None = None
    ends: datetime | None = None
    """When the last of them has ended; None: it waits for none of them."""


def standing(
    job: Job,
    known: Mapping[str, Job],
    plans: Mapping[str, JobPlan],
    now: datetime,
    leads: Mapping[str, timedelta],
) -> Standing:
    """Return how a job stands by the jobs it waits for that are not up for planning themselves.

    Args:
        job: The job.
        known: Jobs it waits for, by id; a missing one does not exist.
        plans: Their present plans, by id.
        now: Planning clock.
        leads: See `freeze_leads`.
    """
    last: datetime | None = None
    for name in job.depends_on:
        before = known.get(name)
        if before is None or before.status in LOST or _is_too_late(before, now):
            state = "does not exist" if before is None else LOST.get(before.status, "was refused")
            detail = f"it waits for {name}, which {state}"
            return Standing(refusal=Refusal(job.job_id, "predecessor", detail, None))
        if before.status is JobStatus.COMPLETED:
            ended = before.ended_at or now
            last = max(last or ended, ended)
            continue
        plan = plans.get(name)
        frozen = is_frozen(plan, before, now, leads)
        ends = plan.award.placement.end if frozen and plan and plan.award else None
        is_over = before.status is JobStatus.RUNNING if ends is None else ends <= now
        if before.status is JobStatus.UNCONFIRMED or is_over:
            reason = f"waits until {name} is confirmed to have run"
            return Standing(deferral=Deferral(job.job_id, reason, None))
        if ends is not None:
            last = max(last or ceil_slot(ends), ceil_slot(ends))
    return Standing(ends=last)


def _held(job: Job, plan: JobPlan, horizon: Horizon) -> Held:
    assert plan.award is not None
    placed = plan.award.placement
    return Held(
        job_id=job.job_id,
        asset_id=placed.asset_id,
        first_slot=horizon.index_of(placed.start),
        power_kw=_power_by_slot(plan.award),
        end=placed.end,
        transfer_kwh=placed.transfer_kwh,
    )


def _power_by_slot(award: Award) -> tuple[float, ...]:
    """Return the IT power an award holds in each half-hour from its first to its last, 0 in breaks. [kW]"""
    held = segments_kw(award.held_segments)
    first = floor_slot(award.placement.start)
    return tuple(held.get(first + n * SLOT, 0.0) for n in range((max(held) - first) // SLOT + 1))
