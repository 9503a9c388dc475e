"""Stored negotiations: how each began and ended, what was said, and the plan it left."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import literal, select, tuple_

from models.domain.errors import NotFound
from models.domain.plan import NegotiationStatus, NegotiationSummary
from models.domain.ports import Page
from storage.cursors import cursor_instant, decode_cursor, encode_cursor
from storage.database import Transaction
from storage.serialise import dumps, loads
from storage.tables import NegotiationRow
from storage.types import UtcDateTime


def store(
    transaction: Transaction,
    summary: NegotiationSummary,
    messages: Sequence[Mapping[str, Any]] | None = None,
    snapshot: Mapping[str, Any] | None = None,
) -> None:
    """Store a negotiation, or replace what was stored of it.

    Args:
        transaction: Where to write.
        summary: How it stands.
        messages: What was said, as JSON data; None while it runs.
        snapshot: Frozen view of the plan it ended in, as JSON data; None while it runs.
    """
    transaction.upsert(
        NegotiationRow,
        ["negotiation_id"],
        [
            {
                "negotiation_id": summary.negotiation_id,
                "status": str(summary.status),
                "started_at": summary.started_at,
                "summary": dumps(summary),
                "messages": None if messages is None else _pack(list(messages)),
                "snapshot": None if snapshot is None else _pack(snapshot),
            }
        ],
    )


def load(
    transaction: Transaction, negotiation_id: str
) -> tuple[NegotiationSummary, tuple[Mapping[str, Any], ...], Mapping[str, Any]]:
    """Return summary, messages and snapshot (both empty while it runs). Raises `NotFound`."""
    row = transaction.first(
        select(NegotiationRow.summary, NegotiationRow.messages, NegotiationRow.snapshot).where(
            NegotiationRow.negotiation_id == negotiation_id
        )
    )
    if row is None:
        raise NotFound(f"there is no negotiation {negotiation_id!r}")
    messages = () if row.messages is None else tuple(_unpack(row.messages))
    snapshot = {} if row.snapshot is None else _unpack(row.snapshot)
    return loads(NegotiationSummary, row.summary), messages, snapshot


def snapshot_of(transaction: Transaction, negotiation_id: str) -> Mapping[str, Any]:
    """Return the frozen view of a plan; empty while it runs. Raises `NotFound`."""
    row = transaction.first(
        select(NegotiationRow.snapshot).where(NegotiationRow.negotiation_id == negotiation_id)
    )
    if row is None:
        raise NotFound(f"there is no negotiation {negotiation_id!r}")
    view: Mapping[str, Any] = {} if row.snapshot is None else _unpack(row.snapshot)
    return view


def summary_of(transaction: Transaction, negotiation_id: str) -> NegotiationSummary:
    """Return how a negotiation stands; messages and snapshot of a large fleet take long to read. Raises `NotFound`."""
    row = transaction.first(
        select(NegotiationRow.summary).where(NegotiationRow.negotiation_id == negotiation_id)
    )
    if row is None:
        raise NotFound(f"there is no negotiation {negotiation_id!r}")
    return loads(NegotiationSummary, row.summary)


def page(
    transaction: Transaction,
    *,
    status: NegotiationStatus | None,
    cursor: str | None,
    limit: int,
) -> Page[NegotiationSummary]:
    """Return negotiations, newest first."""
    wanted = (
        select(NegotiationRow.negotiation_id, NegotiationRow.started_at, NegotiationRow.summary)
        .order_by(NegotiationRow.started_at.desc(), NegotiationRow.negotiation_id.desc())
        .limit(limit + 1)
    )
    if status is not None:
        wanted = wanted.where(NegotiationRow.status == str(status))
    if cursor is not None:
        instant, last_id = decode_cursor("negotiations", cursor, (int, str))
        last = tuple_(literal(cursor_instant(instant), UtcDateTime()), literal(last_id))
        wanted = wanted.where(
            tuple_(NegotiationRow.started_at, NegotiationRow.negotiation_id) < last
        )
    rows = transaction.rows(wanted)
    has_more = len(rows) > limit
    rows = rows[:limit]
    return Page(
        tuple(loads(NegotiationSummary, row.summary) for row in rows),
        encode_cursor("negotiations", rows[-1].started_at, rows[-1].negotiation_id)
        if has_more
        else None,
    )


def _pack(value: Any) -> bytes:
    return zlib.compress(json.dumps(value, separators=(",", ":"), allow_nan=False).encode(), 3)


def _unpack(packed: bytes) -> Any:
    return json.loads(zlib.decompress(packed))
