"""Plans of whole fleets: within the room, no worse than they claim, the same every time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.domain.plan import PlanMethod
from models.optimise.fleet import UNSERVED_CELL, CompactFleet, fleet_of
from models.optimise.fleet_award import award_priced
from models.optimise.fleet_solve import Budget, solve, solve_compact
from models.optimise.options import Closed
from models.optimise.prices import find_prices
from tests.support.fleet import a_job, an_asset
from tests.support.planning import a_table, at_slot, options_of, some_weights
from tests.support.small_fleets import (
    HORIZON,
    a_compact_fleet,
    keeps_room,
    least_cost_gbp,
    some_room,
    with_profiles,
)

pytestmark = pytest.mark.slow
"""Compiles its kernels on a fresh machine."""

SEEDS = range(10)
SMALL = Budget(rounds=150, moves=20_000, tighten_rounds=100, exact_work=1_000_000)
SEARCH_ONLY = Budget(rounds=150, moves=60_000)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_small_fleet_gets_the_best_of_all_plans(seed: int) -> None:
    room = some_room(seed, 2, 7)
    fleet = with_profiles(a_compact_fleet(5, seed).listed(room), seed)
    found, least = solve(fleet, room, seed, SMALL), least_cost_gbp(fleet, room)
    assert found.objective_gbp == pytest.approx(least, rel=2e-4)
    assert found.bound_gbp <= least + 1e-9
    assert found.method is PlanMethod.EXACT
    assert keeps_room(fleet, room, found.choice)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_search_alone_stays_between_the_optimum_and_one_in_ten_above_it(seed: int) -> None:
    room = some_room(seed, 2, 7)
    fleet = with_profiles(a_compact_fleet(5, seed).listed(room), seed)
    found, least = solve(fleet, room, seed, SEARCH_ONLY), least_cost_gbp(fleet, room)
    assert found.bound_gbp - 1e-9 <= least <= found.objective_gbp + 1e-9
    assert found.objective_gbp <= 1.1 * least
    assert keeps_room(fleet, room, found.choice)


@pytest.mark.parametrize("shards", [1, 3])
def test_the_same_seed_gives_the_same_plan(shards: int) -> None:
    room = some_room(5, 40, 60)
    fleet = a_compact_fleet(120, 5).listed(room)
    price = find_prices(fleet, room, 60).price_gbp
    first, again = (award_priced(fleet, room, price, 30_000, 7, shards) for _ in range(2))
    assert first.choice.tolist() == again.choice.tolist()
    assert keeps_room(fleet, room, first.choice)


def test_jobs_without_room_stay_unserved_and_nothing_is_overloaded() -> None:
    room = some_room(3, 1, 4)
    fleet = a_compact_fleet(40, 3).listed(room)
    found = solve(fleet, room, 0, SEARCH_ONLY)
    assert found.unserved == int((fleet.cell[found.choice] == UNSERVED_CELL).sum()) > 0
    assert keeps_room(fleet, room, found.choice)
    assert found.bound_gbp <= found.objective_gbp


def test_room_is_kept_also_where_running_costs_nothing_and_only_penalties_count() -> None:
    # Three jobs of two half-hours in four: two run, one stays unserved for £5.
    costs = np.zeros((1, 1, 4))
    fleet = CompactFleet(
        slots=np.full(3, 2, dtype=np.int32), power_kw=np.ones(3), first=np.zeros(3, dtype=np.int32),
        last=np.full(3, 2, dtype=np.int32), ptr=np.arange(4, dtype=np.int64), asset=np.zeros(3, dtype=np.int16),
        extra_gbp=np.zeros(3), klass=np.zeros(3, dtype=np.int8), unserved_gbp=np.full(3, 5.0), density_gbp=costs,
    )  # fmt: skip
    found = solve_compact(fleet, np.ones((1, 4)))
    assert int((found.asset < 0).sum()) == 1
    assert found.objective_gbp == pytest.approx(5.0)


@pytest.mark.parametrize("seed", range(40))
def test_runs_that_miss_the_room_by_a_hair_stay_out(seed: int) -> None:
    # Three equal runs need a hair more than all power: less than any price of overload would notice.
    rng = np.random.default_rng(seed)
    jobs, slots, horizon = int(rng.integers(21, 50)), int(rng.integers(1, 5)), 12
    power = np.full(jobs, (10.0 + float(rng.choice([3e-6, 1e-5, 1e-4, 5e-4]))) / 3)
    last = np.full(jobs, horizon - slots, dtype=np.int32)
    costs = rng.uniform(0.01, 0.02, (1, 1, horizon))
    fleet = CompactFleet(
        slots=np.full(jobs, slots, dtype=np.int32), power_kw=power, first=np.zeros(jobs, dtype=np.int32),
        last=last, ptr=np.arange(jobs + 1, dtype=np.int64), asset=np.zeros(jobs, dtype=np.int16),
        extra_gbp=np.zeros(jobs), klass=np.zeros(jobs, dtype=np.int8),
        unserved_gbp=np.full(jobs, float(rng.choice([50.0, 500.0, 20_000.0]))), density_gbp=costs,
    )  # fmt: skip
    room = np.full((1, horizon), 10.0)
    listed = fleet.listed(room)
    found = solve(listed, room, 0, Budget(rounds=80, moves=20_000 * jobs))
    assert keeps_room(listed, room, found.choice)
    # Two at a time, each stretch of the horizon once.
    assert found.unserved == max(jobs - 2 * (horizon // slots), 0)


def test_nothing_is_served_where_there_is_no_room_at_all() -> None:
    fleet, room = a_compact_fleet(30, 4).listed(some_room(4, 5, 6)), some_room(4, 5, 6) * 0.0
    assert solve(fleet, room, 0, SEARCH_ONLY).unserved == 30


def test_a_fleet_beyond_listing_is_planned_from_short_lists() -> None:
    compact, room = a_compact_fleet(400, 2), some_room(2, 150, 220)
    budget = Budget(60, 100_000, most=4, sample=100, full_rounds=20, shards=2)
    found = solve_compact(compact, room, 1, budget)
    load = np.zeros_like(room)
    for j in np.flatnonzero(found.asset >= 0):
        s, n = found.start[j], compact.slots[j]
        assert compact.first[j] <= s <= compact.last[j]
        assert found.asset[j] in compact.asset[compact.ptr[j] : compact.ptr[j + 1]]
        load[found.asset[j], s : s + n] += compact.power_kw[j]
    assert (load <= room + 1e-6).all()
    assert found.bound_gbp <= found.objective_gbp
    # The listing of all options proves the same or more; the short way may not claim more than the long one allows.
    whole = solve_compact(compact, room, 1, Budget(300, 100_000))
    assert found.bound_gbp <= whole.objective_gbp + 1e-9


def test_room_that_nobody_needs_changes_nothing() -> None:
    compact, room = a_compact_fleet(6, 4), np.full((2, HORIZON), 99.0)
    found = solve(compact.listed(room), room, 0, SMALL)
    fleet = compact.listed(room)
    best = np.minimum.reduceat(fleet.cost_gbp, fleet.ptr[:-1]).sum()
    assert found.objective_gbp == pytest.approx(best, abs=1e-9)
    assert found.gap == pytest.approx(0.0, abs=1e-9)


def test_a_fleet_is_laid_out_from_priced_options_with_closed_ones_left_out() -> None:
    table = a_table([0.10, 0.40, 0.20, 0.30], [100, 100, 100, 100])
    job = a_job(latest_finish=at_slot(4), max_price_gbp_per_kwh=0.25)
    (mine,), _ = options_of([job], table, some_weights())
    fleet = fleet_of((mine, replace(mine)), table)
    picked = np.flatnonzero(mine.closed == Closed.OPEN)
    assert 0 < picked.size < mine.count
    assert fleet.source.tolist() == [*picked.tolist(), -1] * 2
    assert fleet.cell.tolist() == [*mine.start[picked].tolist(), UNSERVED_CELL] * 2
    assert fleet.cost_gbp[: picked.size].tolist() == mine.objective_gbp[picked].tolist()
    assert fleet.cost_gbp[picked.size] == mine.unserved_gbp


def test_two_jobs_that_want_the_same_half_hours_share_them_by_price() -> None:
    # Room for one job at a time; the cheap window goes to one, the other takes the next best: never both, never none.
    table = a_table([0.10, 0.10, 0.20, 0.20], [0, 0, 0, 0], [an_asset(max_power_kw=10.0)])
    jobs = [a_job(name, latest_finish=at_slot(4)) for name in ("a", "b")]
    options, _ = options_of(jobs, table, some_weights())
    fleet = fleet_of(options, table)
    found = solve(fleet, table.room_kw, 0, SMALL)
    # 10 kW for one hour: £1.00 at 0.10 and £2.00 at 0.20.
    assert found.objective_gbp == pytest.approx(3.0)
    assert sorted(fleet.cell[found.choice].tolist()) == [0, 2]


def test_a_budget_of_twice_the_effort_is_twice_the_work_and_of_almost_none_still_a_round() -> None:
    usual = Budget(rounds=80, moves=1_000, tighten_rounds=40, exact_work=0, most=24)
    assert usual.times(2.0) == Budget(160, 2_000, tighten_rounds=80, exact_work=0, most=24)
    assert usual.times(0.001) == Budget(1, 1, tighten_rounds=0, exact_work=0, most=24)
