"""One suite for every carbon and price source: live (over the stand-in), replayed, simulated."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
import responses

from api_clients.carbon_intensity import CarbonIntensityClient
from api_clients.octopus import OctopusAgileClient
from api_clients.replay import ReplayGrid
from api_clients.simulated import SimulatedGrid
from models.domain.errors import SourceUnavailable
from models.domain.ports import CarbonSource, PriceSource, SignalBatch
from models.domain.regions import PRICE_LETTERS, REGIONS, region_of_letter
from models.domain.signal import UNITS, Quality, SignalName, ValueKind
from models.domain.time import SLOT, floor_slot
from scripts.make_replay import write
from tests.standin.bridge import CARBON_URL, OCTOPUS_URL, Bridge, make_http
from tests.support.fakes import FixedClock

NOW = datetime(2023, 3, 20, 17, 5, tzinfo=UTC)
"""Past 16:00 London: tomorrow's prices are out."""

QUALITY = {"live": Quality.LIVE, "replay": Quality.REPLAYED, "simulated": Quality.SIMULATED}


class Source(NamedTuple):
    carbon: CarbonSource
    price: PriceSource


def recorded(folder: Path) -> ReplayGrid:
    """Return a replay of six days of the simulated grid, national and regional."""
    grid = SimulatedGrid(5)
    begin = floor_slot(NOW) - timedelta(days=3)
    rows = []
    for k in range(12):
        issue = begin + k * timedelta(hours=12)
        for series in grid.forecast(issue).series:
            rows.extend(_rows("carbon", series, "gCO2/kWh", "forecast", issue))
    past = grid.history(begin, begin + timedelta(days=6), begin + timedelta(days=6))
    national = next(s for s in past.series if s.region == "gb")
    rows.extend(_rows("carbon", national, "gCO2/kWh", "actual", None))
    end = begin + timedelta(days=6)
    for series in grid.prices(PRICE_LETTERS, begin, end, end).series:
        rows.extend(_rows("price", series, "GBP/kWh", "tariff", None))
    write(rows, folder)
    return ReplayGrid(folder)


def _rows(signal, series, unit, kind, issued_at):
    for value in series.rows():
        yield (
            signal,
            series.region,
            value.start,
            value.start + SLOT,
            value.value,
            unit,
            kind,
            issued_at,
        )


@pytest.fixture(scope="module")
def replay_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replay")
    recorded(folder)
    return folder


@pytest.fixture(params=["live", "replay", "simulated"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Source]:
    if request.param == "replay":
        replay = ReplayGrid(request.getfixturevalue("replay_folder"))
        yield Source(replay, replay)
    elif request.param == "simulated":
        yield Source(SimulatedGrid(), SimulatedGrid())
    else:
        with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
            Bridge(mock, NOW)
            http = make_http(tmp_path, FixedClock(NOW))
            yield Source(
                CarbonIntensityClient(http, CARBON_URL), OctopusAgileClient(http, OCTOPUS_URL)
            )
            http.close()


def demand_sound(batch: SignalBatch, name: SignalName, mode: str) -> None:
    """Hold a batch to what every consumer relies on."""
    assert batch.series
    assert len({s.region for s in batch.series}) == len(batch.series)
    for series in batch.series:
        assert series.name is name
        assert series.region in REGIONS
        assert series.unit == UNITS[name]
        assert floor_slot(series.horizon.start) == series.horizon.start
        assert series.is_known.any()
        np.testing.assert_array_equal(series.is_known, series.provenance_index >= 0)
        assert np.isfinite(series.values[series.is_known]).all()
        for provenance in series.provenances:
            assert provenance.source
            assert provenance.endpoint
            assert len(provenance.sha256) == 64
            assert provenance.quality is QUALITY[mode]
            assert provenance.retrieved_at.tzinfo is not None
            assert provenance.issued_at is None or provenance.issued_at <= NOW
    for mix in batch.mixes:
        total = sum(np.nan_to_num(row) for row in mix.percent_by_fuel.values())
        assert np.all((np.abs(total - 100.0) < 0.7) | (total == 0.0))


def test_a_forecast_covers_all_regions_from_the_current_half_hour(source: Source) -> None:
    batch = source.carbon.forecast(NOW)
    demand_sound(batch, SignalName.CARBON, source.carbon.mode)
    assert {s.region for s in batch.series} == set(REGIONS)
    for series in batch.series:
        assert series.horizon.start == floor_slot(NOW)
        assert 72 <= series.horizon.slots <= 96
        assert {p.kind for p in series.provenances_used()} == {ValueKind.FORECAST}
        assert series.values[series.is_known].min() >= 0.0
        assert series.values[series.is_known].max() <= 900.0


def test_history_is_past_only_and_national_values_are_actuals(source: Source) -> None:
    batch = source.carbon.history(NOW - timedelta(days=1), NOW + timedelta(days=1), NOW)
    demand_sound(batch, SignalName.CARBON, source.carbon.mode)
    for series in batch.series:
        assert series.horizon.start == floor_slot(NOW - timedelta(days=1))
        assert series.horizon.end <= floor_slot(NOW)
        kinds = {p.kind for p in series.provenances_used(range(40))}
        assert kinds == {ValueKind.ACTUAL if series.region == "gb" else ValueKind.FORECAST}


def test_history_that_has_not_happened_is_refused(source: Source) -> None:
    with pytest.raises(SourceUnavailable):
        source.carbon.history(NOW + timedelta(hours=1), NOW + timedelta(hours=2), NOW)


def test_prices_come_for_the_letters_asked_up_to_the_end_of_tomorrows_set(source: Source) -> None:
    batch = source.price.prices("CPJ", NOW - timedelta(days=2), NOW + timedelta(days=2), NOW)
    demand_sound(batch, SignalName.PRICE, source.price.mode)
    assert {s.region for s in batch.series} == {region_of_letter(x).slug for x in "CPJ"}
    for series in batch.series:
        assert series.horizon.start == floor_slot(NOW - timedelta(days=2))
        assert series.known_until() == datetime(2023, 3, 21, 23, tzinfo=UTC)
        assert {p.kind for p in series.provenances} == {ValueKind.TARIFF}
        # GBP/kWh, not pence: nothing on this grid costs a pound.
        assert np.nanmax(np.abs(series.values)) < 1.0


def test_before_16_london_only_todays_prices_are_told(source: Source) -> None:
    early = datetime(2023, 3, 19, 12, tzinfo=UTC)
    if source.price.mode == "live":
        pytest.skip("the live source has only the present; tests/e2e turns its clock")
    batch = source.price.prices("C", early, early + timedelta(days=2), early)
    assert batch.series[0].known_until() == datetime(2023, 3, 19, 23, tzinfo=UTC)


def test_prices_nobody_has_published_are_refused(source: Source) -> None:
    later = NOW + timedelta(days=5)
    with pytest.raises(SourceUnavailable):
        source.price.prices("C", later, later + timedelta(hours=2), NOW)


def test_asked_twice_the_source_says_the_same(source: Source) -> None:
    first, second = source.carbon.forecast(NOW), source.carbon.forecast(NOW)
    assert [s.digest() for s in first.series] == [s.digest() for s in second.series]


def test_the_replay_file_of_this_suite_has_the_documented_columns(tmp_path: Path) -> None:
    recorded(tmp_path)
    table = pa.parquet.read_table(tmp_path / "signals.parquet")
    assert table.column_names == [
        "signal", "region", "start", "end", "value", "unit", "kind", "issued_at",
    ]  # fmt: skip
