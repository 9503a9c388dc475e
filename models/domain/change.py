"""What is different between one plan and the one before it, and what made it so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class ChangeKind(StrEnum):
    """What became of a job between two plans."""

    MOVED = "moved"
    """Another start or another cluster."""
    ALTERED = "altered"
    """The same start and cluster, other chunks or other power."""
    PLANNED = "planned"
    """A first window."""
    SERVED = "served"
    """A window after a refusal or after it was left out."""
    REFUSED = "refused"
    DEFERRED = "deferred"
    """Left out for now, such as a held job."""
    STARTED = "started"
    ENDED = "ended"
    """Completed, failed, cancelled, unconfirmed, or refused for good."""


@dataclass(frozen=True, slots=True)
class Window:
    """Where and when a job runs, from its first to its last minute."""

    asset_id: str
    region: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Worth:
    """What one window costs on one set of signals, at the meter; None means unknown."""

    cost_gbp: float | None
    carbon_kg: float | None
    delay_gbp: float
    objective_gbp: float | None
    """cost + κ·carbon + delay at the weights of the new plan. [GBP]"""
    mean_carbon_g_per_kwh: float | None
    mean_price_gbp_per_kwh: float | None


@dataclass(frozen=True, slots=True)
class MoveValues:
    """The numbers behind a move: both windows, on the signals of the old plan and of the new one."""

    old_then: Worth
    """The old window as the old plan valued it."""
    old_now: Worth
    """The old window on the new signals."""
    new_then: Worth
    """The new window on the old signals, as far as the old plan kept them."""
    new_now: Worth
    """The new window as the new plan values it."""
    gain_gbp: float | None
    """How much better moving is than staying, on the new signals; negative: it is worse. [GBP]"""
    churn_gbp: float
    """What moving itself counted, on top. [GBP]"""


@dataclass(frozen=True, slots=True)
class PlanChange:
    """One job whose answer differs from the plan before."""

    negotiation_id: str
    position: int
    """Place in the list of this plan, from 0."""
    decided_at: datetime
    job_id: str
    job_name: str
    owner: str
    kind: ChangeKind
    cause: str
    """Why, as a word: `carbon | price | prices_published | freed | room | pinned | …`."""
    text: str
    """Why, in a sentence without its full stop."""
    before: Window | None = None
    after: Window | None = None
    values: MoveValues | None = None
    room_for: tuple[str, ...] = ()
    """Jobs of the same owner that hold the power of the old window now."""
    room_for_others: int = 0
    """How many jobs of other owners do."""


@dataclass(frozen=True, slots=True)
class PlanSums:
    """Sums over the jobs of a plan that hold a window, or differences of such sums."""

    jobs: int = 0
    cost_gbp: float = 0.0
    carbon_kg: float = 0.0
    delay_gbp: float = 0.0
    churn_gbp: float = 0.0


@dataclass(frozen=True, slots=True)
class SignalShift:
    """How the signals of one region differ from those of the plan before, over the half-hours both know."""

    region: str
    carbon_slots: int
    carbon_mean_change_g_per_kwh: float | None
    carbon_largest_change_g_per_kwh: float | None
    """The change of greatest size, with its sign."""
    price_slots: int
    price_mean_change_gbp_per_kwh: float | None
    price_largest_change_gbp_per_kwh: float | None


@dataclass(frozen=True, slots=True)
class PlanComparison:
    """A plan against the one before, summed over every owner's jobs.

    `before + by_forecast + by_plan + by_work = after`, over the jobs whose figures are known on both sides.
    """

    previous_id: str | None
    """None: there was no plan before."""
    previous_at: datetime | None
    cause: str
    """What began the plan and how the signals differ, in a sentence without its full stop."""
    before: PlanSums
    by_forecast: PlanSums
    """The same windows on other signals."""
    by_plan: PlanSums
    """Other windows on the same signals."""
    by_work: PlanSums
    """Jobs that came into the plan or left it."""
    after: PlanSums
    unknown_jobs: int = 0
    """Jobs left out of the sums because a figure of theirs is unknown on either side."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Changed jobs by kind, every owner's."""
    shifts: tuple[SignalShift, ...] = ()


@dataclass(frozen=True, slots=True)
class MovesNews:
    """The last plan that moved any of somebody's jobs."""

    negotiation_id: str
    at: datetime
    jobs: int
    cause: str
