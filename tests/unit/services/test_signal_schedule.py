"""When providers are asked again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.domain.errors import SourceUnavailable
from services.signal_schedule import (
    LetterState,
    after_failure,
    after_success,
    carbon_due,
    is_backing_off,
    last_poll_mark,
    letters_to_ask,
    prices_expected_until,
)

TTL = timedelta(seconds=1500)
TWO_MINUTES = timedelta(minutes=2)


def at(hour: int, minute: int, day: int = 21, second: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC)


def test_the_marks_are_two_minutes_past_each_half_hour() -> None:
    assert last_poll_mark(at(15, 31), TWO_MINUTES) == at(15, 2)
    assert last_poll_mark(at(15, 32), TWO_MINUTES) == at(15, 32)
    assert last_poll_mark(at(15, 1), TWO_MINUTES) == at(14, 32)


def test_carbon_is_asked_for_at_first_and_once_after_each_mark() -> None:
    assert carbon_due(at(15, 10), None, TTL, TWO_MINUTES)
    assert not carbon_due(at(15, 31), at(15, 2), TTL, TWO_MINUTES)
    assert carbon_due(at(15, 32), at(15, 2), TTL, TWO_MINUTES)
    assert not carbon_due(at(15, 33), at(15, 32), TTL, TWO_MINUTES)


def test_the_usual_age_limit_does_not_double_the_questions() -> None:
    # 25 min after 15:02 it is 15:27; the mark at 15:32 is five minutes off, so it waits for that.
    assert not carbon_due(at(15, 27), at(15, 2), TTL, TWO_MINUTES)


def test_a_shorter_age_limit_asks_in_between() -> None:
    assert carbon_due(at(15, 12), at(15, 2), timedelta(minutes=10), TWO_MINUTES)
    assert not carbon_due(at(15, 11), at(15, 2), timedelta(minutes=10), TWO_MINUTES)


def test_an_answer_from_the_future_of_another_clock_does_not_count() -> None:
    assert carbon_due(at(15, 10), at(18, 0), TTL, TWO_MINUTES)


def test_prices_of_tomorrow_are_expected_from_five_to_four_london() -> None:
    assert prices_expected_until(at(15, 54)) == at(23, 0)
    assert prices_expected_until(at(15, 55)) == at(23, 0, day=22)
    assert prices_expected_until(at(23, 30)) == at(23, 0, day=22)
    # In summer London is an hour ahead: 14:55 UTC is 15:55, and 23:00 London is 22:00 UTC.
    summer = datetime(2026, 7, 1, 14, 55, tzinfo=UTC)
    assert prices_expected_until(summer) == datetime(2026, 7, 2, 22, tzinfo=UTC)


def test_the_prices_of_a_short_day_end_at_23_london_all_the_same() -> None:
    # 2026-03-29 has 46 half-hours; at 16:00 GMT the day before, tomorrow 23:00 BST is 22:00 UTC.
    saturday = datetime(2026, 3, 28, 16, tzinfo=UTC)
    assert prices_expected_until(saturday) == datetime(2026, 3, 29, 22, tzinfo=UTC)


def known(letter: str, until: datetime, retrieved: datetime) -> LetterState:
    return LetterState(letter, retrieved, until, None)


def test_a_letter_nothing_is_known_of_is_asked_for_at_once() -> None:
    states = [LetterState("C", None, None, at(0, 0)), known("A", at(23, 0), at(10, 0))]
    assert letters_to_ask(states, at(12, 0), at(11, 59)) == ["C"]


def test_an_incomplete_day_is_looked_for_every_ten_minutes() -> None:
    states = [known("C", at(23, 0), at(10, 30))]
    assert letters_to_ask(states, at(15, 50), at(12, 0)) == []
    assert letters_to_ask(states, at(15, 55), at(15, 44)) == ["C"]
    assert letters_to_ask(states, at(15, 55), at(15, 46)) == []


def test_complete_prices_are_renewed_every_six_hours() -> None:
    states = [known("C", at(23, 0, day=22), at(16, 5))]
    assert letters_to_ask(states, at(22, 4), at(16, 5)) == []
    assert letters_to_ask(states, at(22, 5), at(16, 5)) == ["C"]


def test_pauses_double_from_half_a_minute_to_half_an_hour() -> None:
    health = None
    pauses = []
    for _ in range(8):
        health = after_failure(health, "x", at(12, 0), SourceUnavailable("down"), None)
        assert health.retry_at is not None
        pauses.append((health.retry_at - at(12, 0)).total_seconds())
    assert pauses == [30, 60, 120, 240, 480, 960, 1800, 1800]
    assert health is not None
    assert (health.failures_in_a_row, health.last_error) == (8, "down")


def test_a_longer_pause_that_the_provider_asks_for_is_kept() -> None:
    health = after_failure(None, "x", at(12, 0), SourceUnavailable("busy"), 300)
    assert health.retry_at == at(12, 5)


def test_success_ends_the_pause_and_remembers_the_last_failure() -> None:
    failed = after_failure(None, "x", at(12, 0), SourceUnavailable("down"), None)
    health = after_success(failed, "x", at(12, 1))
    assert (health.failures_in_a_row, health.retry_at, health.last_error) == (0, None, None)
    assert health.last_failure_at == at(12, 0)


@pytest.mark.parametrize(("minutes", "expected"), [(-1, False), (1, True), (61, False)])
def test_a_pause_counts_while_it_lasts_and_not_if_another_clock_wrote_it(
    minutes: int, expected: bool
) -> None:
    health = after_failure(None, "x", at(12, 0), SourceUnavailable("down"), 30)
    assert health.retry_at is not None
    assert is_backing_off(health, health.retry_at - timedelta(minutes=minutes)) is expected


def test_nobody_backs_off_from_a_source_never_tried() -> None:
    assert not is_backing_off(None, at(12, 0))
