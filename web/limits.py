"""Limits on what one caller may send: size of a body, requests in a minute.

The buckets live in this process only: with several workers each counts for itself.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from typing import Any

from models.domain.errors import TooManyRequests

CHUNK_BYTES = 65_536
"""How much of a refused body is read at once. [B]"""

MOST_BUCKETS = 10_000
"""Callers remembered at once; the one unseen for longest is forgotten first."""


class TokenBuckets:
    """One bucket a caller: a minute's allowance that refills steadily."""

    def __init__(self, per_minute: int, now_seconds: Callable[[], float] = time.monotonic) -> None:
        """Set the allowance.

        Args:
            per_minute: Tokens in a full bucket and refill per minute; 0 switches the limit off. [1/min]
            now_seconds: A clock that never goes back. [s]
        """
        self._per_minute = per_minute
        self._now_seconds = now_seconds
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, who: str) -> None:
        """Take one token.

        Raises:
            TooManyRequests: If the bucket is empty; it says when the next token comes.
        """
        if self._per_minute == 0:
            return
        with self._lock:
            left = self._left(who)
            if left < 1:
                wait_seconds = max(1, math.ceil((1 - left) * 60 / self._per_minute))
                raise TooManyRequests(
                    f"more than {self._per_minute} requests in a minute; "
                    f"try again in {wait_seconds} s",
                    wait_seconds,
                )
            self._buckets[who] = (left - 1, self._now_seconds())

    def check(self, who: str) -> None:
        """Raise as `take` does, without taking a token."""
        if self._per_minute == 0:
            return
        with self._lock:
            if self._left(who) < 1:
                raise TooManyRequests("too many wrong keys from this address; wait a minute", 60)

    def _left(self, who: str) -> float:
        """Return the tokens left now, and keep the bucket among the recent ones."""
        now = self._now_seconds()
        left, seen = self._buckets.get(who, (float(self._per_minute), now))
        left = min(float(self._per_minute), left + (now - seen) * self._per_minute / 60)
        self._buckets[who] = (left, now)
        self._buckets.move_to_end(who)
        while len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return left


def drain(environ: MutableMapping[str, Any], limit_bytes: int) -> int:
    """Read and forget a request body, so that the client is done sending when the answer comes.

    Args:
        environ: WSGI environment; a body of unknown length is read only where the server ends the stream itself.
        limit_bytes: Most to read. [B]

    Returns:
        Bytes read. [B]
    """
    length = str(environ.get("CONTENT_LENGTH") or "")
    if length.isdigit():
        left = min(int(length), limit_bytes)
    elif environ.get("wsgi.input_terminated"):
        left = limit_bytes
    else:
        return 0
    done = 0
    while left > 0:
        chunk = environ["wsgi.input"].read(min(CHUNK_BYTES, left))
        if not chunk:
            break
        done += len(chunk)
        left -= len(chunk)
    return done
