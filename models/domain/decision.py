"""Decision records: canonical form, hash chain, and the draft that becomes a sealed record.

Records hold no floats: quantities travel as decimal strings, so that a hash means the same everywhere.
Source: domain reference, section 5.4 (canonical JSON: keys sorted, no spaces, UTF-8 unescaped).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from models.domain.time import as_utc, gate_closure, settlement_period

SCHEMA = "decision-log/1"
"""Schema name every record carries."""

GENESIS_HASH = "0" * 64
"""`prev_hash` of record 1."""

PROFILE_NOTE = (
    'decision audit log (project profile "P444"); BSC Modification P444 is a supplier compensation rule '
    "and sets no logging duty"
)
"""The one sentence that says what the name means."""


class EventType(StrEnum):
    """What a record tells."""

    DECISION = "decision"
    REFUSAL = "refusal"
    NEGOTIATION = "negotiation"
    OUTCOME = "outcome"
    CORRECTION = "correction"
    EVENT_DAY = "event_day"
    INPUT_SNAPSHOT = "input_snapshot"
    CONFIG_CHANGE = "config_change"
    CONTRACT = "contract"
    """What became of a contract of the market."""
    EXCHANGE = "exchange"
    """A message from or to another participant, taken or refused."""
    ANCHOR = "anchor"
    SEGMENT_START = "segment_start"


def canonical_json(record: Mapping[str, Any]) -> str:
    """Return the one text form of a record that is hashed and written.

    Raises:
        TypeError: If a float, a datetime or another type without one canonical form is inside.
    """
    if not _is_canonical(record):
        _refuse(record, "$")
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _is_canonical(value: object) -> bool:
    """Return whether a value holds only what has one canonical form; quick, as every record passes here twice."""
    if value is None or isinstance(value, (str, int)):
        return True
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_canonical(inner) for key, inner in value.items())
    return isinstance(value, (list, tuple)) and all(map(_is_canonical, value))


def _refuse(value: object, path: str) -> None:
    """Raise a `TypeError` that names the first place without a canonical form."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{path}: key {key!r} is not text")
            if not _is_canonical(inner):
                _refuse(inner, f"{path}.{key}")
    if isinstance(value, (list, tuple)):
        for place, inner in enumerate(value):
            if not _is_canonical(inner):
                _refuse(inner, f"{path}[{place}]")
    raise TypeError(
        f"{path}: a record holds text, integers, booleans, null, lists and objects only"
    )


def record_hash(record: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of the canonical form without the field `hash`."""
    bare = {key: value for key, value in record.items() if key != "hash"}
    return hashlib.sha256(canonical_json(bare).encode()).hexdigest()


def decimal_text(value: float | Decimal | int | None, places: int) -> str | None:
    """Return a quantity as a decimal string with fixed places; None stays None.

    Raises:
        ValueError: If the value is not a finite number; unknown is None, never NaN.
    """
    if value is None:
        return None
    exact = Decimal(str(value))
    if not exact.is_finite():
        raise ValueError(f"{value!r} cannot stand in a record; write None for unknown")
    quantum = Decimal(1).scaleb(-places)
    number = exact.quantize(quantum, rounding=ROUND_HALF_EVEN)
    return str(number + 0 if number else number.copy_abs())


def millisecond_utc(instant: datetime) -> str:
    """Return an instant as RFC 3339 UTC with milliseconds and `Z`."""
    return as_utc(instant).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class DecisionDraft:
    """A record before it has its place in the chain.

    `body` holds the fields of domain reference 5.4 that the event has (actor, inputs, options, selected,
    trade_offs, constraints, approval, assumptions_id) and product fields, all canonical already.
    """

    event_type: EventType
    body: Mapping[str, Any]
    event_id: UUID = field(default_factory=uuid4)
    job_id: str | None = None
    owner: str | None = None
    """Whose job it is; used for filtering, written pseudonymised only if it is in `body`."""
    negotiation_id: str | None = None
    ref: UUID | None = None
    first_slot: datetime | None = None
    """Start of the first settlement period affected."""
    clock_utc: datetime | None = None
    """The planning clock where it differs from system time."""


@dataclass(frozen=True)
class SealedRecord:
    """A record with its place in the chain."""

    seq: int
    event_id: str
    event_type: str
    ts_utc: str
    hash: str
    prev_hash: str
    line: str
    """Canonical JSON of the whole record, `hash` included, without newline."""
    job_id: str | None = None
    owner: str | None = None
    negotiation_id: str | None = None


def seal(draft: DecisionDraft, *, seq: int, prev_hash: str, now: datetime) -> SealedRecord:
    """Give a draft its sequence number, time and hash.

    Args:
        draft: What happened.
        seq: 1, 2, 3 … without gaps.
        prev_hash: Hash of record seq - 1, or `GENESIS_HASH`.
        now: System time (not the planning clock); must not go backwards inside a segment.
    """
    record: dict[str, Any] = {
        **draft.body,
        "schema": SCHEMA,
        "seq": seq,
        "event_id": str(draft.event_id),
        "event_type": str(draft.event_type),
        "ts_utc": millisecond_utc(now),
        "prev_hash": prev_hash,
        "job_id": draft.job_id,
        "negotiation_id": draft.negotiation_id,
        "ref": str(draft.ref) if draft.ref else None,
    }
    if draft.first_slot is not None:
        period = settlement_period(draft.first_slot)
        record["settlement_date"] = period.settlement_date.isoformat()
        record["settlement_period"] = period.period
        record["gate_closure_utc"] = millisecond_utc(gate_closure(draft.first_slot))
    if draft.clock_utc is not None:
        record["clock_utc"] = millisecond_utc(draft.clock_utc)
    record["hash"] = record_hash(record)
    return SealedRecord(
        seq=seq,
        event_id=str(draft.event_id),
        event_type=str(draft.event_type),
        ts_utc=record["ts_utc"],
        hash=record["hash"],
        prev_hash=prev_hash,
        line=canonical_json(record),
        job_id=draft.job_id,
        owner=draft.owner,
        negotiation_id=draft.negotiation_id,
    )
