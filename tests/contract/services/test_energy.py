"""Half-hours as people read them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from models.domain.errors import InvalidRequest
from models.domain.signal import Quality, SignalName, ValueKind
from services import energy
from tests.support.fleet import NOON
from tests.support.world import World, with_settings


def test_a_forecast_starts_with_the_current_half_hour_and_rounds_up(world: World) -> None:
    world.clock.instant = NOON + timedelta(minutes=20)
    rows = energy.forecast(world.context, "london", 1.2)
    assert [row.start for row in rows] == [NOON + k * timedelta(minutes=30) for k in range(3)]
    assert rows[0].end == rows[1].start
    assert rows[0].carbon.value == 100.0
    assert rows[0].price.value == pytest.approx(0.20)


def test_prices_carry_the_vat_of_the_customer_and_the_day(world: World) -> None:
    business = energy.current(world.context, "london")
    assert (business.vat_percent, business.price_inc_vat) == (20.0, pytest.approx(0.24))
    # Domestic supply carries no VAT from October 2026 to March 2027.
    domestic = with_settings(world.context, customer_class="domestic")
    row = energy.current(domestic, "london")
    assert (row.vat_percent, row.price_inc_vat) == (0.0, pytest.approx(0.20))


def test_domestic_vat_is_five_percent_in_the_summer_before(
    make_world: Callable[..., World],
) -> None:
    world = make_world(now=datetime(2026, 7, 1, 12, tzinfo=UTC))
    row = energy.current(with_settings(world.context, customer_class="domestic"), "london")
    assert (row.vat_percent, row.price_inc_vat) == (pytest.approx(5.0), pytest.approx(0.21))


@pytest.mark.parametrize("hours", [0.0, 0.4, 336.5, float("nan")])
def test_hours_out_of_range_are_refused_with_the_range(world: World, hours: float) -> None:
    with pytest.raises(InvalidRequest, match=r"0\.5 to 336 hours") as caught:
        energy.forecast(world.context, "london", hours)
    assert caught.value.fields[0].field == "hours"


def test_history_is_what_was_published(world: World) -> None:
    rows = energy.history(world.context, "london", NOON - timedelta(hours=3), NOON)
    assert len(rows) == 6
    assert all(row.carbon.value == 100.0 for row in rows)
    assert all(
        row.price.provenance and row.price.provenance.kind is ValueKind.TARIFF for row in rows
    )


def test_history_that_is_empty_or_too_long_is_refused(world: World) -> None:
    for end in (NOON, NOON + timedelta(days=32)):
        with pytest.raises(InvalidRequest, match="by at most 31 days"):
            energy.history(world.context, "london", NOON, end)


def test_all_regions_are_shown_and_unknown_ones_say_so(world: World) -> None:
    found = energy.regions_now(world.context)
    assert len(found) == 18
    assert [r.region for r in found][:2] == ["north_scotland", "south_scotland"]
    by_slug = {r.region: r for r in found}
    # 100 g/kWh in 2026 is moderate: 90 to 169.
    assert (by_slug["london"].band, by_slug["london"].band_word) == (2, "moderate")
    assert (by_slug["east_england"].band, by_slug["east_england"].band_word) == (None, "unknown")


def test_an_unknown_region_is_refused(world: World) -> None:
    with pytest.raises(InvalidRequest, match="'paris' is not a region"):
        energy.current(world.context, "paris")


def test_beyond_what_is_published_rows_are_estimates_and_labelled(world: World) -> None:
    last = energy.forecast(world.context, "london", 72)[-1]
    for value in (last.carbon, last.price):
        assert value.provenance is not None
        assert value.provenance.quality is Quality.ESTIMATED
    assert last.price.value == pytest.approx(0.20)


def test_error_statistics_exist_only_where_actuals_do(world: World) -> None:
    assert "regions have no metered actuals" in str(
        energy.forecast_error(world.context, "london", SignalName.CARBON)["reason"]
    )
    assert "published tariffs" in str(
        energy.forecast_error(world.context, "gb", SignalName.PRICE)["reason"]
    )
    told = energy.forecast_error(world.context, "gb", SignalName.CARBON)
    assert told == {"reason": "needs 14 days of archived forecasts", "days": 0}
