"""Many jobs that bend in shape, laid out for compiled loops: what they pay and draw at some prices.

The sum of what they pay is a lower bound at any prices λ >= 0 (`prices.py` says why), also together with fleets of
windows: quotes add up. Mean caps are priced by multipliers that move a little after every quote; any of at least 0
keeps the bound valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from models.domain.job import Flexibility, Job
from models.domain.time import SLOT_HOURS
from models.optimise.caps import Caps
from models.optimise.chunked import shape_of
from models.optimise.envelope import highest_rate
from models.optimise.levels import Levels, levels_of, work_of
from models.optimise.pattern import Lane
from models.optimise.table import BoolArray, FloatArray, IntArray

FIRST_MOVE = 0.1
"""Share of a job's cost that the first move of its cap multipliers may shift."""

MOVES_FADE = 0.97
"""Factor on that share after every quote."""


@dataclass(frozen=True)
class Task:
    """One job with the half-hours open to it.

    Attributes:
        lanes: One per asset; their scarcity prices are not looked at.
        unserved_gbp: Penalty of leaving it unserved. [GBP]
    """

    job: Job
    lanes: tuple[Lane, ...]
    unserved_gbp: float


@dataclass
class PatternFleet:
    """Interruptible or elastic jobs (one kind) as arrays, and their answer to the last prices.

    Attributes:
        tasks: The jobs.
        horizon: Half-hours of each asset row.
        value_gbp: What each job pays, shape (jobs,). [GBP]
        taken: Lane each job runs on, −1 where it stays unserved, shape (jobs,).
    """

    tasks: tuple[Task, ...]
    horizon: int
    value_gbp: FloatArray = field(init=False)
    taken: IntArray = field(init=False)

    def __post_init__(self) -> None:
        """Lay the lanes out one after another."""
        lanes = [lane for task in self.tasks for lane in task.lanes]
        jobs = [task.job for task in self.tasks for _ in task.lanes]
        count = len(self.tasks)
        self.lane_ptr = _begins([len(task.lanes) for task in self.tasks])
        self.ptr = _begins([lane.slots for lane in lanes])
        self.cell = np.array(
            [lane.row * self.horizon + lane.first for lane in lanes], dtype=np.int64
        )
        self.first = np.array([lane.first for lane in lanes], dtype=np.int64)
        self.end = np.array([lane.end for lane in lanes])
        self.arrived = np.array([lane.arrived for lane in lanes])
        self.delay = np.array([lane.delay_gbp_per_hour * SLOT_HOURS for lane in lanes])
        self.pue = np.array([lane.pue for lane in lanes])
        self.worth = _joined([lane.worth_gbp_per_kwh for lane in lanes])
        self.power = np.array([task.job.power_kw for task in self.tasks])
        self.unserved = np.array([task.unserved_gbp for task in self.tasks])
        self.value_gbp, self.taken = np.zeros(count), np.full(count, -1, dtype=np.int64)
        self._caps = _CapPrices.of(jobs, lanes, self.lane_ptr)

    def quote(self, price_gbp: FloatArray, room_kw: FloatArray) -> tuple[float, FloatArray]:
        """Return what all jobs pay together and the load they take; a lower bound and its slope.

        Args:
            price_gbp: Of one kW over one half-hour, shape (assets, horizon), at least 0. [GBP]
            room_kw: Room of the empty plan; runs that do not fit into it are left out. Same shape. [kW]
        """
        load = np.zeros(price_gbp.size)
        worth = self.worth if self._caps is None else self.worth + self._caps.added(self.ptr)
        paid = self._answer(
            worth,
            np.ascontiguousarray(price_gbp).ravel(),
            np.ascontiguousarray(room_kw).ravel(),
            load,
        )
        if self._caps is not None:
            self._caps.move(self)
        return paid, load.reshape(price_gbp.shape)

    def _answer(
        self, worth: FloatArray, price: FloatArray, room: FloatArray, load: FloatArray
    ) -> float:
        raise NotImplementedError

    def energy_in(self, job: int) -> FloatArray:
        """Return the energy that a job's answer uses in each half-hour of the lane taken. [kWh]"""
        raise NotImplementedError

    def add_load(self, load: FloatArray, of: BoolArray, grain_kw: float) -> None:
        """Add what some jobs' answers draw to a load.

        Args:
            load: Per cell, added to. [kW]
            of: Which jobs, shape (jobs,).
            grain_kw: Powers are rounded to this, so that sums do not depend on their order. [kW]
        """
        raise NotImplementedError


