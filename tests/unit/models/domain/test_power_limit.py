"""Limits of power hold in the half-hours they touch, once or by the London clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from models.domain.power_limit import LONGEST_REASON, Day, PowerLimit
from models.domain.time import SLOT, london_midnight
from tests.support.fleet import NOON, an_asset

PEAK = PowerLimit(50.0, from_time=time(16), to_time=time(19))
MINUTE = timedelta(minutes=1)


def limited_on(limit: PowerLimit, day: date) -> list[str]:
    """Return the half-hours of a London day, in UTC, that a limit touches."""
    start, end = london_midnight(day), london_midnight(day + timedelta(days=1))
    slots = [start + k * SLOT for k in range((end - start) // SLOT)]
    return [f"{slot:%H:%M}" for slot in slots if limit.covers(slot)]


def test_a_limit_between_two_instants_holds_in_every_half_hour_it_touches() -> None:
    # 12:10 to 13:30 touches 12:00, 12:30 and 13:00; 13:30 begins when it ends.
    limit = PowerLimit(0.0, start=NOON + 10 * MINUTE, end=NOON + 90 * MINUTE)
    assert [limit.covers(NOON + k * SLOT) for k in range(-1, 4)] == [
        False, True, True, True, False,
    ]  # fmt: skip
    # A minute more touches 13:30 too.
    assert PowerLimit(0.0, start=NOON, end=NOON + 91 * MINUTE).covers(NOON + 3 * SLOT)


def test_a_daily_limit_follows_the_london_clock_in_winter_and_summer() -> None:
    expected = ["16:00", "16:30", "17:00", "17:30", "18:00", "18:30"]
    assert limited_on(PEAK, date(2026, 1, 15)) == expected
    # 16:00 to 19:00 BST is 15:00 to 18:00 UTC.
    summer = ["15:00", "15:30", "16:00", "16:30", "17:00", "17:30"]
    assert limited_on(PEAK, date(2026, 7, 1)) == summer


def test_a_daily_limit_that_is_off_the_half_hour_takes_every_half_hour_it_touches() -> None:
    limit = PowerLimit(5.0, from_time=time(16, 20), to_time=time(17, 1))
    assert limited_on(limit, date(2026, 1, 15)) == ["16:00", "16:30", "17:00"]


@pytest.mark.parametrize(
    ("from_time", "to_time", "day", "expected"),
    [
        # 29 March 2026: 01:00 to 02:00 does not exist; 02:00 BST is 01:00 UTC.
        (time(0, 30), time(2, 30), date(2026, 3, 29), ["00:30", "01:00"]),
        (time(1), time(2), date(2026, 3, 29), []),
        (time(16), time(19), date(2026, 3, 29), ["15:00", "15:30", "16:00", "16:30", "17:00", "17:30"]),
        # 25 October 2026: 01:00 to 02:00 happens twice, 00:00Z–01:00Z in BST and 01:00Z–02:00Z in GMT.
        (time(1), time(2), date(2026, 10, 25), ["00:00", "00:30", "01:00", "01:30"]),
        (time(1, 30), time(2, 30), date(2026, 10, 25), ["00:30", "01:30", "02:00"]),
        (time(16), time(19), date(2026, 10, 25), ["16:00", "16:30", "17:00", "17:30", "18:00", "18:30"]),
    ],
)  # fmt: skip
def test_a_daily_limit_is_right_when_the_clocks_change(
    from_time: time, to_time: time, day: date, expected: list[str]
) -> None:
    assert limited_on(PowerLimit(5.0, from_time=from_time, to_time=to_time), day) == expected


def test_a_limit_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    # Friday 20 November 23:00 to Saturday 01:00, and nothing on Friday morning or on Saturday night.
    limit = PowerLimit(5.0, from_time=time(23), to_time=time(1), days=(Day.FRI,))
    assert limited_on(limit, date(2026, 11, 20)) == ["23:00", "23:30"]
    assert limited_on(limit, date(2026, 11, 21)) == ["00:00", "00:30"]
    assert limited_on(limit, date(2026, 11, 22)) == []


def test_equal_times_mean_the_whole_day() -> None:
    sunday = PowerLimit(5.0, from_time=time(0), to_time=time(0), days=(Day.SUN,))
    assert len(limited_on(sunday, date(2026, 11, 22))) == 48
    assert len(limited_on(sunday, date(2026, 10, 25))) == 50
    assert limited_on(sunday, date(2026, 11, 23)) == []


def test_a_daily_limit_may_begin_and_end_for_good() -> None:
    first, last = datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, 17, tzinfo=UTC)
    limit = PowerLimit(5.0, first, last, time(16), time(19))
    assert limited_on(limit, date(2026, 11, 21)) == []
    assert len(limited_on(limit, date(2026, 11, 22))) == 6
    assert limited_on(limit, date(2026, 11, 23)) == ["16:00", "16:30"]
    assert not limit.is_over(last - MINUTE)
    assert limit.is_over(last)
    assert not PEAK.is_over(last)


def test_the_least_of_several_limits_counts_and_none_raises_the_power() -> None:
    asset = an_asset(
        max_power_kw=100.0,
        base_load_kw=10.0,
        power_limits=(
            PowerLimit(60.0, NOON, NOON + 2 * SLOT),
            PowerLimit(40.0, NOON + SLOT, NOON + 3 * SLOT),
            PowerLimit(500.0, NOON, NOON + 4 * SLOT),
            PowerLimit(5.0, NOON + 4 * SLOT, NOON + 5 * SLOT),
        ),
    )
    assert [asset.power_at(NOON + k * SLOT) for k in range(6)] == [60.0, 40.0, 40.0, 100.0, 5.0, 100.0]  # fmt: skip
    # Less 10 kW of base load, never below nothing.
    assert [asset.room_at(NOON + k * SLOT) for k in range(6)] == [50.0, 30.0, 30.0, 90.0, 0.0, 90.0]
    assert asset.room_kw == 90.0


@pytest.mark.parametrize(
    ("limit", "fields"),
    [
        (PEAK, []),
        (PowerLimit(0.0, NOON, NOON + SLOT), []),
        (PowerLimit(-1.0, NOON, NOON + SLOT), ["max_power_kw"]),
        (PowerLimit(float("nan"), NOON, NOON + SLOT), ["max_power_kw"]),
        (PowerLimit(1.0), ["start", "end"]),
        (PowerLimit(1.0, NOON), ["end"]),
        (PowerLimit(1.0, NOON, NOON), ["end"]),
        (PowerLimit(1.0, from_time=time(16)), ["to_time"]),
        (PowerLimit(1.0, to_time=time(16)), ["from_time"]),
        (PowerLimit(1.0, NOON, NOON + SLOT, days=(Day.MON,)), ["days"]),
        (PowerLimit(1.0, from_time=time(1), to_time=time(2), days=(Day.MON, Day.MON)), ["days"]),
        (PowerLimit(1.0, NOON, NOON + SLOT, reason="x" * (LONGEST_REASON + 1)), ["reason"]),
    ],
)
def test_what_makes_no_sense_is_named_with_a_cure(limit: PowerLimit, fields: list[str]) -> None:
    faults = limit.faults()
    assert [fault.field for fault in faults] == fields
    assert all(fault.allowed and fault.cure for fault in faults)
