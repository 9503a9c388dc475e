"""The real clients over real sockets against the stand-in: a day in the life, and every fault it can show."""

# ruff: noqa: F811  pytest finds the imported fixtures by the names of arguments
from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import requests

from api_clients.carbon_intensity import CarbonIntensityClient
from api_clients.http import HttpClient, Limits
from api_clients.octopus import OctopusAgileClient
from models.domain.errors import (
    SourceMalformed,
    SourceRejected,
    SourceTimeout,
    SourceUnavailable,
)
from models.domain.regions import PRICE_LETTERS, REGIONS
from models.domain.signal import Quality
from models.domain.time import SLOT
from tests.standin.fixtures import simulated_standin, standin  # noqa: F401
from tests.standin.server import StandIn

pytestmark = pytest.mark.e2e


class Follows:
    """A clock that reads the stand-in's."""

    is_shifted = True

    def __init__(self, of: StandIn) -> None:
        self._of = of

    def now(self) -> datetime:
        return self._of.now()


class World:
    """The clients and the stand-in they talk to."""

    def __init__(self, of: StandIn, folder: Path, limits: Limits, read_timeout: float) -> None:
        self.standin = of
        self.http = HttpClient(
            folder, Follows(of), "Halfhour/test (+tests)", 2.0, read_timeout, limits=limits,
            uniform=lambda low, high: 0.0,
        )  # fmt: skip
        self.carbon = CarbonIntensityClient(self.http, of.carbon_url)
        self.octopus = OctopusAgileClient(self.http, of.octopus_url)

    def forecast(self):
        return self.carbon.forecast(self.standin.now())

    def prices(self, letters="C", days_back=1):
        now = self.standin.now()
        return self.octopus.prices(
            letters, now - timedelta(days=days_back), now + timedelta(days=2), now
        )


@pytest.fixture
def world(simulated_standin: StandIn, tmp_path: Path) -> Iterator[World]:
    made = World(simulated_standin, tmp_path, Limits(max_retries=1, failures_to_open=50), 5.0)
    yield made
    made.http.close()


def of(batch, region):
    (found,) = [s for s in batch.series if s.region == region]
    return found


def test_all_regions_and_all_letters_come_through(world) -> None:
    batch = world.forecast()
    assert {s.region for s in batch.series} == set(REGIONS)
    assert all(s.horizon.slots == 96 for s in batch.series)
    prices = world.prices(PRICE_LETTERS, days_back=28)
    assert len(prices.series) == 14
    # From 2023-02-20 10:00 to 23:00 on 20 March: 28.54 days of half-hours.
    assert {s.is_known.sum() for s in prices.series} == {28 * 48 + 26}
    assert (
        world.standin.requests_under("/octopus/v1/products/AGILE-FLEX-22-11-25/electricity-tariffs")
        == 14
    )
    assert (batch.warnings, prices.warnings) == ((), ())


def test_over_recorded_data_the_clients_tell_what_was_recorded(standin, tmp_path) -> None:
    world = World(standin, tmp_path, Limits(), 10.0)
    batch, history = (
        world.forecast(),
        world.carbon.history(standin.now() - timedelta(days=2), standin.now(), standin.now()),
    )
    for series in (of(batch, "gb"), of(batch, "london")):
        for value in series.rows():
            told = (
                standin.world.forecast(value.start, standin.now())
                if series.region == "gb"
                else standin.world.regional(value.start, standin.now())["london"]
            )
            assert value.value == pytest.approx(told, abs=0.5)
    past = of(history, "gb")
    # The newest half-hour ended this instant: its actual is not out.
    assert past.values[:-1] == pytest.approx(
        [standin.world.actual(t) for t in past.horizon.starts()[:-1]], abs=0.5
    )
    price = of(world.prices("J"), "south_east_england")
    assert price.values == pytest.approx(
        [standin.world.price("J", t) / 100 for t in price.horizon.starts()], abs=1e-9
    )
    world.http.close()


def test_a_day_passes_new_forecasts_come_and_tomorrows_prices_appear(world) -> None:
    first = world.forecast()
    assert of(world.prices(), "london").known_until() == datetime(2023, 3, 20, 23, tzinfo=UTC)
    world.standin.set_now(datetime(2023, 3, 20, 10, 32, tzinfo=UTC))
    second = world.forecast()
    assert of(second, "gb").horizon.start == of(first, "gb").horizon.start + SLOT
    moved = of(second, "gb").values[:-1] - of(first, "gb").values[1:]
    assert np.abs(moved).max() > 0.0
    world.standin.set_now(datetime(2023, 3, 20, 16, 2, tzinfo=UTC))
    assert of(world.prices(), "london").known_until() == datetime(2023, 3, 21, 23, tzinfo=UTC)


def test_late_prices_are_waited_for(world) -> None:
    world.standin.set_fault("octopus_late")
    world.standin.set_now(datetime(2023, 3, 20, 17, 0, tzinfo=UTC))
    late = world.prices()
    assert of(late, "london").known_until() == datetime(2023, 3, 20, 23, tzinfo=UTC)
    assert any("prices due are not there" in w for w in late.warnings)
    world.standin.set_now(datetime(2023, 3, 20, 20, 5, tzinfo=UTC))
    assert of(world.prices(), "london").known_until() == datetime(2023, 3, 21, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "hours"),
    [(datetime(2023, 3, 25, 17, tzinfo=UTC), 23), (datetime(2023, 10, 28, 17, tzinfo=UTC), 25)],
)
def test_over_both_clock_changes_the_price_day_is_whole(world, day, hours) -> None:
    world.standin.set_now(day)
    series = of(world.prices(), "london")
    begin = day.replace(hour=23) if hours == 23 else day.replace(hour=22)
    assert series.known_until() == begin + timedelta(hours=hours)
    assert series.is_known.all()


