"""Labels by age, and prices of aggregates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from models.domain.signal import Quality, SignalName, SignalSeries, ValueKind
from models.domain.time import Horizon
from services.signal_labels import AgeLimits, aged, aggregate_price, joined, only_from
from tests.support.fake_signals import origin, series_of

NOW = datetime(2026, 11, 21, 12, 10, tzinfo=UTC)
HERE = datetime(2026, 11, 21, 12, tzinfo=UTC)
LIMITS = AgeLimits()


def forecast(age: timedelta, start: datetime = HERE) -> SignalSeries:
    return series_of(SignalName.CARBON, "london", start, [100.0, 110.0], origin(NOW - age))


@pytest.mark.parametrize(
    ("age", "quality"),
    [
        (timedelta(minutes=0), Quality.LIVE),
        (timedelta(minutes=35), Quality.LIVE),
        (timedelta(minutes=36), Quality.CACHED),
        (timedelta(hours=3), Quality.CACHED),
        (timedelta(hours=4), Quality.STALE),
        (timedelta(hours=48), Quality.STALE),
    ],
)
def test_a_carbon_forecast_ages_from_live_to_stale(age: timedelta, quality: Quality) -> None:
    labelled = aged(forecast(age), NOW, LIMITS)
    assert labelled.quality_over([0, 1]) is quality
    assert labelled.values.tolist() == [100.0, 110.0]


def test_a_forecast_older_than_two_days_is_dropped() -> None:
    labelled = aged(forecast(timedelta(hours=48, minutes=1)), NOW, LIMITS)
    assert not labelled.is_known.any()


def test_a_tariff_is_exact_and_never_stale() -> None:
    def tariff(age: timedelta) -> SignalSeries:
        made = origin(NOW - age, ValueKind.TARIFF)
        return series_of(SignalName.PRICE, "london", HERE, [0.2], made)

    assert aged(tariff(timedelta(hours=6)), NOW, LIMITS).quality_over([0]) is Quality.LIVE
    assert aged(tariff(timedelta(days=9)), NOW, LIMITS).quality_over([0]) is Quality.CACHED


def test_a_past_half_hour_keeps_the_label_its_last_forecast_had_at_its_end() -> None:
    # Fetched 14 h before now, for 10:00–10:30 and 10:30–11:00 today: at their ends it was 12 h old and a bit.
    made = forecast(timedelta(hours=14), HERE - timedelta(hours=2))
    assert aged(made, NOW, LIMITS).quality_over([0, 1]) is Quality.STALE


def test_a_past_value_fetched_after_its_end_is_the_published_one() -> None:
    past = forecast(timedelta(hours=1), HERE - timedelta(hours=4))
    assert aged(past, NOW, LIMITS).quality_over([0]) is Quality.LIVE
    old = forecast(timedelta(days=5), HERE - timedelta(days=6))
    assert aged(old, NOW, LIMITS).quality_over([0]) is Quality.CACHED


def test_slots_of_one_fetch_may_get_different_labels() -> None:
    # 20 min before the end of the first half-hour, 50 min before that of the second, seen the day after.
    made = series_of(
        SignalName.CARBON,
        "london",
        HERE - timedelta(days=1),
        [1.0, 2.0],
        origin(HERE - timedelta(days=1) + timedelta(minutes=10)),
    )
    labelled = aged(made, NOW, LIMITS)
    assert [labelled.quality_over([i]) for i in (0, 1)] == [Quality.LIVE, Quality.CACHED]


def prices(slug: str, values: list[float], made_at: datetime = NOW) -> SignalSeries:
    return series_of(SignalName.PRICE, slug, HERE, values, origin(made_at, ValueKind.TARIFF))


def test_the_price_of_an_aggregate_is_the_mean_where_all_letters_are_known() -> None:
    # (0.10 + 0.30) / 2 = 0.20; the second half-hour lacks one letter.
    older = NOW - timedelta(hours=8)
    mean = aggregate_price(
        "england", [prices("london", [0.10, 0.20]), prices("yorkshire", [0.30, np.nan], older)]
    )
    assert mean.values[0] == pytest.approx(0.20)
    assert mean.is_known.tolist() == [True, False]
    made = mean.at(0).provenance
    assert made is not None
    assert made.note == "mean of 2 price regions"
    assert made.retrieved_at == older


def test_the_price_of_one_letter_is_passed_on() -> None:
    alone = aggregate_price("scotland", [prices("south_scotland", [0.10])])
    assert (alone.region, alone.values.tolist()) == ("scotland", [0.10])


def test_only_half_hours_that_have_not_ended_are_filled() -> None:
    made = series_of(
        SignalName.CARBON, "london", HERE - timedelta(minutes=30), [1.0, 2.0, 3.0], origin(NOW)
    )
    assert only_from(made, NOW).is_known.tolist() == [False, True, True]
    assert only_from(made, HERE + timedelta(days=1)).is_known.tolist() == [False] * 3
    assert only_from(made, HERE - timedelta(days=1)).is_known.all()


def test_parts_that_touch_are_joined() -> None:
    first = prices("london", [0.1, 0.2])
    second = series_of(
        SignalName.PRICE,
        "london",
        HERE + timedelta(hours=1),
        [0.3, 0.4],
        origin(NOW, ValueKind.TARIFF),
    )
    whole = joined([first, second], Horizon(HERE + timedelta(minutes=30), 2))
    assert whole.values.tolist() == [0.2, 0.3]
