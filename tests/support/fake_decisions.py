"""An audit outbox in memory: the smallest thing that behaves like the database's `DecisionRepository`.

Only `decisions` of a unit of work is there; whoever reaches for another repository gets an AttributeError.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self, cast
from uuid import UUID

from models.domain.decision import (
    GENESIS_HASH,
    DecisionDraft,
    EventType,
    SealedRecord,
    seal,
)
from models.domain.errors import NotFound
from models.domain.ports import Page, UnitOfWork

FIRST_INSTANT = datetime(2026, 11, 21, 14, 55, tzinfo=UTC)
"""When the first record of a fake log is sealed."""


@dataclass
class OutboxState:
    """What is committed."""

    records: list[SealedRecord] = field(default_factory=list)
    flushed_seq: int = 0


class FakeDecisions:
    """`DecisionRepository` over a private copy of the state, until the unit of work commits."""

    def __init__(self, state: OutboxState, now: Callable[[], datetime]) -> None:
        """Copy the state."""
        self.state = replace(state, records=list(state.records))
        self._now = now

    def append(self, draft: DecisionDraft) -> SealedRecord:
        """Seal a draft as the next record; a `segment_start` comes first where the UTC date changed."""
        now = self._now()
        stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        records = self.state.records
        if not records or records[-1].ts_utc[:10] != stamp[:10]:
            seq, digest = self.head()
            opening = {"previous_hash": digest, "previous_seq": seq}
            start = DecisionDraft(EventType.SEGMENT_START, opening, event_id=_event_id(seq + 1))
            records.append(seal(start, seq=seq + 1, prev_hash=digest, now=now))
        seq, digest = self.head()
        records.append(seal(draft, seq=seq + 1, prev_hash=digest, now=now))
        return records[-1]

    def head(self) -> tuple[int, str]:
        """Return (seq, hash) of the last record."""
        last = self.state.records[-1] if self.state.records else None
        return (last.seq, last.hash) if last else (0, GENESIS_HASH)

    def flushed_seq(self) -> int:
        """Return the last acknowledged seq."""
        return self.state.flushed_seq

    def mark_flushed(self, seq: int) -> None:
        """Advance `flushed_seq`, never back."""
        self.state.flushed_seq = max(self.state.flushed_seq, seq)

    def after(self, seq: int, limit: int) -> tuple[SealedRecord, ...]:
        """Return records with a greater seq."""
        return tuple(self.state.records[seq : seq + limit])

    def get(self, event_id: str) -> SealedRecord:
        """Return one record."""
        for record in self.state.records:
            if record.event_id == event_id:
                return record
        raise NotFound(f"there is no decision record {event_id!r}")

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
        """Return records newest first; the cursor is the last seq shown."""
        wanted = [
            record
            for record in reversed(self.state.records)
            if (owner is None or record.owner == owner)
            and (job_id is None or record.job_id == job_id)
            and (not event_types or record.event_type in event_types)
            and (since is None or datetime.fromisoformat(record.ts_utc) >= since)
            and (until is None or datetime.fromisoformat(record.ts_utc) < until)
            and (cursor is None or record.seq < int(cursor))
        ]
        more = len(wanted) > limit
        return Page(tuple(wanted[:limit]), str(wanted[limit - 1].seq) if more else None)


class FakeUnitOfWork:
    """A unit of work with decisions only."""

    def __init__(self, outbox: FakeOutbox) -> None:
        """Begin later, in the `with` block."""
        self._outbox = outbox

    def __enter__(self) -> Self:
        self.decisions = FakeDecisions(self._outbox.state, self._outbox.now)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def commit(self) -> None:
        """Make what was done visible to the next unit of work."""
        self._outbox.state = self.decisions.state


class FakeOutbox:
    """A `UnitOfWorkFactory` with its own store and a system time that tests set."""

    def __init__(self, instant: datetime = FIRST_INSTANT) -> None:
        """Start empty at an instant."""
        self.state = OutboxState()
        self.instant = instant

    def __call__(self, *, write: bool = False) -> UnitOfWork:
        """Return a new unit of work."""
        return cast("UnitOfWork", FakeUnitOfWork(self))

    def now(self) -> datetime:
        """Return the set system time."""
        return self.instant

    def record(self, count: int = 1, *, every: timedelta = timedelta(seconds=7)) -> None:
        """Commit some decisions, each a little later than the one before."""
        for _ in range(count):
            self.add(a_decision(len(self.state.records) + 1))
            self.instant += every

    def add(self, draft: DecisionDraft) -> SealedRecord:
        """Commit one draft."""
        with self(write=True) as uow:
            sealed = uow.decisions.append(draft)
            uow.commit()
        return sealed


def a_decision(number: int, *, job_id: str | None = None) -> DecisionDraft:
    """Return a small decision that is the same for the same number."""
    body = {
        "actor": {"kind": "agent", "name": "scheduler", "version": "1"},
        "options": [
            {
                "id": "arrival",
                "feasible": True,
                "metrics": {"cost_gbp": "9.10", "carbon_kg": "4.2"},
            },
            {"id": "night", "feasible": True, "metrics": {"cost_gbp": "-0.35", "carbon_kg": "2.9"}},
        ],
        "selected": {"option_id": "night", "rule": "least objective", "rationale": f"£ № {number}"},
    }
    return DecisionDraft(
        EventType.DECISION,
        body,
        event_id=_event_id(1_000_000 + number),
        job_id=job_id or f"job-{number % 5}",
        owner="local",
        first_slot=FIRST_INSTANT.replace(hour=17, minute=0),
    )


def _event_id(number: int) -> UUID:
    return UUID(int=number)
