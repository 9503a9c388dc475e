"""Half-hours of regions as people read them: carbon, price with VAT, mix, index band."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from models.domain.bands import band_word, carbon_band
from models.domain.errors import FieldError, InvalidRequest
from models.domain.regions import REGIONS, region
from models.domain.signal import MixSeries, RegionSignals, SignalName
from models.domain.time import LONDON, SLOT, Horizon, as_utc, ceil_slot, floor_slot
from models.domain.vat import vat_rate
from services import forecast_error as errors
from services.context import Context
from services.types import EnergyRow, RegionNow

LEAST_HOURS, MOST_HOURS = 0.5, 336.0
"""Range of a forecast. [h]"""

LONGEST_HISTORY = timedelta(days=31)
"""Longest stretch of the past in one answer."""


def forecast(context: Context, slug: str, hours: float) -> tuple[EnergyRow, ...]:
    """Return half-hours of a region from the current one.

    Args:
        context: Ports.
        slug: Region.
        hours: How far ahead, 0.5 to 336; a started half-hour counts. [h]

    Raises:
        InvalidRequest: If the region is unknown or the hours are out of range.
    """
    place = region(slug).slug
    if not LEAST_HOURS <= hours <= MOST_HOURS:
        allowed = f"{LEAST_HOURS:g} to {MOST_HOURS:g} hours"
        raise InvalidRequest(
            f"hours must be {allowed}, not {hours:g}",
            (FieldError("hours", "out of range", hours, allowed, "ask for less at a time"),),
        )
    context.signals.ensure_fresh((place,))
    horizon = Horizon(floor_slot(context.clock.now()), ceil(hours * 2))
    return _rows(context, place, horizon)


def current(context: Context, slug: str) -> EnergyRow:
    """Return the current half-hour of a region. Raises `InvalidRequest` if there is no such region."""
    return forecast(context, slug, LEAST_HOURS)[0]


def history(context: Context, slug: str, start: datetime, end: datetime) -> tuple[EnergyRow, ...]:
    """Return half-hours of a region in `[start, end)` from the archive, as last published.

    Raises:
        InvalidRequest: If the region is unknown, the stretch is empty or longer than 31 days.
    """
    place = region(slug).slug
    first, last = floor_slot(start), ceil_slot(end)
    if not timedelta(0) < last - first <= LONGEST_HISTORY:
        allowed = f"after the start, by at most {LONGEST_HISTORY.days} days"
        raise InvalidRequest(
            f"the end must be {allowed}: {as_utc(start).isoformat()} to {as_utc(end).isoformat()}",
            (FieldError("end", "out of range", as_utc(end).isoformat(), allowed),),
        )
    return _rows(context, place, Horizon(first, (last - first) // SLOT))


def regions_now(context: Context, at: datetime | None = None) -> tuple[RegionNow, ...]:
    """Return all 18 regions in the half-hour of `at` (default: now), the 14 DNO regions first."""
    context.signals.ensure_fresh()
    horizon = Horizon(floor_slot(at or context.clock.now()), 1)
    views = context.signals.view(tuple(REGIONS), horizon, with_mix=True)
    year = horizon.start.astimezone(LONDON).year
    found = []
    for slug, signals in views.items():
        row = row_at(signals, 0, context.settings.customer_class)
        value = row.carbon.value
        band = None if value is None else carbon_band(value, year)
        found.append(RegionNow(slug, row, band, band_word(band)))
    return tuple(found)


def forecast_error(context: Context, slug: str, signal: SignalName) -> Mapping[str, Any]:
    """Return error statistics of archived forecasts, or the reason why there are none yet."""
    return errors.show(context, region(slug).slug, signal)


def row_at(signals: RegionSignals, index: int, customer_class: str) -> EnergyRow:
    """Return one half-hour of a view.

    Args:
        signals: The view, with its mix where the row should show one.
        index: Slot of the view.
        customer_class: Whose VAT rate is added.
    """
    start = signals.horizon.start_of(index)
    price = signals.price.at(index)
    rate = float(vat_rate(start, customer_class))
    mix = next((found for series in signals.mix if (found := series.at(start))), None)
    stress = signals.grid_stress.at(index).value if signals.grid_stress is not None else None
    return EnergyRow(
        start=start,
        end=start + SLOT,
        carbon=signals.carbon.at(index),
        price=price,
        price_inc_vat=None if price.value is None else price.value * (1 + rate),
        vat_percent=rate * 100,
        renewable_percent=MixSeries.renewable_of(mix) if mix else None,
        generation_mix=mix or {},
        grid_stress=stress,
    )


def _rows(context: Context, slug: str, horizon: Horizon) -> tuple[EnergyRow, ...]:
    signals = context.signals.view((slug,), horizon, with_mix=True)[slug]
    customer_class = context.settings.customer_class
    return tuple(row_at(signals, index, customer_class) for index in range(horizon.slots))
