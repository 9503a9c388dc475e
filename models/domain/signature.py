"""The signature of messages that the program sends: who has the secret can tell that they are genuine and fresh."""

from __future__ import annotations

import hashlib
import hmac

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
