"""The cheapest run from a given half-hour, beside every run that begins there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.domain.job import Flexibility, Job
from models.optimise.beginning import LEAST_SHARE, cheapest_from
from models.optimise.caps import Caps
from models.optimise.pattern import Lane
from tests.support.brute_patterns import Run, keeps_caps, runs_at_levels, runs_in_chunks, valued
from tests.support.fleet import a_job
from tests.support.lanes import a_lane, lanes, numbers

TABLE = ((5.0, 0.6), (10.0, 1.0))

pausing = st.builds(
    a_job,
    minutes=st.sampled_from((30.0, 50.0, 60.0, 85.0, 120.0)),
    flexibility=st.just(Flexibility.INTERRUPTIBLE),
    max_chunks=st.integers(1, 3),
    min_run_slots=st.integers(1, 2),
    checkpoint_minutes=st.sampled_from((0.0, 5.0, 12.0)),
).filter(lambda job: job.min_run_slots <= job.slots)

stepped = st.builds(
    a_job,
    minutes=st.sampled_from((15.0, 30.0, 60.0, 75.0)),
    flexibility=st.just(Flexibility.ELASTIC),
    power_levels=st.just(TABLE),
)


def least_from_first(job: Job, lane: Lane, runs: Iterable[Run]) -> float | None:
    found = [
        run.priced_gbp for run in runs if run.parts[0][0] == lane.first and keeps_caps(job, run)
    ]
    return min(found, default=None)


def all_runs(job: Job, lane: Lane) -> Iterable[Run]:
    if job.flexibility is Flexibility.INTERRUPTIBLE:
        return runs_in_chunks(job, lane)
    allowed = [[pair for pair in TABLE if pair[0] <= room + 1e-6] for room in lane.room_kw]
    return runs_at_levels(job, lane, allowed)


@settings(max_examples=200, deadline=None)
@given(st.one_of(pausing, stepped), lanes(slots=(2, 7)))
def test_it_is_the_cheapest_of_all_runs_that_begin_there(job: Job, lane: Lane) -> None:
    found = cheapest_from(job, lane)
    least = least_from_first(job, lane, all_runs(job, lane))
    if least is None:
        assert found is None
        return
    assert found is not None
    assert found.start == lane.first
    assert found.priced_gbp == pytest.approx(least, abs=1e-9)
    assert valued(lane, found.parts).priced_gbp == pytest.approx(found.priced_gbp, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(pausing, lanes(slots=(2, 7)), numbers(0.0, 0.4))
def test_a_job_that_may_pause_keeps_its_cap_from_there(job: Job, lane: Lane, cap: float) -> None:
    capped = replace(job, max_price_gbp_per_kwh=cap)
    found = cheapest_from(capped, lane)
    least = least_from_first(capped, lane, all_runs(capped, lane))
    assert (found is None) == (least is None)
    if found is not None and least is not None:
        assert found.priced_gbp == pytest.approx(least, abs=1e-9)
        assert Caps.of(capped).are_kept(found)


def test_work_at_any_power_begins_with_a_tenth_of_it_where_that_is_dearest() -> None:
    # An hour at 10 kW from a half-hour at £0.50: 1 kW there, the other 9.5 kWh at £0.10 in two half-hours.
    job = a_job(minutes=60, flexibility=Flexibility.ELASTIC)
    found = cheapest_from(job, a_lane([0.5, 0.1, 0.1]))
    assert found is not None
    assert found.power_kw[0] == pytest.approx(LEAST_SHARE * 10.0)
    assert found.cost_gbp == pytest.approx(0.5 * 0.5 + 9.5 * 0.1)


def test_work_that_hardly_fits_begins_with_all_the_power_there_is() -> None:
    # 4 and 10 kW are free: 2 and 5 of the 7 kWh of 42 minutes.
    job = a_job(minutes=42, flexibility=Flexibility.ELASTIC)
    found = cheapest_from(job, a_lane([0.5, 0.1], room_kw=[4.0, 10.0]))
    assert found is not None
    assert found.power_kw.tolist() == pytest.approx([4.0, 10.0])
