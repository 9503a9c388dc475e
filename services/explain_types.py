"""What explanations are made of: windows with their costs and what closes them, and answers to "why not then?"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from models.domain.plan import Placement
from models.domain.signal import FloatArray
from models.domain.time import SLOT


@dataclass(frozen=True)
class Shadow:
    """What scarce power costs a run in one window, by the prices of the plan in force. IT power as reserved."""

    mean_gbp_per_kwh: float
    """Weighted by the power the run would reserve. [GBP/kWh]"""
    highest_gbp_per_kwh: float
    run_gbp: float
    """What the whole run would pay. [GBP]"""


@dataclass(frozen=True)
class Candidate:
    """One possible window of one job on one asset, as explained or offered for pinning."""

    placement: Placement
    feasible: bool
    rule: str | None
    """Why not, where not feasible: `power | carbon_cap | max_price | transfer | predecessor | successor`."""
    extra_gbp: float | None
    """Objective above the present award's, moving there included (negative: better). [GBP]"""
    held_by: tuple[str, ...] = ()
    """Own jobs that hold power in its full half-hours, most power first; at most `HOLDERS_NAMED`."""
    held_by_own_jobs: int = 0
    """How many own jobs there are, named or not."""
    held_by_others: int = 0
    """How many jobs of other owners hold power there; they are never named."""
    shadow: Shadow | None = None
    """None where no plan is in force."""


@dataclass(frozen=True)
class Scarcity:
    """The shadow prices of the plan in force: what a kWh of reserved IT power is worth in its full half-hours."""

    negotiation_id: str | None = None
    planned_at: datetime | None = None
    prices: Mapping[str, tuple[datetime, FloatArray]] = field(default_factory=dict)
    """Per asset: start of the first half-hour, and GBP/kWh from there on; other half-hours are at 0."""
    note: str = "No plan is in force."

    def price_gbp_per_kwh(self, asset_id: str, start: datetime) -> float:
        """Return the price of one half-hour; 0 where power is not scarce. [GBP/kWh]"""
        found = self.prices.get(asset_id)
        if found is None:
            return 0.0
        index = (start - found[0]) // SLOT
        return float(found[1][index]) if 0 <= index < found[1].size else 0.0


class WindowOrder(StrEnum):
    """How windows are listed; ties by start, then asset id."""

    OBJECTIVE = "objective"
    """By the policy's weights, best first."""
    COST = "cost"
    CARBON = "carbon"
    START = "start"


@dataclass(frozen=True)
class WindowQuery:
    """Which windows of a job are wanted."""

    sort: WindowOrder = WindowOrder.OBJECTIVE
    region: str | None = None
    asset_id: str | None = None
    cursor: str | None = None
    limit: int = 100


@dataclass(frozen=True)
class WindowPage:
    """One page of a job's windows."""

    items: tuple[Candidate, ...]
    total: int
    """Windows that match, on all pages."""
    open_windows: int
    """Of those, how many can be taken."""
    next_cursor: str | None


@dataclass(frozen=True)
class Difference:
    """A window against the one the job has; positive is more."""

    objective_gbp: float | None
    cost_gbp: float | None
    carbon_kg: float | None
    carbon_gbp: float | None
    """The carbon at the policy's value. [GBP]"""
    delay_gbp: float | None
    moving_gbp: float = 0.0
    """What leaving the present award counts; part of the objective. [GBP]"""


@dataclass(frozen=True)
class WhyNot:
    """Why a job does not run at an instant somebody named."""

    asked_start: datetime
    start: datetime
    """The half-hour that was looked at: `asked_start`, or the next one where runs can start."""
    asset_id: str
    verdict: str
    """`chosen | dearer | moving | same | better | free | carbon_budget | power | carbon_cap | max_price | transfer | late |
    early | past | predecessor | successor | held | fixed | region | asset_type | asset | no_run | status | unknown`."""
    sentence: str
    candidate: Candidate | None = None
    """The window with its costs; None where there is none."""
    against: Difference | None = None
    """Against the present award; None without one."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """The figures of the sentence, by name with unit."""


@dataclass(frozen=True)
class CheckedRelaxation:
    """A change that a refusal offers, planned again now."""

    field: str
    value: object
    placement: Placement | None
    """Where the job would run with it now; None: the room it needed has been taken since."""


@dataclass(frozen=True)
class Account:
    """Everything asked of an explanation beyond the job itself."""

    asked_at: datetime
    scarcity: Scarcity
    windows: WindowPage | None
    """None for a job that has started or ended: its record tells what was considered then."""
    why_not: WhyNot | None
    relaxations: tuple[CheckedRelaxation, ...]
