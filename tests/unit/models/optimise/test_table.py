"""Window sums, room and the priced table, with sums worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.domain.time import Horizon
from models.optimise.table import fits, price_table, window_sums
from tests.support.fleet import NOON, an_asset
from tests.support.planning import a_table, some_signals


def test_a_window_sum_weighs_each_half_hour_with_its_energy() -> None:
    # 2 kWh then 1 kWh: 2·10 + 1·20 = 40; 2·20 + 1·30 = 70; 2·30 + 1·5 = 65.
    sums = window_sums(np.array([10.0, 20.0, 30.0, 5.0]), np.array([2.0, 1.0]))
    assert sums == pytest.approx([40.0, 70.0, 65.0])


def test_a_window_that_touches_an_unknown_half_hour_is_unknown() -> None:
    sums = window_sums(np.array([1.0, np.nan, 1.0, 1.0]), np.array([1.0, 1.0]))
    assert np.isnan(sums).tolist() == [True, True, False]


def test_a_run_as_long_as_the_series_has_one_window() -> None:
    assert window_sums(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == pytest.approx([11.0])


def test_a_run_fits_where_no_half_hour_of_it_is_too_full() -> None:
    room = np.array([5.0, 9.0, 10.0, 10.0, 4.0])
    assert fits(room, np.array([10.0, 10.0])).tolist() == [False, False, True, False]
    assert fits(room, np.array([9.0])).tolist() == [False, True, True, True, False]


def test_a_run_of_uneven_power_fits_half_hour_by_half_hour() -> None:
    room = np.array([5.0, 9.0, 10.0, 10.0, 4.0])
    # 9 kW then 4 kW: begins where 9 kW are free and 4 kW half an hour later.
    assert fits(room, np.array([9.0, 4.0])).tolist() == [False, True, True, True]


def test_rounding_never_closes_a_window_that_fits_exactly() -> None:
    room = np.array([0.1 + 0.2, 0.3])
    assert fits(room, np.array([0.3, 0.3])).tolist() == [True]
    assert fits(room, np.array([0.3 + 1e-5, 0.3 + 1e-5])).tolist() == [False]


def test_even_and_uneven_power_agree_with_a_plain_loop() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        room = rng.integers(0, 20, size=12).astype(float)
        power = rng.integers(1, 18, size=rng.integers(1, 5)).astype(float)
        if rng.random() < 0.5:
            power[:] = power[0]
        plain = [
            all(room[start + n] >= power[n] for n in range(power.size))
            for start in range(room.size - power.size + 1)
        ]
        assert fits(room, power).tolist() == plain


def test_the_table_is_sorted_by_asset_and_speaks_kilograms() -> None:
    assets = (an_asset("b", "south_wales"), an_asset("a", "london"))
    table = a_table(
        {"london": [0.1, 0.2], "south_wales": [0.3, 0.4]},
        {"london": [100.0, 50.0], "south_wales": [10.0, 20.0]},
        assets,
    )
    assert [asset.asset_id for asset in table.assets] == ["a", "b"]
    assert table.index == {"a": 0, "b": 1}
    assert table.price_gbp_per_kwh.tolist() == [[0.1, 0.2], [0.3, 0.4]]
    assert table.carbon_kg_per_kwh == pytest.approx(np.array([[0.1, 0.05], [0.01, 0.02]]))


def test_room_is_the_limit_less_base_load_less_held_work_and_never_negative() -> None:
    # 100 kW − 30 kW base load = 70 kW; 20 kW held leave 50 kW, 90 kW held leave nothing.
    table = a_table(
        [0.1] * 3,
        [100.0] * 3,
        [an_asset(base_load_kw=30.0)],
        held_kw={"cluster-a": [0.0, 20.0, 90.0]},
    )
    assert table.limit_kw.tolist() == [[70.0, 70.0, 70.0]]
    assert table.room_kw.tolist() == [[70.0, 50.0, 0.0]]


def test_vat_multiplies_prices_half_hour_by_half_hour() -> None:
    assets = (an_asset(),)
    signals = some_signals([0.1, 0.1], [100.0, 100.0], assets)
    table = price_table(assets, signals, Horizon(NOON, 2), 0, {}, np.array([1.2, 1.0]))
    assert table.price_gbp_per_kwh[0] == pytest.approx([0.12, 0.1])


def test_half_hours_outside_the_signals_are_unknown() -> None:
    assets = (an_asset(),)
    signals = some_signals([0.1, 0.2], [100.0, 100.0], assets)
    table = price_table(assets, signals, Horizon(NOON, 3), 0, {})
    assert np.isnan(table.price_gbp_per_kwh[0]).tolist() == [False, False, True]
