"""Protocol version 2.0.0, release candidate 1, in the words of the compute-energy and demand-flexibility profiles.

There is no schema behind those profiles, only samples, and these do not fit the schema of the core they build on.
What is written fits the core, with the profiles' words in the attributes; what is read may be either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from beckn.context import duration_text
from beckn.dialects.base import (
    CATALOG_NAME,
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
from models.domain.market import P415_REASON, WATERMARK, ContractState, Window, WindowKind
from models.domain.regions import REGIONS
from models.domain.signal import Quality
from models.domain.time import format_utc

RAW = "https://raw.githubusercontent.com/beckn/protocol-specifications-new/refs/heads/draft/schema"
CORE_CONTEXT = f"{RAW}/core/v2/context.jsonld"
ENERGY_CONTEXT = f"{RAW}/ComputeEnergy/v1/context.jsonld"
FLEX_CONTEXT = f"{RAW}/DemandFlexibility/v1/context.jsonld"
"""Names of contexts that the official samples carry; never fetched."""

FLEX_DOMAIN = "demand-flexibility"
ENERGY_DOMAIN = "compute-energy"

UNKNOWN = "unknown"
"""What stands where the schema demands a name and nobody said one."""

ORDER_CODES: Mapping[ContractState, str] = {
    ContractState.REQUESTED: "CREATED",
    ContractState.QUOTED: "CREATED",
    ContractState.HELD: "PENDING",
    ContractState.CONFIRMED: "CONFIRMED",
    ContractState.RUNNING: "INPROGRESS",
    ContractState.COMPLETE: "COMPLETED",
    ContractState.CANCELLED: "CANCELLED",
    ContractState.EXPIRED: "CANCELLED",
    ContractState.FAILED: "FAILED",
}
"""Status of an order by state, in the words of the schema."""

FULFILMENT_CODES = {
    ContractState.REQUESTED: "PENDING",
    ContractState.QUOTED: "QUOTED",
    ContractState.HELD: "PENDING",
    ContractState.CONFIRMED: "CONFIRMED",
    ContractState.RUNNING: "IN_PROGRESS",
    ContractState.COMPLETE: "COMPLETED",
}


class Rc1Codec:
    """Codec of 2.0.0-rc1."""

    def ask(self, action: str, message: Mapping[str, Any]) -> Ask:
        """Return what a buyer asks."""
        if action == "discover":
            kind = inside(message, "filters", "type")
            if kind not in {None, "jsonpath"}:
                raise Refused(
                    "SCH_INVALID_ENUM",
                    "filters are taken as jsonpath only",
                    "$.message.filters.type",
                )
            expression = text(inside(message, "filters", "expression"))
            return Discover(text=text(message.get("text_search")), expression=expression)
        if action in {"select", "init", "confirm"}:
            return _order(order_object(message, "order"), message)
        if action in {"status", "cancel", "track"}:
            name = inside(message, "order", "beckn:id") or message.get("order_id")
            return Reference(need(name, "order id", "$.message.order"), echo=message)
        if action == "update":
            held = order_object(message, "order")
            delivery = first(inside(held, "beckn:fulfillment", "beckn:deliveryAttributes"))
            return Change(
                need(held.get("beckn:id"), "beckn:id", "$.message.order['beckn:id']"),
                quantity_kw=power_kw(
                    delivery.get("beckn:computeLoad"), delivery.get("beckn:computeLoadUnit")
                ),
                response=text(inside(delivery, "beckn:flexibilityAction", "actionType")),
                echo=message,
            )
        name = text(message.get("ref_id")) or text(message.get("refId")) or text(message.get("id"))
        return Reference(name, echo=message)

    def catalog(
        self, windows: Sequence[Window], seller: Party, envelope: Envelope | None
    ) -> dict[str, Any]:
        """Return the message that answers a discovery, of the kinds the asked profile knows."""
        domain = envelope.domain if envelope is not None else ""
        if FLEX_DOMAIN in domain:
            windows = [window for window in windows if window.kind is not WindowKind.COMPUTE]
        elif ENERGY_DOMAIN in domain:
            windows = [window for window in windows if window.kind is WindowKind.COMPUTE]
        if not windows:
            return {"catalogs": []}
        begin, end = validity(windows)
        catalog = {
            "@context": CORE_CONTEXT,
            "@type": "beckn:Catalog",
            "beckn:id": f"catalog-{seller.subscriber_id}",
            "beckn:descriptor": _descriptor(CATALOG_NAME),
            "beckn:bppId": seller.subscriber_id,
            "beckn:bppUri": seller.url,
            "beckn:validity": {
                "@type": "beckn:TimePeriod",
                "schema:startDate": begin,
                "schema:endDate": end,
            },
            "beckn:providerId": seller.subscriber_id,
            "beckn:items": [_item(window, seller) for window in windows],
            "beckn:offers": [_offer(window, seller) for window in windows],
        }
        return {"catalogs": [catalog]}

    def contract(self, action: str, shown: Shown) -> dict[str, Any]:
        """Return the message of a callback about a contract."""
        del action
        return {"order": _order_object(shown)}

    def minor(
        self, action: str, order_id: str, shown: Shown | None, seller: Party
    ) -> dict[str, Any]:
        """Return the message that answers track, support or rating."""
        if action == "on_track":
            return {
                "order": _named_order(order_id, seller) if shown is None else _order_object(shown)
            }
        if action == "on_support":
            return {"support": _support(seller.subscriber_id, url=seller.url)}
        return {"received": True}

    def failed(self, action: str, echo: Mapping[str, Any]) -> dict[str, Any]:
        """Return the message of a callback that carries an error."""
        if action == "on_discover":
            return {"catalogs": []}
        if action == "on_support":
            return {"support": _support(UNKNOWN)}
        if action == "on_rating":
            return {"received": False}
        held = first(echo.get("order"))
        name = text(held.get("beckn:id")) or text(echo.get("order_id"))
        return {"order": _named_order(name, None, held)}

    def error(self, refused: Refused) -> dict[str, Any]:
        """Return an error object."""
        found = {"code": refused.code, "message": str(refused)}
        return {**found, "paths": refused.path} if refused.path else found

    def ack(self, message_id: str, transaction_id: str, now: datetime) -> dict[str, Any]:
        """Return the body that accepts a message: in the form of the schema and in that of the sandbox."""
        del message_id
        return {
            "transaction_id": transaction_id,
            "timestamp": format_utc(now.replace(microsecond=0)),
            "ack_status": "ACK",
            "message": {"ack": {"status": "ACK"}},
        }

    def nack(self, message_id: str, refused: Refused) -> dict[str, Any]:
        """Return the body that refuses a message."""
        del message_id
        return {
            "ack_status": "NACK",
            "message": {"ack": {"status": "NACK"}},
            "error": self.error(refused),
        }

    def search(self, text: str, expression: str) -> dict[str, Any]:
        """Return the message of our own discovery."""
        found: dict[str, Any] = {"text_search": text} if text else {}
        if expression:
            found["filters"] = {"type": "jsonpath", "expression": expression}
        return found

    def order(self, action: str, shown: Shown) -> dict[str, Any]:
        """Return the message of our own request."""
        if action in {"status", "cancel", "track"}:
            held = shown.contract
            return {"order": {"beckn:id": held.external_id or held.contract_id}}
        return {"order": _order_object(shown)}

    def told(self, action: str, message: Mapping[str, Any], error: Any) -> Told:
        """Return what a callback says."""
        fault = first(error)
        code_said, words = text(fault.get("code")), text(fault.get("message"))
        if action == "on_discover":
            return Told(windows=_windows(message), error_code=code_said, error_message=words)
        held = first(message.get("order"))
        line = first(held.get("beckn:orderItems"))
        code = text(held.get("beckn:orderStatus"))
        price = first(inside(line, "beckn:acceptedOffer", "beckn:price"))
        capacity = first(inside(line, "beckn:orderItemAttributes", "beckn:capacityParameters"))
        return Told(
            order_id=text(held.get("beckn:id")),
            state=STATE_WORDS.get(code.upper(), ""),
            item_id=text(line.get("beckn:orderedItem")),
            quantity_kw=power_kw(capacity.get("reservedCapacity"), capacity.get("capacityUnit")),
            price_gbp_per_kwh=_price_of(price),
            event=_event(held),
            error_code=code_said,
            error_message=words,
        )

    def is_accepted(self, body: Mapping[str, Any]) -> bool:
        """Return whether a synchronous answer is an ACK, in either of the two forms."""
        return "ACK" in {body.get("ack_status"), inside(body, "message", "ack", "status")}


def _descriptor(name: str, short: str = "") -> dict[str, str]:
    found = {"@type": "beckn:Descriptor", "schema:name": name}
    return {**found, "beckn:shortDesc": short} if short else found


def _hours(window: Window) -> dict[str, str]:
    return {
        "start": format_utc(window.start),
        "end": format_utc(window.end),
        "duration": duration_text(window.end - window.start),
    }


def _window_attributes(window: Window) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "@context": ENERGY_CONTEXT,
        "@type": "beckn:ComputeEnergyWindow",
        "beckn:slotId": window.slot_id,
        "beckn:gridParameters": {
            "gridArea": REGIONS[window.region].name,
            "gridZone": window.region,
            "carbonIntensity": rounded(window.mean_carbon_g_per_kwh, 1),
            "carbonIntensityUnit": "gCO2/kWh",
        },
        "beckn:timeWindow": _hours(window),
        "beckn:capacityParameters": {
            "availableCapacity": rounded(window.capacity_kw / 1000.0, 6),
            "capacityUnit": "MW",
            "reservationRequired": True,
        },
        "beckn:pricingParameters": {
            "spotPrice": rounded(window.price_gbp_per_kwh, 6),
            "currency": "GBP",
            "unit": "per_kWh",
            "priceStability": "stable",
        },
    }
    return {**attributes, **_ours(window)}


def _ours(window: Window) -> dict[str, Any]:
    """Return what our windows say beyond the profile."""
    found: dict[str, Any] = {
        "capacityKw": rounded(window.capacity_kw, 3),
        "kind": str(window.kind),
        "dataQuality": str(window.quality),
        "p415": {"valueGbp": None, "reason": P415_REASON},
    }
    if window.is_simulated:
        found["watermark"] = WATERMARK
    return found


def _flex_attributes(window: Window) -> dict[str, Any]:
    load = {"min": 0, "max": rounded(window.capacity_kw, 3), "unit": "kW"}
    attributes: dict[str, Any] = {
        "@context": FLEX_CONTEXT,
        "@type": "beckn:DemandFlexibilityResource",
        "beckn:consumerId": window.slot_id,
        "beckn:subscriptionStatus": "active",
        "beckn:participantCapabilities": {
            "participantType": ["commercial"],
            "deviceTypes": ["compute_cluster"],
            "loadCapacity": {**load, "currentAvailable": rounded(window.capacity_kw, 3)},
            "controlType": "automated",
            "responseTime": "PT30M",
        },
        "beckn:availabilityParameters": {
            "currentAvailability": True,
            "availableFrom": format_utc(window.start),
            "availableUntil": format_utc(window.end),
            "maxDuration": duration_text(window.end - window.start),
            "operationalConstraints": {"minimumNotice": "PT30M"},
        },
        "beckn:baselineData": {"baselineMethod": "plan_in_force", "typicalLoadUnit": "kW"},
        "beckn:gridParameters": {"gridZone": window.region},
        "beckn:pricingParameters": {
            "spotPrice": rounded(window.price_gbp_per_kwh, 6),
            "currency": "GBP",
            "unit": "per_kWh",
        },
        "direction": str(window.kind),
        "carbonIntensity": rounded(window.mean_carbon_g_per_kwh, 1),
    }
    return {**attributes, **_ours(window)}


def _attributes(window: Window) -> dict[str, Any]:
    is_compute = window.kind is WindowKind.COMPUTE
    return _window_attributes(window) if is_compute else _flex_attributes(window)


def _item(window: Window, seller: Party) -> dict[str, Any]:
    return {
        "@context": CORE_CONTEXT,
        "@type": "beckn:Item",
        "beckn:id": window.slot_id,
        "beckn:descriptor": _descriptor(name_of(window), short_of(window)),
        "beckn:provider": {
            "beckn:id": seller.subscriber_id,
            "beckn:descriptor": _descriptor(seller.subscriber_id),
        },
        "beckn:itemAttributes": _attributes(window),
    }


def _offer(window: Window, seller: Party, price: float | None = None) -> dict[str, Any]:
    asked = window.price_gbp_per_kwh if price is None else price
    return {
        "@context": CORE_CONTEXT,
        "@type": "beckn:Offer",
        "beckn:id": offer_id(window),
        "beckn:descriptor": _descriptor(name_of(window)),
        "beckn:provider": seller.subscriber_id,
        "beckn:items": [window.slot_id],
        "beckn:price": {
            "currency": "GBP",
            "value": rounded(asked or 0.0, 6),
            "price": rounded(asked or 0.0, 6),
        },
        "beckn:offerAttributes": {
            "@context": ENERGY_CONTEXT,
            "@type": "beckn:ComputeEnergyPricing",
            "beckn:unit": "per_kWh",
            "beckn:priceStability": "stable",
        },
    }


def _line(shown: Shown) -> dict[str, Any]:
    held = shown.contract
    attributes = _attributes(held.window)
    if held.window.kind is WindowKind.COMPUTE:
        reserved = {"reservedCapacity": rounded(held.quantity_kw / 1000.0, 6)}
        attributes["beckn:capacityParameters"].update(reserved)
        attributes["beckn:pricingParameters"]["estimatedCost"] = rounded(held.value_gbp, 4)
    else:
        attributes["@type"] = "beckn:DemandFlexibilityParticipation"
        # The profile knows reductions only; an increase is not called one.
        change = "Increase" if held.window.kind is WindowKind.TURN_UP else "Reduction"
        attributes[f"beckn:committed{change}"] = rounded(held.quantity_kw, 3)
        attributes[f"beckn:committed{change}Unit"] = "kW"
        attributes["beckn:participationStatus"] = str(held.state)
        attributes["beckn:estimatedIncentive"] = rounded(held.value_gbp, 4)
        attributes["beckn:estimatedIncentiveCurrency"] = "GBP"
        if held.baseline_kw:
            attributes["beckn:baselineLoad"] = rounded(max(held.baseline_kw), 3)
            attributes["beckn:baselineLoadUnit"] = "kW"
    return {
        "@type": "beckn:OrderItem",
        "beckn:lineId": "line-1",
        "beckn:orderedItem": held.window.slot_id,
        "beckn:quantity": {
            "unitCode": "KWT",
            "unitText": "kW",
            "unitQuantity": rounded(held.quantity_kw, 3),
        },
        "beckn:acceptedOffer": _offer(held.window, shown.seller, held.price_gbp_per_kwh),
        "beckn:orderItemAttributes": attributes,
    }


def _buyer(name: str) -> dict[str, str]:
    return {"@context": CORE_CONTEXT, "@type": "beckn:Buyer", "beckn:id": name}


def _support(name: str, **more: str) -> dict[str, Any]:
    head = {"@context": CORE_CONTEXT, "@type": "beckn:SupportInfo", "name": name}
    return {**head, **more, "channels": ["WEB"]}


def _named_order(
    name: str, seller: Party | None, held: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return an order of which no more is known than its name, with what the schema demands of one."""
    said = held or {}
    line = first(said.get("beckn:orderItems"))
    buyer = said.get("beckn:buyer")
    buyer_name = text(buyer) or text(inside(said, "beckn:buyer", "beckn:id")) or UNKNOWN
    return {
        "@context": CORE_CONTEXT,
        "@type": "beckn:Order",
        "beckn:id": name or UNKNOWN,
        "beckn:orderStatus": "REJECTED",
        "beckn:seller": seller.subscriber_id
        if seller
        else text(said.get("beckn:seller")) or UNKNOWN,
        "beckn:buyer": _buyer(buyer_name),
        "beckn:orderItems": [{"beckn:orderedItem": text(line.get("beckn:orderedItem")) or UNKNOWN}],
    }


