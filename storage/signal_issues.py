"""The rows of the signal archive: provenances and issues, written once and never changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, func, insert, select

from models.domain.signal import Provenance, Quality, ValueKind
from models.domain.time import SLOT, Horizon
from storage.database import IN_LIST_LIMIT, Transaction
from storage.signal_arrays import MIX, Issue, pack_rows, unpack_rows
from storage.tables import SignalIssueRow, SignalProvenanceRow
from storage.types import to_microseconds

_ISSUE_COLUMNS = (
    SignalIssueRow.issue_id,
    SignalIssueRow.name,
    SignalIssueRow.region,
    SignalIssueRow.provenance_id,
    SignalIssueRow.retrieved_at,
    SignalIssueRow.start_at,
    SignalIssueRow.end_at,
    SignalIssueRow.channels,
    SignalIssueRow.payload,
)

_RANK = case(
    (SignalIssueRow.name == MIX, 0),
    (SignalProvenanceRow.kind == str(ValueKind.ACTUAL), 3),
    (SignalProvenanceRow.kind == str(ValueKind.TARIFF), 2),
    (SignalProvenanceRow.kind == str(ValueKind.FORECAST), 1),
    else_=0,
)
"""The same order as `signal_arrays.standing`."""


def store_provenances(
    transaction: Transaction, provenances: Iterable[Provenance]
) -> dict[Provenance, int]:
    """Return the id of each provenance, storing those that are new."""
    digests = {one: _digest(one) for one in provenances}
    rows = transaction.rows(
        select(SignalProvenanceRow.digest, SignalProvenanceRow.provenance_id).where(
            SignalProvenanceRow.digest.in_(sorted(digests.values()))
        )
    )
    known: dict[str, int] = {row.digest: row.provenance_id for row in rows}
    next_id = _next_id(transaction, SignalProvenanceRow.provenance_id)
    new = []
    for provenance, digest in digests.items():
        if digest in known:
            continue
        known[digest] = next_id
        new.append(
            {
                "provenance_id": next_id,
                "digest": digest,
                "source": provenance.source,
                "endpoint": provenance.endpoint,
                "kind": str(provenance.kind),
                "quality": str(provenance.quality),
                "issued_at": provenance.issued_at,
                "retrieved_at": provenance.retrieved_at,
                "sha256": provenance.sha256,
                "note": provenance.note,
            }
        )
        next_id += 1
    if new:
        transaction.execute(insert(SignalProvenanceRow), new)
    return {provenance: known[digest] for provenance, digest in digests.items()}


def load_provenances(transaction: Transaction, ids: Collection[int]) -> dict[int, Provenance]:
    """Return the provenances of some ids."""
    wanted = sorted(ids)
    found: dict[int, Provenance] = {}
    for first in range(0, len(wanted), IN_LIST_LIMIT):
        part = wanted[first : first + IN_LIST_LIMIT]
        rows = transaction.rows(
            select(*SignalProvenanceRow.__table__.columns).where(
                SignalProvenanceRow.provenance_id.in_(part)
            )
        )
        for row in rows:
            found[row.provenance_id] = Provenance(
                source=row.source,
                endpoint=row.endpoint,
                kind=ValueKind(row.kind),
                quality=Quality(row.quality),
                issued_at=row.issued_at,
                retrieved_at=row.retrieved_at,
                sha256=row.sha256,
                note=row.note,
            )
    return found


def store_issues(
    transaction: Transaction, mode: str, issues: Sequence[Issue], ids: dict[Provenance, int]
) -> None:
    """Store issues in order of arrival; `ids` are those of their provenances."""
    next_id = _next_id(transaction, SignalIssueRow.issue_id)
    rows = [
        {
            "issue_id": next_id + place,
            "mode": mode,
            "name": issue.name,
            "region": issue.region,
            "provenance_id": ids[issue.provenance],
            "retrieved_at": issue.provenance.retrieved_at,
            "start_at": issue.horizon.start,
            "end_at": issue.horizon.end,
            "channels": ",".join(issue.channels),
            "payload": pack_rows(issue.rows),
        }
        for place, issue in enumerate(issues)
    ]
    if rows:
        transaction.execute(insert(SignalIssueRow), rows)


@dataclass(frozen=True, slots=True)
class IssueHead:
    """An issue without its values."""

    issue_id: int
    provenance_id: int
    start: datetime
    end: datetime


def best_first(
    transaction: Transaction,
    mode: str,
    name: str,
    region: str,
    horizon: Horizon,
    as_of: datetime | None,
) -> list[IssueHead]:
    """Return the issues that touch a horizon, known at `as_of` (None: at any time), the one that answers first."""
    wanted = (
        select(
            SignalIssueRow.issue_id,
            SignalIssueRow.provenance_id,
            SignalIssueRow.start_at,
            SignalIssueRow.end_at,
        )
        .join(
            SignalProvenanceRow,
            SignalProvenanceRow.provenance_id == SignalIssueRow.provenance_id,
        )
        .where(*_touching(mode, name, region, horizon))
        .order_by(_RANK.desc(), SignalIssueRow.retrieved_at.desc(), SignalIssueRow.issue_id.desc())
    )
    if as_of is not None:
        wanted = wanted.where(SignalIssueRow.retrieved_at <= as_of)
    return [
        IssueHead(row.issue_id, row.provenance_id, row.start_at, row.end_at)
        for row in transaction.rows(wanted)
    ]


def load_issues(
    transaction: Transaction, ids: Sequence[int], provenances: Mapping[int, Provenance]
) -> dict[int, Issue]:
    """Return the issues of some ids; `provenances` has those they came from."""
    found: dict[int, Issue] = {}
    for first in range(0, len(ids), IN_LIST_LIMIT):
        part = ids[first : first + IN_LIST_LIMIT]
        for row in transaction.rows(
            select(*_ISSUE_COLUMNS).where(SignalIssueRow.issue_id.in_(part))
        ):
            found[row.issue_id] = _issue(row, provenances[row.provenance_id])
    return found


def oldest_first(
    transaction: Transaction,
    mode: str,
    name: str,
    region: str,
    horizon: Horizon,
    after: tuple[datetime, int] | None,
    limit: int,
) -> list[tuple[int, Issue]]:
    """Return up to `limit` issues that touch a horizon, by retrieval then arrival, with their ids.

    Args:
        transaction: Where to read.
        mode: `live | replay | simulated`.
        name: Signal.
        region: Region slug.
        horizon: What they must touch.
        after: (retrieved_at, issue id) of the last one had; None begins.
        limit: At most so many.
    """
    wanted = (
        select(*_ISSUE_COLUMNS)
        .where(*_touching(mode, name, region, horizon))
        .order_by(SignalIssueRow.retrieved_at, SignalIssueRow.issue_id)
        .limit(limit)
    )
    if after is not None:
        retrieved_at, issue_id = after
        wanted = wanted.where(
            (SignalIssueRow.retrieved_at > retrieved_at)
            | ((SignalIssueRow.retrieved_at == retrieved_at) & (SignalIssueRow.issue_id > issue_id))
        )
    rows = transaction.rows(wanted)
    provenances = load_provenances(transaction, {row.provenance_id for row in rows})
    return [(row.issue_id, _issue(row, provenances[row.provenance_id])) for row in rows]


def _touching(mode: str, name: str, region: str, horizon: Horizon) -> tuple[Any, ...]:
    return (
        SignalIssueRow.mode == mode,
        SignalIssueRow.name == name,
        SignalIssueRow.region == region,
        SignalIssueRow.end_at > horizon.start,
        SignalIssueRow.start_at < horizon.end,
    )


def _issue(row: Row[Any], provenance: Provenance) -> Issue:
    channels = tuple(row.channels.split(","))
    slots = (row.end_at - row.start_at) // SLOT
    return Issue(
        row.name,
        row.region,
        provenance,
        Horizon(row.start_at, slots),
        channels,
        unpack_rows(bytes(row.payload), len(channels)),
    )


def _next_id(transaction: Transaction, column: Any) -> int:
    """Return the next free id; safe because writers run one at a time."""
    row = transaction.first(select(func.coalesce(func.max(column), 0).label("last")))
    assert row is not None
    return int(row.last) + 1


def _digest(provenance: Provenance) -> str:
    issued_at = provenance.issued_at
    parts = [
        provenance.source,
        provenance.endpoint,
        str(provenance.kind),
        str(provenance.quality),
        None if issued_at is None else to_microseconds(issued_at),
        to_microseconds(provenance.retrieved_at),
        provenance.sha256,
        provenance.note,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
