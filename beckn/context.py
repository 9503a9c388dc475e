"""The context of a message: which dialect it is in, and whether it may be answered at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from beckn.faults import Refused
from beckn.model import Dialect, Envelope
from models.domain.errors import InvalidRequest
from models.domain.time import format_utc, parse_rfc3339

BUYER_ACTIONS = {
    Dialect.LTS: (
        "discover", "select", "init", "confirm", "status", "update", "cancel", "track", "rate", "support",
    ),
    Dialect.RC1: (
        "discover", "select", "init", "confirm", "status", "update", "cancel", "track", "rating", "support",
    ),
    Dialect.V1: (
        "search", "select", "init", "confirm", "status", "update", "cancel", "track", "rating", "support",
    ),
}  # fmt: skip
"""What a buyer may ask for, by dialect; a seller answers with `on_` before it."""

DISCOVERY = frozenset({"discover", "search"})

LONGEST_ID = 128
LONGEST_TTL = timedelta(hours=24)
SKEW = timedelta(seconds=5)

_DURATION = re.compile(
    r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})(?:\.\d+)?S)?)?"
)


def detect(context: Mapping[str, Any]) -> Dialect:
    """Return the dialect a context is written in.

    Raises:
        Refused: If its version is none that is spoken here.
    """
    version = str(context.get("version", ""))
    if version.startswith("1."):
        if version in {"1.1.0", "1.1.1"}:
            return Dialect.V1
    elif version == "2.0.0" or not version:
        if "transactionId" in context or "messageId" in context:
            return Dialect.LTS
        if "transaction_id" in context or "message_id" in context:
            return Dialect.RC1
    raise Refused(
        "CTX_VERSION_UNSUPPORTED" if version else "CTX_MISSING_FIELD",
        f"version {version[:20]!r} is not spoken here; 2.0.0, 1.1.1 and 1.1.0 are",
        "$.context.version",
    )


def duration(text: str) -> timedelta:
    """Parse an ISO 8601 duration of days, hours, minutes and seconds.

    Raises:
        Refused: If it is none.
    """
    match = _DURATION.fullmatch(text)
    if match is None or text in {"P", "PT"} or text.endswith("T"):
        raise Refused("CTX_INVALID_FIELD", f"{text[:30]!r} is not a duration", "$.context.ttl")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def duration_text(length: timedelta) -> str:
    """Return an ISO 8601 duration in whole seconds, hours where they are whole."""
    seconds = int(length.total_seconds())
    if seconds and seconds % 3600 == 0:
        return f"PT{seconds // 3600}H"
    if seconds and seconds % 60 == 0:
        return f"PT{seconds // 60}M"
    return f"PT{seconds}S"


def read(message: Mapping[str, Any], action: str) -> Envelope:
    """Read and check the context of a message that arrived at an endpoint.

    Args:
        message: The whole message.
        action: Name of the endpoint.

    Raises:
        Refused: If a field is missing or malformed.
    """
    context = message.get("context")
    if not isinstance(context, dict):
        raise Refused("CTX_MISSING_FIELD", "the message has no context", "$.context")
    dialect = detect(context)
    take = _Taker(context, is_camel=dialect is Dialect.LTS)
    known = BUYER_ACTIONS[dialect]
    if action.removeprefix("on_") not in known:
        raise Refused("NET_NOT_IMPLEMENTED", f"{action[:40]} is not served here in this dialect")
    if take.text("action") != action:
        raise Refused(
            "CTX_ACTION_MISMATCH",
            f"the context says another action than {action}",
            "$.context.action",
        )
    needs_seller = action not in DISCOVERY
    ttl = take.text("ttl", required=False)
    place = context.get("location")
    return Envelope(
        dialect=dialect,
        action=action,
        bap_id=take.text("bap_id"),
        bap_uri=take.text("bap_uri", longest=2048),
        bpp_id=take.text("bpp_id", required=needs_seller),
        bpp_uri=take.text("bpp_uri", required=needs_seller, longest=2048),
        transaction_id=_id(take, "transaction_id", dialect),
        message_id=_id(take, "message_id", dialect),
        timestamp=_instant(take.text("timestamp")),
        ttl=min(duration(ttl), LONGEST_TTL) if ttl else None,
        network_id=take.text("network_id", required=False),
        domain=take.text("domain", required=False),
        country=_code(place, "country") or "GBR",
        city=_code(place, "city") or "std:020",
        version=str(context.get("version", "2.0.0")),
        is_trial=context.get("try") is True,
    )


def check_time(envelope: Envelope, now: datetime, skew: timedelta = SKEW) -> None:
    """Refuse a message from the future, or one whose time to live is over.

    Raises:
        Refused: With the reason.
    """
    if envelope.timestamp > now + skew:
        raise Refused(
            "CTX_INVALID_FIELD", "the timestamp lies in the future; check the clocks",
            "$.context.timestamp",
        )  # fmt: skip
    if envelope.ttl is not None and envelope.timestamp + envelope.ttl < now:
        raise Refused(
            "CTX_TTL_EXPIRED", "the message arrived after its time to live", "$.context.ttl"
        )


def write(envelope: Envelope) -> dict[str, Any]:
    """Return the context in its dialect."""
    moment = format_utc(envelope.timestamp.astimezone(UTC).replace(microsecond=0))
    ttl = duration_text(envelope.ttl) if envelope.ttl is not None else "PT30S"
    if envelope.dialect is Dialect.LTS:
        context = {
            "networkId": envelope.network_id,
            "version": "2.0.0",
            "action": envelope.action,
            "bapId": envelope.bap_id,
            "bapUri": envelope.bap_uri,
            "bppId": envelope.bpp_id,
            "bppUri": envelope.bpp_uri,
            "transactionId": envelope.transaction_id,
            "messageId": envelope.message_id,
            "timestamp": moment,
            "ttl": ttl,
        }
        return {name: value for name, value in context.items() if value}
    context = {
        "domain": envelope.domain,
        "action": envelope.action,
        "version": envelope.version or ("1.1.1" if envelope.dialect is Dialect.V1 else "2.0.0"),
        "bap_id": envelope.bap_id,
        "bap_uri": envelope.bap_uri,
        "bpp_id": envelope.bpp_id,
        "bpp_uri": envelope.bpp_uri,
        "transaction_id": envelope.transaction_id,
        "message_id": envelope.message_id,
        "timestamp": moment,
        "ttl": ttl,
    }
    found: dict[str, Any] = {name: value for name, value in context.items() if value}
    if envelope.dialect is Dialect.V1:
        found["location"] = {
            "country": {"code": envelope.country},
            "city": {"code": envelope.city},
        }
    return found


@cache
def camel(field: str) -> str:
    """Return a field's name as the current line writes it."""
    head, *rest = field.split("_")
    return head + "".join(part.capitalize() for part in rest)