class RunFleet(PatternFleet):
    """Interruptible jobs; deferrable ones of constant power are runs in at most one chunk."""

    def __post_init__(self) -> None:
        """Add what each run needs."""
        super().__post_init__()
        most = max((task.job.max_chunks for task in self.tasks), default=1)
        count = len(self.tasks)
        self.slots = np.zeros((count, most), dtype=np.int64)
        self.share = np.ones((count, most))
        for j, task in enumerate(self.tasks):
            shape = shape_of(task.job, max((lane.slots for lane in task.lanes), default=0))
            self.slots[j, : shape.chunks], self.share[j, : shape.chunks] = shape.slots, shape.share
        self.min_run = np.array([task.job.min_run_slots for task in self.tasks], dtype=np.int64)
        self.energy_kwh = np.repeat(self.power, np.diff(self.lane_ptr)) * SLOT_HOURS * self.pue
        self.begins = np.zeros((count, most), dtype=np.int64)
        self.lengths = np.zeros((count, most), dtype=np.int64)

    def _answer(
        self, worth: FloatArray, price: FloatArray, room: FloatArray, load: FloatArray
    ) -> float:
        return self.answer_of(0, len(self.tasks), worth, price, room, load)

    def answer_of(
        self,
        low: int,
        high: int,
        worth: FloatArray,
        price: FloatArray,
        room: FloatArray,
        load: FloatArray,
        unserved: FloatArray | None = None,
    ) -> float:
        """Let some jobs answer; see `run_kernels.quote_runs`. Penalties of their own may be given."""
        from models.optimise.run_kernels import quote_runs

        return float(
            quote_runs(
                low, high, self.lane_ptr, self.ptr, worth, self.cell, self.first, self.end,
                self.arrived, self.delay, self.energy_kwh, self.power, self.min_run, self.slots,
                self.share, self.unserved if unserved is None else unserved, price, room, load, self.value_gbp, self.taken,
                self.begins, self.lengths,
            )
        )  # fmt: skip

    def used(self, job: int) -> tuple[IntArray, FloatArray]:
        """Return the half-hours of a job's answer, counted from its lane's first, and their shares."""
        chunks = int((self.lengths[job] > 0).sum())
        spans = zip(self.begins[job, :chunks], self.lengths[job, :chunks], strict=True)
        offset = np.concatenate([np.arange(b, b + n) for b, n in spans]).astype(np.int64)
        share = np.ones(offset.size)
        share[-1] = self.share[job, chunks - 1]
        return offset, share

    def energy_in(self, job: int) -> FloatArray:
        """Return the energy that a job's answer uses in each half-hour of the lane taken. [kWh]"""
        lane = int(self.taken[job])
        energy = np.zeros(int(self.ptr[lane + 1] - self.ptr[lane]))
        offset, share = self.used(job)
        energy[offset] = share * self.energy_kwh[lane]
        return energy

    def add_load(self, load: FloatArray, of: BoolArray, grain_kw: float) -> None:
        """Add what some jobs' answers draw to a load; see `PatternFleet.add_load`."""
        jobs = np.flatnonzero(of & (self.taken >= 0))
        is_used = self.lengths[jobs] > 0
        begin = np.where(is_used, self.cell[self.taken[jobs]][:, None] + self.begins[jobs], 0)
        power = np.round(self.power[jobs] / grain_kw)[:, None] * grain_kw
        drawn = np.where(is_used, power, 0.0)
        steps = np.zeros(load.size + 1)
        np.add.at(steps, begin, drawn)
        np.subtract.at(steps, begin + self.lengths[jobs], drawn)
        load += np.cumsum(steps)[:-1]


class MixFleet(PatternFleet):
    """Elastic jobs, answering with mixes of their levels."""

    def __post_init__(self) -> None:
        """Add the pieces of every half-hour."""
        super().__post_init__()
        self.levels = [levels_of(task.job) for task in self.tasks]
        self.work = np.array([work_of(task.job) for task in self.tasks])
        parts = [
            _pieces(lane, levels)
            for task, levels in zip(self.tasks, self.levels, strict=True)
            for lane in task.lanes
        ]
        most = max((part[1].shape[2] for part in parts), default=1)
        self.rate = _joined([part[0] for part in parts])
        self.width = np.zeros((self.rate.size, 2, most))
        self.slope = np.zeros((self.rate.size, 2, most))
        for begin, (rate, width, slope) in zip(self.ptr, parts, strict=False):
            here = slice(int(begin), int(begin) + rate.size)
            self.width[here, :, : width.shape[2]] = width
            self.slope[here, :, : slope.shape[2]] = slope
        self.drawn = np.zeros(self.rate.size)
        offset = np.arange(self.rate.size) - np.repeat(self.ptr[:-1], np.diff(self.ptr))
        self.cells = np.repeat(self.cell, np.diff(self.ptr)) + offset

    def _answer(
        self, worth: FloatArray, price: FloatArray, room: FloatArray, load: FloatArray
    ) -> float:
        from models.optimise.mix_kernels import quote_mixes

        del room  # what fits is already in the pieces
        return float(
            quote_mixes(
                0, len(self.tasks), self.lane_ptr, self.ptr, worth, self.cell, self.first, self.end,
                self.arrived, self.delay, self.pue, self.work, self.rate, self.width, self.slope,
                self.unserved, price, load, self.value_gbp, self.taken, self.drawn,
            )
        )  # fmt: skip

    def energy_in(self, job: int) -> FloatArray:
        """Return the energy that a job's answer uses in each half-hour of the lane taken. [kWh]"""
        lane = int(self.taken[job])
        here = slice(int(self.ptr[lane]), int(self.ptr[lane + 1]))
        answer: FloatArray = self.drawn[here] * SLOT_HOURS * self.pue[lane]
        return answer

    def add_load(self, load: FloatArray, of: BoolArray, grain_kw: float) -> None:
        """Add what some jobs' answers draw to a load; see `PatternFleet.add_load`."""
        is_taken = np.zeros(self.ptr.size - 1, dtype=np.bool_)
        is_taken[self.taken[of & (self.taken >= 0)]] = True
        here = np.repeat(is_taken, np.diff(self.ptr))
        np.add.at(load, self.cells[here], np.round(self.drawn[here] / grain_kw) * grain_kw)


