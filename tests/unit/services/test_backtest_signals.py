"""What a recorded grid tells at an instant: never anything from later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from models.domain.time import SLOT, Horizon, agile_published_at
from services.backtest_signals import RecordedGrid
from services.backtest_types import Forecast
from tests.support.recorded import ScriptedRecording, cheap_nights, clean_nights

START = datetime(2026, 2, 2, tzinfo=UTC)
NOON = START + timedelta(days=3, hours=12)
WHOLE = Horizon(START, 7 * 48)
AHEAD = Horizon(NOON - 4 * SLOT, 100)
"""Four half-hours of the past, the present one and 95 more."""


def grid(recording: ScriptedRecording) -> RecordedGrid:
    return RecordedGrid(recording, recording, ["london"], WHOLE)


def another_future(script, since: datetime):
    """Return a script that is the same before an instant and quite different from it on."""
    return lambda at: script(at) if at < since else 7.0 * script(at) + 1.0


@pytest.mark.parametrize("forecast", [Forecast.COMPUTED, Forecast.AS_ISSUED])
def test_what_is_shown_does_not_depend_on_what_comes_later(forecast: Forecast) -> None:
    known = ScriptedRecording(clean_nights, cheap_nights, foretold=clean_nights)
    # Prices are published at 16:00 for the day from 23:00: at noon those up to 23:00 today are known.
    priced_until = NOON.replace(hour=23)
    assert agile_published_at(priced_until) > NOON
    changed = ScriptedRecording(
        another_future(clean_nights, NOON),
        another_future(cheap_nights, priced_until),
        foretold=clean_nights,
    )
    shown = grid(known).view(NOON, AHEAD, forecast)["london"]
    again = grid(changed).view(NOON, AHEAD, forecast)["london"]
    assert np.array_equal(shown.carbon.values, again.carbon.values, equal_nan=True)
    assert np.array_equal(shown.price.values, again.price.values, equal_nan=True)


def test_perfect_knowledge_does_depend_on_it() -> None:
    known = ScriptedRecording(clean_nights, cheap_nights)
    changed = ScriptedRecording(another_future(clean_nights, NOON), cheap_nights)
    shown = grid(known).view(NOON, AHEAD, Forecast.PERFECT)["london"]
    again = grid(changed).view(NOON, AHEAD, Forecast.PERFECT)["london"]
    assert not np.array_equal(shown.carbon.values, again.carbon.values)


def test_computed_is_the_mean_of_the_same_half_hour_so_far() -> None:
    # Alternate days of 100 and 200 g: every half-hour's mean over 28 whole days is 150 g.
    recording = ScriptedRecording(lambda at: 100.0 if at.toordinal() % 2 else 200.0, cheap_nights)
    shown = grid(recording).view(NOON, AHEAD, Forecast.COMPUTED)["london"].carbon
    assert shown.values[4:] == pytest.approx(np.full(96, 150.0))
    today = 100.0 if NOON.toordinal() % 2 else 200.0
    assert shown.values[:4].tolist() == [today] * 4
    assert shown.estimated_share(range(4, 100)) == 1.0


def test_an_issued_forecast_is_shown_and_estimates_reach_beyond_it() -> None:
    recording = ScriptedRecording(clean_nights, cheap_nights, foretold=lambda _at: 77.0)
    horizon = Horizon(NOON, 120)
    shown = grid(recording).view(NOON, horizon, Forecast.AS_ISSUED)["london"].carbon
    assert shown.values[:96].tolist() == [77.0] * 96
    assert shown.estimated_share(range(96)) == 0.0
    assert shown.estimated_share(range(96, 120)) == 1.0


def test_a_kept_forecast_counts_only_where_leaks_are_asked_for() -> None:
    recording = ScriptedRecording(
        clean_nights, cheap_nights, foretold=lambda _at: 77.0, is_issued=False
    )
    seen = grid(recording)
    honest = seen.view(NOON, AHEAD, Forecast.AS_ISSUED)["london"].carbon
    leaking = seen.view(NOON, AHEAD, Forecast.LAST_KEPT)["london"].carbon
    assert 77.0 not in honest.values
    assert leaking.values[4:].tolist() == [77.0] * 96


def test_prices_beyond_the_published_ones_are_estimates() -> None:
    shown = grid(ScriptedRecording(clean_nights, cheap_nights)).view(NOON, AHEAD, Forecast.COMPUTED)
    price = shown["london"].price
    until = AHEAD.index_of(NOON.replace(hour=23))
    assert price.estimated_share(range(until)) == 0.0
    assert price.estimated_share(range(until, 100)) == 1.0


def test_a_region_that_was_not_recorded_is_unknown() -> None:
    seen = RecordedGrid(
        ScriptedRecording(clean_nights, cheap_nights), None, ["london", "yorkshire"], WHOLE
    )
    truth = seen.truth(WHOLE)
    assert not truth["yorkshire"].carbon.is_known.any()
    assert not truth["london"].price.is_known.any()
    assert truth["london"].carbon.is_known.all()
