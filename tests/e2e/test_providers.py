"""The signals end to end: real clients against the stand-in, through start, faults and a day without answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import wiring
from config import Settings
from models.domain.signal import Quality, ValueKind
from models.domain.time import Horizon, floor_slot
from services.facade import Services
from tests.standin.fixtures import simulated_standin
from tests.standin.server import StandIn
from tests.support.fakes import FixedClock

__all__ = ["simulated_standin"]

pytestmark = pytest.mark.e2e


@pytest.fixture
def start(
    simulated_standin: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., tuple[Services, FixedClock]]]:
    """Return a function that builds the application against the stand-in, on a clock both share."""
    clock = FixedClock(simulated_standin.now())
    monkeypatch.setattr(wiring, "_clock", lambda _settings, _database: clock)
    opened: list[wiring.Wired] = []

    def build(mode: str = "auto") -> tuple[Services, FixedClock]:
        made = wiring.wire(
            Settings.from_env(
                {
                    "HALFHOUR_DATA_DIR": str(tmp_path / "data"),
                    "HALFHOUR_LOGS_DIR": str(tmp_path / "logs"),
                    "HALFHOUR_GRID_SOURCE": mode,
                    "HALFHOUR_CARBON_INTENSITY_URL": simulated_standin.carbon_url,
                    "HALFHOUR_OCTOPUS_URL": simulated_standin.octopus_url,
                    "HALFHOUR_HTTP_RETRIES": "0",
                    "HALFHOUR_BREAKER_FAILURES": "100",
                }
            )
        )
        opened.append(made)
        return made.services, clock

    yield build
    for made in opened:
        made.close()


def move(standin: StandIn, clock: FixedClock, **delta: float) -> None:
    clock.instant += timedelta(**delta)
    standin.set_now(clock.instant)


def test_two_rounds_fetch_everything_and_later_ones_little(
    start: Callable[..., tuple[Services, FixedClock]], simulated_standin: StandIn
) -> None:
    services, _ = start()
    signals = services.context.signals
    report = signals.refresh()
    assert report.failures == ()
    assert signals.mode == "live"
    for _ in range(3):
        assert signals.refresh().failures == ()
    before = sum(simulated_standin.request_counts.values())
    signals.refresh()
    assert sum(simulated_standin.request_counts.values()) == before
    for row in services.regions_now():
        assert row.row.carbon.value is not None, row.region
        assert row.row.price.value is not None, row.region
    line = services.data_line()
    assert (line.quality, line.banner) == (Quality.LIVE, None)


def test_estimates_beyond_tomorrow_are_the_mean_of_what_was_fetched(
    start: Callable[..., tuple[Services, FixedClock]],
) -> None:
    services, clock = start()
    signals = services.context.signals
    signals.refresh()
    here = floor_slot(clock.now())
    view = signals.view(["london"], Horizon(here, 192))["london"]
    index = 150
    made = view.price.at(index)
    assert made.provenance is not None
    assert made.provenance.kind is ValueKind.ESTIMATE
    # The same by hand: prices of the last 28 days at the same UTC half-hour (no clock change since) and day type.
    past = signals.view(["london"], Horizon(here - timedelta(days=28), 28 * 48))["london"].price
    start_of = view.horizon.start_of(index)
    alike = [
        float(past.values[k])
        for k in range(past.horizon.slots)
        if past.horizon.start_of(k).time() == start_of.time()
        and (past.horizon.start_of(k).weekday() < 5) == (start_of.weekday() < 5)
    ]
    assert len(alike) in {8, 20}
    assert made.value == pytest.approx(sum(alike) / len(alike))


@pytest.mark.parametrize(
    ("carbon", "octopus"),
    [("carbon_500", "octopus_500"), ("carbon_empty_object", "octopus_empty"),
     ("carbon_html", "octopus_html")],
)  # fmt: skip
def test_providers_down_at_start_mean_simulation_under_a_banner_until_they_answer(
    start: Callable[..., tuple[Services, FixedClock]],
    simulated_standin: StandIn,
    carbon: str,
    octopus: str,
) -> None:
    simulated_standin.set_fault(carbon)
    simulated_standin.set_fault(octopus)
    services, clock = start()
    services.context.signals.refresh()
    line = services.data_line()
    assert line.is_simulated
    assert "no data provider has answered yet" in (line.banner or "")
    simulated_standin.clear_faults()
    move(simulated_standin, clock, minutes=2)
    report = services.context.signals.refresh()
    assert report.mode_changed
    assert services.data_line().quality is Quality.LIVE


def test_a_day_without_carbon_is_labelled_by_its_age(
    start: Callable[..., tuple[Services, FixedClock]], simulated_standin: StandIn
) -> None:
    services, clock = start()
    services.context.signals.refresh()
    simulated_standin.set_fault("carbon_500")
    seen = []
    for hours in (1, 3, 20, 25):
        move(simulated_standin, clock, hours=hours)
        services.context.signals.refresh()
        row = services.energy_current("london")
        assert row.carbon.provenance is not None
        seen.append(row.carbon.provenance.quality)
        assert row.price.provenance is not None
        assert row.price.provenance.kind is ValueKind.TARIFF
    # 1, 4, 24 and 49 hours after the last answer.
    assert seen == [Quality.CACHED, Quality.STALE, Quality.STALE, Quality.ESTIMATED]
    line = services.data_line()
    assert line.text.startswith("Carbon: fetched Mon 10:00, 2 days old")
    assert (line.banner or "").startswith("The last carbon forecast is 2 days old and over")
    simulated_standin.clear_faults()
    move(simulated_standin, clock, hours=1)
    services.context.signals.refresh()
    assert services.data_line().quality is Quality.LIVE


def test_tomorrows_prices_are_found_when_they_are_published_late(
    start: Callable[..., tuple[Services, FixedClock]], simulated_standin: StandIn
) -> None:
    simulated_standin.set_fault("octopus_late", 18)
    services, clock = start()
    services.context.signals.refresh()
    known = services.data_line().prices_known_until
    found = None
    for _ in range(60):  # from 10:00 to 20:00
        move(simulated_standin, clock, minutes=10)
        services.context.signals.refresh()
        if services.data_line().prices_known_until != known:
            found = clock.now()
            break
    assert found is not None
    assert (found.hour, found.minute) in {(18, 0), (18, 10)}
