"""Error statistics of archived forecasts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.domain.signal import SignalName, SignalSeries, ValueKind
from models.domain.time import Horizon
from services.forecast_error import summarise
from tests.support.fake_signals import origin, series_of

FIRST = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = Horizon(FIRST, 20 * 48)


def actuals(value: float, kind: ValueKind = ValueKind.ACTUAL) -> SignalSeries:
    made = origin(DAYS.end, kind)
    return series_of(SignalName.CARBON, "gb", FIRST, [value] * DAYS.slots, made)


def issue(day: int, values: list[float]) -> SignalSeries:
    """Return a forecast made at midnight of a day for the half-hours from then on."""
    start = FIRST + timedelta(days=day)
    return series_of(SignalName.CARBON, "gb", start, values, origin(start))


def test_error_and_bias_by_lead_time_are_forecast_minus_actual() -> None:
    # Each issue: +10 in its first six hours, −20 in the next six.
    issues = [issue(day, [110.0] * 12 + [80.0] * 12) for day in range(15)]
    told = summarise(actuals(100.0), issues, DAYS)
    assert told["days"] == 14
    first, second = told["by_lead"]
    assert (first["lead_hours"], first["n"], first["mae"], first["bias"]) == (
        "0–6", 180, pytest.approx(10.0), pytest.approx(10.0),
    )  # fmt: skip
    assert (second["mae"], second["bias"]) == (pytest.approx(20.0), pytest.approx(-20.0))


def test_less_than_two_weeks_is_no_statistic() -> None:
    told = summarise(actuals(100.0), [issue(day, [110.0]) for day in range(14)], DAYS)
    assert told == {"reason": "needs 14 days of archived forecasts", "days": 13}
    assert summarise(actuals(100.0), [], DAYS)["days"] == 0


def test_half_hours_without_an_actual_do_not_count() -> None:
    issues = [issue(day, [110.0] * 12) for day in range(15)]
    told = summarise(actuals(100.0, ValueKind.FORECAST), issues, DAYS)
    assert told["by_lead"] == []


def test_archived_actuals_are_not_taken_for_forecasts() -> None:
    told = summarise(actuals(100.0), [actuals(100.0)], DAYS)
    assert "reason" in told


def test_half_hours_outside_the_stretch_do_not_count() -> None:
    late = [issue(day, [110.0] * 96) for day in range(5, 20)]
    told = summarise(actuals(100.0), late, DAYS)
    # Days 5 to 18 have 96 half-hours inside but day 18 has 96 and day 19 only 48: 14 · 96 + 48.
    assert sum(row["n"] for row in told["by_lead"]) == 14 * 96 + 48
