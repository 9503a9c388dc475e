"""Series of half-hours with provenance: unknown stays unknown, and labels survive merging."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from models.domain.signal import (
    MixSeries,
    Provenance,
    Quality,
    SignalName,
    SignalSeries,
    ValueKind,
    worst_quality,
)
from models.domain.time import SLOT, Horizon

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAN = float("nan")


def told(kind: ValueKind = ValueKind.FORECAST, quality: Quality = Quality.LIVE) -> Provenance:
    return Provenance("a source", "/x", kind, quality, None, START)


def series(*values: float, start: datetime = START, by: Provenance | None = None) -> SignalSeries:
    horizon = Horizon(start, len(values))
    return SignalSeries.of(SignalName.CARBON, "london", horizon, values, by or told())


def test_a_missing_value_has_no_provenance_and_reads_none() -> None:
    one = series(100.0, NAN)
    assert one.provenance_index.tolist() == [0, -1]
    assert one.at(1).value is None
    assert one.at(1).provenance is None
    assert one.at(0).value == 100.0
    assert one.at(0).unit == "gCO2/kWh"


def test_outside_the_horizon_nothing_is_known() -> None:
    assert series(1.0).at(5).value is None
    assert series(1.0).at(-1).start == START - SLOT


def test_a_wrong_shape_stops_the_program() -> None:
    with pytest.raises(ValueError, match="2 slots"):
        SignalSeries(
            SignalName.PRICE,
            "london",
            Horizon(START, 2),
            np.zeros(3),
            np.zeros(2, dtype=np.int64),
            (),
        )


def test_moving_to_another_horizon_pads_with_unknown() -> None:
    moved = series(10.0, 20.0, 30.0).over(Horizon(START + SLOT, 4))
    assert moved.values[:2].tolist() == [20.0, 30.0]
    assert np.isnan(moved.values[2:]).all()
    assert moved.provenance_index.tolist() == [0, 0, -1, -1]
    earlier = series(10.0, 20.0).over(Horizon(START - SLOT, 2))
    assert np.isnan(earlier.values[0])
    assert earlier.values[1] == 10.0


def test_filling_takes_only_what_is_unknown_and_keeps_each_label() -> None:
    estimate = series(1.0, 2.0, 3.0, by=told(ValueKind.ESTIMATE, Quality.ESTIMATED))
    filled = series(50.0, NAN, NAN).filled_from(estimate)
    assert filled.values.tolist() == [50.0, 2.0, 3.0]
    assert [filled.at(i).provenance.kind for i in range(3)] == [  # type: ignore[union-attr]
        ValueKind.FORECAST,
        ValueKind.ESTIMATE,
        ValueKind.ESTIMATE,
    ]
    assert filled.estimated_share(range(3)) == pytest.approx(2 / 3)
    assert filled.quality_over([0]) is Quality.LIVE
    assert filled.quality_over([0, 1]) is Quality.ESTIMATED
    assert filled.known_until() == START + SLOT


def test_filling_keeps_quantiles_where_they_are_known() -> None:
    base = series(50.0, NAN)
    with_quantiles = SignalSeries(
        base.name, base.region, base.horizon, np.array([60.0, 70.0]), np.zeros(2, dtype=np.int64),
        (told(),), p5=np.array([1.0, 2.0]), p95=np.array([9.0, 8.0]),
    )  # fmt: skip
    filled = base.filled_from(with_quantiles)
    assert filled.at(0).p5 is None
    assert filled.at(1).p5 == 2.0
    assert filled.at(1).p95 == 8.0


def test_filling_shifts_the_other_series_to_its_own_horizon() -> None:
    other = series(7.0, 8.0, start=START + SLOT)
    assert series(NAN, NAN, NAN).filled_from(other).values[1:].tolist() == [7.0, 8.0]


def test_a_stretch_with_an_unknown_slot_has_no_quality() -> None:
    assert series(1.0, NAN).quality_over([0, 1]) is Quality.NONE
    assert series(1.0).quality_over([0, 1]) is Quality.NONE


def test_the_worst_quality_wins_and_nothing_has_quality_none() -> None:
    assert worst_quality([Quality.LIVE, Quality.STALE, Quality.CACHED]) is Quality.STALE
    assert worst_quality([Quality.ESTIMATED, Quality.SIMULATED]) is Quality.SIMULATED
    assert worst_quality([]) is Quality.NONE


def test_relabelling_touches_every_provenance() -> None:
    assert series(1.0, 2.0).with_quality(Quality.CACHED).quality_over([0, 1]) is Quality.CACHED


def test_provenances_used_are_listed_once_in_order_of_use() -> None:
    estimate = told(ValueKind.ESTIMATE, Quality.ESTIMATED)
    filled = series(NAN, 5.0, 6.0).filled_from(series(1.0, 1.0, 1.0, by=estimate))
    assert filled.provenances_used() == (estimate, told())
    assert filled.provenances_used([1, 2]) == (told(),)


def test_the_digest_changes_with_a_value_and_not_with_its_label() -> None:
    assert series(1.0, 2.0).digest() != series(1.0, 2.5).digest()
    assert series(1.0).digest() == series(1.0, by=told(quality=Quality.STALE)).digest()


def test_renewables_are_wind_sun_and_water_without_biomass() -> None:
    horizon = Horizon(START, 1)
    percent = {"wind": 30.0, "solar": 5.0, "hydro": 2.0, "biomass": 10.0, "gas": 53.0}
    mix = MixSeries("gb", horizon, {k: np.array([v]) for k, v in percent.items()}, told())
    assert mix.renewable_percent(START + timedelta(minutes=29)) == pytest.approx(37.0)
    assert mix.renewable_percent(START + SLOT) is None
