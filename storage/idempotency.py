"""Answers to requests that may be repeated, by (owner, route, key)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from models.domain.errors import NotFound
from models.domain.ports import StoredResponse
from storage.database import Transaction
from storage.tables import IdempotencyRow

KEEP_ANSWERS_FOR = timedelta(hours=48)
"""How long a key is remembered; afterwards it may be used anew."""


class SqlIdempotencyRepository:
    """`IdempotencyRepository` on SQL."""

    def __init__(self, transaction: Transaction) -> None:
        """Work inside a transaction."""
        self._tx = transaction

    def reserve(
        self, owner: str, route: str, key: str, request_sha256: str, now: datetime, holder: str
    ) -> StoredResponse | None:
        """Reserve a key for a process; return what is stored if it was used before (any status).

        Of two requests at once one reserves and the other reads `status` None. Keys older than
        `KEEP_ANSWERS_FOR` are dropped on the way.
        """
        self._tx.execute(
            delete(IdempotencyRow).where(IdempotencyRow.reserved_at < now - KEEP_ANSWERS_FOR)
        )
        is_new = self._tx.insert_if_absent(
            IdempotencyRow,
            ["owner", "route", "key"],
            {
                "owner": owner,
                "route": route,
                "key": key,
                "request_sha256": request_sha256,
                "reserved_at": now,
                "status": None,
                "body": holder,
                "headers": "{}",
            },
        )
        if is_new:
            return None
        row = self._tx.first(
            select(
                IdempotencyRow.request_sha256,
                IdempotencyRow.status,
                IdempotencyRow.body,
                IdempotencyRow.headers,
                IdempotencyRow.reserved_at,
            ).where(
                IdempotencyRow.owner == owner,
                IdempotencyRow.route == route,
                IdempotencyRow.key == key,
            )
        )
        assert row is not None, "a key that cannot be inserted exists"
        if row.status is None:
            return StoredResponse(
                row.request_sha256, None, "", holder=row.body, reserved_at=row.reserved_at
            )
        return StoredResponse(row.request_sha256, row.status, row.body, json.loads(row.headers))

    def take_over(
        self, owner: str, route: str, key: str, was: str, holder: str, now: datetime
    ) -> bool:
        """Give an unanswered key to another process; False if it was answered or taken meanwhile."""
        changed = self._tx.execute(
            update(IdempotencyRow)
            .where(
                IdempotencyRow.owner == owner,
                IdempotencyRow.route == route,
                IdempotencyRow.key == key,
                IdempotencyRow.status.is_(None),
                IdempotencyRow.body == was,
            )
            .values(body=holder, reserved_at=now)
        )
        return changed.rowcount == 1

    def complete(self, owner: str, route: str, key: str, response: StoredResponse) -> None:
        """Store the answer. Raises `NotFound` if the key was never reserved."""
        changed = self._tx.execute(
            update(IdempotencyRow)
            .where(
                IdempotencyRow.owner == owner,
                IdempotencyRow.route == route,
                IdempotencyRow.key == key,
            )
            .values(
                request_sha256=response.request_sha256,
                status=response.status,
                body=response.body,
                headers=json.dumps(dict(response.headers)),
            )
        )
        if changed.rowcount == 0:
            raise NotFound(f"the idempotency key {key!r} was not reserved")

    def forget(self, owner: str, route: str, key: str) -> None:
        """Free a reserved key whose request failed without effect; an answered one stays."""
        self._tx.execute(
            delete(IdempotencyRow).where(
                IdempotencyRow.owner == owner,
                IdempotencyRow.route == route,
                IdempotencyRow.key == key,
                IdempotencyRow.status.is_(None),
            )
        )
