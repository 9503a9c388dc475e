"""The line and the banner that say how fresh the signals are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.domain.signal import Provenance, Quality, RegionSignals, SignalName, ValueKind
from services.data_line import age_text, describe
from services.types import DataLine
from tests.support.fake_signals import origin, series_of

NOW = datetime(2026, 11, 25, 15, 42, tzinfo=UTC)  # a Wednesday in winter
HERE = datetime(2026, 11, 25, 15, 30, tzinfo=UTC)


def line(
    carbon: Provenance,
    price: Provenance | None = None,
    *,
    mode: str = "live",
    is_auto: bool = False,
    now: datetime = NOW,
    slots: int = 15,
) -> DataLine:
    tariff = price or origin(now, ValueKind.TARIFF)
    grams = series_of(SignalName.CARBON, "london", HERE, [100.0] * 96, carbon)
    pounds = series_of(SignalName.PRICE, "london", HERE, [0.2] * slots, tariff)
    view = RegionSignals("london", grams.horizon, grams, pounds.over(grams.horizon))
    return describe(view, grams, mode=mode, is_auto=is_auto, now=now, sources=())


def test_the_sentence_of_a_source_that_states_its_issue_time() -> None:
    # 15 half-hours from 15:30 end at 23:00.
    made = origin(NOW, issued_at=HERE)
    assert line(made).text == "Carbon: issued 15:30, 12 min old · Prices known to Wed 23:00 · Live"


def test_without_an_issue_time_it_says_fetched() -> None:
    made = line(origin(NOW - timedelta(minutes=10)))
    assert made.text.startswith("Carbon: fetched 15:32, 10 min old · ")
    assert made.carbon_issued_at == made.carbon_retrieved_at == NOW - timedelta(minutes=10)
    assert made.banner is None


def test_times_are_those_of_london() -> None:
    summer = datetime(2026, 7, 1, 14, 42, tzinfo=UTC)
    made = line(origin(summer, issued_at=summer - timedelta(minutes=12)), now=summer)
    assert made.text.startswith("Carbon: issued 15:30, 12 min old")


def test_yesterdays_forecast_carries_its_day_and_a_banner() -> None:
    made = line(origin(NOW - timedelta(hours=20), quality=Quality.STALE))
    assert made.text.startswith("Carbon: fetched Tue 19:42, 20 h old")
    assert made.text.endswith("Stale")
    assert made.banner is not None
    assert made.banner.startswith("The carbon forecast is 20 h old: its provider has not answered")


def test_the_worst_of_the_two_present_qualities_is_shown() -> None:
    made = line(origin(NOW), origin(NOW, ValueKind.TARIFF, quality=Quality.CACHED))
    assert (made.quality, made.text.rsplit(" · ", 1)[1]) == (Quality.CACHED, "Cached")


def test_a_replay_names_its_clock_and_its_leaks() -> None:
    leaky = origin(NOW, quality=Quality.REPLAYED, note="optimistic, leaks")
    banner = line(leaky, mode="replay").banner or ""
    assert banner.startswith("Replayed data: the clock reads Wed 25 Nov 2026 15:42.")
    assert banner.endswith("optimistic, leaks.")
    honest = line(origin(NOW, quality=Quality.REPLAYED), mode="replay").banner or ""
    assert "leaks" not in honest


def test_simulation_as_set_and_as_a_stopgap_read_differently() -> None:
    made = origin(NOW, quality=Quality.SIMULATED)
    as_set = line(made, mode="simulated").banner or ""
    stopgap = line(made, mode="simulated", is_auto=True).banner or ""
    assert "as set" in as_set
    assert "void once live data arrive" in stopgap


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=59), "0 min"),
        (timedelta(minutes=119), "119 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=47, minutes=59), "47 h"),
        (timedelta(hours=50), "2 days"),
    ],
)
def test_ages_are_read_in_the_unit_that_fits(age: timedelta, text: str) -> None:
    assert age_text(age) == text


def test_once_no_forecast_reaches_the_present_the_estimate_is_named() -> None:
    own = origin(NOW, ValueKind.ESTIMATE, quality=Quality.ESTIMATED, source="own estimate")
    view = RegionSignals(
        "london",
        series_of(SignalName.CARBON, "london", HERE, [100.0], own).horizon,
        series_of(SignalName.CARBON, "london", HERE, [100.0], own),
        series_of(SignalName.PRICE, "london", HERE, [0.2], own),
    )
    before = HERE - timedelta(days=2)
    archived = series_of(
        SignalName.CARBON, "london", before, [90.0] * 8, origin(NOW - timedelta(hours=50))
    )
    made = describe(view, archived, mode="live", is_auto=False, now=NOW, sources=())
    assert (
        made.text == "Carbon: fetched Mon 13:42, 2 days old · Prices: own estimate · Own estimate"
    )
    assert made.banner == (
        "The last carbon forecast is 2 days old and over: carbon is our own estimate until its provider answers. "
        "No published price is known from now on: prices are our own estimate until their provider answers."
    )
