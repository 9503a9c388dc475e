"""Elastic runs against hand-worked arithmetic and against every choice of levels."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.domain.job import Flexibility, Job
from models.optimise import envelope, level_runs
from models.optimise.caps import Spent
from models.optimise.elastic import cheapest, quote
from models.optimise.levels import levels_of
from models.optimise.pattern import Lane, reserve
from tests.support.brute_patterns import Run, keeps_caps, runs_at_levels, valued
from tests.support.fleet import a_job
from tests.support.lanes import a_lane, lanes, numbers

TABLES = (
    ((4.0, 0.5), (10.0, 1.0)),  # concave: half the rate for less than half the power
    ((6.0, 0.25), (10.0, 1.0)),  # not concave: slow is wasteful
    ((3.0, 0.4), (6.0, 0.5), (10.0, 1.0)),
    ((10.0, 0.8),),
)


def an_elastic(minutes: float = 60.0, **changes: Any) -> Job:
    return a_job(minutes=minutes, flexibility=Flexibility.ELASTIC, **changes)


minutes = st.sampled_from((20.0, 30.0, 50.0, 60.0, 75.0, 90.0))
caps = st.tuples(
    st.one_of(st.none(), numbers(20.0, 400.0)), st.one_of(st.none(), numbers(0.0, 0.4))
)
tabled = st.builds(an_elastic, minutes, power_levels=st.sampled_from(TABLES))
linear = st.builds(an_elastic, minutes, min_power_kw=st.sampled_from((None, 0.0, 3.0, 7.5, 10.0)))
elastic_lanes = lanes(slots=(2, 6), rooms=(10.0, 10.0, 20.0, 7.0, 4.0, 0.0))


def test_work_goes_to_the_cheapest_half_hours_at_full_power() -> None:
    # 75 min of 10 kW = 2.5 half-hours of work. Cheapest first: slots 1 (0.1), 3 (0.2), then half of slot 0 (0.3) at
    # half power: 5 · 0.1 + 5 · 0.2 + 2.5 · 0.3 = £2.25.
    best = cheapest(an_elastic(75), [a_lane([0.3, 0.1, 0.4, 0.2])])
    assert best is not None
    assert best.parts == ((0, 5.0, 1.0), (1, 10.0, 1.0), (3, 10.0, 1.0))
    assert best.objective_gbp == pytest.approx(2.25)
    assert best.energy_kwh == pytest.approx(12.5)
    assert best.is_exact


def test_a_slow_level_that_saves_energy_is_worth_its_time() -> None:
    # 4 kW at half rate: 30 min of work take one half-hour at 10 kW (5 kWh) or two at 4 kW (4 kWh).
    job = an_elastic(30, power_levels=TABLES[0])
    best = cheapest(job, [a_lane([0.2, 0.2])])
    assert best is not None
    assert best.parts == ((0, 4.0, 1.0), (1, 4.0, 1.0))
    assert best.objective_gbp == pytest.approx(0.8)
    # Waiting half an hour more at £1/h costs more than the £0.20 saved.
    hurried = cheapest(job, [a_lane([0.2, 0.2], arrived=1.0, delay_gbp_per_hour=1.0)])
    assert hurried is not None
    assert hurried.parts == ((0, 10.0, 1.0),)


def test_what_is_left_at_the_end_is_done_in_part_of_a_half_hour() -> None:
    # 50 min = 5/3 half-hours at the only level, rate 0.8: 2.08 half-hours, so the third is used for 1/12.
    best = cheapest(an_elastic(50, power_levels=TABLES[3]), [a_lane([0.1, 0.1, 0.1, 0.1])])
    assert best is not None
    assert best.share.tolist() == [1.0, 1.0, pytest.approx(5 / 3 / 0.8 - 2)]
    slots, power = reserve(best)
    assert slots.size == 3
    assert power.tolist() == [10.0, 10.0, 10.0]


def test_room_limits_the_power_of_each_half_hour() -> None:
    # 60 min need 2 half-hours of work; slot 1 has room for 4 of 10 kW, so 0.4 there, 1 at slot 0, 0.6 at slot 2.
    best = cheapest(an_elastic(60), [a_lane([0.2, 0.1, 0.3], room_kw=[10.0, 4.0, 100.0])])
    assert best is not None
    assert best.power_kw * best.share == pytest.approx([10.0, 4.0, 6.0])
    assert cheapest(an_elastic(90), [a_lane([0.2, 0.1, 0.3], room_kw=[10.0, 4.0, 9.0])]) is None


def test_levels_that_do_no_work_or_lie_below_the_least_power_are_left_out() -> None:
    job = an_elastic(
        60, power_levels=((10.0, 1.0), (1.0, 0.0), (2.0, 0.3), (0.0, 0.0)), min_power_kw=3.0
    )
    assert levels_of(job).power_kw.tolist() == [10.0]


def test_caps_of_a_begun_run_cover_what_is_done() -> None:
    # Half of 60 min is done: 5 kWh at 0.3 kg/kWh. A mean of 0.2 over 10 kWh leaves 0.5 kg for 5 kWh: slot 1.
    lane = a_lane([0.1, 0.5], carbon_kg_per_kwh=[0.15, 0.10])
    job = an_elastic(60, carbon_cap_g_per_kwh=200.0)
    found = cheapest(job, [lane], work_done=1.0, spent=Spent(5.0, 0.5, 1.5))
    assert found is not None
    assert found.slot.tolist() == [1]


def _levels(job: Job, lane: Lane) -> list[list[tuple[float, float]]]:
    table = [(kw, rate) for kw, rate in job.power_levels if rate > 0]
    return [[(kw, r) for kw, r in table if kw <= room + 1e-6] for room in lane.room_kw]


@settings(max_examples=40, deadline=None)
@given(job=tabled, lane=elastic_lanes)
def test_over_a_table_of_levels_the_run_is_the_best_of_all(job: Job, lane: Lane) -> None:
    every = list(runs_at_levels(job, lane, _levels(job, lane)))
    found, bound = cheapest(job, [lane]), quote(job, [lane]).bound_gbp
    if not every:
        assert found is None
        return
    least = min(run.priced_gbp for run in every)
    assert bound <= least + 1e-9
    assert found is not None
    assert found.is_exact
    assert found.priced_gbp == pytest.approx(least, abs=1e-9)
    again = valued(lane, found.parts)
    assert (found.objective_gbp, found.cost_gbp) == pytest.approx(
        (again.objective_gbp, again.cost_gbp)
    )


def _linear_runs(job: Job, lane: Lane) -> list[Run]:
    """Return the corners: every half-hour but one at none, least or most power, that one in between, any last one."""
    full, least = job.power_kw, job.min_power_kw or 0.0
    tops = [min(full, room) if room >= least - 1e-6 else 0.0 for room in lane.room_kw]
    work = job.duration.total_seconds() / 1800
    found = []
    for length in range(1, lane.slots + 1):
        choices = [sorted({0.0, least if top else 0.0, top}) for top in tops[: length - 1]]
        last = tops[length - 1]
        if not last:
            continue
        lasts = {last, max(least, 1e-3), last / 2, (last + least) / 2}
        for before in itertools.product(*choices):
            left = work - sum(before) / full
            tried = [(before, left)]
            for n, top in enumerate(tops[: length - 1]):
                for end in (last / full, least / full, last / full / 2):
                    power = (left - end + before[n] / full) * full
                    if max(least, 1e-9) <= power <= top:
                        tried.append(((*before[:n], power, *before[n + 1 :]), end))
            for powers, end in tried:
                for power in lasts | {end * full}:
                    if not max(least, 1e-6) - 1e-9 <= power <= last + 1e-9:
                        continue
                    share = end / (power / full)
                    finish = lane.first + length - 1 + share
                    if 1e-9 < share <= 1 + 1e-9 and finish <= lane.end + 1e-9:
                        parts = [(lane.first + n, kw, 1.0) for n, kw in enumerate(powers) if kw > 0]
                        end_part = (lane.first + length - 1, power, min(share, 1.0))
                        found.append(valued(lane, [*parts, end_part]))
    return found


@settings(max_examples=40, deadline=None)
@given(job=linear, lane=lanes(slots=(2, 5), rooms=(10.0, 10.0, 20.0, 8.0, 4.0, 0.0)))
def test_at_a_linear_rate_bound_and_run_enclose_the_best_corner(job: Job, lane: Lane) -> None:
    every = _linear_runs(job, lane)
    found, bound = cheapest(job, [lane]), quote(job, [lane]).bound_gbp
    least = min((run.priced_gbp for run in every), default=np.inf)
    assert bound <= least + 1e-9
    if every:
        assert found is not None
    if found is None:
        return
    assert bound <= found.priced_gbp + 1e-9
    _fits(job, lane, found.parts)
    assert found.priced_gbp == pytest.approx(valued(lane, found.parts).priced_gbp)
    if found.is_exact:
        assert found.priced_gbp <= least + 1e-7


@settings(max_examples=30, deadline=None)
@given(job=st.builds(an_elastic, minutes), lane=elastic_lanes)
def test_at_a_linear_rate_from_zero_without_scarcity_the_run_is_proven(
    job: Job, lane: Lane
) -> None:
    lane = replace(lane, shadow_gbp_per_kwh=np.zeros(lane.slots), arrived=float(lane.first))
    found = cheapest(job, [lane])
    assume(found is not None)
    assert found is not None
    assert found.is_exact
    assert found.priced_gbp == pytest.approx(quote(job, [lane]).bound_gbp, abs=1e-9)
    assert found.priced_gbp <= min(r.priced_gbp for r in _linear_runs(job, lane)) + 1e-9


def _fits(job: Job, lane: Lane, parts: tuple[tuple[int, float, float], ...]) -> None:
    """Hold a run at a linear rate against every rule."""
    work = sum(kw * share for _, kw, share in parts) / job.power_kw
    assert work == pytest.approx(job.duration.total_seconds() / 1800)
    assert all(share == 1.0 for _, _, share in parts[:-1])
    assert parts[-1][0] + parts[-1][2] <= lane.end + 1e-6
    for slot, kw, _ in parts:
        assert kw <= lane.room_kw[slot - lane.first] + 1e-6
        assert kw >= (job.min_power_kw or 0.0) - 1e-6


@settings(max_examples=40, deadline=None)
@given(job=tabled, lane=elastic_lanes, cap=caps)
def test_over_a_table_with_caps_the_bound_holds_and_the_run_keeps_them(
    job: Job, lane: Lane, cap: tuple[float | None, float | None]
) -> None:
    job = replace(job, carbon_cap_g_per_kwh=cap[0], max_price_gbp_per_kwh=cap[1])
    every = [r for r in runs_at_levels(job, lane, _levels(job, lane)) if keeps_caps(job, r)]
    least = min((run.priced_gbp for run in every), default=np.inf)
    found = cheapest(job, [lane])
    assert quote(job, [lane]).bound_gbp <= least + 1e-9
    assert quote(job, [lane], steps=1, begin=[(0.5, 0.1)]).bound_gbp <= least + 1e-9
    if found is not None:
        assert keeps_caps(job, valued(lane, found.parts))
        assert found.priced_gbp >= least - 1e-9
        if found.is_exact:
            assert found.priced_gbp == pytest.approx(least, abs=1e-7)


@settings(max_examples=30, deadline=None)
@given(job=st.builds(an_elastic, minutes), lane=elastic_lanes, cap=numbers(20.0, 400.0))
def test_at_a_linear_rate_from_zero_one_cap_is_kept_at_the_proven_least_cost(
    job: Job, lane: Lane, cap: float
) -> None:
    lane = replace(
        lane,
        shadow_gbp_per_kwh=np.zeros(lane.slots),
        arrived=float(lane.first),
        delay_gbp_per_hour=0.0,
    )
    job = replace(job, carbon_cap_g_per_kwh=cap)
    found, bound = cheapest(job, [lane]), quote(job, [lane]).bound_gbp
    if found is None:
        assert bound == np.inf
        return
    assert keeps_caps(job, valued(lane, found.parts))
    _fits(job, lane, found.parts)
    assert found.priced_gbp == pytest.approx(bound, abs=1e-6)


def test_of_two_lanes_the_cheaper_wins_and_unknown_half_hours_come_last() -> None:
    dear, unknown = a_lane([0.3, 0.3]), a_lane([np.nan, np.nan], row=1)
    found = cheapest(an_elastic(60), [unknown, dear])
    assert found is not None
    assert (found.row, found.tier) == (0, 0)
    only = cheapest(an_elastic(60), [unknown])
    assert only is not None
    assert only.tier == 1


@settings(max_examples=25, deadline=None)
@given(job=st.one_of(tabled, linear), lane=lanes(slots=(2, 16)))
def test_without_a_compiler_the_answers_are_the_same(job: Job, lane: Lane) -> None:
    fast, bound = cheapest(job, [lane]), quote(job, [lane]).bound_gbp
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(envelope, "is_compiled", lambda: False)
        patch.setattr(level_runs, "is_compiled", lambda: False)
        plain, plain_bound = cheapest(job, [lane]), quote(job, [lane]).bound_gbp
    assert bound == pytest.approx(plain_bound, abs=1e-9)
    assert (fast is None) == (plain is None)
    if fast is not None and plain is not None and not job.min_power_kw:
        # With a least power a linear rate is not exact, and equal costs on its grid may lead to different runs.
        assert fast.priced_gbp == pytest.approx(plain.priced_gbp, abs=1e-7)
