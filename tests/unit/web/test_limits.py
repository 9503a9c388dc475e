"""Token buckets and draining."""

from __future__ import annotations

import io

import pytest

from models.domain.errors import TooManyRequests
from web import limits
from web.limits import TokenBuckets, drain


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_allowance_may_be_used_at_once_and_refills_steadily() -> None:
    clock = Seconds()
    buckets = TokenBuckets(6, clock)
    for _ in range(6):
        buckets.take("ada")
    with pytest.raises(TooManyRequests) as refused:
        buckets.take("ada")
    # 6 a minute is one every 10 s.
    assert refused.value.retry_after_seconds == 10
    clock.now = 9.9
    with pytest.raises(TooManyRequests):
        buckets.take("ada")
    clock.now = 10.0
    buckets.take("ada")


def test_callers_do_not_use_each_others_allowance() -> None:
    buckets = TokenBuckets(1, Seconds())
    buckets.take("ada")
    buckets.take("bob")
    with pytest.raises(TooManyRequests):
        buckets.take("ada")


def test_zero_switches_the_limit_off() -> None:
    buckets = TokenBuckets(0, Seconds())
    for _ in range(100):
        buckets.take("ada")
    buckets.check("ada")


def test_checking_takes_nothing() -> None:
    buckets = TokenBuckets(1, Seconds())
    buckets.check("ada")
    buckets.take("ada")
    with pytest.raises(TooManyRequests):
        buckets.check("ada")


def test_no_more_callers_are_remembered_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_BUCKETS", 3)
    buckets = TokenBuckets(1, Seconds())
    for who in ("a", "b", "c", "d"):
        buckets.take(who)
    buckets.take("a")  # forgotten, so full again
    with pytest.raises(TooManyRequests):
        buckets.take("d")


def test_a_body_is_drained_to_its_length_but_not_beyond_the_limit() -> None:
    body = io.BytesIO(b"x" * 200_000)
    assert drain({"CONTENT_LENGTH": "150000", "wsgi.input": body}, 1_000_000) == 150_000
    assert drain({"CONTENT_LENGTH": "150000", "wsgi.input": io.BytesIO(b"x" * 150_000)}, 70_000) == 70_000  # fmt: skip


def test_a_body_of_unknown_length_is_drained_only_where_the_server_ends_it() -> None:
    assert drain({"wsgi.input": io.BytesIO(b"xx")}, 100) == 0
    assert drain({"wsgi.input": io.BytesIO(b"xx"), "wsgi.input_terminated": True}, 100) == 2


def test_a_client_that_hangs_up_ends_the_draining() -> None:
    assert drain({"CONTENT_LENGTH": "500", "wsgi.input": io.BytesIO(b"xx")}, 1000) == 2
