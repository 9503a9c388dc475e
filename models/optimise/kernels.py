"""Compiled loops of the fleet planner: pricing jobs, listing their options, first insertion.

Every function takes arrays and nothing else, so that each can be tested beside a plain numpy twin. A *cell* is one
half-hour of one asset, numbered `asset · slots + slot`; an option is the cell its run begins in, `UNSERVED_CELL` for
staying unserved. Import this module inside functions only: it loads the compiler.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba  # type: ignore[import-untyped,unused-ignore]
import numpy as np

from models.optimise.table import FloatArray, IntArray

F = TypeVar("F", bound=Callable[..., Any])

UNSERVED_CELL = -1
"""Cell of the option to stay unserved."""

INFINITE = 1e300
"""Larger than any cost. [GBP]"""


def compiled(function: F) -> F:
    """Compile a function once per machine; it then runs without holding other threads back."""
    return cast(F, _jit(function, fastmath=False))


def compiled_reduction(function: F) -> F:
    """Compile a loop that looks for a least value; its steps may be taken in any order (no NaN, no signed zero)."""
    return cast(F, _jit(function, fastmath={"nnan", "nsz", "reassoc"}))


def _jit(function: Any, fastmath: Any) -> Any:
    """Compile lazily; the result is kept on disk, unless no place for it can be written to."""
    try:
        return numba.njit(cache=True, nogil=True, fastmath=fastmath)(function)
    except RuntimeError:  # numba finds no folder for its cache: a read-only image without a home
        return numba.njit(nogil=True, fastmath=fastmath)(function)


@compiled_reduction
def least_span(running: FloatArray, first: int, last: int, slots: int) -> float:
    """Return the least of running[s + slots] − running[s] over first <= s <= last."""
    least = INFINITE
    for s in range(first, last + 1):
        least = min(least, running[s + slots] - running[s])
    return least


@compiled
def least_listed(
    slots: Any,
    power: FloatArray,
    profile_ptr: IntArray,
    profile: FloatArray,
    ptr: IntArray,
    cell: Any,
    cost: FloatArray,
    price: FloatArray,
    running: FloatArray,
    low: int,
    high: int,
    paid: FloatArray,
    choice: IntArray,
) -> None:
    """Let jobs low..high take their cheapest option at cost + price · power.

    Args:
        slots: Half-hours of each run, shape (jobs,).
        power: Constant power of each run, shape (jobs,). [kW]
        profile_ptr: Begin of each job's own power profile, -1 where power is constant, shape (jobs,).
        profile: Profiles, one after another. [kW]
        ptr: Begin of each job's options, shape (jobs + 1,).
        cell: Shape (options,).
        cost: Shape (options,). [GBP]
        price: Per cell. [GBP per kW for one half-hour]
        running: Running sum of `price` with a leading 0, shape (cells + 1,).
        low: First job.
        high: One after the last job.
        paid: Out: what each job pays, shape (jobs,). [GBP]
        choice: Out: option taken, shape (jobs,).
    """
    for j in range(low, high):
        n = slots[j]
        p = power[j]
        least = INFINITE
        best = -1
        at = profile_ptr[j]
        for o in range(ptr[j], ptr[j + 1]):
            c = cell[o]
            v = cost[o]
            if c >= 0:
                if at < 0:
                    v += p * (running[c + n] - running[c])
                else:
                    for i in range(n):
                        v += profile[at + i] * price[c + i]
            if v < least:
                least = v
                best = o
        paid[j] = least
        choice[j] = best


@compiled
def reduced_costs(
    slots: Any,
    power: FloatArray,
    profile_ptr: IntArray,
    profile: FloatArray,
    ptr: IntArray,
    cell: Any,
    cost: FloatArray,
    price: FloatArray,
    running: FloatArray,
    out: FloatArray,
) -> None:
    """Write how much more each option costs at the prices than its job's cheapest one, shape (options,). [GBP]"""
    for j in range(slots.size):
        n = slots[j]
        at = profile_ptr[j]
        least = INFINITE
        for o in range(ptr[j], ptr[j + 1]):
            c = cell[o]
            v = cost[o]
            if c >= 0:
                if at < 0:
                    v += power[j] * (running[c + n] - running[c])
                else:
                    for i in range(n):
                        v += profile[at + i] * price[c + i]
            out[o] = v
            least = min(least, v)
        for o in range(ptr[j], ptr[j + 1]):
            out[o] -= least


