"""Audit records of the market: contracts, and messages taken or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.domain.decision import DecisionDraft, EventType
from models.domain.market import Contract
from services import change_records, records
from services.context import Context


def contract(
    context: Context, held: Contract, event: str, detail: Mapping[str, Any]
) -> DecisionDraft:
    """Return the record of what became of a contract.

    Args:
        context: Ports; the clock is used.
        held: The contract as it is now.
        event: e.g. `quoted`, `held`, `confirmed`, `cancelled`, `expired`, `refused`.
        detail: What else matters.
    """
    window = held.window
    what = {
        "contract": {
            "event": event,
            "contract_id": held.contract_id,
            "side": str(held.side),
            "state": str(held.state),
            "counterparty": held.peer_id or "here",
            "transaction_id": held.transaction_id,
            "slot_id": window.slot_id,
            "kind": str(window.kind),
            "region": window.region,
            "start": window.start,
            "end": window.end,
            "quantity_kw": held.quantity_kw,
            "price_gbp_per_kwh": held.price_gbp_per_kwh,
            "data_quality": str(window.quality),
            "p415_value_gbp": held.p415_value_gbp,
            "detail": dict(detail),
        }
    }
    draft = records.event_draft(
        EventType.CONTRACT,
        records.rule("market"),
        what,
        owner=held.owner or None,
        first_slot=window.start,
        clock_utc=change_records.clock_utc(context),
    )
    return DecisionDraft(
        event_type=draft.event_type,
        body=draft.body,
        job_id=held.job_id,
        owner=draft.owner,
        first_slot=draft.first_slot,
        clock_utc=draft.clock_utc,
    )


def exchange(context: Context, messages: Sequence[Mapping[str, Any]]) -> DecisionDraft:
    """Return the record of messages that were taken, sent or refused together, each by its ids and digest."""
    return records.event_draft(
        EventType.EXCHANGE,
        records.rule("beckn"),
        {"exchange": [dict(one) for one in messages]},
        clock_utc=change_records.clock_utc(context),
    )
