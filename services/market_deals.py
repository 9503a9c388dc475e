"""The seller's side of a contract: quote, hold, confirm, change, cancel. Every step is one transaction with its record.

Nothing binds before `confirm`; capacity is kept from `hold` until its time runs out, and looked at again at `confirm`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from models.domain.asset import Asset
from models.domain.errors import StalePlan
from models.domain.exchange import ContractFilter
from models.domain.market import (
    BINDING_STATES,
    OPEN_STATES,
    Claim,
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
from models.domain.time import SLOT, format_utc
from services import market_jobs, market_records, planning
from services.context import Context
from services.market_windows import DEFAULT_HOURS, LONGEST_HOURS, Catalogue, catalogue, planned_kw

TRIGGER = "contract"
"""Why a contract re-plans."""

ATTEMPTS = 4
"""How often a step is tried anew where the plan moved on meanwhile."""

PRICE_TOLERANCE_GBP = 0.01
"""How far a counterparty's total may differ from ours by rounding. [GBP]"""


@dataclass(frozen=True)
class Terms:
    """What a counterparty asks for."""

    slot_id: str
    transaction_id: str
    message_id: str
    peer_id: str = ""
    quantity_kw: float | None = None
    price_gbp_per_kwh: float | None = None
    value_gbp: float | None = None
    currency: str = "GBP"
    job_id: str | None = None
    job_owner: str | None = None
    """Whose job `job_id` must be; None: anybody's."""
    external_id: str = ""
    dialect: str = ""


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
    window, _ = _window(context, terms.slot_id)
    made = _drafted(context, terms, window, held)
    with context.uow(write=True) as uow:
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
    for _ in range(ATTEMPTS):
        besides = held.contract_id if held is not None else ""
        window, board = _window(context, terms.slot_id, besides=besides)
        made = _drafted(context, terms, window, held)
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
        made = _applied(
            made.moved(
                ContractState.HELD, now, f"capacity kept until {format_utc(until)}",
                message_id=terms.message_id, held_until=until, moves=moves,
            ),
            "init", terms.message_id,
        )  # fmt: skip
        made = replace(made, version=made.version - 1)
        uow.market.put(made)
        uow.market.claim(made.contract_id, _claims_held(uow, made))
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
    _check_price(terms, held.price_gbp_per_kwh, held.quantity_kw, held.window)
    bound = _bind(context, held, terms.message_id)
    planning.replan_after(context, trigger=TRIGGER)
    return _checked_after(context, bound)


def _bind(context: Context, held: Contract, message_id: str) -> Contract:
    for _ in range(ATTEMPTS):
        try:
            window, board = _window(context, held.window.slot_id, besides=held.contract_id)
        except DealRefused as error:
            raise _given_back(context, held, error) from error
        if window.capacity_kw + 1e-6 < held.quantity_kw:
            gone = DealRefused(
                DealRule.QUANTITY,
                f"only {window.capacity_kw:g} kW of the {held.quantity_kw:g} kW kept can still be delivered",
            )
            raise _given_back(context, held, gone)
        try:
            return _bind_now(context, held, message_id, board)
        except StalePlan:
            continue
        except DealRefused as error:
            raise _given_back(context, held, error) from error
    raise DealRefused(
        DealRule.QUANTITY, "the plan is changing too fast to confirm this; send it again"
    )


def _bind_now(context: Context, held: Contract, message_id: str, board: Catalogue) -> Contract:
    now = context.system_now()
    kind = held.window.kind
    moves = held.moves
    if kind is not WindowKind.COMPUTE:
        moves = board.flex[held.window.slot_id].moves
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
        uow.market.claim(bound.contract_id, _claims_bound(asset, bound))
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


