"""How many messages one address or signer may send: a bucket each, refilled steadily, shared by all processes.

A process lets messages through by itself and settles with the database in steps of a twentieth of a bucket, together
with what it writes anyway. So all processes together let through what one would, and at most about a step each more.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from beckn.faults import Refused

MOST_BUCKETS = 10_000
"""Names remembered at once; the one unseen for longest is forgotten first."""

STEPS = 20
"""Into how many parts a bucket is divided: after each a process settles with the others."""


@dataclass
class _Bucket:
    left: float
    seen: float
    unsettled: float = 0.0
    """Let through here and not told to the others yet."""


class Allowances:
    """Buckets by name, as this process knows them."""

    def __init__(self, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Set the allowance.

        Args:
            per_minute: What a bucket is refilled with in a minute; it holds a sixth of it. 0: no limit. [1/min]
            monotonic: A clock that never goes back. [s]
        """
        self.per_second = per_minute / 60.0
        self.size = max(per_minute / 6.0, 1.0)
        self._step = max(self.size / STEPS, 1.0)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._due: set[str] = set()

    def take(self, name: str) -> None:
        """Take one token.

        Raises:
            Refused: If the bucket is empty.
        """
        if not self.per_second:
            return
        with self._lock:
            bucket = self._filled(name)
            left = bucket.left
            if left >= 1:
                bucket.left -= 1
                bucket.unsettled += 1
                if bucket.unsettled >= self._step:
                    self._due.add(name)
        if left < 1:
            wait = max(1, int((1 - left) / self.per_second + 1))
            raise Refused("AUT_RATE_LIMITED", "too many messages; slow down", retry_after=wait)

    def due(self) -> dict[str, float]:
        """Return what is to be settled now, by name; it counts as told until `settled` or `give_back`."""
        with self._lock:
            found = {}
            for name in self._due:
                bucket = self._buckets.get(name)
                if bucket is not None and bucket.unsettled:
                    found[name], bucket.unsettled = bucket.unsettled, 0.0
            self._due.clear()
            return found

    def settled(self, left: Mapping[str, float]) -> None:
        """Take over what is left of each bucket by the count of all processes."""
        with self._lock:
            for name, shared in left.items():
                bucket = self._filled(name)
                bucket.left = shared - bucket.unsettled

    def give_back(self, spent: Mapping[str, float]) -> None:
        """Note that what was due could not be told to the others."""
        with self._lock:
            for name, count in spent.items():
                self._filled(name).unsettled += count
                self._due.add(name)

    def _filled(self, name: str) -> _Bucket:
        """Return a bucket with what has come in since it was looked at, and keep it among the recent ones."""
        now = self._monotonic()
        bucket = self._buckets.setdefault(name, _Bucket(self.size, now))
        come_in = (now - bucket.seen) * self.per_second
        if come_in >= self.size:
            bucket.unsettled = 0.0  # what was taken here has come in again, for everybody
        bucket.left = min(self.size, bucket.left + come_in)
        bucket.seen = now
        self._buckets.move_to_end(name)
        while len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return bucket
