"""Stored notices, and the start of each job that people were last told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, literal, or_, select, tuple_, update

from models.domain.errors import NotFound
from models.domain.notice import Notice
from models.domain.ports import Page
from storage.cursors import cursor_instant, decode_cursor, encode_cursor
from storage.database import Transaction
from storage.serialise import dumps, loads
from storage.tables import NoticeRow, ToldStartRow
from storage.types import UtcDateTime


class SqlNoticeRepository:
    """`NoticeRepository` on SQL."""

    def __init__(self, transaction: Transaction) -> None:
        """Work inside a transaction."""
        self._tx = transaction

    def add(self, notice: Notice) -> bool:
        """Store a notice; False where one with its key is stored already."""
        return self._tx.insert_if_absent(NoticeRow, ["key"], _values(notice))

    def update(self, notice: Notice) -> None:
        """Store what became of its delivery. Raises `NotFound`."""
        mine = NoticeRow.notice_id == notice.notice_id
        changed = self._tx.execute(update(NoticeRow).where(mine).values(**_values(notice)))
        if changed.rowcount != 1:
            raise NotFound(f"there is no notice {notice.notice_id!r}")

    def due(self, limit: int) -> tuple[Notice, ...]:
        """Return notices still to be delivered, oldest first."""
        rows = self._tx.rows(
            select(NoticeRow.body)
            .where(NoticeRow.is_due.is_(True))
            .order_by(NoticeRow.created_at, NoticeRow.notice_id)
            .limit(limit)
        )
        return tuple(loads(Notice, row.body) for row in rows)

    def page(
        self, owner: str | None, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Notice]:
        """Return notices an owner may read, newest first; None: of every owner."""
        wanted = (
            select(NoticeRow.notice_id, NoticeRow.created_at, NoticeRow.body)
            .order_by(NoticeRow.created_at.desc(), NoticeRow.notice_id.desc())
            .limit(limit + 1)
        )
        if owner is not None:
            wanted = wanted.where(or_(NoticeRow.owner == owner, NoticeRow.owner.is_(None)))
        if cursor is not None:
            instant, last_id = decode_cursor("notices", cursor, (int, str))
            last = tuple_(literal(cursor_instant(instant), UtcDateTime()), literal(last_id))
            wanted = wanted.where(tuple_(NoticeRow.created_at, NoticeRow.notice_id) < last)
        rows = self._tx.rows(wanted)
        shown = rows[:limit]
        more = None
        if len(rows) > limit:
            more = encode_cursor("notices", shown[-1].created_at, shown[-1].notice_id)
        return Page(tuple(loads(Notice, row.body) for row in shown), more)

    def told_starts(self) -> dict[str, datetime]:
        """Return the start last told of every job that has one."""
        rows = self._tx.rows(select(ToldStartRow.job_id, ToldStartRow.start_at))
        return {row.job_id: row.start_at for row in rows}

    def tell_starts(self, starts: Mapping[str, datetime]) -> None:
        """Note what people know of some jobs."""
        rows = [{"job_id": job_id, "start_at": start} for job_id, start in starts.items()]
        self._tx.upsert(ToldStartRow, ["job_id"], rows)

    def forget_starts(self, job_ids: list[str]) -> None:
        """Forget what was told of jobs that are over."""
        for first in range(0, len(job_ids), 500):
            part = job_ids[first : first + 500]
            self._tx.execute(delete(ToldStartRow).where(ToldStartRow.job_id.in_(part)))


def _values(notice: Notice) -> dict[str, Any]:
    return {
        "notice_id": notice.notice_id,
        "key": notice.key,
        "owner": notice.owner,
        "is_due": notice.is_due,
        "created_at": notice.created_at,
        "body": dumps(notice),
    }