def _checked_after(context: Context, bound: Contract) -> Contract:
    """Return the contract, or end it where the plan could not give its job the window after all."""
    if not bound.job_id or bound.side is not Side.SELLER:
        return bound
    with context.uow() as uow:
        view = uow.jobs.view(bound.job_id, context.clock.now())
    move = bound.moves[0]
    award = view.plan.award if view.plan else None
    waits = view.plan is None or (award is None and view.plan.refusal is None)
    if waits or (award is not None and award.placement.start == move.to_start):
        return bound
    reason = "the plan could not give the job this window"
    end(context, bound, ContractState.CANCELLED, reason)
    planning.replan_after(context, trigger=TRIGGER)
    raise DealRefused(DealRule.QUANTITY, reason)


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
    if not 0.0 < quantity_kw < held.quantity_kw or held.job_id or (held.moves and _is_up(held)):
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
        claims = _claims_bound(asset, changed) if bound else _claims_held(uow, changed)
        uow.market.claim(changed.contract_id, claims)
        uow.decisions.append(market_records.contract(context, changed, "changed", {}))
        uow.plans.bump()
        uow.commit()
    planning.replan_after(context, trigger=TRIGGER)
    return changed


def _is_up(held: Contract) -> bool:
    return held.window.kind is WindowKind.TURN_UP


def end(
    context: Context, held: Contract, state: ContractState, why: str, *, message_id: str = ""
) -> Contract:
    """End a contract: claims are given back and jobs let go, in one transaction."""
    done = held.moved(state, context.system_now(), why, message_id=message_id, error=why)
    with context.uow(write=True) as uow:
        stored = uow.market.get(held.contract_id)
        done = replace(done, version=stored.version + 1)
        uow.market.put(done)
        uow.market.claim(held.contract_id, ())
        market_jobs.release(context, uow, held.moves if _pins(held) else (), held.contract_id)
        uow.decisions.append(market_records.contract(context, done, str(state), {"why": why}))
        if stored.state not in {ContractState.QUOTED, ContractState.REQUESTED}:
            uow.plans.bump()
        uow.commit()
    return done


def _pins(held: Contract) -> bool:
    return held.window.kind is not WindowKind.TURN_DOWN


# --- parts ------------------------------------------------------------------------------------


def _known(context: Context, terms: Terms) -> Contract | None:
    with context.uow() as uow:
        return uow.market.of_transaction(Side.SELLER, terms.peer_id, terms.transaction_id)


def _window(context: Context, slot_id: str, *, besides: str = "") -> tuple[Window, Catalogue]:
    for hours in (DEFAULT_HOURS, LONGEST_HOURS):
        board = catalogue(context, hours, besides=besides)
        found = board.find(slot_id)
        if found is not None:
            return found, board
    raise DealRefused(DealRule.NOT_FOUND, "this window is not on offer (any more)")


def _drafted(context: Context, terms: Terms, window: Window, held: Contract | None) -> Contract:
    """Return the contract as quoted now."""
    price = window.price_gbp_per_kwh
    assert price is not None, "windows without a price are not offered"
    quantity = window.capacity_kw if terms.quantity_kw is None else terms.quantity_kw
    if not 0.0 < quantity <= window.capacity_kw + 1e-6:
        raise DealRefused(
            DealRule.QUANTITY,
            f"{quantity:g} kW were asked for and {window.capacity_kw:g} kW are left",
        )
    if held is not None and held.window.slot_id == window.slot_id:
        price = held.price_gbp_per_kwh
    _check_price(terms, price, quantity, window)
    now = context.system_now()
    job_id = terms.job_id if window.kind is WindowKind.COMPUTE else None
    if held is not None:
        return replace(
            held, window=window, quantity_kw=quantity, price_gbp_per_kwh=price, job_id=job_id,
            external_id=terms.external_id or held.external_id, updated_at=now,
            version=held.version + 1,
        )  # fmt: skip
    name = str(context.new_id())
    made = Contract(
        contract_id=name,
        side=Side.SELLER,
        state=ContractState.QUOTED,
        window=window,
        quantity_kw=quantity,
        price_gbp_per_kwh=price,
        transaction_id=terms.transaction_id,
        created_at=now,
        updated_at=now,
        peer_id=terms.peer_id,
        external_id=terms.external_id or name,
        dialect=terms.dialect,
        owner=window.owner,
        job_id=job_id,
    )
    made = made.moved(ContractState.QUOTED, now, "quoted", message_id=terms.message_id)
    return replace(made, version=1)


