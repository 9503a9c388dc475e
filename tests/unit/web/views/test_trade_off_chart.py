"""The picture of carbon against cost."""

from __future__ import annotations

import pytest

from services.trade_off import Point, Sums, TradeOff, as_trade_off
from web.views.trade_off_chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, trade_off_chart


def found(*values: tuple[float, float, float], current: float = 245.0) -> TradeOff:
    """Return points of (GBP/t, GBP, kg)."""
    return as_trade_off(
        [
            Point(price, Sums(jobs=2, cost_gbp=cost, carbon_kg=kg), is_current=price == current)
            for price, cost, kg in values
        ]
    )


def test_cheaper_is_left_and_cleaner_is_down() -> None:
    chart = trade_off_chart(found((0, 10.0, 30.0), (245, 20.0, 10.0)))
    assert chart is not None
    cheap, clean = chart.marks
    # The range is padded by 12 % on both sides: 1.2 of 12.4 pounds from the left edge.
    plot = WIDTH - RIGHT - LEFT
    assert cheap.x == pytest.approx(LEFT + plot * 1.2 / 12.4, abs=0.01)
    assert clean.x == pytest.approx(LEFT + plot * 11.2 / 12.4, abs=0.01)
    tall = HEIGHT - BOTTOM - TOP
    assert cheap.y == pytest.approx(TOP + tall * 2.4 / 24.8, abs=0.01)
    assert clean.y > cheap.y
    assert chart.path == f"M{cheap.x} {cheap.y}L{clean.x} {clean.y}"


def test_the_current_value_is_marked_and_a_dominated_point_is_off_the_curve() -> None:
    chart = trade_off_chart(found((0, 10.0, 30.0), (245, 20.0, 10.0), (1000, 21.0, 29.0)))
    assert chart is not None
    assert [mark.css for mark in chart.marks] == ["", "running", "completed"]
    assert "current" in chart.marks[1].label
    assert chart.path.count("L") == 1


def test_values_that_give_the_same_share_one_mark() -> None:
    chart = trade_off_chart(found((0, 10.0, 30.0), (245, 10.0, 30.0), (1000, 20.0, 10.0)))
    assert chart is not None
    assert [mark.label for mark in chart.marks] == ["£0/t and £245/t (current)", "£1,000/t"]


def test_one_point_alone_is_drawn_without_a_curve() -> None:
    chart = trade_off_chart(found((245, 10.0, 30.0)))
    assert chart is not None
    assert chart.path == ""
    assert len(chart.marks) == 1
    assert chart.across


def test_lines_are_round_and_inside_the_plot() -> None:
    chart = trade_off_chart(found((0, 10.0, 30.0), (245, 20.0, 10.0)))
    assert chart is not None
    # 12.4 pounds over about 4 lines: steps of 5 pounds, at 10, 15 and 20.
    assert [level.text for level in chart.across] == ["£10.00", "£15.00", "£20.00"]
    assert all(LEFT <= level.place <= WIDTH - RIGHT for level in chart.across)
    assert all(TOP <= level.place <= HEIGHT - BOTTOM for level in chart.up)


def test_negative_costs_are_drawn_too() -> None:
    chart = trade_off_chart(found((0, -4.0, 3.0), (245, -1.0, 2.0)))
    assert chart is not None
    assert chart.marks[0].x < chart.marks[1].x


def test_nothing_served_is_no_picture() -> None:
    assert trade_off_chart(as_trade_off([Point(0.0, Sums())])) is None
    assert trade_off_chart(as_trade_off([])) is None


def test_labels_take_as_many_decimals_as_tell_them_apart() -> None:
    chart = trade_off_chart(found((0, 331.9, 30.0), (245, 332.3, 10.0)))
    assert chart is not None
    # 0.5 pounds over about 4 lines: steps of 10p, from 331.9.
    labels = [level.text for level in chart.across]
    assert len(set(labels)) == len(labels)
    assert "£332.0" in labels
