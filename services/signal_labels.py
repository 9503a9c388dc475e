"""Label archived values by their age, and form the prices of aggregates.

Only arithmetic lives here: what a value is worth depends on when it was fetched and on the planning clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from models.domain.signal import (
    FloatArray,
    IntArray,
    Provenance,
    Quality,
    SignalName,
    SignalSeries,
    ValueKind,
    worst_quality,
)
from models.domain.time import Horizon

_LABELS = (Quality.LIVE, Quality.CACHED, Quality.STALE, Quality.NONE)
_NONE = 3


@dataclass(frozen=True, slots=True)
class AgeLimits:
    """Ages up to which a value keeps a label."""

    live: timedelta = timedelta(minutes=35)
    """A carbon forecast is live this long."""
    cached: timedelta = timedelta(hours=3)
    """… then cached this long."""
    stale: timedelta = timedelta(hours=48)
    """… then stale this long; older ones are dropped."""
    published_live: timedelta = timedelta(hours=6)
    """Published tariffs and past values are live this long, then cached, never stale: they do not change."""


def _seconds(instant: datetime) -> float:
    return instant.timestamp()


def _per_slot(series: SignalSeries, of_provenance: Sequence[float]) -> FloatArray:
    """Spread one number per provenance over the slots; NaN where a slot is unknown."""
    table = np.asarray([*of_provenance, np.nan], dtype=np.float64)
    return table[series.provenance_index]


def aged(series: SignalSeries, now: datetime, limits: AgeLimits) -> SignalSeries:
    """Return a live series labelled by age on the planning clock.

    A forecast ages until its half-hour ends: of a past half-hour, the age of its last forecast at its end counts,
    and a value fetched after that end is the published one. Tariffs and actuals do not age into `stale`.

    Args:
        series: Archived values with the provenance they were saved with.
        now: Planning clock.
        limits: Ages up to which a value keeps a label.

    Returns:
        The same values with new labels; forecasts older than `limits.stale` become unknown where their half-hour
        is not over.
    """
    if not series.provenances:
        return series
    retrieved = _per_slot(series, [_seconds(p.retrieved_at) for p in series.provenances])
    is_forecast = _per_slot(
        series, [float(p.kind is ValueKind.FORECAST) for p in series.provenances]
    )
    ends = _seconds(series.horizon.start_of(1)) + np.arange(series.horizon.slots) * 1800.0
    age = np.minimum(_seconds(now), ends) - retrieved
    published_age = _seconds(now) - retrieved
    as_published = np.where(published_age <= limits.published_live.total_seconds(), 0, 1)
    as_forecast = np.select(
        [age <= limit.total_seconds() for limit in (limits.live, limits.cached, limits.stale)],
        [0, 1, 2],
        default=np.where(ends <= _seconds(now), 2, _NONE),
    )
    ages = (is_forecast == 1.0) & (age > 0)
    return relabelled(series, np.where(ages, as_forecast, as_published).astype(np.int64))


def relabelled(series: SignalSeries, label: IntArray) -> SignalSeries:
    """Return the series with a label per slot (index into live, cached, stale, none); none makes it unknown."""
    keep = (series.provenance_index >= 0) & (label != _NONE)
    code = np.where(keep, series.provenance_index * len(_LABELS) + label, -1)
    distinct, place = np.unique(code, return_inverse=True)
    offset = 1 if distinct.size and distinct[0] == -1 else 0
    provenances = tuple(
        replace(
            series.provenances[int(entry) // len(_LABELS)],
            quality=_LABELS[int(entry) % len(_LABELS)],
        )
        for entry in distinct[offset:]
    )
    return replace(
        series,
        values=np.where(keep, series.values, np.nan),
        provenance_index=np.where(keep, place - offset, -1).astype(np.int64),
        provenances=provenances,
        p5=None if series.p5 is None else np.where(keep, series.p5, np.nan),
        p95=None if series.p95 is None else np.where(keep, series.p95, np.nan),
    )


def aggregate_price(slug: str, members: Sequence[SignalSeries]) -> SignalSeries:
    """Return the price of an aggregate: the mean of its letters where all of them are known.

    Each half-hour takes the provenance of the first member, with the worst label of all and the oldest fetch.
    """
    first = members[0]
    if len(members) == 1:
        return replace(first, region=slug)
    values = np.mean([m.values for m in members], axis=0)
    known = ~np.isnan(values)
    keys = np.stack([m.provenance_index for m in members], axis=1)[known]
    index = np.full(first.horizon.slots, -1, dtype=np.int64)
    provenances: list[Provenance] = []
    if keys.size:
        distinct, place = np.unique(keys, axis=0, return_inverse=True)
        index[known] = place.reshape(-1)
        for row in distinct:
            parts = [m.provenances[int(k)] for m, k in zip(members, row, strict=True)]
            provenances.append(
                replace(
                    parts[0],
                    quality=worst_quality(p.quality for p in parts),
                    retrieved_at=min(p.retrieved_at for p in parts),
                    note=f"mean of {len(members)} price regions"
                    + (f"; {parts[0].note}" if parts[0].note else ""),
                )
            )
    return SignalSeries(SignalName.PRICE, slug, first.horizon, values, index, tuple(provenances))


def only_from(series: SignalSeries, start: datetime) -> SignalSeries:
    """Return the series with every half-hour that ends by `start` made unknown."""
    first = series.horizon.index_of(start)
    keep = np.arange(series.horizon.slots) >= first
    return replace(
        series,
        values=np.where(keep, series.values, np.nan),
        provenance_index=np.where(keep, series.provenance_index, -1).astype(np.int64),
    )


def joined(parts: Sequence[SignalSeries], horizon: Horizon) -> SignalSeries:
    """Return one series over a horizon from several that do not overlap, earlier ones winning."""
    result = parts[0].over(horizon)
    for part in parts[1:]:
        result = result.filled_from(part.over(horizon))
    return result
