"""What remains of interruptible work that has begun moves when that pays, and never breaks what was promised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.scheduler import negotiate
from agents.view import Held, Outcome, Started
from models.domain.job import Flexibility, Job, JobStatus
from models.domain.plan import Segment
from models.domain.power_limit import PowerLimit
from models.optimise.flexible import lanes_of
from tests.support.brute_patterns import runs_in_chunks
from tests.support.fleet import NOON, a_job, an_asset
from tests.support.planning import a_policy, a_situation, a_table, at_slot, some_weights

PRICE = [0.2, 0.2, 0.2, 0.2, 0.2, 0.1, 0.1, 0.2, 0.3, 0.3, 0.2, 0.2]
NO_CARBON = [0.0] * 12


def running(**changes: Any) -> Job:
    """Return two hours of 10 kW in chunks, begun at noon."""
    job = a_job(
        "a", minutes=120.0, flexibility=Flexibility.INTERRUPTIBLE, min_run_slots=1, max_chunks=4,
        checkpoint_minutes=0.0, status=JobStatus.RUNNING, baseline_start=NOON, latest_finish=at_slot(12),
    )  # fmt: skip
    return replace(job, **changes)


def stretch(first: float, end: float, power_kw: float = 10.0) -> Segment:
    return Segment(at_slot(first), at_slot(end), power_kw)


def begun(job: Job, rest: Sequence[Segment], **changes: Any) -> Started:
    """Return a job that ran in its first two half-hours; the rest may move from the fourth on."""
    plain = Started(job, "cluster-a", (stretch(0, 2),), tuple(rest), at_slot(3), job.latest_finish)
    return replace(plain, **changes)


def planned(
    started: Sequence[Started], price: Sequence[float] = PRICE, *others: Held, **changes: Any
) -> Outcome:
    """Negotiate at one o'clock, with the whole runs of the started jobs held."""
    held = [
        Held(each.job.job_id, each.asset_id, 0, power(each), each.rest[-1].end) for each in started
    ]
    policy = changes.pop("policy", a_policy(kappa_gbp_per_kg=0.0))
    situation = a_situation(
        [], price, [0.0] * len(price), now=at_slot(2), held=(*held, *others), started=tuple(started),
        policy=policy, **changes,
    )  # fmt: skip
    return negotiate(situation)


def power(each: Started) -> tuple[float, ...]:
    kw = np.zeros(48)
    for s in (*each.fixed, *each.rest):
        first = round((s.start - NOON) / timedelta(minutes=30))
        last = int(np.ceil((s.end - NOON) / timedelta(minutes=30) - 1e-9))
        kw[first:last] += s.power_kw
    return tuple(kw)


def spans(outcome: Outcome) -> dict[str, list[tuple[float, float]]]:
    return {
        award.job_id: [
            ((s.start - NOON) / timedelta(minutes=30), (s.end - NOON) / timedelta(minutes=30))
            for s in award.placement.segments
        ]
        for award in outcome.awards
    }


def test_the_rest_moves_to_the_cheapest_half_hours_that_are_left() -> None:
    # Planned for 30 p; half-hours 5 and 6 cost 10 p. Done: 10 kWh for £2; rest: 10 kWh for £1.
    outcome = planned([begun(running(), [stretch(8, 10)])])
    assert spans(outcome) == {"a": [(0.0, 2.0), (5.0, 7.0)]}
    award = outcome.awards[0]
    assert (award.placement.energy_kwh, award.placement.cost_gbp) == pytest.approx((20.0, 3.0))
    assert award.is_frozen
    assert award.why == (
        "Runs since Sat 12:00 on cluster-a; the rest of it moved and now ends Sat 15:30 instead of Sat 17:00, "
        "£2.00 better by the policy's weights."
    )
    # On arrival: four half-hours of 20 p.
    assert award.savings.cost_gbp == pytest.approx(1.0)


def test_frozen_cost_stands_outside_objective_and_bound() -> None:
    proof = planned([begun(running(), [stretch(8, 10)])]).certificate
    assert (proof.objective_gbp, proof.lower_bound_gbp) == (0.0, 0.0)


def test_it_stays_where_moving_gains_less_than_it_costs() -> None:
    # 10 kWh gain £2; moving them at 20 p/kWh costs as much.
    policy = a_policy(kappa_gbp_per_kg=0.0, churn_gbp_per_kwh=0.2)
    assert planned([begun(running(), [stretch(8, 10)])], policy=policy).awards == ()
    less = replace(policy, churn_gbp_per_kwh=0.19)
    assert spans(planned([begun(running(), [stretch(8, 10)])], policy=less)) != {}


