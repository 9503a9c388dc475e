"""Hundreds of generated refusals of jobs of every kind: each change that is offered works when it is taken, and no less would."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agents.scheduler import negotiate
from agents.view import Held, Outcome, Situation
from models.domain.job import Flexibility, Job
from models.domain.plan import Award, Relaxation
from models.domain.time import SLOT, parse_rfc3339, slots_needed
from models.optimise.relaxation import (
    CARBON_STEP_G,
    POWER_STEP_KW,
    PRICE_STEP_GBP,
    PROFILE_STEP_KW,
)
from models.optimise.terms import Incumbent
from tests.support.infeasible import infeasible_situation
from tests.support.relaxing import relaxed

REFUSALS = int(os.environ.get("HALFHOUR_TEST_REFUSALS", "300"))
"""How many refused jobs are tried; 500 take about two minutes."""

OFFERED = {"latest_finish", "carbon_cap_g_per_kwh", "max_price_per_kwh", "estimated_power_kw"}
"""Changes that jobs of every kind are offered."""


def held_after(outcome: Outcome, situation: Situation) -> dict[str, Incumbent]:
    """Return what jobs hold once a plan is committed."""
    return {
        award.job_id: Incumbent(
            award.placement.asset_id,
            situation.horizon.index_of(award.placement.start),
            award.placement.segments,
        )
        for award in outcome.awards
    }


def faults(job: Job, award: Award, situation: Situation) -> list[str]:
    """Return what an award breaks of its job's own limits, told from the placement alone."""
    placed = award.placement
    asset = next(a for a in situation.assets if a.asset_id == placed.asset_id)
    said = []
    if placed.start < job.release or placed.end > job.latest_finish:
        said.append(f"{placed.start} to {placed.end} is outside the window")
    if not {asset.region} & set(job.allowed_regions):
        said.append(f"{asset.region} is not allowed")
    if max(segment.power_kw for segment in placed.segments) > asset.room_kw + 1e-6:
        said.append("more power than the cluster has")
    carbon, price = placed.mean_carbon_g_per_kwh, placed.mean_price_gbp_per_kwh
    cap_g, cap_gbp = job.carbon_cap_g_per_kwh, job.max_price_gbp_per_kwh
    if cap_g is not None and (carbon is None or carbon > cap_g + 1e-6):
        said.append(f"{carbon} g/kWh is over the cap {cap_g}")
    if cap_gbp is not None and (price is None or price > cap_gbp + 1e-9):
        said.append(f"{price} GBP/kWh is over the cap {cap_gbp}")
    if job.flexibility is not Flexibility.ELASTIC:
        run = sum((s.end - s.start for s in placed.segments), timedelta())
        if run < job.duration - timedelta(seconds=1):
            said.append(f"runs for {run} of {job.duration}")
    return said


def broken(situation: Situation, job: Job, offer: Relaxation, before: Outcome) -> list[str]:
    """Return what is wrong with an offer once it is taken beside the plan before."""
    changed = relaxed(job, offer)
    jobs = tuple(changed if each is job else each for each in situation.jobs)
    again = negotiate(replace(situation, jobs=jobs, incumbents=held_after(before, situation)))
    awards = {award.job_id: award for award in again.awards}
    lost = {award.job_id for award in before.awards} - set(awards)
    if job.job_id not in awards:
        return ["it is refused again"]
    return [f"{job_id} is left out for it" for job_id in sorted(lost)] + faults(
        changed, awards[job.job_id], situation
    )


def smaller(job: Job, offer: Relaxation) -> Job | None:
    """Return the job with a change one step smaller than offered; None where there is no smaller one."""
    value: Any = offer.value
    match offer.field:
        case "latest_finish":
            # What may pause or change its power is offered half-hours, every other run its own end to the minute.
            bends = job.flexibility in {Flexibility.INTERRUPTIBLE, Flexibility.ELASTIC}
            step = SLOT if bends else timedelta(minutes=1)
            finish = parse_rfc3339(value) - step
            return replace(job, latest_finish=max(finish, job.latest_finish))
        case "carbon_cap_g_per_kwh":
            return replace(job, carbon_cap_g_per_kwh=value - CARBON_STEP_G)
        case "max_price_per_kwh":
            return replace(job, max_price_gbp_per_kwh=value - PRICE_STEP_GBP)
        case "estimated_power_kw":
            return replace(job, power_kw=min(value + POWER_STEP_KW, job.power_kw))
        case "power_profile_kw":
            more = tuple(kw + 2 * PROFILE_STEP_KW if kw > 0.0 else 0.0 for kw in value)
            return replace(job, power_profile_kw=more, power_kw=sum(more) / len(more))
    return None


def is_served_alone(job: Job, situation: Situation, before: Outcome) -> bool:
    """Return whether a job is served where nothing of the plan before may move for it."""
    frozen = tuple(
        Held(
            award.job_id,
            award.placement.asset_id,
            situation.horizon.index_of(segment.start),
            (segment.power_kw,) * slots_needed(segment.end - segment.start),
            segment.end,
        )
        for award in before.awards
        for segment in award.placement.segments
    )
    alone = replace(situation, jobs=(job,), held=(*situation.held, *frozen))
    return bool(negotiate(alone).awards)


def overfull(outcome: Outcome, situation: Situation) -> list[str]:
    """Return the clusters on which a plan and the work that is held exceed the limit, summed half-hour by half-hour."""
    load: dict[tuple[str, int], float] = defaultdict(float)
    for work in situation.held:
        for n, kw in enumerate(work.power_kw):
            load[work.asset_id, work.first_slot + n] += kw
    for award in outcome.awards:
        for segment in award.placement.segments:
            first = situation.horizon.index_of(segment.start)
            for n in range(slots_needed(segment.end - segment.start)):
                load[award.placement.asset_id, first + n] += segment.power_kw
    limit = {asset.asset_id: asset.room_kw for asset in situation.assets}
    return [f"{place} at {slot}" for (place, slot), kw in load.items() if kw > limit[place] + 1e-5]


def faults_of(offer: Relaxation, job: Job, situation: Situation, before: Outcome) -> list[str]:
    """Return what is wrong with one offer: it fails when taken, needs others to move, or more than was needed is asked."""
    said = broken(situation, job, offer, before)
    if not is_served_alone(relaxed(job, offer), situation, before):
        said.append("others would have to move")
    less = smaller(job, offer)
    if less is not None and is_served_alone(less, situation, before):
        said.append("less would do")
    return [f"{job.job_id} ({job.flexibility}), {offer.field} {offer.value}: {one}" for one in said]


@pytest.mark.slow
def test_every_change_offered_to_a_refused_job_works_and_is_the_smallest() -> None:
    kinds: Counter[Flexibility] = Counter()
    fields: dict[Flexibility, set[str]] = defaultdict(set)
    wrong = []
    seed = 0
    while kinds.total() < REFUSALS:
        situation = infeasible_situation(seed)
        outcome = negotiate(situation)
        found = overfull(outcome, situation)
        by_id = {job.job_id: job for job in situation.jobs}
        for refusal in outcome.refusals:
            job = by_id[refusal.job_id]
            kinds[job.flexibility] += 1
            for offer in refusal.relaxations:
                fields[job.flexibility].add(offer.field)
                found += faults_of(offer, job, situation, outcome)
        wrong += [f"seed {seed}: {one}" for one in found]
        seed += 1
    assert wrong == []
    assert min(kinds[kind] for kind in Flexibility) >= REFUSALS // 10, kinds
    for kind in Flexibility:
        assert fields[kind] >= OFFERED, fields
