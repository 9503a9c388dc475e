"""Our side as a buyer: asking, following a contract from callback to callback, and reacting to news of the grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from beckn import context as contexts
from beckn import wire
from beckn.admission import trade_problem
from beckn.context import BUYER_ACTIONS
from beckn.dialects import CODECS
from beckn.model import Dialect, Envelope, GridEvent, Party, Shown, Told
from beckn.registry import CachedRegistry, Record
from models.domain.errors import Conflict, Forbidden, InvalidRequest, NotFound
from models.domain.exchange import ContractFilter, Message, Work, WorkKind
from models.domain.job import OPEN_STATUSES
from models.domain.market import (
    BINDING_STATES,
    OPEN_STATES,
    Contract,
    ContractState,
    DealRefused,
    Side,
)
from models.domain.ports import UnitOfWork
from services import market_deals, market_ends, market_jobs, market_records, planning
from services.context import Context

DOMAIN = {Dialect.RC1: "beckn.one:DEG:compute-energy:1.0", Dialect.V1: "flexibility"}
"""Domain our own requests name."""

LIFE = timedelta(minutes=5)
"""How long a request may wait for its answer."""

CARBON_SPIKE = 1.2
"""A window is left when its carbon is said to rise above this many times what was bought."""

PRICE_TOLERANCE = 0.001
"""How much dearer than found a quote may be and still be taken, as a share."""


class Buyer:
    """Asks sellers, and takes what they answer."""

    def __init__(
        self, context: Context, party: Party, network_id: str, registry: CachedRegistry
    ) -> None:
        """Bind the use cases."""
        self._context = context
        self._party = party
        self._network_id = network_id
        self._registry = registry

    # --- asking -------------------------------------------------------------------------------

    def discover(self, text: str, expression: str, dialect: Dialect) -> tuple[str, int]:
        """Ask every seller in the registry; return the transaction and how many were asked."""
        sellers = {
            one.subscriber_id: one
            for one in self._registry.participants("BPP")
            if one.problem(self._context.system_now()) is None
            and trade_problem(self._context, one.url) is None
        }
        transaction = str(self._context.new_id())
        action = BUYER_ACTIONS[dialect][0]
        message = CODECS[dialect].search(text, expression)
        with self._context.uow(write=True) as uow:
            for seller in sellers.values():
                self._send(uow, seller, action, transaction, dialect, message, with_seller=False)
            uow.commit()
        return transaction, len(sellers)

    def take(self, slot_id: str, job_id: str | None, dialect: Dialect) -> Contract:
        """Begin a contract over a window that another party offers."""
        with self._context.uow() as uow:
            window = uow.market.found_one(slot_id)
        if window is None:
            raise NotFound(f"nobody was found to offer {slot_id!r}; discover first")
        seller = self._seller(window.peer_id)
        quantity, owner = window.capacity_kw, ""
        if job_id is not None:
            if window.peer_id != self._party.subscriber_id:
                move = market_jobs.fit(self._context, job_id, window, None, anywhere=True)
                quantity = min(move.power_kw, window.capacity_kw)
            with self._context.uow() as uow:
                job = uow.jobs.get(job_id)
                assets = {a.asset_id: a for a in uow.assets.all_live(job.owner)}
            owner = job.owner
            pue = assets[job.asset_id].pue if job.asset_id in assets else 1.0
            quantity = max(job.slot_power_kw()) * pue
        if quantity > window.capacity_kw + 1e-6:
            raise InvalidRequest(
                f"the window offers {window.capacity_kw:g} kW and the job needs {quantity:g} kW"
            )
        now = self._context.system_now()
        made = Contract(
            contract_id=str(self._context.new_id()),
            side=Side.BUYER,
            state=ContractState.REQUESTED,
            window=window,
            quantity_kw=quantity,
            price_gbp_per_kwh=window.price_gbp_per_kwh or 0.0,
            transaction_id=str(self._context.new_id()),
            created_at=now,
            updated_at=now,
            peer_id=seller.subscriber_id,
            dialect=str(dialect),
            owner=owner,
            job_id=job_id,
        )
        made = replace(made.moved(ContractState.REQUESTED, now, "asked for a quote"), version=1)
        with self._context.uow(write=True) as uow:
            uow.market.put(made)
            uow.decisions.append(market_records.contract(self._context, made, "requested", {}))
            self._ask(uow, made, "select", seller)
            uow.commit()
        return made

    def ask(self, contract_id: str, action: str) -> Contract:
        """Send status or cancel for a contract we bought."""
        with self._context.uow() as uow:
            held = uow.market.get(contract_id)
        if held.side is not Side.BUYER:
            raise Conflict("this contract was sold from here; only its buyer asks about it")
        seller = self._seller(held.peer_id)
        with self._context.uow(write=True) as uow:
            self._ask(uow, held, action, seller)
            uow.commit()
        return held

    def _seller(self, peer_id: str) -> Record:
        now = self._context.system_now()
        for one in self._registry.participants("BPP"):
            if one.subscriber_id == peer_id and one.problem(now) is None:
                problem = trade_problem(self._context, one.url)
                if problem is not None:
                    raise Forbidden(problem)
                return one
        raise NotFound(f"the registry has no live seller {peer_id!r}")

    def _ask(self, uow: UnitOfWork, held: Contract, action: str, seller: Record) -> None:
        dialect = Dialect(held.dialect)
        shown = Shown(held, Party(seller.subscriber_id, seller.url))
        message = CODECS[dialect].order(action, shown)
        self._send(uow, seller, action, held.transaction_id, dialect, message)

    def _send(
        self,
        uow: UnitOfWork,
        seller: Record,
        action: str,
        transaction: str,
        dialect: Dialect,
        message: Mapping[str, Any],
        *,
        with_seller: bool = True,
    ) -> None:
        now = self._context.system_now()
        envelope = Envelope(
            dialect=dialect,
            action=action,
            bap_id=self._party.subscriber_id,
            bap_uri=self._party.url,
            bpp_id=seller.subscriber_id if with_seller else "",
            bpp_uri=seller.url if with_seller else "",
            transaction_id=transaction,
            message_id=str(self._context.new_id()),
            timestamp=now,
            ttl=LIFE,
            network_id=self._network_id,
            domain=DOMAIN.get(dialect, ""),
        )
        body = wire.serialise({"context": contexts.write(envelope), "message": message})
        uow.exchange.add(
            Work(
                kind=WorkKind.SEND,
                peer_id=seller.subscriber_id,
                url=seller.url,
                action=action,
                transaction_id=transaction,
                message_id=envelope.message_id,
                dialect=str(dialect),
                created_at=now,
                due_at=now,
                expires_at=now + LIFE,
                body=body,
            )
        )

    # --- what sellers answer ------------------------------------------------------------------

    def take_callback(self, received: Message) -> None:
        """Act on a callback that was accepted. Doing it twice has one effect."""
        whole = wire.parse(received.body)
        codec = CODECS[Dialect(received.dialect)]
        told = codec.told(received.action, whole["message"], whole.get("error"))
        if received.action in {"on_discover", "on_search"}:
            windows = [replace(one, peer_id=received.peer_id, asset_id="") for one in told.windows]
            with self._context.uow(write=True) as uow:
                uow.market.keep_found(windows[:500], self._context.clock.now())
                uow.commit()
            return
        with self._context.uow() as uow:
            held = uow.market.of_transaction(Side.BUYER, received.peer_id, received.transaction_id)
        if held is None or held.has_applied(received.action, received.message_id):
            return
        self._followed(held, received, told)

    def _followed(self, held: Contract, received: Message, told: Told) -> None:
        if told.error_code:
            self._failed(held, received, f"{told.error_code}: {told.error_message}")
        elif received.action == "on_select" and held.state is ContractState.REQUESTED:
            self._quoted(held, received, told)
        elif received.action == "on_init" and held.state is ContractState.QUOTED:
            self._step(
                held, received, ContractState.HELD, "capacity is kept for us", told, "confirm"
            )
        elif received.action == "on_confirm" and held.state is ContractState.HELD:
            self._confirmed(held, received, told)
        elif told.event is not None and held.state in BINDING_STATES:
            self._react(held, received, told.event)
        elif told.state == "CANCELLED" and held.state in BINDING_STATES | OPEN_STATES:
            self._ended(held, received, ContractState.CANCELLED, "cancelled")
        elif told.state == "COMPLETE" and held.state in BINDING_STATES:
            self._ended(held, received, ContractState.COMPLETE, "delivered")
        # Anything else says what is known already, or comes out of order: the journal has it, nothing changes.

    def _quoted(self, held: Contract, received: Message, told: Told) -> None:
        asked = held.price_gbp_per_kwh
        price = asked if told.price_gbp_per_kwh is None else told.price_gbp_per_kwh
        if price > asked + abs(asked) * PRICE_TOLERANCE + 1e-6:
            why = f"the quote of {price:.4f} GBP/kWh is above the {asked:.4f} found"
            self._failed(held, received, why)
            return
        self._step(
            replace(held, price_gbp_per_kwh=price),
            received,
            ContractState.QUOTED,
            "quoted",
            told,
            "init",
        )

    def _step(
        self,
        held: Contract,
        received: Message,
        state: ContractState,
        what: str,
        told: Told,
        then: str | None,
    ) -> Contract:
        """Store the next state of a contract with its record, and ask for the next one."""
        moved = held.moved(
            state, self._context.system_now(), what, message_id=received.message_id,
            external_id=told.order_id or held.external_id,
            applied=(*held.applied, f"{received.action} {received.message_id}"),
        )  # fmt: skip
        seller = self._seller(held.peer_id) if then else None
        with self._context.uow(write=True) as uow:
            uow.market.put(moved)
            uow.decisions.append(market_records.contract(self._context, moved, str(state), {}))
            if then and seller is not None:
                self._ask(uow, moved, then, seller)
            uow.commit()
        return moved

    def _confirmed(self, held: Contract, received: Message, told: Told) -> None:
        if told.state not in {"ACTIVE", ""}:
            self._failed(held, received, "the seller did not confirm")
            return
        bound = self._step(held, received, ContractState.CONFIRMED, "confirmed", told, None)
        if bound.job_id is None or bound.peer_id == self._party.subscriber_id:
            return  # a window of our own: its seller's side has bound the job already
        try:
            move = market_jobs.fit(self._context, bound.job_id, bound.window, None, anywhere=True)
            with self._context.uow(write=True) as uow:
                market_jobs.bind(self._context, uow, (move,), bound.contract_id)
                kept = replace(bound, moves=(move,), version=bound.version + 1)
                uow.market.put(kept)
                uow.plans.bump()
                uow.commit()
        except (DealRefused, NotFound) as error:
            self.ask(bound.contract_id, "cancel")
            market_ends.end(
                self._context, bound, ContractState.CANCELLED, f"our job cannot use it: {error}"
            )
            return
        planning.replan_after(self._context, trigger=market_deals.TRIGGER)

    def _failed(self, held: Contract, received: Message, why: str) -> None:
        if held.state in OPEN_STATES:
            self._ended(held, received, ContractState.FAILED, why)

    def _ended(self, held: Contract, received: Message, state: ContractState, why: str) -> None:
        had_job = bool(held.moves)
        applied = (*held.applied, f"{received.action} {received.message_id}")
        market_ends.end(
            self._context,
            replace(held, applied=applied),
            state,
            why,
            message_id=received.message_id,
        )
        if had_job and state is not ContractState.COMPLETE:
            planning.replan_after(self._context, trigger=market_deals.TRIGGER)

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
        noted = held.moved(
            held.state, self._context.system_now(),
            f"grid event {event.event_type[:60]}: {detail['reaction']}",
            message_id=received.message_id,
            applied=(*held.applied, f"{received.action} {received.message_id}"),
        )  # fmt: skip
        with self._context.uow(write=True) as uow:
            uow.market.put(noted)
            uow.decisions.append(market_records.contract(self._context, noted, "event", detail))
            uow.commit()
        if leaves:
            self.ask(held.contract_id, "cancel")
            market_ends.end(
                self._context, noted, ContractState.CANCELLED, "left after a grid event"
            )
            planning.replan_after(self._context, trigger=market_deals.TRIGGER)

    def _can_move(self, held: Contract) -> bool:
        if held.job_id is None or held.window.start <= self._context.clock.now():
            return False
        with self._context.uow() as uow:
            found = uow.jobs.many([held.job_id])
        job = found.get(held.job_id)
        return job is not None and job.status in OPEN_STATUSES

    def give_up(self) -> int:
        """End contracts whose seller has not answered for too long; return how many."""
        wanted = ContractFilter(side=Side.BUYER, states=OPEN_STATES, limit=500)
        limit = self._context.system_now() - LIFE
        with self._context.uow() as uow:
            late = [one for one in uow.market.find(wanted) if one.updated_at < limit]
        for one in late:
            market_ends.end(
                self._context, one, ContractState.FAILED, "the seller did not answer in time"
            )
        return len(late)
