"""Our side as a seller: what an accepted request does, and the callback that says so."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from beckn import context as contexts
from beckn import wire
from beckn.dialects import CODECS
from beckn.dialects.base import Codec
from beckn.faults import Refused
from beckn.jsonpath import Filter, compiled
from beckn.model import (
    Ask,
    Change,
    Dialect,
    Discover,
    Envelope,
    GridEvent,
    Order,
    Party,
    Reference,
    Shown,
)
from beckn.signing import Begun
from models.domain.errors import Conflict, HalfhourError, NotFound, SourceUnavailable
from models.domain.exchange import Message, Work
from models.domain.market import Contract, DealRefused, DealRule, Side, Window, WindowKind
from models.domain.regions import REGIONS
from services import market, market_deals
from services.context import Context
from services.market import MOST_WINDOWS, Wanted
from services.market_terms import Terms
from services.market_windows import Catalogue

CODES: Mapping[DealRule, str] = {
    DealRule.NOT_FOUND: "BIZ_ITEM_NOT_FOUND",
    DealRule.UNKNOWN_ORDER: "BIZ_ORDER_NOT_FOUND",
    DealRule.QUANTITY: "BIZ_QUANTITY_UNAVAILABLE",
    DealRule.EXPIRED: "BIZ_QUOTE_EXPIRED_OR_CHANGED",
    DealRule.PRICE: "BIZ_PRICE_MISMATCH",
    DealRule.STATE: "BIZ_INVALID_STATE_TRANSITION",
    DealRule.ALREADY_CONFIRMED: "BIZ_ALREADY_CONFIRMED",
    DealRule.ALREADY_CANCELLED: "BIZ_ALREADY_CANCELLED",
    DealRule.TOO_LATE: "POL_CANCELLATION_NOT_ALLOWED",
    DealRule.UPDATE: "POL_UPDATE_NOT_ALLOWED",
    DealRule.JOB: "BIZ_FULFILLMENT_UNAVAILABLE",
    DealRule.LIMIT: "POL_NP_CAPACITY_EXCEEDED",
}
"""Error code by rule of the deal."""

NEWS_TTL = timedelta(minutes=5)
"""How long news that a buyer is told are good for."""

KEPT_ANSWERS = 64
"""Answers to discoveries remembered at once."""

KEPT_READ = 512
"""Requests remembered as they were read."""

BOARD_SECONDS = 1.0
"""How old a catalogue may be that discoveries are answered from. [s]"""


class _Described:
    """Windows as filters see them, in one dialect: written when a filter looks at them first, and kept while they are the same."""

    def __init__(self, codec: Codec, party: Party) -> None:
        self._codec = codec
        self._party = party
        self._kept: dict[str, tuple[Window, dict[str, Any], dict[str, Any]]] = {}

    def fits(self, test: Filter, window: Window) -> bool:
        """Return whether a window, as an item or as a catalogue of its own, passes a filter."""
        kept = self._kept.get(window.slot_id)
        if kept is None or (kept[0] is not window and kept[0] != window):
            catalog = self._codec.catalog((window,), self._party, None)["catalogs"][0]
            items = catalog.get("resources") or catalog["beckn:items"]
            kept = self._kept[window.slot_id] = (window, catalog, items[0])
        return test.test(kept[1] if test.of_catalog else kept[2])

    def forget(self, most: int) -> None:
        """Begin anew where much more is kept than is on offer."""
        if len(self._kept) > most:
            self._kept.clear()


@dataclass(frozen=True)
class Callback:
    """The body of a callback, and its digest where that is known already."""

    body: bytes
    digest: str | None = None


class Seller:
    """Answers requests."""

    def __init__(self, context: Context, party: Party) -> None:
        """Bind the use cases."""
        self._context = context
        self._party = party
        self._lock = threading.Lock()
        self._answers: OrderedDict[Any, tuple[Catalogue, Begun]] = OrderedDict()
        self._read: OrderedDict[tuple[str, str, str], tuple[Envelope, Ask]] = OrderedDict()
        self._described = {dialect: _Described(codec, party) for dialect, codec in CODECS.items()}
        self._board: tuple[float, Catalogue] | None = None

    def remember(self, request: Message, envelope: Envelope, asked: Ask) -> None:
        """Keep what was read in a request when it was taken, so that it need not be read again to answer it."""
        with self._lock:
            self._read[_name(request)] = (envelope, asked)
            while len(self._read) > KEPT_READ:
                self._read.popitem(last=False)

    def callback(self, request: Message) -> Callback:
        """Carry a request out and return its callback. Doing it twice has one effect."""
        with self._lock:
            known = self._read.pop(_name(request), None)
        asked_in = known[0] if known else contexts.read(wire.parse(request.body), request.action)
        envelope = replace(
            asked_in,
            action=f"on_{request.action}",
            bpp_id=self._party.subscriber_id,
            bpp_uri=self._party.url,
            timestamp=self._context.system_now(),
            is_trial=False,
        )
        codec = CODECS[envelope.dialect]
        try:
            asked = known[1] if known else codec.ask(request.action, _message(request))
            if isinstance(asked, Discover):
                return self._discovered(envelope, asked)
            answer = self._carried_out(envelope, request, asked)
        except SourceUnavailable:
            raise  # the database or a source is busy: that is no answer, and it is tried again
        except HalfhourError as error:
            refused = as_refused(error)
            failed = codec.failed(envelope.action, _message(request))
            whole = _whole(envelope, wire.serialise(failed), wire.serialise(codec.error(refused)))
            return Callback(whole)
        return Callback(_whole(envelope, wire.serialise(answer)))

    def news(self, work: Work, request: Message, url: str) -> bytes:
        """Return the body of a callback that nobody asked for, about a contract as it stands now.

        Args:
            work: What is told: its body names the contract, and a grid event if that is the news.
            request: The last message of the buyer in this transaction, which says how it is spoken to.
            url: The buyer's address, from the registry.
        """
        note = json.loads(work.body or b"{}")
        with self._context.uow() as uow:
            held = uow.market.get(note["contract_id"])
        asked_in = contexts.read(wire.parse(request.body), request.action)
        envelope = replace(
            asked_in,
            action=work.action,
            bap_uri=url,
            bpp_id=self._party.subscriber_id,
            bpp_uri=self._party.url,
            message_id=work.message_id,
            timestamp=self._context.system_now(),
            ttl=NEWS_TTL,
            is_trial=False,
        )
        event = GridEvent(**note["event"]) if note.get("event") else None
        shown = Shown(held, self._party, event)
        message = CODECS[envelope.dialect].contract(work.action, shown)
        return _whole(envelope, wire.serialise(message))

    # --- discovery ----------------------------------------------------------------------------

    def _discovered(self, envelope: Envelope, asked: Discover) -> Callback:
        """Return the windows that fit; the same question about the same catalogue is answered from memory.

        The windows stand before the context: a long beginning that answers share is written and hashed once.
        """
        board = self._on_offer()
        key = (envelope.dialect, envelope.domain, asked)
        with self._lock:
            kept = self._answers.get(key)
        if kept is None or kept[0] is not board:
            windows = self.chosen(board, envelope.dialect, asked)
            message = CODECS[envelope.dialect].catalog(windows, self._party, envelope)
            kept = board, Begun(b'{"message":' + wire.serialise(message) + b',"context":')
            with self._lock:
                self._answers[key] = kept
                self._answers.move_to_end(key)
                while len(self._answers) > KEPT_ANSWERS:
                    self._answers.popitem(last=False)
        return Callback(*kept[1].with_end(wire.serialise(contexts.write(envelope)) + b"}"))

    def _on_offer(self) -> Catalogue:
        """Return the catalogue, looked at anew once a second: orders are checked against the plan itself."""
        now = time.monotonic()
        kept = self._board
        if kept is not None and now - kept[0] < BOARD_SECONDS:
            return kept[1]
        board = market.on_offer(self._context, Wanted())
        self._board = (now, board)
        return board

    def chosen(self, board: Catalogue, dialect: Dialect, asked: Discover) -> list[Window]:
        """Return the best windows that a question fits, at most a hundred."""
        kinds = {str(kind): kind for kind in WindowKind}
        wanted = Wanted(
            region=asked.region if asked.region in REGIONS else _region_in(asked.text),
            kind=kinds.get(asked.kind) or _kind_in(asked.text),
            min_power_kw=asked.min_power_kw,
        )
        fitting = market.fits(wanted)
        if not asked.expression:
            return board.ranking.best(fitting, MOST_WINDOWS)
        test, described = compiled(asked.expression), self._described[dialect]
        described.forget(3 * len(board.windows))
        return board.ranking.best(
            lambda window: fitting(window) and described.fits(test, window), MOST_WINDOWS
        )

    # --- contracts ----------------------------------------------------------------------------

    def _carried_out(
        self, envelope: Envelope, request: Message, asked: Order | Reference | Change
    ) -> dict[str, Any]:
        codec = CODECS[envelope.dialect]
        if isinstance(asked, Order):
            held = self._ordered(envelope, request, asked)
            return codec.contract(envelope.action, Shown(held, self._party))
        known = self._known(request, asked.order_id)
        if request.action in {"track", "support", "rate", "rating"}:
            shown = None if known is None else Shown(known, self._party)
            return codec.minor(envelope.action, asked.order_id, shown, self._party)
        if known is None:
            raise DealRefused(DealRule.UNKNOWN_ORDER, "there is no such contract of this buyer")
        if request.action == "cancel" and not _is_trial(request):
            assert isinstance(asked, Reference)
            known = market_deals.cancel(self._context, known, request.message_id, asked.reason)
        if isinstance(asked, Change) and not _is_trial(request):
            known = market_deals.change_quantity(
                self._context, known, asked.quantity_kw, request.message_id
            )
        return codec.contract(envelope.action, Shown(known, self._party))

    def _ordered(self, envelope: Envelope, request: Message, asked: Order) -> Contract:
        is_self = request.peer_id == self._party.subscriber_id
        terms = Terms(
            slot_id=asked.item_id,
            transaction_id=request.transaction_id,
            message_id=request.message_id,
            peer_id=request.peer_id,
            quantity_kw=asked.quantity_kw,
            price_gbp_per_kwh=asked.price_gbp_per_kwh,
            value_gbp=asked.value_gbp,
            currency=asked.currency,
            # Only our own buyer's workloads are jobs of ours.
            job_id=asked.job_id if is_self else None,
            external_id="" if envelope.dialect is Dialect.LTS else asked.order_id,
            dialect=str(envelope.dialect),
        )
        step = {
            "select": market_deals.quote,
            "init": market_deals.hold,
            "confirm": market_deals.confirm,
        }[request.action]
        return step(self._context, terms)

    def _known(self, request: Message, order_id: str) -> Contract | None:
        """Return the contract of a transaction, or the one with this name, if it is this buyer's."""
        with self._context.uow() as uow:
            held = uow.market.of_transaction(Side.SELLER, request.peer_id, request.transaction_id)
            if held is None and order_id:
                try:
                    held = uow.market.get(order_id)
                except NotFound:
                    return None
        if held is None or held.peer_id != request.peer_id or held.side is not Side.SELLER:
            return None
        return held if not order_id or order_id in {held.external_id, held.contract_id} else None


