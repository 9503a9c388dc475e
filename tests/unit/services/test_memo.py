"""Answers are remembered by key, apart by application, and the oldest are dropped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from models.domain.job import JobStatus
from models.domain.ports import JobPlan, JobView
from services.memo import Dated, Memo, first_end
from tests.support.fleet import NOON, a_job
from tests.support.stored import a_placement, an_award


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


def test_an_answer_that_time_has_ended_is_made_anew() -> None:
    memo: Memo[Dated[int]] = Memo()
    app: Any = App()
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def ask(now: datetime, value: int) -> int:
        return memo.get(
            app, "k", lambda: Dated(value, noon + timedelta(minutes=15)), lambda d: d.holds_at(now)
        ).answer

    assert ask(noon, 1) == 1
    assert ask(noon + timedelta(minutes=14), 2) == 1
    assert ask(noon + timedelta(minutes=15), 3) == 3
    assert Dated(1, None).holds_at(noon)


def test_the_first_end_to_come_is_that_of_the_next_window_to_close() -> None:
    views = [
        JobView(
            a_job(f"job-{n}"),
            JobPlan(f"job-{n}", "n", "d", NOON, award=an_award(f"job-{n}", a_placement(start, 60))),
            JobStatus.SCHEDULED,
        )
        for n, start in enumerate([NOON - timedelta(hours=1), NOON, NOON + timedelta(hours=2)])
    ]
    # They end at 12:00, which is not after noon, at 13:00 and at 15:00.
    assert first_end(views, NOON) == NOON + timedelta(hours=1)
    assert first_end([], NOON) is None