@pytest.mark.parametrize(
    ("fault", "value", "expected"),
    [
        ("carbon_500", True, SourceUnavailable),
        ("carbon_429", 3600, SourceRejected),
        ("carbon_empty_object", True, SourceMalformed),
        ("carbon_empty_data", True, SourceMalformed),
        ("carbon_html", True, SourceMalformed),
    ],
)
def test_with_the_carbon_service_broken_the_error_says_how_and_the_next_try_recovers(
    world, fault, value, expected
) -> None:
    world.standin.set_fault(fault, value)
    with pytest.raises(expected) as caught:
        world.forecast()
    assert caught.value.source == "NESO Carbon Intensity API"
    if fault == "carbon_429":
        assert caught.value.retry_after_seconds == 3600
    world.standin.clear_faults()
    assert len(world.forecast().series) == 18


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("octopus_500", SourceUnavailable),
        ("octopus_empty", SourceMalformed),
        ("octopus_html", SourceMalformed),
        ("octopus_foreign_next", SourceMalformed),
    ],
)
def test_with_the_tariff_service_broken_the_error_says_how_and_the_next_try_recovers(
    world, fault, expected
) -> None:
    world.standin.set_fault(fault)
    with pytest.raises(expected) as caught:
        world.prices("CJ")
    assert caught.value.source == "Octopus Agile"
    world.standin.clear_faults()
    assert len(world.prices("CJ").series) == 2


def test_absurd_values_are_gaps_and_never_reach_the_plan(world) -> None:
    world.standin.set_fault("carbon_2856")
    batch = world.forecast()
    # The regional path fills the gap in the nation.
    assert of(batch, "gb").at(0).provenance.endpoint == "/regional/intensity/{from}/fw48h"
    assert of(batch, "gb").values.max() <= 600.0
    assert batch.dropped_rows == 1
    world.standin.set_fault("octopus_absurd")
    prices = world.prices()
    assert prices.dropped_rows == 1
    assert np.nanmax(prices.series[0].values) < 1.0


def test_duplicates_nulls_missing_regions_and_short_horizons_are_borne(world) -> None:
    for name, value in (
        ("carbon_duplicates", True),
        ("carbon_null_forecast", True),
        ("carbon_missing_regions", ["London", "Wales"]),
        ("carbon_truncated", True),
    ):
        world.standin.set_fault(name, value)
    batch = world.forecast()
    gb = of(batch, "gb")
    assert gb.horizon.slots == 28
    assert gb.values.max() < 599.0
    assert {s.region for s in batch.series} == set(REGIONS) - {"london", "wales"}
    said = " | ".join(batch.warnings)
    assert "sent twice" in said
    assert "no forecast for london, wales" in said
    assert "28 of 96" in said


def test_half_of_a_service_is_better_than_none(world) -> None:
    world.standin.set_fault("regional_500")
    national = world.forecast()
    assert [s.region for s in national.series] == ["gb"]
    assert [m.region for m in national.mixes] == ["gb"]
    world.standin.clear_faults()
    world.standin.set_now(world.standin.now() + SLOT)
    world.standin.set_fault("national_500")
    assert len(world.forecast().series) == 18
    world.standin.set_fault("octopus_failing_letters", "AB")
    prices = world.prices("ABC")
    assert [s.region for s in prices.series] == ["london"]


def test_a_partial_price_day_is_used_as_far_as_it_goes(world) -> None:
    world.standin.set_now(datetime(2023, 3, 20, 17, tzinfo=UTC))
    world.standin.set_fault("octopus_partial_day", 20)
    batch = world.prices()
    assert of(batch, "london").known_until() == datetime(2023, 3, 21, 9, tzinfo=UTC)
    assert any("28 of 108 prices due are not there" in w for w in batch.warnings)


def test_a_slow_service_times_out_and_the_circuit_spares_the_next_caller(
    simulated_standin,
    tmp_path,
) -> None:
    world = World(simulated_standin, tmp_path, Limits(max_retries=0, failures_to_open=2), 0.2)
    simulated_standin.set_fault("carbon_slow", 3.0)
    with pytest.raises(SourceTimeout):
        world.forecast()
    sent = simulated_standin.requests_under("/carbon")
    with pytest.raises(SourceRejected) as caught:
        world.forecast()
    assert simulated_standin.requests_under("/carbon") == sent
    assert 0 < caught.value.retry_after_seconds <= 60
    # The tariff service on the same host has a circuit of its own.
    assert world.prices().series
    world.http.close()


def test_an_answer_is_kept_through_an_outage_while_it_is_fresh(world) -> None:
    world.forecast()
    world.standin.set_fault("carbon_500")
    kept = of(world.forecast(), "gb").provenances[0]
    assert (kept.quality, kept.retrieved_at) == (Quality.CACHED, world.standin.now())
    world.standin.set_now(world.standin.now() + timedelta(minutes=31))
    with pytest.raises(SourceUnavailable):
        world.forecast()


def test_a_server_that_is_not_there_is_unavailable(tmp_path) -> None:
    gone = StandIn(which="simulated")
    world = World(gone, tmp_path, Limits(max_retries=1), 1.0)
    gone.close()
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        world.forecast()
    world.http.close()


def test_the_control_endpoint_works_from_outside(simulated_standin) -> None:
    url = f"{simulated_standin.url}/_control"
    shown = requests.post(url, json={"now": "2023-03-21T12:00:00Z"}, timeout=5).json()
    assert shown["now"] == "2023-03-21T12:00:00Z"
    assert simulated_standin.now() == datetime(2023, 3, 21, 12, tzinfo=UTC)
