"""Stored changes from one plan to the next, by plan and by job."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, insert, select

from models.domain.change import ChangeKind, PlanChange
from models.domain.ports import Page
from storage.cursors import decode_cursor, encode_cursor
from storage.database import Transaction
from storage.serialise import dumps, loads
from storage.tables import PlanChangeRow


def add(transaction: Transaction, changes: Iterable[PlanChange]) -> None:
    """Store changes; each has its own place in its plan."""
    rows = [
        {
            "negotiation_id": change.negotiation_id,
            "position": change.position,
            "job_id": change.job_id,
            "owner": change.owner,
            "kind": str(change.kind),
            "decided_at": change.decided_at,
            "body": dumps(change),
        }
        for change in changes
    ]
    if rows:
        transaction.execute(insert(PlanChangeRow), rows)


def page(
    transaction: Transaction,
    negotiation_id: str,
    owner: str | None,
    *,
    cursor: str | None,
    limit: int,
) -> Page[PlanChange]:
    """Return what a plan changed, in its order; `owner` None: every owner's jobs."""
    wanted = (
        select(PlanChangeRow.position, PlanChangeRow.body)
        .where(PlanChangeRow.negotiation_id == negotiation_id)
        .order_by(PlanChangeRow.position)
        .limit(limit + 1)
    )
    if owner is not None:
        wanted = wanted.where(PlanChangeRow.owner == owner)
    if cursor is not None:
        (after,) = decode_cursor("plan-changes", cursor, (int,))
        wanted = wanted.where(PlanChangeRow.position > after)
    rows = transaction.rows(wanted)
    has_more = len(rows) > limit
    rows = rows[:limit]
    return Page(
        tuple(loads(PlanChange, row.body) for row in rows),
        encode_cursor("plan-changes", rows[-1].position) if has_more else None,
    )


def of_job(transaction: Transaction, job_id: str, limit: int) -> tuple[PlanChange, ...]:
    """Return the last changes of one job, newest first."""
    rows = transaction.rows(
        select(PlanChangeRow.body)
        .where(PlanChangeRow.job_id == job_id)
        .order_by(PlanChangeRow.decided_at.desc(), PlanChangeRow.negotiation_id.desc())
        .limit(limit)
    )
    return tuple(loads(PlanChange, row.body) for row in rows)


def last_moves(
    transaction: Transaction, owner: str | None, since: datetime
) -> tuple[str, datetime, int] | None:
    """Return (negotiation, time, moved jobs) of the last plan since then that moved an owner's jobs, or None."""
    wanted = (
        select(PlanChangeRow.negotiation_id, PlanChangeRow.decided_at, func.count().label("moved"))
        .where(PlanChangeRow.kind == str(ChangeKind.MOVED), PlanChangeRow.decided_at >= since)
        .group_by(PlanChangeRow.negotiation_id, PlanChangeRow.decided_at)
        .order_by(PlanChangeRow.decided_at.desc(), PlanChangeRow.negotiation_id.desc())
        .limit(1)
    )
    if owner is not None:
        wanted = wanted.where(PlanChangeRow.owner == owner)
    row = transaction.first(wanted)
    return None if row is None else (row.negotiation_id, row.decided_at, int(row.moved))
