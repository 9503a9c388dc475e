"""Stored messages and the work they leave to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, cast

from sqlalchemy import bindparam, delete, func, insert, or_, select, update
from sqlalchemy.orm import aliased

from models.domain.errors import NotFound
from models.domain.exchange import Lag, Message, MessageFilter, Work
from storage.database import IN_LIST_LIMIT, Transaction
from storage.tables import AllowanceRow, MessageRow, WorkRow

if TYPE_CHECKING:
    from sqlalchemy import Table

_MESSAGE = (
    MessageRow.direction, MessageRow.peer_id, MessageRow.action, MessageRow.transaction_id,
    MessageRow.message_id, MessageRow.at, MessageRow.dialect, MessageRow.body,
    MessageRow.authorization, MessageRow.signature, MessageRow.status, MessageRow.answer,
    MessageRow.seq,
)  # fmt: skip

_WORK = (
    WorkRow.kind, WorkRow.peer_id, WorkRow.url, WorkRow.action, WorkRow.transaction_id,
    WorkRow.message_id, WorkRow.dialect, WorkRow.created_at, WorkRow.due_at, WorkRow.expires_at,
    WorkRow.body, WorkRow.request_seq, WorkRow.chain, WorkRow.attempts, WorkRow.state,
    WorkRow.error, WorkRow.seq,
)  # fmt: skip

WAITING = "waiting"

_MESSAGE_NAMES = (
    "direction", "peer_id", "action", "transaction_id", "message_id", "at", "dialect",
    "authorization", "signature", "status", "body", "answer",
)  # fmt: skip

# Built once: these run for every message, and building a statement costs more than running it.
_INSERT_MESSAGE = insert(cast("Table", MessageRow.__table__))
_KNOWN_IDS = select(MessageRow.message_id).where(
    MessageRow.direction == bindparam("in_direction"),
    MessageRow.peer_id == bindparam("of_peer"),
    MessageRow.action == bindparam("of_action"),
    MessageRow.message_id.in_(bindparam("ids", expanding=True)),
)
_MESSAGE_OF = select(*_MESSAGE).where(MessageRow.seq.in_(bindparam("seqs", expanding=True)))
_KNOWN = select(*_MESSAGE).where(
    MessageRow.direction == bindparam("in_direction"),
    MessageRow.peer_id == bindparam("of_peer"),
    MessageRow.action == bindparam("of_action"),
    MessageRow.message_id == bindparam("of_id"),
)
_LAST = select(
    select(func.max(MessageRow.seq)).scalar_subquery().label(MessageRow.__tablename__),
    select(func.max(WorkRow.seq)).scalar_subquery().label(WorkRow.__tablename__),
)
_EARLIER = aliased(WorkRow)
_TAKE = (
    select(*_WORK)
    .where(
        WorkRow.state == WAITING,
        WorkRow.due_at <= bindparam("now"),
        or_(WorkRow.taken_until.is_(None), WorkRow.taken_until <= bindparam("now")),
        # Of each transaction with a peer the first that is not done.
        ~(
            select(_EARLIER.seq)
            .where(
                _EARLIER.peer_id == WorkRow.peer_id,
                _EARLIER.transaction_id == WorkRow.transaction_id,
                _EARLIER.state == WAITING,
                _EARLIER.seq < WorkRow.seq,
            )
            .exists()
        ),
    )
    .order_by(WorkRow.due_at, WorkRow.seq)
    .limit(bindparam("most"))
)
_CLAIM = (
    update(cast("Table", WorkRow.__table__))
    .where(WorkRow.seq.in_(bindparam("seqs", expanding=True)))
    .values(taken_until=bindparam("until"))
)
_ALLOWANCES = select(AllowanceRow.name, AllowanceRow.left_over, AllowanceRow.at).where(
    AllowanceRow.name.in_(bindparam("names", expanding=True))
)
_NEXT_DUE = select(WorkRow.due_at).where(WorkRow.state == WAITING).order_by(WorkRow.due_at).limit(1)
_INSERT_WORK = insert(cast("Table", WorkRow.__table__))
_UPDATE_WORK = (
    update(cast("Table", WorkRow.__table__))
    .where(WorkRow.seq == bindparam("at_seq"), WorkRow.taken_until == bindparam("at_until"))
    .values(
        kind=bindparam("to_kind"),
        url=bindparam("to_url"),
        body=bindparam("to_body"),
        due_at=bindparam("to_due_at"),
        attempts=bindparam("to_attempts"),
        state=bindparam("to_state"),
        error=bindparam("to_error"),
        taken_until=None,
    )
)


class SqlExchangeRepository:
    """`ExchangeRepository` on SQL. Numbers are given out under the one write lock, so they have no gaps to race in."""

    def __init__(self, transaction: Transaction) -> None:
        """Work inside a transaction."""
        self._tx = transaction
        self._next: dict[str, int] = {}

    def _number(self, table: type[MessageRow] | type[WorkRow]) -> int:
        if not self._next:
            row = self._tx.first(_LAST)
            assert row is not None
            self._next = {name: int(last or 0) for name, last in row._asdict().items()}
        name = table.__tablename__
        self._next[name] += 1
        return self._next[name]

    def record(self, message: Message) -> int | None:
        """Append a message; None where it is known already."""
        return self.record_all([message])[0]

    def record_all(self, messages: Sequence[Message]) -> list[int | None]:
        """Append messages; None for each that is known already, from before or from earlier in the list."""
        known: set[tuple[str, str, str, str]] = set()
        asked: dict[tuple[str, str, str], list[str]] = {}
        for one in messages:
            asked.setdefault((one.direction, one.peer_id, one.action), []).append(one.message_id)
        # By the columns of the unique index, in its order: the journal is long.
        for (direction, peer_id, action), idents in asked.items():
            wanted = {
                "in_direction": direction,
                "of_peer": peer_id,
                "of_action": action,
                "ids": idents,
            }
            found = self._tx.rows(_KNOWN_IDS, wanted)
            known |= {(direction, peer_id, action, row.message_id) for row in found}
        numbers: list[int | None] = []
        rows = []
        for one in messages:
            key = (one.direction, one.peer_id, one.action, one.message_id)
            if key in known:
                numbers.append(None)
                continue
            known.add(key)
            seq = self._number(MessageRow)
            numbers.append(seq)
            rows.append({**{name: getattr(one, name) for name in _MESSAGE_NAMES}, "seq": seq})
        if rows:
            self._tx.execute(_INSERT_MESSAGE, rows)
        return numbers

    def answered(self, seq: int, status: int, answer: bytes) -> None:
        """Note how a message was answered."""
        self._tx.execute(
            update(MessageRow).where(MessageRow.seq == seq).values(status=status, answer=answer)
        )

    def message(self, seq: int) -> Message:
        """Return one message."""
        row = self._tx.first(select(*_MESSAGE).where(MessageRow.seq == seq))
        if row is None:
            raise NotFound(f"there is no message {seq}")
        return Message(**row._asdict())

    def known(self, direction: str, peer_id: str, action: str, message_id: str) -> Message | None:
        """Return a message by what makes it one of a kind."""
        wanted = {
            "in_direction": direction,
            "of_peer": peer_id,
            "of_action": action,
            "of_id": message_id,
        }
        row = self._tx.first(_KNOWN, wanted)
        return None if row is None else Message(**row._asdict())

    def last_in(self, peer_id: str, transaction_id: str) -> Message:
        """Return the last message of a peer in a transaction."""
        row = self._tx.first(
            select(*_MESSAGE)
            .where(
                MessageRow.transaction_id == transaction_id,
                MessageRow.direction == "in",
                MessageRow.peer_id == peer_id,
            )
            .order_by(MessageRow.seq.desc())
            .limit(1)
        )
        if row is None:
            raise NotFound(f"{peer_id!r} has sent nothing in transaction {transaction_id!r}")
        return Message(**row._asdict())

    def messages(self, wanted: MessageFilter) -> tuple[Message, ...]:
        """Return messages, oldest first."""
        rows = self._tx.rows(
            select(*_MESSAGE)
            .where(MessageRow.transaction_id == wanted.transaction_id)
            .order_by(MessageRow.seq)
            .limit(wanted.limit)
        )
        return tuple(Message(**row._asdict()) for row in rows)

    def message_of(self, seqs: Sequence[int]) -> dict[int, Message]:
        """Return messages by number."""
        found: dict[int, Message] = {}
        for first in range(0, len(seqs), IN_LIST_LIMIT):
            part = list(seqs[first : first + IN_LIST_LIMIT])
            for row in self._tx.rows(_MESSAGE_OF, {"seqs": part}):
                found[row.seq] = Message(**row._asdict())
        return found

    def add(self, work: Work) -> int:
        """Append something to do."""
        return self.add_all([work])[0]

    def add_all(self, works: Sequence[Work]) -> list[int]:
        """Append things to do."""
        numbers = [self._number(WorkRow) for _ in works]
        rows = [
            {**_values(work), "seq": seq, "taken_until": None}
            for work, seq in zip(works, numbers, strict=True)
        ]
        if rows:
            self._tx.execute(_INSERT_WORK, rows)
        return numbers

    def take(self, now: datetime, until: datetime, limit: int) -> tuple[Work, ...]:
        """Claim due work: of each transaction with a peer the first that is not done."""
        rows = self._tx.rows(_TAKE, {"now": now, "most": limit})
        if rows:
            self._tx.execute(_CLAIM, {"seqs": [row.seq for row in rows], "until": until})
        return tuple(Work(**row._asdict()) for row in rows)

    def update_all(self, works: Sequence[Work], until: datetime) -> None:
        """Store how far some work got, and give it back; work that somebody else took since is left alone."""
        rows = [
            {
                "at_seq": work.seq,
                "at_until": until,
                "to_kind": work.kind,
                "to_url": work.url,
                "to_body": work.body,
                "to_due_at": work.due_at,
                "to_attempts": work.attempts,
                "to_state": work.state,
                "to_error": work.error,
            }
            for work in works
        ]
        if rows:
            self._tx.execute(_UPDATE_WORK, rows)

    def lag(self) -> Lag:
        """Return how much waits."""
        waiting = self._tx.first(
            select(func.count().label("n"), func.min(WorkRow.seq).label("first")).where(
                WorkRow.state == WAITING
            )
        )
        failed = self._tx.first(
            select(func.count().label("n")).select_from(WorkRow).where(WorkRow.state == "failed")
        )
        assert waiting is not None
        assert failed is not None
        oldest = None
        if waiting.first is not None:
            row = self._tx.first(select(WorkRow.created_at).where(WorkRow.seq == waiting.first))
            oldest = row.created_at if row is not None else None
        return Lag(int(waiting.n), oldest, int(failed.n))

    def next_due(self) -> datetime | None:
        """Return when the next piece of work is due."""
        row = self._tx.first(_NEXT_DUE)
        return None if row is None else row.due_at

    def settle(
        self, spent: Mapping[str, float], now: datetime, *, per_second: float, size: float
    ) -> dict[str, float]:
        """Take what was let through from the shared allowances, under the one write lock."""
        known = {row.name: row for row in self._tx.rows(_ALLOWANCES, {"names": list(spent)})}
        left = {}
        for name, count in spent.items():
            row = known.get(name)
            filled = size
            if row is not None:
                passed = max((now - row.at).total_seconds(), 0.0)
                filled = min(size, row.left_over + passed * per_second)
            left[name] = filled - count
        rows = [{"name": name, "left_over": rest, "at": now} for name, rest in left.items()]
        self._tx.upsert(AllowanceRow, ["name"], rows)
        return left

    def forget_allowances(self, before: datetime) -> None:
        """Drop allowances nobody has used since an instant."""
        self._tx.execute(delete(AllowanceRow).where(AllowanceRow.at < before))

    def prune(self, before: datetime) -> int:
        """Drop messages and finished work older than an instant."""
        self._tx.execute(
            delete(WorkRow).where(WorkRow.created_at < before, WorkRow.state != WAITING)
        )
        result = self._tx.execute(delete(MessageRow).where(MessageRow.at < before))
        return int(result.rowcount)


def _values(work: Work) -> dict[str, object]:
    names = (
        "kind", "peer_id", "url", "action", "transaction_id", "message_id", "dialect",
        "created_at", "due_at", "expires_at", "body", "request_seq", "chain", "attempts",
        "state", "error",
    )  # fmt: skip
    return {name: getattr(work, name) for name in names}
