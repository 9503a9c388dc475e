"""Signals as the archive holds them: issues of one provenance, and canvases on which the newest values are laid.

Only arithmetic and packing live here: no database.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from models.domain.signal import (
    FloatArray,
    IntArray,
    MixSeries,
    Provenance,
    SignalName,
    SignalSeries,
    ValueKind,
)
from models.domain.time import SLOT, Horizon

MIX = "mix"
"""Archive name of the generation mix, beside the names of `SignalName`."""

VALUE, P5, P95 = "value", "p5", "p95"
"""Channels of a series; those of a mix are its fuels."""

NOTHING = 0
"""Provenance id of a slot nothing is known of; real ids start at 1."""

_RANK = {
    ValueKind.ESTIMATE: 0,
    ValueKind.FORECAST: 1,
    ValueKind.TARIFF: 2,
    ValueKind.ACTUAL: 3,
}


def standing(name: str, provenance: Provenance) -> tuple[int, datetime]:
    """Return what decides between two statements about one slot: the greater one answers, equal ones by order of arrival.

    An actual beats a tariff, a tariff a forecast, a forecast an own estimate; then the later retrieval wins. Of
    a mix the later retrieval always wins.
    """
    return (0 if name == MIX else _RANK[provenance.kind], provenance.retrieved_at)


@dataclass(frozen=True)
class Issue:
    """What one provenance said about one signal of one region.

    Attributes:
        rows: One row per channel, shape (channels, slots); NaN is unknown.
    """

    name: str
    region: str
    provenance: Provenance
    horizon: Horizon
    channels: tuple[str, ...]
    rows: FloatArray

    @property
    def known(self) -> NDArray[np.bool_]:
        """Return which slots it says anything about, shape (slots,)."""
        if self.name == MIX:
            return np.asarray(~np.isnan(self.rows).all(axis=0))
        return np.asarray(~np.isnan(self.rows[0]))

    def to_series(self) -> SignalSeries:
        """Return the issue as a series (not for a mix)."""
        by_channel = dict(zip(self.channels, self.rows, strict=True))
        values = by_channel[VALUE]
        return SignalSeries(
            SignalName(self.name),
            self.region,
            self.horizon,
            values,
            np.where(np.isnan(values), -1, 0).astype(np.int64),
            (self.provenance,),
            by_channel.get(P5),
            by_channel.get(P95),
        )


def issues_of_series(series: SignalSeries) -> list[Issue]:
    """Split a series into one issue per provenance, each cut to the slots it says something about."""
    channels = [VALUE]
    rows = [series.values]
    for channel, row in ((P5, series.p5), (P95, series.p95)):
        if row is not None:
            channels.append(channel)
            rows.append(row)
    stacked = np.vstack(rows).astype(np.float64)
    found = []
    for place, provenance in enumerate(series.provenances):
        mask = (series.provenance_index == place) & series.is_known
        if mask.any():
            masked = np.where(mask, stacked, np.nan)
            found.append(
                _trimmed(
                    str(series.name), series.region, provenance, series.horizon, channels, masked
                )
            )
    return found


def issues_of_mix(mix: MixSeries) -> list[Issue]:
    """Return a mix as an issue cut to the slots it says something about; none where it says nothing."""
    fuels = sorted(mix.percent_by_fuel)
    if not fuels:
        return []
    stacked = np.vstack([mix.percent_by_fuel[fuel] for fuel in fuels]).astype(np.float64)
    if np.isnan(stacked).all():
        return []
    return [_trimmed(MIX, mix.region, mix.provenance, mix.horizon, fuels, stacked)]


def _trimmed(
    name: str,
    region: str,
    provenance: Provenance,
    horizon: Horizon,
    channels: Sequence[str],
    rows: FloatArray,
) -> Issue:
    said = np.flatnonzero(~np.isnan(rows).all(axis=0))
    first, last = int(said[0]), int(said[-1])
    kept = Horizon(horizon.start_of(first), last - first + 1)
    return Issue(name, region, provenance, kept, tuple(channels), rows[:, first : last + 1])


@dataclass
class Canvas:
    """The answering value of every slot of a horizon for one signal of one region, and who gave it.

    Attributes:
        rows: Channel to values, each of shape (slots,).
        ids: Provenance id per slot, `NOTHING` where nothing is known. Shape (slots,).
    """

    horizon: Horizon
    rows: dict[str, FloatArray] = field(default_factory=dict)
    ids: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __post_init__(self) -> None:
        """Start with nothing known where no ids are given."""
        if self.ids.size != self.horizon.slots:
            self.ids = np.zeros(self.horizon.slots, dtype=np.int64)

    @property
    def is_full(self) -> bool:
        """Return whether every slot has an answer."""
        return bool((self.ids != NOTHING).all())

    def lay(self, issue: Issue, issue_id: int, beats: Callable[[int], bool]) -> None:
        """Let an issue answer for the slots it knows and wins.

        Args:
            issue: What was said.
            issue_id: Id of its provenance.
            beats: Whether it wins over the provenance with an id; unknown slots are always won.
        """
        shift = (issue.horizon.start - self.horizon.start) // SLOT
        first = max(0, shift)
        last = min(self.horizon.slots, shift + issue.horizon.slots)
        if first >= last:
            return
        theirs = slice(first - shift, last - shift)
        mine = slice(first, last)
        losing = [
            int(one) for one in np.unique(self.ids[mine]) if one == NOTHING or beats(int(one))
        ]
        wins = issue.known[theirs] & np.isin(self.ids[mine], losing)
        if not wins.any():
            return
        for channel in issue.channels:
            if channel not in self.rows:
                self.rows[channel] = np.full(self.horizon.slots, np.nan)
        spoken = dict(zip(issue.channels, issue.rows, strict=True))
        for channel, row in self.rows.items():
            said = spoken.get(channel)
            row[mine] = np.where(wins, np.nan if said is None else said[theirs], row[mine])
        self.ids[mine] = np.where(wins, issue_id, self.ids[mine])

    def paste(self, other: Canvas) -> None:
        """Copy the slots of another canvas that fall inside this one."""
        shift = (other.horizon.start - self.horizon.start) // SLOT
        first, last = max(0, shift), min(self.horizon.slots, shift + other.horizon.slots)
        if first >= last:
            return
        mine, theirs = slice(first, last), slice(first - shift, last - shift)
        self.ids[mine] = other.ids[theirs]
        for channel, row in other.rows.items():
            if channel not in self.rows:
                self.rows[channel] = np.full(self.horizon.slots, np.nan)
            self.rows[channel][mine] = row[theirs]

    def to_series(
        self, name: SignalName, region: str, provenances: Callable[[int], Provenance]
    ) -> SignalSeries:
        """Return the canvas as a series; provenances stand in the order of their ids."""
        values = self.rows.get(VALUE)
        if values is None:
            return SignalSeries.empty(name, region, self.horizon)
        used = np.unique(self.ids[self.ids != NOTHING])
        index = np.where(self.ids == NOTHING, -1, np.searchsorted(used, self.ids))
        return SignalSeries(
            name,
            region,
            self.horizon,
            values,
            index.astype(np.int64),
            tuple(provenances(int(one)) for one in used),
            _unless_blank(self.rows.get(P5)),
            _unless_blank(self.rows.get(P95)),
        )

    def to_mixes(
        self, region: str, provenances: Callable[[int], Provenance]
    ) -> tuple[MixSeries, ...]:
        """Return the canvas as mixes of one provenance each, newest first."""
        used = [(provenances(int(i)), int(i)) for i in np.unique(self.ids[self.ids != NOTHING])]
        used.sort(key=lambda pair: (pair[0].retrieved_at, pair[1]), reverse=True)
        fuels = sorted(self.rows)
        table = np.vstack([self.rows[fuel] for fuel in fuels]) if fuels else np.empty((0, 0))
        mixes = []
        for provenance, one in used:
            slots = np.flatnonzero(self.ids == one)
            first, last = int(slots[0]), int(slots[-1])
            part = table[:, first : last + 1]
            if slots.size < part.shape[1]:
                part = np.where(self.ids[first : last + 1] == one, part, np.nan)
            is_blank = np.asarray(np.isnan(part).all(axis=1))
            rows = {
                fuel: row
                for fuel, row, blank in zip(fuels, part, is_blank, strict=True)
                if not blank
            }
            horizon = Horizon(self.horizon.start_of(first), last - first + 1)
            mixes.append(MixSeries(region, horizon, rows, provenance))
        return tuple(mixes)


def _unless_blank(row: FloatArray | None) -> FloatArray | None:
    return None if row is None or np.isnan(row).all() else row


def pack_rows(rows: Iterable[FloatArray]) -> bytes:
    """Return rows of float64 (little-endian) as compressed bytes."""
    return zlib.compress(np.vstack(list(rows)).astype("<f8").tobytes(), 1)


def unpack_rows(packed: bytes, channels: int) -> FloatArray:
    """Return rows of float64 from `pack_rows`, shape (channels, slots)."""
    flat = np.frombuffer(zlib.decompress(packed), dtype="<f8")
    return flat.astype(np.float64).reshape(channels, -1)


def pack_canvas(canvas: Canvas) -> tuple[str, bytes]:
    """Return the channel names (comma-separated) and the compressed content of a canvas."""
    rows = b"".join(row.astype("<f8").tobytes() for row in canvas.rows.values())
    return ",".join(canvas.rows), zlib.compress(rows + canvas.ids.astype("<i8").tobytes(), 1)


def unpack_canvas(horizon: Horizon, channels: str, packed: bytes) -> Canvas:
    """Return a canvas from `pack_canvas`."""
    raw = zlib.decompress(packed)
    names = channels.split(",") if channels else []
    ids_at = len(names) * horizon.slots * 8
    floats = np.frombuffer(raw, dtype="<f8", count=len(names) * horizon.slots)
    table = floats.astype(np.float64).reshape(len(names), horizon.slots)
    ids = np.frombuffer(raw, dtype="<i8", offset=ids_at).astype(np.int64)
    return Canvas(horizon, dict(zip(names, table, strict=True)), ids)
