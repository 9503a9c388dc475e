"""Taking or refusing a message: context, signature, sender, schema and policy, in this order; then one durable entry."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from urllib.parse import urlsplit

from beckn import context as contexts
from beckn import keys, signing, wire
from beckn.context import DISCOVERY
from beckn.dialects import CODECS
from beckn.faults import Refused
from beckn.jsonpath import compiled
from beckn.limits import Allowances
from beckn.model import Ask, Dialect, Discover, Envelope
from beckn.registry import CachedRegistry, Record
from models.domain.errors import InvalidRequest, SourceUnavailable
from models.domain.exchange import Message
from models.domain.market import Side
from services.context import Context
from services.protocol import Identity

AUTHORIZATION = "authorization"
GATEWAY = "x-gateway-authorization"

UNASKED = frozenset({"on_status", "on_update", "on_cancel"})
"""Callbacks a seller may send by itself. The older dialects' samples answer with ids of their own, so there any will do."""


@dataclass(frozen=True)
class Admitted:
    """A message that was taken."""

    envelope: Envelope
    header: signing.Header
    sender: Record
    message: Message
    asked: Ask | None
    """What a buyer asks; None for a callback."""

    @property
    def is_callback(self) -> bool:
        """Whether it answers us, or tells us something."""
        return self.asked is None


