"""Prices prove bounds: below every plan, whoever quotes and however jobs are laid out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from models.optimise.fleet import UNSERVED_CELL, Fleet, fitting_alone
from models.optimise.prices import (
    find_prices,
    find_prices_compact,
    quotes_of,
    quotes_of_compact,
    sample_prices,
)
from models.optimise.tightening import tightened, unblocked
from tests.support.small_fleets import (
    a_compact_fleet,
    keeps_room,
    least_cost_gbp,
    power_of,
    some_room,
    with_profiles,
)

pytestmark = pytest.mark.slow
"""Compiles its kernels on a fresh machine."""

SEEDS = range(12)


def two_jobs_for_one_slot() -> Fleet:
    """Two jobs of 1 kW and one half-hour; each may take half-hour 0 for £0.05 or 1 for £0.15, or stay for £10."""
    return Fleet(
        assets=1,
        horizon=2,
        slots=np.ones(2, dtype=np.int32),
        power_kw=np.ones(2),
        profile_ptr=np.full(2, -1, dtype=np.int64),
        profile_kw=np.empty(0),
        ptr=np.array([0, 3, 6]),
        cell=np.array([0, 1, UNSERVED_CELL] * 2, dtype=np.int32),
        cost_gbp=np.array([0.05, 0.15, 10.0] * 2),
        source=np.empty(0, dtype=np.int32),
    )


def test_the_price_of_a_contested_half_hour_is_what_moving_away_costs() -> None:
    # One of the two must go from 0.05 to 0.15: power in half-hour 0 is worth 0.10 per kW and half-hour, 0.20 per kWh;
    # the bound is the plan itself, 0.05 + 0.15.
    found = find_prices(two_jobs_for_one_slot(), np.array([[1.0, 5.0]]), 300)
    assert found.bound_gbp == pytest.approx(0.20, abs=1e-4)
    assert found.power_gbp_per_kwh[0] == pytest.approx([0.20, 0.0], abs=1e-3)


def test_with_ample_room_the_bound_is_everybodys_best_at_price_zero() -> None:
    found = find_prices(two_jobs_for_one_slot(), np.array([[9.0, 9.0]]), 50)
    assert found.bound_gbp == pytest.approx(0.10, abs=1e-12)
    assert not found.price_gbp.any()
    assert found.rounds == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_no_plan_costs_less_than_the_bound(seed: int) -> None:
    fleet, room = a_compact_fleet(4, seed).listed(some_room(seed)), some_room(seed)
    found = find_prices(fleet, room, 150)
    assert (found.price_gbp >= 0).all()
    assert found.bound_gbp <= least_cost_gbp(fleet, room) + 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_no_plan_costs_less_than_the_bound_when_power_varies(seed: int) -> None:
    room = some_room(seed)
    fleet = with_profiles(a_compact_fleet(4, seed).listed(room), seed)
    found = find_prices(fleet, room, 150)
    assert found.bound_gbp <= least_cost_gbp(fleet, room) + 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_a_tightened_bound_is_no_lower_and_still_below_every_plan(seed: int) -> None:
    room = some_room(seed, 2, 6)
    fleet = a_compact_fleet(5, seed).listed(room)
    first, least = find_prices(fleet, room, 150), least_cost_gbp(fleet, room)
    again, _ = tightened(fleet, room, first, least * 1.02, 150)
    assert first.bound_gbp <= again.bound_gbp <= least * 1.02 + 1e-9
    assert again.bound_gbp <= least + 1e-9 or again.bound_gbp == pytest.approx(least * 1.02)
    # With the optimum itself as the known plan the bound may not pass it.
    assert tightened(fleet, room, first, least, 150)[0].bound_gbp <= least + 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_what_does_not_fit_beside_sure_work_is_in_no_plan_that_serves_all(seed: int) -> None:
    room = some_room(seed, 4, 7)
    fleet = a_compact_fleet(4, seed, unserved_gbp=1000.0).listed(room)
    least = least_cost_gbp(fleet, room)
    smaller = unblocked(fleet, room, is_served=True)
    if least < 1000.0:
        assert smaller is not None
        assert least_cost_gbp(smaller, room) == pytest.approx(least, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_quote_is_the_sum_of_each_jobs_own_minimum(seed: int) -> None:
    room = some_room(seed)
    fleet = with_profiles(a_compact_fleet(9, seed).listed(room), seed)
    price = np.random.default_rng(seed).random(room.shape)
    paid = 0.0
    for j in range(fleet.count):
        best = np.inf
        for o in range(fleet.ptr[j], fleet.ptr[j + 1]):
            c, n = int(fleet.cell[o]), int(fleet.slots[j])
            priced = 0.0 if c < 0 else float(price.ravel()[c : c + n] @ power_of(fleet, j))
            best = min(best, float(fleet.cost_gbp[o]) + priced)
        paid += best
    with ThreadPoolExecutor(2) as pool:
        value, load = quotes_of(fleet, pool)(price)
        halves = [quotes_of(fleet.among(np.arange(a, 9, 2)), pool)(price) for a in (0, 1)]
    assert value == pytest.approx(paid, rel=1e-12)
    # Two agents with half the jobs each reach the same value and load as one.
    assert halves[0][0] + halves[1][0] == pytest.approx(value, rel=1e-9)
    assert halves[0][1] + halves[1][1] == pytest.approx(load, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_compact_fleet_quotes_as_its_listing_does(seed: int) -> None:
    compact, room = a_compact_fleet(30, seed), some_room(seed, 2, 7)
    price = np.random.default_rng(seed).random(room.shape)
    with ThreadPoolExecutor(2) as pool:
        short = quotes_of_compact(compact, room, pool)(price)
        listed = quotes_of(compact.listed(room), pool)(price)
    assert short[0] == pytest.approx(listed[0], rel=1e-12)
    assert short[1] == pytest.approx(listed[1], abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bound_from_sampled_prices_is_proven_on_all_jobs(seed: int) -> None:
    compact, room = a_compact_fleet(5, seed), some_room(seed)
    start = sample_prices(compact, room, 3, 60, seed)
    found = find_prices_compact(compact, room, start, 20, 0.2)
    assert found.bound_gbp <= least_cost_gbp(compact.listed(room), room) + 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_leaving_out_what_fits_nowhere_loses_no_plan(seed: int) -> None:
    room = some_room(seed, 1, 6)
    fleet = with_profiles(a_compact_fleet(4, seed).listed(np.full_like(room, 99.0)), seed)
    smaller = fitting_alone(fleet, room)
    alone = [
        bool(
            fleet.cell[o] < 0
            or (
                room.ravel()[fleet.cell[o] : fleet.cell[o] + fleet.slots[j]] + 1e-6
                >= power_of(fleet, j)
            ).all()
        )
        for o, j in enumerate(fleet.owner)
    ]
    assert smaller.cell.tolist() == fleet.cell[alone].tolist()
    assert least_cost_gbp(smaller, room) == pytest.approx(least_cost_gbp(fleet, room))
    assert keeps_room(smaller, room, smaller.ptr[1:] - 1)
