"""Runs at levels: from work in each half-hour to a priced pattern, and the exact choice of levels on a grid of work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.domain.time import SLOT_HOURS
from models.optimise.envelope import LEAST_WORK, highest_rate, is_compiled
from models.optimise.levels import LEAST_KW, RATE_DECIMALS, Levels
from models.optimise.pattern import Lane, Pattern, bill
from models.optimise.table import TOLERANCE_KW, FloatArray, IntArray

QUANTA = 4096
"""Most steps of work the dynamic programme tells apart; finer tables are rounded down to it."""

LINEAR_STEPS = 16
"""Levels that stand for a linear rate in the dynamic programme; powers between them are then set exactly."""

Used = tuple[int, float, float]
"""Half-hour of the lane, power [kW], share of the half-hour."""


@dataclass(frozen=True)
class Prices:
    """What the half-hours of a lane cost an elastic run, shape (half-hours,).

    Attributes:
        energy_gbp_per_kw: A kilowatt drawn for a whole half-hour. [GBP/kW]
        held_gbp_per_kw: A kilowatt reserved for a half-hour, however short it is drawn. [GBP/kW]
    """

    energy_gbp_per_kw: FloatArray
    held_gbp_per_kw: FloatArray

    @classmethod
    def of(cls, lane: Lane, extra_gbp_per_kwh: FloatArray | float = 0.0) -> Prices:
        """Return the prices of a lane with something added to price + κ·carbon. [GBP/kWh at the meter]"""
        energy = SLOT_HOURS * lane.pue * (lane.worth_gbp_per_kwh + extra_gbp_per_kwh)
        return cls(energy, SLOT_HOURS * lane.shadow_gbp_per_kwh)


def priced(lane: Lane, used: Sequence[Used], *, is_exact: bool) -> Pattern:
    """Return half-hours with power and share as a pattern; those that stand still are left out."""
    kept = [each for each in used if each[1] > LEAST_KW]
    return bill(
        lane,
        np.array([each[0] for each in kept], dtype=np.int64),
        np.array([each[1] for each in kept], dtype=np.float64),
        np.array([each[2] for each in kept], dtype=np.float64),
        is_exact=is_exact,
    )


def last_level(
    lane: Lane, levels: Levels, prices: Prices, n: int, work: float
) -> tuple[float, float] | None:
    """Return the cheapest (power, share) that ends the run in half-hour n with some work left; None where none does.

    With a linear rate the choice is between holding less power and ending sooner; it is made exactly.
    """
    usable = float(lane.usable_share()[n])
    if levels.is_linear:
        choices = _last_powers(lane, levels, prices, n, work, usable)
    else:
        count = int(levels.allowed(lane.room_kw[n]))
        choices = list(zip(levels.power_kw[:count], levels.rate[:count], strict=True))
    best: tuple[float, float, float] | None = None
    for power, rate in choices:
        share = work / rate
        if share > usable + LEAST_WORK:
            continue
        share = min(share, 1.0)
        drawn = float(prices.energy_gbp_per_kw[n]) * share + float(prices.held_gbp_per_kw[n])
        cost = power * drawn + float(lane.delay_gbp(np.array(lane.first + n + share)))
        if best is None or cost < best[0] - 1e-15:
            best = (cost, float(power), share)
    return None if best is None else best[1:]


def _last_powers(
    lane: Lane, levels: Levels, prices: Prices, n: int, work: float, usable: float
) -> list[tuple[float, float]]:
    """Return the few powers among which the cheapest last one is: a cost of the kind a·p + b/p, with a kink."""
    full, room = levels.full_kw, float(lane.room_kw[n])
    if levels.allowed(lane.room_kw[n]) == 0 or usable <= 0.0:
        return []
    top = min(full, room)
    low = min(max(levels.lowest_kw, full * work / usable), top)
    found = [top, low]
    held, until = float(prices.held_gbp_per_kw[n]), lane.arrived - lane.first - n
    if held > 0.0:
        found.append(math.sqrt(lane.delay_gbp_per_hour * SLOT_HOURS * work * full / held))
    if until > 0.0:
        found.append(full * work / until)
    return [(p, p / full) for p in found if low <= p <= top and p > LEAST_KW]


def run_of_work(lane: Lane, levels: Levels, prices: Prices, work: FloatArray) -> Pattern | None:
    """Return the run that does given work in each half-hour; None where a level for it is missing.

    Args:
        lane: Where it runs.
        levels: At what power.
        prices: Decide between levels that do the same work.
        work: Shape (half-hours,). [half-hours at the full rate]
    """
    busy = np.flatnonzero(work > LEAST_WORK)
    if not busy.size:
        return None
    used: list[Used] = []
    for n in busy[:-1]:
        power = _power_for(levels, float(lane.room_kw[n]), float(work[n]), prices, int(n))
        if power is None:
            return None
        used.append((int(n), power, 1.0))
    last = int(busy[-1])
    end = last_level(lane, levels, prices, last, float(work[last]))
    return None if end is None else priced(lane, [*used, (last, *end)], is_exact=False)


def _power_for(levels: Levels, room_kw: float, work: float, prices: Prices, n: int) -> float | None:
    if levels.is_linear:
        power = work * levels.full_kw
        fits = levels.lowest_kw - TOLERANCE_KW <= power <= room_kw + TOLERANCE_KW
        return max(power, levels.lowest_kw) if fits else None
    count = int(levels.allowed(np.array(room_kw)))
    same = levels.power_kw[:count][np.abs(levels.rate[:count] - work) < LEAST_WORK]
    if not same.size:
        return None
    is_paid = prices.energy_gbp_per_kw[n] + prices.held_gbp_per_kw[n] < 0.0
    return float(same.max() if is_paid else same.min())


def soonest_run(lane: Lane, levels: Levels, work: float) -> Pattern | None:
    """Return the run at the highest rates until the work is done: there is one wherever there is any."""
    rate = highest_rate(lane, levels)
    done = np.minimum(np.cumsum(rate), work)
    return run_of_work(lane, levels, Prices.of(lane), np.diff(done, prepend=0.0))


def best_levels(lane: Lane, levels: Levels, work: float, prices: Prices) -> Pattern | None:
    """Return the cheapest run over a table of levels; None where none does the work in time.

    Exact where the rates share a step of work of which the job needs no more than `QUANTA`. A linear rate is laid out
    on a grid and its powers are then set exactly for the half-hours found, which is good but not proven.
    """
    if levels.is_linear:
        found = _chosen(lane, _grid(levels), work, prices)
        return None if found is None else polished(lane, levels, work, prices, found[0])
    chosen = _chosen(lane, levels, work, prices)
    return None if chosen is None else priced(lane, chosen[0], is_exact=chosen[1])


def _grid(levels: Levels) -> Levels:
    first = max(1, math.ceil(levels.lowest_kw / levels.full_kw * LINEAR_STEPS - 1e-9))
    rate = np.arange(first, LINEAR_STEPS + 1) / LINEAR_STEPS
    return Levels(rate * levels.full_kw, rate, is_linear=False)


def _steps(levels: Levels, work: float) -> tuple[float, IntArray, bool]:
    """Return a step of work, each level's steps, and whether they are the true ones (else they are rounded down)."""
    whole = np.round(levels.rate * 10**RATE_DECIMALS).astype(np.int64)
    step = int(np.gcd.reduce(whole)) / 10**RATE_DECIMALS
    if math.ceil(work / step - LEAST_WORK) <= QUANTA:
        return step, np.round(levels.rate / step).astype(np.int64), True
    step = work / QUANTA
    return step, np.floor(levels.rate / step + LEAST_WORK).astype(np.int64), False


