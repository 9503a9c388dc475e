"""Words of the market: windows on offer, contracts over them, what was promised and what was delivered.

Power and energy are at the meter (IT × PUE). No dialect of any protocol appears here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from models.domain.errors import Conflict
from models.domain.signal import Quality
from models.domain.time import SLOT, SLOT_HOURS

P415_REASON = "not computed: the wholesale sale of deviation volume through a virtual trading party (BSC P415) is not valued yet"
"""Why the field for that value is null."""

WATERMARK = "simulated grid data: for demonstration on this machine only, not an offer"
"""Stands on everything that is made from simulated signals."""


class WindowKind(StrEnum):
    """What is sold."""

    COMPUTE = "compute_window"
    """Room on a cluster for work, with the carbon and price of its half-hours."""
    TURN_DOWN = "turn_down"
    """Planned load that re-planning can take away."""
    TURN_UP = "turn_up"
    """Planned load that re-planning can bring here."""


class Side(StrEnum):
    """Which end of a contract we are."""

    SELLER = "seller"
    BUYER = "buyer"


class ContractState(StrEnum):
    """Where a contract stands."""

    REQUESTED = "requested"
    """We asked for it and wait (buyer only)."""
    QUOTED = "quoted"
    HELD = "held"
    """Capacity is kept until `held_until`."""
    CONFIRMED = "confirmed"
    RUNNING = "running"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """The hold ran out before it was confirmed."""
    FAILED = "failed"
    """The counterparty refused or never answered (buyer only)."""


OPEN_STATES = frozenset({ContractState.REQUESTED, ContractState.QUOTED, ContractState.HELD})
"""States before anything is binding."""

BINDING_STATES = frozenset({ContractState.CONFIRMED, ContractState.RUNNING})
"""States in which both sides are bound."""


class DealRule(StrEnum):
    """Why a deal cannot be made."""

    NOT_FOUND = "item_not_found"
    UNKNOWN_ORDER = "order_not_found"
    QUANTITY = "quantity_unavailable"
    EXPIRED = "quote_expired"
    PRICE = "price_mismatch"
    STATE = "invalid_state"
    ALREADY_CONFIRMED = "already_confirmed"
    ALREADY_CANCELLED = "already_cancelled"
    TOO_LATE = "too_late"
    UPDATE = "update_not_allowed"
    JOB = "job_does_not_fit"
    LIMIT = "too_many_at_once"


class DealRefused(Conflict):
    """A deal that cannot be made, with the rule; the sentence is fit for the counterparty."""

    def __init__(self, rule: DealRule, message: str) -> None:
        """Store rule and sentence."""
        super().__init__(message)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Window:
    """Something on offer: power over consecutive half-hours at one place."""

    slot_id: str
    kind: WindowKind
    region: str
    start: datetime
    end: datetime
    capacity_kw: float
    """Meter power still for sale in every half-hour of it. [kW]"""
    price_gbp_per_kwh: float | None
    """Asked per kWh; ex VAT unless prices include it. [GBP/kWh]"""
    mean_carbon_g_per_kwh: float | None
    quality: Quality
    asset_id: str = ""
    """Ours; never told to a counterparty."""
    owner: str = ""
    peer_id: str = ""
    """Who sells it, where that is not us."""
    flexibility: dict[str, Any] = field(default_factory=dict)
    """What re-planning would do to deliver it, JSON-like."""

    @property
    def duration_h(self) -> float:
        """Return the length. [h]"""
        return (self.end - self.start) / timedelta(hours=1)

    @property
    def slots(self) -> int:
        """Return the length in half-hours."""
        return (self.end - self.start) // SLOT

    @property
    def energy_kwh(self) -> float:
        """Return the energy at full capacity. [kWh]"""
        return self.capacity_kw * self.duration_h

    @property
    def is_simulated(self) -> bool:
        """Return whether it rests on simulated signals."""
        return self.quality is Quality.SIMULATED

    def starts(self) -> tuple[datetime, ...]:
        """Return the start of each half-hour."""
        return tuple(self.start + k * SLOT for k in range(self.slots))


@dataclass(frozen=True, slots=True)
class Claim:
    """Power of an asset that a contract keeps in one half-hour.

    Either `power_kw` is kept for the counterparty, or the jobs here may draw `most_kw` at most. Both are IT power.
    """

    contract_id: str
    asset_id: str
    slot_start: datetime
    power_kw: float = 0.0
    most_kw: float | None = None
    job_id: str | None = None
    """Job of ours that will take the power itself; it counts only until that job holds power."""


@dataclass(frozen=True, slots=True)
class Move:
    """One job that moves so that flexibility is delivered."""

    job_id: str
    from_start: datetime
    to_start: datetime
    to_asset_id: str
    power_kw: float
    """IT power. [kW]"""
    extra_gbp: float
    """What the plan's objective rises by, moving included. [GBP]"""
    from_asset_id: str = ""
    """Where it is planned without the contract; empty where it has no award."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What our jobs drew in one half-hour by the plan in force at that time; as planned, not metered."""

    slot_start: datetime
    baseline_kw: float
    drawn_kw: float


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of a contract's history."""

    at: datetime
    """System time."""
    state: ContractState
    what: str
    """One sentence."""
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Contract:
    """An agreement over a window, from the first quote to its end."""

    contract_id: str
    side: Side
    state: ContractState
    window: Window
    quantity_kw: float
    price_gbp_per_kwh: float
    transaction_id: str
    created_at: datetime
    updated_at: datetime
    """System time, both."""
    peer_id: str = ""
    """The counterparty; empty for a deal made here without the network."""
    external_id: str = ""
    """What the counterparty calls it."""
    dialect: str = ""
    owner: str = ""
    job_id: str | None = None
    held_until: datetime | None = None
    """System time."""
    moves: tuple[Move, ...] = ()
    baseline_kw: tuple[float, ...] = ()
    """Planned meter load of the asset's jobs in each half-hour when the contract was confirmed. [kW]"""
    readings: tuple[Reading, ...] = ()
    history: tuple[Step, ...] = ()
    applied: tuple[str, ...] = ()
    """Requests that had their effect, as `action message-id`."""
    told_carbon_g_per_kwh: float | None = None
    """What the buyer was told last that its carbon will be; None: nothing since it was sold. [gCO2/kWh]"""
    p415_value_gbp: float | None = None
    p415_reason: str = P415_REASON
    error: str = ""
    version: int = 1

    @property
    def energy_kwh(self) -> float:
        """Return the contracted energy. [kWh]"""
        return self.quantity_kw * self.window.duration_h

    @property
    def value_gbp(self) -> float:
        """Return the contracted price of all of it. [GBP]"""
        return self.energy_kwh * self.price_gbp_per_kwh

    @property
    def delivered_kwh(self) -> float | None:
        """Return what the readings come to so far; None before the first. [kWh]"""
        if not self.readings:
            return None
        sign = -1.0 if self.window.kind is WindowKind.TURN_UP else 1.0
        if self.window.kind is WindowKind.COMPUTE:
            return sum(reading.drawn_kw for reading in self.readings) * SLOT_HOURS
        return sum(
            min(max(sign * (reading.baseline_kw - reading.drawn_kw), 0.0), self.quantity_kw)
            * SLOT_HOURS
            for reading in self.readings
        )

    def moved(
        self, state: ContractState, at: datetime, what: str, *, message_id: str = "", **changes: Any
    ) -> Contract:
        """Return the contract in a new state with a line of history."""
        step = Step(at, state, what, message_id)
        return replace(
            self,
            state=state,
            updated_at=at,
            history=(*self.history, step),
            version=self.version + 1,
            **changes,
        )

    def has_applied(self, action: str, message_id: str) -> bool:
        """Return whether a request had its effect already."""
        return f"{action} {message_id}" in self.applied
