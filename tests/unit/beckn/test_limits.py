"""Allowances of senders: what one process lets through, and what several do that settle with each other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from beckn.faults import Refused
from beckn.limits import Allowances


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Shared:
    """The count of all processes: one bucket, as the database keeps it, and the processes that settle with it."""

    def __init__(self, per_minute: int, processes: int) -> None:
        self.clock = Seconds()
        self.processes = [Allowances(per_minute, self.clock) for _ in range(processes)]
        self.left, self.at = self.processes[0].size, 0.0

    def sends(self, process: int) -> bool:
        one = self.processes[process]
        try:
            one.take("ada")
        except Refused:
            return False
        spent = one.due()
        if spent:
            filled = self.left + (self.clock.now - self.at) * one.per_second
            self.left, self.at = min(one.size, filled) - spent["ada"], self.clock.now
            one.settled({"ada": self.left})
        return True


def test_a_sixth_of_a_minute_may_come_at_once_and_the_rest_steadily() -> None:
    # 60 a minute is one a second; the bucket holds 10.
    clock = Seconds()
    one = Allowances(60, clock)
    for _ in range(10):
        one.take("ada")
    with pytest.raises(Refused) as refused:
        one.take("ada")
    assert (refused.value.code, refused.value.retry_after) == ("AUT_RATE_LIMITED", 2)
    one.take("bob")
    clock.now = timedelta(seconds=1).total_seconds()
    one.take("ada")


def test_zero_is_no_limit() -> None:
    one = Allowances(0, Seconds())
    for _ in range(1000):
        one.take("ada")
    assert one.due() == {}


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_together_let_through_what_one_would_and_at_most_a_step_each_more(
    processes: int,
) -> None:
    # 6,000 a minute: 100 a second, a bucket of 1,000, steps of 50. Twice too many are sent for 60 s, to each in turn.
    shared = Shared(6000, processes)
    passed = 0
    for k in range(60 * 200):
        shared.clock.now = k / 200
        passed += shared.sends(k % processes)
    most = 1000 + 6000
    assert most - 50 * processes <= passed <= most + 50 * processes


def test_below_the_rate_nothing_is_refused_however_many_processes_there_are() -> None:
    shared = Shared(6000, 3)
    for k in range(60 * 90):
        shared.clock.now = k / 90
        assert shared.sends(k % 3)


def test_a_few_messages_are_settled_with_nobody() -> None:
    one = Allowances(6000, Seconds())
    for _ in range(49):
        one.take("ada")
    assert one.due() == {}
    one.take("ada")
    assert one.due() == {"ada": 50.0}
    assert one.due() == {}


def test_what_could_not_be_stored_is_settled_the_next_time() -> None:
    one = Allowances(6000, Seconds())
    for _ in range(50):
        one.take("ada")
    one.give_back(one.due())
    one.take("ada")
    assert one.due() == {"ada": 51.0}


def test_what_was_sent_long_ago_counts_no_more() -> None:
    clock = Seconds()
    one = Allowances(6000, clock)
    for _ in range(49):
        one.take("ada")
    clock.now = 10.0  # 1,000 have come in since
    one.take("ada")
    assert one.due() == {}
