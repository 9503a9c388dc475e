"""What each agent is allowed to see, and what a negotiation is made of. Everything an agent may know arrives here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from uuid import UUID

from agents.policy import Policy
from models.domain.asset import Asset
from models.domain.job import Job
from models.domain.plan import Award, Certificate, Deferral, Refusal, Segment
from models.domain.signal import FloatArray, Quality, RegionSignals
from models.domain.time import Horizon
from models.optimise.assignment import Links, Options
from models.optimise.prices import PriceState
from models.optimise.table import PricedTable
from models.optimise.terms import Incumbent, Weights

from agents.messages import Message  # isort: skip


@dataclass(frozen=True)
class Held:
    """Work that already holds power and is not up for planning: frozen, running, or somebody's hold."""

    job_id: str
    asset_id: str
    first_slot: int
    power_kw: tuple[float, ...]
    end: datetime
    transfer_kwh: float = 0.0
    """Energy of moving its data to another region. [kWh]"""


@dataclass(frozen=True)
class Started:
    """Interruptible work that has begun: what has run or will for certain, and what may still move on its cluster.

    Attributes:
        job: The job, running.
        asset_id: Where it runs.
        fixed: Stretches of power that stay, at least one.
        rest: Those that may move, at least one.
        free_from: When the rest may begin at the earliest.
        latest_end: When it must have ended: its deadline, or its present end where others wait for it.
        transfer_kwh: Energy that moving its data took. [kWh]
    """

    job: Job
    asset_id: str
    fixed: tuple[Segment, ...]
    rest: tuple[Segment, ...]
    free_from: datetime
    latest_end: datetime
    transfer_kwh: float = 0.0


@dataclass(frozen=True)
class Situation:
    """The input of a negotiation: facts as of one instant, nothing fetched later.

    Attributes:
        negotiation_id: Names the negotiation; message ids derive from it.
        now: The planning clock.
        horizon: Half-hours of the table; may begin in the past so that baselines can be valued.
        jobs: Jobs to be placed (not held by a user, not frozen), any order.
        assets: Live assets of all owners.
        signals: Per region, over the horizon.
        held: Work that keeps its power.
        started: Those of `held` whose remaining part may move once everything else has its place.
        incumbents: Present awards of `jobs`, by job id.
        refused: Jobs refused before planning, with the reason.
        deferred: Jobs left out for now, with the reason.
        predecessor_ends: Job id → earliest start imposed by predecessors that are not in `jobs`.
        vat_factor: Price multiplier per half-hour, shape (slots,); None: prices ex VAT.
        spent_kg_by_day: Planned carbon of work outside `held` and of its half-hours before the horizon, by London day;
            read only where there is a carbon budget. [kg]
    """

    negotiation_id: UUID
    now: datetime
    horizon: Horizon
    jobs: tuple[Job, ...]
    assets: tuple[Asset, ...]
    signals: Mapping[str, RegionSignals]
    policy: Policy
    held: tuple[Held, ...] = ()
    started: tuple[Started, ...] = ()
    incumbents: Mapping[str, Incumbent] | None = None
    refused: tuple[Refusal, ...] = ()
    deferred: tuple[Deferral, ...] = ()
    predecessor_ends: Mapping[str, datetime] | None = None
    vat_factor: FloatArray | None = None
    spent_kg_by_day: Mapping[date, float] = field(default_factory=dict)


@dataclass(frozen=True)
class JobAgentView:
    """One tenant's jobs, and the priced table."""

    jobs: tuple[Job, ...]
    table: PricedTable
    weights: Weights
    incumbents: Mapping[str, Incumbent]
    releases: Mapping[str, datetime]
    deadlines: Mapping[str, datetime]
    has_budget: bool = False
    """The policy limits carbon by London day."""
    charges: Mapping[date, float] = field(default_factory=dict)
    """μ of London days that the table is charged with. [GBP/kg]"""


@dataclass(frozen=True)
class EnergyAgentView:
    """Assets, their signals and the power already held."""

    assets: tuple[Asset, ...]
    signals: Mapping[str, RegionSignals]
    horizon: Horizon
    first_open: int
    held_kw: Mapping[str, FloatArray]
    vat_factor: FloatArray | None


@dataclass(frozen=True)
class PolicyAgentView:
    """The operator's policy, where the price rounds stand, and, once a plan is proposed, what to check it against."""

    policy: Policy
    table: PricedTable
    prices: PriceState | None = None
    options: tuple[Options, ...] = ()
    links: Links | None = None
    choice: tuple[int, ...] = ()
    held_kw: Mapping[str, FloatArray] = field(default_factory=dict)
    """IT power that work outside the plan holds per asset, shape (slots,). [kW]"""
    carbon_charges: Mapping[date, float] = field(default_factory=dict)
    """μ of London days whose carbon budget is short. [GBP/kg]"""
    predecessor_ends: Mapping[str, datetime] = field(default_factory=dict)
    """Job id → earliest start imposed by predecessors outside the plan."""
    incumbents: Mapping[str, Incumbent] = field(default_factory=dict)
    """Awards held before the plan, by job id."""

    carbon_left_kg: Mapping[date, float] = field(default_factory=dict)
    """What work outside the plan leaves of each London day's carbon budget, with what counts as rounding; empty without one. [kg]"""

    @cached_property
    def planned(self) -> frozenset[str]:
        """Return the ids of the jobs of the plan."""
        return frozenset(mine.job.job_id for mine in self.options)


@dataclass(frozen=True)
class Outcome:
    """What a negotiation ended in."""

    negotiation_id: UUID
    awards: tuple[Award, ...]
    refusals: tuple[Refusal, ...]
    deferrals: tuple[Deferral, ...]
    certificate: Certificate
    messages: tuple[Message, ...]
    data_quality: Quality
    fleet_note: str = ""
    shadow_gbp_per_kwh: Mapping[str, FloatArray] = field(default_factory=dict)
    """Per asset id what scarce power is worth over the horizon, shape (slots,); only assets where it is above 0
    somewhere. [GBP/kWh of reserved IT power]"""
