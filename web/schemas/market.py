"""The market: what may be asked of it, and what it answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import RootModel

from models.domain.market import ContractState, Side, WindowKind
from services.market import MOST_WINDOWS
from services.market_windows import LONGEST_HOURS
from web.schemas.fields import Number, Shown, Wanted, field


class SlotSearch(Wanted):
    """Which windows somebody looks for."""

    region: str | None = field(
        "Region of the windows; an aggregate takes in its members.",
        allowed="a region slug, see GET /api/regions",
        default=None,
        max_length=64,
    )
    hours_ahead: Number = field(
        "How far ahead windows may end.", unit="h", allowed=f"0.5 to {LONGEST_HOURS}",
        default=48, ge=0.5, le=LONGEST_HOURS,
    )  # fmt: skip
    kind: Literal["compute_window", "turn_down", "turn_up"] | None = field(
        "What is looked for; all three without it.",
        allowed="compute_window, turn_down or turn_up",
        default=None,
    )
    min_power_kw: Number | None = field(
        "Least capacity, at the meter.", unit="kW", allowed="0 or more", default=None, ge=0, le=1e9
    )
    min_hours: Number | None = field(
        "Shortest window.", unit="h", allowed="0 to 168", default=None, ge=0, le=168
    )
    cursor: str | None = field(
        "Where to go on.",
        allowed="the next_cursor of the page before",
        default=None,
        max_length=200,
    )
    limit: int = field(
        "Most windows in the answer.", allowed=f"1 to {MOST_WINDOWS}", default=MOST_WINDOWS,
        ge=1, le=MOST_WINDOWS,
    )  # fmt: skip


class DialectQuery(Wanted):
    """In which shape the catalogue is answered."""

    dialect: Literal["lts", "rc1", "v1"] | None = field(
        "Answer with the catalogue of a Beckn dialect instead of `items`.",
        allowed="lts, rc1 or v1",
        default=None,
    )
    cursor: str | None = field(
        "Where to go on, with the same body; the same as `cursor` in the body.",
        allowed="the next_cursor of the page before",
        default=None,
        max_length=200,
    )


class SlotConfirm(Wanted):
    """Take a window."""

    slot_id: str = field(
        "The window.", allowed="a slot_id of a search", min_length=1, max_length=200
    )
    job_id: str | None = field(
        "The job that shall run in it; asked only for compute windows.",
        allowed="the id of an open job",
        default=None,
        max_length=64,
    )


class SlotOut(Shown):
    """One window on offer. Power and energy are at the meter."""

    slot_id: str
    kind: WindowKind
    region: str
    start_time: datetime
    end_time: datetime
    capacity_kw: float
    duration_h: float
    energy_kwh: float
    price_gbp_per_kwh: float | None
    mean_carbon_g_per_kwh: float | None
    flexibility: dict[str, Any]
    data_quality: str
    watermark: str | None
    peer_id: str | None


class SlotList(Shown):
    """Windows, by start."""

    items: list[SlotOut]
    next_cursor: str | None
    total: int


class CatalogOut(Shown):
    """The message of a dialect's catalogue: `catalogs`, in version 1 `catalog`."""

    catalogs: list[dict[str, Any]] | None = None
    catalog: dict[str, Any] | None = None


class SearchOut(RootModel[SlotList | CatalogOut]):
    """Windows, or with `dialect` the message of its catalogue."""


class StepOut(Shown):
    """One entry of a contract's history."""

    at: datetime
    state: ContractState
    what: str


class ReadingOut(Shown):
    """One half-hour of delivery, as planned, not metered."""

    slot_start: datetime
    baseline_kw: float
    drawn_kw: float


class ContractOut(Shown):
    """A contract and how it stands."""

    contract_id: str
    side: Side
    status: ContractState
    slot: SlotOut
    quantity_kw: float
    price_gbp_per_kwh: float
    value_gbp: float
    energy_kwh: float
    job_id: str | None
    counterparty: str | None
    transaction_id: str
    dialect: str | None
    held_until: datetime | None
    created_at: datetime
    updated_at: datetime
    baseline_kw: list[float]
    readings: list[ReadingOut]
    delivered_kwh: float | None
    p415_value_gbp: float | None
    p415_reason: str
    error: str | None
    history: list[StepOut]


class ContractList(Shown):
    """Contracts, newest first."""

    items: list[ContractOut]
    next_cursor: str | None


class MessageOut(Shown):
    """One raw message of a contract."""

    direction: str
    action: str
    at: datetime
    message_id: str
    status: int
    body: str
    answer: str


class ContractDetailOut(Shown):
    """A contract with its messages."""

    contract: ContractOut
    messages: list[MessageOut]