@lru_cache(maxsize=1024)
def is_local(url: str) -> bool:
    """Return whether an address leads to this machine: by its number or as `localhost`, never by the look of a name."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Admission:
    """Checks what arrives."""

    def __init__(
        self,
        context: Context,
        identity: Identity,
        registry: CachedRegistry,
        allowances: Allowances,
        *,
        skew_seconds: int = signing.SKEW_SECONDS,
    ) -> None:
        """Bind what is needed to check a message."""
        self._context = context
        self._identity = identity
        self._registry = registry
        self._allowances = allowances
        self._skew = skew_seconds

    def check(
        self, action: str, raw: bytes, headers: Sequence[tuple[str, str]], address: str
    ) -> Admitted:
        """Return a message that may be taken.

        Raises:
            Refused: With the first layer that fails.
        """
        self._allowances.take(f"address {address}")
        now = self._context.system_now()
        message = wire.parse(raw)
        envelope = contexts.read(message, action)
        contexts.check_time(envelope, now, timedelta(seconds=self._skew))
        is_callback = action.startswith("on_")
        self._check_receiver(envelope, is_callback=is_callback)
        given, header = self._header(headers)
        signing.check_times(header, int(now.timestamp()), skew_seconds=self._skew)
        expected = envelope.bpp_id if is_callback else envelope.bap_id
        if header.subscriber_id != expected:
            raise Refused(
                "AUT_UNAUTHORIZED_ACTION", "the signer is not the sender the context names"
            )
        chain = self._chain(envelope, header) if is_callback else None
        sender = self._verified(header, raw, "BPP" if is_callback else "BAP", chain, now)
        # Only now: a name in a header proves nothing, and nobody may use up another's allowance.
        self._allowances.take(f"signer {header.subscriber_id}")
        self._check_gateway(headers, raw, now)
        self._check_sender(envelope, sender, is_callback=is_callback)
        body = message.get("message")
        if not isinstance(body, dict):
            raise Refused("SCH_REQUIRED_FIELD_MISSING", "there is no message", "$.message")
        codec = CODECS[envelope.dialect]
        asked: Ask | None = None
        if is_callback:
            codec.told(action, body, message.get("error"))
        else:
            asked = codec.ask(action, body)
            if isinstance(asked, Discover) and asked.expression:
                compiled(asked.expression)
        self._check_policy(sender)
        entry = Message(
            direction="in",
            peer_id=sender.subscriber_id,
            action=action,
            transaction_id=envelope.transaction_id,
            message_id=envelope.message_id,
            at=now,
            dialect=str(envelope.dialect),
            body=raw,
            authorization=given,
            signature=header.signature,
        )
        return Admitted(envelope, header, sender, entry, asked)

    # --- signature ----------------------------------------------------------------------------

    def _header(self, headers: Sequence[tuple[str, str]]) -> tuple[str, signing.Header]:
        given = [value for name, value in headers if name.lower() == AUTHORIZATION]
        if not given:
            raise Refused("AUT_SIGNATURE_MISSING", "the message is not signed")
        if len(given) > 1:
            raise Refused("AUT_SIGNATURE_INVALID", "there is more than one Authorization header")
        return given[0], signing.parse_header(given[0])

    def _chain(self, envelope: Envelope, header: signing.Header) -> str | None:
        """Return the signature of the request that a callback answers.

        Raises:
            Refused: If it answers nothing of ours, and belongs to no contract of ours either.
        """
        asked = envelope.action.removeprefix("on_")
        with self._context.uow() as uow:
            sent = uow.exchange.known("out", header.subscriber_id, asked, envelope.message_id)
            bought = uow.market.of_transaction(
                Side.BUYER, header.subscriber_id, envelope.transaction_id
            )
        said = (envelope.transaction_id, str(envelope.dialect))
        if sent is not None and (sent.transaction_id, sent.dialect) != said:
            sent = None
        if bought is not None and bought.dialect != envelope.dialect:
            bought = None
        if envelope.dialect is Dialect.LTS and envelope.action not in UNASKED:
            bought = None
        if sent is None and (bought is None or header.is_chained or asked in DISCOVERY):
            raise Refused(
                "CTX_TRANSACTION_ID_UNKNOWN", "this answers nothing that was asked from here",
                "$.context.transactionId",
            )  # fmt: skip
        if sent is not None and envelope.dialect is Dialect.LTS and not header.is_chained:
            raise Refused("AUT_SIGNATURE_INVALID", "the answer is not chained to its request")
        return sent.signature if sent is not None else None

    def _verified(
        self, header: signing.Header, raw: bytes, role: str, chain: str | None, now: datetime
    ) -> Record:
        """Return the signer's record; a signature that does not fit is tried with the registry's newest key once."""
        for fresh in (False, True):
            try:
                sender = self._registry.signer(
                    header.subscriber_id, header.key_id, role, now, fresh=fresh
                )
                key = keys.public_key(sender.signing_public_key)
                signing.verify(header, raw, key, request_signature=chain)
            except SourceUnavailable as error:
                raise Refused("NET_INTERNAL_ERROR", "the registry cannot be asked now") from error
            except InvalidRequest as error:
                raise Refused("AUT_KEY_NOT_FOUND", str(error)) from error
            except Refused:
                if fresh:
                    raise
            else:
                return sender
        raise AssertionError("unreachable")

    def _check_gateway(self, headers: Sequence[tuple[str, str]], raw: bytes, now: datetime) -> None:
        given = [value for name, value in headers if name.lower() == GATEWAY]
        if not given:
            return
        try:
            if len(given) > 1:
                raise Refused("AUT_SIGNATURE_INVALID", "there is more than one gateway signature")
            header = signing.parse_header(given[0])
            signing.check_times(header, int(now.timestamp()), skew_seconds=self._skew)
            self._verified(header, raw, "BG", None, now)
        except Refused as refused:
            text = f"the gateway's signature: {refused}"
            raise Refused(refused.code, text, of_gateway=True) from refused

    # --- sender and receiver ------------------------------------------------------------------

    def _check_receiver(self, envelope: Envelope, *, is_callback: bool) -> None:
        ours = self._identity
        named, place = (
            (envelope.bap_id, envelope.bap_uri)
            if is_callback
            else (envelope.bpp_id, envelope.bpp_uri)
        )
        field = "bap" if is_callback else "bpp"
        if named and named != ours.subscriber_id:
            raise Refused(
                "CTX_INVALID_FIELD", f"the message is for another {field}", f"$.context.{field}Id"
            )
        if place and place.rstrip("/") != ours.url.rstrip("/"):
            code = "CTX_INVALID_FIELD" if is_callback else "CTX_INVALID_BPP_URI"
            raise Refused(code, f"this is not the address of this {field}", f"$.context.{field}Uri")
        if ours.network_id and envelope.network_id not in {"", ours.network_id}:
            raise Refused(
                "CTX_INVALID_FIELD", "the message is for another network", "$.context.networkId"
            )

    def _check_sender(self, envelope: Envelope, sender: Record, *, is_callback: bool) -> None:
        said = envelope.bpp_uri if is_callback else envelope.bap_uri
        if said.rstrip("/") != sender.url:
            field = "bppUri" if is_callback else "bapUri"
            raise Refused(
                "CTX_INVALID_FIELD",
                f"{field} is not the address in the registry",
                f"$.context.{field}",
            )
        network = self._identity.network_id
        if network and sender.network_ids is not None and network not in sender.network_ids:
            raise Refused("AUT_DOMAIN_NOT_ALLOWED", "the sender is not a member of this network")

    def _check_policy(self, sender: Record) -> None:
        problem = trade_problem(self._context, sender.url)
        if problem is not None:
            raise Refused("POL_NP_DORMANT", problem)


def trade_problem(context: Context, url: str) -> str | None:
    """Return why nothing is traded with an address now: simulated or replayed data never leave this machine."""
    if is_local(url):
        return None
    if context.signals.mode != "live":
        return f"this node runs on {context.signals.mode} grid data, which is not traded"
    if context.clock.is_shifted:
        return "this node runs on a shifted clock, on which nothing is traded"
    return None


def digest(raw: bytes) -> str:
    """Return the SHA-256 of a message, for the audit log."""
    return hashlib.sha256(raw).hexdigest()


def answered(message: Message, status: int, answer: bytes) -> Message:
    """Return a message with its answer."""
    return replace(message, status=status, answer=answer)
