"""Our side as a buyer: asking sellers, and giving up or giving back what is of no use (any more)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from beckn import context as contexts
from beckn import wire
from beckn.admission import trade_problem
from beckn.context import BUYER_ACTIONS
from beckn.dialects import CODECS
from beckn.model import Dialect, Envelope, Party, Shown
from beckn.registry import CachedRegistry, Record
from models.domain.errors import Conflict, Forbidden, InvalidRequest, NotFound
from models.domain.exchange import ContractFilter, Work, WorkKind
from models.domain.job import Job, JobStatus
from models.domain.market import (
    BINDING_STATES,
    OPEN_STATES,
    Contract,
    ContractState,
    DealRefused,
    DealRule,
    Side,
    Window,
    WindowKind,
)
from models.domain.ports import UnitOfWork
from services import market_deals, market_ends, market_jobs, market_records, planning
from services.context import Context
from services.market_claims import MOST_BOUND, must_be_free

DOMAIN = {Dialect.RC1: "beckn.one:DEG:compute-energy:1.0", Dialect.V1: "flexibility"}
"""Domain our own requests name."""

LIFE = timedelta(minutes=5)
"""How long a request may wait for its answer."""

ASKED_TO_CANCEL = "asked cancel"
"""Mark of a contract whose seller was asked to take it back."""

log = logging.getLogger(__name__)


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

    def take(
        self, slot_id: str, job_id: str | None, dialect: Dialect, seller: str = ""
    ) -> Contract:
        """Begin a contract over a window that another party offers.

        Raises:
            NotFound: If nobody was found to offer it.
            Conflict: If several sellers use this id and none is named, or the job is bound already.
            InvalidRequest: If it is not a compute window, or too small for the job.
        """
        window = self._found(slot_id, seller)
        record = self.seller(window.peer_id)
        quantity, owner = window.capacity_kw, ""
        if job_id is not None:
            quantity, owner = self._needs(job_id, window)
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
            peer_id=record.subscriber_id,
            dialect=str(dialect),
            owner=owner,
            job_id=job_id,
        )
        made = replace(made.moved(ContractState.REQUESTED, now, "asked for a quote"), version=1)
        with self._context.uow(write=True) as uow:
            if job_id is not None:
                must_be_free(uow, job_id, states=OPEN_STATES | BINDING_STATES)
            uow.market.put(made)
            uow.decisions.append(market_records.contract(self._context, made, "requested", {}))
            self.request(uow, made, "select", record)
            uow.commit()
        return made

    def _found(self, slot_id: str, seller: str) -> Window:
        with self._context.uow() as uow:
            offers = [one for one in uow.market.found_of(slot_id) if seller in {"", one.peer_id}]
        if not offers:
            raise NotFound(f"nobody was found to offer {slot_id!r}; discover first")
        if len(offers) > 1:
            names = ", ".join(one.peer_id for one in offers)
            raise Conflict(f"several sellers offer {slot_id!r}; name one of {names}")
        if offers[0].kind is not WindowKind.COMPUTE:
            raise InvalidRequest(
                "only windows of compute are bought; flexibility is not bought here"
            )
        return offers[0]

    def _needs(self, job_id: str, window: Window) -> tuple[float, str]:
        """Return the meter power a job needs of a window, and whose job it is."""
        place = None
        if window.peer_id != self._party.subscriber_id:
            move = market_jobs.fit(self._context, job_id, window, None, anywhere=True)
            place = move.to_asset_id
        with self._context.uow() as uow:
            job = uow.jobs.get(job_id)
            assets = {asset.asset_id: asset for asset in uow.assets.all_live(job.owner)}
        asset = assets.get(place or job.asset_id)
        return max(job.slot_power_kw()) * (asset.pue if asset else 1.0), job.owner

    def ask(self, contract_id: str, action: str) -> Contract:
        """Send status or cancel for a contract we bought.

        Raises:
            Conflict: If it was sold from here, or is over.
        """
        with self._context.uow() as uow:
            held = uow.market.get(contract_id)
        if held.side is not Side.BUYER:
            raise Conflict("this contract was sold from here; only its buyer asks about it")
        if action == "cancel":
            if held.state not in OPEN_STATES | BINDING_STATES:
                raise DealRefused(DealRule.STATE, f"this contract is {held.state} already")
            if held.state in OPEN_STATES:
                return self.drop(
                    held, ContractState.CANCELLED, "cancelled here before it was binding"
                )
        record = self.seller(held.peer_id)
        with self._context.uow(write=True) as uow:
            self.request(uow, held, action, record)
            uow.commit()
        return held

    def seller(self, peer_id: str) -> Record:
        """Return the registry's record of a seller we may trade with now.

        Raises:
            NotFound: If there is none.
            Forbidden: If nothing is traded with its address now.
        """
        now = self._context.system_now()
        for one in self._registry.participants("BPP"):
            if one.subscriber_id == peer_id and one.problem(now) is None:
                problem = trade_problem(self._context, one.url)
                if problem is not None:
                    raise Forbidden(problem)
                return one
        raise NotFound(f"the registry has no live seller {peer_id!r}")

    def request(self, uow: UnitOfWork, held: Contract, action: str, seller: Record) -> None:
        """Put a request about a contract into the outbox, inside a transaction."""
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

    # --- giving up, giving back ---------------------------------------------------------------

    def drop(
        self, held: Contract, state: ContractState, why: str, *, message_id: str = ""
    ) -> Contract:
        """End a contract that is not binding here, and tell its seller, who may have kept capacity for it."""
        asked = None
        if held.state is not ContractState.REQUESTED:
            asked = self._reachable(held.peer_id)

        def tell(uow: UnitOfWork) -> None:
            if asked is not None:
                self.request(uow, held, "cancel", asked)

        return market_ends.end(self._context, held, state, why, message_id=message_id, also=tell)

    def leave(self, held: Contract, why: str) -> None:
        """Let the job of a binding contract go and ask its seller to cancel; it binds until the seller says so."""
        seller = self._reachable(held.peer_id)
        words = f"asked the seller to cancel: {why}" if seller else f"of no use: {why}"
        left = held.moved(
            held.state, self._context.system_now(), words, moves=(),
            applied=(*held.applied, ASKED_TO_CANCEL),
        )  # fmt: skip
        with self._context.uow(write=True) as uow:
            uow.market.put(left)
            market_jobs.release(self._context, uow, held.moves, held.contract_id)
            uow.decisions.append(market_records.contract(self._context, left, "left", {"why": why}))
            if seller is not None:
                self.request(uow, left, "cancel", seller)
            uow.plans.bump()
            uow.commit()
        planning.replan_after(self._context, trigger=market_deals.TRIGGER)

    def _reachable(self, peer_id: str) -> Record | None:
        """Return a seller, or None where there is no way to tell it anything; a registry that is down is waited for."""
        try:
            return self.seller(peer_id)
        except (NotFound, Forbidden) as error:
            log.warning("%s cannot be told that a contract is given back: %s", peer_id, error)
            return None

    def refused(self, work: Work, why: str) -> None:
        """Take note that a request of ours was not taken: what it was for is over."""
        with self._context.uow() as uow:
            held = uow.market.of_transaction(Side.BUYER, work.peer_id, work.transaction_id)
        if held is None:
            return
        if work.action in {"select", "init", "confirm"} and held.state in OPEN_STATES:
            self.drop(held, ContractState.FAILED, f"{work.action} was not taken: {why}")
        elif work.action == "cancel" and held.state in BINDING_STATES:
            noted = held.moved(
                held.state, self._context.system_now(), f"the seller did not take our cancel: {why}"
            )
            with self._context.uow(write=True) as uow:
                uow.market.put(noted)
                uow.decisions.append(market_records.contract(self._context, noted, "noted", {}))
                uow.commit()

    def tidy(self) -> int:
        """End what sellers never answered, and give back what no job uses any more; return how many contracts."""
        now = self._context.system_now()
        wanted = ContractFilter(
            side=Side.BUYER,
            states=OPEN_STATES | BINDING_STATES,
            oldest_first=True,
            limit=MOST_BOUND,
        )
        with self._context.uow() as uow:
            held = uow.market.find(wanted)
            jobs = uow.jobs.many({one.job_id for one in held if one.job_id is not None})
        changed = 0
        for one in held:
            try:
                if one.state in OPEN_STATES and one.updated_at < now - LIFE:
                    self.drop(one, ContractState.FAILED, "the seller did not answer in time")
                elif one.state in BINDING_STATES and self._is_unused(one, jobs):
                    self.leave(one, "its job will not run in it")
                else:
                    continue
            except Conflict:
                log.info("contract %s changed meanwhile; it is looked at again", one.contract_id)
            else:
                changed += 1
        return changed

    def _is_unused(self, held: Contract, jobs: Mapping[str, Job]) -> bool:
        if held.job_id is None or ASKED_TO_CANCEL in held.applied:
            return False
        job = jobs.get(held.job_id)
        if job is None or job.status in {JobStatus.CANCELLED, JobStatus.FAILED}:
            return True
        is_own = held.peer_id == self._party.subscriber_id
        return not is_own and not held.moves and held.window.start > self._context.clock.now()
