"""Compiled search over the options of a fleet: annealing with priced overload, and the repair that ends it.

Jobs move one by one between their options. Power beyond the room is allowed at a price per cell that rises over the
search, so that jobs can pass through each other; cells that stay overloaded grow dearer until nothing is left on
them. Import this module inside functions only: it loads the compiler.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.optimise.kernels import INFINITE, compiled
from models.optimise.sort_kernels import write
from models.optimise.table import TOLERANCE_KW, FloatArray, IntArray
from models.optimise.waits import Waits

CLEAN_KW = TOLERANCE_KW / 2
"""Load beyond the room that counts as none here: sums in another order may round up to the tolerance. [kW]"""


@compiled
def _next(state: Any) -> Any:
    """Return the next state of a 64-bit xorshift generator."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@compiled
def add_load(
    slots: Any,
    power: FloatArray,
    profile_ptr: IntArray,
    profile: FloatArray,
    cell: Any,
    choice: IntArray,
    over: FloatArray,
) -> None:
    """Add the power of every job's chosen run to `over`, per cell. [kW]"""
    for j in range(slots.size):
        c = cell[choice[j]]
        if c >= 0:
            at = profile_ptr[j]
            for t in range(slots[j]):
                over[c + t] += power[j] if at < 0 else profile[at + t]


@compiled
def _overload(over: FloatArray) -> float:
    """Return the power beyond the room, summed over cells. [kW]"""
    total = 0.0
    for t in range(over.size):
        if over[t] > CLEAN_KW:
            total += over[t]
    return total


@compiled
def _profiled_move(
    weight: FloatArray,
    over: FloatArray,
    c0: int,
    c1: int,
    n: int,
    at: int,
    profile: FloatArray,
    spend: float,
) -> bool:
    """Move a run with its own power profile if that costs at most `spend` in priced overload; return whether."""
    priced = 0.0
    if c0 >= 0:
        for t in range(n):
            x = over[c0 + t]
            p = profile[at + t]
            if x > 0:
                priced -= weight[c0 + t] * min(x, p)
            over[c0 + t] = x - p
    if c1 >= 0:
        for t in range(n):
            x = over[c1 + t] + profile[at + t]
            if x > 0:
                priced += weight[c1 + t] * min(x, profile[at + t])
            over[c1 + t] = x
    if priced <= spend:
        return True
    if c1 >= 0:
        for t in range(n):
            over[c1 + t] -= profile[at + t]
    if c0 >= 0:
        for t in range(n):
            over[c0 + t] += profile[at + t]
    return False


@compiled
def _plain_move(  # noqa: C901 - one compiled loop
    weight: FloatArray, over: FloatArray, c0: int, c1: int, n: int, p: float, spend: float
) -> bool:
    """Move a run of constant power if that costs at most `spend` in priced overload; return whether."""
    a0, b0, a1, b1 = c0, c0 + n, c1, c1 + n
    if c0 < 0:
        a0, b0 = 0, 0
    elif c1 < 0:
        a1, b1 = 0, 0
    elif 0 < c1 - c0 < n:
        b0, a1 = c1, c0 + n
    elif 0 < c0 - c1 < n:
        a0, b1 = c1 + n, c0
    if c1 < 0:
        a1, b1 = 0, 0
    for t in range(a0, b0):
        x = over[t]
        if x > 0:
            spend += weight[t] * min(x, p)
    if spend < 0:
        return False
    for t in range(a1, b1):
        x = over[t] + p
        if x > 0:
            spend -= weight[t] * min(x, p)
            if spend < 0:
                return False
    for t in range(a0, b0):
        over[t] -= p
    for t in range(a1, b1):
        over[t] += p
    return True


@compiled
def _disorder(
    slots: Any, cell: Any, choice: IntArray, horizon: int, waits: Waits, j: int, pick: int
) -> int:
    """Return by how many half-hours a job with an option would overlap those it waits for and that wait for it.

    A run without one that it waits for counts as if it overlapped a whole horizon.
    """
    c, total = cell[pick], 0
    begin = c % horizon
    for i in range(waits.before_ptr[j], waits.before_ptr[j + 1]):
        p = waits.before[i]
        other = cell[choice[p]]
        if c >= 0:
            total += horizon if other < 0 else max(0, other % horizon + slots[p] - begin)
    for i in range(waits.after_ptr[j], waits.after_ptr[j + 1]):
        other = cell[choice[waits.after[i]]]
        if other >= 0:
            total += horizon if c < 0 else max(0, begin + slots[j] - other % horizon)
    return total


