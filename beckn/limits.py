"""How many messages one address or signer may send: a bucket each, refilled steadily, in this process only."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from beckn.faults import Refused

MOST_BUCKETS = 10_000


class Buckets:
    """Allowances by name."""

    def __init__(
        self, per_second: float, burst: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Set refill and size of a bucket; a refill of 0 switches the limit off."""
        self._per_second = per_second
        self._burst = burst
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> None:
        """Take one token.

        Raises:
            Refused: If the bucket is empty.
        """
        if not self._per_second:
            return
        now = self._monotonic()
        with self._lock:
            left, seen = self._left.pop(name, (self._burst, now))
            left = min(self._burst, left + (now - seen) * self._per_second)
            self._left[name] = (left - 1 if left >= 1 else left, now)
            while len(self._left) > MOST_BUCKETS:
                self._left.popitem(last=False)
        if left < 1:
            wait = max(1, int((1 - left) / self._per_second + 1))
            raise Refused("AUT_RATE_LIMITED", "too many messages; slow down", retry_after=wait)