class _Taker:
    """Takes text fields out of a context in either spelling."""

    def __init__(self, context: Mapping[str, Any], *, is_camel: bool) -> None:
        self._context = context
        self._is_camel = is_camel

    def name(self, field: str) -> str:
        return camel(field) if self._is_camel else field

    def text(self, field: str, *, required: bool = True, longest: int = 256) -> str:
        name = self.name(field)
        value = self._context.get(name)
        if value is None and not required:
            return ""
        if value is None:
            raise Refused("CTX_MISSING_FIELD", f"the context has no {name}", f"$.context.{name}")
        # Control characters have no place in a name, nor in a log, and not every database can hold them.
        if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable():
            raise Refused(
                "CTX_INVALID_FIELD", f"{name} is not a printable text of 1 to {longest} characters",
                f"$.context.{name}",
            )  # fmt: skip
        return value


def _id(take: _Taker, field: str, dialect: Dialect) -> str:
    text = take.text(field, longest=LONGEST_ID)
    if dialect is Dialect.LTS:
        try:
            UUID(text)
        except ValueError:
            name = take.name(field)
            raise Refused(
                "CTX_INVALID_FIELD", f"{name} is not a UUID", f"$.context.{name}"
            ) from None
    return text


def _instant(text: str) -> datetime:
    try:
        return parse_rfc3339(text)
    except InvalidRequest:
        raise Refused(
            "CTX_INVALID_FIELD",
            "the timestamp is not RFC 3339 with an offset",
            "$.context.timestamp",
        ) from None


def _code(place: Any, name: str) -> str:
    inner = place.get(name) if isinstance(place, dict) else None
    code = inner.get("code") if isinstance(inner, dict) else None
    return code[:32] if isinstance(code, str) else ""
