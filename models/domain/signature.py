"""The signature of messages that the program sends: who has the secret can tell that they are genuine and fresh."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Protocol

HEADER = "Halfhour-Signature"
"""Header that carries it."""


def signature(secret: str, seconds: int, body: bytes) -> str:
    """Return the value of the header: HMAC-SHA-256 of `<seconds>.<body>`.

    Args:
        secret: Shared with the receiver.
        seconds: System time of the message. [s]
        body: As sent.
    """
    text = f"{seconds}.".encode() + body
    return f"t={seconds},v1={hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver answered."""

    status: int
    body: bytes
    """Its beginning, where it is long."""

    @property
    def is_good(self) -> bool:
        """Return whether the message arrived."""
        return 200 <= self.status < 300


class SignedPoster(Protocol):
    """Sends signed messages to one address."""

    def __call__(self, body: bytes, key: str) -> Reply:
        """Send a message.

        Args:
            body: JSON, sent and signed as it is.
            key: The same for the same message, so that a receiver acts on it once.

        Raises:
            SourceUnavailable: If nobody answered, or not in time; the message may have arrived.
        """
