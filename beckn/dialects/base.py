"""What every codec does, and what they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from beckn.faults import Refused
from beckn.model import Ask, Envelope, GridEvent, Party, Shown, Told
from beckn.reading import first, inside, text
from models.domain.market import WATERMARK, ContractState, Window, WindowKind
from models.domain.regions import REGIONS
from models.domain.signal import Quality
from models.domain.time import format_utc

CONFIRM_BEFORE = timedelta(minutes=30)
"""An offer may be taken until this long before its window opens."""

CATALOG_NAME = "Halfhour: compute windows and flexibility"

KIND_WORDS = {
    WindowKind.COMPUTE: "Room for compute",
    WindowKind.TURN_DOWN: "Turn-down of compute load",
    WindowKind.TURN_UP: "Turn-up of compute load",
}


class Codec(Protocol):
    """Writes and reads the messages of one dialect; the context is written by `beckn.context`."""

    def ask(self, action: str, message: Mapping[str, Any]) -> Ask:
        """Return what a buyer asks. Raises `Refused` where the message cannot be understood."""

    def catalog(
        self, windows: Sequence[Window], seller: Party, envelope: Envelope | None
    ) -> dict[str, Any]:
        """Return the message that answers a discovery; `envelope` None where nobody asked over the network."""

    def contract(self, action: str, shown: Shown) -> dict[str, Any]:
        """Return the message of a callback about a contract."""

    def minor(
        self, action: str, order_id: str, shown: Shown | None, seller: Party
    ) -> dict[str, Any]:
        """Return the message that answers track, support or rate."""

    def failed(self, action: str, echo: Mapping[str, Any]) -> dict[str, Any]:
        """Return the message of a callback that carries an error, as the schema demands one."""

    def error(self, refused: Refused) -> dict[str, Any]:
        """Return an error object."""

    def ack(self, message_id: str, transaction_id: str, now: datetime) -> dict[str, Any]:
        """Return the body that accepts a message."""

    def nack(self, message_id: str, refused: Refused) -> dict[str, Any]:
        """Return the body that refuses a message."""

    def search(self, text: str, expression: str) -> dict[str, Any]:
        """Return the message of our own discovery."""

    def order(self, action: str, shown: Shown) -> dict[str, Any]:
        """Return the message of our own request about a contract (select to cancel)."""

    def told(self, action: str, message: Mapping[str, Any], error: Any) -> Told:
        """Return what a callback says; lenient."""

    def is_accepted(self, body: Mapping[str, Any]) -> bool:
        """Return whether a synchronous answer is an ACK."""


def name_of(window: Window) -> str:
    """Return the shown name of a window; simulated ones say so first."""
    words = f"{KIND_WORDS[window.kind]}, {REGIONS[window.region].name}"
    return f"SIMULATED: {words}" if window.is_simulated else words


def short_of(window: Window) -> str:
    """Return what a window is, in one line."""
    text = f"Up to {window.capacity_kw:g} kW from {format_utc(window.start)} to {format_utc(window.end)}"
    return f"{text}; {WATERMARK}" if window.is_simulated else text


def offer_id(window: Window) -> str:
    """Return the id of the one offer a window has."""
    return f"offer-{window.slot_id}"


def validity(windows: Sequence[Window]) -> tuple[str, str]:
    """Return when a catalogue begins and ends to be of use."""
    return format_utc(min(w.start for w in windows)), format_utc(max(w.end for w in windows))


def rounded(value: float | None, places: int) -> float | None:
    """Return a number with so many decimal places; None stays None."""
    return None if value is None else round(value, places)


def event_attributes(event: GridEvent) -> dict[str, Any]:
    """Return news of the grid in the words of the compute-energy profile."""
    found: dict[str, Any] = {
        "gridEventAlert": {
            "eventId": event.event_id,
            "eventType": event.event_type,
            "severity": "warning",
            "message": event.message,
        }
    }
    before, now = event.previous_carbon_g_per_kwh, event.carbon_g_per_kwh
    if now is not None:
        change = {"currentValue": rounded(now, 1), "unit": "gCO2/kWh"}
        if before is not None:
            change |= {
                "previousValue": rounded(before, 1),
                "change": rounded(now - before, 1),
                "changeType": "increase" if now > before else "decrease",
            }
        found["carbonIntensityChange"] = change
    return found


CONTRACT_CODES: Mapping[ContractState, tuple[str, str, str]] = {
    ContractState.REQUESTED: ("DRAFT", "QUOTE_REQUESTED", ""),
    ContractState.QUOTED: ("DRAFT", "QUOTE_REQUESTED", ""),
    ContractState.HELD: ("DRAFT", "INITIALIZED", ""),
    ContractState.CONFIRMED: ("ACTIVE", "CONFIRMED", "ACTIVE"),
    ContractState.RUNNING: ("ACTIVE", "IN_PROGRESS", "ACTIVE"),
    ContractState.COMPLETE: ("COMPLETE", "COMPLETED", "COMPLETE"),
    ContractState.CANCELLED: ("CANCELLED", "CANCELLED", "CANCELLED"),
    ContractState.EXPIRED: ("CANCELLED", "CANCELLED", "CANCELLED"),
    ContractState.FAILED: ("CANCELLED", "FAILED", "CANCELLED"),
}
"""Status by state, as (LTS contract, step towards it in words, v1 order); an empty one is not written."""

PERFORMANCE_CODES: Mapping[ContractState, str] = {
    ContractState.CONFIRMED: "SCHEDULED",
    ContractState.RUNNING: "IN_PROGRESS",
    ContractState.COMPLETE: "DELIVERY_COMPLETE",
}
"""Code of the performance by state; before and after there is none."""

STATE_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("ACTIVE", "CONFIRMED", "IN_PROGRESS", "INPROGRESS", "PARTIALLYFULFILLED"), "ACTIVE"),
    **dict.fromkeys(("COMPLETE", "COMPLETED"), "COMPLETE"),
    **dict.fromkeys(("CANCELLED", "REJECTED", "FAILED", "RETURNED", "REFUNDED"), "CANCELLED"),
    **dict.fromkeys(
        ("DRAFT", "CREATED", "PENDING", "QUOTE_REQUESTED", "INITIALIZED", "ONHOLD", "DEFAULT"), "DRAFT"
    ),
}  # fmt: skip
"""What a counterparty's status means."""


