"""What time does to contracts: holds run out, windows begin and end, and what was delivered is read from the plan."""

from __future__ import annotations

import logging
from dataclasses import replace

from models.domain.errors import Conflict
from models.domain.exchange import ContractFilter
from models.domain.job import JobStatus
from models.domain.market import BINDING_STATES, Contract, ContractState, Reading, Side, WindowKind
from models.domain.ports import UnitOfWork
from models.domain.time import SLOT, floor_slot
from services import (
    market_cover,
    market_deals,
    market_ends,
    market_news,
    market_records,
    planning,
)
from services.context import Context
from services.market_claims import MOST_BOUND
from services.market_windows import planned_kw

log = logging.getLogger(__name__)


def advance(context: Context) -> int:
    """Move every contract that time has overtaken; return how many changed."""
    changed = market_ends.expire(context)
    if changed:
        planning.replan_after(context, trigger=market_deals.TRIGGER)
    wanted = ContractFilter(states=BINDING_STATES, oldest_first=True, limit=MOST_BOUND)
    with context.uow() as uow:
        bound = uow.market.find(wanted)
    changed += market_cover.uncovered(context, bound)
    for contract in bound:
        try:
            changed += _advance(context, contract)
        except Conflict:
            log.info("contract %s changed meanwhile; it is looked at again", contract.contract_id)
    return changed


def _advance(context: Context, contract: Contract) -> int:
    if _has_lost_its_job(context, contract):
        why = "the job of this contract was cancelled"
        market_ends.end(context, contract, ContractState.CANCELLED, why, tells=True)
        planning.replan_after(context, trigger=market_deals.TRIGGER)
        return 1
    now = context.clock.now()
    window = contract.window
    if now < window.start:
        return int(market_news.tell_of_carbon(context, contract))
    with context.uow(write=True) as uow:
        held = uow.market.get(contract.contract_id)
        if held.state not in BINDING_STATES:
            return 0
        read = _read(context, uow, held) if held.side is Side.SELLER else held
        state = ContractState.COMPLETE if now >= window.end else ContractState.RUNNING
        if state is held.state and read.readings == held.readings:
            return 0
        if state is held.state:
            done = replace(read, version=held.version + 1)
        else:
            words = (
                "the window has begun" if state is ContractState.RUNNING else "the window is over"
            )
            done = read.moved(state, context.system_now(), words)
            detail = {
                "delivered_kwh": done.delivered_kwh,
                "contracted_kwh": done.energy_kwh,
                "basis": "as planned, not metered",
            }
            uow.decisions.append(market_records.contract(context, done, str(state), detail))
        if state is ContractState.COMPLETE:
            uow.market.claim(held.contract_id, ())
            uow.plans.bump()
        uow.market.put(done)
        uow.commit()
    return 1


def _has_lost_its_job(context: Context, contract: Contract) -> bool:
    # What was bought is given back over the network: the buyer's side of the protocol does that.
    is_ours = contract.side is Side.SELLER or not contract.peer_id
    if contract.job_id is None or contract.window.kind is not WindowKind.COMPUTE or not is_ours:
        return False
    with context.uow() as uow:
        found = uow.jobs.many([contract.job_id])
    job = found.get(contract.job_id)
    return job is None or job.status in {JobStatus.CANCELLED, JobStatus.FAILED}


def _read(context: Context, uow: UnitOfWork, held: Contract) -> Contract:
    """Add what the plan in force draws in the half-hours of the window that have come."""
    window = held.window
    live = {asset.asset_id: asset for asset in uow.assets.all_live()}
    asset = live.get(window.asset_id)
    if asset is None:
        return held
    known = {reading.slot_start: reading for reading in held.readings}
    drawn = planned_kw(uow, asset, window)
    current = floor_slot(context.clock.now())
    baseline = held.baseline_kw or (0.0,) * window.slots
    for k, start in enumerate(window.starts()):
        # What a half-hour drew is read while it lasts: jobs that end give their power back afterwards.
        if start == current or (start < current and start not in known and start + SLOT <= current):
            known[start] = Reading(start, baseline[k], _used(held, drawn[k]))
    return replace(held, readings=tuple(known[start] for start in sorted(known)))


def _used(held: Contract, drawn_kw: float) -> float:
    """Return what counts for a contract: kept capacity counts as used by whoever bought it."""
    is_others = held.window.kind is WindowKind.COMPUTE and held.job_id is None
    return held.quantity_kw if is_others else drawn_kw
