"""Compiled loops over interruptible jobs: the cheapest run in chunks of each.

The plain numpy twin is `chunked.py`. Costs are per kilowatt over one
half-hour; a *cell* is one half-hour of one asset, numbered `asset · horizon + slot`. Import this module inside
functions only: it loads the compiler.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.optimise.kernels import compiled
from models.optimise.sort_kernels import NO, NOUGHT, stable_order, write
from models.optimise.table import FloatArray, IntArray

INFINITE = 1e300
"""Larger than any cost. [GBP]"""

ROOM_SLACK_KW = 1e-6
"""Slack in a comparison of powers, for rounding. [kW]"""

FINISH_SLACK = 1e-9
"""Slack in a comparison with a latest finish, for rounding. [half-hours]"""


@compiled
def run_in_chunks(
    energy: Any,
    held: Any,
    is_open: Any,
    first: int,
    end: float,
    arrived: float,
    delay: float,
    min_run: int,
    slots: Any,
    share: Any,
    chunk_begin: IntArray,
    chunk_length: IntArray,
) -> tuple[float, int]:
    """Find the cheapest run of one job on one lane; see `chunked.py` for the recursion.

    Args:
        energy: Cost of the energy of each whole half-hour, shape (width,). [GBP]
        held: Cost of holding the power over each, shape (width,). [GBP]
        is_open: Whether each can be used, shape (width,).
        first: First slot of the lane.
        end: Latest finish. [half-hours]
        arrived: Finish of the run on arrival. [half-hours]
        delay: Price of waiting half an hour. [GBP]
        min_run: Shortest chunk. [half-hours]
        slots: Half-hours needed by chunks − 1; 0 where impossible.
        share: Part of the last one that is used, by chunks − 1.
        chunk_begin: Takes the first half-hour of each chunk of the run found, counted from the lane's first.
        chunk_length: Takes its length.

    Returns:
        Cost [GBP], `INFINITE` where no run fits, and how many chunks it has.
    """
    longest = NOUGHT
    for k in range(slots.size):
        longest = max(longest, slots[k])
    if longest == 0:
        return INFINITE, 0
    most = _free_chunks(min_run, slots, share)
    if most:
        cost, chunks = _scattered(
            energy, held, is_open, first, end, arrived, delay, longest, share[0],
            chunk_begin[:most], chunk_length,
        )  # fmt: skip
        if chunks >= 0:
            return cost, chunks
    full, runs, heads = _sums(energy, held, is_open, min_run)
    least, best = _tables(full, runs, min_run, longest, slots.size)
    cost, chunks, at, is_new = INFINITE, NOUGHT, NOUGHT - 1, NO
    for p in range(energy.size):
        if not is_open[p]:
            continue
        for k in range(1, slots.size + 1):
            n = slots[k - 1]
            finish = first + p + share[k - 1]
            if n == 0 or n > p + 1 or finish > end + FINISH_SLACK:
                continue
            on = least[n - 1, k, p - 1] if n >= 2 else INFINITE
            new = _entered(best, heads, n, k, p, min_run)
            total = min(on, new) + share[k - 1] * energy[p] + held[p]
            total += max(0.0, finish - arrived) * delay
            if total < cost:
                cost, chunks, at, is_new = total, k, p, new < on
    if chunks:
        used = slots[chunks - 1]
        _trace(least, best, runs, used, chunks, at, is_new, min_run, chunk_begin, chunk_length)
    return cost, chunks


@compiled
def _free_chunks(min_run: int, slots: Any, share: Any) -> int:
    """Return how many chunks a run may have if each may be one half-hour and none needs more time than one; else 0."""
    most = 0
    while most < slots.size and slots[most] == slots[0] and share[most] == share[0]:
        most += 1
    for k in range(most, slots.size):
        if slots[k] != 0:
            return 0
    return most if min_run == 1 else 0


@compiled
def _scattered(
    energy: Any,
    held: Any,
    is_open: Any,
    first: int,
    end: float,
    arrived: float,
    delay: float,
    n: int,
    share: float,
    chunk_begin: IntArray,
    chunk_length: IntArray,
) -> tuple[float, int]:
    """Find the cheapest run of single half-hours where breaks cost nothing: for each last one the cheapest before it.

    Args and returns as in `run_in_chunks`, for runs of n half-hours in any number of chunks; -1 chunks where the
    cheapest has more than `chunk_begin` holds, so that the limit counts and the recursion must decide.
    """
    cost, total, last = INFINITE, 0.0, NOUGHT - 1
    kept = np.empty(n)  # a heap of the n - 1 cheapest so far: the dearest of them first
    count = NOUGHT
    for p in range(energy.size):
        if not is_open[p]:
            continue
        full = energy[p] + held[p]
        finish = first + p + share
        if count == n - 1 and finish <= end + FINISH_SLACK:
            here = total + share * energy[p] + held[p] + max(0.0, finish - arrived) * delay
            if here < cost:
                cost, last = here, p
        if count < n - 1:
            _rise(kept, count, full)
            count += 1
            total += full
        elif n > 1 and full < kept[0]:
            total += full - kept[0]
            _sink(kept, count, full)
    if last < 0:
        return INFINITE, 0
    used = _cheapest_before(energy + held, is_open, last, n - 1)
    chunks = _write_chunks(used, chunk_begin, chunk_length)
    cost = max(0.0, first + last + share - arrived) * delay
    for p in range(last + 1):
        if used[p]:
            cost += (share if p == last else 1.0) * energy[p] + held[p]
    return cost, chunks


@compiled
def _rise(heap: FloatArray, count: int, value: float) -> None:
    """Add a value to the first `count` ones of an array, which are a heap with the greatest on top."""
    at = count
    while at > 0 and heap[(at - 1) // 2] < value:
        heap[at] = heap[(at - 1) // 2]
        at = (at - 1) // 2
    heap[at] = value


@compiled
def _sink(heap: FloatArray, count: int, value: float) -> None:
    """Put a value in the place of the greatest of such a heap."""
    at = 0
    while 2 * at + 1 < count:
        child = 2 * at + 1
        if child + 1 < count and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= value:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = value


@compiled
def _write_chunks(used: Any, chunk_begin: IntArray, chunk_length: IntArray) -> int:
    """Write the chunks of marked half-hours and return how many; -1 where there are more than can be held."""
    k = -1
    for p in range(used.size):
        if used[p]:
            if p == 0 or not used[p - 1]:
                k += 1
                if k == chunk_begin.size:
                    return -1
                chunk_begin[k], chunk_length[k] = p, 0
            chunk_length[k] += 1
    return k + 1


@compiled
def _cheapest_before(full: Any, is_open: Any, last: int, n: int) -> Any:
    """Mark a last half-hour and the n cheapest open ones before it, the first of equals; shape (last + 1,)."""
    used = np.zeros(last + 1, dtype=np.bool_)
    used[last] = True
    places, costs = np.empty(last, dtype=np.int64), np.empty(last)
    count = 0
    for p in range(last):
        if is_open[p]:
            places[count], costs[count] = p, full[p]
            count += 1
    order = stable_order(costs[:count])
    for i in range(n):
        used[places[order[i]]] = True
    return used


@compiled
def _sums(
    energy: Any, held: Any, is_open: Any, min_run: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the cost of each whole half-hour, of a minimum run that ends there, and of that without its last one."""
    width = energy.size
    full = np.empty(width)
    runs = np.full(width, INFINITE)
    heads = np.full(width, INFINITE)
    for p in range(width):
        full[p] = energy[p] + held[p] if is_open[p] else INFINITE
        if p >= min_run - 1:
            total = 0.0
            for q in range(p - min_run + 1, p):
                total += full[q]
            heads[p] = min(total, INFINITE)
            runs[p] = min(total + full[p], INFINITE)
    return full, runs, heads