def _check_price(terms: Terms, price: float, quantity_kw: float, window: Window) -> None:
    """Refuse a price that is neither the quoted one nor, as a total, that of the offer in the catalogue."""
    if terms.currency != "GBP":
        raise DealRefused(DealRule.PRICE, "prices are in GBP")
    asked = terms.price_gbp_per_kwh
    if asked is not None and abs(asked - price) > 1e-4:
        raise DealRefused(DealRule.PRICE, f"the price is {price:.6f} GBP per kWh, not {asked:.6f}")
    if terms.value_gbp is None:
        return
    totals = [price * kw * window.duration_h for kw in (quantity_kw, window.capacity_kw)]
    if all(abs(terms.value_gbp - one) > PRICE_TOLERANCE_GBP + 1e-3 * abs(one) for one in totals):
        raise DealRefused(
            DealRule.PRICE, f"the price of {quantity_kw:g} kW is {totals[0]:.4f} GBP in all"
        )


def _moves(context: Context, terms: Terms, made: Contract, board: Catalogue) -> tuple[Move, ...]:
    if made.window.kind is not WindowKind.COMPUTE:
        return board.flex[made.window.slot_id].moves
    if made.job_id is None:
        return ()
    return (market_jobs.fit(context, made.job_id, made.window, terms.job_owner),)


def _claims_held(uow: UnitOfWork, made: Contract) -> Sequence[Claim]:
    """Return what is kept while a contract waits to be confirmed."""
    window = made.window
    asset = uow.assets.get(window.asset_id)
    if window.kind is WindowKind.TURN_DOWN:
        loads = planned_kw(uow, asset, window)
        return [
            Claim(made.contract_id, asset.asset_id, start, most_kw=kw / asset.pue)
            for start, kw in zip(window.starts(), loads, strict=True)
        ]
    if window.kind is WindowKind.COMPUTE and made.job_id is not None:
        move = made.moves[0]
        job = uow.jobs.get(move.job_id)
        return [
            Claim(made.contract_id, asset.asset_id, move.to_start + k * SLOT, kw, job_id=job.job_id)
            for k, kw in enumerate(job.slot_power_kw())
        ]
    power = made.quantity_kw / asset.pue
    return [Claim(made.contract_id, asset.asset_id, start, power) for start in window.starts()]


def _claims_bound(asset: Asset, bound: Contract) -> Sequence[Claim]:
    """Return what a confirmed contract claims: jobs that are pinned take their power themselves."""
    window = bound.window
    if window.kind is WindowKind.TURN_DOWN:
        return [
            Claim(
                bound.contract_id, asset.asset_id, start,
                most_kw=max(kw - bound.quantity_kw, 0.0) / asset.pue,
            )
            for start, kw in zip(window.starts(), bound.baseline_kw, strict=True)
        ]  # fmt: skip
    if window.kind is WindowKind.TURN_UP or bound.job_id is not None:
        return ()
    power = bound.quantity_kw / asset.pue
    return [Claim(bound.contract_id, asset.asset_id, start, power) for start in window.starts()]


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


def expire(context: Context) -> int:
    """Give back what was kept too long; return how many contracts that ended."""
    now: datetime = context.system_now()
    wanted = ContractFilter(side=Side.SELLER, states=frozenset({ContractState.HELD}), limit=1000)
    with context.uow() as uow:
        held = [
            one
            for one in uow.market.find(wanted)
            if one.held_until is not None and one.held_until <= now
        ]
    for one in held:
        end(context, one, ContractState.EXPIRED, "the hold ran out before it was confirmed")
    return len(held)
