"""The outbox: what was accepted is carried out, what is ready is sent; in order, again after failures, until its time is up."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from beckn import keys, signing
from beckn.buyer import Buyer
from beckn.dialects import CODECS
from beckn.faults import Refused
from beckn.model import Dialect
from beckn.registry import CachedRegistry
from beckn.seller import Seller
from models.domain.errors import HalfhourError, InvalidRequest, SourceRejected, SourceUnavailable
from models.domain.exchange import Message, Work, WorkKind
from models.domain.peers import PeerAnswer, PeerTransport
from services import market_records
from services.context import Context

log = logging.getLogger(__name__)

FIRST_DELAY = timedelta(seconds=2)
FACTOR = 2
LONGEST_DELAY = timedelta(seconds=300)
MOST_ATTEMPTS = 6
"""Pauses between attempts, and how many there are."""

TAKEN = timedelta(seconds=90)
"""How long a process may be busy with what it took before another takes it. [s]"""

DONE, FAILED = "done", "failed"


@dataclass(frozen=True)
class Done:
    """How one piece of work ended for now."""

    work: Work
    sent: Message | None = None
    """To be put into the journal."""
    said: Mapping[str, Any] | None = None
    """For the audit log."""


class Outbox:
    """Does due work."""

    def __init__(
        self,
        context: Context,
        signer: signing.Signer,
        registry: CachedRegistry,
        transport: PeerTransport,
        seller: Seller,
        buyer: Buyer,
    ) -> None:
        """Bind both roles and the way out."""
        self._context = context
        self._signer = signer
        self._registry = registry
        self._transport = transport
        self._seller = seller
        self._buyer = buyer

    def drain(self, limit: int = 50) -> int:
        """Do what is due now; return how much that was."""
        now = self._context.system_now()
        with self._context.uow() as uow:
            due = uow.exchange.next_due()
        if due is None or due > now:
            return 0
        with self._context.uow(write=True) as uow:
            taken = uow.exchange.take(now, now + TAKEN, limit)
            uow.commit()
        if not taken:
            return 0
        with self._context.uow() as uow:
            requests = uow.exchange.message_of([w.request_seq for w in taken if w.request_seq])
        done = [self._do(work, requests.get(work.request_seq)) for work in taken]
        said = [one.said for one in done if one.said is not None]
        with self._context.uow(write=True) as uow:
            uow.exchange.update_all([one.work for one in done])
            uow.exchange.record_all([one.sent for one in done if one.sent is not None])
            if said:
                uow.decisions.append(market_records.exchange(self._context, said))
            uow.commit()
        return len(taken)

    def _do(self, work: Work, request: Message | None) -> Done:
        now = self._context.system_now()
        if work.expires_at <= now:
            return self._over(work, "its time to live is over")
        try:
            if work.kind == WorkKind.TAKE:
                assert request is not None
                self._buyer.take_callback(request)
                return Done(replace(work, state=DONE))
            if work.kind == WorkKind.ANSWER:
                assert request is not None
                body = self._seller.callback(request)
                is_read_only = request.action in {"discover", "search"}
                # A discovery is answered anew if it must be sent again; the answer to anything else is kept.
                work = replace(
                    work, kind=WorkKind.SEND, body=None if is_read_only else body,
                )  # fmt: skip
                return self._send(work, body, request, now)
            body = work.body if work.body is not None else self._again(request)
            return self._send(work, body, request, now)
        except HalfhourError as error:
            log.warning("exchange work %s %s: %s", work.seq, work.action, error)
            return self._later(work, now, str(error))

    def _again(self, request: Message | None) -> bytes:
        assert request is not None
        return self._seller.callback(request)

    # --- sending ------------------------------------------------------------------------------

    def _send(self, work: Work, body: bytes, request: Message | None, now: datetime) -> Done:
        is_callback = work.action.startswith("on_")
        dialect = Dialect(work.dialect)
        chain = request.signature if is_callback and request is not None else None
        if dialect is not Dialect.LTS:
            chain = None
        sent = self._signed(work, body, chain, now, keep=not is_callback)
        headers = {"Content-Type": "application/json", "Authorization": sent.authorization}
        try:
            answer = self._transport.post(f"{work.url}/{work.action}", body, headers)
        except SourceRejected as error:
            return self._over(work, str(error))
        except SourceUnavailable as error:
            return self._later(work, now, str(error))
        return self._judged(work, answer, sent, now, is_callback=is_callback)

    def _signed(
        self, work: Work, body: bytes, chain: str | None, now: datetime, *, keep: bool
    ) -> Message:
        """Sign a message; a request is signed once and journalled before it leaves, for its answer is chained to it."""
        if keep:
            with self._context.uow() as uow:
                known = uow.exchange.known("out", work.peer_id, work.action, work.message_id)
            if known is not None:
                return known
        authorization = self._signer.header(body, int(now.timestamp()), request_signature=chain)
        sent = Message(
            direction="out",
            peer_id=work.peer_id,
            action=work.action,
            transaction_id=work.transaction_id,
            message_id=work.message_id,
            at=now,
            dialect=work.dialect,
            body=body,
            authorization=authorization,
            signature=signing.parse_header(authorization).signature,
        )
        if keep:
            with self._context.uow(write=True) as uow:
                uow.exchange.record(sent)
                uow.commit()
        return sent

    def _judged(
        self, work: Work, answer: PeerAnswer, sent: Message, now: datetime, *, is_callback: bool
    ) -> Done:
        codec = CODECS[Dialect(work.dialect)]
        said = _object(answer.body)
        is_discovery = work.action in {"on_discover", "on_search"}
        journal = replace(sent, status=answer.status, answer=answer.body[:65_536])
        if is_discovery:
            # A catalogue is large and binds nobody: the audit log has its ids, the journal only that it went.
            journal = replace(journal, body=b"")
        if answer.status == 429 or answer.status >= 500:
            return self._later(work, now, f"the peer answered {answer.status}")
        if answer.status < 300 and said is not None and codec.is_accepted(said):
            problem = self._answer_problem(work, answer, sent, now)
            if problem is not None:
                return self._later(work, now, problem)
            return Done(
                replace(work, state=DONE, body=None, attempts=work.attempts + 1),
                sent=journal if is_callback else None,
                said=self._told(work, "sent", f"accepted with {answer.status}"),
            )
        over = self._over(work, f"the peer refused it with {answer.status}: {_reason(said)}")
        return replace(over, sent=journal if is_callback else None)

    def _answer_problem(
        self, work: Work, answer: PeerAnswer, sent: Message, now: datetime
    ) -> str | None:
        """Return why a signed answer must not be believed; one without a signature is believed with a warning."""
        given = answer.headers.get("signature")
        if work.dialect != Dialect.LTS:
            return None
        if given is None:
            log.info("the answer of %s to %s is not signed", work.peer_id, work.action)
            return None
        role = "BAP" if work.action.startswith("on_") else "BPP"
        try:
            header = signing.parse_header(given)
            signing.check_times(header, int(now.timestamp()) + 1)
            if header.subscriber_id != work.peer_id:
                return "the answer is signed by somebody else"
            record = self._registry.signer(work.peer_id, header.key_id, role, now)
            key = keys.public_key(record.signing_public_key)
            signing.verify(header, answer.body, key, request_signature=sent.signature)
        except (Refused, InvalidRequest, SourceUnavailable) as error:
            return f"the answer's signature cannot be believed: {error}"
        return None

    # --- ends ---------------------------------------------------------------------------------

    def _later(self, work: Work, now: datetime, why: str) -> Done:
        attempts = work.attempts + 1
        pause = min(FIRST_DELAY * FACTOR**work.attempts, LONGEST_DELAY)
        if attempts >= MOST_ATTEMPTS or now + pause >= work.expires_at:
            return self._over(replace(work, attempts=attempts), why)
        return Done(replace(work, attempts=attempts, due_at=now + pause, error=why[:500]))

    def _over(self, work: Work, why: str) -> Done:
        log.warning("exchange work %s %s given up: %s", work.seq, work.action, why)
        return Done(
            replace(work, state=FAILED, error=why[:500]), said=self._told(work, "given_up", why)
        )

    def _told(self, work: Work, event: str, why: str) -> dict[str, Any]:
        return {
            "event": event,
            "counterparty": work.peer_id,
            "action": work.action,
            "transaction_id": work.transaction_id,
            "message_id": work.message_id,
            "dialect": work.dialect,
            "attempts": work.attempts + 1,
            "text": why[:300],
        }


def _object(body: bytes) -> Mapping[str, Any] | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _reason(said: Mapping[str, Any] | None) -> str:
    if said is None:
        return "no reason given"
    message = said.get("message")
    inner = message.get("error") if isinstance(message, dict) else None
    error = inner or said.get("error")
    if not isinstance(error, dict):
        return "no reason given"
    return f"{str(error.get('code', ''))[:60]} {str(error.get('message', ''))[:200]}".strip()
