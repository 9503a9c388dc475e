"""A recorded grid for tests of the back-test: scripted truth, and forecasts that can differ from it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import numpy as np

from models.domain.asset import Asset
from models.domain.errors import SourceUnavailable
from models.domain.job import Job
from models.domain.ports import SignalBatch
from models.domain.regions import region_of_letter
from models.domain.signal import Provenance, Quality, SignalName, SignalSeries, ValueKind
from models.domain.time import SLOT, Horizon, agile_published_at, floor_slot
from services.backtest_jobs import from_rows

Script = Callable[[datetime], float]

published_at = cache(agile_published_at)


@dataclass
class ScriptedRecording:
    """Carbon and prices of London by script; a value is shown as a recording would show it."""

    carbon: Script
    price: Script
    foretold: Script | None = None
    """What forecasts say; None: there are none."""
    is_issued: bool = True
    """Whether forecasts carry their issue time."""
    name: str = "scripted recording"
    mode: str = "replay"

    def forecast(self, now: datetime) -> SignalBatch:
        if self.foretold is None:
            raise SourceUnavailable("no forecast", source=self.name)
        horizon = Horizon(floor_slot(now), 96)
        issued = now if self.is_issued else None
        came = Provenance(self.name, "", ValueKind.FORECAST, Quality.REPLAYED, issued, now)
        values = [self.foretold(at) for at in horizon.starts()]
        return SignalBatch((SignalSeries.of(SignalName.CARBON, "london", horizon, values, came),))

    def history(self, start: datetime, end: datetime, now: datetime) -> SignalBatch:
        horizon = Horizon(start, (end - start) // SLOT)
        came = Provenance(self.name, "", ValueKind.ACTUAL, Quality.REPLAYED, None, now)
        values = [self.carbon(at) if at + SLOT <= now else np.nan for at in horizon.starts()]
        return SignalBatch((SignalSeries.of(SignalName.CARBON, "london", horizon, values, came),))

    def prices(
        self, letters: Collection[str], start: datetime, end: datetime, now: datetime
    ) -> SignalBatch:
        horizon = Horizon(start, (end - start) // SLOT)
        came = Provenance(self.name, "", ValueKind.TARIFF, Quality.REPLAYED, None, now)
        values = [self.price(at) if published_at(at) <= now else np.nan for at in horizon.starts()]
        return SignalBatch(
            tuple(
                SignalSeries.of(
                    SignalName.PRICE, region_of_letter(letter).slug, horizon, values, came
                )
                for letter in letters
            )
        )


def clean_nights(at: datetime) -> float:
    """Return 50 g from 00:00 to 06:00 UTC, else 300 g."""
    return 50.0 if at.hour < 6 else 300.0


def cheap_nights(at: datetime) -> float:
    """Return 10 p from 00:00 to 06:00 UTC, else 30 p."""
    return 0.10 if at.hour < 6 else 0.30


EVENING = datetime(2026, 2, 1, 20, tzinfo=UTC)
"""When the smallest world that still has something to decide begins: a dear evening before a clean, cheap night."""


def a_row(release: str, latest: str, hours: float, power_kw: float) -> dict[str, object]:
    """Return a job of that night; clock times before 12:00 are of the next day."""

    def at(clock: str) -> str:
        return f"2026-02-0{1 if clock >= '12:00' else 2}T{clock}:00Z"

    return {
        "release": at(release),
        "latest_finish": at(latest),
        "duration_hours": hours,
        "power_kw": power_kw,
    }


def evening_jobs(places: Sequence[Asset]) -> tuple[Job, ...]:
    """Return five jobs that come by 23:00 and end by 06:00: 280 kWh, of which 60 kW hold all in the six clean hours."""
    return from_rows(
        [
            a_row("20:00", "02:00", 2, 30),
            a_row("20:00", "04:00", 2, 30),
            a_row("21:00", "05:00", 2, 30),
            a_row("22:30", "06:00", 3, 20),
            a_row("23:00", "06:00", 1, 40),
        ],
        places,
    )