@compiled
def _entered(best: FloatArray, sums: FloatArray, n: int, k: int, p: int, min_run: int) -> float:
    """Return the cost of n half-hours in k chunks of which the last is a minimum run that ends at p."""
    if k == 1:
        return float(sums[p]) if n == min_run else INFINITE
    if n > min_run and p >= min_run + 1:
        return float(best[n - min_run, k - 1, p - min_run - 1] + sums[p])
    return INFINITE


@compiled
def _tables(
    full: FloatArray, runs: FloatArray, min_run: int, longest: int, most: int
) -> tuple[FloatArray, FloatArray]:
    """Return the least cost of n half-hours in k chunks, the last at p, and at p or before."""
    width = full.size
    least = np.full((longest, most + 1, width), INFINITE)
    best = np.full((longest, most + 1, width), INFINITE)
    for n in range(1, longest):
        for k in range(1, min(most, n // min_run) + 1):
            running = INFINITE
            for p in range(n - 1, width):
                if full[p] < INFINITE:
                    value = _entered(best, runs, n, k, p, min_run)
                    if n >= 2:
                        value = min(value, least[n - 1, k, p - 1] + full[p])
                    least[n, k, p] = value
                    running = min(running, value)
                best[n, k, p] = running
    return least, best


@compiled
def _trace(
    least: FloatArray,
    best: FloatArray,
    runs: FloatArray,
    n: int,
    k: int,
    p: int,
    is_new: bool,
    min_run: int,
    chunk_begin: IntArray,
    chunk_length: IntArray,
) -> None:
    """Walk back from the last half-hour p of a run of n half-hours in k chunks; `is_new`: it ends a minimum run."""
    length = 0
    while True:
        if is_new:
            chunk_begin[k - 1], chunk_length[k - 1] = p - min_run + 1, min_run + length
            if k == 1:
                return
            n, k, p, length = n - min_run, k - 1, p - min_run - 1, 0
            while p > 0 and best[n, k, p - 1] == best[n, k, p]:
                p -= 1
        else:
            n, p, length = n - 1, p - 1, length + 1
        is_new = _entered(best, runs, n, k, p, min_run) == least[n, k, p]


@compiled
def quote_runs(
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
    energy_kwh: FloatArray,
    power: FloatArray,
    min_run: IntArray,
    slots: IntArray,
    share: FloatArray,
    unserved: FloatArray,
    price: FloatArray,
    room: FloatArray,
    load: FloatArray,
    value: FloatArray,
    taken: IntArray,
    begins: IntArray,
    lengths: IntArray,
) -> float:
    """Let jobs low … high − 1 take their cheapest run at some prices, or stay unserved.

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
        energy_kwh: At the meter in a whole half-hour, per lane. [kWh]
        power: Per job. [kW]
        min_run: Per job. [half-hours]
        slots: Shape (jobs, chunks); see `run_in_chunks`.
        share: Shape (jobs, chunks).
        unserved: Per job. [GBP]
        price: Of one kW over one half-hour, by cell. [GBP]
        room: By cell. [kW]
        load: Takes the load, by cell. [kW]
        value: Takes what each job pays. [GBP]
        taken: Takes the lane each job runs on, −1 where it stays unserved.
        begins: Takes the first slot of each chunk, counted from the lane's first; shape (jobs, chunks).
        lengths: Takes their lengths, 0 for none; shape (jobs, chunks).

    Returns:
        What all these jobs pay together. [GBP]
    """
    total = 0.0
    most = slots.shape[1]
    begin, length = np.zeros(most, dtype=np.int64), np.zeros(most, dtype=np.int64)
    for j in range(low, high):
        value[j], taken[j] = unserved[j], -1
        lengths[j, :] = 0
        for lane in range(lane_ptr[j], lane_ptr[j + 1]):
            width = ptr[lane + 1] - ptr[lane]
            energy, held = np.empty(width), np.empty(width)
            is_open = np.empty(width, dtype=np.bool_)
            for p in range(width):
                c = cell[lane] + p
                energy[p] = worth[ptr[lane] + p] * energy_kwh[lane]
                held[p] = price[c] * power[j]
                is_open[p] = room[c] >= power[j] - ROOM_SLACK_KW
            cost, chunks = run_in_chunks(
                energy, held, is_open, first[lane], end[lane], arrived[lane], delay[lane],
                min_run[j], slots[j], share[j], begin, length,
            )  # fmt: skip
            if cost < value[j]:
                value[j], taken[j] = cost, lane
                lengths[j, :] = 0
                write(begin[:chunks], begins[j])
                write(length[:chunks], lengths[j])
        if taken[j] >= 0:
            for k in range(most):
                at = cell[taken[j]] + begins[j, k]
                for c in range(at, at + lengths[j, k]):
                    load[c] += power[j]
        total += value[j]
    return total
