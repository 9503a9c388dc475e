"""Protocol version 2.0.0, long-term support (file of July 2026): strict in what it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from beckn.context import duration_text
from beckn.dialects.base import (
    CATALOG_NAME,
    CONFIRM_BEFORE,
    CONTRACT_CODES,
    PERFORMANCE_CODES,
    STATE_WORDS,
    event_attributes,
    name_of,
    offer_id,
    rounded,
    short_of,
    validity,
)
from beckn.faults import Refused
from beckn.model import (
    Ask,
    Change,
    Discover,
    Envelope,
    GridEvent,
    Order,
    Party,
    Reference,
    Shown,
    Told,
)
from beckn.reading import (
    first,
    inside,
    instant,
    need,
    number,
    objects,
    order_object,
    power_kw,
    text,
)
from models.domain.market import (
    P415_REASON,
    WATERMARK,
    Contract,
    ContractState,
    Window,
    WindowKind,
)
from models.domain.regions import REGIONS
from models.domain.signal import Quality
from models.domain.time import SLOT, format_utc

WINDOW_TYPE = "ComputeFlexibilityWindow"
PRICE_CONTEXT = "https://schema.beckn.io/PriceSpecification/v2.0/context.jsonld"
SERIES_CONTEXT = "https://schema.nfh.global/BecknTimeSeries/v1.0/context.jsonld"
"""Contexts of the network's own schema packs; never fetched."""

DIRECTIONS = {
    WindowKind.COMPUTE: "CONSUME",
    WindowKind.TURN_DOWN: "REDUCE",
    WindowKind.TURN_UP: "INCREASE",
}


class LtsCodec:
    """Codec of 2.0.0 LTS."""

    # --- what buyers ask ----------------------------------------------------------------------

    def ask(self, action: str, message: Mapping[str, Any]) -> Ask:
        """Return what a buyer asks."""
        if action == "discover":
            return _discover(message)
        if action in {"select", "init", "confirm"}:
            return _order(order_object(message, "contract"), message)
        if action in {"status", "cancel"}:
            held = order_object(message, "contract")
            return Reference(
                need(held.get("id"), "contract.id", "$.message.contract.id"), echo=message
            )
        if action == "update":
            return _change(order_object(message, "contract"), message)
        if action == "track":
            return Reference(text(inside(message, "tracking", "contract", "id")), echo=message)
        if action == "rate":
            inputs = objects(message.get("ratingInputs"))
            if not inputs:
                raise Refused(
                    "SCH_REQUIRED_FIELD_MISSING",
                    "ratingInputs is missing",
                    "$.message.ratingInputs",
                )
            return Reference(text(inside(inputs[0], "target", "id")), echo=message)
        support = order_object(message, "support")
        return Reference(text(support.get("orderId")), echo=message)

    # --- what we answer -----------------------------------------------------------------------

    def catalog(
        self, windows: Sequence[Window], seller: Party, envelope: Envelope | None
    ) -> dict[str, Any]:
        """Return the message that answers a discovery."""
        del envelope
        if not windows:
            return {"catalogs": []}
        begin, end = validity(windows)
        catalog = {
            "id": f"catalog-{seller.subscriber_id}",
            "bppId": seller.subscriber_id,
            "bppUri": seller.url,
            "descriptor": {"name": CATALOG_NAME},
            "provider": {"id": seller.subscriber_id, "descriptor": {"name": seller.subscriber_id}},
            "validity": {"startDate": begin, "endDate": end},
            "resources": [resource(window, seller) for window in windows],
            "offers": [_offer(window) for window in windows],
        }
        return {"catalogs": [catalog]}

    def contract(self, action: str, shown: Shown) -> dict[str, Any]:
        """Return the message of a callback about a contract."""
        del action
        return {"contract": contract_object(shown)}

    def minor(
        self, action: str, order_id: str, shown: Shown | None, seller: Party
    ) -> dict[str, Any]:
        """Return the message that answers track, support or rate."""
        if action == "on_track":
            tracking: dict[str, Any] = {
                "url": f"{seller.url}/status",
                "status": "ACTIVE" if _is_running(shown) else "INACTIVE",
            }
            if shown is not None:
                tracking["contract"] = contract_object(shown)
            return {"tracking": tracking}
        if action == "on_support":
            channel = {
                "@context": _own(seller, "SupportChannel"),
                "@type": "SupportChannel",
                "url": seller.url,
            }
            return {"support": {"orderId": order_id, "channels": [channel]}}
        return {"ratings": [{"target": {"id": order_id}, "range": {}}]}

    def failed(self, action: str, echo: Mapping[str, Any]) -> dict[str, Any]:
        """Return the message of a callback that carries an error."""
        if action == "on_discover":
            return {"catalogs": []}
        if action in {"on_track", "on_support", "on_rate"}:
            return {"ratings": []} if action == "on_rate" else dict(echo)
        return {"contract": _echoed(first(echo.get("contract")))}

    def error(self, refused: Refused) -> dict[str, Any]:
        """Return an error object."""
        found: dict[str, Any] = {"code": refused.code, "message": str(refused)}
        if refused.path:
            found["details"] = {"path": refused.path}
        return found

    def ack(self, message_id: str, transaction_id: str, now: datetime) -> dict[str, Any]:
        """Return the body that accepts a message."""
        del transaction_id, now
        return {"message": {"status": "ACK", "messageId": message_id}}

    def nack(self, message_id: str, refused: Refused) -> dict[str, Any]:
        """Return the body that refuses a message; an unreadable id is replaced, for the schema demands one."""
        return {
            "message": {
                "status": "NACK",
                "messageId": message_id if is_uuid(message_id) else str(uuid4()),
                "error": self.error(refused),
            }
        }

    # --- what we ask --------------------------------------------------------------------------

    def search(self, text: str, expression: str) -> dict[str, Any]:
        """Return the message of our own discovery."""
        intent: dict[str, Any] = {}
        if text:
            intent["textSearch"] = text
        if expression:
            intent["filters"] = {"type": "jsonpath", "expression": expression}
        return {"intent": intent}

    def order(self, action: str, shown: Shown) -> dict[str, Any]:
        """Return the message of our own request about a contract."""
        del action
        return {"contract": contract_object(shown)}

    # --- what we are told ---------------------------------------------------------------------

    def told(self, action: str, message: Mapping[str, Any], error: Any) -> Told:
        """Return what a callback says."""
        fault = first(error)
        code_said, words = text(fault.get("code")), text(fault.get("message"))
        if action == "on_discover":
            return Told(windows=_windows(message), error_code=code_said, error_message=words)
        held = first(message.get("contract"))
        commitment = first(held.get("commitments"))
        item = first(commitment.get("resources"))
        code = text(inside(held, "status", "code"))
        return Told(
            order_id=text(held.get("id")),
            state=STATE_WORDS.get(code.upper(), ""),
            item_id=text(item.get("id")),
            quantity_kw=_quantity(item),
            price_gbp_per_kwh=number(inside(held, "contractAttributes", "pricePerKwh", "value")),
            event=_event(first(held.get("contractAttributes"))),
            error_code=code_said,
            error_message=words,
        )

    def is_accepted(self, body: Mapping[str, Any]) -> bool:
        """Return whether a synchronous answer is an ACK."""
        return (inside(body, "message", "status") or body.get("status")) == "ACK"