@compiled
def anneal(  # noqa: C901 - one compiled loop
    slots: Any,
    power: FloatArray,
    profile_ptr: IntArray,
    profile: FloatArray,
    ptr: IntArray,
    cell: Any,
    cost: FloatArray,
    horizon: int,
    waits: Waits,
    weight: FloatArray,
    over: FloatArray,
    choice: IntArray,
    best: IntArray,
    moves: int,
    warm: float,
    cool: float,
    soft: float,
    hard: float,
    grow: float,
    checks: int,
    seed: int,
) -> float:
    """Try moves, job after job; return the cost of the best plan without overload, infinite if none was met. [GBP]

    Args:
        slots: As in `price_listed`, and so all up to `cost`.
        power: [kW]
        profile_ptr: Begin of profiles.
        profile: [kW]
        ptr: Begin of options.
        cell: Of options.
        cost: Of options. [GBP]
        horizon: Half-hours of an asset row.
        waits: Who waits for whom. A half-hour run too early is priced like overload of the job's power.
        weight: In and out: relative price of overload per cell. [GBP per kW for one half-hour]
        over: In and out: load less room per cell. [kW]
        choice: In and out: option per job.
        best: Out: options of the best plan without overload, untouched if none was met.
        moves: How many moves to try.
        warm: Temperature at the begin. [GBP]
        cool: Temperature at the end. [GBP]
        soft: Factor on `weight` at the begin.
        hard: Factor on `weight` at the end.
        grow: Factor by which `weight` grows on overloaded cells at each check.
        checks: How often overload is summed and the best plan kept.
        seed: Of the random numbers.
    """
    jobs = slots.size
    draws = np.empty(4096)
    for i in range(4096):
        draws[i] = -np.log((i + 0.5) / 4096)
    state = np.uint64(seed) * np.uint64(2654435761) + np.uint64(88172645463325252)
    for _ in range(20):
        state = _next(state)
    total = 0.0
    for j in range(jobs):
        total += cost[choice[j]]
    strict, disorder = weight.mean(), 0
    for j in range(jobs):
        for i in range(waits.before_ptr[j], waits.before_ptr[j + 1]):
            here, other = cell[choice[j]], cell[choice[waits.before[i]]]
            if here >= 0:
                late = other % horizon + slots[waits.before[i]] - here % horizon
                disorder += horizon if other < 0 else max(0, late)
    least = INFINITE
    every = max(moves // checks, 1)
    scale = 1.0 / 2147483648.0
    temperature, factor = warm, soft
    j = jobs - 1
    for move in range(moves):
        if move & 1023 == 0:
            temperature = warm * (cool / warm) ** (move / moves)
            factor = soft * (hard / soft) ** (move / moves)
        if move % every == 0:
            if disorder > 0:
                strict *= grow
            if _overload(over) <= 0.0:
                if disorder == 0 and total < least - 1e-9:
                    least = total
                    write(choice, best)
            elif grow > 1.0:
                for t in range(over.size):
                    if over[t] > CLEAN_KW:
                        weight[t] *= grow
        j += 1
        if j == jobs:
            j = 0
        begin = ptr[j]
        count = ptr[j + 1] - begin
        if count < 2:
            continue
        state = _next(state)
        pick = begin + np.int64((state >> np.uint64(33)) * scale * count)
        held = choice[j]
        if pick == held:
            continue
        change = cost[pick] - cost[held]
        spend = (temperature * draws[np.int64(state & np.uint64(4095))] - change) / factor
        shift = 0
        if waits.before.size:
            shift = _disorder(slots, cell, choice, horizon, waits, j, pick) - _disorder(
                slots, cell, choice, horizon, waits, j, held
            )
            spend -= shift * strict * power[j]
        if profile_ptr[j] < 0:
            done = _plain_move(weight, over, cell[held], cell[pick], int(slots[j]), power[j], spend)
        else:
            done = _profiled_move(
                weight,
                over,
                cell[held],
                cell[pick],
                int(slots[j]),
                profile_ptr[j],
                profile,
                spend,
            )
        if done:
            choice[j] = pick
            total += change
            disorder += shift
    if disorder == 0 and _overload(over) <= 0.0 and total < least:
        least = total
        write(choice, best)
    return least


@compiled
def lift_overload(
    order: IntArray,
    slots: Any,
    power: FloatArray,
    profile_ptr: IntArray,
    profile: FloatArray,
    cell: Any,
    over: FloatArray,
    choice: IntArray,
    lifted: Any,
) -> int:
    """Take runs off overloaded cells in the given order, until no overload is left; return how many."""
    count = 0
    for i in range(order.size):
        j = order[i]
        c = cell[choice[j]]
        if c < 0:
            continue
        is_over = False
        for t in range(c, c + slots[j]):
            is_over = is_over or over[t] > CLEAN_KW
        if is_over:
            at = profile_ptr[j]
            for t in range(slots[j]):
                over[c + t] -= power[j] if at < 0 else profile[at + t]
            lifted[j] = True
            count += 1
    return count
