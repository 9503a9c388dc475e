"""What the stand-in tells: recorded data where they are, else the truth of the simulated grid.

Recorded: national carbon and Agile prices of region J from the shared data. Everything else follows from them by the
rules written here, which are made up: regions are the national value plus `OFFSET_G_PER_KWH` and a ripple, mixes follow
from the carbon value, and prices of other letters use the tariff's formula on the wholesale price behind region J.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from api_clients.simulated import AGILE, SimulatedGrid
from models.domain.ports import SignalBatch
from models.domain.regions import PRICE_LETTERS, REGIONS
from models.domain.time import SLOT, floor_slot, half_hour_of_day
from tests.support.shared import REPOSITORY

OFFSET_G_PER_KWH = {
    "north_scotland": -95, "south_scotland": -105, "north_west_england": -50, "north_east_england": -45,
    "yorkshire": 10, "north_wales_and_merseyside": 25, "south_wales": 80, "west_midlands": 0,
    "east_midlands": 55, "east_england": -15, "south_west_england": 5, "south_england": 15, "london": 10,
    "south_east_england": -5, "england": 5, "scotland": -100, "wales": 60, "gb": 0,
}  # fmt: skip
"""What a region differs from the nation by. [gCO2/kWh]"""

RIPPLE_G_PER_KWH = 12.0
"""Half the height of the daily ripple that gives each region a shape of its own. [gCO2/kWh]"""

RECORDED_FROM = datetime(2023, 1, 2, tzinfo=UTC)
RECORDED_UNTIL = datetime(2023, 9, 28, tzinfo=UTC)
"""While the clock lies between, carbon and prices are both recorded, 48 h ahead included."""


class World(Protocol):
    """Truth and forecasts, by half-hour."""

    name: str

    def forecast(self, start: datetime, issued: datetime) -> float | None:
        """Return the national forecast of a half-hour as known at an instant. [gCO2/kWh]"""

    def actual(self, start: datetime) -> float | None:
        """Return the national outturn, None where it was never given. [gCO2/kWh]"""

    def regional(self, start: datetime, issued: datetime) -> Mapping[str, float] | None:
        """Return the forecast of all 18 regions by slug. [gCO2/kWh]"""

    def mix(self, slug: str, start: datetime, carbon_g_per_kwh: float) -> Mapping[str, float]:
        """Return the generation mix of a region. [%]"""

    def price(self, letter: str, start: datetime) -> float | None:
        """Return the Agile price ex VAT. [p/kWh]"""


def shared_root() -> Path:
    """Return where the shared reference material would be."""
    named = os.environ.get("HALFHOUR_SHARED_DIR")
    return Path(named) if named else REPOSITORY.parent / "shared"


def choose_world(now: datetime, which: str = "auto") -> World:
    """Return the recorded world where there are data and the clock lies in them, else the simulated one.

    Args:
        now: The clock's start.
        which: `auto`, `recorded` or `simulated`.
    """
    has_data = (shared_root() / "data/carbon").is_dir()
    if which == "recorded" or (
        which == "auto" and has_data and RECORDED_FROM <= now < RECORDED_UNTIL
    ):
        return recorded_world()
    return simulated_world()


@lru_cache(maxsize=1)
def recorded_world() -> RecordedWorld:
    """Return the recorded world, read once."""
    return RecordedWorld(shared_root() / "data")


@lru_cache(maxsize=1)
def simulated_world() -> SimulatedWorld:
    """Return the simulated world."""
    return SimulatedWorld()


class RecordedWorld:
    """National carbon of 2023 and Agile region J, as recorded."""

    name = "recorded"

    def __init__(self, data: Path) -> None:
        """Read the files of the shared data folder."""
        carbon = data / "carbon"
        kept = pyarrow.parquet.read_table(carbon / "gb_national_ci_forecast_actual_2023.parquet")
        self._forecast = _by_start(kept, "ts_utc", "forecast_gco2_kwh")
        self._actual = _by_start(kept, "ts_utc", "actual_gco2_kwh")
        issues = pyarrow.parquet.read_table(carbon / "gb_national_ci_fw48h_issues_2023.parquet")
        self._issues: dict[datetime, dict[datetime, float]] = {}
        for row in issues.to_pylist():
            issue = self._issues.setdefault(row["issue_slot_utc"].astimezone(UTC), {})
            issue[row["ts_utc"].astimezone(UTC)] = float(row["forecast_gco2_kwh"])
        prices = pyarrow.parquet.read_table(
            data / "price/octopus_agile_import_region_J_2020_2024.parquet"
        )
        self._price_j = _by_start(prices, "ts_utc", "price_p_kwh_inc_vat")

    def forecast(self, start: datetime, issued: datetime) -> float | None:
        """Return the forecast as issued where that very issue is recorded, else the last one kept."""
        issue = self._issues.get(floor_slot(issued), {})
        return issue.get(start, self._forecast.get(start))

    def actual(self, start: datetime) -> float | None:
        """Return the recorded actual."""
        return self._actual.get(start)

    def regional(self, start: datetime, issued: datetime) -> Mapping[str, float] | None:
        """Return the national forecast plus each region's offset and ripple, not below zero."""
        national = self.forecast(start, issued)
        if national is None:
            return None
        hour = start.hour + start.minute / 60.0
        return {
            slug: national
            if slug == "gb"
            else max(
                0.0,
                national
                + OFFSET_G_PER_KWH[slug]
                + round(
                    RIPPLE_G_PER_KWH
                    * math.sin(2.0 * math.pi * (hour + place.carbon_intensity_id) / 24.0)
                ),
            )
            for slug, place in REGIONS.items()
        }

    def mix(self, slug: str, start: datetime, carbon_g_per_kwh: float) -> Mapping[str, float]:
        """Return a mix that would give about this carbon: gas for it, the rest clean."""
        gas = min(95.0, carbon_g_per_kwh / 3.94)
        solar = (100.0 - gas) * 0.3 * max(0.0, math.sin(math.pi * (start.hour - 6) / 12.0))
        nuclear, biomass = (100.0 - gas - solar) * 0.3, (100.0 - gas - solar) * 0.1
        return {
            "biomass": biomass, "coal": 0.0, "imports": 0.0, "gas": gas, "nuclear": nuclear, "other": 0.0,
            "hydro": 0.0, "solar": solar, "wind": 100.0 - gas - solar - nuclear - biomass,
        }  # fmt: skip

    def price(self, letter: str, start: datetime) -> float | None:
        """Return the recorded price of J without its 5 % VAT; other letters from the wholesale price behind it."""
        inc_vat = self._price_j.get(start)
        if inc_vat is None:
            return None
        ex_vat = inc_vat / 1.05
        if letter == "J":
            return round(ex_vat, 4)
        at_peak = 1.0 if 32 <= half_hour_of_day(start) < 38 else 0.0
        behind, here = AGILE["J"], AGILE[letter]
        wholesale = (ex_vat - at_peak * behind.peak_adder_p_per_kwh) / behind.multiplier
        return round(here.multiplier * wholesale + at_peak * here.peak_adder_p_per_kwh, 4)


