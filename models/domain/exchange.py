"""Messages exchanged with other participants: the journal of what came and went, and the work that is still to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from models.domain.market import Claim, Contract, ContractState, Side, Window

if TYPE_CHECKING:
    from models.domain.ports import Page


@dataclass(frozen=True)
class Message:
    """One message as it was on the wire."""

    direction: str
    """`in | out`."""
    peer_id: str
    action: str
    transaction_id: str
    message_id: str
    at: datetime
    """System time."""
    dialect: str
    body: bytes
    authorization: str = ""
    signature: str = ""
    """Base64 signature in it: what answers are chained to."""
    status: int = 0
    """HTTP status of the synchronous answer; 0 while there is none."""
    answer: bytes = b""
    seq: int = 0


class WorkKind:
    """What there is to do."""

    ANSWER = "answer"
    """Carry out a request that was accepted, and send the callback."""
    TAKE = "take"
    """Act on a callback that was accepted."""
    TELL = "tell"
    """Send news of a contract unasked; its body names the contract until the message is written."""
    SEND = "send"
    """Send a message that is ready."""


@dataclass(frozen=True)
class Work:
    """One thing to do for an exchange; the work of one transaction is done in order."""

    kind: str
    peer_id: str
    url: str
    """Base address of the counterparty, from the registry."""
    action: str
    """What is sent; for `take` what was received."""
    transaction_id: str
    message_id: str
    dialect: str
    created_at: datetime
    due_at: datetime
    expires_at: datetime
    """After that nobody tries any more. System time, all three."""
    body: bytes | None = None
    """What is sent, unsigned; None: still to be made from the request."""
    request_seq: int = 0
    """The message in the journal this answers."""
    chain: str = ""
    """Signature of the request that the message answers."""
    attempts: int = 0
    state: str = "waiting"
    """`waiting | done | failed`."""
    error: str = ""
    seq: int = 0


@dataclass(frozen=True)
class Lag:
    """How far the outbox is behind."""

    waiting: int
    oldest_at: datetime | None
    failed: int


@dataclass(frozen=True)
class MessageFilter:
    """Which messages a list shows."""

    transaction_id: str
    limit: int = 200


@dataclass(frozen=True)
class ContractFilter:
    """Which contracts a list shows; empty means all."""

    side: Side | None = None
    states: frozenset[ContractState] = field(default_factory=frozenset)
    owner: str | None = None
    job_id: str | None = None
    peer_id: str | None = None
    created_until: datetime | None = None
    oldest_first: bool = False
    limit: int = 100


class MarketRepository(Protocol):
    """Contracts, the capacity they claim, and windows found elsewhere."""

    def put(self, contract: Contract) -> None:
        """Store a contract; a stored one must have the version before, else `Conflict`."""

    def get(self, contract_id: str) -> Contract:
        """Return a contract. Raises `NotFound`."""

    def of_transaction(self, side: Side, peer_id: str, transaction_id: str) -> Contract | None:
        """Return the contract of a transaction with a peer."""

    def find(self, wanted: ContractFilter) -> tuple[Contract, ...]:
        """Return contracts, newest first unless the oldest are asked for first."""

    def page(
        self, owner: str | None, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Contract]:
        """Return contracts of an owner, newest first; None: of every owner."""

    def claim(self, contract_id: str, claims: Iterable[Claim]) -> None:
        """Replace what a contract claims."""

    def claims(self, since: datetime) -> tuple[Claim, ...]:
        """Return every claim on half-hours from an instant on."""

    def keep_found(self, windows: Sequence[Window], at: datetime) -> None:
        """Remember windows of other parties; those that have begun are forgotten."""

    def found(self, since: datetime, limit: int = 500) -> tuple[Window, ...]:
        """Return remembered windows that begin at or after an instant, by start."""

    def found_of(self, slot_id: str) -> tuple[Window, ...]:
        """Return remembered windows of an id: one for each seller that uses it."""


class ExchangeRepository(Protocol):
    """Journal and outbox."""

    def record(self, message: Message) -> int | None:
        """Append a message; return its number, or None where (direction, peer, action, message id) is known already."""

    def record_all(self, messages: Sequence[Message]) -> list[int | None]:
        """Append messages as `record` does, in few statements."""

    def answered(self, seq: int, status: int, answer: bytes) -> None:
        """Note how a message was answered."""

    def message(self, seq: int) -> Message:
        """Return one message. Raises `NotFound`."""

    def message_of(self, seqs: Sequence[int]) -> dict[int, Message]:
        """Return messages by number."""

    def known(self, direction: str, peer_id: str, action: str, message_id: str) -> Message | None:
        """Return a message by what makes it one of a kind."""

    def last_in(self, peer_id: str, transaction_id: str) -> Message:
        """Return the last message of a peer in a transaction. Raises `NotFound`."""

    def messages(self, wanted: MessageFilter) -> tuple[Message, ...]:
        """Return messages, oldest first."""

    def add(self, work: Work) -> int:
        """Append something to do; return its number."""

    def add_all(self, works: Sequence[Work]) -> list[int]:
        """Append things to do; return their numbers."""

    def take(self, now: datetime, until: datetime, limit: int) -> tuple[Work, ...]:
        """Claim due work until an instant: of each transaction the first that is not done."""

    def update_all(self, works: Sequence[Work], until: datetime) -> None:
        """Store how far some work got, and give it back.

        Args:
            works: What was done.
            until: Until when it was taken; work that somebody else took since is left alone.
        """

    def lag(self) -> Lag:
        """Return how much waits."""

    def next_due(self) -> datetime | None:
        """Return when the next piece of work is due; None where none waits."""

    def settle(
        self, spent: Mapping[str, float], now: datetime, *, per_second: float, size: float
    ) -> dict[str, float]:
        """Take what this process let through from the allowances that all share; return what is left of each.

        Args:
            spent: Messages let through since the last time, by name.
            now: System time.
            per_second: What an allowance is refilled with. [1/s]
            size: What a full one holds.
        """

    def forget_allowances(self, before: datetime) -> None:
        """Drop allowances nobody has used since an instant: they are full again."""

    def prune(self, before: datetime) -> int:
        """Drop messages and finished work older than an instant; return how many messages."""
