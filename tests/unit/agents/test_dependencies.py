"""Jobs that wait for others, planned together, against every plan there is.

The exhaustive side knows jobs, half-hours and the objective of the design and nothing of the planner.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.links import tightened_windows
from agents.policy import Policy
from agents.scheduler import negotiate
from agents.view import Outcome, Situation
from models.domain.job import DELAY_FACTOR, UNSERVED_FACTOR, Job, Priority
from models.domain.time import SLOT, Horizon
from tests.support.fleet import NOON, a_job, a_region, an_asset

SLOTS = 8
POLICY = Policy(kappa_gbp_per_kg=0.5, min_saving_percent=0.0, churn_gbp_per_kwh=0.0)
NEGOTIATION = UUID("00000000-0000-4000-8000-000000000001")


def a_situation(
    jobs: Sequence[Job],
    price: Sequence[float],
    carbon: Sequence[float],
    room_kw: float,
    ends: Mapping[str, datetime] | None = None,
) -> Situation:
    return Situation(
        negotiation_id=NEGOTIATION,
        now=NOON,
        horizon=Horizon(NOON, len(price)),
        jobs=tuple(jobs),
        assets=(an_asset(max_power_kw=room_kw),),
        signals={"london": a_region(NOON, carbon=carbon, price=price)},
        policy=POLICY,
        predecessor_ends=ends,
    )


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Return up to four jobs of a few half-hours that wait for earlier ones of the list, on one cluster."""
    count = draw(st.integers(2, 4))
    jobs: list[Job] = []
    for n in range(count):
        before = [f"j{p}" for p in range(n) if draw(st.booleans())]
        minutes = draw(st.sampled_from((30.0, 45.0, 60.0, 90.0)))
        release = draw(st.integers(0, 3))
        deadline = draw(st.integers(math.ceil(minutes / 30) + release, SLOTS))
        jobs.append(
            a_job(
                f"j{n}",
                minutes,
                power_kw=draw(st.sampled_from((10.0, 20.0))),
                earliest_start=NOON + release * SLOT,
                latest_finish=NOON + deadline * SLOT,
                baseline_start=NOON + release * SLOT,
                priority=draw(st.sampled_from(tuple(Priority))),
                depends_on=tuple(before),
            )
        )
    values = st.lists(st.integers(-2, 40), min_size=SLOTS, max_size=SLOTS)
    price = [v / 100 for v in draw(values)]
    carbon = [10.0 * max(v, 0) for v in draw(values)]
    order = draw(st.permutations(range(count)))
    return a_situation([jobs[n] for n in order], price, carbon, draw(st.sampled_from((20.0, 30.0))))


def _starts(job: Job, ends: Mapping[str, datetime] | None = None) -> range:
    release = max(job.earliest_start, (ends or {}).get(job.job_id, job.earliest_start))
    first = math.ceil((release - NOON) / SLOT)
    last = (job.latest_finish - job.duration - NOON) // SLOT
    return range(first, min(last, SLOTS - job.slots) + 1)


def _run_gbp(situation: Situation, job: Job, start: int) -> float:
    known = situation.signals["london"]
    total = 0.0
    left = job.duration / timedelta(hours=1)
    for n in range(job.slots):
        kwh = job.power_kw * min(0.5, left - 0.5 * n)
        price, grams = known.price.values[start + n], known.carbon.values[start + n]
        total += kwh * (price + POLICY.kappa_gbp_per_kg * grams / 1000)
    assert job.baseline_start is not None
    waited_h = max(0.0, (NOON + start * SLOT - job.baseline_start) / timedelta(hours=1))
    energy = job.power_kw * left
    per_hour = POLICY.delay_gbp_per_kwh_hour * energy * DELAY_FACTOR[job.priority]
    return float(total + waited_h * per_hour)


def _unserved_gbp(job: Job) -> float:
    energy = job.power_kw * (job.duration / timedelta(hours=1))
    return POLICY.unserved_gbp_per_kwh * energy * UNSERVED_FACTOR[job.priority]


def _is_plan(situation: Situation, starts: Mapping[str, int | None]) -> bool:
    load = [0.0] * (SLOTS + 8)
    by_id = {job.job_id: job for job in situation.jobs}
    for name, start in starts.items():
        if start is None:
            continue
        for before in by_id[name].depends_on:
            other = starts[before]
            if other is None or other + by_id[before].slots > start:
                return False
        for n in range(by_id[name].slots):
            load[start + n] += by_id[name].power_kw
    return max(load) <= situation.assets[0].max_power_kw + 1e-9


def _every_plan(situation: Situation) -> Iterator[dict[str, int | None]]:
    jobs = situation.jobs
    choices = [[None, *_starts(job, situation.predecessor_ends)] for job in jobs]
    for chosen in itertools.product(*choices):
        starts = {job.job_id: start for job, start in zip(jobs, chosen, strict=True)}
        if _is_plan(situation, starts):
            yield starts


