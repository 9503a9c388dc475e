"""What people type, read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.domain.errors import FieldError
from web.pages import forms

NOW = datetime(2026, 11, 21, 10, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("4", 240),
        ("1.5", 90),
        ("1,5", 90),
        ("1:30", 90),
        ("90 min", 90),
        ("2h", 120),
        (" 336 ", 20160),
    ],
)
def test_lengths_are_read_as_people_write_them(text: str, minutes: int) -> None:
    assert forms.duration(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["0", "-1", "337", "forever", "1:75", "0:00", "1e3", "nan"])
def test_a_length_that_cannot_be_is_named_with_its_range(text: str) -> None:
    with pytest.raises(forms.Wrong, match="336 hours"):
        forms.duration(text)


def test_numbers_are_bounded_and_say_so() -> None:
    assert forms.number("1,250.5", name="Power", low=0, high=2000) == 1250.5
    assert forms.number("−3", name="Price cap", low=-10, high=10) == -3
    with pytest.raises(forms.Wrong, match="It can be 0 to 5 kW"):
        forms.number("6", name="Power", low=0, high=5, unit="kW")
    with pytest.raises(forms.Wrong, match="is not a number"):
        forms.number("inf", name="Power", low=0, high=5)
    with pytest.raises(forms.Wrong, match="not a whole number"):
        forms.whole("2.5", name="Copies", low=1, high=9)


def test_a_wall_clock_time_is_london_time() -> None:
    summer = datetime(2026, 6, 30, 12, tzinfo=UTC)
    read = forms.local_time("2026-07-01T09:00", name="Ready by", now=summer)
    assert read == datetime(2026, 7, 1, 8, tzinfo=UTC)


def test_in_the_hour_that_happens_twice_the_first_pass_is_meant() -> None:
    autumn = datetime(2026, 10, 24, 12, tzinfo=UTC)
    # 01:30 BST is 00:30Z; the second pass would be 01:30Z.
    read = forms.local_time("2026-10-25T01:30", name="Ready by", now=autumn)
    assert read == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_the_hour_that_does_not_happen_is_refused() -> None:
    spring = datetime(2026, 3, 28, 12, tzinfo=UTC)
    with pytest.raises(forms.Wrong, match="does not exist on 29 March"):
        forms.local_time("2026-03-29T01:30", name="Ready by", now=spring)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-11-21T09:00", "has passed"),
        ("2028-01-01T09:00", "more than a year ahead"),
        ("tomorrow", "is not a date and time"),
    ],
)
def test_deadlines_that_cannot_be_are_refused(text: str, reason: str) -> None:
    with pytest.raises(forms.Wrong, match=reason):
        forms.local_time(text, name="Ready by", now=NOW, must_be_future=True)


def test_the_default_deadline_is_tomorrow_nine_o_clock_in_london() -> None:
    assert forms.ready_by_text(NOW) == "2026-11-22T09:00"
    # 23:30Z on 30 June is already 1 July in London.
    late = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)
    assert forms.ready_by_text(late) == "2026-07-02T09:00"


def test_errors_of_use_cases_land_beside_their_field_or_on_top() -> None:
    form = forms.Form({"duration_hours": "4"})
    form.take(
        (
            FieldError("duration", "too long", allowed="at most 3 hours", cure="shorten it"),
            FieldError("unheard_of", "odd"),
        ),
        {"duration": "duration_hours"},
        "duration_hours",
    )
    assert form.errors == {"duration_hours": "Too long. Allowed: at most 3 hours. Shorten it."}
