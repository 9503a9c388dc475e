"""Which computed points of carbon against cost are worth taking."""

from __future__ import annotations

import pytest

from services.trade_off import DEFAULT_GBP_PER_TONNE, Point, Sums, as_trade_off


def point(price: float, cost_gbp: float, carbon_kg: float, jobs: int = 3) -> Point:
    return Point(price, Sums(jobs=jobs, cost_gbp=cost_gbp, carbon_kg=carbon_kg))


def test_the_default_preset_is_the_weights_of_the_brief() -> None:
    # 0.6 / 0.3 · (0.20 GBP/kWh) / (0.15 kg/kWh) = 2.6667 GBP/kg.
    assert pytest.approx(2666.667) == DEFAULT_GBP_PER_TONNE


def test_points_are_by_value_and_the_curve_by_cost() -> None:
    found = as_trade_off([point(10_000, 9.0, 1.0), point(0, 5.0, 4.0), point(245, 6.0, 3.0)])
    assert [p.carbon_price_gbp_per_tonne for p in found.points] == [0, 245, 10_000]
    assert [p.totals.cost_gbp for p in found.curve] == [5.0, 6.0, 9.0]


def test_a_point_that_costs_and_emits_more_is_dominated() -> None:
    found = as_trade_off([point(0, 5.0, 4.0), point(245, 6.0, 4.0), point(1000, 7.0, 2.0)])
    assert [p.fault for p in found.points] == ["", "dominated", ""]
    assert [p.carbon_price_gbp_per_tonne for p in found.curve] == [0, 1000]


def test_equal_points_do_not_dominate_each_other() -> None:
    found = as_trade_off([point(0, 5.0, 4.0), point(245, 5.0 + 1e-12, 4.0)])
    assert [p.fault for p in found.points] == ["", ""]


def test_a_point_that_serves_fewer_jobs_is_not_on_the_curve_and_beats_nothing() -> None:
    # Two jobs cost less than three: that is no saving.
    found = as_trade_off(
        [point(0, 1.0, 1.0, jobs=2), point(245, 6.0, 4.0)], unplanned=[10_000, 1_000]
    )
    assert [p.fault for p in found.points] == ["serves fewer jobs", ""]
    assert found.unplanned_gbp_per_tonne == (1_000, 10_000)


def test_nothing_planned_is_an_empty_curve() -> None:
    assert as_trade_off([]).curve == ()
