"""Answers are remembered by key, apart by application, and the oldest are dropped."""

from __future__ import annotations

from typing import Any

from services.memo import Memo


class App:
    """Stands for an application: only its identity matters."""


def test_an_answer_is_computed_once_per_key() -> None:
    memo: Memo[int] = Memo()
    app: Any = App()
    calls: list[int] = []
    for _ in range(3):
        assert memo.get(app, "k", lambda: calls.append(1) or 7) == 7  # type: ignore[func-returns-value]
    assert len(calls) == 1
    assert memo.get(app, "other", lambda: 8) == 8
    assert memo.peek(app, "k") == 7


def test_another_application_never_gets_it() -> None:
    memo: Memo[int] = Memo()
    one: Any = App()
    two: Any = App()
    memo.get(one, "k", lambda: 1)
    assert memo.peek(two, "k") is None
    assert memo.get(two, "k", lambda: 2) == 2


def test_the_least_recently_used_goes_first() -> None:
    memo: Memo[int] = Memo(2)
    app: Any = App()
    memo.get(app, "a", lambda: 1)
    memo.get(app, "b", lambda: 2)
    assert memo.peek(app, "a") == 1
    memo.get(app, "c", lambda: 3)
    assert memo.peek(app, "b") is None
    assert memo.peek(app, "a") == 1
