"""Own estimates beyond what providers have published: means of the same London half-hour.

Only arithmetic lives here. Every estimate says by which mean, and of how many values, it was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.domain.signal import FloatArray, IntArray, Provenance, Quality, SignalSeries, ValueKind
from models.domain.time import LONDON, Horizon, half_hour_of_day, is_working_day

OWN_ESTIMATE = "own estimate"
"""Source named in the provenance of everything made here."""

SAMPLE_DAYS = 28
"""How far back the means reach. Source: design section 7, "Beyond published Agile". [d]"""

LEAST_SAMPLES = 3
"""Fewer prices of the same day type than this are not trusted; then any day type counts."""

_HALF_HOURS = 48
_PRICE_NOTES = (
    "mean ex VAT of the same London half-hour and day type over the last 28 days, n = {n}",
    "mean ex VAT of the same London half-hour over the last 28 days, any day type (fewer than 3 of the same), n = {n}",
    "mean ex VAT of every price known of the last 28 days and today, none being of the same half-hour, n = {n}",
)
_CARBON_NOTES = (
    "mean of the same London half-hour over the last 28 days and the present forecast, n = {n}",
    "mean of every value of the last 28 days and the present forecast (none of the same London half-hour), n = {n}",
)


@lru_cache(maxsize=64)
def london_pattern(horizon: Horizon) -> tuple[IntArray, NDArray[np.bool_]]:
    """Return per slot the London half-hour of day (0–47) and whether its London date is a working day."""
    half_hours = np.empty(horizon.slots, dtype=np.int64)
    working = np.empty(horizon.slots, dtype=np.bool_)
    for index, start in enumerate(horizon.starts()):
        half_hours[index] = half_hour_of_day(start)
        working[index] = is_working_day(start.astimezone(LONDON).date())
    return half_hours, working


@dataclass(frozen=True)
class _Means:
    """Mean and count by key; the mean of a key without samples is NaN."""

    mean: FloatArray
    count: IntArray

    @classmethod
    def of(cls, keys: IntArray, values: FloatArray, size: int) -> _Means:
        known = ~np.isnan(values)
        count = np.bincount(keys[known], minlength=size)
        total = np.bincount(keys[known], weights=values[known], minlength=size)
        mean = np.full(size, np.nan)
        np.divide(total, count, out=mean, where=count > 0)
        return cls(mean, count.astype(np.int64))


def price_estimates(
    past: SignalSeries,
    known: SignalSeries,
    horizon: Horizon,
    computed_at: datetime,
    quality: Quality = Quality.ESTIMATED,
) -> SignalSeries:
    """Estimate prices for every slot of a horizon.

    Args:
        past: Published prices of the last 28 days, NaN where unknown. [GBP/kWh]
        known: Published prices from now on; used only where the past holds nothing of a half-hour. [GBP/kWh]
        horizon: Slots to estimate.
        computed_at: Planning clock, for the provenance.
        quality: Label of the estimates; `simulated` where the samples are.

    Returns:
        Estimates (kind `estimate`); unknown where no price at all is known.

    Source:
        design section 7: mean ex-VAT price of the same London half-hour and day type over the last 28 days.
    """
    half_hours, working = london_pattern(past.horizon)
    same_type = _Means.of(half_hours + _HALF_HOURS * working, past.values, 2 * _HALF_HOURS)
    any_type = _Means.of(half_hours, past.values, _HALF_HOURS)
    everything = np.concatenate([past.values, known.values])
    wanted_half_hours, wanted_working = london_pattern(horizon)
    key = wanted_half_hours + _HALF_HOURS * wanted_working
    method = np.where(
        same_type.count[key] >= LEAST_SAMPLES,
        0,
        np.where(any_type.count[wanted_half_hours] > 0, 1, 2),
    )
    total, n = _overall(everything)
    values = np.choose(
        method,
        [same_type.mean[key], any_type.mean[wanted_half_hours], np.full(horizon.slots, total)],
    )
    counts = np.choose(
        method, [same_type.count[key], any_type.count[wanted_half_hours], np.full(horizon.slots, n)]
    )
    return _labelled(past, horizon, values, method, counts, _PRICE_NOTES, computed_at, quality)


def carbon_estimates(
    past: SignalSeries,
    forecast: SignalSeries,
    horizon: Horizon,
    computed_at: datetime,
    quality: Quality = Quality.ESTIMATED,
) -> SignalSeries:
    """Estimate carbon for every slot of a horizon.

    Args:
        past: Last published values of the last 28 days, NaN where unknown. [gCO2/kWh]
        forecast: The present forecast. [gCO2/kWh]
        horizon: Slots to estimate.
        computed_at: Planning clock, for the provenance.
        quality: Label of the estimates; `simulated` where the samples are.

    Returns:
        Estimates; unknown where nothing at all is known.
    """
    keys = np.concatenate([london_pattern(past.horizon)[0], london_pattern(forecast.horizon)[0]])
    values = np.concatenate([past.values, forecast.values])
    by_half_hour = _Means.of(keys, values, _HALF_HOURS)
    wanted = london_pattern(horizon)[0]
    total, n = _overall(values)
    method = np.where(by_half_hour.count[wanted] > 0, 0, 1)
    return _labelled(
        past,
        horizon,
        np.where(method == 0, by_half_hour.mean[wanted], total),
        method,
        np.where(method == 0, by_half_hour.count[wanted], n),
        _CARBON_NOTES,
        computed_at,
        quality,
    )


def _overall(values: FloatArray) -> tuple[float, int]:
    known = values[~np.isnan(values)]
    return (float(known.mean()), int(known.size)) if known.size else (float("nan"), 0)


def _labelled(
    past: SignalSeries,
    horizon: Horizon,
    values: FloatArray,
    method: IntArray,
    counts: IntArray,
    notes: tuple[str, ...],
    computed_at: datetime,
    quality: Quality,
) -> SignalSeries:
    """Return the series with one provenance for each distinct (method, n)."""
    code = method * 1_000_000 + counts
    distinct, index = np.unique(code, return_inverse=True)
    digest = past.digest()
    provenances = tuple(
        Provenance(
            OWN_ESTIMATE,
            "",
            ValueKind.ESTIMATE,
            quality,
            None,
            computed_at,
            digest,
            notes[int(entry) // 1_000_000].format(n=int(entry) % 1_000_000),
        )
        for entry in distinct
    )
    return SignalSeries(
        past.name,
        past.region,
        horizon,
        np.asarray(values, dtype=np.float64),
        np.where(np.isnan(values), -1, index).astype(np.int64),
        provenances,
    )
