"""News of a sold contract, told to its buyer unasked: what ended here, less power than sold, carbon that rose.

News are written into the outbox in the transaction that makes them true; the protocol sends them from there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from models.domain.exchange import Work, WorkKind
from models.domain.market import Contract, ContractState, Side
from models.domain.ports import UnitOfWork
from models.domain.time import Horizon
from services import market_records
from services.context import Context

CARBON_SPIKE = 1.2
"""Carbon this many times what was sold is news, and reason to leave a window for who bought it."""

LIFE = timedelta(minutes=10)
"""How long news are worth telling."""


def tell(
    context: Context, uow: UnitOfWork, held: Contract, event: Mapping[str, Any] | None = None
) -> None:
    """Put news of a contract that others bought into the outbox, inside the transaction that makes them true.

    Args:
        context: Ports.
        uow: That transaction.
        held: The contract as it is now.
        event: A grid event as `GridEvent` of the protocol has it, if that is the news.
    """
    if held.side is not Side.SELLER or not held.peer_id:
        return
    now = context.system_now()
    uow.exchange.add(
        Work(
            kind=WorkKind.TELL,
            peer_id=held.peer_id,
            url="",
            action="on_update",
            transaction_id=held.transaction_id,
            message_id=str(context.new_id()),
            dialect=held.dialect,
            created_at=now,
            due_at=now,
            expires_at=now + LIFE,
            body=json.dumps({"contract_id": held.contract_id, "event": event}).encode(),
        )
    )


def tell_of_carbon(context: Context, held: Contract) -> bool:
    """Tell the buyer of a window that has not begun when its carbon has risen much; return whether it has."""
    known = held.told_carbon_g_per_kwh or held.window.mean_carbon_g_per_kwh
    is_sold = held.side is Side.SELLER and held.peer_id and held.state is ContractState.CONFIRMED
    if not is_sold or known is None or held.window.start <= context.clock.now():
        return False
    now_g = mean_carbon(context, held.window.region, held.window.start, held.window.slots)
    if now_g is None or now_g <= known * CARBON_SPIKE:
        return False
    told = held.moved(
        held.state, context.system_now(),
        f"told the buyer that carbon rose from {known:g} to {now_g:g} g/kWh",
        told_carbon_g_per_kwh=now_g,
    )  # fmt: skip
    event = {
        "event_id": str(context.new_id()),
        "event_type": "carbon_spike",
        "message": f"the forecast of this window rose from {known:g} to {now_g:g} gCO2/kWh",
        "carbon_g_per_kwh": now_g,
        "previous_carbon_g_per_kwh": known,
    }
    with context.uow(write=True) as uow:
        uow.market.put(told)
        uow.decisions.append(market_records.contract(context, told, "event", event))
        tell(context, uow, told, event)
        uow.commit()
    return True


def mean_carbon(context: Context, region: str, start: datetime, slots: int) -> float | None:
    """Return the mean carbon of some half-hours as forecast now; None where one is unknown. [gCO2/kWh]"""
    horizon = Horizon(start, slots)
    values = context.signals.view([region], horizon)[region].carbon.over(horizon).values
    return None if np.isnan(values).any() else round(float(values.mean()), 2)


def shrunk(held: Contract, quantity_kw: float, at: datetime) -> Contract:
    """Return a contract with the power that can still be given. [kW]"""
    smaller = replace(held, quantity_kw=quantity_kw)
    return smaller.moved(
        held.state, at,
        f"only {quantity_kw:g} kW of {held.quantity_kw:g} kW can still be given: the cluster became smaller",
    )  # fmt: skip
