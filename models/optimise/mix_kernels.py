"""Compiled loops over elastic jobs: the cheapest mix of levels of each.

The plain numpy twin is `envelope.py`. A *cell* is one half-hour of one asset, numbered `asset · horizon + slot`. Import
this module inside functions only: it loads the compiler.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.optimise.kernels import compiled
from models.optimise.run_kernels import INFINITE
from models.optimise.sort_kernels import NOUGHT, stable_order
from models.optimise.table import FloatArray, IntArray

BLOCK = 8
"""Half-hours that are looked at together as the last one."""


@compiled
def mix_of_levels(
    unit: FloatArray,
    width: FloatArray,
    rate: FloatArray,
    first: int,
    end: float,
    arrived: float,
    delay: float,
    work: float,
    done: FloatArray,
) -> float:
    """Find the cheapest mix of pieces on one lane; see `envelope.py`.

    Args:
        unit: Cost of a unit of work on each piece, shape (width, pieces). [GBP]
        width: Work each piece can do, shape (width, pieces). [half-hours at the full rate]
        rate: Most work of each half-hour, shape (width,). [half-hours at the full rate]
        first: First slot of the lane.
        end: Latest finish. [half-hours]
        arrived: Finish of the run on arrival. [half-hours]
        delay: Price of waiting half an hour. [GBP]
        work: To be done. [half-hours at the full rate]
        done: Takes the work done on each piece, shape (width, pieces).

    Returns:
        Cost [GBP]; `INFINITE` where the room does not suffice.
    """
    places = unit.shape[0]
    order = stable_order(unit.ravel())
    usable, flat, can_end = _ends(rate, first, end, arrived, delay, work)
    blocks = (places + BLOCK - 1) // BLOCK
    least = np.full(blocks, INFINITE)
    for b in range(blocks):
        # No end within a block costs less than the work up to its end, and waiting until its first possible one.
        begin = stop = NOUGHT - 1
        for t in range(b * BLOCK, min((b + 1) * BLOCK, places)):
            if can_end[t]:
                begin = t if begin < 0 else begin
                stop = t
        if begin >= 0:
            cost = _fill(unit, width, order, work, stop, usable[stop], 0.0, INFINITE, done)
            least[b] = cost + max(0.0, first + begin - arrived) * delay
    best, last = INFINITE, NOUGHT - 1
    for _ in range(blocks):
        b = int(np.argmin(least))
        if least[b] >= best:
            break
        least[b] = INFINITE
        for t in range(b * BLOCK, min((b + 1) * BLOCK, places)):
            if can_end[t]:
                wait = max(0.0, first + t - arrived) * delay
                cost = wait + _fill(
                    unit, width, order, work, t, usable[t], flat[t], best - wait, done
                )
                if cost < best or (cost == best and t < last):
                    best, last = cost, t
    if last >= 0:
        _fill(unit, width, order, work, last, usable[last], flat[last], INFINITE, done)
    return best


@compiled
def _ends(
    rate: FloatArray, first: int, end: float, arrived: float, delay: float, work: float
) -> tuple[FloatArray, FloatArray, Any]:
    """Return, as a last half-hour: its part that can be used, what waiting for a unit of its work costs, if it can be."""
    usable, flat = np.zeros(rate.size), np.zeros(rate.size)
    can_end = np.zeros(rate.size, dtype=np.bool_)
    before = 0.0
    for t in range(rate.size):
        usable[t] = min(max(end - first - t, 0.0), 1.0)
        can_end[t] = rate[t] > 0.0 and before + rate[t] * usable[t] >= work - 1e-9
        before += rate[t]
        if arrived <= first + t and rate[t] > 0.0:
            flat[t] = delay / rate[t]
    return usable, flat, can_end


@compiled
def _fill(
    unit: FloatArray,
    width: FloatArray,
    order: IntArray,
    work: float,
    last: int,
    usable: float,
    slope: float,
    limit: float,
    done: FloatArray,
) -> float:
    """Take the cheapest pieces up to a last half-hour, whose own are dearer by `slope`; give up above a limit."""
    pieces = unit.shape[1]
    done[:, :] = 0.0
    cost, left, own = 0.0, work, 0
    for n in range(order.size + 1):
        # The next piece is the cheaper of the next of the others and the next of the last half-hour's own.
        t, piece, price = -1, 0, INFINITE
        if n < order.size:
            t, piece = order[n] // pieces, order[n] % pieces
            if t >= last:
                continue
            price = unit[t, piece]
        while own < pieces and (t < 0 or unit[last, own] + slope < price):
            part = min(left, width[last, own] * usable)
            done[last, own] = part
            cost += part * (unit[last, own] + slope)
            left -= part
            own += 1
        if t >= 0 and left > 0.0:
            part = min(left, width[t, piece])
            done[t, piece] = part
            cost += part * price
            left -= part
        if left <= 1e-12:
            return cost
        if price >= 0.0 and cost > limit:
            return INFINITE
    return cost if left <= 1e-9 else INFINITE


@compiled
def least_levels(
    work: float,
    step: float,
    states: int,
    power: FloatArray,
    rate: FloatArray,
    gain: IntArray,
    allowed: IntArray,
    energy: FloatArray,
    held: FloatArray,
    usable: FloatArray,
    first: int,
    arrived: float,
    delay: float,
    choice: Any,
) -> tuple[float, int, int, int]:
    """Choose a level for every half-hour; see `level_runs.py` for the recursion.

    Args:
        work: To be done. [half-hours at the full rate]
        step: Of work. [half-hours at the full rate]
        states: Steps told apart.
        power: Of each level. [kW]
        rate: Of each level.
        gain: Steps that each level does in a half-hour.
        allowed: How many levels fit into each half-hour's room.
        energy: Cost of a kilowatt drawn, per half-hour. [GBP]
        held: Cost of a kilowatt held, per half-hour. [GBP]
        usable: Part of each half-hour before the latest finish.
        first: First slot of the lane.
        arrived: Finish of the run on arrival. [half-hours]
        delay: Price of waiting half an hour. [GBP]
        choice: Takes level + 1 (0: standing still) by half-hour and steps done, shape (half-hours, states).

    Returns:
        Cost [GBP], last half-hour (−1: none), steps done before it, its level.
    """
    least = np.full(states, INFINITE)
    least[0] = 0.0
    best, last, state, top = INFINITE, -1, -1, -1
    for t in range(energy.size):
        more = least.copy()
        for n in range(allowed[t]):
            whole = power[n] * (energy[t] + held[t])
            for s in range(states):
                if least[s] >= INFINITE:
                    continue
                share = (work - step * s) / rate[n]
                if share <= usable[t] + 1e-9:
                    cost = least[s] + power[n] * (energy[t] * share + held[t])
                    cost += max(0.0, first + t + share - arrived) * delay
                    if cost < best:
                        best, last, state, top = cost, t, s, n
                if 0 < gain[n] < states - s and least[s] + whole < more[s + gain[n]]:
                    more[s + gain[n]] = least[s] + whole
                    choice[t, s + gain[n]] = n + 1
        least = more
    return best, last, state, top


@compiled
def quote_mixes(
    low: int,
    high: int,
    lane_ptr: IntArray,
    ptr: IntArray,
    worth: FloatArray,
    cell: IntArray,
    first: IntArray,
    end: FloatArray,
    arrived: FloatArray,
    delay: FloatArray,
    pue: FloatArray,
    work: FloatArray,
    rate: FloatArray,
    width: FloatArray,
    slope: FloatArray,
    unserved: FloatArray,
    price: FloatArray,
    load: FloatArray,
    value: FloatArray,
    taken: IntArray,
    drawn: FloatArray,
) -> float:
    """Let jobs low … high − 1 take their cheapest mix at some prices, or stay unserved.

    Args:
        low: First job.
        high: After the last job.
        lane_ptr: Begin of each job's lanes, shape (jobs + 1,).
        ptr: Begin of each lane's half-hours, shape (lanes + 1,).
        worth: Price + κ·carbon (+ priced caps) of each half-hour of the lanes. [GBP/kWh]
        cell: First cell of each lane.
        first: First slot of each lane.
        end: Latest finish on each lane. [half-hours]
        arrived: Finish of the run on arrival. [half-hours]
        delay: Price of waiting half an hour, per lane. [GBP]
        pue: Per lane.
        work: Per job. [half-hours at the full rate]
        rate: Most work of each half-hour of the lanes.
        width: Pieces of the least-power and of the most-power envelope, shape (half-hours of all lanes, 2, pieces).
        slope: Their power for a unit of work, same shape. [kW]
        unserved: Per job. [GBP]
        price: Of one kW over one half-hour, by cell. [GBP]
        load: Takes the load, by cell. [kW]
        value: Takes what each job pays. [GBP]
        taken: Takes the lane each job runs on, −1 where it stays unserved.
        drawn: Takes the power in each half-hour of the lanes taken. [kW]

    Returns:
        What all these jobs pay together. [GBP]
    """
    total = 0.0
    pieces = width.shape[2]
    for j in range(low, high):
        value[j], taken[j] = unserved[j], -1
        for lane in range(lane_ptr[j], lane_ptr[j + 1]):
            begin, size = ptr[lane], ptr[lane + 1] - ptr[lane]
            unit, wide = np.empty((size, pieces)), np.empty((size, pieces))
            sign, done = np.empty(size, dtype=np.int64), np.empty((size, pieces))
            for t in range(size):
                margin = 0.5 * pue[lane] * worth[begin + t] + price[cell[lane] + t]
                sign[t] = 1 if margin < 0.0 else 0
                for n in range(pieces):
                    unit[t, n] = margin * slope[begin + t, sign[t], n]
                    wide[t, n] = width[begin + t, sign[t], n]
                    if wide[t, n] <= 0.0:
                        unit[t, n] = INFINITE
            most = rate[begin : begin + size]
            cost = mix_of_levels(
                unit, wide, most, first[lane], end[lane], arrived[lane], delay[lane], work[j], done
            )
            if cost < value[j]:
                value[j], taken[j] = cost, lane
                for t in range(size):
                    drawn[begin + t] = 0.0
                    for n in range(pieces):
                        drawn[begin + t] += done[t, n] * slope[begin + t, sign[t], n]
        if taken[j] >= 0:
            at, begin = cell[taken[j]], ptr[taken[j]]
            size = ptr[taken[j] + 1] - begin
            for t in range(size):
                load[at + t] += drawn[begin + t]
        total += value[j]
    return total
