"""What can be read of a message that is refused: never more than it takes to answer it and to find it in the log."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from beckn import wire
from beckn.admission import AUTHORIZATION
from beckn.faults import Refused
from beckn.model import Dialect
from beckn.signing import parse_header

_TEXT = re.compile(r"[\x20-\x7e]{1,128}")


def readable_ids(raw: bytes) -> dict[str, str]:
    """Return what can be read of a message's ids, for its refusal; never fails."""
    try:
        text = raw[: wire.MOST_BYTES].decode()
        message = None if wire.is_too_deep(text) else json.loads(text)
    except ValueError:
        return {}
    context = message.get("context") if isinstance(message, dict) else None
    if not isinstance(context, dict):
        return {}
    found: dict[str, str] = {}
    for name, keys in {
        "message_id": ("messageId", "message_id"),
        "transaction_id": ("transactionId", "transaction_id"),
        "buyer": ("bapId", "bap_id"),
        "seller": ("bppId", "bpp_id"),
        "version": ("version",),
        "camel": ("messageId", "transactionId", "bapId"),
    }.items():
        for key in keys:
            value = context.get(key)
            if isinstance(value, str) and _TEXT.fullmatch(value):
                found.setdefault(name, value)
    return found


def signature_in(headers: Sequence[tuple[str, str]]) -> str | None:
    """Return the signature that a refused message came with, as far as it can be read."""
    given = [value for name, value in headers if name.lower() == AUTHORIZATION]
    if len(given) != 1:
        return None
    try:
        return parse_header(given[0]).signature
    except Refused:
        return None


def dialect_of(ids: Mapping[str, str]) -> Dialect:
    """Return the dialect to answer in, by what could be read."""
    if ids.get("version", "").startswith("1."):
        return Dialect.V1
    return Dialect.LTS if "camel" in ids or not ids else Dialect.RC1
