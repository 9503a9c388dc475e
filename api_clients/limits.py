"""Two guards in front of a service: a token bucket and a circuit breaker.

Both run on system (monotonic) time, never on the planning clock: a shifted clock must not let us hammer a provider.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class Rate:
    """How often a service may be asked."""

    per_second: float
    """Sustained requests per second. [1/s]"""
    burst: int
    """Requests that may follow each other at once after a quiet time."""


class TokenBucket:
    """Spaces out requests: `burst` at once, then `per_second`."""

    def __init__(
        self, rate: Rate, monotonic: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        """Start with a full bucket."""
        self._rate = rate
        self._monotonic = monotonic
        self._sleep = sleep
        self._tokens = float(rate.burst)
        self._filled_at = monotonic()

    def take(self) -> float:
        """Wait until a request may go out; return how long that took. [s]"""
        now = self._monotonic()
        grown = (now - self._filled_at) * self._rate.per_second
        self._tokens = min(float(self._rate.burst), self._tokens + grown)
        self._filled_at = now
        wait_seconds = max(0.0, (1.0 - self._tokens) / self._rate.per_second)
        if wait_seconds > 0.0:
            self._sleep(wait_seconds)
            # The wait has earned exactly the missing share of the token that is spent now.
            self._filled_at = now + wait_seconds
            self._tokens = 1.0
        self._tokens -= 1.0
        return wait_seconds


class CircuitBreaker:
    """Stops asking a service that keeps failing, and lets one request through after a cool-down."""

    def __init__(
        self, failures_to_open: int, cool_down_seconds: float, monotonic: Callable[[], float]
    ) -> None:
        """Start closed."""
        self._failures_to_open = failures_to_open
        self._cool_down_seconds = cool_down_seconds
        self._monotonic = monotonic
        self._failures = 0
        self._opened_at: float | None = None

    def seconds_until_retry(self) -> int:
        """Return 0 if a request may go out, else how long the circuit stays open. [s]"""
        if self._opened_at is None:
            return 0
        left = self._opened_at + self._cool_down_seconds - self._monotonic()
        return max(0, ceil(left))

    def succeeded(self) -> None:
        """Note that the service answered: the circuit closes."""
        self._failures = 0
        self._opened_at = None

    def failed(self) -> None:
        """Note a failure; the circuit opens after several in a row, or at once after a failed trial."""
        self._failures += 1
        if self._failures >= self._failures_to_open:
            self._opened_at = self._monotonic()

    @property
    def is_open(self) -> bool:
        """Return whether requests are being turned away."""
        return self.seconds_until_retry() > 0
