"""The objects of protocol version 2.0.0, long-term support: resources, offers and contracts."""

from __future__ import annotations

from typing import Any

from beckn.context import duration_text
from beckn.dialects.base import (
    CONFIRM_BEFORE,
    CONTRACT_CODES,
    PERFORMANCE_CODES,
    event_attributes,
    name_of,
    offer_id,
    rounded,
    short_of,
)
from beckn.dialects.lts_read import is_uuid
from beckn.model import Party, Shown
from models.domain.market import P415_REASON, WATERMARK, Contract, ContractState, Window, WindowKind
from models.domain.regions import REGIONS
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


def own_context(seller: Party, name: str) -> str:
    """Return the name of a context of our own."""
    return f"{seller.url}/schema/{name}/v1.0/context.jsonld"


def resource(window: Window, seller: Party) -> dict[str, Any]:
    """Return a window as a resource with its attributes."""
    place = REGIONS[window.region]
    attributes: dict[str, Any] = {
        "@context": own_context(seller, WINDOW_TYPE),
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


def offer_of(window: Window) -> dict[str, Any]:
    """Return the one offer of a window."""
    value = window.energy_kwh * (window.price_gbp_per_kwh or 0.0)
    last = window.start - CONFIRM_BEFORE
    return {
        "id": offer_id(window),
        "descriptor": {"name": f"GBP {window.price_gbp_per_kwh or 0.0:.4f} per kWh"},
        "resourceIds": [window.slot_id],
        "considerations": [_consideration(value, "PROPOSED")],
        "validity": {"endDate": format_utc(last)},
    }


def is_running(shown: Shown | None) -> bool:
    """Return whether a contract is shown whose window has begun."""
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
        "@context": own_context(seller, "ComputeFlexibilityContract"),
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
            "@context": own_context(seller, "ComputeFlexibilityPerformance"),
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
