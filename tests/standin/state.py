"""What can be switched while the stand-in runs: its clock, its faults, and the count of requests."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from models.domain.time import as_utc

FAULTS: dict[str, str] = {
    "carbon_500": "every carbon path answers 500 with the outage body",
    "national_500": "national carbon paths answer 500",
    "regional_500": "regional carbon paths answer 500",
    "carbon_429": "429 with Retry-After of that many seconds",
    "carbon_empty_object": "200 with {}",
    "carbon_empty_data": '200 with {"data": []}',
    "carbon_html": "200 with an HTML page",
    "carbon_slow": "answers after that many seconds",
    "carbon_2856": "the first national forecast is 2856",
    "carbon_zero_actual": "the last national actual is 0",
    "carbon_null_forecast": "every third forecast is null",
    "carbon_missing_regions": "list of short names that are left out",
    "carbon_truncated": "the horizon ends with the current UTC day",
    "carbon_duplicates": "the first period is sent twice, the first copy with other values",
    "octopus_500": "every tariff path answers 500",
    "octopus_429": "429 with Retry-After of that many seconds",
    "octopus_empty": "rates answer 200 with count 0",
    "octopus_html": "200 with an HTML page",
    "octopus_slow": "answers after that many seconds",
    "octopus_late": "tomorrow appears at that London hour (20 where true) in place of 16:00",
    "octopus_partial_day": "only that many half-hours of the newest price day (20 where true)",
    "octopus_failing_letters": "letters whose rates answer 500, e.g. `AB`",
    "octopus_absurd": "one rate of the newest page is 99,999 p",
    "octopus_foreign_next": "`next` leads to another host",
    "octopus_withdrawn": "list of product codes that answer 404",
}
"""Every fault by name, with what its value means (`true` switches it on)."""


class StandInState:
    """Clock, faults and counts; safe to change from other threads."""

    def __init__(
        self,
        now: datetime | Callable[[], datetime],
        *,
        rate: float = 0.0,
        faults: dict[str, Any] | None = None,
    ) -> None:
        """Start the clock.

        Args:
            now: The instant the clock starts at, or a clock of the caller's.
            rate: Seconds of stand-in time per second; 0 stands still.
            faults: Faults switched on from the start.
        """
        self._lock = threading.Lock()
        self._rate = rate
        self._own_clock = now if callable(now) else None
        self._base = as_utc(now() if callable(now) else now)
        self._set_at = time.monotonic()
        self._counts: Counter[str] = Counter()
        self._faults: dict[str, Any] = {}
        self.stopped = threading.Event()
        for name, value in (faults or {}).items():
            self.set_fault(name, value)

    def now(self) -> datetime:
        """Return the stand-in's present."""
        if self._own_clock is not None:
            return as_utc(self._own_clock())
        with self._lock:
            return self._base + timedelta(seconds=(time.monotonic() - self._set_at) * self._rate)

    def set_now(self, instant: datetime) -> None:
        """Set the clock."""
        with self._lock:
            self._own_clock = None
            self._base, self._set_at = as_utc(instant), time.monotonic()

    def fault(self, name: str) -> Any:
        """Return the value of a fault, None while it is off."""
        assert name in FAULTS, name
        return self._faults.get(name)

    def set_fault(self, name: str, value: Any = True) -> None:
        """Switch a fault on, or off with False or None."""
        if name not in FAULTS:
            raise ValueError(f"{name!r} is not a fault; use one of {', '.join(FAULTS)}")
        with self._lock:
            if value is None or value is False:
                self._faults.pop(name, None)
            else:
                self._faults[name] = value

    def clear_faults(self) -> None:
        """Switch every fault off."""
        with self._lock:
            self._faults.clear()

    def faults(self) -> dict[str, Any]:
        """Return the faults that are on."""
        with self._lock:
            return dict(self._faults)

    def count(self, path: str) -> None:
        """Note a request."""
        with self._lock:
            self._counts[path] += 1

    def counts(self) -> dict[str, int]:
        """Return requests by path."""
        with self._lock:
            return dict(self._counts)

    def forget_counts(self) -> None:
        """Start counting anew."""
        with self._lock:
            self._counts.clear()