def _chosen(
    lane: Lane, levels: Levels, work: float, prices: Prices
) -> tuple[list[Used], bool] | None:
    """Return the cheapest levels by dynamic programming over (half-hour, work done), and whether that is exact."""
    if not levels.power_kw.size:
        return None
    step, quanta, is_exact = _steps(levels, work)
    states = max(1, math.ceil(work / step - LEAST_WORK))
    table = _compiled_table if is_compiled() else plain_table
    choice = np.zeros((lane.slots, states), dtype=np.int16)
    best = table(lane, levels, work, prices, step, quanta, choice)
    if best[1] < 0:
        return None
    return _walked_back(levels, quanta, choice, best, work), is_exact


def _compiled_table(
    lane: Lane,
    levels: Levels,
    work: float,
    prices: Prices,
    step: float,
    quanta: IntArray,
    choice: NDArray[np.int16],
) -> tuple[float, int, int, int]:
    """Return what `plain_table` does, by its compiled twin."""
    from models.optimise.mix_kernels import least_levels

    found = least_levels(
        work, step, choice.shape[1], levels.power_kw, levels.rate, quanta,
        levels.allowed(lane.room_kw), prices.energy_gbp_per_kw, prices.held_gbp_per_kw,
        lane.usable_share(), lane.first, lane.arrived, lane.delay_gbp_per_hour * SLOT_HOURS, choice,
    )  # fmt: skip
    return float(found[0]), int(found[1]), int(found[2]), int(found[3])