def _order_object(shown: Shown) -> dict[str, Any]:
    held = shown.contract
    is_compute = held.window.kind is WindowKind.COMPUTE
    delivery: dict[str, Any] = {
        "@context": ENERGY_CONTEXT if is_compute else FLEX_CONTEXT,
        "@type": "beckn:ComputeEnergyFulfillment" if is_compute else "beckn:DemandFlexibilityEvent",
        "beckn:computeLoad": rounded(held.quantity_kw / 1000.0, 6),
        "beckn:computeLoadUnit": "MW",
        "beckn:timeWindow": _hours(held.window),
    }
    if held.job_id:
        delivery["beckn:workloadMetadata"] = {"workloadId": held.job_id}
    if held.delivered_kwh is not None:
        delivery["beckn:performanceMetrics"] = {
            "deliveredKwh": rounded(held.delivered_kwh, 3),
            "basis": "as planned, not metered",
        }
    line = _line(shown)
    if shown.event is not None:
        told = event_attributes(shown.event)
        delivery["beckn:gridEventAlert"] = told.pop("gridEventAlert")
        line["beckn:orderItemAttributes"]["beckn:gridParameters"].update(told)
    return {
        "@context": CORE_CONTEXT,
        "@type": "beckn:Order",
        "beckn:id": held.external_id or held.contract_id,
        "beckn:orderStatus": ORDER_CODES[held.state],
        "beckn:seller": shown.seller.subscriber_id,
        "beckn:buyer": _buyer(held.peer_id or shown.seller.subscriber_id),
        "beckn:orderItems": [line],
        "beckn:fulfillment": {
            "@context": CORE_CONTEXT,
            "@type": "beckn:Fulfillment",
            "beckn:id": "fulfillment-1",
            "beckn:mode": "RESERVATION",
            "beckn:fulfillmentStatus": FULFILMENT_CODES.get(held.state, "CANCELLED"),
            "beckn:deliveryAttributes": delivery,
        },
        "beckn:orderAttributes": {
            "@context": ENERGY_CONTEXT if is_compute else FLEX_CONTEXT,
            "@type": f"beckn:{'ComputeEnergy' if is_compute else 'DemandFlexibility'}Order",
            "beckn:requestType": "compute_slot_reservation" if is_compute else "activation",
            "p415": {"valueGbp": held.p415_value_gbp, "reason": held.p415_reason},
        },
    }


