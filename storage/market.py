"""Stored contracts, what they claim, and windows found elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, insert, literal, select, tuple_

from models.domain.errors import Conflict, NotFound
from models.domain.exchange import ContractFilter
from models.domain.market import Claim, Contract, Side, Window
from models.domain.ports import Page
from storage.cursors import cursor_instant, decode_cursor, encode_cursor
from storage.database import Transaction
from storage.serialise import dumps, loads
from storage.tables import ClaimRow, ContractRow, FoundWindowRow
from storage.types import UtcDateTime


class SqlMarketRepository:
    """`MarketRepository` on SQL."""

    def __init__(self, transaction: Transaction) -> None:
        """Work inside a transaction."""
        self._tx = transaction

    def put(self, contract: Contract) -> None:
        """Store a contract; a stored one must have the version before."""
        stored = self._tx.first(
            select(ContractRow.version).where(ContractRow.contract_id == contract.contract_id)
        )
        if stored is not None and stored.version != contract.version - 1:
            raise Conflict(f"contract {contract.contract_id} has changed meanwhile; try again")
        row = {
            "contract_id": contract.contract_id,
            "side": str(contract.side),
            "state": str(contract.state),
            "peer_id": contract.peer_id,
            "transaction_id": contract.transaction_id,
            "owner": contract.owner,
            "job_id": contract.job_id,
            "created_at": contract.created_at,
            "version": contract.version,
            "body": dumps(contract),
        }
        self._tx.upsert(ContractRow, ["contract_id"], [row])

    def get(self, contract_id: str) -> Contract:
        """Return a contract."""
        row = self._tx.first(select(ContractRow.body).where(ContractRow.contract_id == contract_id))
        if row is None:
            raise NotFound(f"there is no contract {contract_id!r}")
        return loads(Contract, row.body)

    def of_transaction(self, side: Side, peer_id: str, transaction_id: str) -> Contract | None:
        """Return the contract of a transaction with a peer."""
        row = self._tx.first(
            select(ContractRow.body).where(
                ContractRow.side == str(side),
                ContractRow.peer_id == peer_id,
                ContractRow.transaction_id == transaction_id,
            )
        )
        return None if row is None else loads(Contract, row.body)

    def find(self, wanted: ContractFilter) -> tuple[Contract, ...]:
        """Return contracts, newest first unless the oldest are asked for first."""
        at = ContractRow.created_at
        query = select(ContractRow.body).order_by(
            at if wanted.oldest_first else at.desc(), ContractRow.contract_id
        )
        if wanted.side is not None:
            query = query.where(ContractRow.side == str(wanted.side))
        if wanted.states:
            query = query.where(ContractRow.state.in_([str(state) for state in wanted.states]))
        if wanted.owner is not None:
            query = query.where(ContractRow.owner == wanted.owner)
        if wanted.job_id is not None:
            query = query.where(ContractRow.job_id == wanted.job_id)
        if wanted.peer_id is not None:
            query = query.where(ContractRow.peer_id == wanted.peer_id)
        if wanted.created_until is not None:
            query = query.where(at <= wanted.created_until)
        rows = self._tx.rows(query.limit(wanted.limit))
        return tuple(loads(Contract, row.body) for row in rows)

    def page(
        self, owner: str | None, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Contract]:
        """Return contracts of an owner, newest first; None: of every owner."""
        wanted = (
            select(ContractRow.contract_id, ContractRow.created_at, ContractRow.body)
            .order_by(ContractRow.created_at.desc(), ContractRow.contract_id.desc())
            .limit(limit + 1)
        )
        if owner is not None:
            wanted = wanted.where(ContractRow.owner == owner)
        if cursor is not None:
            instant, last_id = decode_cursor("contracts", cursor, (int, str))
            last = tuple_(literal(cursor_instant(instant), UtcDateTime()), literal(last_id))
            wanted = wanted.where(tuple_(ContractRow.created_at, ContractRow.contract_id) < last)
        rows = self._tx.rows(wanted)
        shown = rows[:limit]
        more = None
        if len(rows) > limit:
            more = encode_cursor("contracts", shown[-1].created_at, shown[-1].contract_id)
        return Page(tuple(loads(Contract, row.body) for row in shown), more)

    def claim(self, contract_id: str, claims: Iterable[Claim]) -> None:
        """Replace what a contract claims."""
        self._tx.execute(delete(ClaimRow).where(ClaimRow.contract_id == contract_id))
        rows = [
            {
                "contract_id": contract_id,
                "slot_start": one.slot_start,
                "asset_id": one.asset_id,
                "power_kw": one.power_kw,
                "most_kw": one.most_kw,
                "job_id": one.job_id,
            }
            for one in claims
        ]
        if rows:
            self._tx.execute(insert(ClaimRow), rows)

    def claims(self, since: datetime) -> tuple[Claim, ...]:
        """Return every claim on half-hours from an instant on."""
        rows = self._tx.rows(
            select(ClaimRow)
            .with_only_columns(
                ClaimRow.contract_id, ClaimRow.asset_id, ClaimRow.slot_start,
                ClaimRow.power_kw, ClaimRow.most_kw, ClaimRow.job_id,
            )
            .where(ClaimRow.slot_start >= since)
            .order_by(ClaimRow.contract_id, ClaimRow.slot_start)
        )  # fmt: skip
        return tuple(Claim(**row._asdict()) for row in rows)

    def keep_found(self, windows: Sequence[Window], at: datetime) -> None:
        """Remember windows of other parties; those that have begun are forgotten."""
        self._tx.execute(delete(FoundWindowRow).where(FoundWindowRow.start_at <= at))
        rows = {
            (window.slot_id, window.peer_id): {
                "slot_id": window.slot_id,
                "peer_id": window.peer_id,
                "start_at": window.start,
                "found_at": at,
                "body": dumps(window),
            }
            for window in windows
            if window.start > at
        }
        self._tx.upsert(FoundWindowRow, ["slot_id", "peer_id"], list(rows.values()))

    def found(self, since: datetime, limit: int = 500) -> tuple[Window, ...]:
        """Return remembered windows that begin at or after an instant, by start."""
        rows = self._tx.rows(
            select(FoundWindowRow.body)
            .where(FoundWindowRow.start_at >= since)
            .order_by(FoundWindowRow.start_at, FoundWindowRow.slot_id)
            .limit(limit)
        )
        return tuple(loads(Window, row.body) for row in rows)

    def found_of(self, slot_id: str) -> tuple[Window, ...]:
        """Return remembered windows of an id: one for each seller that uses it."""
        rows = self._tx.rows(
            select(FoundWindowRow.body)
            .where(FoundWindowRow.slot_id == slot_id)
            .order_by(FoundWindowRow.peer_id)
        )
        return tuple(loads(Window, row.body) for row in rows)
