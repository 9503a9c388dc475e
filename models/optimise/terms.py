"""Words of the planner: what closes an option, what the objective weighs, what a job holds now."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from models.domain.job import DELAY_FACTOR, Job


class Closed(IntEnum):
    """Why an option cannot be taken, whatever others do."""

    OPEN = 0
    CARBON_CAP = 1
    MAX_PRICE = 2
    POWER = 3
    """More power than the asset has left even without the jobs of this negotiation."""

    @property
    def rule(self) -> str:
        """Return the rule's name in refusals and explanations."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Weights:
    """What the objective weighs, as numbers."""

    kappa_gbp_per_kg: float
    delay_gbp_per_kwh_hour: float
    min_saving_percent: float
    unserved_gbp_per_kwh: float
    churn_gbp_per_kwh: float


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The award a job holds now, in slot terms."""

    asset_id: str
    start: int


def delay_rate_gbp_per_hour(job: Job, energy_kwh: float, weights: Weights) -> float:
    """Return the price of one hour of waiting. [GBP/h]"""
    return weights.delay_gbp_per_kwh_hour * energy_kwh * DELAY_FACTOR[job.priority]
