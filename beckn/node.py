"""The participant: takes messages for both roles, answers at once, and works off the outbox in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from beckn import wire
from beckn.admission import Admission, Admitted, answered, digest
from beckn.buyer import Buyer
from beckn.dialects import CODECS
from beckn.faults import Refused
from beckn.follower import Follower
from beckn.journal import GroupCommit
from beckn.limits import Allowances
from beckn.model import Dialect, Party
from beckn.outbox import Outbox
from beckn.refused_ids import dialect_of, readable_ids, signature_in
from beckn.registry import CachedRegistry
from beckn.seller import Seller
from beckn.signing import Signer
from beckn.unconnected import written
from models.domain.errors import HalfhourError
from models.domain.exchange import Message, Work, WorkKind
from models.domain.market import Contract, Window
from models.domain.peers import PeerTransport
from models.domain.ports import UnitOfWork
from services import market_records
from services.context import Context
from services.protocol import Identity, Reply

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
"""How long the thread sleeps where nothing is due and nobody wakes it. [s]"""

GATHER_SECONDS = 0.03
CROWD, CROWD_SECONDS = 4, 0.2
"""How long work is gathered before it is done, also where there was so much the last time. [s]"""

MOST_AT_ONCE = 100
"""How much work is done at once; where there was so much, the next is begun without a pause."""

PRUNE_SECONDS = 3600.0
KEEP_MESSAGES = timedelta(days=90)
"""How often messages are tidied up, and how long they are kept."""

KEEP_ALLOWANCES = timedelta(minutes=10)
"""How long it is kept how much somebody has sent; every bucket is full again well before."""

CALLBACK_LIFE = timedelta(minutes=10)
"""How long a callback is tried. [s]"""


@dataclass(frozen=True)
class _Taken:
    """What is written for one message."""

    message: Message
    work: Work
    said: Mapping[str, Any]


class Node:
    """`MarketProtocol` with an identity."""

    def __init__(
        self,
        context: Context,
        signer: Signer,
        identity: Identity,
        registry: CachedRegistry,
        transport: PeerTransport,
        *,
        messages_per_minute: int = 6000,
        skew_seconds: int = 5,
    ) -> None:
        """Bind everything.

        Args:
            context: The use cases' ports.
            signer: Our key.
            identity: Who we are.
            registry: Where others are looked up.
            transport: The guarded way out.
            messages_per_minute: What one address or signer may send to all processes; 0: no limit. [1/min]
            skew_seconds: How far ahead of ours other clocks may be. [s]
        """
        self._context = context
        self._signer = signer
        self._identity = identity
        self._party = Party(identity.subscriber_id, identity.url)
        self._allowances = Allowances(messages_per_minute)
        self._admission = Admission(
            context, identity, registry, self._allowances, skew_seconds=skew_seconds
        )
        self._seller = Seller(context, self._party)
        self._buyer = Buyer(context, self._party, identity.network_id, registry)
        follower = Follower(context, self._party, self._buyer)
        self._outbox = Outbox(
            context, signer, registry, transport, self._seller, self._buyer, follower
        )
        self._journal: GroupCommit[_Taken, Reply] = GroupCommit(self._write)
        self._refusals: GroupCommit[Mapping[str, Any], bool] = GroupCommit(self._note)
        self._pruned_at: float | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._stopped = threading.Event()

    @property
    def identity(self) -> Identity | None:
        """Return who we are."""
        return self._identity

    # --- taking messages ----------------------------------------------------------------------

    def receive(
        self, action: str, raw: bytes, headers: Sequence[tuple[str, str]], address: str
    ) -> Reply:
        """Take or refuse a message; nothing is carried out yet."""
        try:
            admitted = self._admission.check(action, raw, headers, address)
            if admitted.asked is not None:
                self._seller.remember(admitted.message, admitted.envelope, admitted.asked)
            reply = self._journal.put(self._taken(admitted))
        except Refused as refused:
            return self._refused(refused, action, raw, headers, address)
        except HalfhourError:
            log.exception("a message could not be stored")
            failed = Refused(
                "NET_INTERNAL_ERROR",
                "the message could not be stored; send it again",
                retry_after=5,
            )
            return self._refused(failed, action, raw, headers, address)
        self.wake()
        return reply

    def _taken(self, admitted: Admitted) -> _Taken:
        envelope, now = admitted.envelope, self._context.system_now()
        codec = CODECS[envelope.dialect]
        body = wire.serialise(codec.ack(envelope.message_id, envelope.transaction_id, now))
        action = envelope.action if admitted.is_callback else f"on_{envelope.action}"
        work = Work(
            kind=WorkKind.TAKE if admitted.is_callback else WorkKind.ANSWER,
            peer_id=admitted.sender.subscriber_id,
            url=admitted.sender.url,
            action=action,
            transaction_id=envelope.transaction_id,
            message_id=envelope.message_id,
            dialect=str(envelope.dialect),
            created_at=now,
            due_at=now,
            expires_at=now + CALLBACK_LIFE,
        )
        said = {
            "event": "received",
            "counterparty": admitted.sender.subscriber_id,
            "key_id": admitted.header.key_id,
            "action": envelope.action,
            "transaction_id": envelope.transaction_id,
            "message_id": envelope.message_id,
            "dialect": str(envelope.dialect),
            "body_sha256": digest(admitted.message.body),
            "text": "accepted",
        }
        return _Taken(answered(admitted.message, 200, body), work, said)

    def _write(self, batch: Sequence[_Taken]) -> Sequence[Reply]:
        """Write messages, work and records of several requests in one transaction."""
        replies: list[Reply] = []
        told: list[Mapping[str, Any]] = []
        with self._writing() as uow:
            numbers = uow.exchange.record_all([taken.message for taken in batch])
            new = [
                _with_request(taken.work, seq)
                for taken, seq in zip(batch, numbers, strict=True)
                if seq is not None
            ]
            uow.exchange.add_all(new)
            for taken, seq in zip(batch, numbers, strict=True):
                if seq is None:
                    message = taken.message
                    known = uow.exchange.known(
                        message.direction, message.peer_id, message.action, message.message_id
                    )
                    assert known is not None
                    is_same = known.body == message.body
                    said = {
                        **taken.said,
                        "event": "repeated" if is_same else "refused",
                        "text": "answered as before, without effect"
                        if is_same
                        else "another message with a known id",
                    }
                    replies.append(self._repeated(message, known, is_same=is_same))
                else:
                    said = dict(taken.said)
                    replies.append(self._answer(taken.message, 200, taken.message.answer))
                told.append(said)
            uow.decisions.append(market_records.exchange(self._context, told))
            uow.commit()
        return replies

    def _repeated(self, message: Message, known: Message, *, is_same: bool) -> Reply:
        if is_same:
            return self._answer(message, known.status, known.answer)
        refused = Refused(
            "CTX_MESSAGE_ID_DUPLICATE", "another message with this id was taken already",
            "$.context.messageId",
        )  # fmt: skip
        body = wire.serialise(CODECS[Dialect(message.dialect)].nack(message.message_id, refused))
        return self._answer(message, refused.status, body)

    def _answer(self, message: Message, status: int, body: bytes) -> Reply:
        headers = {"Content-Type": "application/json"}
        if message.dialect == Dialect.LTS:
            now = int(self._context.system_now().timestamp())
            headers["Signature"] = self._signer.header(
                body, now, request_signature=message.signature
            )
        return Reply(status, body, headers)

    # --- refusing -----------------------------------------------------------------------------

    def _refused(
        self,
        refused: Refused,
        action: str,
        raw: bytes,
        given: Sequence[tuple[str, str]],
        address: str,
    ) -> Reply:
        """Answer with a NACK in the dialect of the message, as far as it can be read, and keep a record."""
        ids = readable_ids(raw)
        dialect = dialect_of(ids)
        codec = CODECS[dialect]
        status = refused.status
        if dialect is Dialect.V1 and not refused.code.startswith("AUT"):
            status = 200 if status in {400, 403} else status
        body = wire.serialise(codec.nack(ids.get("message_id", ""), refused))
        headers = {"Content-Type": "application/json"}
        if dialect is Dialect.LTS:
            now = int(self._context.system_now().timestamp())
            headers["Signature"] = self._signer.header(
                body, now, request_signature=signature_in(given)
            )
        if refused.retry_after:
            headers["Retry-After"] = str(refused.retry_after)
        if status == 401:
            realm = self._identity.subscriber_id
            name = "Proxy-Authenticate" if refused.of_gateway else "WWW-Authenticate"
            headers[name] = f'Signature realm="{realm}",headers="(created) (expires) digest"'
        log.info("refused %s from %s: %s", action[:40], address, refused.code)
        if refused.code != "AUT_RATE_LIMITED":
            said = {
                "event": "refused",
                "counterparty": ids.get("seller" if action.startswith("on_") else "buyer", ""),
                "action": action[:40],
                "transaction_id": ids.get("transaction_id", ""),
                "message_id": ids.get("message_id", ""),
                "dialect": str(dialect),
                "body_sha256": digest(raw),
                "code": refused.code,
                "text": str(refused)[:300],
            }
            try:
                self._refusals.put(said)
            except HalfhourError:
                log.exception("the refusal of a message could not be stored: %s", said)
        return Reply(status, body, headers)

    def _note(self, batch: Sequence[Mapping[str, Any]]) -> Sequence[bool]:
        with self._writing() as uow:
            uow.decisions.append(market_records.exchange(self._context, batch))
            uow.commit()
        return [True] * len(batch)

    @contextmanager
    def _writing(self) -> Iterator[UnitOfWork]:
        """Write something, and settle with other processes how many messages came here."""
        spent, left = self._allowances.due(), {}
        is_stored = False
        try:
            with self._context.uow(write=True) as uow:
                if spent:
                    left = uow.exchange.settle(
                        spent, self._context.system_now(),
                        per_second=self._allowances.per_second, size=self._allowances.size,
                    )  # fmt: skip
                yield uow
            is_stored = True
        finally:
            if is_stored:
                self._allowances.settled(left)
            else:
                self._allowances.give_back(spent)

    # --- what people ask ----------------------------------------------------------------------

    def catalogue(self, dialect: str, windows: Sequence[Window]) -> Mapping[str, Any]:
        """Return windows in a dialect's own shape."""
        return written(dialect, windows, self._party)

    def discover(
        self, text: str = "", expression: str = "", dialect: str = "lts"
    ) -> tuple[str, int]:
        """Ask every seller in the registry."""
        asked = self._buyer.discover(text, expression, Dialect(dialect))
        self.wake()
        return asked

    def found(self) -> tuple[Window, ...]:
        """Return windows that others offer."""
        with self._context.uow() as uow:
            return uow.market.found(self._context.clock.now())

    def take_window(
        self, slot_id: str, job_id: str | None, dialect: str = "lts", seller: str = ""
    ) -> Contract:
        """Begin the journey from select to confirm over a found window."""
        made = self._buyer.take(slot_id, job_id, Dialect(dialect), seller)
        self.wake()
        return made

    def ask(self, contract_id: str, action: str) -> Contract:
        """Send `status` or `cancel` for a contract we bought."""
        held = self._buyer.ask(contract_id, action)
        self.wake()
        return held

    # --- the outbox ---------------------------------------------------------------------------

    def drain(self, limit: int = MOST_AT_ONCE) -> int:
        """Do what is due now, and give up what nobody answered."""
        return self._outbox.drain(limit)

    def tidy(self) -> int:
        """End what sellers never answered, and drop old messages; the loop asks for it now and then."""
        moment = time.monotonic()
        if self._pruned_at is None or moment - self._pruned_at > PRUNE_SECONDS:
            self._pruned_at = moment
            with self._context.uow(write=True) as uow:
                now = self._context.system_now()
                uow.exchange.prune(now - KEEP_MESSAGES)
                uow.exchange.forget_allowances(now - KEEP_ALLOWANCES)
                uow.commit()
        return self._buyer.tidy()

    def wake(self) -> None:
        """Make the thread of this process look for work now; it is started at the first need."""
        self._wanted.set()
        with self._lock:
            if self._stopped.is_set() or (self._thread is not None and self._thread.is_alive()):
                return
            self._thread = threading.Thread(target=self._run, name="halfhour-beckn", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop the thread."""
        self._stopped.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
        self._outbox.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wanted.clear()
            try:
                done = self.drain()
            except Exception:
                log.exception("the outbox could not be worked on; it is tried again")
                done = 0
            if not done:
                self._wanted.wait(IDLE_SECONDS)
            # What comes in a burst is worked on together: nobody waits for a callback, but everybody for an ACK.
            if done < MOST_AT_ONCE:
                self._stopped.wait(CROWD_SECONDS if done >= CROWD else GATHER_SECONDS)


def _with_request(work: Work, seq: int) -> Work:
    return replace(work, request_seq=seq)
