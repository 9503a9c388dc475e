"""What a peer's synchronous answer means: taken, to be sent again, or refused for good."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from beckn import keys, signing
from beckn.dialects import CODECS
from beckn.faults import Refused
from beckn.model import Dialect
from beckn.registry import CachedRegistry
from models.domain.errors import InvalidRequest, SourceUnavailable
from models.domain.exchange import Message, Work
from models.domain.peers import PeerAnswer

PASSING = frozenset(
    {
        "AUT_RATE_LIMITED", "AUT_KEY_NOT_FOUND", "AUT_SUBSCRIBER_NOT_FOUND", "CTX_TTL_EXPIRED",
        "NET_TIMEOUT", "NET_INTERNAL_ERROR", "NET_OVERLOADED", "NET_SERVICE_UNAVAILABLE",
    }
)  # fmt: skip
"""Errors that may be gone the next time: the peer is busy, or has not seen our key yet, or the message came late."""


class Verdict(Enum):
    """What becomes of a message that was sent."""

    TAKEN = "taken"
    LATER = "later"
    REFUSED = "refused"


def judged(
    work: Work, answer: PeerAnswer, sent: Message, registry: CachedRegistry, now: datetime
) -> tuple[Verdict, str]:
    """Return what an answer means, and in words why."""
    said = _object(answer.body)
    code, reason = _reason(said)
    if answer.status == 429 or answer.status >= 500 or code in PASSING:
        return Verdict.LATER, f"the peer answered {answer.status}: {reason}"
    if answer.status == 202 and code and not work.action.startswith("on_"):
        # Taken, but nothing will be answered: what it was asked for cannot be had.
        return Verdict.REFUSED, f"the peer will not answer: {reason}"
    codec = CODECS[Dialect(work.dialect)]
    if answer.status < 300 and said is not None and codec.is_accepted(said):
        problem = _signature_problem(work, answer, sent, registry, now)
        if problem is not None:
            return Verdict.LATER, problem
        return Verdict.TAKEN, f"accepted with {answer.status}"
    return Verdict.REFUSED, f"the peer refused it with {answer.status}: {reason}"


def _signature_problem(
    work: Work, answer: PeerAnswer, sent: Message, registry: CachedRegistry, now: datetime
) -> str | None:
    """Return why a signed answer must not be believed; one without a signature is believed."""
    given = answer.headers.get("signature")
    if work.dialect != Dialect.LTS or given is None:
        return None
    role = "BAP" if work.action.startswith("on_") else "BPP"
    try:
        header = signing.parse_header(given)
        signing.check_times(header, int(now.timestamp()) + 1)
        if header.subscriber_id != work.peer_id:
            return "the answer is signed by somebody else"
        record = registry.signer(work.peer_id, header.key_id, role, now)
        key = keys.public_key(record.signing_public_key)
        signing.verify(header, answer.body, key, request_signature=sent.signature)
    except (Refused, InvalidRequest, SourceUnavailable) as error:
        return f"the answer's signature cannot be believed: {error}"
    return None


def _object(body: bytes) -> Mapping[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _reason(said: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return the code of an error and it in words; ("", …) where there is none."""
    message = said.get("message") if said is not None else None
    inner = message.get("error") if isinstance(message, dict) else None
    error = inner or (said.get("error") if said is not None else None)
    if not isinstance(error, dict):
        return "", "no reason given"
    code, words = str(error.get("code", ""))[:60], str(error.get("message", ""))[:200]
    return code, f"{code} {words}".strip()