def is_uuid(value: str) -> bool:
    """Return whether a text is a UUID."""
    try:
        UUID(value)
    except ValueError:
        return False
    return True


def _own(seller: Party, name: str) -> str:
    return f"{seller.url}/schema/{name}/v1.0/context.jsonld"


def resource(window: Window, seller: Party) -> dict[str, Any]:
    """Return a window as a resource with its attributes."""
    place = REGIONS[window.region]
    attributes: dict[str, Any] = {
        "@context": _own(seller, WINDOW_TYPE),
        "@type": WINDOW_TYPE,
        "kind": str(window.kind),
        "direction": DIRECTIONS[window.kind],
        "capacityKw": rounded(window.capacity_kw, 3),
        "gridRegion": {"scheme": "GB-DNO", "code": window.region, "name": place.name},
        "timeWindow": {"start": format_utc(window.start), "end": format_utc(window.end)},
        "durationHours": window.duration_h,
        "energyKwh": rounded(window.energy_kwh, 3),
        "pricePerKwh": {"currency": "GBP", "value": rounded(window.price_gbp_per_kwh, 6)},
        "carbon": {
            "meanIntensity": rounded(window.mean_carbon_g_per_kwh, 1),
            "unit": "gCO2/kWh",
            "basis": "average, location-based",
        },
        "dataQuality": str(window.quality),
        "p415": {"valueGbp": None, "reason": P415_REASON},
        "intervalPeriod": {
            "start": format_utc(window.start),
            "duration": duration_text(window.end - window.start),
        },
        "payloadDescriptors": [
            _descriptor("CAPACITY_OFFERED", "KW"),
            _descriptor("PRICE", "GBP_PER_KWH"),
        ],
        "intervals": [
            {
                "id": 0,
                "payloads": [
                    {"type": "CAPACITY_OFFERED", "values": [rounded(window.capacity_kw, 3)]},
                    {"type": "PRICE", "values": [rounded(window.price_gbp_per_kwh, 6)]},
                ],
            }
        ],
    }
    if window.flexibility:
        attributes["flexibility"] = window.flexibility
    if window.is_simulated:
        attributes["watermark"] = WATERMARK
    return {
        "id": window.slot_id,
        "descriptor": {"name": name_of(window), "shortDesc": short_of(window)},
        "resourceAttributes": attributes,
    }


