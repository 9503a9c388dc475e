"""`/api/beckn/…`: windows and contracts for people; the same state machine as the signed protocol, without the network."""

from __future__ import annotations

from flask import Blueprint, Response

from models.domain.market import WindowKind
from services.market import Wanted
from web.api.lists import next_link, reply_list
from web.auth import Permission, current_caller
from web.context import services
from web.operation import operation, reply
from web.present import market as present
from web.present.common import page
from web.schemas.fields import PageQuery
from web.schemas.market import (
    ContractDetailOut,
    ContractList,
    ContractOut,
    DialectQuery,
    SearchOut,
    SlotConfirm,
    SlotSearch,
)

bp = Blueprint("api_market", __name__, url_prefix="/api/beckn")

TAG = "Market"

COLUMNS = (
    "contract_id", "side", "status", "slot.kind", "slot.slot_id", "slot.region", "slot.start_time", "slot.end_time",
    "quantity_kw", "energy_kwh", "price_gbp_per_kwh", "value_gbp", "job_id", "counterparty", "transaction_id", "dialect",
    "held_until", "created_at", "updated_at", "delivered_kwh", "p415_value_gbp", "p415_reason", "error",
)  # fmt: skip
"""Columns of the contracts as CSV; baseline, readings and history are in the JSON."""


@bp.post("/search")
@operation(
    TAG, {200: SearchOut}, query=DialectQuery, body=SlotSearch, body_optional=True,
    answer_headers={200: ("Link",)},
)  # fmt: skip
def search_slots(query: DialectQuery, body: SlotSearch) -> Response:
    """Return windows on your own clusters: room for compute, and load that re-planning can move.

    At most a hundred at a time, of each kind and length the best ones first; `next_cursor` and the `Link` header lead
    on. With `dialect` the answer is the message of that dialect's catalogue, which has no place for `next_cursor`.
    """
    wanted = Wanted(
        region=body.region,
        hours_ahead=body.hours_ahead,
        kind=WindowKind(body.kind) if body.kind else None,
        min_power_kw=body.min_power_kw,
        min_hours=body.min_hours,
    )
    market = services().market
    cursor = query.cursor or body.cursor
    found = market.search(current_caller(), wanted, cursor=cursor, limit=body.limit)
    shown = market.written(query.dialect, found.windows) if query.dialect else present.slots(found)
    return reply(shown, headers=next_link(found.next_cursor))


@bp.post("/confirm")
@operation(TAG, {200: ContractOut}, body=SlotConfirm, errors=(409,), needs=Permission.SUBMIT)
def confirm_slot(body: SlotConfirm) -> Response:
    """Take a window: a compute window pins its job, a turn-down limits the next plan, a turn-up pins what it brings.

    409 where it cannot be had (any more); nothing of the plan has changed then.
    """
    made = services().market.confirm(current_caller(), body.slot_id, body.job_id)
    return reply(present.contract(made))


@bp.get("/contracts")
@bp.get("/contracts.csv")
@operation(
    TAG,
    {200: ContractList},
    query=PageQuery,
    media_types=("application/json", "text/csv"),
    answer_headers={200: ("Link",)},
)
def list_contracts(query: PageQuery) -> Response:
    """List contracts, newest first."""
    found = services().market.contract_page(
        current_caller(), cursor=query.cursor, limit=query.limit
    )
    return reply_list("contracts", page(found, present.contract), COLUMNS)


@bp.get("/contracts/<ident:contract_id>")
@operation(TAG, {200: ContractDetailOut})
def show_contract(contract_id: str) -> Response:
    """Show a contract with its history and its raw messages."""
    return reply(present.detail(services().market.contract(current_caller(), contract_id)))


@bp.post("/contracts/<ident:contract_id>/cancel")
@operation(TAG, {200: ContractOut}, errors=(409,), needs=Permission.SUBMIT)
def cancel_contract(contract_id: str) -> Response:
    """End a contract before its window begins; one that was bought is cancelled over the network."""
    return reply(present.contract(services().market.cancel(current_caller(), contract_id)))
