"""The outbox: what was accepted is carried out, what is ready is sent; in order, again after failures, until its time is up.

One piece of work that fails takes no other with it, and a peer that is slow or down holds up only what is for itself.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from beckn import wire
from beckn.admission import trade_problem
from beckn.answers import Verdict, judged
from beckn.buyer import Buyer
from beckn.follower import Follower
from beckn.model import Dialect
from beckn.registry import CachedRegistry
from beckn.seller import Seller
from beckn.signing import Signer, parse_header
from models.domain.errors import HalfhourError, SourceRejected, SourceUnavailable
from models.domain.exchange import Message, Work, WorkKind
from models.domain.peers import PeerTransport
from models.domain.time import format_utc
from services import market_records
from services.context import Context

log = logging.getLogger(__name__)

FIRST_DELAY = timedelta(seconds=2)
FACTOR = 2
LONGEST_DELAY = timedelta(seconds=300)
MOST_ATTEMPTS = 6
"""Pauses between attempts, and how many there are."""

TAKEN = timedelta(seconds=90)
"""How long a process may be busy with what it took before another takes it."""

BATCH_SECONDS = 30.0
"""After so long a batch is cut short, well before anybody else may take it; the rest is given back. [s]"""

PAUSE_SECONDS = (2.0, 4.0, 8.0, 16.0, 30.0)
"""How long nothing is sent to a peer that did not answer, by how often it did not. [s]"""

LANES, LANES_TO_ONE, LONG_LANE = 8, 4, 16
"""Messages that are on their way at the same time, to everybody and to one peer, and from how many a second one goes."""

DONE, FAILED, WAITING = "done", "failed", "waiting"


@dataclass(frozen=True)
class Done:
    """How one piece of work ended for now."""

    work: Work
    sent: Message | None = None
    """To be put into the journal."""
    said: Mapping[str, Any] | None = None
    """For the audit log."""
    answered: Message | None = None
    """A request of ours in the journal, with the answer it got."""


@dataclass(frozen=True)
class Ready:
    """A signed message and the work it is for."""

    work: Work
    sent: Message


class Outbox:
    """Does due work."""

    def __init__(
        self,
        context: Context,
        signer: Signer,
        registry: CachedRegistry,
        transport: PeerTransport,
        seller: Seller,
        buyer: Buyer,
        follower: Follower,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bind both roles and the way out."""
        self._context = context
        self._signer = signer
        self._registry = registry
        self._transport = transport
        self._seller = seller
        self._buyer = buyer
        self._follower = follower
        self._monotonic = monotonic
        self._silent: dict[str, tuple[int, float]] = {}
        """Peers that did not answer: how often, and until when nothing is sent to them."""
        self._senders: ThreadPoolExecutor | None = None
        """Made at the first need, for a process that is forked carries no threads with it."""

    def drain(self, limit: int = 100) -> int:
        """Do what is due now; return how much that was."""
        now = self._context.system_now()
        with self._context.uow() as uow:
            due = uow.exchange.next_due()
        if due is None or due > now:
            return 0
        until = now + TAKEN
        with self._context.uow(write=True) as uow:
            taken = uow.exchange.take(now, until, limit)
            requests = uow.exchange.message_of([w.request_seq for w in taken if w.request_seq])
            uow.commit()
        if not taken:
            return 0
        stop_at = self._monotonic() + BATCH_SECONDS
        made = [self._begun(work, requests.get(work.request_seq), stop_at) for work in taken]
        done = [one for one in made if isinstance(one, Done)]
        done += self._all_sent(self._kept([one for one in made if isinstance(one, Ready)]), stop_at)
        said = [one.said for one in done if one.said is not None]
        with self._context.uow(write=True) as uow:
            uow.exchange.update_all([one.work for one in done], until)
            uow.exchange.record_all([one.sent for one in done if one.sent is not None])
            for one in done:
                if one.answered is not None:
                    known = one.answered
                    uow.exchange.answered(known.seq, known.status, known.answer)
            if said:
                uow.decisions.append(market_records.exchange(self._context, said))
            uow.commit()
        return len(taken)

    def close(self) -> None:
        """Let the threads that send go."""
        if self._senders is not None:
            self._senders.shutdown()
            self._senders = None

    # --- carrying out -------------------------------------------------------------------------

    def _begun(self, work: Work, request: Message | None, stop_at: float) -> Done | Ready:
        """Carry out what was asked for, and sign what is to be sent for it."""
        if self._monotonic() > stop_at:
            return Done(work)  # given back as it was
        try:
            return self._carried_out(work, request)
        except HalfhourError as error:
            log.warning("exchange work %s %s: %s", work.seq, work.action, error)
            return self._later(work, str(error))
        except Exception:
            # The edge of a worker: what our own code cannot do must not keep others from being answered.
            log.exception("exchange work %s %s failed", work.seq, work.action)
            return self._later(work, "our own code failed on it")

    def _carried_out(self, work: Work, request: Message | None) -> Done | Ready:
        now = self._context.system_now()
        if work.expires_at <= now:
            return self._over(work, "its time to live is over")
        if work.kind == WorkKind.TAKE:
            assert request is not None
            self._follower.take_callback(request)
            return Done(replace(work, state=DONE))
        if work.kind == WorkKind.TELL:
            work = self._news(work)
        problem = trade_problem(self._context, work.url)
        if problem is not None:
            return self._over(work, problem)
        body, digested = work.body, None
        if body is None:
            assert request is not None
            made = self._seller.callback(request)
            body, digested = made.body, made.digest
            # A discovery is answered anew if it must be sent again; the answer to anything else is kept.
            is_kept = request.action not in {"discover", "search"}
            work = replace(work, kind=WorkKind.SEND, body=body if is_kept else None)
        elif work.attempts and work.action.startswith("on_"):
            body = renewed(body, now)
        is_callback = work.action.startswith("on_")
        chain = request.signature if is_callback and request is not None else None
        if work.dialect != Dialect.LTS:
            chain = None
        return Ready(work, self._signed(work, body, chain, digested))

    def _news(self, work: Work) -> Work:
        """Write what a buyer is told unasked, as an answer to the last it asked and to the address it is registered at."""
        with self._context.uow() as uow:
            request = uow.exchange.last_in(work.peer_id, work.transaction_id)
        header = parse_header(request.authorization)
        now = self._context.system_now()
        buyer = self._registry.signer(work.peer_id, header.key_id, "BAP", now)
        body = self._seller.news(work, request, buyer.url)
        return replace(work, kind=WorkKind.SEND, url=buyer.url, body=body)

    def _signed(self, work: Work, body: bytes, chain: str | None, digested: str | None) -> Message:
        now = self._context.system_now()
        authorization = self._signer.header(
            body, int(now.timestamp()), request_signature=chain, digested=digested
        )
        return Message(
            direction="out",
            peer_id=work.peer_id,
            action=work.action,
            transaction_id=work.transaction_id,
            message_id=work.message_id,
            at=now,
            dialect=work.dialect,
            body=body,
            authorization=authorization,
            signature=parse_header(authorization).signature,
        )

    def _kept(self, ready: Sequence[Ready]) -> list[Ready]:
        """Journal our own requests before they leave, signed once: what answers them is chained to that signature."""
        asked = [one for one in ready if not one.work.action.startswith("on_")]
        if not asked:
            return list(ready)
        found: dict[int, Message] = {}
        with self._context.uow(write=True) as uow:
            for one in asked:
                sent = one.sent
                seq = uow.exchange.record(sent)
                if seq is not None:
                    found[one.work.seq] = replace(sent, seq=seq)
                    continue
                known = uow.exchange.known("out", sent.peer_id, sent.action, sent.message_id)
                assert known is not None
                found[one.work.seq] = known
            uow.commit()
        return [replace(one, sent=found.get(one.work.seq, one.sent)) for one in ready]

    # --- sending ------------------------------------------------------------------------------

    def _all_sent(self, ready: Sequence[Ready], stop_at: float) -> list[Done]:
        """Send to each peer what is for it, several peers at a time, and a few at a time to one that much is for."""
        by_peer: dict[str, list[Ready]] = {}
        for one in ready:
            by_peer.setdefault(one.work.peer_id, []).append(one)
        # Of one transaction there is one message at most: their order is not lost side by side.
        lanes = [
            lane[k::count]
            for lane in by_peer.values()
            for count in (min(-(-len(lane) // LONG_LANE), LANES_TO_ONE),)
            for k in range(count)
        ]
        if len(lanes) <= 1:
            return [done for lane in lanes for done in self._lane(lane, stop_at)]
        if self._senders is None:
            self._senders = ThreadPoolExecutor(LANES, "halfhour-beckn-send")
        ended = list(self._senders.map(lambda lane: self._lane(lane, stop_at), lanes))
        return [done for lane in ended for done in lane]

    def _lane(self, ready: Sequence[Ready], stop_at: float) -> list[Done]:
        """Send what is for one peer, until it does not answer."""
        found: list[Done] = []
        for one in ready:
            moment = self._monotonic()
            times, silent_until = self._silent.get(one.work.peer_id, (0, 0.0))
            if moment > stop_at or moment < silent_until:
                pause = timedelta(seconds=max(silent_until - moment, 0.0))
                found.append(Done(replace(one.work, due_at=self._context.system_now() + pause)))
                continue
            found.append(self._sent(one, times))
        return found

    def _sent(self, one: Ready, times: int) -> Done:
        work, sent = one.work, one.sent
        headers = {"Content-Type": "application/json", "Authorization": sent.authorization}
        try:
            answer = self._transport.post(f"{work.url}/{work.action}", sent.body, headers)
        except SourceRejected as error:
            return self._over(work, str(error))
        except SourceUnavailable as error:
            pause = PAUSE_SECONDS[min(times, len(PAUSE_SECONDS) - 1)]
            self._silent[work.peer_id] = (times + 1, self._monotonic() + pause)
            return self._later(work, str(error))
        self._silent.pop(work.peer_id, None)
        now = self._context.system_now()
        verdict, why = judged(work, answer, sent, self._registry, now)
        heard = replace(sent, status=answer.status, answer=answer.body[:65_536])
        if verdict is Verdict.LATER:
            done = self._later(work, why)
        elif verdict is Verdict.REFUSED:
            done = self._over(work, why)
        else:
            told = self._told(work, "sent", why)
            ended = replace(work, state=DONE, body=None, attempts=work.attempts + 1)
            done = Done(ended, said=told)
        if not work.action.startswith("on_"):
            return replace(done, answered=heard)
        if verdict is Verdict.LATER:
            return done
        # A catalogue is large and binds nobody: the audit log has its ids, the journal only that it went.
        is_large = work.action in {"on_discover", "on_search"}
        return replace(done, sent=replace(heard, body=b"") if is_large else heard)

    # --- ends ---------------------------------------------------------------------------------

    def _later(self, work: Work, why: str) -> Done:
        now = self._context.system_now()
        attempts = work.attempts + 1
        pause = min(FIRST_DELAY * FACTOR**work.attempts, LONGEST_DELAY)
        if attempts >= MOST_ATTEMPTS or now + pause >= work.expires_at:
            return self._over(replace(work, attempts=attempts), why)
        return Done(replace(work, attempts=attempts, due_at=now + pause, error=why[:500]))

    def _over(self, work: Work, why: str) -> Done:
        log.warning("exchange work %s %s given up: %s", work.seq, work.action, why)
        if not work.action.startswith("on_"):
            try:
                self._buyer.refused(work, why)
            except HalfhourError:
                # Whoever tidies up gives up waiting for the answer, and ends the contract then.
                log.exception("the contract of work %s could not be ended", work.seq)
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


def renewed(body: bytes, now: datetime) -> bytes:
    """Return a callback that is sent again, with the time of sending: its ttl counts from there."""
    whole = json.loads(body)
    whole["context"]["timestamp"] = format_utc(now.replace(microsecond=0))
    return wire.serialise(whole)
