"""How contracts end: what they claimed is given back and jobs are let go, once, whoever is first."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from models.domain.errors import Conflict
from models.domain.exchange import ContractFilter
from models.domain.market import Contract, ContractState, Side, WindowKind
from models.domain.ports import UnitOfWork
from services import market_jobs, market_news, market_records
from services.context import Context
from services.market_terms import quote_ends_at

log = logging.getLogger(__name__)

MOST_EXPIRED = 500
"""Contracts that are ended in one go."""


def end(
    context: Context,
    held: Contract,
    state: ContractState,
    why: str,
    *,
    message_id: str = "",
    tells: bool = False,
    also: Callable[[UnitOfWork], None] = lambda _: None,
) -> Contract:
    """End a contract: claims are given back and jobs let go, in one transaction.

    Args:
        context: Ports.
        held: The contract as it was read.
        state: How it ends.
        why: In a sentence.
        message_id: The message that ends it, if any.
        tells: Whether its buyer does not know yet, and is told.
        also: What else belongs into the same transaction.

    Raises:
        Conflict: If the contract is no longer as `held` says: somebody confirmed, changed or ended it meanwhile.
    """
    done = held.moved(state, context.system_now(), why, message_id=message_id, error=why)
    with context.uow(write=True) as uow:
        stored = uow.market.get(held.contract_id)
        if stored.version != held.version:
            raise Conflict(f"contract {held.contract_id} has changed meanwhile; look again")
        uow.market.put(done)
        uow.market.claim(held.contract_id, ())
        market_jobs.release(context, uow, held.moves if _pins(held) else (), held.contract_id)
        uow.decisions.append(market_records.contract(context, done, str(state), {"why": why}))
        if held.state not in {ContractState.QUOTED, ContractState.REQUESTED}:
            uow.plans.bump()
        if tells:
            market_news.tell(context, uow, done)
        also(uow)
        uow.commit()
    return done


def _pins(held: Contract) -> bool:
    return held.window.kind is not WindowKind.TURN_DOWN


def expire(context: Context) -> int:
    """End quotes and give back holds whose time ran out; return how many holds that were."""
    now = context.system_now()
    wanted = ContractFilter(
        side=Side.SELLER,
        states=frozenset({ContractState.HELD, ContractState.QUOTED}),
        # Nothing runs out sooner after it was made; so the young ones need not be read.
        created_until=now - timedelta(seconds=context.settings.hold_seconds),
        oldest_first=True,
        limit=MOST_EXPIRED,
    )
    with context.uow() as uow:
        late = [one for one in uow.market.find(wanted) if _is_late(context, one)]
    holds = 0
    for one in late:
        is_hold = one.state is ContractState.HELD
        why = (
            "the hold ran out before it was confirmed"
            if is_hold
            else "the quote ran out before capacity was asked for"
        )
        try:
            end(context, one, ContractState.EXPIRED, why, tells=is_hold)
        except Conflict:
            log.info("contract %s went on before it could expire", one.contract_id)
        else:
            holds += is_hold
    return holds


def _is_late(context: Context, held: Contract) -> bool:
    now = context.system_now()
    if held.state is ContractState.HELD:
        return held.held_until is not None and held.held_until <= now
    return quote_ends_at(context, held) <= now
