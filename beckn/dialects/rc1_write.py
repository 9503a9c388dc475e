"""The objects of protocol version 2.0.0-rc1: items, offers and orders, in the core's shape and the profiles' words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beckn.context import duration_text
from beckn.dialects.base import event_attributes, name_of, offer_id, rounded, short_of
from beckn.model import Party, Shown
from beckn.reading import first, inside, text
from models.domain.market import P415_REASON, WATERMARK, ContractState, Window, WindowKind
from models.domain.regions import REGIONS
from models.domain.time import format_utc

RAW = "https://raw.githubusercontent.com/beckn/protocol-specifications-new/refs/heads/draft/schema"
CORE_CONTEXT = f"{RAW}/core/v2/context.jsonld"
ENERGY_CONTEXT = f"{RAW}/ComputeEnergy/v1/context.jsonld"
FLEX_CONTEXT = f"{RAW}/DemandFlexibility/v1/context.jsonld"
"""Names of contexts that the official samples carry; never fetched."""


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


def descriptor(name: str, short: str = "") -> dict[str, str]:
    """Return a name as the core writes it."""
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


def item_of(window: Window, seller: Party) -> dict[str, Any]:
    """Return a window as an item."""
    return {
        "@context": CORE_CONTEXT,
        "@type": "beckn:Item",
        "beckn:id": window.slot_id,
        "beckn:descriptor": descriptor(name_of(window), short_of(window)),
        "beckn:provider": {
            "beckn:id": seller.subscriber_id,
            "beckn:descriptor": descriptor(seller.subscriber_id),
        },
        "beckn:itemAttributes": _attributes(window),
    }


def offer_of(window: Window, seller: Party, price: float | None = None) -> dict[str, Any]:
    """Return the one offer of a window; at the price that was agreed, where one was."""
    asked = window.price_gbp_per_kwh if price is None else price
    return {
        "@context": CORE_CONTEXT,
        "@type": "beckn:Offer",
        "beckn:id": offer_id(window),
        "beckn:descriptor": descriptor(name_of(window)),
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
        "beckn:acceptedOffer": offer_of(held.window, shown.seller, held.price_gbp_per_kwh),
        "beckn:orderItemAttributes": attributes,
    }


def _buyer(name: str) -> dict[str, str]:
    return {"@context": CORE_CONTEXT, "@type": "beckn:Buyer", "beckn:id": name}


def support_of(name: str, **more: str) -> dict[str, Any]:
    """Return who helps, and where."""
    head = {"@context": CORE_CONTEXT, "@type": "beckn:SupportInfo", "name": name}
    return {**head, **more, "channels": ["WEB"]}


def named_order(
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


def order_of(shown: Shown) -> dict[str, Any]:
    """Return a contract as an order."""
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
