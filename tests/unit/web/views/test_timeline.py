"""The axis charts share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from web.views.timeline import TimeAxis

SATURDAY = datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_instants_are_placed_in_proportion_and_clipped() -> None:
    axis = TimeAxis(SATURDAY, 96, 960.0)  # 48 h on 960 px: 20 px an hour
    assert axis.x(SATURDAY + timedelta(hours=3)) == 60.0
    assert axis.x(SATURDAY - timedelta(hours=1)) == 0.0
    assert axis.x(SATURDAY + timedelta(days=9)) == 960.0
    assert axis.slot_width == 10.0


def test_hours_are_marked_by_the_london_clock() -> None:
    axis = TimeAxis(SATURDAY, 24, 240.0)  # 10:00 to 22:00, 20 px an hour
    assert [(t.x, t.text) for t in axis.ticks()] == [
        (40.0, "12"),
        (100.0, "15"),
        (160.0, "18"),
    ]  # 21:00 lies at 220 px, too near the edge for its label


def test_days_begin_at_london_midnight() -> None:
    axis = TimeAxis(SATURDAY, 96, 960.0)
    days = axis.days()
    assert [(d.x, d.is_boundary) for d in days] == [(0.0, False), (280.0, True), (760.0, True)]
    assert [d.text for d in days] == [
        "Saturday 21 November",
        "Sunday 22 November",
        "Monday 23 November",
    ]


@pytest.mark.parametrize(
    ("start", "hours_to_midnight"),
    [
        (datetime(2026, 3, 28, 12, tzinfo=UTC), 12),  # the night the clocks go forward
        (datetime(2026, 10, 24, 11, tzinfo=UTC), 12),  # 12:00 BST; London midnight is 23:00Z
    ],
)
def test_boundaries_hold_across_clock_changes(start: datetime, hours_to_midnight: int) -> None:
    days = TimeAxis(start, 96, 960.0).days()
    assert days[1].x == hours_to_midnight * 20.0
    # The day of the change has 23 h in spring and 25 h in autumn.
    length = {3: 23, 10: 25}[start.month]
    assert days[2].x == pytest.approx((hours_to_midnight + length) * 20.0)
