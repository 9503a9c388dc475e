"""Read the signal archive through a cache that lasts until something new has been fetched.

The archive is read in two parts: the weeks before today (London), which hardly change and feed the own estimates, and
everything from today's midnight on. Views over any horizon are cut from these without touching the database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from models.domain.ports import SignalStore, SourceHealth, UnitOfWorkFactory
from models.domain.signal import MixSeries, SignalName, SignalSeries
from models.domain.time import SLOT, Horizon, london_date, london_midnight
from services.signal_labels import joined

T = TypeVar("T")

PAST_DAYS = 29
"""How far the cached past reaches before today's London midnight. [d]"""

AHEAD_SLOTS = 16 * 48
"""How far the cached present reaches from today's London midnight: today and the 14 days of a service horizon."""

HEALTH_SECONDS = 2.0
"""How long the shared state of the sources is taken as read. [s]"""

BACKFILL = " (backfill)"
"""Ends the name under which a fetch that reached before today is noted; it makes the cached past out of date."""

_MIXES_KEPT = 256


@dataclass(frozen=True, slots=True)
class Revision:
    """What the archive looked like: changes when any process has fetched something."""

    fetched: tuple[tuple[str, datetime | None], ...]
    own: int
    """Counts what this process saved, which the shared state may not show yet."""


class HealthBoard:
    """Health of the sources, shared by all processes through the database and read at most every two seconds."""

    def __init__(self, uow: UnitOfWorkFactory, monotonic: Callable[[], float]) -> None:
        """Bind the database and a timer. [s]"""
        self._uow = uow
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._health: dict[str, SourceHealth] = {}
        self._own = 0

    def all(self, *, fresh: bool = False) -> dict[str, SourceHealth]:
        """Return the health of every source ever tried."""
        with self._lock:
            moment = self._monotonic()
            if fresh or self._read_at is None or moment - self._read_at >= HEALTH_SECONDS:
                with self._uow() as work:
                    self._health = work.health.all()
                self._read_at = moment
            return dict(self._health)

    def record(self, health: SourceHealth) -> None:
        """Store how a source is doing."""
        with self._uow(write=True) as work:
            work.health.record(health)
            work.commit()
        with self._lock:
            self._health[health.source] = health
            self._own += 1

    def revision(self) -> Revision:
        """Return the present revision of the archive."""
        health = self.all()
        fetched = tuple(sorted((name, h.last_success_at) for name, h in health.items()))
        return Revision(fetched, self._own)


class Archive:
    """Cached reads of one signal store."""

    def __init__(self, store: SignalStore) -> None:
        """Bind the store."""
        self._store = store
        self._lock = threading.RLock()
        self._present_key: Hashable = None
        self._present: dict[tuple[SignalName, str], SignalSeries] = {}
        self._past_key: Hashable = None
        self._past: dict[tuple[SignalName, str], SignalSeries] = {}
        self._mixes: dict[tuple[Horizon, str], tuple[MixSeries, ...]] = {}

    def series(
        self,
        name: SignalName,
        regions: Collection[str],
        horizon: Horizon,
        mode: str,
        now: datetime,
        revision: Revision,
    ) -> dict[str, SignalSeries]:
        """Return the newest archived value per slot, as saved, for each region over a horizon."""
        present, past = present_horizon(now), past_horizon(now)
        if horizon.start < past.start or horizon.end > present.end:
            return self._store.latest(name, regions, horizon, mode, now)
        with self._lock:
            self._turn(mode, now, revision)
            parts = []
            if horizon.start < present.start:
                parts.append(self._load(self._past, name, regions, past, mode, now))
            if horizon.end > present.start:
                parts.append(self._load(self._present, name, regions, present, mode, now))
        return {slug: joined([part[slug] for part in parts], horizon) for slug in regions}

    def mixes(
        self,
        regions: Collection[str],
        horizon: Horizon,
        mode: str,
        now: datetime,
        revision: Revision,
    ) -> dict[str, tuple[MixSeries, ...]]:
        """Return per region the fewest newest mixes that cover the horizon."""
        with self._lock:
            self._turn(mode, now, revision)
            missing = [slug for slug in regions if (horizon, slug) not in self._mixes]
            if missing:
                if len(self._mixes) > _MIXES_KEPT:
                    self._mixes.clear()
                    missing = list(regions)
                found = self._store.latest_mix(missing, horizon, mode, now)
                for slug in missing:
                    self._mixes[horizon, slug] = _fewest(found.get(slug, ()), horizon)
            return {slug: self._mixes[horizon, slug] for slug in regions}

    def _turn(self, mode: str, now: datetime, revision: Revision) -> None:
        """Drop what a new fetch, a new London day or another mode has made out of date."""
        today = london_date(now)
        if self._present_key != (mode, today, revision):
            self._present_key = (mode, today, revision)
            self._present.clear()
            self._mixes.clear()
        backfills = tuple(entry for entry in revision.fetched if entry[0].endswith(BACKFILL))
        past_key = (mode, today, backfills)
        if self._past_key != past_key:
            self._past_key = past_key
            self._past.clear()

    def _load(
        self,
        cache: dict[tuple[SignalName, str], SignalSeries],
        name: SignalName,
        regions: Collection[str],
        horizon: Horizon,
        mode: str,
        now: datetime,
    ) -> dict[str, SignalSeries]:
        missing = [slug for slug in regions if (name, slug) not in cache]
        if missing:
            for slug, series in self._store.latest(name, missing, horizon, mode, now).items():
                cache[name, slug] = series
        return {slug: cache[name, slug] for slug in regions}


def present_horizon(now: datetime) -> Horizon:
    """Return the cached present: from today's London midnight to the end of the longest service horizon."""
    return Horizon(london_midnight(london_date(now)), AHEAD_SLOTS)


def past_horizon(now: datetime) -> Horizon:
    """Return the cached past: four weeks and a day before today's London midnight."""
    end = london_midnight(london_date(now))
    start = london_midnight(london_date(now) - timedelta(days=PAST_DAYS))
    return Horizon(start, (end - start) // SLOT)


def _fewest(mixes: tuple[MixSeries, ...], horizon: Horizon) -> tuple[MixSeries, ...]:
    """Keep of the newest-first mixes those that are the first to cover some slot of the horizon."""
    open_slots = set(range(horizon.slots))
    kept = []
    for mix in mixes:
        shift = (mix.horizon.start - horizon.start) // SLOT
        covered = open_slots & set(range(shift, shift + mix.horizon.slots))
        if covered:
            kept.append(mix)
            open_slots -= covered
        if not open_slots:
            break
    return tuple(kept)
