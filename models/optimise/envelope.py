"""The cheapest mix of power levels that does some work in time: a lower bound for elastic runs, and often a run.

For each half-hour in which the work could end, the cheapest pieces of all half-hours up to it are taken until the work
is done (a marginal greedy, which is exact for mixes because envelopes are convex). Waiting is priced by that half-hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

import numpy as np

from models.domain.time import SLOT_HOURS
from models.optimise.levels import Levels
from models.optimise.pattern import Lane
from models.optimise.table import FloatArray, IntArray

TABLE_CELLS = 400_000
"""Most cells of one table of pieces by last half-hour; more are looked at in turns."""

BLOCK = 12
"""Half-hours that are looked at together as the last one."""

LEAST_WORK = 1e-9
"""Work below this is none. [half-hours]"""


@cache
def is_compiled() -> bool:
    """Return whether there is a compiler; without one the plain loops of this room are used."""
    return find_spec("numba") is not None


@dataclass(frozen=True)
class Mix:
    """The cheapest mix of one lane.

    Attributes:
        value_gbp: Its cost, scarcity and waiting included: no run costs less. [GBP]
        last: The half-hour in which it ends, from the start of the lane.
        work: Done in each half-hour, shape (half-hours,). [half-hours at the full rate]
        power_kw: Mean power in each, shape (half-hours,). [kW]
    """

    value_gbp: float
    last: int
    work: FloatArray
    power_kw: FloatArray


@dataclass(frozen=True)
class _Pieces:
    """Pieces of all half-hours, shape (half-hours, pieces); unused ones have no width."""

    width: FloatArray
    slope_kw: FloatArray
    unit_gbp: FloatArray
    """What a unit of work costs on the piece. [GBP]"""


def marginal_gbp_per_kw(lane: Lane, extra_gbp_per_kwh: FloatArray | float = 0.0) -> FloatArray:
    """Return what a kilowatt held and used for a whole half-hour costs, scarcity included, shape (half-hours,).

    Args:
        lane: Where it runs.
        extra_gbp_per_kwh: Added to price + κ·carbon, shape (half-hours,). [GBP/kWh at the meter]
    """
    energy = lane.pue * (lane.worth_gbp_per_kwh + extra_gbp_per_kwh)
    answer: FloatArray = SLOT_HOURS * (energy + lane.shadow_gbp_per_kwh)
    return answer


def highest_rate(lane: Lane, levels: Levels) -> FloatArray:
    """Return the most work each half-hour can do if wholly used, shape (half-hours,). [half-hours at the full rate]"""
    if levels.is_linear:
        power = np.clip(lane.room_kw, 0.0, levels.full_kw)
        is_usable = levels.allowed(lane.room_kw) > 0
        answer: FloatArray = np.where(is_usable, power / levels.full_kw, 0.0)
        return answer
    highest = np.concatenate([[0.0], np.maximum.accumulate(levels.rate)])
    by_count: FloatArray = highest[levels.allowed(lane.room_kw)]
    return by_count


def cheapest_mix(
    lane: Lane, levels: Levels, work: float, extra_gbp_per_kwh: FloatArray | float = 0.0
) -> Mix | None:
    """Return the cheapest mix that does the work on a lane; None where the room does not suffice.

    Args:
        lane: Where it runs.
        levels: At what power.
        work: To be done. [half-hours at the full rate]
        extra_gbp_per_kwh: Added to price + κ·carbon, shape (half-hours,). [GBP/kWh at the meter]
    """
    rate = highest_rate(lane, levels)
    before = np.concatenate([[0.0], np.cumsum(rate)[:-1]])
    usable = lane.usable_share()
    lasts = np.flatnonzero((before + rate * usable >= work - LEAST_WORK) & (rate > 0.0))
    if not lasts.size:
        return None
    pieces = _pieces(lane, levels, rate, marginal_gbp_per_kw(lane, extra_gbp_per_kwh))
    starts = (lane.first + np.arange(lane.slots)).astype(np.float64)
    # Ending in a half-hour takes at least its work at its highest rate: that much more waiting, where waiting counts.
    slope = np.where(
        lane.arrived <= starts, lane.delay_gbp_per_hour * SLOT_HOURS / np.maximum(rate, 1e-12), 0.0
    )
    filled = _compiled if is_compiled() else _plain
    value, best, done = filled(lane, pieces, rate, lasts, usable, slope, work)
    return Mix(value, best, done.sum(axis=1), (done * pieces.slope_kw).sum(axis=1))


def _plain(
    lane: Lane,
    pieces: _Pieces,
    rate: FloatArray,
    lasts: IntArray,
    usable: FloatArray,
    slope: FloatArray,
    work: float,
) -> tuple[float, int, FloatArray]:
    """Return the least cost, the half-hour in which it ends, and the work done on each piece."""
    del rate
    value, best = _best_last(lane, pieces, lasts, usable, slope, work)
    return value, best, _filled(pieces, best, float(usable[best]), float(slope[best]), work)


def _compiled(
    lane: Lane,
    pieces: _Pieces,
    rate: FloatArray,
    lasts: IntArray,
    usable: FloatArray,
    slope: FloatArray,
    work: float,
) -> tuple[float, int, FloatArray]:
    """Return the same by the compiled twin."""
    from models.optimise.mix_kernels import mix_of_levels
    from models.optimise.run_kernels import INFINITE

    del lasts, usable, slope
    done = np.zeros_like(pieces.unit_gbp)
    value = mix_of_levels(
        np.where(pieces.width > 0.0, pieces.unit_gbp, INFINITE),
        pieces.width,
        rate,
        lane.first,
        lane.end,
        lane.arrived,
        lane.delay_gbp_per_hour * SLOT_HOURS,
        work,
        done,
    )
    busy = np.flatnonzero(done.sum(axis=1) > 0.0)
    return float(value), int(busy[-1]) if busy.size else 0, done


def _best_last(
    lane: Lane,
    pieces: _Pieces,
    lasts: IntArray,
    usable: FloatArray,
    slope: FloatArray,
    work: float,
) -> tuple[float, int]:
    """Return the least cost and the half-hour in which it ends.

    Half-hours are looked at in blocks, the most promising first: no end within a block costs less than the work does if
    every half-hour up to the block's end can be used, and waiting only until the block's start.
    """
    delay = lane.delay_gbp((lane.first + lasts).astype(np.float64))
    begins = np.arange(0, lasts.size, BLOCK)
    ends = np.minimum(begins + BLOCK, lasts.size)
    least = _values(pieces, lasts[ends - 1], usable, np.zeros_like(slope), work) + delay[begins]
    best, last = np.inf, int(lasts[0])
    for block in np.argsort(least, kind="stable"):
        if least[block] >= best:
            break
        here = slice(int(begins[block]), int(ends[block]))
        values = _values(pieces, lasts[here], usable, slope, work) + delay[here]
        if values.min() < best:
            best, last = float(values.min()), int(lasts[here][int(values.argmin())])
    return best, last


def _pieces(lane: Lane, levels: Levels, rate: FloatArray, marginal: FloatArray) -> _Pieces:
    if levels.is_linear:
        slope = np.full((lane.slots, 1), levels.full_kw)
        return _Pieces(rate[:, None], slope, marginal[:, None] * levels.full_kw)
    width, slope = levels.pieces
    which = levels.allowed(lane.room_kw), (marginal < 0.0).astype(np.int64)
    return _Pieces(width[which], slope[which], slope[which] * marginal[:, None])


def _values(
    pieces: _Pieces, lasts: IntArray, usable: FloatArray, slope: FloatArray, work: float
) -> FloatArray:
    """Return the cost of the cheapest mix that ends in each of some half-hours, waiting until its start left out."""
    where, _ = np.nonzero(pieces.width > 0.0)
    width, unit = pieces.width[pieces.width > 0.0], pieces.unit_gbp[pieces.width > 0.0]
    order = np.argsort(unit, kind="stable")
    where, width, unit = where[order], width[order], unit[order]
    values = np.empty(lasts.size)
    turn = max(1, TABLE_CELLS // max(width.size, 1))
    for n in range(0, lasts.size, turn):
        part = lasts[n : n + turn]
        earlier = np.where(where < part[:, None], width, 0.0)
        amount = np.cumsum(earlier, axis=1)
        cost = np.cumsum(earlier * unit, axis=1)
        own, own_cost = _own_work(pieces, part, usable, slope, (amount, unit), work)
        values[n : n + turn] = own_cost + _cost_of(amount, cost, unit, work - own)
    return values


def _own_work(
    pieces: _Pieces,
    lasts: IntArray,
    usable: FloatArray,
    slope: FloatArray,
    earlier: tuple[FloatArray, FloatArray],
    work: float,
) -> tuple[FloatArray, FloatArray]:
    """Return how much of the work the last half-hours do themselves, and what that costs; shape (lasts,).

    A piece of the last half-hour is used for what remains when every cheaper piece of the others is taken.
    """
    amount, unit = earlier
    rows = np.arange(lasts.size)
    own, own_cost = np.zeros(lasts.size), np.zeros(lasts.size)
    for piece in range(pieces.width.shape[1]):
        price = pieces.unit_gbp[lasts, piece] + slope[lasts]
        place = np.searchsorted(unit, price, side="left")
        cheaper = np.where(place > 0, amount[rows, place - 1], 0.0)
        part = np.clip(work - own - cheaper, 0.0, pieces.width[lasts, piece] * usable[lasts])
        own += part
        own_cost += part * price
    return own, own_cost


def _cost_of(
    amount: FloatArray, cost: FloatArray, unit: FloatArray, wanted: FloatArray
) -> FloatArray:
    """Return what the cheapest pieces cost that do some work, infinite where they do not suffice; shape (lasts,)."""
    rows = np.arange(wanted.size)
    wanted = np.maximum(wanted, 0.0)
    short = wanted > amount[:, -1] + LEAST_WORK
    wanted = np.minimum(wanted, amount[:, -1])
    place = np.minimum((amount < wanted[:, None]).sum(axis=1), unit.size - 1)
    before = np.where(place > 0, amount[rows, place - 1], 0.0)
    paid = np.where(place > 0, cost[rows, place - 1], 0.0)
    answer: FloatArray = np.where(short, np.inf, paid + (wanted - before) * unit[place])
    return answer


def _filled(pieces: _Pieces, last: int, usable: float, slope: float, work: float) -> FloatArray:
    """Return the work done on each piece of the cheapest mix that ends in a half-hour, shape (half-hours, pieces)."""
    width, unit = pieces.width.copy(), pieces.unit_gbp.copy()
    width[last + 1 :] = 0.0
    width[last] *= usable
    unit[last] += slope
    order = np.argsort(unit, axis=None, kind="stable")
    taken = np.minimum(np.cumsum(width.ravel()[order]), work)
    done = np.empty(width.size)
    done[order] = np.diff(taken, prepend=0.0)
    return done.reshape(width.shape)
