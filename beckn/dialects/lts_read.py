"""Reading what is written in protocol version 2.0.0, long-term support: leniently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from beckn.dialects.base import expression_in, read_window
from beckn.faults import Refused
from beckn.model import Change, Discover, GridEvent, Order
from beckn.reading import first, inside, instant, need, number, objects, power_kw, text
from models.domain.market import Window


def is_uuid(value: str) -> bool:
    """Return whether a text is a UUID."""
    try:
        UUID(value)
    except ValueError:
        return False
    return True


def discovered(message: Mapping[str, Any]) -> Discover:
    """Return what a discovery asks for."""
    intent = first(message.get("intent")) or message
    expression = expression_in(intent.get("filters"), "$.message.intent.filters.type")
    words = text(intent.get("textSearch")) or text(intent.get("text_search"))
    return Discover(text=words, expression=expression)


def quantity_kw(item: Mapping[str, Any]) -> float | None:
    """Return the power of a resource, if it says any. [kW]"""
    held = item.get("quantity")
    if isinstance(held, dict):
        return power_kw(held.get("unitQuantity"), held.get("unitCode") or held.get("unitText"))
    return None


def ordered(held: Mapping[str, Any]) -> Order:
    """Return what select, init or confirm asks for."""
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
        quantity_kw=quantity_kw(item),
        value_gbp=number(price.get("value")),
        currency=text(price.get("currency")) or "GBP",
        job_id=text(inside(held, "contractAttributes", "workload", "workloadId")) or None,
    )


def changed(held: Mapping[str, Any]) -> Change:
    """Return what an update asks for."""
    item = first(inside(held, "commitments", "resources"))
    response = inside(held, "contractAttributes", "flexibilityAction", "actionType")
    return Change(
        need(held.get("id"), "contract.id", "$.message.contract.id"),
        quantity_kw=quantity_kw(item),
        response=text(response),
    )


def event_in(attributes: Mapping[str, Any]) -> GridEvent | None:
    """Return the news of the grid in the attributes of a contract."""
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


def windows_in(message: Mapping[str, Any]) -> tuple[Window, ...]:
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
    return read_window(
        text(item.get("id")),
        text(held.get("kind")),
        text(inside(held, "gridRegion", "code")),
        (instant(inside(held, "timeWindow", "start")), instant(inside(held, "timeWindow", "end"))),
        number(held.get("capacityKw")),
        number(inside(held, "pricePerKwh", "value")),
        number(inside(held, "carbon", "meanIntensity")),
        text(held.get("dataQuality")),
        peer_id,
    )


def echoed(held: Mapping[str, Any]) -> dict[str, Any]:
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
