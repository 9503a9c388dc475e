"""Stored health of external sources, shared by all processes."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import select

from models.domain.ports import SourceHealth
from storage.database import Transaction
from storage.tables import SourceHealthRow


class SqlHealthRepository:
    """`HealthRepository` on SQL."""

    def __init__(self, transaction: Transaction) -> None:
        """Work inside a transaction."""
        self._tx = transaction

    def record(self, health: SourceHealth) -> None:
        """Store how a source is doing."""
        self._tx.upsert(SourceHealthRow, ["source"], [asdict(health)])

    def all(self) -> dict[str, SourceHealth]:
        """Return the health of every source ever tried, by name."""
        rows = self._tx.mappings(
            select(*SourceHealthRow.__table__.columns).order_by(SourceHealthRow.source)
        )
        return {row["source"]: SourceHealth(**row) for row in rows}
