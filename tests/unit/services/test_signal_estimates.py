"""Own estimates: which mean, of how many, and said so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from models.domain.signal import Quality, SignalName, SignalSeries, ValueKind
from models.domain.time import Horizon
from services.signal_estimates import carbon_estimates, london_pattern, price_estimates

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PAST = Horizon(NOW - timedelta(days=28), 28 * 48)
AHEAD = Horizon(NOW, 96)


def unknown(name: SignalName, horizon: Horizon) -> SignalSeries:
    return SignalSeries.empty(name, "london", horizon)


def with_values(name: SignalName, horizon: Horizon, known: dict[datetime, float]) -> SignalSeries:
    values = np.full(horizon.slots, np.nan)
    for start, value in known.items():
        values[horizon.index_of(start)] = value
    index = np.where(np.isnan(values), -1, 0).astype(np.int64)
    from tests.support.fake_signals import origin

    return SignalSeries(name, "london", horizon, values, index, (origin(NOW, ValueKind.TARIFF),))


def monday(hour: int, week: int) -> datetime:
    """Return an hour of the Monday `week` weeks before 2026-11-23."""
    return datetime(2026, 11, 23, hour, tzinfo=UTC) - timedelta(weeks=week)


def test_a_price_is_the_mean_of_the_same_half_hour_and_day_type() -> None:
    # Three Mondays at 09:00: 0.10, 0.20, 0.60 → 0.30; the Sunday value 9.0 is another day type.
    known = {monday(9, 1): 0.10, monday(9, 2): 0.20, monday(9, 3): 0.60}
    known[datetime(2026, 11, 15, 9, tzinfo=UTC)] = 9.0
    past = with_values(SignalName.PRICE, PAST, known)
    wanted = Horizon(monday(9, 0), 1)
    made = price_estimates(past, unknown(SignalName.PRICE, AHEAD), wanted, NOW)
    assert made.values == pytest.approx([0.30])
    value = made.at(0)
    assert value.provenance is not None
    assert (value.provenance.kind, value.provenance.quality) == (
        ValueKind.ESTIMATE,
        Quality.ESTIMATED,
    )
    assert value.provenance.note.endswith("day type over the last 28 days, n = 3")
    assert value.provenance.source == "own estimate"


def test_fewer_than_three_of_the_day_type_count_any_day_and_say_so() -> None:
    # Two Mondays and one Sunday: (0.10 + 0.20 + 0.90) / 3 = 0.40.
    known = {monday(9, 1): 0.10, monday(9, 2): 0.20, datetime(2026, 11, 15, 9, tzinfo=UTC): 0.90}
    past = with_values(SignalName.PRICE, PAST, known)
    made = price_estimates(past, unknown(SignalName.PRICE, AHEAD), Horizon(monday(9, 0), 1), NOW)
    assert made.values == pytest.approx([0.40])
    assert "any day type (fewer than 3 of the same), n = 3" in made.provenances[0].note


def test_without_the_half_hour_the_mean_of_all_known_prices_stands_in() -> None:
    past = with_values(SignalName.PRICE, PAST, {monday(9, 1): 0.10})
    ahead = with_values(SignalName.PRICE, AHEAD, {NOW: 0.30})
    made = price_estimates(past, ahead, Horizon(monday(11, 0), 1), NOW)
    assert made.values == pytest.approx([0.20])
    assert "none being of the same half-hour, n = 2" in made.provenances[0].note


def test_nothing_known_gives_nothing() -> None:
    made = price_estimates(
        unknown(SignalName.PRICE, PAST), unknown(SignalName.PRICE, AHEAD), AHEAD, NOW
    )
    assert not made.is_known.any()
    assert made.provenances_used() == ()
    carbon = carbon_estimates(
        unknown(SignalName.CARBON, PAST), unknown(SignalName.CARBON, AHEAD), AHEAD, NOW
    )
    assert not carbon.is_known.any()


def test_carbon_is_the_mean_of_the_half_hour_over_past_and_forecast() -> None:
    # 09:00 on two past days 100 and 200, and 300 in the forecast → 200, n = 3.
    past = with_values(SignalName.CARBON, PAST, {monday(9, 1): 100.0, monday(9, 2): 200.0})
    ahead = with_values(SignalName.CARBON, AHEAD, {datetime(2026, 11, 22, 9, tzinfo=UTC): 300.0})
    made = carbon_estimates(past, ahead, Horizon(datetime(2026, 11, 24, 9, tzinfo=UTC), 2), NOW)
    # 09:30 has no sample of its own: the mean of everything, (100 + 200 + 300) / 3.
    assert made.values == pytest.approx([200.0, 200.0])
    assert made.at(0).provenance != made.at(1).provenance
    assert [p.note.rsplit(", ", 1)[1] for p in made.provenances] == ["n = 3", "n = 3"]
    assert "none of the same London half-hour" in made.provenances[1].note


def test_estimates_from_simulated_values_stay_simulated() -> None:
    past = with_values(SignalName.PRICE, PAST, {monday(9, 1): 0.10})
    made = price_estimates(past, unknown(SignalName.PRICE, AHEAD), AHEAD, NOW, Quality.SIMULATED)
    assert {p.quality for p in made.provenances} == {Quality.SIMULATED}
    assert {p.kind for p in made.provenances} == {ValueKind.ESTIMATE}


def test_half_hours_are_those_of_london_on_both_clock_change_days() -> None:
    # Spring: 00:30 UTC is 00:30 GMT, 01:00 UTC is 02:00 BST. Autumn: 00:00 and 01:00 UTC are both 01:00 London.
    spring, _ = london_pattern(Horizon(datetime(2026, 3, 29, 0, 30, tzinfo=UTC), 2))
    assert spring.tolist() == [1, 4]
    autumn, working = london_pattern(Horizon(datetime(2026, 10, 25, 0, tzinfo=UTC), 3))
    assert autumn.tolist() == [2, 3, 2]
    assert not working.any()
