"""Fleets of jobs that bend in shape: compiled answers beside their plain twins, and the bound beside every plan."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.domain.job import Flexibility, Job
from models.optimise import flexible
from models.optimise.pattern import Lane
from models.optimise.pattern_fleet import PatternFleet, Task, fleets_of
from tests.support.brute_patterns import keeps_caps, runs_in_chunks
from tests.support.fleet import a_job
from tests.support.lanes import lanes, numbers

HORIZON = 16
TABLE = ((4.0, 0.5), (6.0, 0.6), (10.0, 1.0))
interruptible = st.builds(
    a_job,
    st.just("i"),
    st.sampled_from((20.0, 30.0, 75.0, 90.0, 120.0, 150.0)),
    flexibility=st.just(Flexibility.INTERRUPTIBLE),
    min_run_slots=st.integers(1, 3),
    max_chunks=st.integers(1, 4),
    checkpoint_minutes=st.sampled_from((0.0, 5.0, 15.0, 40.0)),
)
elastic = st.builds(
    a_job,
    st.just("e"),
    st.sampled_from((20.0, 60.0, 75.0, 90.0)),
    flexibility=st.just(Flexibility.ELASTIC),
    power_levels=st.sampled_from(((), TABLE)),
    min_power_kw=st.sampled_from((None, 4.0)),
)
rows = st.tuples(lanes(slots=(3, 10)), lanes(slots=(3, 10), row=1))


def _fleet(job: Job, two: tuple[Lane, ...]) -> PatternFleet:
    return fleets_of([Task(job, two, 1e6)], HORIZON)[0]


def _prices(two: tuple[Lane, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the lanes' own scarcity as prices of one kW over half an hour, and their room, by asset and slot."""
    price, room = np.zeros((2, HORIZON)), np.full((2, HORIZON), -1.0)
    for lane in two:
        span = slice(lane.first, lane.first + lane.slots)
        price[lane.row, span] = lane.shadow_gbp_per_kwh * 0.5
        room[lane.row, span] = lane.room_kw
    return price, room


@settings(max_examples=30, deadline=None)
@given(job=st.one_of(interruptible, elastic), two=rows)
def test_the_compiled_answer_is_that_of_the_plain_twin(job: Job, two: tuple[Lane, ...]) -> None:
    fleet = _fleet(job, two)
    price, room = _prices(two)
    paid, load = fleet.quote(price, room)
    plain = flexible.quote(job, two)
    assert paid == pytest.approx(min(plain.bound_gbp, 1e6), abs=1e-9)
    if plain.pattern is None:
        assert fleet.taken[0] == -1
        assert not load.any()
        return
    # What it takes is worth what it pays: cost, waiting and scarcity of the answer itself.
    lane = two[int(fleet.taken[0])]
    energy = fleet.energy_in(0)
    busy = np.flatnonzero(load[lane.row, lane.first : lane.first + lane.slots])
    assert (load[lane.row] <= np.maximum(room[lane.row], 0.0) + 1e-6).all()
    cost = float(lane.worth_gbp_per_kwh @ energy) + float((price * load).sum())
    assert cost <= paid + 1e-9
    assert cost >= paid - float(lane.delay_gbp(np.array(lane.first + busy[-1] + 1.0))) - 1e-9


def test_jobs_of_both_kinds_are_laid_out_apart_and_deferrable_ones_keep_in_one_piece() -> None:
    lane = Lane(
        0, 0, 6.0, np.array([0.1, 0.9, 0.1, 0.5, 0.5, 0.9]), np.zeros(6), np.zeros(6),
        np.full(6, 10.0), 1.0, 0.0, 0.0, 0.0,
    )  # fmt: skip
    plain = a_job("d", 60.0, flexibility=Flexibility.DEFERRABLE)
    bending = a_job("i", 60.0, flexibility=Flexibility.INTERRUPTIBLE, checkpoint_minutes=0.0)
    tasks = [Task(job, (lane,), 1e6) for job in (plain, bending, replace(bending, job_id="e",
             flexibility=Flexibility.ELASTIC))]  # fmt: skip
    runs, mixes = fleets_of(tasks, 6)
    zero, room = np.zeros((1, 6)), np.full((1, 6), 10.0)
    # One piece, slots 2-3: 5 · 0.1 + 5 · 0.5 = 3; in two, slots 0 and 2: 5 · 0.1 · 2 = 1; elastic: the same two.
    assert runs.quote(zero, room)[0] == pytest.approx(3.0 + 1.0)
    assert mixes.quote(zero, room)[0] == pytest.approx(1.0)


@settings(max_examples=30, deadline=None)
@given(
    jobs=st.tuples(interruptible, interruptible),
    lane=lanes(slots=(3, 7), rooms=(10.0, 10.0, 20.0)),
    cap=st.one_of(st.none(), numbers(50.0, 400.0)),
    seed=st.integers(0, 5),
)
def test_at_any_prices_and_after_any_rounds_the_bound_lies_below_every_plan(
    jobs: tuple[Job, Job], lane: Lane, cap: float | None, seed: int
) -> None:
    lane = replace(lane, shadow_gbp_per_kwh=np.zeros(lane.slots))
    capped = [replace(job, carbon_cap_g_per_kwh=cap) for job in jobs]
    fleet = fleets_of([Task(job, (lane,), 5.0) for job in capped], HORIZON)[0]
    room = np.zeros((1, HORIZON))
    room[0, lane.first : lane.first + lane.slots] = lane.room_kw
    least = _best_plan(capped, lane, 5.0)
    rng = np.random.default_rng(seed)
    for _ in range(5):
        price = rng.uniform(0.0, 0.3, room.shape) * (rng.random(room.shape) < 0.5)
        paid, _ = fleet.quote(price, room)
        assert paid - float((price * room).sum()) <= least + 1e-9


def _best_plan(jobs: list[Job], lane: Lane, unserved_gbp: float) -> float:
    """Return the least cost over every pair of runs that share the room."""
    every = [[None, *(r for r in runs_in_chunks(job, lane) if keeps_caps(job, r))] for job in jobs]
    least = np.inf
    for plan in itertools.product(*every):
        load = np.zeros(lane.slots)
        for run in plan:
            for slot, kw, _ in run.parts if run else ():
                load[slot - lane.first] += kw
        if (load <= lane.room_kw + 1e-6).all():
            least = min(least, sum(r.objective_gbp if r else unserved_gbp for r in plan))
    return float(least)


@settings(max_examples=60, deadline=None)
@given(
    job=st.builds(
        a_job,
        st.just("i"),
        st.sampled_from((60.0, 75.0, 150.0, 210.0)),
        flexibility=st.just(Flexibility.INTERRUPTIBLE),
        max_chunks=st.integers(1, 9),
        checkpoint_minutes=st.just(0.0),
    ),
    lane=lanes(slots=(6, 11)),
    wider=st.integers(1, 9),
)
def test_runs_of_single_half_hours_without_checkpoints_are_the_cheapest_of_all(
    job: Job, lane: Lane, wider: int
) -> None:
    # A second job may have more chunks, so that the arrays are wider than this job needs.
    other = replace(job, job_id="j", max_chunks=wider)
    fleet = fleets_of([Task(job, (lane,), 1e6), Task(other, (), 0.0)], HORIZON)[0]
    price, room = _prices((lane, replace(lane, row=1, shadow_gbp_per_kwh=np.zeros(lane.slots))))
    paid, _ = fleet.quote(price, room)
    every = [run.priced_gbp for run in runs_in_chunks(job, lane)]
    assert paid == pytest.approx(min(every, default=1e6), abs=1e-9)
