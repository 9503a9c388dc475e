"""A plan of runs in chunks with the room that it leaves; moves that a search over it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.optimise.pattern_fleet import RunFleet
from models.optimise.table import TOLERANCE_KW, FloatArray, IntArray

GAIN_GBP = 1e-9
"""Smallest gain for which a job moves. [GBP]"""


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        cells: Cells it holds, ascending.
        cost_gbp: What it adds to the objective. [GBP]
    """

    cells: IntArray
    cost_gbp: float


@dataclass
class RunPlan:
    """Runs of a fleet; every change keeps the room.

    Attributes:
        fleet: The jobs.
        room: Left, by cell. [kW]
        runs: Of each job, None where unserved.
    """

    fleet: RunFleet
    room: FloatArray

    def __post_init__(self) -> None:
        """Begin with nobody served."""
        from models.optimise.run_kernels import INFINITE

        count = len(self.fleet.tasks)
        self.runs: list[Run | None] = [None] * count
        self._never = np.full(count, INFINITE)
        self._scratch = np.zeros(self.room.size)

    @property
    def score(self) -> tuple[float, float]:
        """Return (penalties of unserved jobs, cost of the others): who has room is served. [GBP]"""
        unserved = sum(
            float(self.fleet.unserved[j]) for j, run in enumerate(self.runs) if run is None
        )
        return round(unserved, 9), sum(run.cost_gbp for run in self.runs if run is not None)

    def put(self, j: int, run: Run | None) -> None:
        """Give a job this run in place of the one it has."""
        before, power = self.runs[j], float(self.fleet.power[j])
        if before is not None:
            self.room[before.cells] += power
        self.runs[j] = run
        if run is not None:
            self.room[run.cells] -= power
            if self.room[run.cells].min() < -TOLERANCE_KW:
                raise AssertionError(f"job {j} does not fit where it was placed")

    def take(self, runs: Sequence[Run | None]) -> None:
        """Become another plan."""
        for j in range(len(runs)):
            self.put(j, None)
        for j, run in enumerate(runs):
            self.put(j, run)

    def moves(self, j: int, price: FloatArray) -> bool:
        """Let a job take its cheapest run in the room left without it, scarcity counted; return whether it moved."""
        before, power = self.runs[j], float(self.fleet.power[j])
        self.put(j, None)
        found = self._cheapest(j, price)
        if before is not None and (
            found is None or _paid(found, price, power) > _paid(before, price, power) - GAIN_GBP
        ):
            found = before
        self.put(j, found)
        return found is not before

    def run_over(self, j: int, cells: IntArray) -> Run:
        """Return a job's run over some cells of one of its lanes, ascending, with what it costs.

        Raises:
            ValueError: If no lane of the job has them all.
        """
        fleet = self.fleet
        for lane in range(int(fleet.lane_ptr[j]), int(fleet.lane_ptr[j + 1])):
            offset = cells - int(fleet.cell[lane])
            width = int(fleet.ptr[lane + 1] - fleet.ptr[lane])
            if offset[0] >= 0 and offset[-1] < width:
                break
        else:
            raise ValueError(f"job {j} has no lane with cells {cells[0]} to {cells[-1]}")
        share = np.ones(offset.size)
        share[-1] = fleet.share[j, int((np.diff(offset) > 1).sum())]
        energy_kwh = share * float(fleet.energy_kwh[lane])
        finish = float(fleet.first[lane]) + float(offset[-1]) + float(share[-1])
        late = max(0.0, finish - float(fleet.arrived[lane])) * float(fleet.delay[lane])
        return Run(cells, float(fleet.worth[int(fleet.ptr[lane]) + offset] @ energy_kwh) + late)

    def _cheapest(self, j: int, price: FloatArray) -> Run | None:
        fleet = self.fleet
        paid = fleet.answer_of(
            j, j + 1, fleet.worth, price, self.room, self._scratch, self._never
        )  # fmt: skip
        lane = int(fleet.taken[j])
        if lane < 0:
            return None
        cells: IntArray = fleet.cell[lane] + fleet.used(j)[0]
        return Run(cells, paid - float(fleet.power[j]) * float(price[cells].sum()))


def slack_order(fleet: RunFleet) -> IntArray:
    """Return jobs by the half-hours they can spare on their first lane, longer runs first among equals."""
    longest = fleet.slots.max(axis=1, initial=0)
    width = np.zeros(longest.size, dtype=np.int64)
    has_lane = np.diff(fleet.lane_ptr) > 0
    width[has_lane] = np.diff(fleet.ptr)[fleet.lane_ptr[:-1][has_lane]]
    return np.lexsort((np.arange(longest.size), -longest, width - longest)).astype(np.int64)


def _paid(run: Run, price: FloatArray, power_kw: float) -> float:
    return run.cost_gbp + power_kw * float(price[run.cells].sum())
