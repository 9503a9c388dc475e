"""`/api/beckn/…`: windows and contracts for people; the same state machine as the signed protocol, without the network."""

from __future__ import annotations

from flask import Blueprint, Response

from models.domain.market import WindowKind
from services.market import Wanted
from web.auth import Permission, current_caller
from web.context import services
from web.operation import operation, reply
from web.present import market as present
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


@bp.post("/search")
@operation(TAG, {200: SearchOut}, query=DialectQuery, body=SlotSearch, body_optional=True)
def search_slots(query: DialectQuery, body: SlotSearch) -> Response:
    """Return windows on your own clusters: room for compute, and load that re-planning can move.

    At most a hundred at a time, of each kind and length the best ones first; `next_cursor` leads on. With `dialect`
    the answer is the message of that dialect's catalogue.
    """
    wanted = Wanted(
        region=body.region,
        hours_ahead=body.hours_ahead,
        kind=WindowKind(body.kind) if body.kind else None,
        min_power_kw=body.min_power_kw,
        min_hours=body.min_hours,
    )
    market = services().market
    found = market.search(current_caller(), wanted, cursor=body.cursor, limit=body.limit)
    if query.dialect is not None:
        return reply(market.written(query.dialect, found.windows))
    return reply(present.slots(found))


@bp.post("/confirm")
@operation(TAG, {200: ContractOut}, body=SlotConfirm, errors=(409,), needs=Permission.SUBMIT)
def confirm_slot(body: SlotConfirm) -> Response:
    """Take a window: a compute window pins its job, a turn-down limits the next plan, a turn-up pins what it brings.

    409 where it cannot be had (any more); nothing of the plan has changed then.
    """
    made = services().market.confirm(current_caller(), body.slot_id, body.job_id)
    return reply(present.contract(made))


@bp.get("/contracts")
@operation(TAG, {200: ContractList})
def list_contracts() -> Response:
    """List contracts, newest first, at most a hundred."""
    held = services().market.contracts(current_caller())
    return reply({"items": [present.contract(one) for one in held], "next_cursor": None})


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
