"""Following a bought contract from callback to callback: what a seller says is compared with what was asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from beckn import wire
from beckn.buyer import Buyer
from beckn.dialects import CODECS
from beckn.model import Dialect, GridEvent, Party, Told
from models.domain.errors import NotFound
from models.domain.exchange import Message
from models.domain.job import OPEN_STATUSES
from models.domain.market import (
    BINDING_STATES,
    OPEN_STATES,
    Contract,
    ContractState,
    DealRefused,
    Move,
    Side,
)
from services import market_deals, market_ends, market_jobs, market_records, planning
from services.context import Context
from services.market_news import CARBON_SPIKE

PRICE_TOLERANCE = 0.001
"""How much dearer than agreed a price may be and still be taken, as a share."""

LEAST_SHARE = 0.999
"""Less than this share of the power that was asked for is not taken."""

ALREADY = "BIZ_ALREADY_CANCELLED"
"""How a seller says that there is nothing left to cancel; version 1 has it in the text."""

MOST_FOUND = 500
FURTHEST = timedelta(days=14)
"""How many windows of one answer are remembered, and how far ahead they may begin."""


class Follower:
    """Takes what sellers answer."""

    def __init__(self, context: Context, party: Party, buyer: Buyer) -> None:
        """Bind the use cases."""
        self._context = context
        self._party = party
        self._buyer = buyer

    def take_callback(self, received: Message) -> None:
        """Act on a callback that was accepted. Doing it twice has one effect."""
        whole = wire.parse(received.body)
        codec = CODECS[Dialect(received.dialect)]
        told = codec.told(received.action, whole["message"], whole.get("error"))
        if received.action in {"on_discover", "on_search"}:
            self._found(received, told)
            return
        with self._context.uow() as uow:
            held = uow.market.of_transaction(Side.BUYER, received.peer_id, received.transaction_id)
        if held is None or held.has_applied(received.action, received.message_id):
            return
        self._followed(held, received, told)

    def _found(self, received: Message, told: Told) -> None:
        now = self._context.clock.now()
        windows = [
            replace(one, peer_id=received.peer_id, asset_id="", owner="")
            for one in told.windows
            if one.start <= now + FURTHEST and one.capacity_kw > 0.0
        ]
        with self._context.uow(write=True) as uow:
            uow.market.keep_found(windows[:MOST_FOUND], now)
            uow.commit()

    def _followed(self, held: Contract, received: Message, told: Told) -> None:
        action = received.action
        is_step = action in {"on_select", "on_init", "on_confirm"}
        if told.error_code:
            if is_step and held.state in OPEN_STATES:
                self._ended(
                    held, received, ContractState.FAILED, f"{told.error_code}: {told.error_message}"
                )
            elif (
                action == "on_cancel"
                and held.state in BINDING_STATES | OPEN_STATES
                and ALREADY in f"{told.error_code} {told.error_message}"
            ):
                self._ended(
                    held, received, ContractState.CANCELLED, "cancelled by the seller before"
                )
            else:
                self._noted(
                    held, received, f"the seller says {told.error_code}: {told.error_message}"
                )
        elif action == "on_select" and held.state is ContractState.REQUESTED:
            self._next(held, received, told, ContractState.QUOTED, "quoted", "init")
        elif action == "on_init" and held.state is ContractState.QUOTED:
            self._next(
                held, received, told, ContractState.HELD, "capacity is kept for us", "confirm"
            )
        elif action == "on_confirm" and held.state is ContractState.HELD:
            self._confirmed(held, received, told)
        elif action == "on_confirm" and told.state == "ACTIVE" and _is_over(held):
            self._too_late(held, received)
        elif told.event is not None and held.state in BINDING_STATES:
            self._react(held, received, told.event)
        elif told.state == "CANCELLED" and held.state in BINDING_STATES | OPEN_STATES:
            self._ended(held, received, ContractState.CANCELLED, "cancelled")
        elif told.state == "COMPLETE" and held.state in BINDING_STATES:
            self._completed(held, received)
        elif action == "on_update" and held.state in BINDING_STATES and self._is_less(held, told):
            self._buyer.leave(held, f"the seller can give only {told.quantity_kw:g} kW")
        # Anything else says what is known already, or comes out of order: the journal has it, nothing changes.

    # --- steps --------------------------------------------------------------------------------

    def _next(
        self,
        held: Contract,
        received: Message,
        told: Told,
        state: ContractState,
        what: str,
        then: str,
    ) -> None:
        problem = _problem(held, told)
        if problem is not None:
            self._buyer.drop(
                _applied(held, received), ContractState.FAILED, problem,
                message_id=received.message_id,
            )  # fmt: skip
            return
        price = held.price_gbp_per_kwh
        if state is ContractState.QUOTED and told.price_gbp_per_kwh is not None:
            price = told.price_gbp_per_kwh
        self._step(replace(held, price_gbp_per_kwh=price), received, told, state, what, then=then)

    def _step(
        self,
        held: Contract,
        received: Message,
        told: Told,
        state: ContractState,
        what: str,
        *,
        then: str = "",
        moves: tuple[Move, ...] = (),
    ) -> Contract:
        """Store the next state of a contract with its record and all that follows from it, in one transaction."""
        moved = _applied(held, received).moved(
            state, self._context.system_now(), what, message_id=received.message_id,
            external_id=told.order_id or held.external_id, moves=moves,
        )  # fmt: skip
        seller = self._buyer.seller(held.peer_id) if then else None
        with self._context.uow(write=True) as uow:
            uow.market.put(moved)
            uow.decisions.append(market_records.contract(self._context, moved, str(state), {}))
            if seller is not None:
                self._buyer.request(uow, moved, then, seller)
            if moves:
                market_jobs.bind(self._context, uow, moves, moved.contract_id)
                uow.plans.bump()
            uow.commit()
        return moved

    def _confirmed(self, held: Contract, received: Message, told: Told) -> None:
        problem = _problem(held, told)
        if told.state not in {"ACTIVE", ""} or problem is not None:
            self._buyer.drop(
                _applied(held, received), ContractState.FAILED,
                problem or "the seller did not confirm", message_id=received.message_id,
            )  # fmt: skip
            return
        if held.job_id is None or held.peer_id == self._party.subscriber_id:
            # A window of our own: its seller's side has bound the job already.
            self._step(held, received, told, ContractState.CONFIRMED, "confirmed")
            return
        try:
            move = market_jobs.fit(self._context, held.job_id, held.window, None, anywhere=True)
            self._step(held, received, told, ContractState.CONFIRMED, "confirmed", moves=(move,))
        except (DealRefused, NotFound) as error:
            bound = self._step(held, received, told, ContractState.CONFIRMED, "confirmed")
            self._buyer.leave(bound, f"our job cannot use it: {error}")
            return
        planning.replan_after(self._context, trigger=market_deals.TRIGGER)

    def _too_late(self, held: Contract, received: Message) -> None:
        """Give back what was confirmed after we had given up waiting for it."""
        late = _applied(held, received).moved(
            held.state, self._context.system_now(), "confirmed too late; asked the seller to cancel",
            message_id=received.message_id,
        )  # fmt: skip
        seller = self._buyer.seller(held.peer_id)
        with self._context.uow(write=True) as uow:
            uow.market.put(late)
            uow.decisions.append(market_records.contract(self._context, late, "late", {}))
            self._buyer.request(uow, late, "cancel", seller)
            uow.commit()

    # --- ends and news ------------------------------------------------------------------------

    def _ended(self, held: Contract, received: Message, state: ContractState, why: str) -> None:
        had_job = bool(held.moves)
        market_ends.end(
            self._context, _applied(held, received), state, why, message_id=received.message_id
        )
        if had_job and state is not ContractState.COMPLETE:
            planning.replan_after(self._context, trigger=market_deals.TRIGGER)

    def _completed(self, held: Contract, received: Message) -> None:
        if self._context.clock.now() < held.window.end:
            self._noted(held, received, "the seller calls it delivered before its window is over")
        else:
            self._ended(held, received, ContractState.COMPLETE, "delivered")

    def _noted(self, held: Contract, received: Message, what: str) -> None:
        noted = _applied(held, received).moved(
            held.state, self._context.system_now(), what[:300], message_id=received.message_id
        )
        with self._context.uow(write=True) as uow:
            uow.market.put(noted)
            uow.decisions.append(market_records.contract(self._context, noted, "noted", {}))
            uow.commit()

    def _is_less(self, held: Contract, told: Told) -> bool:
        return told.quantity_kw is not None and told.quantity_kw < held.quantity_kw * LEAST_SHARE

    def _react(self, held: Contract, received: Message, event: GridEvent) -> None:
        """Leave a window whose carbon has risen too far, if its job can still move; else take note only."""
        bought = held.window.mean_carbon_g_per_kwh
        carbon = event.carbon_g_per_kwh
        spike = bought is not None and carbon is not None and carbon > bought * CARBON_SPIKE
        leaves = spike and self._can_move(held)
        detail = {
            "event_id": event.event_id[:120],
            "event_type": event.event_type[:120],
            "carbon_g_per_kwh": carbon,
            "bought_g_per_kwh": bought,
            "reaction": "left the window and planned the job anew" if leaves else "none",
        }
        noted = _applied(held, received).moved(
            held.state, self._context.system_now(),
            f"grid event {event.event_type[:60]}: {detail['reaction']}",
            message_id=received.message_id,
        )  # fmt: skip
        with self._context.uow(write=True) as uow:
            uow.market.put(noted)
            uow.decisions.append(market_records.contract(self._context, noted, "event", detail))
            uow.commit()
        if leaves:
            self._buyer.leave(noted, f"carbon of {carbon:g} g/kWh instead of {bought:g} g/kWh")

    def _can_move(self, held: Contract) -> bool:
        if held.job_id is None or held.window.start <= self._context.clock.now():
            return False
        with self._context.uow() as uow:
            found = uow.jobs.many([held.job_id])
        job = found.get(held.job_id)
        return job is not None and job.status in OPEN_STATUSES


def _is_over(held: Contract) -> bool:
    return held.state in {ContractState.FAILED, ContractState.CANCELLED, ContractState.EXPIRED}


def _applied(held: Contract, received: Message) -> Contract:
    return replace(held, applied=(*held.applied, f"{received.action} {received.message_id}"))


def _problem(held: Contract, told: Told) -> str | None:
    """Return what a seller says otherwise than asked: another window, less power, or a higher price."""
    asked = held.price_gbp_per_kwh
    if told.item_id and told.item_id != held.window.slot_id:
        return f"the seller speaks of another window, {told.item_id[:80]}"
    if told.quantity_kw is not None and told.quantity_kw < held.quantity_kw * LEAST_SHARE:
        return f"the seller gives {told.quantity_kw:g} kW of the {held.quantity_kw:g} kW asked for"
    price = told.price_gbp_per_kwh
    if price is not None and price > asked + abs(asked) * PRICE_TOLERANCE + 1e-6:
        return f"the price of {price:.4f} GBP/kWh is above the {asked:.4f} agreed"
    return None