@compiled
def price_spans(  # noqa: C901 - one compiled loop
    slots: Any,
    power: FloatArray,
    first: Any,
    last: Any,
    ptr: IntArray,
    asset: Any,
    extra: FloatArray,
    klass: Any,
    unserved: FloatArray,
    is_tight: Any,
    room: FloatArray,
    running: FloatArray,
    low: int,
    high: int,
    load_steps: FloatArray,
) -> float:
    """Let jobs low..high of a compact fleet take their cheapest place; return the sum of what they pay. [GBP]

    Args:
        slots: Shape (jobs,).
        power: Shape (jobs,). [kW]
        first: First start, shape (jobs,).
        last: Last start, shape (jobs,).
        ptr: Begin of each job's places (allowed assets), shape (jobs + 1,).
        asset: Shape (places,).
        extra: One-off cost of the place, shape (places,). [GBP]
        klass: Cost class, shape (jobs,).
        unserved: Cost of staying unserved, shape (jobs,). [GBP]
        is_tight: The place has half-hours too small for the job alone, shape (places,).
        room: Shape (assets, slots). [kW]
        running: Running sums of cost + price, shape (classes, assets, slots + 1). [GBP per kW for one half-hour]
        low: First job.
        high: One after the last job.
        load_steps: In and out: steps of the load they take, shape (assets, slots + 1). [kW]
    """
    total = 0.0
    for j in range(low, high):
        n = slots[j]
        p = power[j]
        mine = running[klass[j]]
        least = unserved[j]
        best = -1
        best_span = 0.0
        for e in range(ptr[j], ptr[j + 1]):
            a = asset[e]
            span = INFINITE
            if is_tight[e]:
                fitting = 0
                for t in range(first[j], last[j] + n):
                    fitting = fitting + 1 if room[a, t] >= p else 0
                    s = t - n + 1
                    if s >= first[j] and fitting >= n:
                        span = min(span, mine[a, s + n] - mine[a, s])
                if span == INFINITE:
                    continue
            else:
                span = least_span(mine[a], first[j], last[j], n)
            v = p * span + extra[e]
            if v < least:
                least = v
                best = e
                best_span = span
        total += least
        if best < 0:
            continue
        a = asset[best]
        for s in range(first[j], last[j] + 1):
            if mine[a, s + n] - mine[a, s] <= best_span:
                fits = True
                if is_tight[best]:
                    for t in range(s, s + n):
                        fits = fits and room[a, t] >= p
                if fits:
                    load_steps[a, s] += p
                    load_steps[a, s + n] -= p
                    break
    return total


@compiled
def mark_tight(
    slots: Any,
    power: FloatArray,
    first: Any,
    last: Any,
    ptr: IntArray,
    asset: Any,
    room: FloatArray,
    out: Any,
) -> None:
    """Mark the places that have, within the job's window, a half-hour smaller than the job, shape (places,)."""
    least = np.full(room.shape[0], INFINITE)
    for a in range(room.shape[0]):
        for t in range(room.shape[1]):
            least[a] = min(least[a], room[a, t])
    for j in range(slots.size):
        for e in range(ptr[j], ptr[j + 1]):
            a = asset[e]
            out[e] = False
            if power[j] > least[a]:
                for t in range(first[j], last[j] + slots[j]):
                    if room[a, t] < power[j]:
                        out[e] = True
                        break


@compiled
def list_spans(
    slots: Any,
    power: FloatArray,
    first: Any,
    last: Any,
    ptr: IntArray,
    asset: Any,
    extra: FloatArray,
    klass: Any,
    unserved: FloatArray,
    room: FloatArray,
    base: FloatArray,
    priced: FloatArray,
    jobs: IntArray,
    most: int,
    option_ptr: IntArray,
    cell: Any,
    cost: FloatArray,
    is_counting: bool,
) -> None:
    """List the options of chosen jobs: those that fit into empty room, at most the `most` cheapest at the prices.

    Called twice: first counting into `option_ptr[1:]`, then, after a running sum over it, writing `cell` and `cost`.

    Args:
        slots: As in `price_spans`, and so all up to `room`.
        power: [kW]
        first: First start.
        last: Last start.
        ptr: Begin of places.
        asset: Of places.
        extra: Of places. [GBP]
        klass: Cost class.
        unserved: [GBP]
        room: [kW]
        base: Running sums of cost alone, shape (classes, assets, slots + 1). [GBP per kW for one half-hour]
        priced: Running sums of cost + price, same shape.
        jobs: Positions of the jobs to list.
        most: Most runs to list of one job; staying unserved comes on top, as the last option.
        option_ptr: Shape (len(jobs) + 1,).
        cell: Out, shape (options,).
        cost: Out, shape (options,). [GBP]
        is_counting: First or second call.
    """
    horizon = room.shape[1]
    widest = 1
    for i in range(jobs.size):
        j = jobs[i]
        widest = max(widest, (ptr[j + 1] - ptr[j]) * (last[j] - first[j] + 1))
    key = np.empty(widest)
    where = np.empty(widest, dtype=np.int64)
    place = np.empty(widest, dtype=np.int64)
    for i in range(jobs.size):
        j = jobs[i]
        n = slots[j]
        k = klass[j]
        found = 0
        for e in range(ptr[j], ptr[j + 1]):
            a = asset[e]
            fitting = 0
            for t in range(first[j], last[j] + n):
                fitting = fitting + 1 if room[a, t] >= power[j] else 0
                s = t - n + 1
                if s >= first[j] and fitting >= n:
                    key[found] = power[j] * (priced[k, a, s + n] - priced[k, a, s]) + extra[e]
                    where[found] = a * horizon + s
                    place[found] = e
                    found += 1
        if is_counting:
            option_ptr[i + 1] = min(found, most) + 1
            continue
        q = option_ptr[i]
        limit = INFINITE
        if found > most:
            limit = np.partition(key[:found], most - 1)[most - 1]
        for m in range(found):
            if key[m] <= limit and q < option_ptr[i + 1] - 1:
                a = asset[place[m]]
                s = where[m] - a * horizon
                cell[q] = where[m]
                cost[q] = power[j] * (base[k, a, s + n] - base[k, a, s]) + extra[place[m]]
                q += 1
        cell[q] = UNSERVED_CELL
        cost[q] = unserved[j]


