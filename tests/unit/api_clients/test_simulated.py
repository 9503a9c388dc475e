"""The simulated grid: deterministic, plausible, and honest about being made up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow.parquet
import pytest

from api_clients.simulated import AGILE, AGILE_CAP_P_PER_KWH, PEAK_SHIFT_FROM, SimulatedGrid
from api_clients.simulated_grid import DEMAND_SHARE, simulate
from api_clients.simulated_noise import normal, smooth, uniform
from models.domain.errors import SourceUnavailable
from models.domain.regions import DNO_REGIONS, PRICE_LETTERS, REGIONS
from models.domain.signal import Quality, SignalSeries, ValueKind
from models.domain.time import SLOT, at_london, half_hour_of_day
from tests.support.shared import shared_path

NOW = datetime(2026, 11, 21, 10, 5, tzinfo=UTC)
YEAR = (
    np.arange(48 * 365, dtype=np.int64) + int(datetime(2023, 1, 1, tzinfo=UTC).timestamp()) // 1800
)


def of(batch, region: str) -> SignalSeries:
    (found,) = [s for s in batch.series if s.region == region]
    return found


def test_the_same_seed_and_instant_give_the_same_answer_and_another_seed_another() -> None:
    one, two = SimulatedGrid(3).forecast(NOW), SimulatedGrid(3).forecast(NOW)
    assert [s.digest() for s in one.series] == [s.digest() for s in two.series]
    assert of(SimulatedGrid(4).forecast(NOW), "gb").digest() != of(one, "gb").digest()


def test_a_half_hour_does_not_depend_on_what_else_is_asked() -> None:
    whole = simulate(1, YEAR[:200])
    part = simulate(1, YEAR[150:151])
    assert part.national_g_per_kwh[0] == pytest.approx(whole.national_g_per_kwh[150], rel=1e-12)
    assert part.wholesale_p_per_kwh[0] == pytest.approx(whole.wholesale_p_per_kwh[150], rel=1e-12)


def test_a_forecast_has_all_regions_over_48_hours_from_the_current_half_hour() -> None:
    batch = SimulatedGrid().forecast(NOW)
    assert [s.region for s in batch.series] == list(REGIONS)
    assert [m.region for m in batch.mixes] == list(REGIONS)
    assert {(s.horizon.start, s.horizon.slots) for s in batch.series} == {
        (datetime(2026, 11, 21, 10, tzinfo=UTC), 96)
    }
    assert all(s.is_known.all() for s in batch.series)


def test_new_issues_move_the_forecast_and_errors_grow_with_lead() -> None:
    grid = SimulatedGrid()
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    errors = np.zeros((60, 96))
    for k in range(60):
        now = begin + k * timedelta(hours=31)
        forecast = of(grid.forecast(now), "gb").values
        truth = of(grid.history(now, now + 96 * SLOT, now + 97 * SLOT), "gb").values
        errors[k] = np.abs(forecast - truth)
    near, far = errors[:, :6].mean(), errors[:, 48:].mean()
    assert 4.0 < near < 18.0
    assert 20.0 < far < 40.0
    one, two = (of(grid.forecast(NOW + k * SLOT), "gb").values for k in (0, 1))
    moved = np.abs(one[1:] - two[:-1])
    assert 1.0 < moved.mean() < 15.0


def test_history_tells_national_actuals_and_regional_forecasts_up_to_the_last_whole_half_hour() -> (
    None
):
    batch = SimulatedGrid().history(NOW - timedelta(hours=3), NOW + timedelta(hours=3), NOW)
    kinds = {s.region: s.provenances[0].kind for s in batch.series}
    assert kinds.pop("gb") is ValueKind.ACTUAL
    assert set(kinds.values()) == {ValueKind.FORECAST}
    assert of(batch, "gb").horizon.end == datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_history_of_the_future_is_refused() -> None:
    with pytest.raises(SourceUnavailable):
        SimulatedGrid().history(NOW, NOW + timedelta(hours=1), NOW)


def test_everything_says_that_it_is_simulated() -> None:
    grid = SimulatedGrid()
    prices = grid.prices(PRICE_LETTERS, NOW, NOW + timedelta(hours=4), NOW)
    for series in (*grid.forecast(NOW).series, *prices.series):
        for provenance in series.provenances:
            assert (provenance.quality, provenance.source) == (Quality.SIMULATED, "simulated grid")
            assert provenance.retrieved_at == NOW


@pytest.mark.parametrize(
    "day", [date(2026, 11, 21), date(2026, 3, 28), date(2026, 10, 24), date(2026, 7, 1)]
)
def test_tomorrows_prices_appear_at_16_london(day: date) -> None:
    grid, sixteen = SimulatedGrid(), at_london(day, 16)
    far = sixteen + timedelta(days=3)
    before = grid.prices("C", sixteen, far, sixteen - timedelta(seconds=1)).series[0]
    after = grid.prices("C", sixteen, far, sixteen).series[0]
    assert before.horizon.end == at_london(day, 23)
    assert after.horizon.end == at_london(day + timedelta(days=1), 23)
    np.testing.assert_array_equal(after.values[: before.horizon.slots], before.values)


def test_prices_not_yet_published_are_refused() -> None:
    later = NOW + timedelta(days=3)
    with pytest.raises(SourceUnavailable, match="published no price"):
        SimulatedGrid().prices("C", later, later + timedelta(hours=1), NOW)


def test_letters_differ_by_multiplier_and_peak_adder_only() -> None:
    start = datetime(2025, 11, 20, tzinfo=UTC)
    batch = SimulatedGrid().prices(
        "CJ", start, start + timedelta(days=1), start + timedelta(days=2)
    )
    london, south_east = of(batch, "london"), of(batch, "south_east_england")
    for k, when in enumerate(london.horizon.starts()):
        # C has D 2.00 and P 12, J has D 2.20 and P 12; neither reaches the cap on this day.
        peak = 0.12 if 32 <= half_hour_of_day(when) < 38 else 0.0
        assert south_east.values[k] - peak == pytest.approx(
            (london.values[k] - peak) * 1.1, abs=3e-5
        )


def test_the_peak_adder_falls_by_three_and_a_half_pence_from_april_2026() -> None:
    assert datetime(2026, 3, 31, 23, tzinfo=UTC) == PEAK_SHIFT_FROM
    grid = SimulatedGrid()
    adders = []
    for day in (date(2026, 3, 31), date(2026, 4, 1)):
        # A multiplier of 2.00 against 2.40 leaves the adders of C and P (both 12 p) as 6·C − 5·P.
        peak = at_london(day, 17)
        batch = grid.prices("CP", peak, peak + SLOT, peak)
        adders.append(6 * of(batch, "london").values[0] - 5 * of(batch, "north_scotland").values[0])
    assert adders == pytest.approx([0.12, 0.085], abs=2e-4)


def test_no_price_is_above_the_cap() -> None:
    start = datetime(2023, 1, 1, tzinfo=UTC)
    batch = SimulatedGrid().prices(
        "P", start, start + timedelta(days=120), start + timedelta(days=130)
    )
    assert batch.series[0].values.max() <= AGILE_CAP_P_PER_KWH / 100.0


def test_every_letter_has_coefficients() -> None:
    assert set(AGILE) == set(PRICE_LETTERS)


def test_mixes_add_up_and_the_regions_add_up_to_the_nation() -> None:
    state = simulate(1, YEAR[: 48 * 28])
    assert state.national_mix.sum(axis=1) == pytest.approx(1.0)
    assert state.regional_mix.sum(axis=2) == pytest.approx(1.0)
    assert state.regional_mix.min() >= 0.0
    weighted = (DEMAND_SHARE[:, None] * state.regional_g_per_kwh).sum(axis=0)
    # Exports leave with the pool and not with the mean of the nation, so this holds to a few grams only.
    assert np.abs(weighted - state.national_g_per_kwh).max() < 12.0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_national_carbon_of_a_year_is_of_the_right_kind(seed: int) -> None:
    carbon = simulate(seed, YEAR).national_g_per_kwh
    by_day = carbon.reshape(-1, 48)
    assert 110.0 <= carbon.mean() <= 160.0
    assert carbon.min() >= 20.0
    assert carbon.max() <= 360.0
    # Evenings are dirtier than small hours; days differ more than hours do, because weather lasts.
    mean_day = by_day.mean(axis=0)
    assert mean_day[36:42].mean() > mean_day[4:10].mean() + 25.0
    assert by_day.mean(axis=1).std() > by_day.std(axis=1).mean()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_regions_lie_where_they_do_on_the_real_grid(seed: int) -> None:
    means = simulate(seed, YEAR).regional_g_per_kwh.mean(axis=1)
    by_slug = {r.slug: float(m) for r, m in zip(DNO_REGIONS, means, strict=True)}
    assert by_slug["north_scotland"] < 70.0
    assert by_slug["south_scotland"] < 70.0
    assert max(by_slug, key=by_slug.__getitem__) == "south_wales"


def test_statistics_lie_near_the_recorded_ones_of_2023() -> None:
    table = pyarrow.parquet.read_table(
        shared_path("data/carbon/gb_national_ci_forecast_actual_2023.parquet")
    )
    recorded = np.array([v for v in table["actual_gco2_kwh"].to_pylist() if v], dtype=np.float64)
    made = simulate(1, YEAR[: recorded.size]).national_g_per_kwh
    assert made.mean() == pytest.approx(recorded.mean(), abs=25.0)
    assert made.std() == pytest.approx(recorded.std(), abs=15.0)
    for percent in (5, 50, 95):
        assert np.percentile(made, percent) == pytest.approx(
            np.percentile(recorded, percent), abs=30.0
        )

    def correlation(values: np.ndarray, lag: int) -> float:
        return float(np.corrcoef(values[:-lag], values[lag:])[0, 1])

    # After 1, 6, 24 and 48 hours.
    for lag in (2, 12, 48, 96):
        assert correlation(made, lag) == pytest.approx(correlation(recorded, lag), abs=0.2)


def test_prices_lie_near_the_recorded_ones_of_region_j() -> None:
    table = pyarrow.parquet.read_table(
        shared_path("data/price/octopus_agile_import_region_J_2020_2024.parquet")
    )
    rows = zip(table["ts_utc"].to_pylist(), table["price_p_kwh_inc_vat"].to_pylist(), strict=True)
    recorded = np.array([p / 1.05 for t, p in rows if t.year == 2023])
    start = datetime(2023, 1, 1, tzinfo=UTC)
    batch = SimulatedGrid().prices(
        "J", start, start + timedelta(days=365), start + timedelta(days=400)
    )
    made = 100.0 * batch.series[0].values
    # 2023 was dearer than the years the simulation stands for: means within 6 p, the middle 90 % mostly 3 to 45 p.
    assert made.mean() == pytest.approx(recorded.mean(), abs=6.0)
    assert np.percentile(made, 5) > 0.0
    assert np.percentile(made, 95) < 45.0
    assert 0.01 <= (made < 0).mean() <= 0.05
    peak = np.array([32 <= half_hour_of_day(t) < 38 for t in batch.series[0].horizon.starts()])
    assert made[peak].mean() > made[~peak].mean() + 10.0


def test_noise_has_no_mean_unit_variance_and_no_memory_beyond_its_period() -> None:
    points = np.arange(200_000, dtype=np.int64)
    flat = uniform(1, 5, points)
    assert (flat.min() > 0.0, flat.max() < 1.0) == (True, True)
    assert flat.mean() == pytest.approx(0.5, abs=0.005)
    bell = normal(1, 5, points)
    assert (bell.mean(), bell.std()) == pytest.approx((0.0, 1.0), abs=0.02)
    waves = smooth(1, 5, points, 20.0)
    assert waves.std() == pytest.approx(1.0, abs=0.03)
    assert abs(np.corrcoef(waves[:-60], waves[60:])[0, 1]) < 0.03
    assert abs(np.corrcoef(waves, smooth(1, 6, points, 20.0))[0, 1]) < 0.03
    assert np.abs(np.diff(waves)).max() < 1.0
