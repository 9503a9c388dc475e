"""The audit outbox: records are sealed inside the transaction of what they record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Row, Select, Table, bindparam, func, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute

from models.domain.decision import (
    DecisionDraft,
    EventType,
    SealedRecord,
    millisecond_utc,
    seal,
)
from models.domain.errors import NotFound
from models.domain.ports import Page
from storage.cursors import decode_cursor, encode_cursor
from storage.database import Transaction
from storage.tables import DecisionHeadRow, DecisionRow

_COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (
    DecisionRow.seq,
    DecisionRow.event_id,
    DecisionRow.event_type,
    DecisionRow.ts,
    DecisionRow.hash,
    DecisionRow.prev_hash,
    DecisionRow.line,
    DecisionRow.job_id,
    DecisionRow.owner,
    DecisionRow.negotiation_id,
)

# Statements on the tables themselves, made once: a plan of thousands of jobs stores as many records in one transaction.
_LOCK_HEAD = (
    select(DecisionHeadRow.seq, DecisionHeadRow.hash, DecisionHeadRow.last_ts)
    .where(DecisionHeadRow.id == 1)
    .with_for_update()
)
_INSERT = insert(cast("Table", DecisionRow.__table__))
_MOVE_HEAD = (
    update(cast("Table", DecisionHeadRow.__table__))
    .where(DecisionHeadRow.id == 1)
    .values(seq=bindparam("last_seq"), hash=bindparam("last_hash"), last_ts=bindparam("last_at"))
)


class SqlDecisionRepository:
    """`DecisionRepository` on SQL."""

    def __init__(self, transaction: Transaction, system_now: Callable[[], datetime]) -> None:
        """Work inside a transaction; `system_now` gives the time records are stamped with."""
        self._tx = transaction
        self._system_now = system_now

    def append(self, draft: DecisionDraft) -> SealedRecord:
        """Seal a draft as the next record and store it.

        A `segment_start` record comes first when the UTC date differs from the last record's, and before
        record 1, so that every file of the log starts with one. Time never goes back: where system
        time did, the last record's time is used again.
        """
        head = self._tx.first(_LOCK_HEAD)
        assert head is not None, "the first migration writes this row"
        seq, last_hash, last_ts = int(head.seq), str(head.hash), head.last_ts
        now = _whole_milliseconds(self._system_now())
        if last_ts is not None and now < last_ts:
            now = last_ts
        if last_ts is None or now.date() != last_ts.date():
            opening = DecisionDraft(
                EventType.SEGMENT_START,
                {
                    "actor": {"kind": "rule", "name": "daily_rotation", "version": "1"},
                    "previous_hash": last_hash,
                    "previous_seq": seq,
                },
                clock_utc=draft.clock_utc,
            )
            opened = self._store(seal(opening, seq=seq + 1, prev_hash=last_hash, now=now), now)
            seq, last_hash = opened.seq, opened.hash
        return self._store(seal(draft, seq=seq + 1, prev_hash=last_hash, now=now), now)

    def head(self) -> tuple[int, str]:
        """Return (seq, hash) of the last record; (0, GENESIS_HASH) when empty."""
        row = self._tx.first(
            select(DecisionHeadRow.seq, DecisionHeadRow.hash).where(DecisionHeadRow.id == 1)
        )
        assert row is not None, "the first migration writes this row"
        return int(row.seq), str(row.hash)

    def flushed_seq(self) -> int:
        """Return the last seq known to be safely in the file."""
        row = self._tx.first(select(DecisionHeadRow.flushed_seq).where(DecisionHeadRow.id == 1))
        assert row is not None, "the first migration writes this row"
        return int(row.flushed_seq)

    def mark_flushed(self, seq: int) -> None:
        """Advance `flushed_seq` (never back)."""
        self._tx.execute(
            update(DecisionHeadRow)
            .where(DecisionHeadRow.id == 1, DecisionHeadRow.flushed_seq < seq)
            .values(flushed_seq=seq)
        )

    def after(self, seq: int, limit: int) -> tuple[SealedRecord, ...]:
        """Return records with a greater seq, in order."""
        rows = self._tx.rows(
            select(*_COLUMNS).where(DecisionRow.seq > seq).order_by(DecisionRow.seq).limit(limit)
        )
        return tuple(_record(row) for row in rows)

    def get(self, event_id: str) -> SealedRecord:
        """Return one record. Raises `NotFound`."""
        row = self._tx.first(select(*_COLUMNS).where(DecisionRow.event_id == event_id))
        if row is None:
            raise NotFound(f"there is no decision record {event_id!r}")
        return _record(row)

    def page(
        self,
        *,
        owner: str | None = None,
        job_id: str | None = None,
        event_types: Collection[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[SealedRecord]:
        """Return records with `since <= ts < until`, newest first; an owner also sees those of nobody."""
        wanted = select(*_COLUMNS).order_by(DecisionRow.seq.desc()).limit(limit + 1)
        if job_id is not None:
            wanted = wanted.where(DecisionRow.job_id == job_id)
        if event_types:
            wanted = wanted.where(DecisionRow.event_type.in_([str(kind) for kind in event_types]))
        if since is not None:
            wanted = wanted.where(DecisionRow.ts >= since)
        if until is not None:
            wanted = wanted.where(DecisionRow.ts < until)
        if cursor is not None:
            (last,) = decode_cursor("decisions", cursor, (int,))
            wanted = wanted.where(DecisionRow.seq < last)
        rows = self._visible(wanted, owner, of_one_job=job_id is not None)
        has_more = len(rows) > limit
        rows = rows[:limit]
        return Page(
            tuple(_record(row) for row in rows),
            encode_cursor("decisions", rows[-1].seq) if has_more else None,
        )

    def _visible(
        self, wanted: Select[Any], owner: str | None, *, of_one_job: bool
    ) -> Sequence[Row[Any]]:
        """Return the rows an owner may see, newest first: its own and those of nobody.

        One `owner = … OR owner IS NULL` would make SQLite sort every such row; each half by itself is read in order
        of the index and stops at the limit. The records of one job are few and are found by the job.
        """
        if owner is None:
            return self._tx.rows(wanted)
        if of_one_job:
            return self._tx.rows(wanted.where(func.coalesce(DecisionRow.owner, owner) == owner))
        halves = (DecisionRow.owner == owner, DecisionRow.owner.is_(None))
        found = [row for half in halves for row in self._tx.rows(wanted.where(half))]
        return sorted(found, key=lambda row: -int(row.seq))

    def _store(self, record: SealedRecord, now: datetime) -> SealedRecord:
        self._tx.execute(
            _INSERT,
            {
                "seq": record.seq,
                "event_id": record.event_id,
                "event_type": record.event_type,
                "ts": now,
                "hash": record.hash,
                "prev_hash": record.prev_hash,
                "job_id": record.job_id,
                "owner": record.owner,
                "negotiation_id": record.negotiation_id,
                "line": record.line,
            },
        )
        self._tx.execute(
            _MOVE_HEAD, {"last_seq": record.seq, "last_hash": record.hash, "last_at": now}
        )
        return record


def _whole_milliseconds(instant: datetime) -> datetime:
    return instant - timedelta(microseconds=instant.microsecond % 1_000)


def _record(row: Row[Any]) -> SealedRecord:
    return SealedRecord(
        seq=row.seq,
        event_id=row.event_id,
        event_type=row.event_type,
        ts_utc=millisecond_utc(row.ts),
        hash=row.hash,
        prev_hash=row.prev_hash,
        line=row.line,
        job_id=row.job_id,
        owner=row.owner,
        negotiation_id=row.negotiation_id,
    )
