"""Geometry of the 48 h chart."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from models.domain.power_limit import PowerLimit
from models.domain.time import SLOT
from services.types import AssetUse
from tests.support.fleet import a_job, an_asset
from tests.unit.web.views.samples import NOW, planned, rows
from web.views.schedule_chart import (
    BAR_HEIGHT,
    LANE_HEIGHT,
    MOST_LANES,
    WIDTH,
    ScheduleChart,
    schedule_chart,
)

GRID = rows([100.0] * 96, [0.2] * 96)


def chart(jobs=(), uses=None) -> ScheduleChart:
    uses = (AssetUse(an_asset(), NOW, (0.0,) * 96, 0),) if uses is None else uses
    return schedule_chart(
        now=NOW + timedelta(minutes=15),
        start=NOW,
        slots=96,
        jobs=jobs,
        uses=uses,
        rows=GRID,
        region="london",
    )


def test_a_bar_lies_where_its_window_does() -> None:
    # 12 h into 48 h is a quarter of the width; 4 h are a twelfth of it.
    view = planned(a_job(minutes=240), NOW + timedelta(hours=12))
    (bar,) = chart((view,)).groups[0].bars
    assert bar.x == pytest.approx(WIDTH / 4)
    assert bar.width == pytest.approx(WIDTH / 48, abs=0.01)
    assert bar.css == "scheduled"
    assert bar.title == "job job-a: planned, tomorrow 00:00 to 01:00, 10 kW"


def test_a_label_too_long_for_its_bar_stands_beside_it() -> None:
    (bar,) = chart((planned(start=NOW + timedelta(hours=3)),)).groups[0].bars
    assert not bar.label_is_inside
    assert (bar.anchor, bar.label_x) == ("start", pytest.approx(bar.x + bar.width + 5, abs=0.02))
    (late,) = chart((planned(start=NOW + timedelta(hours=47)),)).groups[0].bars
    assert (late.anchor, late.label_x) == ("end", pytest.approx(late.x - 5, abs=0.02))


def test_overlapping_bars_and_labels_take_different_lanes() -> None:
    jobs = [planned(a_job(f"job-{k}"), NOW + timedelta(hours=3)) for k in range(3)]
    bars = chart(jobs).groups[0].bars
    tops = sorted(bar.y for bar in bars)
    assert [b - a for a, b in itertools.pairwise(tops)] == [LANE_HEIGHT, LANE_HEIGHT]
    assert BAR_HEIGHT < LANE_HEIGHT


def test_bars_beyond_the_lanes_are_counted_not_hidden() -> None:
    jobs = [planned(a_job(f"job-{k:02}"), NOW + timedelta(hours=3)) for k in range(MOST_LANES + 4)]
    group = chart(jobs).groups[0]
    assert len(group.bars) == MOST_LANES
    assert group.left_out == 4
    assert "4 more jobs in the table" in group.text


def test_power_is_the_sum_of_all_clusters_under_their_limit() -> None:
    uses = (
        AssetUse(an_asset("a"), NOW, (40.0, 0.0) + (0.0,) * 94, 1),
        AssetUse(an_asset("b"), NOW + SLOT, (30.0,) + (0.0,) * 94, 1),
    )
    power = chart((), uses).power
    assert power is not None
    assert power.text == "Power held by jobs · most 40 kW of 200 kW"
    # 200 kW fill the height; 40 kW a fifth of it.
    assert f"L0 {power.y + power.height * 0.8:g}" in power.path


def test_the_present_is_marked_where_it_is() -> None:
    found = chart()
    assert found.now_x == pytest.approx(WIDTH / 192, abs=0.01)  # a quarter hour of 48 h
    assert found.now_text == "now 12:15"


def test_a_cluster_without_work_says_that_it_is_free() -> None:
    assert "free for the whole 48 h" in chart().groups[0].text


def test_the_line_of_power_steps_where_a_cluster_is_limited() -> None:
    # 100 kW of `b` are 20 kW in the second and third half-hour: 200, 120, 120, 200 … kW.
    limit = PowerLimit(20.0, NOW + SLOT, NOW + 3 * SLOT)
    uses = tuple(
        AssetUse(an_asset(name, power_limits=limits), NOW, (0.0,) * 96, 0)
        for name, limits in (("a", ()), ("b", (limit,)))
    )
    power = chart((), uses).power
    assert power is not None
    step = WIDTH / 96
    top, lower = power.y, power.y + power.height * 0.4
    assert power.limit_path == (
        f"M0.00 {top:g}L{step:.2f} {top:g}"
        f"L{step:.2f} {lower:g}L{3 * step:.2f} {lower:g}"
        f"L{3 * step:.2f} {top:g}L{WIDTH:.2f} {top:g}"
    )
    assert power.text == "Power held by jobs · none of 200 kW yet"
