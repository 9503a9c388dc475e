"""Sources that say what a test tells them to, and the little of a database that the signal service needs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np

from models.domain.asset import Asset
from models.domain.errors import SourceUnavailable
from models.domain.ports import SignalBatch, SourceHealth, UnitOfWork
from models.domain.regions import REGIONS, region_of_letter
from models.domain.signal import (
    MixSeries,
    Provenance,
    Quality,
    SignalName,
    SignalSeries,
    ValueKind,
)
from models.domain.time import Horizon, floor_slot
from services.signal_schedule import prices_expected_until

SATURDAY_1540 = datetime(2026, 11, 21, 15, 40, tzinfo=UTC)
"""A winter Saturday before the prices of Sunday appear; UTC is London time."""


def origin(
    retrieved_at: datetime, kind: ValueKind = ValueKind.FORECAST, **changes: Any
) -> Provenance:
    """Return where a live value came from."""
    fields: dict[str, Any] = {
        "source": "test source",
        "endpoint": "/test",
        "kind": kind,
        "quality": Quality.LIVE,
        "issued_at": None,
        "retrieved_at": retrieved_at,
    }
    return Provenance(**(fields | changes))


def series_of(
    name: SignalName, region: str, start: datetime, values: Collection[float], made: Provenance
) -> SignalSeries:
    """Return consecutive half-hours of one provenance."""
    return SignalSeries.of(name, region, Horizon(start, len(values)), list(values), made)


@dataclass
class FakeCarbon:
    """A `CarbonSource` with a constant intensity; set `fails` to break it."""

    mode: str = "live"
    name: str = "fake carbon"
    value: float = 100.0
    regions: tuple[str, ...] = ("london", "gb")
    slots: int = 96
    fails: str | None = None
    retry_after_seconds: int | None = None
    asked: list[tuple[str, datetime]] = field(default_factory=list)

    def _check(self, what: str, now: datetime) -> None:
        self.asked.append((what, now))
        if self.fails:
            raise SourceUnavailable(
                self.fails, source=self.name, retry_after_seconds=self.retry_after_seconds
            )

    def forecast(self, now: datetime) -> SignalBatch:
        """Return the constant for the coming half-hours, with a mix."""
        self._check("forecast", now)
        start = floor_slot(now)
        made = origin(now, quality=_QUALITY[self.mode])
        mixes = tuple(
            MixSeries(
                slug,
                Horizon(start, self.slots),
                {"wind": np.full(self.slots, 40.0), "gas": np.full(self.slots, 60.0)},
                made,
            )
            for slug in self.regions
        )
        return SignalBatch(
            tuple(
                series_of(SignalName.CARBON, slug, start, [self.value] * self.slots, made)
                for slug in self.regions
            ),
            mixes,
        )

    def history(self, start: datetime, end: datetime, now: datetime) -> SignalBatch:
        """Return half the constant for the past."""
        self._check("history", now)
        slots = (end - start) // timedelta(minutes=30)
        made = origin(now, ValueKind.ACTUAL, quality=_QUALITY[self.mode])
        return SignalBatch(
            tuple(
                series_of(SignalName.CARBON, slug, start, [self.value / 2] * slots, made)
                for slug in self.regions
            )
        )


@dataclass
class FakePrices:
    """A `PriceSource` that publishes up to the newest complete Agile day."""

    mode: str = "live"
    name: str = "fake prices"
    value: float = 0.20
    fails: str | None = None
    failing_letters: frozenset[str] = frozenset()
    published_until: datetime | None = None
    """End of what is published; None: what may be expected at the time of asking."""
    asked: list[tuple[tuple[str, ...], datetime]] = field(default_factory=list)

    def prices(
        self, letters: Collection[str], start: datetime, end: datetime, now: datetime
    ) -> SignalBatch:
        """Return the constant price from `start` to the end of what is published."""
        self.asked.append((tuple(letters), start))
        if self.fails or self.failing_letters & set(letters):
            raise SourceUnavailable(self.fails or "no such tariff", source=self.name)
        until = min(end, self.published_until or prices_expected_until(now))
        slots = (until - floor_slot(start)) // timedelta(minutes=30)
        if slots < 1:
            raise SourceUnavailable("nothing is published", source=self.name)
        made = origin(now, ValueKind.TARIFF, quality=_QUALITY[self.mode])
        return SignalBatch(
            tuple(
                series_of(
                    SignalName.PRICE,
                    region_of_letter(letter).slug,
                    floor_slot(start),
                    [self.value] * slots,
                    made,
                )
                for letter in letters
            )
        )


_QUALITY = {"live": Quality.LIVE, "replay": Quality.REPLAYED, "simulated": Quality.SIMULATED}


@dataclass
class HealthUow:
    """Units of work with the health of sources and live assets only; everything is committed at once."""

    health_rows: dict[str, SourceHealth] = field(default_factory=dict)
    live_assets: list[Asset] = field(default_factory=list)

    def __call__(self, *, write: bool = False) -> UnitOfWork:
        """Return itself: there is nothing to roll back."""
        return cast("UnitOfWork", self)

    def __enter__(self) -> HealthUow:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def commit(self) -> None:
        """Everything is there already."""

    @property
    def health(self) -> HealthUow:
        """Play the repository."""
        return self

    @property
    def assets(self) -> HealthUow:
        """Play the repository."""
        return self

    def record(self, health: SourceHealth) -> None:
        """Store how a source is doing."""
        self.health_rows[health.source] = health

    def all(self) -> dict[str, SourceHealth]:
        """Return the health of every source."""
        return dict(self.health_rows)

    def all_live(self, owner: str | None = None) -> tuple[Asset, ...]:
        """Return the assets of the test."""
        return tuple(self.live_assets)


@dataclass
class MemoryLeases:
    """A `LeaseStore` without expiry, for one process."""

    held: dict[str, tuple[str, int]] = field(default_factory=dict)
    token: int = 0

    def acquire(self, name: str, holder: str, ttl_seconds: float) -> int | None:
        """Return a token if the lease is free or ours."""
        known = self.held.get(name)
        if known is not None:
            return known[1] if known[0] == holder else None
        self.token += 1
        self.held[name] = (holder, self.token)
        return self.token

    def renew(self, name: str, holder: str, token: int, ttl_seconds: float) -> bool:
        """Return whether the lease is still ours."""
        return self.held.get(name) == (holder, token)

    def release(self, name: str, holder: str, token: int) -> None:
        """Give it back."""
        if self.held.get(name) == (holder, token):
            del self.held[name]

    def holder(self, name: str) -> str | None:
        """Return who holds it."""
        return self.held[name][0] if name in self.held else None


@dataclass
class Stopwatch:
    """A system timer that a test moves."""

    seconds: float = 0.0
    pauses: list[float] = field(default_factory=list)
    on_pause: Callable[[], None] | None = None

    def __call__(self) -> float:
        """Return the timer. [s]"""
        return self.seconds

    def pause(self, seconds: float) -> None:
        """Move on instead of sleeping. [s]"""
        self.pauses.append(seconds)
        self.seconds += seconds
        if self.on_pause:
            self.on_pause()


ALL_REGIONS = tuple(REGIONS)
