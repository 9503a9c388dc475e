"""Half-hours, settlement periods and horizons, across both clock changes."""

from __future__ import annotations

import csv
import itertools
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain import time as ht
from models.domain.errors import InvalidRequest
from tests.support.shared import shared_path

INSTANTS = st.integers(0, 631_152_000).map(  # seconds of the twenty years from 2015
    lambda seconds: (
        datetime(2015, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=seconds)
    )
)
DAYS = st.dates(min_value=date(2015, 1, 1), max_value=date(2035, 1, 1))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text + "+00:00")


# (settlement date, period, periods in the day, start in UTC), from the rule of local midnights by hand.
VECTORS = [
    (date(2026, 1, 15), 33, 48, "2026-01-15T16:00"),  # winter: UTC is local time
    (date(2026, 3, 29), 2, 46, "2026-03-29T00:30"),
    (date(2026, 3, 29), 3, 46, "2026-03-29T01:00"),  # 02:00 BST: local 01:00–02:00 does not exist
    (date(2026, 3, 29), 31, 46, "2026-03-29T15:00"),  # the evening peak starts at 16:00 BST
    (date(2026, 7, 1), 1, 48, "2026-06-30T23:00"),  # period 1 starts on the UTC date before
    (date(2026, 10, 25), 3, 50, "2026-10-25T00:00"),  # 01:00 BST, first pass
    (date(2026, 10, 25), 4, 50, "2026-10-25T00:30"),
    (date(2026, 10, 25), 5, 50, "2026-10-25T01:00"),  # 01:00 GMT, second pass
    (date(2026, 10, 25), 6, 50, "2026-10-25T01:30"),
    (date(2026, 10, 25), 35, 50, "2026-10-25T16:00"),
]


@pytest.mark.parametrize(("day", "period", "count", "start"), VECTORS)
def test_settlement_periods_are_numbered_from_local_midnight(
    day: date, period: int, count: int, start: str
) -> None:
    assert ht.settlement_start(day, period) == utc(start)
    assert ht.settlement_period(utc(start)) == ht.SettlementPeriod(day, period, count)


