"""Scarce half-hours: where a plan puts a price on power, as a small strip and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from models.domain.signal import FloatArray
from models.domain.time import SLOT
from web.views.formatting import count
from web.views.stamps import span_text

WIDTH = 288.0
HEIGHT = 36.0
STRETCHES_SHOWN = 8
"""Stretches told in words; the rest are counted."""


@dataclass(frozen=True, slots=True)
class ScarceBar:
    """One half-hour with a price."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class ScarceView:
    """One cluster's scarce half-hours."""

    name: str
    width: float
    height: float
    bars: tuple[ScarceBar, ...]
    title: str
    lines: tuple[str, ...]


def scarce_view(
    name: str, start: datetime, gbp_per_kwh: FloatArray, now: datetime
) -> ScarceView | None:
    """Return a cluster's scarce half-hours, or None where no price is above 0.

    Args:
        name: Shown name of the cluster.
        start: First half-hour of the prices.
        gbp_per_kwh: Shadow price of reserved IT power per half-hour. [GBP/kWh]
        now: The planning clock.
    """
    stretches = _stretches(gbp_per_kwh)
    if not stretches:
        return None
    top = float(gbp_per_kwh.max())
    step = WIDTH / gbp_per_kwh.size
    bars = tuple(
        ScarceBar(
            round(index * step, 2),
            round(HEIGHT * (1 - float(price) / top), 2),
            round(max(step - 0.5, 0.5), 2),
            round(HEIGHT * float(price) / top, 2),
        )
        for index, price in enumerate(gbp_per_kwh)
        if price > 0.0
    )
    lines = [
        f"{span_text(start + a * SLOT, start + b * SLOT, now)}: up to {float(gbp_per_kwh[a:b].max()) * 100:.2f} p/kWh"
        for a, b in stretches[:STRETCHES_SHOWN]
    ]
    if len(stretches) > STRETCHES_SHOWN:
        lines.append(f"and {count(len(stretches) - STRETCHES_SHOWN, 'later stretch', 'later stretches')}")  # fmt: skip
    halves = count(len(bars), "scarce half-hour")
    return ScarceView(
        name, WIDTH, HEIGHT, bars, f"{halves}, up to {top * 100:.2f} p/kWh", tuple(lines)
    )


def scarce_views(
    prices: Mapping[str, tuple[datetime, FloatArray]], names: Mapping[str, str], now: datetime
) -> tuple[ScarceView, ...]:
    """Return the scarce half-hours of every named cluster that has any, by name."""
    found = (
        scarce_view(name, *prices[asset_id], now)
        for asset_id, name in sorted(names.items(), key=lambda pair: pair[1])
        if asset_id in prices
    )
    return tuple(one for one in found if one is not None)


def _stretches(prices: FloatArray) -> list[tuple[int, int]]:
    """Return the [first, stop) of every run of half-hours above 0."""
    answer: list[tuple[int, int]] = []
    for index in range(prices.size):
        if prices[index] <= 0.0:
            continue
        if answer and answer[-1][1] == index:
            answer[-1] = (answer[-1][0], index + 1)
        else:
            answer.append((index, index + 1))
    return answer