class SimulatedWorld:
    """The simulated grid, so that the stand-in runs without any recorded data."""

    name = "simulated"

    def __init__(self) -> None:
        """Keep the grid, and remember whole days of it."""
        self._grid = SimulatedGrid(seed=7)
        self._issue = lru_cache(maxsize=8)(self._grid.forecast)
        self._day = lru_cache(maxsize=64)(self._truth)
        self._price_day = lru_cache(maxsize=64)(self._tariffs)

    def forecast(self, start: datetime, issued: datetime) -> float | None:
        """Return the forecast of the issue; for past half-hours a value a few grams beside the truth."""
        issue_slot = floor_slot(issued)
        if start >= issue_slot:
            return _value(self._issue(issue_slot), "gb", start)
        truth = self.actual(start)
        return None if truth is None else float(round(0.97 * truth + 4.0))

    def actual(self, start: datetime) -> float | None:
        """Return the truth."""
        value = _value(self._day(_day_of(start)), "gb", start)
        return None if value is None else float(round(value))

    def regional(self, start: datetime, issued: datetime) -> Mapping[str, float] | None:
        """Return the issue's forecasts; for past half-hours the truth."""
        issue_slot = floor_slot(issued)
        batch = self._issue(issue_slot) if start >= issue_slot else self._day(_day_of(start))
        values = {slug: _value(batch, slug, start) for slug in REGIONS}
        return {s: float(round(v)) for s, v in values.items() if v is not None} or None

    def mix(self, slug: str, start: datetime, carbon_g_per_kwh: float) -> Mapping[str, float]:
        """Return the simulated mix."""
        mixes = {m.region: m for m in self._day(_day_of(start)).mixes}
        return mixes[slug].at(start)

    def price(self, letter: str, start: datetime) -> float | None:
        """Return the simulated price."""
        slug = next(r.slug for r in REGIONS.values() if r.price_letters == (letter,))
        value = _value(self._price_day(_day_of(start)), slug, start)
        return None if value is None else round(100.0 * value, 4)

    def _truth(self, day: datetime) -> SignalBatch:
        end = day + timedelta(days=1)
        return self._grid.history(day, end, end)

    def _tariffs(self, day: datetime) -> SignalBatch:
        end = day + timedelta(days=1)
        return self._grid.prices(PRICE_LETTERS, day, end, end)


def _day_of(start: datetime) -> datetime:
    return start.replace(hour=0, minute=0)


def _value(batch: SignalBatch, slug: str, start: datetime) -> float | None:
    series = next(s for s in batch.series if s.region == slug)
    index = series.horizon.index_of(start)
    if not 0 <= index < series.horizon.slots or np.isnan(series.values[index]):
        return None
    return float(series.values[index])


def _by_start(table: pyarrow.Table, time: str, value: str) -> dict[datetime, float]:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    seconds = np.asarray(table[time].cast(pa.timestamp("s", tz="UTC")).cast(pa.int64()))
    numbers = table[value].to_pylist()
    return {
        epoch + (int(second) // 1800) * SLOT: float(number)
        for second, number in zip(seconds, numbers, strict=True)
        if number is not None and number == number
    }
