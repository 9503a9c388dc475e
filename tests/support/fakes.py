"""Small in-memory implementations of ports, held to the same contract suites as the real ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from models.domain.ports import SignalBatch
from models.domain.signal import (
    MixSeries,
    Provenance,
    SignalName,
    SignalSeries,
    ValueKind,
)
from models.domain.time import Horizon, as_utc


@dataclass
class FixedClock:
    """A `Clock` that stands still until it is set."""

    instant: datetime
    is_shifted: bool = False

    def now(self) -> datetime:
        """Return the set instant."""
        return as_utc(self.instant)


_ORDER = (ValueKind.ESTIMATE, ValueKind.FORECAST, ValueKind.TARIFF, ValueKind.ACTUAL)


def _rank(provenance: Provenance) -> tuple[int, datetime]:
    return (_ORDER.index(provenance.kind), provenance.retrieved_at)


class MemorySignalStore:
    """`SignalStore` in memory: plain lists, searched slot by slot."""

    def __init__(self) -> None:
        """Start with an empty archive."""
        self._series: list[tuple[str, SignalSeries]] = []
        self._mixes: list[tuple[str, MixSeries]] = []
        self._modes: set[str] = set()

    def save(self, batch: SignalBatch, mode: str) -> None:
        """Archive a batch: one issue per series and provenance, and one per mix."""
        for series in batch.series:
            for place, provenance in enumerate(series.provenances):
                known = np.flatnonzero(
                    (series.provenance_index == place) & ~np.isnan(series.values)
                ).tolist()
                if known:
                    self._series.append((mode, _only(series, known, provenance)))
                    self._modes.add(mode)
        for mix in batch.mixes:
            known = [i for i in range(mix.horizon.slots) if mix.at(mix.horizon.start_of(i))]
            if known:
                kept = Horizon(mix.horizon.start_of(known[0]), known[-1] - known[0] + 1)
                cut = slice(known[0], known[-1] + 1)
                rows = {fuel: row[cut] for fuel, row in mix.percent_by_fuel.items()}
                self._mixes.append((mode, MixSeries(mix.region, kept, rows, mix.provenance)))
                self._modes.add(mode)

    def latest(
        self,
        name: SignalName,
        regions: Collection[str],
        horizon: Horizon,
        mode: str,
        as_of: datetime,
    ) -> dict[str, SignalSeries]:
        """Return per region the newest value known at `as_of` for each slot."""
        found = {}
        for region in regions:
            answer = SignalSeries.empty(name, region, horizon)
            candidates = [
                (_rank(one.provenances[0]), number, one)
                for number, (its_mode, one) in enumerate(self._series)
                if (its_mode, one.name, one.region) == (mode, name, region)
                and one.provenances[0].retrieved_at <= as_of
            ]
            candidates.sort(key=lambda entry: entry[:2], reverse=True)
            for _, _, one in candidates:
                answer = answer.filled_from(one)
            found[region] = answer
        return found

    def latest_mix(
        self, regions: Collection[str], horizon: Horizon, mode: str, as_of: datetime
    ) -> dict[str, tuple[MixSeries, ...]]:
        """Return per region the mixes that touch the horizon, newest first."""
        found = {}
        for region in regions:
            touching = [
                (one.provenance.retrieved_at, number, one)
                for number, (its_mode, one) in enumerate(self._mixes)
                if (its_mode, one.region) == (mode, region)
                and one.provenance.retrieved_at <= as_of
                and one.horizon.end > horizon.start
                and one.horizon.start < horizon.end
            ]
            touching.sort(key=lambda entry: entry[:2], reverse=True)
            found[region] = tuple(one for _, _, one in touching)
        return found

    def issues(
        self, name: SignalName, region: str, horizon: Horizon, mode: str
    ) -> Iterator[SignalSeries]:
        """Yield every archived issue that touches the horizon, oldest first."""
        touching = [
            one
            for its_mode, one in self._series
            if (its_mode, one.name, one.region) == (mode, name, region)
            and one.horizon.end > horizon.start
            and one.horizon.start < horizon.end
        ]
        touching.sort(key=lambda one: one.provenances[0].retrieved_at)
        yield from touching

    def has_any(self, mode: str) -> bool:
        """Return whether any provider of this mode has ever answered."""
        return mode in self._modes

    def prune(self, before: datetime) -> int:
        """Drop issues whose last slot ended by an instant; return how many."""
        had = len(self._series) + len(self._mixes)
        self._series = [entry for entry in self._series if entry[1].horizon.end > before]
        self._mixes = [entry for entry in self._mixes if entry[1].horizon.end > before]
        return had - len(self._series) - len(self._mixes)


def _only(series: SignalSeries, slots: list[int], provenance: Provenance) -> SignalSeries:
    """Return the part of a series that one provenance said, from its first slot to its last."""
    first, last = slots[0], slots[-1]
    is_said = np.isin(np.arange(series.horizon.slots), slots)
    cut = slice(first, last + 1)

    def keep(row: np.ndarray | None) -> np.ndarray | None:
        return None if row is None else np.where(is_said, row, np.nan)[cut]

    values = keep(series.values)
    assert values is not None
    return SignalSeries(
        series.name,
        series.region,
        Horizon(series.horizon.start_of(first), last - first + 1),
        values,
        np.where(is_said, 0, -1)[cut].astype(np.int64),
        (provenance,),
        keep(series.p5),
        keep(series.p95),
    )
