"""Searching windows of jobs that wait for each other: order is priced, and what is called clean keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from models.optimise.fleet import UNSERVED_CELL, Fleet
from models.optimise.fleet_award import search_in_order
from models.optimise.table import TOLERANCE_KW
from models.optimise.waits import Waits
from tests.support.small_fleets import a_compact_fleet, some_room

pytestmark = pytest.mark.slow
"""Compiles its kernels on a fresh machine."""

MOVES = 200_000


def waits_of(before: Sequence[Sequence[int]]) -> Waits:
    after = [[k for k, mine in enumerate(before) if j in mine] for j in range(len(before))]
    return Waits.of(before, after)


def keeps_order(fleet: Fleet, before: Sequence[Sequence[int]], choice: np.ndarray) -> bool:
    """Return whether nobody runs before those it waits for have ended."""
    cell = fleet.cell[choice]
    for k, mine in enumerate(before):
        for p in mine:
            if cell[k] != UNSERVED_CELL and (
                cell[p] == UNSERVED_CELL
                or cell[p] % fleet.horizon + fleet.slots[p] > cell[k] % fleet.horizon
            ):
                return False
    return True


def is_clean(
    fleet: Fleet, room: np.ndarray, before: Sequence[Sequence[int]], choice: np.ndarray
) -> bool:
    return fleet.overload_kw(choice, room) <= TOLERANCE_KW and keeps_order(fleet, before, choice)


@pytest.mark.parametrize("seed", range(6))
def test_the_better_end_is_the_best_of_all_plans_that_keep_room_and_order(seed: int) -> None:
    room, before = some_room(seed, 2, 9), ((), (0,), (0,), (1,), ())
    fleet = a_compact_fleet(5, seed).listed(room)
    plans = [
        np.array(picks)
        for picks in product(*(range(fleet.ptr[j], fleet.ptr[j + 1]) for j in range(5)))
    ]
    least = min(fleet.objective_gbp(plan) for plan in plans if is_clean(fleet, room, before, plan))
    nobody = fleet.ptr[1:] - 1
    ends = search_in_order(fleet, room, np.zeros_like(room), waits_of(before), nobody, MOVES, seed)
    found = [fleet.objective_gbp(end) for end in ends if is_clean(fleet, room, before, end)]
    assert min(found) == pytest.approx(least, rel=1e-9)


def test_a_chain_that_fits_in_one_order_only_is_found_from_nothing() -> None:
    # Four jobs of two half-hours on 10 kW with 10 kW each, in eight half-hours: one after another, in their order.
    cells = [*range(7), UNSERVED_CELL] * 4
    fleet = Fleet(
        assets=1, horizon=8, slots=np.full(4, 2, dtype=np.int32), power_kw=np.full(4, 10.0),
        profile_ptr=np.full(4, -1, dtype=np.int64), profile_kw=np.empty(0), ptr=np.arange(5, dtype=np.int64) * 8,
        cell=np.array(cells, dtype=np.int32), cost_gbp=np.array([*(1.0,) * 7, 50.0] * 4),
        source=np.arange(32, dtype=np.int32),
    )  # fmt: skip
    before = ((1,), (3,), (0,), ())
    room = np.full((1, 8), 10.0)
    nobody = fleet.ptr[1:] - 1
    ends = search_in_order(fleet, room, np.zeros_like(room), waits_of(before), nobody, MOVES, 0)
    starts = [fleet.cell[end].tolist() for end in ends if is_clean(fleet, room, before, end)]
    assert [4, 2, 6, 0] in starts


def test_waits_of_nobody_change_nothing() -> None:
    assert [part.tolist() for part in Waits.none(2)] == [[0, 0, 0], [], [0, 0, 0], []]
    assert [part.tolist() for part in Waits.of(((), (0,)), ((1,), ()))] == [
        [0, 0, 1],
        [0],
        [0, 1, 1],
        [1],
    ]


def test_options_are_found_again_by_what_they_were_made_from() -> None:
    room = some_room(1, 2, 9)
    fleet = a_compact_fleet(3, 1).listed(room)
    fleet = replace(fleet, source=np.arange(fleet.cell.size, dtype=np.int32) * 2)
    fleet.source[fleet.ptr[1:] - 1] = -1
    picked = np.array([fleet.ptr[0], fleet.ptr[1] + 1, fleet.ptr[3] - 1])
    assert fleet.options_of(fleet.sources(picked)).tolist() == picked.tolist()
    assert fleet.options_of([1, 1, 1]).tolist() == (fleet.ptr[1:] - 1).tolist()