def _total_gbp(situation: Situation, starts: Mapping[str, int | None]) -> float:
    return sum(
        _unserved_gbp(job) if (start := starts[job.job_id]) is None else _run_gbp(situation, job, start)
        for job in situation.jobs
    )  # fmt: skip


def _starts_of(situation: Situation, outcome: Outcome) -> dict[str, int | None]:
    starts: dict[str, int | None] = {job.job_id: None for job in situation.jobs}
    for award in outcome.awards:
        starts[award.job_id] = (award.placement.start - NOON) // SLOT
    return starts


@settings(max_examples=25, deadline=None)
@given(situation=situations())
def test_the_plan_lies_between_its_bound_and_the_best_of_all_plans(situation: Situation) -> None:
    outcome = negotiate(situation)
    starts = _starts_of(situation, outcome)
    least = min(_total_gbp(situation, plan) for plan in _every_plan(situation))
    objective = _total_gbp(situation, starts)
    assert _is_plan(situation, starts)
    assert outcome.certificate.objective_gbp == pytest.approx(objective, abs=1e-6)
    assert outcome.certificate.lower_bound_gbp <= least + 1e-6
    assert objective >= least - 1e-6


@settings(max_examples=25, deadline=None)
@given(situation=situations())
def test_a_successor_of_an_unserved_job_is_refused_with_rule_predecessor(
    situation: Situation,
) -> None:
    outcome = negotiate(situation)
    rules = {refusal.job_id: refusal.rule for refusal in outcome.refusals}
    served = {award.job_id for award in outcome.awards}
    assert set(rules) | served == {job.job_id for job in situation.jobs}
    for job in situation.jobs:
        if any(before in rules for before in job.depends_on):
            assert rules.get(job.job_id) == "predecessor"


@settings(max_examples=25, deadline=None)
@given(situation=situations(), data=st.data())
def test_the_order_in_which_jobs_are_given_changes_nothing(
    situation: Situation, data: st.DataObject
) -> None:
    shuffled = replace(situation, jobs=tuple(data.draw(st.permutations(situation.jobs))))
    one, two = negotiate(situation), negotiate(shuffled)
    assert _starts_of(situation, one) == _starts_of(shuffled, two)
    assert one.certificate.lower_bound_gbp == pytest.approx(two.certificate.lower_bound_gbp)


@settings(max_examples=25, deadline=None)
@given(situation=situations())
def test_tightened_windows_lose_no_plan_in_which_everybody_is_served(situation: Situation) -> None:
    releases, deadlines = tightened_windows(situation.jobs, {}, NOON)
    for plan in _every_plan(situation):
        for job in situation.jobs:
            start = plan[job.job_id]
            if start is None or any(plan[other.job_id] is None for other in situation.jobs):
                continue
            assert NOON + start * SLOT >= releases[job.job_id]
            assert NOON + start * SLOT + job.duration <= deadlines[job.job_id]


@settings(max_examples=25, deadline=None)
@given(situation=situations())
def test_jobs_that_fit_one_after_another_in_order_of_arrival_are_all_served_where_room_is_ample(
    situation: Situation,
) -> None:
    ample = replace(situation, assets=(an_asset(max_power_kw=1000.0),))
    everybody = any(all(s is not None for s in plan.values()) for plan in _every_plan(ample))
    outcome = negotiate(ample)
    assert (len(outcome.refusals) == 0) == everybody


def test_a_successor_starts_on_the_half_hour_after_its_predecessor_ends() -> None:
    # 45 min end inside slot 1; the next start is slot 2, though slot 1 is the cheapest.
    first = a_job("a", 45.0, baseline_start=NOON, latest_finish=NOON + 3 * SLOT)
    then = a_job("b", 30.0, baseline_start=NOON, depends_on=("a",), latest_finish=NOON + 6 * SLOT)
    outcome = negotiate(
        a_situation([first, then], [0.1, 0.0, 0.3, 0.3, 0.3, 0.3, 0.9, 0.9], [0.0] * 8, 100.0)
    )
    starts = {award.job_id: (award.placement.start - NOON) // SLOT for award in outcome.awards}
    assert starts == {"a": 0, "b": 2}


def test_work_that_is_not_in_the_plan_holds_its_successor_back() -> None:
    # The predecessor runs until 13:10 and is not up for planning: the first half-hour after that is 13:30, slot 3.
    job = a_job("b", 30.0, baseline_start=NOON, depends_on=("a",), latest_finish=NOON + 8 * SLOT)
    ends = {"b": NOON + timedelta(minutes=70)}
    outcome = negotiate(
        a_situation([job], np.linspace(0.1, 0.8, 8).tolist(), [0.0] * 8, 100.0, ends)
    )
    assert (outcome.awards[0].placement.start - NOON) // SLOT == 3