def plain_table(
    lane: Lane,
    levels: Levels,
    work: float,
    prices: Prices,
    step: float,
    quanta: IntArray,
    choice: NDArray[np.int16],
) -> tuple[float, int, int, int]:
    """Fill in which level leads to which work, and return the best end.

    Args:
        lane: Where it runs.
        levels: A table of levels.
        work: To be done. [half-hours at the full rate]
        prices: Of the lane.
        step: Of work. [half-hours at the full rate]
        quanta: Steps that each level does in a half-hour.
        choice: Takes level + 1 (0: standing still) by half-hour and steps done.

    Returns:
        Cost [GBP], last half-hour (−1: none), steps done before it, its level.
    """
    states = choice.shape[1]
    left = work - step * np.arange(states)
    counts, usable = levels.allowed(lane.room_kw), lane.usable_share()
    least = np.full(states, np.inf)
    least[0] = 0.0
    best = (np.inf, -1, -1, -1)
    for n in range(lane.slots):
        held, energy = float(prices.held_gbp_per_kw[n]), float(prices.energy_gbp_per_kw[n])
        more = least.copy()
        for level in range(int(counts[n])):
            power, rate, gain = levels.power_kw[level], levels.rate[level], int(quanta[level])
            near = max(0, math.ceil((work - rate * usable[n]) / step - LEAST_WORK))
            if near < states:
                share = left[near:] / rate
                cost = least[near:] + power * (energy * share + held)
                cost = cost + lane.delay_gbp(lane.first + n + share)
                at = int(cost.argmin())
                if cost[at] < best[0]:
                    best = (float(cost[at]), n, near + at, level)
            if 0 < gain < states:
                moved = least[:-gain] + power * (energy + held)
                is_better = moved < more[gain:]
                more[gain:][is_better] = moved[is_better]
                choice[n, gain:][is_better] = level + 1
        least = more
    return best


def _walked_back(
    levels: Levels,
    quanta: IntArray,
    choice: NDArray[np.int16],
    best: tuple[float, int, int, int],
    work: float,
) -> list[Used]:
    """Return the half-hours chosen, with true rates: where they were rounded down the run may end sooner."""
    _, n, state, level = best
    found = [(n, level)]
    while n > 0:
        n -= 1
        level = int(choice[n, state]) - 1
        if level >= 0:
            found.append((n, level))
            state -= int(quanta[level])
    used: list[Used] = []
    for at, level in reversed(found):
        power, rate = float(levels.power_kw[level]), float(levels.rate[level])
        if rate >= work - LEAST_WORK:
            used.append((at, power, min(work / rate, 1.0)))
            break
        used.append((at, power, 1.0))
        work -= rate
    return used


def polished(
    lane: Lane, levels: Levels, work: float, prices: Prices, used: Sequence[Used]
) -> Pattern | None:
    """Return the cheapest run at a linear rate that uses just these half-hours; None where there is none.

    All but the last start at the lowest power and the cheapest are filled first, which is exact but for the last one's
    choice between power held and time.
    """
    slots = np.array([each[0] for each in used])
    top = np.minimum(lane.room_kw[slots], levels.full_kw) / levels.full_kw
    low = np.full(slots.size, levels.lowest_kw / levels.full_kw)
    fastest = float(top[-1])
    low[-1], top[-1] = 0.0, top[-1] * float(lane.usable_share()[slots[-1]])
    unit = (prices.energy_gbp_per_kw + prices.held_gbp_per_kw)[slots] * levels.full_kw
    if lane.arrived <= lane.first + slots[-1]:
        unit[-1] += lane.delay_gbp_per_hour * SLOT_HOURS / max(fastest, LEAST_WORK)
    left = work - float(low.sum())
    if left < -LEAST_WORK or left > float((top - low).sum()) + LEAST_WORK:
        return None
    order = np.argsort(unit, kind="stable")
    taken = np.minimum(np.cumsum((top - low)[order]), max(left, 0.0))
    done = low.copy()
    done[order] += np.diff(taken, prepend=0.0)
    full = np.zeros(lane.slots)
    full[slots] = done
    return run_of_work(lane, levels, prices, full)