# --- reading what others write ----------------------------------------------------------------

_KINDS = {str(kind): kind for kind in WindowKind}
_QUALITIES = {str(quality): quality for quality in Quality}


def fault_in(error: Any) -> tuple[str, str]:
    """Return code and words of the error of a callback; empty where there is none."""
    fault = first(error)
    return text(fault.get("code")), text(fault.get("message"))


def expression_in(filters: Any, path: str) -> str:
    """Return the JSONPath expression of a discovery, empty where there is none.

    Raises:
        Refused: If it is written in anything else.
    """
    if inside(filters, "type") not in {None, "jsonpath"}:
        raise Refused("SCH_INVALID_ENUM", "filters are taken as jsonpath only", path)
    return text(inside(filters, "expression"))


def intent_of(words: str, expression: str, words_name: str) -> dict[str, Any]:
    """Return what our own discovery asks for, its words under a dialect's name for them."""
    found: dict[str, Any] = {words_name: words} if words else {}
    if expression:
        found["filters"] = {"type": "jsonpath", "expression": expression}
    return found


def read_window(
    slot_id: str,
    kind: WindowKind | str,
    region: str,
    hours: tuple[datetime | None, datetime | None],
    capacity_kw: float | None,
    price_gbp_per_kwh: float | None,
    mean_carbon_g_per_kwh: float | None,
    quality: str,
    peer_id: str,
) -> Window | None:
    """Return a window another party describes; None where it does not say all that matters."""
    start, end = hours
    known = _KINDS.get(kind)
    if start is None or end is None or end <= start or capacity_kw is None or known is None:
        return None
    if not slot_id or region not in REGIONS:
        return None
    return Window(
        slot_id=slot_id,
        kind=known,
        region=region,
        start=start,
        end=end,
        capacity_kw=capacity_kw,
        price_gbp_per_kwh=price_gbp_per_kwh,
        mean_carbon_g_per_kwh=mean_carbon_g_per_kwh,
        quality=_QUALITIES.get(quality, Quality.NONE),
        peer_id=peer_id,
    )
