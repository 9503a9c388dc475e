"""Instants as pages print them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from web.views import stamps

NOW = datetime(2026, 11, 21, 10, 7, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 24, 20, tzinfo=UTC)
"""The evening before the clocks go back: 21:00 BST."""


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (datetime(2026, 11, 21, 23, 30, tzinfo=UTC), "today 23:30"),
        (datetime(2026, 11, 22, 3, tzinfo=UTC), "tomorrow 03:00"),
        (datetime(2026, 11, 20, 9, tzinfo=UTC), "yesterday 09:00"),
        (datetime(2026, 11, 26, 9, tzinfo=UTC), "Thu 26 Nov 09:00"),
        (datetime(2027, 1, 2, 9, tzinfo=UTC), "Sat 2 Jan 2027 09:00"),
    ],
)
def test_days_near_now_have_names(instant: datetime, text: str) -> None:
    assert stamps.when(instant, NOW).text == text


def test_the_machine_readable_time_is_utc() -> None:
    assert stamps.when(datetime(2026, 7, 1, 12, tzinfo=UTC), NOW).iso == "2026-07-01T12:00:00Z"


def test_summer_time_is_shown_by_the_wall_clock() -> None:
    assert stamps.clock_text(datetime(2026, 7, 1, 12, tzinfo=UTC)) == "13:00"


def test_the_hour_that_happens_twice_is_told_apart_by_its_offset() -> None:
    # 2026-10-25: 00:30Z is 01:30 BST, 01:30Z is 01:30 GMT.
    first = stamps.when(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), AUTUMN).text
    second = stamps.when(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), AUTUMN).text
    assert (first, second) == ("tomorrow 01:30 BST", "tomorrow 01:30 GMT")


def test_the_end_of_a_window_names_its_day_only_when_it_differs() -> None:
    start = datetime(2026, 11, 21, 22, tzinfo=UTC)
    assert stamps.span_text(start, start + timedelta(hours=1), NOW) == "today 22:00 to 23:00"
    assert (
        stamps.span_text(start, start + timedelta(hours=3), NOW) == "today 22:00 to tomorrow 01:00"
    )


def test_ages_are_printed_in_words() -> None:
    ages = [timedelta(seconds=20), timedelta(minutes=12), timedelta(hours=5), timedelta(days=3)]
    assert [stamps.age_text(a) for a in ages] == ["just now", "12 min old", "5 h old", "3 days old"]
    assert stamps.age_text(None) == "age unknown"


def test_a_control_gets_the_wall_clock_without_offset() -> None:
    assert stamps.local_input(datetime(2026, 7, 1, 8, tzinfo=UTC)) == "2026-07-01T09:00"