def _descriptor(kind: str, units: str) -> dict[str, str]:
    return {
        "objectType": "EVENT_PAYLOAD_DESCRIPTOR",
        "payloadType": kind,
        "units": units,
        "insertedBy": "seller",
    }


def _consideration(value_gbp: float, code: str) -> dict[str, Any]:
    return {
        "id": "consideration-1",
        "status": {"code": code},
        "considerationAttributes": {
            "@context": PRICE_CONTEXT,
            "@type": "PriceSpecification",
            "currency": "GBP",
            "value": round(value_gbp, 4),
        },
    }


def _offer(window: Window) -> dict[str, Any]:
    value = window.energy_kwh * (window.price_gbp_per_kwh or 0.0)
    last = window.start - CONFIRM_BEFORE
    return {
        "id": offer_id(window),
        "descriptor": {"name": f"GBP {window.price_gbp_per_kwh or 0.0:.4f} per kWh"},
        "resourceIds": [window.slot_id],
        "considerations": [_consideration(value, "PROPOSED")],
        "validity": {"endDate": format_utc(last)},
    }


def _is_running(shown: Shown | None) -> bool:
    return shown is not None and shown.contract.state is ContractState.RUNNING


def contract_object(shown: Shown) -> dict[str, Any]:
    """Return a contract with its one commitment."""
    held, seller = shown.contract, shown.seller
    window = held.window
    status = CONTRACT_CODES[held.state][0]
    committed = {"ACTIVE": "ACTIVE", "DRAFT": "DRAFT"}.get(status, "CLOSED")
    item = {
        **resource(window, seller),
        "quantity": {
            "@type": "Quantity",
            "unitCode": "kW",
            "unitQuantity": round(held.quantity_kw, 3),
        },
    }
    consideration = _consideration(held.value_gbp, "ACCEPTED" if status == "ACTIVE" else "QUOTED")
    attributes: dict[str, Any] = {
        "@context": _own(seller, "ComputeFlexibilityContract"),
        "@type": "ComputeFlexibilityContract",
        "state": str(held.state),
        "pricePerKwh": {"currency": "GBP", "value": rounded(held.price_gbp_per_kwh, 6)},
        "p415": {"valueGbp": held.p415_value_gbp, "reason": held.p415_reason},
    }
    if held.job_id:
        attributes["workload"] = {"workloadId": held.job_id}
    if held.held_until is not None and held.state is ContractState.HELD:
        attributes["heldUntil"] = format_utc(held.held_until.replace(microsecond=0))
    if held.error:
        attributes["notice"] = held.error
    if shown.event is not None:
        attributes.update(event_attributes(shown.event))
    if window.is_simulated:
        attributes["watermark"] = WATERMARK
    found: dict[str, Any] = {
        "status": {"code": status},
        "commitments": [
            {
                "id": "commitment-1",
                "status": {"descriptor": {"code": committed}},
                "resources": [item],
                "offer": {
                    "id": offer_id(window),
                    "resourceIds": [window.slot_id],
                    "considerations": [consideration],
                },
            }
        ],
        "consideration": [consideration],
        "contractAttributes": attributes,
    }
    name = held.external_id or held.contract_id
    if is_uuid(name) and not (held.state is ContractState.REQUESTED and not held.external_id):
        found["id"] = name
    performance = _performance(held, seller)
    if performance is not None:
        found["performance"] = [performance]
    return found


def _performance(held: Contract, seller: Party) -> dict[str, Any] | None:
    code = PERFORMANCE_CODES.get(held.state)
    if code is None:
        return None
    found: dict[str, Any] = {
        "id": "performance-1",
        "status": {"code": code},
        "commitmentIds": ["commitment-1"],
    }
    if held.readings:
        found["performanceAttributes"] = {
            "@context": _own(seller, "ComputeFlexibilityPerformance"),
            "@type": "ComputeFlexibilityPerformance",
            "basis": "as planned, not metered",
            "deliveredKwh": rounded(held.delivered_kwh, 3),
            "intervalPeriod": {
                "start": format_utc(held.readings[0].slot_start),
                "duration": "PT30M",
            },
            "intervals": [
                {
                    "id": (reading.slot_start - held.readings[0].slot_start) // SLOT,
                    "payloads": [
                        {"type": "BASELINE", "values": [rounded(reading.baseline_kw, 3)]},
                        {"type": "USAGE", "values": [rounded(reading.drawn_kw, 3)]},
                    ],
                }
                for reading in held.readings
            ],
        }
    return found


