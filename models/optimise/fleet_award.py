"""From prices to a plan that keeps the room: insertion, annealing, repair, polish.

Deterministic: the same fleet, room, prices and budget give the same plan, whatever the threads do, because budgets
count moves and not seconds.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from models.optimise.fleet import UNSERVED_CELL, Fleet, running_sums
from models.optimise.prices import THREADS
from models.optimise.stages import IN_ORDER, Stage, stages_of
from models.optimise.table import TOLERANCE_KW, BoolArray, FloatArray, IntArray
from models.optimise.waits import Waits

CHECKS = 300
"""How often a stage looks at overload."""

POLISH_SWEEPS = 40
"""Cold sweeps over all options that end a plan."""


@dataclass(frozen=True)
class FleetPlan:
    """One option per job, within the room.

    Attributes:
        choice: Option per job, shape (jobs,).
        objective_gbp: What it costs. [GBP]
        lifted: How many runs the repair had to take off overloaded cells.
    """

    choice: IntArray
    objective_gbp: float
    lifted: int


@dataclass(frozen=True)
class _Ground:
    """What all searches over one fleet share."""

    fleet: Fleet
    room: FloatArray
    """Per cell, flat. [kW]"""
    reduced: FloatArray
    weight: FloatArray
    unit: float
    """Mean cost of a job at the bound. [GBP]"""
    density: float
    """Mean cost of one kW over one half-hour. [GBP]"""
    waits: Waits

    @property
    def options(
        self,
    ) -> tuple[Any, FloatArray, IntArray, FloatArray, IntArray, Any, FloatArray, int, Waits]:
        """Return what a search needs to know of the fleet."""
        fleet = self.fleet
        return (*self.runs, fleet.ptr, fleet.cell, fleet.cost_gbp, fleet.horizon, self.waits)

    @property
    def runs(self) -> tuple[Any, FloatArray, IntArray, FloatArray]:
        return (
            self.fleet.slots,
            self.fleet.power_kw,
            self.fleet.profile_ptr,
            self.fleet.profile_kw,
        )

    def over(self, choice: IntArray) -> FloatArray:
        over: FloatArray = self.fleet.load_kw(choice).ravel() - self.room
        return over


def award_priced(
    fleet: Fleet,
    room_kw: FloatArray,
    price_gbp: FloatArray,
    moves: int,
    seed: int,
    shards: int = 1,
) -> FleetPlan:
    """Place every job within the room at low cost; jobs for which no room is found stay unserved.

    Args:
        fleet: Listed options.
        room_kw: Shape (assets, horizon). [kW]
        price_gbp: Prices of one kW over one half-hour, same shape. [GBP]
        moves: Moves of each of the two searches.
        seed: Of both.
        shards: 1: two searches over all jobs, the better one wins. More: one search, with jobs dealt to so many
            parts that share the room and are searched side by side (for fleets so large that parts are alike).
    """
    ground = _ground(fleet, room_kw, price_gbp, Waits.none(fleet.count))
    first = _inserted(ground)
    plans = stages_of(fleet, room_kw)
    with ThreadPoolExecutor(THREADS) as pool:
        if shards > 1:
            ends = [_searched_in_shards(ground, first, plans[0], moves, seed, shards, pool)]
        else:
            ends = list(
                pool.map(
                    lambda k: _searched(ground, first, plans[k], moves, 2 * seed + k + 1), (0, 1)
                )
            )
        finished = list(pool.map(lambda choice: _finished(ground, choice, seed), ends))
    return min(finished, key=lambda plan: plan.objective_gbp)


CHECKS_IN_ORDER = 2_000
"""How often a stage looks at overload and disorder there: prices learn what blocks whom."""


def search_in_order(
    fleet: Fleet,
    room_kw: FloatArray,
    price_gbp: FloatArray,
    waits: Waits,
    first: IntArray,
    moves: int,
    seed: int,
) -> list[IntArray]:
    """Search on from a plan of jobs that wait for others, in two ways side by side.

    Each end is the best plan of the last stage that keeps room and order; where none was met, the last one, which may
    break both.

    Args:
        fleet: Listed options.
        room_kw: Shape (assets, horizon). [kW]
        price_gbp: Prices of one kW over one half-hour, same shape. [GBP]
        waits: Who waits for whom.
        first: Option per job to begin with, shape (jobs,).
        moves: Moves of each search.
        seed: Of both.
    """
    ground = _ground(fleet, room_kw, price_gbp, waits)

    def searched(way: int) -> IntArray:
        salt = 2 * seed + way + 1
        return _searched(ground, first, IN_ORDER[way], moves, salt, CHECKS_IN_ORDER, only_last=True)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(searched, range(len(IN_ORDER))))


def _ground(fleet: Fleet, room_kw: FloatArray, price_gbp: FloatArray, waits: Waits) -> _Ground:
    from models.optimise import kernels

    price = np.ascontiguousarray(price_gbp).ravel()
    reduced = np.empty(fleet.cell.size)
    runs = (fleet.slots, fleet.power_kw, fleet.profile_ptr, fleet.profile_kw)
    kernels.reduced_costs(
        *runs, fleet.ptr, fleet.cell, fleet.cost_gbp, price, running_sums(price), reduced
    )
    least = np.minimum.reduceat(np.abs(fleet.cost_gbp), fleet.ptr[:-1])
    unit = max(float(least.mean()), 1e-9)
    density = float(least.sum()) / max(float((fleet.power_kw * fleet.slots).sum()), 1e-9)
    weight = price + max(float(price.mean()), 0.1 * density, 1e-9)
    room = np.ascontiguousarray(room_kw).ravel()
    return _Ground(fleet, room, reduced, weight, unit, max(density, 1e-9), waits)


def _inserted(ground: _Ground) -> IntArray:
    """Place jobs largest first at their least reduced cost, with overload at a price."""
    from models.optimise import kernels

    fleet = ground.fleet
    order = np.argsort(-fleet.power_kw * fleet.slots, kind="stable")
    choice = np.empty(fleet.count, dtype=np.int64)
    kernels.insert(
        order,
        *ground.runs,
        fleet.ptr,
        fleet.cell,
        ground.reduced,
        5.0 * ground.density,
        -ground.room,
        choice,
    )
    return choice


def _searched(
    ground: _Ground,
    first: IntArray,
    stages: tuple[Stage, ...],
    moves: int,
    seed: int,
    checks: int = CHECKS,
    *,
    only_last: bool = False,
) -> IntArray:
    """Anneal over all jobs; returns the best plan met within the room (in the last stage only), else the last one."""
    from models.optimise import annealing

    choice, weight = first.copy(), ground.weight.copy()
    best, least = choice, np.inf
    for number, stage in enumerate(stages):
        over, found = ground.over(choice), choice.copy()
        cost = annealing.anneal(
            *ground.options,
            weight,
            over,
            choice,
            found,
            max(int(moves * stage.share), 1),
            stage.warm * ground.unit,
            stage.cool * ground.unit,
            stage.soft,
            stage.hard,
            stage.grow,
            checks,
            seed + 1000 * number,
        )
        if only_last:
            least = np.inf
        if cost < least and cost < 1e299:
            best, least = found, cost
    return best if np.isfinite(least) else choice


SEGMENTS = 6
"""Into how many stretches a stage is cut when shards share the room; between them they settle accounts."""


def _searched_in_shards(
    ground: _Ground,
    first: IntArray,
    stages: tuple[Stage, ...],
    moves: int,
    seed: int,
    shards: int,
    pool: ThreadPoolExecutor,
) -> IntArray:
    """Anneal parts of the fleet side by side, each with its share of what room is left or lacking."""
    fleet = ground.fleet
    choice, weight = first.copy(), ground.weight.copy()
    parts = [np.arange(k, fleet.count, shards, dtype=np.int64) for k in range(shards)]
    small = [
        replace(ground, fleet=fleet.among(part), waits=Waits.none(part.size)) for part in parts
    ]
    picks = [
        choice[part] - fleet.ptr[part] + own.fleet.ptr[:-1]
        for part, own in zip(parts, small, strict=True)
    ]
    over = ground.over(choice)
    for number, stage in enumerate(stages):
        for turn, (a, b) in enumerate(pairwise(np.linspace(0.0, 1.0, SEGMENTS + 1))):
            piece = Stage(
                stage.share / SEGMENTS,
                stage.warm * (stage.cool / stage.warm) ** a,
                stage.warm * (stage.cool / stage.warm) ** b,
                stage.soft * (stage.hard / stage.soft) ** a,
                stage.soft * (stage.hard / stage.soft) ** b,
                stage.grow,
            )
            salts = [seed + 1000 * number + 100 * turn + k for k in range(shards)]
            go = partial(
                _segment,
                over=over / shards,
                weight=weight,
                stage=piece,
                moves=moves // shards,
            )
            ends = list(pool.map(go, small, picks, salts))
            over = np.sum([end[0] for end in ends], axis=0)
            weight = np.maximum.reduce([end[1] for end in ends])
    for part, own, pick in zip(parts, small, picks, strict=True):
        choice[part] = pick - own.fleet.ptr[:-1] + fleet.ptr[part]
    return choice


def _segment(
    ground: _Ground,
    pick: IntArray,
    seed: int,
    over: FloatArray,
    weight: FloatArray,
    stage: Stage,
    moves: int,
) -> tuple[FloatArray, FloatArray]:
    """Anneal one shard for one stretch, in place; returns its view of overload and of its price."""
    from models.optimise import annealing

    weight, over = weight.copy(), over.copy()
    annealing.anneal(
        *ground.options,
        weight,
        over,
        pick,
        pick.copy(),
        max(int(moves * stage.share), 1),
        stage.warm * ground.unit,
        stage.cool * ground.unit,
        stage.soft,
        stage.hard,
        stage.grow,
        CHECKS // SEGMENTS,
        seed,
    )
    return over, weight


def _finished(ground: _Ground, choice: IntArray, seed: int) -> FleetPlan:
    """Take runs off overloaded cells, put them where there is room, and polish without ever leaving the room."""
    from models.optimise import annealing, kernels

    fleet = ground.fleet
    choice, over = choice.copy(), ground.over(choice)
    work = fleet.power_kw * fleet.slots
    lifted: BoolArray = np.zeros(fleet.count, dtype=np.bool_)
    order = np.argsort(work, kind="stable")
    count = annealing.lift_overload(order, *ground.runs, fleet.cell, over, choice, lifted)
    back = order[::-1][lifted[order[::-1]]]
    # No price of overload: however small it is, staying unserved is better.
    over -= annealing.CLEAN_KW
    if back.size:
        kernels.insert(
            back, *ground.runs, fleet.ptr, fleet.cell, fleet.cost_gbp, np.inf, over, choice
        )
    best = choice.copy()
    annealing.anneal(
        *ground.options,
        np.full(over.size, np.inf),
        over,
        choice,
        best,
        POLISH_SWEEPS * fleet.count,
        1e-9 * ground.unit,
        1e-9 * ground.unit,
        1.0,
        1.0,
        1.0,
        4,
        seed,
    )
    if fleet.overload_kw(best, ground.room.reshape(fleet.assets, -1)) > TOLERANCE_KW:
        best = choice
    return FleetPlan(best, fleet.objective_gbp(best), count)


def unserved_of(fleet: Fleet, plan: FleetPlan) -> IntArray:
    """Return the jobs a plan leaves unserved."""
    return np.flatnonzero(fleet.cell[plan.choice] == UNSERVED_CELL)
