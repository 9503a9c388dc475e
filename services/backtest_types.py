"""Words of the back-test: how forecasts were known, who plans, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from agents.policy import Policy
from models.domain.asset import Asset
from models.domain.job import Job
from models.domain.time import Horizon


class Forecast(StrEnum):
    """What a planner is shown of half-hours that have not ended."""

    AS_ISSUED = "as_issued"
    """The forecasts as they were issued; own estimates where none was archived."""
    COMPUTED = "computed"
    """Own estimates from data up to the instant: mean of the same London half-hour over 28 days."""
    LAST_KEPT = "last_kept"
    """The last forecast the archive kept, as if known 48 h ahead. Optimistic, leaks."""
    PERFECT = "perfect"
    """What really came. Only for the share of what could have been saved."""


FORECAST_LABELS: Mapping[Forecast, str] = {
    Forecast.AS_ISSUED: "forecasts as issued; own estimates where none is archived",
    Forecast.COMPUTED: "own estimates from data up to each instant",
    Forecast.LAST_KEPT: "last kept forecast: optimistic, leaks",
    Forecast.PERFECT: "perfect knowledge: nobody has it",
}
"""How a result must be labelled."""


class Planner(StrEnum):
    """Who decides when jobs run."""

    ON_ARRIVAL = "on_arrival"
    """Every job at its first half-hour, whatever the others do; power may be exceeded."""
    FIRST_COME = "first_come"
    """First come, first served within the same capacity."""
    HALFHOUR = "halfhour"
    """Our negotiation, again at every half-hour, with frozen work and the cost of moving."""
    FREE = "free"
    """The same without the cost of moving and without freezing."""
    CLAIRVOYANT = "clairvoyant"
    """One plan of all jobs for cost + κ·carbon alone, with every job and every value known from the start."""


@dataclass(frozen=True)
class Setup:
    """What is replayed."""

    period: Horizon
    """Half-hours in which jobs arrive."""
    assets: tuple[Asset, ...]
    jobs: tuple[Job, ...]
    policy: Policy
    forecast: Forecast
    freeze: timedelta = timedelta(minutes=5)
    """How long before its start an award stops moving."""

    @property
    def whole(self) -> Horizon:
        """Return the half-hours in which jobs may run: the period, and after it until the last deadline."""
        last = max((job.latest_finish for job in self.jobs), default=self.period.end)
        end = max(last, self.period.end)
        slots = -((self.period.start - end) // (self.period.start_of(1) - self.period.start))
        return Horizon(self.period.start, slots)


@dataclass(frozen=True)
class Start:
    """Where and when a job ran."""

    asset_id: str
    start: datetime


@dataclass(frozen=True)
class Run:
    """What one planner did."""

    starts: Mapping[str, Start]
    """By job id; jobs that got nothing are missing."""
    moves: Mapping[str, int] = field(default_factory=dict)
    """How often an award was changed before its start, by job id; only of re-planning."""
    negotiations: int = 0
    frozen_moves: int = 0
    """Moves of awards that were to start within the setup's freeze: none, unless freezing is switched off."""


@dataclass(frozen=True)
class Score:
    """One planner's result. Sums and savings are over the jobs that every planner served and that can be valued."""

    planner: str
    served: int
    unserved: int
    late: int
    """Jobs that ended after their deadline."""
    compared_jobs: int
    energy_kwh: float
    carbon_kg: float | None
    cost_gbp: float | None
    objective_gbp: float
    """Cost + κ·carbon, known parts; without the price of waiting."""
    carbon_saving_percent: float | None
    """Against run on arrival."""
    cost_saving_percent: float | None
    objective_saving_percent: float | None
    carbon_saving_percent_of_first_come: float | None
    """Against first come, first served within the same capacity."""
    cost_saving_percent_of_first_come: float | None
    share_of_clairvoyant_percent: float | None
    """Its saving of cost + κ·carbon against run on arrival, of the clairvoyant one's."""
    share_of_free_percent: float | None
    """The same saving, of the one that re-planning without freeze and cost of moving reaches."""
    peak_kw: float
    """Highest IT power of all assets together."""
    over_limit_half_hours: int
    """Half-hours in which an asset's limit was exceeded (only run on arrival can)."""
    moves_per_job: float
    most_moves: int
    frozen_moves: int
    """Moves of awards that were to start within the freeze."""
    waited: int
    """Compared jobs that started after their arrival."""
    dirtier: int
    """Of those, jobs that emitted more than on arrival."""
    dirtier_percent_of_waited: float | None
    worse: int
    """Of those that waited, jobs whose cost + κ·carbon came out above that on arrival."""
    worse_percent_of_waited: float | None
    worse_percent_of_gain: float | None
    """What these lost, of what the others that waited gained. [%]"""
    median_wait_hours: float | None
    negotiations: int
    seconds: float
