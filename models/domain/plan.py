"""Plans: awards of half-hours on assets to jobs, their alternatives, and the certificate of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from models.domain.change import PlanComparison
from models.domain.signal import Quality


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of constant IT power."""

    start: datetime
    end: datetime
    power_kw: float


NEAR_KW = 1e-6
"""Powers this close are the same. [kW]"""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and when a job runs, and what that costs by the signals of its plan.

    Energy is at the meter (IT × PUE); cost and carbon are those of that energy and, in another region than the job's
    own, of moving its data there. None means unknown, never zero.
    """

    asset_id: str
    region: str
    start: datetime
    end: datetime
    segments: tuple[Segment, ...]
    energy_kwh: float
    carbon_kg: float | None
    """Estimated, average location-based. [kg]"""
    cost_gbp: float | None
    mean_carbon_g_per_kwh: float | None
    mean_price_gbp_per_kwh: float | None
    estimated_share: float
    """Share of the run's half-hours priced or weighed with an own estimate, 0 to 1."""
    data_quality: Quality
    delay_gbp: float = 0.0
    """Price of waiting against the run on arrival. [GBP]"""
    objective_gbp: float | None = None
    """cost + κ·carbon + delay, and the price of moving where it leaves an award (unknown parts left out). [GBP]"""
    transfer_kwh: float = 0.0
    """Energy of the network that moves the job's data to another region; not part of `energy_kwh`. [kWh]"""
    transfer_cost_gbp: float | None = 0.0
    """Part of `cost_gbp`: that energy at the run's mean price. [GBP]"""
    transfer_carbon_kg: float | None = 0.0
    """Part of `carbon_kg`: that energy at the run's mean carbon. [kg]"""

    def runs_like(self, other: Placement) -> bool:
        """Return whether another placement is the same run: cluster, stretches and power."""
        return (
            (self.asset_id, self.start, self.end) == (other.asset_id, other.start, other.end)
            and len(self.segments) == len(other.segments)
            and all(
                (mine.start, mine.end) == (theirs.start, theirs.end)
                and abs(mine.power_kw - theirs.power_kw) <= NEAR_KW
                for mine, theirs in zip(self.segments, other.segments, strict=True)
            )
        )


@dataclass(frozen=True, slots=True)
class Baseline:
    """Run on arrival, fixed when the job was accepted; `placement` is None where none fits."""

    placement: Placement | None
    reason: str | None = None
    """Why there is none, e.g. `no start on arrival meets the deadline`."""
    breaches: tuple[str, ...] = ()
    """Limits the arrival run breaks, e.g. `region`, `carbon_cap`, `max_price`."""


@dataclass(frozen=True, slots=True)
class Savings:
    """Baseline minus plan; positive is better than on arrival. None where either side is unknown."""

    carbon_kg: float | None
    carbon_percent: float | None
    cost_gbp: float | None
    cost_percent: float | None
    carbon_kg_range: tuple[float, float] | None = None
    cost_gbp_range: tuple[float, float] | None = None
    range_reason: str | None = "needs 14 days of archived forecasts"
    measured_against: str = "run on arrival"


@dataclass(frozen=True, slots=True)
class Blocked:
    """Better windows that were not available, grouped by the rule that closed them."""

    rule: str
    """`power | carbon_cap | max_price | transfer | predecessor | successor | carbon_budget`."""
    count: int
    best_start: datetime
    best_asset_id: str
    better_by_gbp: float
    """How much lower the objective of the best of them would have been; charges of carbon budgets are left out. [GBP]"""
    held_by: tuple[str, ...] = ()
    """Job ids that hold the power in the best blocked window (own jobs only)."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why this slot: the alternatives and what would change the answer."""

    runner_up: Placement | None
    """Best option that does not overlap the winner; None where there is none."""
    options_considered: int
    best_options: tuple[Placement, ...]
    """The best few feasible options, best first (the winner included)."""
    blocked: tuple[Blocked, ...]
    flip_carbon_gbp_per_tonne: float | None
    """Value of carbon at which the runner-up draws level, beside the charges of short carbon budgets; None where no
    value in 0–10,000 £/t does."""
    flip_direction: str | None
    """`below` or `above`: on which side of that value the runner-up wins."""
    options_digest: str
    """SHA-256 over all options, to bind those not written out."""
    latest_start: datetime | None = None
    waits_only_if_pays: bool = False
    """True where the job runs on arrival because waiting saved less than its threshold."""


