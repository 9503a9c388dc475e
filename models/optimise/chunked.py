"""Runs in chunks: how many half-hours they need, and the cheapest ones by an exact dynamic programme.

The state is (half-hours used, last half-hour used, chunks); a chunk enters with its whole minimum run at once, so run
lengths need no state of their own. Half-hours of many lanes are swept together; the only loop is over half-hours used.

Places: place 0 stands for "before the lane, with a break since", place 1 for "in the half-hour before the lane", and
place p for the lane's half-hour p − 2. A fresh run begins at place 0 with nothing used.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from models.domain.job import Job
from models.domain.time import SLOT, slots_needed
from models.optimise.table import FloatArray, IntArray

LEAD = 2
"""Places before a lane's first half-hour."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What an interruptible run has done before the lane begins; all its minimum runs are complete.

    Attributes:
        slots: Half-hours used.
        chunks: Chunks used.
        is_running: True where the half-hour before the lane is one of them, so that going on costs no checkpoint.
    """

    slots: int = 0
    chunks: int = 0
    is_running: bool = False


NOT_BEGUN = Begun()


@dataclass(frozen=True)
class RunShape:
    """What a run in 1 … n chunks needs; entry k − 1 of the arrays is for k chunks.

    Attributes:
        min_run: Shortest chunk. [half-hours]
        slots: Half-hours the whole run needs; 0 where that number of chunks is impossible.
        share: Part of the last half-hour that is used, 0 to 1.
    """

    min_run: int
    slots: IntArray
    share: FloatArray

    @property
    def chunks(self) -> int:
        """Return the most chunks that are possible."""
        return int(self.slots.size)

    @property
    def longest(self) -> int:
        """Return the most half-hours any number of chunks needs."""
        return int(self.slots.max(initial=0))

    @property
    def key(self) -> tuple[int, tuple[int, ...]]:
        """Return what two jobs must share to be swept together."""
        return self.min_run, tuple(int(n) for n in self.slots)


def shape_of(job: Job, width: int, begun: Begun = NOT_BEGUN) -> RunShape:
    """Return what a job needs by number of chunks, as far as it fits.

    A restart adds `checkpoint_minutes` of run time, so k chunks need ⌈(duration + (k−1)·checkpoint)/30 min⌉ half-hours.

    Args:
        job: An interruptible job.
        width: Half-hours that can be used at most (those already used not counted).
        begun: What it has already done.
    """
    checkpoint = timedelta(minutes=job.checkpoint_minutes)
    slots, share = [], []
    for k in range(1, job.max_chunks + 1):
        total = job.duration + (k - 1) * checkpoint
        needed = slots_needed(total)
        fits = max(k * job.min_run_slots, begun.slots + 1) <= needed <= begun.slots + width
        slots.append(needed if fits and k >= begun.chunks else 0)
        share.append((total - (needed - 1) * SLOT) / SLOT)
    while slots and not slots[-1]:
        slots.pop()
        share.pop()
    return RunShape(job.min_run_slots, np.array(slots, dtype=np.int64), np.array(share))


def with_lead(values: FloatArray, fill: float) -> FloatArray:
    """Return values with the places before the lane put in front, along the last axis."""
    lead = np.full((*values.shape[:-1], LEAD), fill)
    answer: FloatArray = np.concatenate([lead, values], axis=-1)
    return answer


def run_sums(values: FloatArray, length: int) -> FloatArray:
    """Return the sum over the `length` places that end at each place; infinite where one of them is closed.

    Args:
        values: Infinite where closed, any shape; the last axis is time.
        length: At least 0.
    """
    is_closed = np.isinf(values)
    total = np.cumsum(np.where(is_closed, 0.0, values), axis=-1)
    shut = np.cumsum(is_closed, axis=-1)
    sums, closed = total.copy(), shut.copy()
    kept = max(values.shape[-1] - length, 0)
    sums[..., length:] -= total[..., :kept]
    closed[..., length:] -= shut[..., :kept]
    sums[closed > 0] = np.inf
    sums[..., : max(length - 1, 0)] = np.inf
    return sums


@dataclass(frozen=True)
class Sweep:
    """The least cost of every way a run can have gone so far.

    Attributes:
        shape: What the run needs.
        begun_slots: Half-hours used before the lanes begin: entry 0 of the tables.
        full: Cost of each place if wholly used, infinite where closed; shape (lanes, places).
        last: Cost of each place as the last one of k chunks; shape (chunks, lanes, places).
        runs: `run_sums` of `full` over a minimum run; same shape.
        heads: The same without its last place, by that last place.
        least: Least cost of having used n half-hours in k chunks, the last at p; shape (used, chunks + 1, lanes, places).
        best: The same with the last at p or before.
        finals: Least cost of a whole run in k chunks that ends at p; shape (lanes, places, chunks).
    """

    shape: RunShape
    begun_slots: int
    full: FloatArray
    last: FloatArray
    runs: FloatArray
    heads: FloatArray
    least: FloatArray
    best: FloatArray
    finals: FloatArray

    def lane_minima(self) -> FloatArray:
        """Return the least cost of a whole run on each lane, infinite where there is none; shape (lanes,)."""
        answer: FloatArray = self.finals.min(axis=(1, 2), initial=np.inf)
        return answer

    def cheapest(self, lane: int) -> tuple[IntArray, int] | None:
        """Return the half-hours of the cheapest run on a lane, from its first, and its chunks; None where none fits.

        Of equally cheap runs the one that ends first is taken, then the one of fewest chunks.
        """
        finals = self.finals[lane]
        if not finals.size:
            return None
        place, k = np.unravel_index(int(finals.argmin()), finals.shape)
        if np.isinf(finals[place, k]):
            return None
        return self._trace(lane, int(place), int(k) + 1), int(k) + 1

    def _trace(self, lane: int, place: int, chunks: int) -> IntArray:
        """Walk back from a last place; each step repeats the sums that were compared on the way there."""
        m = self.shape.min_run
        used = int(self.shape.slots[chunks - 1])
        found: list[int] = []
        on = self._before(used - 1, lane, place - 1, chunks)
        fresh = self._before_chunk(used - m, lane, place - m - 1, chunks - 1)
        is_jump = bool(fresh + self.heads[lane, place] < on)
        while True:
            if is_jump:
                found.extend(range(place, place - m, -1))
                used, chunks = used - m, chunks - 1
                upto = self.least[used - self.begun_slots, chunks, lane, : place - m]
                place = int(upto.argmin())
            else:
                found.append(place)
                used, place = used - 1, place - 1
            if used == self.begun_slots:
                return np.array(found[::-1], dtype=np.int64) - LEAD
            here = self.least[used - self.begun_slots, chunks, lane, place]
            on = self._before(used - 1, lane, place - 1, chunks)
            is_jump = bool(on + self.full[lane, place] != here)

    def _before(self, used: int, lane: int, place: int, chunks: int) -> float:
        n = used - self.begun_slots
        return float(self.least[n, chunks, lane, place]) if n >= 0 and place >= 0 else np.inf

    def _before_chunk(self, used: int, lane: int, place: int, chunks: int) -> float:
        n = used - self.begun_slots
        return float(self.best[n, chunks, lane, place]) if n >= 0 and place >= 0 else np.inf


def sweep(full: FloatArray, last: FloatArray, shape: RunShape, begun: Begun = NOT_BEGUN) -> Sweep:
    """Price every way a run can go on some lanes.

    Args:
        full: Cost of each half-hour if wholly used; infinite where closed. Shape (lanes, half-hours).
        last: Cost of each half-hour as the last one of a run in k chunks. Shape (chunks, lanes, half-hours).
        shape: What the run needs; lanes may belong to different jobs of one shape.
        begun: What is already done.
    """
    full, last = with_lead(full, np.inf), with_lead(last, np.inf)
    lanes, places = full.shape
    m, u0 = shape.min_run, begun.slots
    used = max(shape.longest - u0, 1)
    runs = run_sums(full, m)
    heads = np.full_like(full, np.inf)
    heads[:, 1:] = run_sums(full, m - 1)[:, :-1] if m > 1 else 0.0
    least = np.full((used, shape.chunks + 1, lanes, places), np.inf)
    best = np.full_like(least, np.inf)
    c0 = begun.chunks
    if shape.chunks >= c0:
        least[0, c0, :, int(begun.is_running)] = 0.0
        np.minimum.accumulate(least[0, c0], axis=-1, out=best[0, c0])
    for n in range(1, used):
        reached = slice(c0, min(c0 + n // m, shape.chunks) + 1)
        here = least[n, reached]
        np.add(least[n - 1, reached, :, :-1], full[:, 1:], out=here[..., 1:])
        if n >= m and places > m + 1 and reached.stop > c0 + 1:
            entered = best[n - m, c0 : reached.stop - 1, :, : -(m + 1)] + runs[:, m + 1 :]
            np.minimum(here[1:, :, m + 1 :], entered, out=here[1:, :, m + 1 :])
        if n + m <= used:
            np.minimum.accumulate(here, axis=-1, out=best[n, reached])
    finals = _finals(least, best, last, heads, shape, u0)
    return Sweep(shape, u0, full, last, runs, heads, least, best, finals)


def _finals(
    least: FloatArray,
    best: FloatArray,
    last: FloatArray,
    heads: FloatArray,
    shape: RunShape,
    u0: int,
) -> FloatArray:
    """Return the least cost of whole runs by lane, last place and chunks."""
    lanes, places = heads.shape
    finals = np.full((lanes, places, shape.chunks), np.inf)
    m = shape.min_run
    for k in range(1, shape.chunks + 1):
        n = int(shape.slots[k - 1]) - u0
        if n < 1:
            continue
        here = np.full((lanes, places), np.inf)
        here[:, 1:] = least[n - 1, k, :, :-1]
        if n >= m and places > m + 1:
            fresh = best[n - m, k - 1, :, : -(m + 1)] + heads[:, m + 1 :]
            np.minimum(here[:, m + 1 :], fresh, out=here[:, m + 1 :])
        finals[:, :, k - 1] = here + last[k - 1]
    return finals
