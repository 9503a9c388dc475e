"""Copies and repeats of a form: London wall clock, working days, names, and limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.domain.errors import InvalidRequest
from services.submit import drafts_of, shifted
from services.types import JobDraft, Repeat

FRIDAY_NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)


def a_draft(**changes: Any) -> JobDraft:
    plain = JobDraft(
        duration=timedelta(hours=1),
        latest_finish=FRIDAY_NINE,
        estimated_power_kw=10.0,
        job_name="train",
        job_id="mine",
    )
    return replace(plain, **changes)


def finishes(repeat: Repeat, **changes: Any) -> list[str]:
    return [f"{d.latest_finish:%a %d %H:%M}" for d in drafts_of(a_draft(**changes), repeat)]


def test_one_job_stays_as_it_was_asked_for() -> None:
    assert drafts_of(a_draft(), Repeat()) == [a_draft()]


def test_copies_have_names_of_their_own_and_no_chosen_id() -> None:
    made = drafts_of(a_draft(), Repeat(copies=3))
    assert [d.job_name for d in made] == [f"train, copy {n} of 3" for n in (1, 2, 3)]
    assert {d.job_id for d in made} == {None}
    assert drafts_of(a_draft(job_name=""), Repeat(copies=2))[0].job_name == ""


def test_daily_repeats_come_every_day_and_weekday_ones_skip_the_weekend() -> None:
    assert finishes(Repeat(every="day", times=3)) == [
        "Fri 20 09:00",
        "Sat 21 09:00",
        "Sun 22 09:00",
    ]
    assert finishes(Repeat(every="weekday", times=3)) == [
        "Fri 20 09:00",
        "Mon 23 09:00",
        "Tue 24 09:00",
    ]
    assert finishes(Repeat(every="week", times=2)) == ["Fri 20 09:00", "Fri 27 09:00"]


def test_a_weekday_repeat_that_begins_on_a_weekend_begins_on_monday() -> None:
    saturday = FRIDAY_NINE + timedelta(days=1)
    assert finishes(Repeat(every="weekday", times=2), latest_finish=saturday) == [
        "Mon 23 09:00",
        "Tue 24 09:00",
    ]


def test_earliest_start_and_deadline_move_together() -> None:
    made = drafts_of(
        a_draft(earliest_start=FRIDAY_NINE - timedelta(hours=9)), Repeat(every="day", times=2)
    )
    assert made[1].earliest_start == FRIDAY_NINE + timedelta(hours=15)
    assert drafts_of(a_draft(), Repeat(every="day", times=2))[1].earliest_start is None


def test_copies_and_repeats_multiply_with_both_in_the_name() -> None:
    made = drafts_of(a_draft(), Repeat(copies=2, every="day", times=2))
    assert [d.job_name for d in made] == [
        "train, day 1 of 2, copy 1 of 2",
        "train, day 1 of 2, copy 2 of 2",
        "train, day 2 of 2, copy 1 of 2",
        "train, day 2 of 2, copy 2 of 2",
    ]


def test_times_without_a_step_mean_once() -> None:
    assert drafts_of(a_draft(), Repeat(times=5)) == [a_draft()]


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        drafts_of(a_draft(), Repeat(every="month", times=2))
    assert caught.value.fields[0].allowed == "day, weekday, week"


@pytest.mark.parametrize(
    "repeat",
    [
        Repeat(copies=0),
        Repeat(copies=101),
        Repeat(every="day", times=0),
        Repeat(every="day", times=61),
        Repeat(copies=100, every="day", times=6),
    ],
)
def test_too_many_or_too_few_are_refused(repeat: Repeat) -> None:
    with pytest.raises(InvalidRequest, match="cannot be created at once"):
        drafts_of(a_draft(), repeat)


def test_a_repeat_keeps_the_wall_clock_when_clocks_change() -> None:
    # 24 October 2026, 09:00 London is 08:00 UTC; on the 25th, after the change, 09:00 UTC.
    before = datetime(2026, 10, 24, 8, tzinfo=UTC)
    assert shifted(before, 1) == datetime(2026, 10, 25, 9, tzinfo=UTC)
    # 28 March 2026, 09:00 UTC; on the 29th London is an hour ahead.
    assert shifted(datetime(2026, 3, 28, 9, tzinfo=UTC), 1) == datetime(2026, 3, 29, 8, tzinfo=UTC)
    assert shifted(None, 3) is None
