"""One commit for many who wait, everybody answered, and a failure that does not stop the next."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from beckn.journal import GroupCommit
from models.domain.errors import SourceUnavailable


def test_who_comes_alone_is_written_at_once_and_waits_for_nobody() -> None:
    waits: list[float] = []
    moments = iter([0.0, 0.0, 100.0, 100.0, 100.001, 100.001])
    commit: GroupCommit[int, int] = GroupCommit(
        lambda values: [2 * one for one in values],
        gather_seconds=0.005, pause=waits.append, monotonic=lambda: next(moments),
    )  # fmt: skip
    assert [commit.put(1), commit.put(2)] == [2, 4]
    assert waits == []
    assert commit.put(3) == 6  # a millisecond after the one before: a crowd
    assert waits == [0.005]


def in_threads(work: Sequence[object]) -> None:
    threads = [threading.Thread(target=one) for one in work]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)


def test_all_who_come_while_one_writes_are_written_together_and_get_their_own_answers() -> None:
    batches: list[list[int]] = []
    is_first, may_go_on = threading.Event(), threading.Event()
    answers: dict[int, int] = {}

    def write(values: Sequence[int]) -> list[int]:
        batches.append(list(values))
        if len(batches) == 1:
            is_first.set()
            assert may_go_on.wait(30)
        return [one + 1000 for one in values]

    commit: GroupCommit[int, int] = GroupCommit(write, most=8, gather_seconds=0.0)

    def put(value: int) -> None:
        answers[value] = commit.put(value)

    def others() -> None:
        assert is_first.wait(30)
        rest = [threading.Thread(target=put, args=(k,)) for k in range(1, 21)]
        for thread in rest:
            thread.start()
        while len(commit._waiting) < 20:
            pass
        may_go_on.set()
        for thread in rest:
            thread.join(timeout=30)

    in_threads([lambda: put(0), others])
    assert answers == {k: k + 1000 for k in range(21)}
    # One alone, then twenty in batches of at most eight.
    assert [len(batch) for batch in batches] == [1, 8, 8, 4]


def test_a_write_that_fails_is_told_to_all_it_was_for_and_the_next_is_tried_anew() -> None:
    is_first, may_go_on = threading.Event(), threading.Event()
    calls: list[int] = []
    ends: dict[int, object] = {}

    def write(values: Sequence[int]) -> list[int]:
        calls.append(len(values))
        if len(calls) == 1:
            is_first.set()
            assert may_go_on.wait(30)
        if len(calls) == 2:
            raise RuntimeError("no room")
        return list(values)

    commit: GroupCommit[int, int] = GroupCommit(write, gather_seconds=0.0)

    def put(value: int) -> None:
        try:
            ends[value] = commit.put(value)
        except (RuntimeError, SourceUnavailable) as error:
            ends[value] = type(error)

    def others() -> None:
        assert is_first.wait(30)
        rest = [threading.Thread(target=put, args=(k,)) for k in (1, 2)]
        for thread in rest:
            thread.start()
        while len(commit._waiting) < 2:
            pass
        may_go_on.set()
        for thread in rest:
            thread.join(timeout=30)

    in_threads([lambda: put(0), others])
    # The one who wrote gets the cause, the one he wrote for too is told that nothing was stored.
    assert ends[0] == 0
    assert {ends[1], ends[2]} == {RuntimeError, SourceUnavailable}
    assert commit.put(3) == 3
    assert calls == [1, 2, 1]