def test_it_takes_only_room_that_nobody_else_holds() -> None:
    other = Held("other", "cluster-a", 5, (95.0, 95.0), at_slot(7))
    outcome = planned([begun(running(), [stretch(8, 10)])], PRICE, other)
    assert spans(outcome) == {"a": [(0.0, 2.0), (3.0, 5.0)]}


def test_two_that_have_begun_do_not_take_the_same_room() -> None:
    one, two = running(), running(job_id="b")
    outcome = planned(
        [begun(each, [stretch(8, 10)]) for each in (one, two)],
        assets=(an_asset(max_power_kw=20.0),),
    )
    assert spans(outcome)["a"] == spans(outcome)["b"] == [(0.0, 2.0), (5.0, 7.0)]
    narrow = planned(
        [begun(one, [stretch(8, 10)]), begun(two, [stretch(10, 12)])],
        assets=(an_asset(max_power_kw=10.0),),
    )
    # With room for one only, the first takes half-hours 5 and 6 and the second stays where it costs 20 p.
    assert spans(narrow) == {"a": [(0.0, 2.0), (5.0, 7.0)]}


def test_it_moves_though_dearer_where_its_power_is_gone() -> None:
    limit = PowerLimit(5.0, start=at_slot(5), end=at_slot(7), reason="maintenance")
    outcome = planned(
        [begun(running(), [stretch(5, 7)])], assets=(an_asset(power_limits=(limit,)),)
    )
    assert spans(outcome) == {"a": [(0.0, 2.0), (3.0, 5.0)]}
    assert outcome.awards[0].why.endswith("because its power was gone.")


def test_it_ends_no_later_than_those_that_wait_for_it_count_on() -> None:
    rest = begun(running(), [stretch(3, 5)], latest_end=at_slot(5))
    assert planned([rest]).awards == ()
    assert spans(planned([replace(rest, latest_end=at_slot(6))])) == {"a": [(0.0, 2.0), (4.0, 6.0)]}


def test_a_chunk_that_goes_on_costs_no_checkpoint_and_a_new_one_does() -> None:
    # A restart takes 15 minutes more: two chunks need five half-hours, the last half used.
    job = running(checkpoint_minutes=15.0)
    going_on = Started(
        job, "cluster-a", (stretch(0, 3),), (stretch(3, 4),), at_slot(3), at_slot(12)
    )
    assert planned([going_on], [0.2] * 12).awards == ()
    outcome = planned([going_on], [0.2, 0.2, 0.2, 0.4, 0.4, 0.01, 0.01, *[0.4] * 5])
    assert spans(outcome) == {"a": [(0.0, 3.0), (5.0, 6.5)]}


@settings(max_examples=60, deadline=None)
@given(
    price=st.lists(st.sampled_from([0.05, 0.1, 0.2, 0.4]), min_size=12, max_size=12),
    min_run=st.integers(1, 2),
    checkpoint=st.sampled_from([0.0, 15.0]),
    minutes=st.sampled_from([105.0, 120.0]),
    cap=st.sampled_from([None, 0.2]),
)
def test_the_whole_run_is_the_best_of_all_runs_that_begin_as_it_did(
    price: list[float], min_run: int, checkpoint: float, minutes: float, cap: float | None
) -> None:
    job = running(
        min_run_slots=min_run, checkpoint_minutes=checkpoint, duration=timedelta(minutes=minutes),
        max_chunks=3, max_price_gbp_per_kwh=cap,
    )  # fmt: skip
    table = a_table(price, NO_CARBON)
    (lane,) = lanes_of(
        job, table, some_weights(kappa_gbp_per_kg=0.0), (0,), table.room_kw, first=0, end=12.0
    )
    runs = [
        run
        for run in runs_in_chunks(job, lane)
        if [slot for slot, _, _ in run.parts if slot < 3] == [0, 1] and run.parts[1][2] == 1.0
        and (cap is None or run.cost_gbp <= cap * run.energy_kwh + 1e-9)
    ]  # fmt: skip
    if not runs:
        return
    dearest = max(runs, key=lambda run: run.cost_gbp)
    least = min(run.cost_gbp for run in runs)
    later = [part for part in dearest.parts if part[0] >= 3]
    if not later:
        return
    rest = [stretch(slot, slot + share) for slot, _, share in later]
    outcome = planned([begun(job, rest)], price)
    if not outcome.awards:
        assert dearest.cost_gbp == pytest.approx(least, abs=1e-6)
    else:
        assert outcome.awards[0].placement.cost_gbp == pytest.approx(least, abs=1e-6)
