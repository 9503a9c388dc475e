"""What messages mean, whatever dialect they are written in: the one internal model between codecs and use cases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from models.domain.market import Contract, Window


class Dialect(StrEnum):
    """A form in which the protocol is spoken."""

    LTS = "lts"
    """2.0.0 long-term support, file of July 2026."""
    RC1 = "rc1"
    """2.0.0 release candidate with the compute-energy and demand-flexibility profiles."""
    V1 = "v1"
    """1.1.x."""


@dataclass(frozen=True)
class Envelope:
    """The context of a message."""

    dialect: Dialect
    action: str
    bap_id: str
    bap_uri: str
    transaction_id: str
    message_id: str
    timestamp: datetime
    bpp_id: str = ""
    bpp_uri: str = ""
    ttl: timedelta | None = None
    network_id: str = ""
    domain: str = ""
    country: str = "GBR"
    city: str = "std:020"
    version: str = ""
    is_trial: bool = False
    """`try`: preview, nothing changes."""


@dataclass(frozen=True)
class Discover:
    """Ask for windows."""

    text: str = ""
    expression: str = ""
    """JSONPath filter as written."""
    min_power_kw: float | None = None
    region: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Order:
    """Select, init or confirm."""

    item_id: str
    order_id: str = ""
    """What the counterparty calls the order, if anything."""
    quantity_kw: float | None = None
    price_gbp_per_kwh: float | None = None
    value_gbp: float | None = None
    currency: str = "GBP"
    job_id: str | None = None


@dataclass(frozen=True)
class Reference:
    """Status, cancel, track, support or rate: names an order."""

    order_id: str
    reason: str = ""


@dataclass(frozen=True)
class Change:
    """Update: another quantity, or an answer to a grid event."""

    order_id: str
    quantity_kw: float | None = None
    response: str = ""
    """What the counterparty says it does about an event, e.g. `workload_shift`."""


Ask = Discover | Order | Reference | Change


@dataclass(frozen=True)
class GridEvent:
    """News about the grid that a seller pushed."""

    event_id: str
    event_type: str
    message: str
    carbon_g_per_kwh: float | None = None
    price_gbp_per_kwh: float | None = None
    previous_carbon_g_per_kwh: float | None = None


@dataclass(frozen=True)
class Told:
    """What a callback says."""

    windows: tuple[Window, ...] = ()
    order_id: str = ""
    state: str = ""
    """`DRAFT | ACTIVE | COMPLETE | CANCELLED`, or empty where nothing was said."""
    item_id: str = ""
    quantity_kw: float | None = None
    price_gbp_per_kwh: float | None = None
    event: GridEvent | None = None
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True)
class Party:
    """One participant, as a message names it."""

    subscriber_id: str
    url: str


@dataclass(frozen=True)
class Shown:
    """A contract as an answer shows it."""

    contract: Contract
    seller: Party
    event: GridEvent | None = None
    """What happened on the grid, where that is why it is shown."""