# --- reading ----------------------------------------------------------------------------------


def _price_of(price: Mapping[str, Any]) -> float | None:
    found = number(price.get("price"))
    return number(price.get("value")) if found is None else found


def _order(held: Mapping[str, Any], message: Mapping[str, Any]) -> Order:
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
        price_gbp_per_kwh=_price_of(price),
        currency=text(price.get("currency")) or "GBP",
        job_id=text(inside(delivery, "beckn:workloadMetadata", "workloadId")) or None,
        echo=message,
    )


def _event(held: Mapping[str, Any]) -> GridEvent | None:
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


def _windows(message: Mapping[str, Any]) -> tuple[Window, ...]:
    found = []
    for catalog in objects(message.get("catalogs")):
        peer = text(catalog.get("beckn:bppId")) or text(
            inside(catalog, "beckn:provider", "beckn:id")
        )
        prices = {
            text(name): _price_of(first(offer.get("beckn:price")))
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
    if not name or start is None or end is None or end <= start or capacity is None or not region:
        return None
    is_flex = "DemandFlexibility" in text(held.get("@type"))
    kinds = {str(kind): kind for kind in WindowKind}
    default = WindowKind.TURN_DOWN if is_flex else WindowKind.COMPUTE
    asked = number(inside(held, "beckn:pricingParameters", "spotPrice"))
    qualities = {str(quality): quality for quality in Quality}
    carbon = grid.get("carbonIntensity")
    return Window(
        slot_id=name,
        kind=kinds.get(text(held.get("kind")), default),
        region=region,
        start=start,
        end=end,
        capacity_kw=capacity,
        price_gbp_per_kwh=prices.get(name) if asked is None else asked,
        mean_carbon_g_per_kwh=number(held.get("carbonIntensity") if carbon is None else carbon),
        quality=qualities.get(text(held.get("dataQuality")), Quality.NONE),
        peer_id=peer_id,
    )
