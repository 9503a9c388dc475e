"""Words of the planner: what closes an option, what the objective weighs, what a job holds now."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from models.domain.job import DELAY_FACTOR, Job
from models.domain.plan import Segment

NONE_FITS = -1
"""Answer of `best_in` where nothing fits."""


class Closed(IntEnum):
    """Why an option cannot be taken, whatever others do."""

    OPEN = 0
    CARBON_CAP = 1
    MAX_PRICE = 2
    POWER = 3
    """More power than the asset has, by its limits, even without other jobs."""
    TRANSFER = 4
    """Its data cannot be there yet."""

    @property
    def rule(self) -> str:
        """Return the rule's name in refusals and explanations."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Hold:
    """The power a placed run holds.

    Attributes:
        row: Asset row.
        at: Slots, as a stretch or one by one.
        power_kw: In each of them. [kW]
        start: First slot.
        stop: Slot after the last one; a successor may start there.
    """

    row: int
    at: slice | NDArray[np.int64]
    power_kw: NDArray[np.float64]
    start: int
    stop: int

    def takes(self, row: int, slots: NDArray[np.int64]) -> bool:
        """Return whether any of some slots of an asset is held."""
        if row != self.row:
            return False
        if isinstance(self.at, slice):
            return bool(((slots >= self.at.start) & (slots < self.at.stop)).any())
        return bool(np.isin(slots, self.at).any())

    @property
    def slots(self) -> NDArray[np.int64]:
        """Return the slots held, one by one."""
        if isinstance(self.at, slice):
            return np.arange(self.at.start, self.at.stop, dtype=np.int64)
        return self.at


@dataclass(frozen=True, slots=True)
class Weights:
    """What the objective weighs, as numbers."""

    kappa_gbp_per_kg: float
    delay_gbp_per_kwh_hour: float
    min_saving_percent: float
    unserved_gbp_per_kwh: float
    churn_gbp_per_kwh: float
    transfer_kwh_per_gb: float = 0.0
    """Energy of the network that moves a job's data to another region. [kWh/GB]"""
    transfer_gbit_per_s: float = float("inf")
    """How fast it moves them. [Gbit/s]"""


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The award a job holds now: where, from which slot, and in which stretches of power."""

    asset_id: str
    start: int
    segments: tuple[Segment, ...] = ()


def delay_rate_gbp_per_hour(job: Job, energy_kwh: float, weights: Weights) -> float:
    """Return the price of one hour of waiting. [GBP/h]"""
    return weights.delay_gbp_per_kwh_hour * energy_kwh * DELAY_FACTOR[job.priority]
