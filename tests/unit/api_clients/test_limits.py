"""Token bucket and circuit breaker, on a time that tests turn by hand."""

from __future__ import annotations

import pytest

from api_clients.limits import CircuitBreaker, Rate, TokenBucket


class Time:
    """A monotonic clock whose sleep moves it."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_a_burst_passes_at_once_and_then_requests_are_spaced() -> None:
    time = Time()
    bucket = TokenBucket(Rate(per_second=0.5, burst=2), time, time.sleep)
    # Two tokens are there; each further one takes 1 / 0.5 = 2 s to grow.
    assert [bucket.take() for _ in range(4)] == pytest.approx([0.0, 0.0, 2.0, 2.0])
    assert time.seconds == pytest.approx(104.0)


def test_a_quiet_time_earns_no_more_than_the_burst() -> None:
    time = Time()
    bucket = TokenBucket(Rate(per_second=1.0, burst=2), time, time.sleep)
    bucket.take()
    time.seconds += 3600.0
    assert [bucket.take() for _ in range(3)] == pytest.approx([0.0, 0.0, 1.0])


def test_part_of_a_token_shortens_the_wait() -> None:
    time = Time()
    bucket = TokenBucket(Rate(per_second=1.0, burst=1), time, time.sleep)
    bucket.take()
    time.seconds += 0.25
    assert bucket.take() == pytest.approx(0.75)


def test_the_circuit_opens_after_failures_in_a_row_only() -> None:
    time = Time()
    breaker = CircuitBreaker(3, 60.0, time)
    breaker.failed()
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    breaker.failed()
    assert not breaker.is_open
    breaker.failed()
    assert breaker.is_open
    assert breaker.seconds_until_retry() == 60


def test_after_the_cool_down_one_trial_decides() -> None:
    time = Time()
    breaker = CircuitBreaker(2, 60.0, time)
    breaker.failed()
    breaker.failed()
    time.seconds += 59.5
    assert breaker.seconds_until_retry() == 1
    time.seconds += 0.5
    assert not breaker.is_open
    breaker.failed()
    assert breaker.seconds_until_retry() == 60
    time.seconds += 60.0
    breaker.succeeded()
    breaker.failed()
    assert not breaker.is_open