def as_refused(error: HalfhourError) -> Refused:
    """Return an error of a use case as the protocol says it; nothing internal is told."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, DealRefused):
        return Refused(CODES[error.rule], str(error))
    if isinstance(error, NotFound):
        return Refused("BIZ_ORDER_NOT_FOUND", "there is no such thing here")
    if isinstance(error, Conflict):
        return Refused("BIZ_INVALID_STATE_TRANSITION", "the contract changed meanwhile; ask again")
    return Refused("NET_INTERNAL_ERROR", "this cannot be answered now; try again later")


def _is_trial(request: Message) -> bool:
    context = json.loads(request.body).get("context", {})
    return isinstance(context, dict) and context.get("try") is True


def _name(request: Message) -> tuple[str, str, str]:
    """Return what no two messages that were taken share; the signature is over the whole body."""
    return request.peer_id, request.message_id, request.signature


def _message(request: Message) -> Any:
    return wire.parse(request.body)["message"]


def _whole(envelope: Envelope, message: bytes, error: bytes | None = None) -> bytes:
    """Return a whole message."""
    context = wire.serialise(contexts.write(envelope))
    tail = b"" if error is None else b',"error":' + error
    return b'{"context":' + context + b',"message":' + message + tail + b"}"


def _region_in(text: str) -> str | None:
    words = text.casefold()
    named = [
        slug
        for slug, place in REGIONS.items()
        if not place.is_aggregate
        and (place.name.casefold() in words or slug.replace("_", " ") in words)
    ]
    return max(named, key=len) if named else None


def _kind_in(text: str) -> WindowKind | None:
    words = text.casefold().replace("-", " ")
    if "turn down" in words:
        return WindowKind.TURN_DOWN
    return WindowKind.TURN_UP if "turn up" in words else None
