"""Windows and contracts as plain objects."""

from __future__ import annotations

from typing import Any

from models.domain.exchange import Message
from models.domain.market import WATERMARK, Contract, Window
from models.domain.time import format_utc
from services.market import ContractDetail, Offers


def slot(window: Window) -> dict[str, Any]:
    """Return a window."""
    return {
        "slot_id": window.slot_id,
        "kind": str(window.kind),
        "region": window.region,
        "start_time": format_utc(window.start),
        "end_time": format_utc(window.end),
        "capacity_kw": window.capacity_kw,
        "duration_h": window.duration_h,
        "energy_kwh": round(window.energy_kwh, 3),
        "price_gbp_per_kwh": window.price_gbp_per_kwh,
        "mean_carbon_g_per_kwh": window.mean_carbon_g_per_kwh,
        "flexibility": window.flexibility,
        "data_quality": str(window.quality),
        "watermark": WATERMARK if window.is_simulated else None,
        "peer_id": window.peer_id or None,
    }


def slots(offers: Offers) -> dict[str, Any]:
    """Return a page of windows."""
    return {
        "items": [slot(window) for window in offers.windows],
        "next_cursor": offers.next_cursor,
        "total": offers.total,
    }


def contract(held: Contract) -> dict[str, Any]:
    """Return a contract."""
    return {
        "contract_id": held.contract_id,
        "side": str(held.side),
        "status": str(held.state),
        "slot": slot(held.window),
        "quantity_kw": round(held.quantity_kw, 3),
        "price_gbp_per_kwh": held.price_gbp_per_kwh,
        "value_gbp": round(held.value_gbp, 4),
        "energy_kwh": round(held.energy_kwh, 3),
        "job_id": held.job_id,
        "counterparty": held.peer_id or None,
        "transaction_id": held.transaction_id,
        "dialect": held.dialect or None,
        "held_until": format_utc(held.held_until) if held.held_until else None,
        "created_at": format_utc(held.created_at),
        "updated_at": format_utc(held.updated_at),
        "baseline_kw": [round(kw, 3) for kw in held.baseline_kw],
        "readings": [
            {
                "slot_start": format_utc(one.slot_start),
                "baseline_kw": round(one.baseline_kw, 3),
                "drawn_kw": round(one.drawn_kw, 3),
            }
            for one in held.readings
        ],
        "delivered_kwh": held.delivered_kwh,
        "p415_value_gbp": held.p415_value_gbp,
        "p415_reason": held.p415_reason,
        "error": held.error or None,
        "history": [
            {"at": format_utc(step.at), "state": str(step.state), "what": step.what}
            for step in held.history
        ],
    }


def detail(found: ContractDetail) -> dict[str, Any]:
    """Return a contract with its messages."""
    return {
        "contract": contract(found.contract),
        "messages": [message(one) for one in found.messages],
    }


def message(one: Message) -> dict[str, Any]:
    """Return a raw message; its signature stays in the journal."""
    return {
        "direction": one.direction,
        "action": one.action,
        "at": format_utc(one.at),
        "message_id": one.message_id,
        "status": one.status,
        "body": one.body.decode("utf-8", "replace"),
        "answer": one.answer.decode("utf-8", "replace"),
    }