@dataclass
class _CapPrices:
    """Multipliers of the mean caps of a fleet, per lane.

    Attributes:
        capped: Jobs that have a cap.
        rates: Excess of each half-hour of the lanes over both caps, shape (2, half-hours). [kg/kWh], [GBP/kWh]
        multipliers: Shape (2, lanes). [GBP/kg], [GBP/GBP]
        move_share: How far the next move goes.
    """

    capped: IntArray
    rates: FloatArray
    multipliers: FloatArray
    move_share: float = FIRST_MOVE

    @classmethod
    def of(
        cls, jobs: Sequence[Job], lanes: Sequence[Lane], lane_ptr: IntArray
    ) -> _CapPrices | None:
        """Return multipliers of 0; None where no job has a cap that it can break."""
        parts = []
        has_cap = np.zeros(len(lanes), dtype=np.bool_)
        for n, (job, lane) in enumerate(zip(jobs, lanes, strict=True)):
            caps = Caps.of(job)
            # Where something is unknown a run may have an unknown mean, which breaks no cap.
            has_cap[n] = caps.any and not lane.has_unknown
            parts.append(caps.excess_rates(lane) if has_cap[n] else np.zeros((2, lane.slots)))
        if not has_cap.any():
            return None
        owner = np.repeat(np.arange(lane_ptr.size - 1), np.diff(lane_ptr))
        capped = np.unique(owner[has_cap])
        return cls(capped, np.concatenate(parts, axis=1), np.zeros((2, len(lanes))))

    def added(self, ptr: IntArray) -> FloatArray:
        """Return what the multipliers add to each half-hour's worth. [GBP/kWh]"""
        by_slot = np.repeat(self.multipliers, np.diff(ptr), axis=1)
        answer: FloatArray = (by_slot * self.rates).sum(axis=0)
        return answer

    def move(self, fleet: PatternFleet) -> None:
        """Raise the multipliers of caps that the last answer breaks, and lower those of others."""
        for job in self.capped:
            lane = int(fleet.taken[job])
            if lane < 0:
                continue
            here = slice(int(fleet.ptr[lane]), int(fleet.ptr[lane + 1]))
            energy = fleet.energy_in(int(job))
            excess = self.rates[:, here] @ energy
            scale = np.abs(self.rates[:, here]).max(axis=1) * energy.sum()
            cost = abs(float(fleet.worth[here] @ energy))
            step = self.move_share * cost / np.maximum(scale, 1e-12) ** 2
            moved = self.multipliers[:, lane] + np.where(scale > 0.0, step * excess, 0.0)
            self.multipliers[:, lane] = np.maximum(moved, 0.0)
        self.move_share *= MOVES_FADE


def in_one_piece(job: Job) -> Job:
    """Return a job that may not be interrupted as a run in at most one chunk; an interruptible one unchanged."""
    if job.flexibility is Flexibility.INTERRUPTIBLE:
        return job
    return replace(job, flexibility=Flexibility.INTERRUPTIBLE, max_chunks=1, min_run_slots=1)


def fleets_of(tasks: Sequence[Task], horizon: int) -> list[PatternFleet]:
    """Return tasks as one fleet per kind."""
    elastic = tuple(t for t in tasks if t.job.flexibility is Flexibility.ELASTIC)
    others = tuple(
        replace(t, job=in_one_piece(t.job))
        for t in tasks
        if t.job.flexibility is not Flexibility.ELASTIC
    )
    found: list[PatternFleet] = []
    if others:
        found.append(RunFleet(others, horizon))
    if elastic:
        found.append(MixFleet(elastic, horizon))
    return found


def _pieces(lane: Lane, levels: Levels) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the highest rate of each half-hour, and widths and slopes of its two envelopes, (half-hours, 2, pieces)."""
    rate = highest_rate(lane, levels)
    if levels.is_linear:
        width = np.repeat(rate[:, None, None], 2, axis=1)
        return rate, width, np.full_like(width, levels.full_kw)
    width, slope = levels.pieces
    allowed = levels.allowed(lane.room_kw)
    return rate, width[allowed], slope[allowed]


def _begins(sizes: Sequence[int]) -> IntArray:
    return np.concatenate([[0], np.cumsum(np.array(sizes, dtype=np.int64))]).astype(np.int64)


def _joined(parts: Sequence[FloatArray]) -> FloatArray:
    return np.concatenate([*parts, np.empty(0)])
