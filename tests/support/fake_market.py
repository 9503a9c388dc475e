"""A market with one window of each kind and one contract, for tests of the edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from beckn.unconnected import Unconnected
from models.domain.access import Caller
from models.domain.errors import NotFound
from models.domain.exchange import ContractFilter, Lag
from models.domain.market import Contract, ContractState, Window, WindowKind
from models.domain.ports import Page
from services.market import ContractDetail, Offers, Wanted
from services.protocol import Identity
from tests.support.deals import a_contract, a_window


class FakeMarket:
    """The use cases of the market over literals."""

    def __init__(self) -> None:
        self.protocol = Unconnected()
        self.windows = tuple(a_window(kind) for kind in WindowKind)
        self.others: tuple[Window, ...] = ()
        self.named: Identity | None = None
        self.asked: list[tuple[str, ...]] = []
        """What was taken, confirmed or asked for."""
        self.held = [a_contract(ContractState.CONFIRMED, peer_id="")]

    @property
    def identity(self) -> Identity | None:
        return self.named

    def search(
        self, caller: Caller, wanted: Wanted, *, cursor: str | None = None, limit: int = 100
    ) -> Offers:
        del caller, cursor
        self.wanted = wanted
        fitting = [w for w in self.windows if wanted.kind in {None, w.kind}]
        fitting = [w for w in fitting if wanted.region in {None, w.region}]
        needs = None if wanted.too_small_too else wanted.needs
        fitting = [w for w in fitting if needs is None or needs.is_met(w)]
        return Offers(tuple(fitting[:limit]), None, len(fitting))

    def written(self, dialect: str, windows: Sequence[Window]) -> Mapping[str, Any]:
        return self.protocol.catalogue(dialect, windows)

    def confirm(self, caller: Caller, slot_id: str, job_id: str | None) -> Contract:
        del caller
        self.asked.append(("confirm", slot_id, job_id or ""))
        for window in self.windows:
            if window.slot_id == slot_id:
                return a_contract(ContractState.CONFIRMED, window, job_id=job_id, peer_id="")
        raise NotFound(f"there is no window {slot_id!r}")

    def contracts(
        self, caller: Caller, wanted: ContractFilter | None = None
    ) -> tuple[Contract, ...]:
        del caller, wanted
        return tuple(self.held)

    def contract_page(
        self, caller: Caller, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Contract]:
        del caller
        first = int(cursor or 0)
        more = first + limit < len(self.held)
        return Page(tuple(self.held[first : first + limit]), str(first + limit) if more else None)

    def contract(self, caller: Caller, contract_id: str) -> ContractDetail:
        del caller
        for held in self.held:
            if held.contract_id == contract_id:
                return ContractDetail(held, ())
        raise NotFound(f"there is no contract {contract_id!r}")

    def cancel(self, caller: Caller, contract_id: str) -> Contract:
        return self.contract(caller, contract_id).contract

    def lag(self) -> Lag:
        return Lag(0, None, 0)

    def discover(self, caller: Caller, text: str = "", dialect: str = "lts") -> tuple[str, int]:
        del caller
        return self.protocol.discover(text, "", dialect)

    def found(self) -> tuple[Window, ...]:
        return self.others

    def take(
        self, caller: Caller, slot_id: str, job_id: str, dialect: str = "lts", seller: str = ""
    ) -> Contract:
        del caller
        self.asked.append(("take", slot_id, job_id, seller))
        return self.protocol.take_window(slot_id, job_id, dialect, seller)