def test_the_reference_vectors_hold() -> None:
    text = shared_path("domain/settlement_vectors.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    assert len(rows) == 30
    for row in rows:
        day, period = date.fromisoformat(row["settlement_date"]), int(row["settlement_period"])
        start = ht.parse_rfc3339(row["start_utc"])
        assert ht.settlement_start(day, period) == start
        assert ht.settlement_period(start).settlement_date == day
        assert ht.settlement_period(start).period == period
        assert ht.periods_in_day(day) == int(row["periods_in_day"])
        assert start + ht.SLOT == ht.parse_rfc3339(row["end_utc"])
        assert start.astimezone(ht.LONDON).isoformat() == row["start_local"]
        assert ht.gate_closure(start) == ht.parse_rfc3339(row["gate_closure_utc"])


def test_days_have_46_48_or_50_periods() -> None:
    assert ht.periods_in_day(date(2026, 3, 29)) == 46
    assert ht.periods_in_day(date(2026, 3, 30)) == 48
    assert ht.periods_in_day(date(2026, 10, 25)) == 50


@pytest.mark.parametrize(
    ("day", "period"),
    [
        (date(2026, 3, 29), 47),
        (date(2026, 1, 15), 49),
        (date(2026, 10, 25), 51),
        (date(2026, 1, 15), 0),
    ],
)
def test_a_period_the_day_does_not_have_is_refused_with_its_range(day: date, period: int) -> None:
    with pytest.raises(InvalidRequest, match=f"not {period}"):
        ht.settlement_start(day, period)


@given(DAYS)
def test_the_periods_of_a_day_tile_it_without_gap(day: date) -> None:
    count = ht.periods_in_day(day)
    starts = [ht.settlement_start(day, n) for n in range(1, count + 1)]
    assert starts[0] == ht.london_midnight(day)
    assert all(b - a == ht.SLOT for a, b in itertools.pairwise(starts))
    assert starts[-1] + ht.SLOT == ht.london_midnight(day + timedelta(days=1))


@given(INSTANTS)
def test_settlement_period_and_settlement_start_are_inverse(instant: datetime) -> None:
    found = ht.settlement_period(instant)
    assert ht.settlement_start(found.settlement_date, found.period) == ht.floor_slot(instant)


@given(INSTANTS)
def test_flooring_and_ceiling_bracket_the_instant(instant: datetime) -> None:
    floor, ceiling = ht.floor_slot(instant), ht.ceil_slot(instant)
    assert floor <= instant <= ceiling
    assert ceiling - floor in (timedelta(0), ht.SLOT)
    assert floor.minute in (0, 30)
    assert floor.second == floor.microsecond == 0


@given(INSTANTS, st.integers(1, 700), INSTANTS)
def test_a_horizon_index_holds_its_instant(start: datetime, slots: int, instant: datetime) -> None:
    horizon = ht.Horizon(ht.floor_slot(start), slots)
    index = horizon.index_of(instant)
    assert horizon.start_of(index) <= instant < horizon.start_of(index + 1)
    first = horizon.first_index_from(instant)
    assert horizon.start_of(first - 1) < instant <= horizon.start_of(first)


def test_a_horizon_starts_on_a_half_hour_and_is_not_empty() -> None:
    with pytest.raises(InvalidRequest):
        ht.Horizon(utc("2026-01-15T10:10"), 4)
    with pytest.raises(InvalidRequest):
        ht.Horizon(utc("2026-01-15T10:00"), 0)


def test_a_horizon_runs_evenly_through_the_autumn_change() -> None:
    horizon = ht.Horizon(utc("2026-10-25T00:00"), 4)
    local = [start.astimezone(ht.LONDON).strftime("%H:%M") for start in horizon.starts()]
    assert local == ["01:00", "01:30", "01:00", "01:30"]
    assert horizon.end == utc("2026-10-25T02:00")


@pytest.mark.parametrize(
    ("minutes", "slots"), [(1, 1), (29, 1), (30, 1), (31, 2), (60, 2), (90, 3), (91, 4)]
)
def test_a_run_touches_as_many_slots_as_it_has_begun(minutes: int, slots: int) -> None:
    assert ht.slots_needed(timedelta(minutes=minutes)) == slots


def test_a_time_without_offset_is_refused_with_the_cure() -> None:
    with pytest.raises(InvalidRequest, match="has no offset; write it like"):
        ht.parse_rfc3339("2026-10-25T01:30:00")
    with pytest.raises(InvalidRequest, match="is not a date-time"):
        ht.parse_rfc3339("tomorrow")


def test_a_time_with_any_offset_becomes_utc() -> None:
    assert ht.parse_rfc3339("2026-07-01T00:00:00+01:00") == utc("2026-06-30T23:00")
    east = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert ht.format_utc(east) == "2026-07-01T06:30:00Z"


@given(INSTANTS)
def test_writing_and_reading_an_instant_agree_to_the_millisecond(instant: datetime) -> None:
    assert abs(ht.parse_rfc3339(ht.format_utc(instant)) - instant) < timedelta(milliseconds=1)


def test_the_london_date_changes_at_local_midnight() -> None:
    assert ht.london_date(utc("2026-06-30T22:59")) == date(2026, 6, 30)
    assert ht.london_date(utc("2026-06-30T23:00")) == date(2026, 7, 1)
    assert ht.london_date(utc("2026-01-14T23:30")) == date(2026, 1, 14)


def test_both_passes_of_the_repeated_hour_are_the_same_half_hour_of_the_day() -> None:
    assert ht.half_hour_of_day(utc("2026-10-25T00:30")) == 3
    assert ht.half_hour_of_day(utc("2026-10-25T01:30")) == 3
    assert ht.half_hour_of_day(utc("2026-07-01T22:30")) == 47


@pytest.mark.parametrize(
    ("slot", "published"),
    [
        ("2026-11-21T23:00", "2026-11-21T16:00"),  # first slot of the set 21→22 November
        ("2026-11-22T22:30", "2026-11-21T16:00"),  # its last slot
        ("2026-11-22T23:00", "2026-11-22T16:00"),
        ("2026-06-30T22:00", "2026-06-30T15:00"),  # 23:00 BST; 16:00 BST is 15:00 UTC
        ("2026-03-29T01:00", "2026-03-28T16:00"),  # published in GMT for a BST slot
    ],
)
def test_an_agile_set_runs_from_23_to_23_london_and_appears_at_16(
    slot: str, published: str
) -> None:
    assert ht.agile_published_at(utc(slot)) == utc(published)


def test_a_wall_clock_time_becomes_the_first_pass_in_autumn() -> None:
    assert ht.at_london(date(2026, 10, 25), 1, 30) == utc("2026-10-25T00:30")
    assert ht.at_london(date(2026, 7, 1), 9) == utc("2026-07-01T08:00")


def test_working_days_are_monday_to_friday() -> None:
    assert ht.is_working_day(date(2026, 11, 20))
    assert not ht.is_working_day(date(2026, 11, 21))