@compiled
def insert(
    order: IntArray,
    slots: Any,
    power: FloatArray,
    profile_ptr: IntArray,
    profile: FloatArray,
    ptr: IntArray,
    cell: Any,
    key: FloatArray,
    over_price: float,
    over: FloatArray,
    choice: IntArray,
) -> None:
    """Place jobs in order, each at its least key + over_price · (power beyond the room left).

    Args:
        order: Positions of the jobs.
        slots: Shape (jobs,).
        power: Shape (jobs,). [kW]
        profile_ptr: See `price_listed`.
        profile: [kW]
        ptr: Begin of options.
        cell: Of options.
        key: What options are compared by, shape (options,). [GBP]
        over_price: [GBP per kW for one half-hour]
        over: In and out: load less room per cell; negative is room left. [kW]
        choice: Out: option per job.
    """
    for i in range(order.size):
        j = order[i]
        n = slots[j]
        at = profile_ptr[j]
        least = INFINITE
        best = ptr[j]
        for o in range(ptr[j], ptr[j + 1]):
            v = key[o]
            c = cell[o]
            if c >= 0:
                for t in range(n):
                    p = power[j] if at < 0 else profile[at + t]
                    x = over[c + t] + p
                    if x > 0:
                        v += over_price * min(x, p)
                        if v >= least:
                            break
            if v < least:
                least = v
                best = o
        choice[j] = best
        c = cell[best]
        if c >= 0:
            for t in range(n):
                over[c + t] += power[j] if at < 0 else profile[at + t]


@compiled
def compulsory_part(
    slots: Any, ptr: IntArray, cell: Any, is_served: bool, begin: IntArray, end: IntArray
) -> None:
    """Write the cells that every option of a job covers, [begin, end); empty where end <= begin. Shape (jobs,).

    With `is_served`, staying unserved is not looked at.
    """
    for j in range(slots.size):
        latest = -1
        earliest = 1 << 60
        for o in range(ptr[j], ptr[j + 1]):
            c = cell[o]
            if c < 0:
                if is_served:
                    continue
                earliest = -1
                break
            latest = max(latest, c)
            earliest = min(earliest, c + slots[j])
        begin[j] = latest
        end[j] = earliest if latest >= 0 else -1


@compiled
def cut_blocked(
    slots: Any,
    power: FloatArray,
    profile_ptr: IntArray,
    ptr: IntArray,
    cell: Any,
    room: FloatArray,
    begin: IntArray,
    end: IntArray,
    keep: Any,
) -> int:
    """Clear `keep` of options that do not fit beside the compulsory parts of the other jobs; return how many.

    Only jobs of constant power take part; `begin` and `end` come from `compulsory_part`, `room` is per cell. [kW]
    """
    taken = np.zeros(room.size)
    for j in range(slots.size):
        if profile_ptr[j] < 0:
            for t in range(begin[j], end[j]):
                taken[t] += power[j]
    cut = 0
    for j in range(slots.size):
        if profile_ptr[j] >= 0:
            continue
        for o in range(ptr[j], ptr[j + 1]):
            c = cell[o]
            if c < 0 or not keep[o]:
                continue
            for t in range(c, c + slots[j]):
                free = room[t] - taken[t]
                if begin[j] <= t < end[j]:
                    free += power[j]
                if power[j] > free + 1e-6:
                    keep[o] = False
                    cut += 1
                    break
    return cut
