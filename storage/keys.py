"""Stored API keys; secrets are only here as hashes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, literal, select, update

from models.domain.access import ApiKey, Role
from models.domain.errors import Conflict, NotFound
from storage.database import Transaction
from storage.tables import ApiKeyRow
from storage.types import UtcDateTime


class SqlKeyRepository:
    """`KeyRepository` on SQL."""

    def __init__(self, transaction: Transaction) -> None:
        """Work inside a transaction."""
        self._tx = transaction

    def add(self, key: ApiKey) -> None:
        """Store a key. Raises `Conflict` if its id or its secret exists."""
        row = {
            "key_id": key.key_id,
            "secret_sha256": key.secret_sha256,
            "owner": key.owner,
            "role": str(key.role),
            "label": key.label,
            "created_at": key.created_at,
            "revoked_at": key.revoked_at,
        }
        if not self._tx.insert_if_absent(ApiKeyRow, None, row):
            raise Conflict(f"a key with the id {key.key_id!r} or the same secret exists already")

    def by_secret_sha256(self, digest: str) -> ApiKey | None:
        """Return the live key with this secret hash."""
        row = self._tx.first(
            select(*ApiKeyRow.__table__.columns).where(
                ApiKeyRow.secret_sha256 == digest, ApiKeyRow.revoked_at.is_(None)
            )
        )
        return None if row is None else _key(row)

    def all(self) -> tuple[ApiKey, ...]:
        """Return every key, revoked ones too, oldest first."""
        rows = self._tx.rows(
            select(*ApiKeyRow.__table__.columns).order_by(ApiKeyRow.created_at, ApiKeyRow.key_id)
        )
        return tuple(_key(row) for row in rows)

    def revoke(self, key_id: str, now: datetime) -> None:
        """Revoke a key; a revoked one keeps its first time. Raises `NotFound`."""
        changed = self._tx.execute(
            update(ApiKeyRow)
            .where(ApiKeyRow.key_id == key_id)
            .values(revoked_at=func.coalesce(ApiKeyRow.revoked_at, literal(now, UtcDateTime())))
        )
        if changed.rowcount == 0:
            raise NotFound(f"there is no key {key_id!r}")


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        secret_sha256=row.secret_sha256,
        owner=row.owner,
        role=Role(row.role),
        label=row.label,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
