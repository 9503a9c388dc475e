"""The use cases of the market, bound to one context and to whatever speaks for us on the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.domain.access import Caller
from models.domain.errors import Forbidden, InvalidRequest
from models.domain.exchange import ContractFilter, Lag
from models.domain.market import Contract, Side, Window
from models.domain.ports import Page
from services import market
from services.context import Context
from services.market import ContractDetail, Offers, Wanted
from services.protocol import Identity, MarketProtocol


class MarketServices:
    """Windows, contracts and the network."""

    def __init__(self, context: Context, protocol: MarketProtocol | None) -> None:
        """Bind the ports."""
        self._context = context
        self.protocol = protocol

    def search(
        self, caller: Caller, wanted: Wanted, *, cursor: str | None = None, limit: int = 100
    ) -> Offers:
        """Return windows on the caller's own clusters, at most a hundred at a time."""
        return market.search(self._context, caller, wanted, cursor=cursor, limit=limit)

    def written(self, dialect: str, windows: Sequence[Window]) -> Mapping[str, Any]:
        """Return windows in a dialect's own shape."""
        return self._connected().catalogue(dialect, windows)

    def confirm(self, caller: Caller, slot_id: str, job_id: str | None) -> Contract:
        """Take a window, for a job where it is one of compute."""
        return market.confirm(self._context, caller, slot_id, job_id)

    def contracts(
        self, caller: Caller, wanted: ContractFilter | None = None
    ) -> tuple[Contract, ...]:
        """Return contracts of the caller's owner, newest first."""
        return market.contracts(self._context, caller, wanted or ContractFilter())

    def contract_page(
        self, caller: Caller, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Contract]:
        """Return one page of the contracts of the caller's owner, newest first."""
        return market.contract_page(self._context, caller, cursor=cursor, limit=limit)

    def contract(self, caller: Caller, contract_id: str) -> ContractDetail:
        """Return one contract with its raw messages."""
        return market.contract(self._context, caller, contract_id)

    def cancel(self, caller: Caller, contract_id: str) -> Contract:
        """End a contract: at once where it was made here, over the network where we bought."""
        held = market.contract(self._context, caller, contract_id).contract
        if held.side is Side.BUYER:
            if not caller.may_submit:
                raise Forbidden(f"the role {caller.role} may read but not end contracts")
            return self._connected().ask(contract_id, "cancel")
        return market.cancel(self._context, caller, contract_id)

    # --- the network --------------------------------------------------------------------------

    @property
    def identity(self) -> Identity | None:
        """Return who we are on the network, or None."""
        return self.protocol.identity if self.protocol is not None else None

    def lag(self) -> Lag:
        """Return how far the outbox is behind."""
        return market.lag(self._context)

    def discover(self, caller: Caller, text: str = "", dialect: str = "lts") -> tuple[str, int]:
        """Ask every seller in the registry; return the transaction and how many were asked."""
        if not caller.may_submit:
            raise Forbidden(f"the role {caller.role} may not ask the market")
        return self._connected().discover(text, "", dialect)

    def found(self) -> tuple[Window, ...]:
        """Return windows that others offer, as far as they answered."""
        return self.protocol.found() if self.protocol is not None else ()

    def take(
        self, caller: Caller, slot_id: str, job_id: str, dialect: str = "lts", seller: str = ""
    ) -> Contract:
        """Begin the journey from select to confirm over a window found on the network, for a job of the caller.

        Args:
            caller: Whose job it is.
            slot_id: The window, by its seller's id.
            job_id: The job that shall run in it.
            dialect: How the seller is spoken to.
            seller: Who offers it; needed where several sellers use the same id.
        """
        if not caller.may_submit:
            raise Forbidden(f"the role {caller.role} may read but not make contracts")
        with self._context.uow() as uow:
            uow.jobs.get(job_id, caller.sees_owner)
        return self._connected().take_window(slot_id, job_id, dialect, seller)

    def _connected(self) -> MarketProtocol:
        if self.protocol is None:
            raise InvalidRequest("this installation does not speak the market's protocol")
        return self.protocol
