"""Named leases with fencing tokens, on system time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select, update

from storage.database import Database, Transaction
from storage.tables import FencingStateRow, LeaseRow
from storage.unit_of_work import system_time


class SqlLeaseStore:
    """`LeaseStore` on SQL.

    Tokens grow over all leases together, so that a token alone says which holding of which lease is meant.
    """

    def __init__(
        self, database: Database, *, system_now: Callable[[], datetime] = system_time
    ) -> None:
        """Keep leases in a database, timed by `system_now`."""
        self._database = database
        self._system_now = system_now

    def acquire(self, name: str, holder: str, ttl_seconds: float) -> int | None:
        """Return a fencing token if the lease was free, expired or ours; None if another holds it.

        Who holds it already keeps the token and gets the longer of both times.
        """
        other = self.holder(name)
        if other is not None and other != holder:
            return None  # the common answer to those who wait, without taking the write lock
        with self._database.transaction(write=True) as transaction:
            now = self._system_now()
            row = transaction.first(
                select(LeaseRow.holder, LeaseRow.expires_at, LeaseRow.fencing_token).where(
                    LeaseRow.name == name
                )
            )
            expires_at = now + timedelta(seconds=ttl_seconds)
            if row is not None and row.holder is not None and row.expires_at > now:
                if row.holder != holder:
                    return None
                token = int(row.fencing_token)
                expires_at = max(expires_at, row.expires_at)
            else:
                token = _next_token(transaction)
            transaction.upsert(
                LeaseRow,
                ["name"],
                [
                    {
                        "name": name,
                        "holder": holder,
                        "expires_at": expires_at,
                        "fencing_token": token,
                    }
                ],
            )
            return token

    def renew(self, name: str, holder: str, token: int, ttl_seconds: float) -> bool:
        """Extend a held lease; False if it was lost.

        One that ran out without anybody else taking it is still ours.
        """
        with self._database.transaction(write=True) as transaction:
            changed = transaction.execute(
                update(LeaseRow)
                .where(
                    LeaseRow.name == name,
                    LeaseRow.holder == holder,
                    LeaseRow.fencing_token == token,
                )
                .values(expires_at=self._system_now() + timedelta(seconds=ttl_seconds))
            )
            return changed.rowcount == 1

    def release(self, name: str, holder: str, token: int) -> None:
        """Give a lease back (no effect if lost)."""
        with self._database.transaction(write=True) as transaction:
            transaction.execute(
                update(LeaseRow)
                .where(
                    LeaseRow.name == name,
                    LeaseRow.holder == holder,
                    LeaseRow.fencing_token == token,
                )
                .values(holder=None, expires_at=self._system_now())
            )

    def give_back(self, is_gone: Callable[[str], bool]) -> tuple[str, ...]:
        """Give back the leases of holders that have ended, so that nobody waits for them to run out.

        Args:
            is_gone: Tells by a holder's name whether it has ended.

        Returns:
            Names of the leases that were given back.
        """
        with self._database.transaction(write=True) as transaction:
            now = self._system_now()
            held = transaction.rows(
                select(LeaseRow.name, LeaseRow.holder).where(
                    LeaseRow.holder.is_not(None), LeaseRow.expires_at > now
                )
            )
            left = tuple(row.name for row in held if is_gone(row.holder))
            transaction.execute(
                update(LeaseRow).where(LeaseRow.name.in_(left)).values(holder=None, expires_at=now)
            )
        return left

    def holder(self, name: str) -> str | None:
        """Return who holds an unexpired lease."""
        with self._database.transaction() as transaction:
            row = transaction.first(
                select(LeaseRow.holder).where(
                    LeaseRow.name == name, LeaseRow.expires_at > self._system_now()
                )
            )
        return None if row is None else row.holder


def _next_token(transaction: Transaction) -> int:
    transaction.execute(
        update(FencingStateRow)
        .where(FencingStateRow.id == 1)
        .values(last_token=FencingStateRow.last_token + 1)
    )
    row = transaction.first(select(FencingStateRow.last_token).where(FencingStateRow.id == 1))
    assert row is not None, "the first migration writes this row"
    return int(row.last_token)