# --- reading ----------------------------------------------------------------------------------


def _discover(message: Mapping[str, Any]) -> Discover:
    intent = first(message.get("intent")) or message
    expression = inside(intent, "filters", "expression")
    kind = inside(intent, "filters", "type")
    if kind not in {None, "jsonpath"}:
        raise Refused(
            "SCH_INVALID_ENUM",
            "filters are taken as jsonpath only",
            "$.message.intent.filters.type",
        )
    words = text(intent.get("textSearch")) or text(intent.get("text_search"))
    return Discover(text=words, expression=text(expression))


def _quantity(item: Mapping[str, Any]) -> float | None:
    held = item.get("quantity")
    if isinstance(held, dict):
        return power_kw(held.get("unitQuantity"), held.get("unitCode") or held.get("unitText"))
    return None


def _order(held: Mapping[str, Any], message: Mapping[str, Any]) -> Order:
    commitments = objects(held.get("commitments"))
    if not commitments:
        raise Refused(
            "SCH_REQUIRED_FIELD_MISSING",
            "a contract has commitments",
            "$.message.contract.commitments",
        )
    commitment = commitments[0]
    item = first(commitment.get("resources"))
    offer = first(commitment.get("offer"))
    path = "$.message.contract.commitments[0].resources[0].id"
    price = first(inside(offer, "considerations", "considerationAttributes"))
    return Order(
        item_id=need(item.get("id"), "resources[0].id", path),
        order_id=text(held.get("id")),
        quantity_kw=_quantity(item),
        value_gbp=number(price.get("value")),
        currency=text(price.get("currency")) or "GBP",
        job_id=text(inside(held, "contractAttributes", "workload", "workloadId")) or None,
        echo=message,
    )


def _change(held: Mapping[str, Any], message: Mapping[str, Any]) -> Change:
    item = first(inside(held, "commitments", "resources"))
    response = inside(held, "contractAttributes", "flexibilityAction", "actionType")
    return Change(
        need(held.get("id"), "contract.id", "$.message.contract.id"),
        quantity_kw=_quantity(item),
        response=text(response),
        echo=message,
    )


def _event(attributes: Mapping[str, Any]) -> GridEvent | None:
    alert = first(attributes.get("gridEventAlert"))
    if not alert:
        return None
    carbon = inside(attributes, "carbonIntensityChange", "currentValue")
    price = inside(attributes, "spotPriceChange", "currentValue")
    return GridEvent(
        text(alert.get("eventId")),
        text(alert.get("eventType")),
        text(alert.get("message")),
        number(carbon),
        number(price),
    )


def _windows(message: Mapping[str, Any]) -> tuple[Window, ...]:
    """Return the windows in catalogues that say all that matters; others are left out."""
    found = []
    for catalog in objects(message.get("catalogs")):
        for item in objects(catalog.get("resources")):
            window = _window(item, text(catalog.get("bppId")))
            if window is not None:
                found.append(window)
    return tuple(found)


def _window(item: Mapping[str, Any], peer_id: str) -> Window | None:
    held = first(item.get("resourceAttributes"))
    start = instant(inside(held, "timeWindow", "start"))
    end = instant(inside(held, "timeWindow", "end"))
    capacity = number(held.get("capacityKw"))
    region = text(inside(held, "gridRegion", "code"))
    kinds = {str(kind): kind for kind in WindowKind}
    kind = kinds.get(text(held.get("kind")))
    if start is None or end is None or capacity is None or kind is None or region not in REGIONS:
        return None
    if not text(item.get("id")) or end <= start:
        return None
    qualities = {str(quality): quality for quality in Quality}
    return Window(
        slot_id=text(item.get("id")),
        kind=kind,
        region=region,
        start=start,
        end=end,
        capacity_kw=capacity,
        price_gbp_per_kwh=number(inside(held, "pricePerKwh", "value")),
        mean_carbon_g_per_kwh=number(inside(held, "carbon", "meanIntensity")),
        quality=qualities.get(text(held.get("dataQuality")), Quality.NONE),
        peer_id=peer_id,
    )


def _echoed(held: Mapping[str, Any]) -> dict[str, Any]:
    """Return a contract as received, with what the schema demands: an id only where it is a UUID."""
    allowed = {"commitments", "participants", "status"}
    found = {name: value for name, value in held.items() if name in allowed}
    if is_uuid(text(held.get("id"))):
        found["id"] = held["id"]
    if not objects(found.get("commitments")):
        found["commitments"] = [
            {
                "status": {"descriptor": {"code": "DRAFT"}},
                "resources": [],
                "offer": {"id": "unknown", "resourceIds": []},
            }
        ]
    return found
