"""Reading what is written in protocol version 2.0.0-rc1: the profiles' samples, or what fits the core schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beckn.dialects.base import read_window
from beckn.faults import Refused
from beckn.model import GridEvent, Order
from beckn.reading import first, inside, instant, need, number, objects, power_kw, text
from models.domain.market import Window, WindowKind
from models.domain.regions import REGIONS


def price_of(price: Mapping[str, Any]) -> float | None:
    """Return the price per kWh of a price object, in either of its two forms. [GBP/kWh]"""
    found = number(price.get("price"))
    return number(price.get("value")) if found is None else found


def ordered(held: Mapping[str, Any]) -> Order:
    """Return what select, init or confirm asks for."""
    lines = objects(held.get("beckn:orderItems"))
    path = "$.message.order['beckn:orderItems']"
    if not lines:
        raise Refused("SCH_REQUIRED_FIELD_MISSING", "an order has beckn:orderItems", path)
    line = lines[0]
    price = first(inside(line, "beckn:acceptedOffer", "beckn:price"))
    wanted = first(line.get("beckn:orderItemAttributes"))
    delivery = first(inside(held, "beckn:fulfillment", "beckn:deliveryAttributes"))
    quantity = power_kw(
        wanted.get("beckn:requestedReduction"), wanted.get("beckn:requestedReductionUnit")
    )
    if quantity is None:
        quantity = power_kw(
            delivery.get("beckn:computeLoad"), delivery.get("beckn:computeLoadUnit")
        )
    return Order(
        item_id=need(line.get("beckn:orderedItem"), "beckn:orderedItem", f"{path}[0]"),
        order_id=text(held.get("beckn:id")),
        quantity_kw=quantity,
        price_gbp_per_kwh=price_of(price),
        currency=text(price.get("currency")) or "GBP",
        job_id=text(inside(delivery, "beckn:workloadMetadata", "workloadId")) or None,
    )


def event_in(held: Mapping[str, Any]) -> GridEvent | None:
    """Return the news of the grid in an order."""
    delivery = first(inside(held, "beckn:fulfillment", "beckn:deliveryAttributes"))
    attributes = first(inside(held, "beckn:orderItems", "beckn:orderItemAttributes"))
    order = first(held.get("beckn:orderAttributes"))
    grid = first(attributes.get("beckn:gridParameters"))
    change = first(grid.get("carbonIntensityChange"))
    alert: Mapping[str, Any] = {}
    for place in (delivery, attributes, order):
        alert = (
            alert or first(place.get("beckn:gridEventAlert")) or first(place.get("gridEventAlert"))
        )
    if not alert and not change:
        return None
    price = first(inside(attributes, "beckn:pricingParameters", "spotPriceChange"))
    return GridEvent(
        text(alert.get("eventId")) or text(order.get("beckn:responseToEvent")),
        text(alert.get("eventType")) or "carbon_intensity_change",
        text(alert.get("message")),
        number(change.get("currentValue")),
        number(price.get("currentValue")),
    )


def windows_in(message: Mapping[str, Any]) -> tuple[Window, ...]:
    """Return the windows in catalogues that say all that matters; others are left out."""
    found = []
    for catalog in objects(message.get("catalogs")):
        peer = text(catalog.get("beckn:bppId")) or text(
            inside(catalog, "beckn:provider", "beckn:id")
        )
        prices = {
            text(name): price_of(first(offer.get("beckn:price")))
            for offer in objects(catalog.get("beckn:offers"))
            for name in (offer.get("beckn:items") or [])
            if isinstance(name, str)
        }
        for item in objects(catalog.get("beckn:items")):
            window = _window(item, peer, prices)
            if window is not None:
                found.append(window)
    return tuple(found)


_AREAS = {place.name.casefold(): slug for slug, place in REGIONS.items()}


def _window(
    item: Mapping[str, Any], peer_id: str, prices: Mapping[str, float | None]
) -> Window | None:
    held = first(item.get("beckn:itemAttributes"))
    grid = first(held.get("beckn:gridParameters"))
    hours = first(held.get("beckn:timeWindow"))
    free = first(held.get("beckn:availabilityParameters"))
    start = instant(hours.get("start")) or instant(free.get("availableFrom"))
    end = instant(hours.get("end")) or instant(free.get("availableUntil"))
    room = first(held.get("beckn:capacityParameters"))
    load = first(inside(held, "beckn:participantCapabilities", "loadCapacity"))
    capacity = power_kw(room.get("availableCapacity"), room.get("capacityUnit"))
    if capacity is None:
        capacity = power_kw(load.get("currentAvailable"), load.get("unit"))
    zone = text(grid.get("gridZone"))
    region = zone if zone in REGIONS else _AREAS.get(text(grid.get("gridArea")).casefold(), "")
    name = text(item.get("beckn:id"))
    is_flex = "DemandFlexibility" in text(held.get("@type"))
    default = WindowKind.TURN_DOWN if is_flex else WindowKind.COMPUTE
    asked = number(inside(held, "beckn:pricingParameters", "spotPrice"))
    carbon = grid.get("carbonIntensity")
    return read_window(
        name,
        text(held.get("kind")) or default,
        region,
        (start, end),
        capacity,
        prices.get(name) if asked is None else asked,
        number(held.get("carbonIntensity") if carbon is None else carbon),
        text(held.get("dataQuality")),
        peer_id,
    )