@dataclass(frozen=True, slots=True)
class Award:
    """The slots a job was given, and why."""

    job_id: str
    placement: Placement
    baseline: Baseline
    savings: Savings
    explanation: Explanation
    why: str
    is_frozen: bool = False
    churn_gbp: float = 0.0
    provisional: bool = False
    """True where no signal was known and the last start that meets the deadline was taken."""
    held_until: datetime | None = None
    """An overrunning run keeps its last power until here; None: it ends as planned."""

    @property
    def held_segments(self) -> tuple[Segment, ...]:
        """Return the stretches of power it holds: those planned, and the last one longer where it overruns."""
        planned = self.placement.segments
        if self.held_until is None or not planned or self.held_until <= planned[-1].end:
            return planned
        return (*planned, Segment(planned[-1].end, self.held_until, planned[-1].power_kw))


@dataclass(frozen=True, slots=True)
class Relaxation:
    """One change of one field of the job that was checked, by planning, to make it fit."""

    field: str
    value: Any
    start: datetime
    """Where the job would run with it."""
    asset_id: str
    cost_gbp: float | None
    carbon_kg: float | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A job the plan does not serve: the rule, its number, and what was checked to help."""

    job_id: str
    rule: str
    """`power | carbon_cap | max_price | deadline | predecessor | flexibility | asset | internal | …`."""
    detail: str
    smallest_relaxation: Relaxation | None
    relaxations: tuple[Relaxation, ...] = ()
    """All checked relaxations, smallest first."""
    options_considered: int = 0
    tried: tuple[str, ...] = ()
    """What was tried, in words."""


@dataclass(frozen=True, slots=True)
class Deferral:
    """A job left out of this plan for now, without being refused."""

    job_id: str
    reason: str
    earliest: datetime | None


class PlanMethod(StrEnum):
    """How an award was found."""

    EXACT = "exact"
    PRICED = "priced"
    GREEDY = "greedy"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is proven about a plan.

    `gap_percent` is gap / max(|objective|, £0.01); None when anything is unserved, then
    `gap_served_percent` gives the gap of the served set.
    """

    objective_gbp: float
    lower_bound_gbp: float
    gap_gbp: float
    gap_percent: float | None
    gap_served_percent: float | None
    served_gbp: float
    unserved_gbp: float
    rounds: int
    seconds: float
    method: PlanMethod
    heuristic: bool = False
    delay_gbp: float = 0.0
    churn_gbp: float = 0.0
    notes: tuple[str, ...] = ()
    carbon_gbp_per_tonne_by_day: tuple[tuple[date, float], ...] = ()
    """μ of each London day with a carbon budget, above the value of carbon: what a tonne of it is worth. [GBP/t]"""
    carbon_budget_kg_by_day: tuple[tuple[date, float], ...] = ()
    """Budget of each London day. [kg]"""
    carbon_kg_by_day: tuple[tuple[date, float], ...] = ()
    """What the plan emits on each such day, with frozen work and work already run. [kg]"""


class NegotiationStatus(StrEnum):
    """Where a negotiation stands."""

    RUNNING = "running"
    COMMITTED = "committed"
    ABANDONED = "abandoned"
    """Its process died or lost the plan lock; nothing of it was written."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NegotiationSummary:
    """One negotiation as listed."""

    negotiation_id: str
    status: NegotiationStatus
    trigger: str
    """Why it began: `submit | schedule | schedule_all | new_forecast | new_prices | asset_changed | control | cancel |
    completed | failed | did_not_run | worker | executor`."""
    started_at: datetime
    finished_at: datetime | None
    scheduled: int
    refused: int
    deferred: int
    moved: int
    data_quality: Quality
    certificate: Certificate | None
    error: str | None = None
    comparison: PlanComparison | None = None
    """Against the plan before; None where no plan was committed or none was kept to compare with."""
