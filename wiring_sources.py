"""Builds the sources of signals: recorded, made up, or asked for over HTTP when they are first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from models.domain.ports import CarbonSource, PriceSource, SignalBatch
from models.domain.time import Clock
from services.signal_refresh import GridSource

if TYPE_CHECKING:
    from api_clients.http import HttpClient
    from config import Settings

PRODUCT = "Halfhour"
VERSION = "0.1.0"
"""Name and version, as providers and `/health` see them."""


def sources(settings: Settings, clock: Clock, http: list[HttpClient]) -> dict[str, GridSource]:
    """Build the sources of the modes that may be used; HTTP clients are noted for closing."""
    mode = settings.grid_source
    sources: dict[str, GridSource] = {}
    if mode == "replay":
        assert settings.replay_dir is not None, "config checks this"
        sources["replay"] = replay_source(settings.replay_dir)
    if mode in {"live", "auto"}:
        sources["live"] = _live(settings, clock, http)
    if mode in {"simulated", "auto"}:
        sources["simulated"] = simulated_source()
    return sources


def replay_source(folder: Path) -> GridSource:
    """Return the recorded grid of a folder with signals.parquet or signals.csv."""
    from api_clients.replay import ReplayGrid

    replay = ReplayGrid(folder)
    return GridSource(replay, replay)


def simulated_source() -> GridSource:
    """Return the synthetic grid."""
    from api_clients.simulated import SimulatedGrid

    simulated = SimulatedGrid()
    return GridSource(simulated, simulated)


def _live(settings: Settings, clock: Clock, http: list[HttpClient]) -> GridSource:
    """Return live sources that build their clients at the first question: their libraries are slow to import."""
    lock = threading.Lock()

    def client() -> HttpClient:
        with lock:
            if not http:
                http.append(_http_client(settings, clock))
            return http[0]

    def carbon() -> CarbonSource:
        from api_clients.carbon_intensity import CarbonIntensityClient

        ttl_seconds = settings.cache_ttl_seconds
        return CarbonIntensityClient(
            client(), settings.carbon_intensity_url, cache_ttl_seconds=ttl_seconds
        )

    def price() -> PriceSource:
        from api_clients.octopus import OctopusAgileClient

        return OctopusAgileClient(client(), settings.octopus_url, settings.octopus_product)

    return GridSource(
        LateCarbon("NESO Carbon Intensity API", carbon), LatePrices("Octopus Agile", price)
    )


def _http_client(settings: Settings, clock: Clock) -> HttpClient:
    from api_clients.http import DEFAULT_RATE, KNOWN_RATES, HttpClient, Limits
    from api_clients.limits import Rate

    most_per_second = settings.http_requests_per_minute / 60
    rates = {}
    for address in (settings.carbon_intensity_url, settings.octopus_url):
        host = urlsplit(address).hostname or ""
        courteous = KNOWN_RATES.get(host, DEFAULT_RATE)
        rates[host] = Rate(min(courteous.per_second, most_per_second), courteous.burst)
    contact = f" ({settings.contact})" if settings.contact else ""
    return HttpClient(
        settings.data_dir,
        clock,
        f"{PRODUCT}/{VERSION}{contact}",
        settings.http_connect_timeout_seconds,
        settings.http_read_timeout_seconds,
        limits=Limits(
            max_retries=settings.http_retries,
            failures_to_open=settings.breaker_failures,
            cool_down_seconds=settings.breaker_open_seconds,
        ),
        rates=rates,
    )


class LateCarbon:
    """A `CarbonSource` whose client is built at the first question."""

    mode = "live"

    def __init__(self, name: str, make: Callable[[], CarbonSource]) -> None:
        """Keep how to build it."""
        self.name = name
        self._client = cache(make)

    def forecast(self, now: datetime) -> SignalBatch:
        """Ask the client."""
        return self._client().forecast(now)

    def history(self, start: datetime, end: datetime, now: datetime) -> SignalBatch:
        """Ask the client."""
        return self._client().history(start, end, now)


class LatePrices:
    """A `PriceSource` whose client is built at the first question."""

    mode = "live"

    def __init__(self, name: str, make: Callable[[], PriceSource]) -> None:
        """Keep how to build it."""
        self.name = name
        self._client = cache(make)

    def prices(
        self, letters: Collection[str], start: datetime, end: datetime, now: datetime
    ) -> SignalBatch:
        """Ask the client."""
        return self._client().prices(letters, start, end, now)
