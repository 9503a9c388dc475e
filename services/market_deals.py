"""The seller's side of a contract: quote, hold, confirm, change, cancel. Every step is one transaction with its record.

Nothing binds before `confirm`; capacity is kept from `hold` until its time runs out, and looked at again at `confirm`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from models.domain.errors import StalePlan
from models.domain.exchange import ContractFilter
from models.domain.market import (
    BINDING_STATES,
    OPEN_STATES,
    Contract,
    ContractState,
    DealRefused,
    DealRule,
    Move,
    Side,
    Window,
    WindowKind,
)
from models.domain.ports import UnitOfWork
from models.domain.time import format_utc
from services import market_jobs, market_records, planning
from services.context import Context
from services.market_claims import must_be_free
from services.market_ends import end
from services.market_keeping import claims_bound, claims_held
from services.market_terms import WHOLE_KW, Terms, check_price, drafted, offered, quote_ends_at
from services.market_windows import Catalogue, planned_kw
from services.types import PlanRun

TRIGGER = "contract"
"""Why a contract re-plans."""

ATTEMPTS = 4
"""How often a step is tried anew where the plan moved on meanwhile."""

TOLERANCE_KW = 0.01
"""How far the planned load may miss what was promised, by rounding. [kW]"""

MOST_OPEN, MOST_HELD = 100, 20
"""Quotes and holds that one counterparty may have at once: nobody keeps others away by keeping everything."""


def quote(context: Context, terms: Terms) -> Contract:
    """Say what a window costs; nothing is kept. Asked again in the same transaction, the quote is made anew.

    Raises:
        DealRefused: With the rule.
    """
    held = _known(context, terms)
    if held is not None and held.has_applied("select", terms.message_id):
        return held
    if held is not None and held.state not in OPEN_STATES - {ContractState.HELD}:
        raise _wrong_state(held, "quoted")
    window, _ = offered(context, terms.slot_id)
    made = drafted(context, terms, window, held)
    with context.uow(write=True) as uow:
        if held is None:
            _must_not_hoard(uow, terms.peer_id, OPEN_STATES, MOST_OPEN)
        made = _applied(made, "select", terms.message_id)
        uow.market.put(made)
        uow.decisions.append(market_records.contract(context, made, "quoted", {}))
        uow.commit()
    return made


def hold(context: Context, terms: Terms) -> Contract:
    """Keep capacity for a while. A quote in the same transaction is honoured, else one is made.

    Raises:
        DealRefused: With the rule.
    """
    held = _known(context, terms)
    if held is not None and held.has_applied("init", terms.message_id):
        return held
    if held is not None and held.state not in OPEN_STATES:
        raise _wrong_state(held, "initialised")
    if (
        held is not None
        and held.state is ContractState.QUOTED
        and quote_ends_at(context, held) <= context.system_now()
    ):
        end(context, held, ContractState.EXPIRED, "the quote ran out before capacity was asked for")
        raise DealRefused(DealRule.EXPIRED, "this quote has run out; begin anew")
    for _ in range(ATTEMPTS):
        besides = held.contract_id if held is not None else ""
        window, board = offered(context, terms.slot_id, besides=besides)
        made = drafted(context, terms, window, held)
        try:
            return _hold(context, terms, made, board)
        except StalePlan:
            continue
    raise DealRefused(DealRule.QUANTITY, "the plan is changing too fast to keep this; ask again")


def _hold(context: Context, terms: Terms, made: Contract, board: Catalogue) -> Contract:
    now = context.system_now()
    until = now + timedelta(seconds=context.settings.hold_seconds)
    moves = _moves(context, terms, made, board)
    with context.uow(write=True) as uow:
        _same_plan(uow, board)
        if made.state is not ContractState.HELD:
            _must_not_hoard(uow, terms.peer_id, frozenset({ContractState.HELD}), MOST_HELD)
        if made.job_id is not None:
            must_be_free(uow, made.job_id, besides=made.transaction_id)
        made = _applied(
            made.moved(
                ContractState.HELD, now, f"capacity kept until {format_utc(until.replace(microsecond=0))}",
                message_id=terms.message_id, held_until=until, moves=moves,
            ),
            "init", terms.message_id,
        )  # fmt: skip
        made = replace(made, version=made.version - 1)
        uow.market.put(made)
        uow.market.claim(made.contract_id, claims_held(uow, made))
        uow.decisions.append(market_records.contract(context, made, "held", {"held_until": until}))
        uow.plans.bump()
        uow.commit()
    return made


def confirm(context: Context, terms: Terms) -> Contract:
    """Make it binding, after looking at the capacity again; then re-plan with it.

    Raises:
        DealRefused: With the rule; what was held is given back where it cannot be had any more.
    """
    held = _known(context, terms)
    if held is None:
        # The activation of a flexibility programme comes without select and init.
        held = hold(context, replace(terms, message_id=f"{terms.message_id}#init"))
    if held.has_applied("confirm", terms.message_id):
        return held
    if held.state in BINDING_STATES:
        raise DealRefused(DealRule.ALREADY_CONFIRMED, "this contract is confirmed already")
    if held.state is ContractState.QUOTED:
        raise DealRefused(DealRule.STATE, "nothing is kept for this contract yet; send init first")
    if held.state is ContractState.EXPIRED or (
        held.state is ContractState.HELD
        and held.held_until is not None
        and held.held_until <= context.system_now()
    ):
        if held.state is ContractState.HELD:
            end(context, held, ContractState.EXPIRED, "the hold ran out before it was confirmed")
        raise DealRefused(
            DealRule.EXPIRED, "what was kept for this contract has run out; begin anew"
        )
    if held.state is not ContractState.HELD:
        raise _wrong_state(held, "confirmed")
    if terms.slot_id and terms.slot_id != held.window.slot_id:
        raise DealRefused(DealRule.NOT_FOUND, "this contract is over another window")
    check_price(terms, held.price_gbp_per_kwh, held.quantity_kw, held.window)
    bound = _bind(context, held, terms.message_id)
    return _checked_after(context, bound, planning.replan_after(context, trigger=TRIGGER))


def _bind(context: Context, held: Contract, message_id: str) -> Contract:
    for _ in range(ATTEMPTS):
        try:
            window, board = offered(context, held.window.slot_id, besides=held.contract_id)
        except DealRefused as error:
            raise _given_back(context, held, error) from error
        if not _still_has(window, held):
            gone = DealRefused(
                DealRule.QUANTITY,
                f"{held.quantity_kw:g} kW were kept and {window.capacity_kw:g} kW can be delivered by now",
            )
            raise _given_back(context, held, gone)
        try:
            return _bind_now(context, held, message_id, board)
        except StalePlan:
            continue
        except DealRefused as error:
            if held.window.kind is not WindowKind.COMPUTE:
                # Which of our jobs it is that cannot move is nobody else's business.
                gone = DealRefused(DealRule.QUANTITY, "the work that would move no longer can")
                raise _given_back(context, held, gone) from error
            raise _given_back(context, held, error) from error
    raise DealRefused(
        DealRule.QUANTITY, "the plan is changing too fast to confirm this; send it again"
    )


def _still_has(window: Window, held: Contract) -> bool:
    """Return whether what was kept can still be delivered; flexibility exactly, for whole jobs move."""
    left = window.capacity_kw - held.quantity_kw
    return left >= -WHOLE_KW and (window.kind is WindowKind.COMPUTE or left <= WHOLE_KW)


def _bind_now(context: Context, held: Contract, message_id: str, board: Catalogue) -> Contract:
    now = context.system_now()
    kind = held.window.kind
    moves = held.moves
    if kind is not WindowKind.COMPUTE:
        offer = board.flex[held.window.slot_id]
        moves = (*offer.moves, *(offer.stays if kind is WindowKind.TURN_UP else ()))
    with context.uow(write=True) as uow:
        _same_plan(uow, board)
        asset = uow.assets.get(held.window.asset_id)
        baseline = planned_kw(uow, asset, held.window)
        bound = held.moved(
            ContractState.CONFIRMED, now, "confirmed", message_id=message_id,
            moves=moves, baseline_kw=baseline, held_until=None,
        )  # fmt: skip
        bound = replace(_applied(bound, "confirm", message_id), version=held.version + 1)
        if kind is WindowKind.TURN_UP or (kind is WindowKind.COMPUTE and held.job_id):
            market_jobs.bind(context, uow, moves, held.contract_id)
        uow.market.put(bound)
        uow.market.claim(bound.contract_id, claims_bound(asset, bound))
        uow.decisions.append(
            market_records.contract(
                context, bound, "confirmed",
                {"baseline_kw": baseline, "moves": [_told(move) for move in moves]},
            )
        )  # fmt: skip
        uow.plans.bump()
        uow.commit()
    return bound


def _told(move: Move) -> dict[str, object]:
    return {
        "job_id": move.job_id,
        "from": move.from_start,
        "to": move.to_start,
        "kw": move.power_kw,
    }


def _checked_after(context: Context, bound: Contract, run: PlanRun | None) -> Contract:
    """Return the contract, or end it where the plan could not deliver it after all; unfinished plans are not judged."""
    if run is None or not run.finished:
        return bound
    problem = _undelivered(context, bound)
    if problem is None:
        return bound
    end(context, bound, ContractState.CANCELLED, problem)
    planning.replan_after(context, trigger=TRIGGER)
    raise DealRefused(DealRule.QUANTITY, problem)


def _undelivered(context: Context, bound: Contract) -> str | None:
    """Return what the plan in force does not do of what was promised; None where it does it, or has yet to be made."""
    kind, window = bound.window.kind, bound.window
    with context.uow() as uow:
        plans = [uow.jobs.view(move.job_id, context.clock.now()).plan for move in bound.moves]
        drawn = planned_kw(uow, uow.assets.get(window.asset_id), window)
    if any(plan is None or (plan.award is None and plan.refusal is None) for plan in plans):
        return None
    for move, plan in zip(bound.moves, plans, strict=True):
        placed = plan.award.placement if plan is not None and plan.award is not None else None
        if placed is None:
            return "the plan could not place the work that this needs"
        is_there = (placed.asset_id, placed.start) == (move.to_asset_id, move.to_start)
        if kind is not WindowKind.TURN_DOWN and not is_there:
            return "the plan could not give the work this window"
    if kind is WindowKind.TURN_DOWN:
        most = [kw - bound.quantity_kw + TOLERANCE_KW for kw in bound.baseline_kw]
        if any(kw > limit for kw, limit in zip(drawn, most, strict=True)):
            return "the plan could not take the load away"
    return None


def cancel(context: Context, held: Contract, message_id: str, reason: str = "") -> Contract:
    """End a contract and give its capacity back.

    Raises:
        DealRefused: If it is over, or its window has begun.
    """
    if held.has_applied("cancel", message_id):
        return held
    if held.state is ContractState.CANCELLED:
        raise DealRefused(DealRule.ALREADY_CANCELLED, "this contract is cancelled already")
    if held.state in {ContractState.COMPLETE, ContractState.EXPIRED, ContractState.FAILED}:
        raise _wrong_state(held, "cancelled")
    if held.state in BINDING_STATES and held.window.start <= context.clock.now():
        raise DealRefused(DealRule.TOO_LATE, "its window has begun; it can no longer be cancelled")
    was_bound = held.state in BINDING_STATES
    done = end(
        context, _applied(held, "cancel", message_id), ContractState.CANCELLED,
        reason or "cancelled by the counterparty", message_id=message_id,
    )  # fmt: skip
    if was_bound:
        planning.replan_after(context, trigger=TRIGGER)
    return done


def change_quantity(
    context: Context, held: Contract, quantity_kw: float | None, message_id: str
) -> Contract:
    """Take a smaller quantity; more, or anything else, is a new contract.

    Raises:
        DealRefused: If the change is not allowed.
    """
    if held.has_applied("update", message_id):
        return held
    if held.state not in {ContractState.HELD, *BINDING_STATES}:
        raise _wrong_state(held, "changed")
    if held.window.start <= context.clock.now():
        raise DealRefused(DealRule.TOO_LATE, "its window has begun")
    if quantity_kw is None or abs(quantity_kw - held.quantity_kw) < 1e-9:
        return held
    if held.window.kind is not WindowKind.COMPUTE or held.job_id:
        raise DealRefused(
            DealRule.UPDATE, "this contract is over all of its quantity; cancel it and order anew"
        )
    if not 0.0 < quantity_kw < held.quantity_kw:
        raise DealRefused(
            DealRule.UPDATE, "only a smaller quantity can be agreed in an update; order more anew"
        )
    changed = held.moved(
        held.state, context.system_now(), f"now {quantity_kw:g} kW", message_id=message_id,
        quantity_kw=quantity_kw,
    )  # fmt: skip
    with context.uow(write=True) as uow:
        asset = uow.assets.get(held.window.asset_id)
        changed = replace(_applied(changed, "update", message_id), version=held.version + 1)
        uow.market.put(changed)
        bound = changed.state in BINDING_STATES
        claims = claims_bound(asset, changed) if bound else claims_held(uow, changed)
        uow.market.claim(changed.contract_id, claims)
        uow.decisions.append(market_records.contract(context, changed, "changed", {}))
        uow.plans.bump()
        uow.commit()
    planning.replan_after(context, trigger=TRIGGER)
    return changed


# --- parts ------------------------------------------------------------------------------------


def _known(context: Context, terms: Terms) -> Contract | None:
    with context.uow() as uow:
        return uow.market.of_transaction(Side.SELLER, terms.peer_id, terms.transaction_id)


def _moves(context: Context, terms: Terms, made: Contract, board: Catalogue) -> tuple[Move, ...]:
    if made.window.kind is not WindowKind.COMPUTE:
        return board.flex[made.window.slot_id].moves
    if made.job_id is None:
        return ()
    return (market_jobs.fit(context, made.job_id, made.window, terms.job_owner),)


def _must_not_hoard(
    uow: UnitOfWork, peer_id: str, states: frozenset[ContractState], most: int
) -> None:
    if not peer_id:
        return
    wanted = ContractFilter(side=Side.SELLER, peer_id=peer_id, states=states, limit=most)
    if len(uow.market.find(wanted)) >= most:
        raise DealRefused(
            DealRule.LIMIT,
            f"{most} quotes or holds are open for this buyer; confirm or cancel some",
        )


def _same_plan(uow: UnitOfWork, board: Catalogue) -> None:
    version = uow.plans.version()
    if version != board.version:
        raise StalePlan(f"the plan moved on from version {board.version} to {version}")


def _applied(held: Contract, action: str, message_id: str) -> Contract:
    return replace(held, applied=(*held.applied, f"{action} {message_id}"))


def _given_back(context: Context, held: Contract, error: DealRefused) -> DealRefused:
    end(context, held, ContractState.CANCELLED, str(error))
    return error


def _wrong_state(held: Contract, verb: str) -> DealRefused:
    return DealRefused(DealRule.STATE, f"this contract is {held.state} and cannot be {verb}")
