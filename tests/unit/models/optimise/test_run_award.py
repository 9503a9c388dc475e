"""Plans of runs in chunks at prices: by hand, and beside every run that the room would have allowed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.domain.job import Flexibility, Job
from models.optimise.pattern import Lane
from models.optimise.pattern_fleet import RunFleet, Task
from models.optimise.prices import search
from models.optimise.run_award import award_runs
from models.optimise.run_plan import Run, RunPlan
from tests.support.brute_patterns import runs_in_chunks
from tests.support.fleet import a_job
from tests.support.lanes import lanes

HORIZON = 16
WORTH = np.array([0.9, 0.8, 0.1, 0.1, 0.7, 0.2])

interruptible = st.builds(
    a_job,
    st.just("i"),
    st.sampled_from((30.0, 75.0, 90.0, 120.0)),
    flexibility=st.just(Flexibility.INTERRUPTIBLE),
    power_kw=st.sampled_from((5.0, 10.0)),
    min_run_slots=st.integers(1, 2),
    max_chunks=st.integers(1, 4),
    checkpoint_minutes=st.sampled_from((0.0, 15.0)),
)


def a_fleet(count: int, **changes: object) -> RunFleet:
    """Return jobs of one hour that may run in half-hours 0 to 5 of asset 1, in two chunks."""
    nothing = np.zeros(6)
    lane = Lane(1, 0, 6.0, WORTH, nothing, nothing, np.full(6, 30.0), 1.0, 0.0, 9.0, 0.0)
    job = a_job("i", flexibility=Flexibility.INTERRUPTIBLE, max_chunks=2, checkpoint_minutes=0.0)
    return RunFleet((Task(replace(job, **changes), (lane,), 1e3),) * count, 6)  # type: ignore[arg-type]


def award(fleet: RunFleet, room_kw: float, price: float = 0.0) -> list[Run | None]:
    shape = (2, fleet.horizon)
    return award_runs(fleet, np.full(shape, room_kw), np.full(shape, price))


def test_three_jobs_share_the_clean_half_hours_as_by_hand() -> None:
    # Two at a time: half-hours 2, 3 and 5 twice. 5 kWh each: 5 · 2 · (0.1 + 0.1 + 0.2) = 4.
    fleet, room = a_fleet(3), np.full((2, 6), 20.0)
    prices = search(lambda price: fleet.quote(price, room), room, 100)
    runs = award_runs(fleet, room, prices.price_gbp)
    found = [run for run in runs if run is not None]
    assert sum(run.cost_gbp for run in found) == pytest.approx(4.0)
    # Cells of asset 1 begin at 6.
    assert prices.bound_gbp <= 4.0 + 1e-9
    assert sorted(np.concatenate([run.cells for run in found])) == [8, 8, 9, 9, 11, 11]


def test_prices_steer_but_are_no_part_of_the_cost() -> None:
    fleet = a_fleet(1)
    price = np.zeros((2, 6))
    price[1, 2] = 1.0
    (run,) = award_runs(fleet, np.full((2, 6), 20.0), price)
    # In the end scarcity counts no more: with room for all the cheapest half-hours are taken whatever they were priced at.
    assert run is not None
    assert run.cells.tolist() == [8, 9]
    assert run.cost_gbp == pytest.approx(1.0)


def test_whoever_finds_no_room_stays_unserved_and_room_is_never_left_to_a_penalty() -> None:
    # One at a time, six half-hours: three jobs of two each, whatever leaving them out would cost; a fourth finds none.
    runs = award(a_fleet(4), 10.0)
    assert sum(run is None for run in runs) == 1
    assert award(a_fleet(1), 9.0) == [None]


def test_a_plan_to_begin_with_is_improved_and_nobody_in_it_loses_its_place() -> None:
    # Two dear runs in one piece, one job at a time: 0-1 and 4-5. Both gain in turn; a third takes what is left.
    first = [np.array([6, 7]), np.array([10, 11]), None]
    runs = award_runs(a_fleet(3), np.full((2, 6), 10.0), np.zeros((2, 6)), first)
    served = [run for run in runs if run is not None]
    assert runs[0] is not None
    assert runs[1] is not None
    # The first moves to 2-3, the second keeps 4-5 (5 · 0.9 = 4.5), the third has 0-1 (5 · 1.7 = 8.5): 1 + 4.5 + 8.5.
    assert sum(run.cost_gbp for run in served) == pytest.approx(14.0)


def test_a_run_outside_the_lanes_of_its_job_is_refused() -> None:
    plan = RunPlan(a_fleet(1), np.full(12, 10.0))
    assert plan.run_over(0, np.array([8, 11])).cost_gbp == pytest.approx(5 * (0.1 + 0.2))
    with pytest.raises(ValueError, match="no lane"):
        plan.run_over(0, np.array([5, 6]))


@settings(max_examples=60, deadline=None)
@given(jobs=st.lists(interruptible, min_size=1, max_size=4), lane=lanes(slots=(4, 8)))
def test_plans_keep_the_room_and_nobody_could_do_better_alone(jobs: list[Job], lane: Lane) -> None:
    lane = replace(lane, row=0, room_kw=np.full(lane.slots, 10.0), shadow_gbp_per_kwh=np.zeros(lane.slots))  # fmt: skip
    fleet = RunFleet(tuple(Task(job, (lane,), 50.0) for job in jobs), HORIZON)
    room = np.full((1, HORIZON), 10.0)
    runs = award_runs(fleet, room, np.zeros((1, HORIZON)))
    load = np.zeros(HORIZON)
    for job, run in zip(jobs, runs, strict=True):
        if run is not None:
            load[run.cells] += job.power_kw
    assert load.max() <= 10.0 + 1e-6
    for job, run in zip(jobs, runs, strict=True):
        left = 10.0 - load
        if run is not None:
            left[run.cells] += job.power_kw
        here = replace(lane, room_kw=left[lane.first : lane.first + lane.slots])
        # Every run that the room left by the others allows, by trying them all.
        every = {
            tuple(slot for slot, _, _ in one.parts): one.objective_gbp
            for one in runs_in_chunks(job, here)
        }
        if run is None:
            assert not every
            continue
        assert run.cost_gbp == pytest.approx(every[tuple(run.cells.tolist())], abs=1e-9)
        assert run.cost_gbp == pytest.approx(min(every.values()), abs=1e-8)
