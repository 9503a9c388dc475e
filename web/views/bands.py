"""Bands: which words and tokens a carbon intensity or a price gets.

Carbon follows the index words of the Carbon Intensity API, which tighten every year. A price is judged
against a stated reference, never against fixed pence.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from statistics import fmean

from models.domain import bands
from models.domain.bands import BAND_TOPS
from models.domain.bands import BAND_WORDS as CARBON_WORDS

PRICE_WORDS = ("negative", "low", "usual", "high", "very high")
"""Words of price bands 0 to 4."""

PRICE_STEPS = (0.75, 1.25, 1.75)
"""Borders between low, usual, high and very high as multiples of the reference."""


def carbon_band(value_g_per_kwh: float | None, year: int) -> int | None:
    """Return the index band 0 (very low) to 4 (very high), or None where the value is unknown. [gCO2/kWh]"""
    return None if value_g_per_kwh is None else bands.carbon_band(value_g_per_kwh, year)


def price_band(value_gbp_per_kwh: float | None, reference_gbp_per_kwh: float | None) -> int | None:
    """Return the price band 0 (negative) to 4 (very high) against a reference. [GBP/kWh]

    Unknown price or reference gives None; a reference of zero or less leaves only `negative` and `usual`.
    """
    if value_gbp_per_kwh is None or reference_gbp_per_kwh is None:
        return None
    if value_gbp_per_kwh < 0:
        return 0
    if reference_gbp_per_kwh <= 0:
        return 2
    return 1 + bisect.bisect_right(PRICE_STEPS, round(value_gbp_per_kwh / reference_gbp_per_kwh, 9))


def reference_price(values_gbp_per_kwh: list[float | None]) -> float | None:
    """Return the reference prices are judged against: the mean of the half-hours shown. [GBP/kWh]"""
    known = [value for value in values_gbp_per_kwh if value is not None]
    return fmean(known) if known else None


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One colour of a legend, with its word and range."""

    css: str
    word: str
    span: str


def carbon_legend(year: int) -> tuple[LegendEntry, ...]:
    """Return the five carbon bands of a year with their ranges. [gCO2/kWh]"""
    bounds = BAND_TOPS[min(max(year, min(BAND_TOPS)), max(BAND_TOPS))]
    lows = (0, *(bound + 1 for bound in bounds))
    spans = [f"{low}–{high}" for low, high in zip(lows, bounds, strict=False)]
    spans.append(f"over {bounds[-1]}")
    return tuple(
        LegendEntry(f"carbon-{k}", word, span_)
        for k, (word, span_) in enumerate(zip(CARBON_WORDS, spans, strict=True))
    )


def price_legend(reference_gbp_per_kwh: float | None) -> tuple[LegendEntry, ...]:
    """Return the five price bands with their ranges around a reference. [p/kWh]"""
    if reference_gbp_per_kwh is None or reference_gbp_per_kwh <= 0:
        return ()
    edges = [f"{step * reference_gbp_per_kwh * 100:.0f}" for step in PRICE_STEPS]
    spans = (
        "below 0", f"0–{edges[0]}", f"{edges[0]}–{edges[1]}", f"{edges[1]}–{edges[2]}",
        f"over {edges[2]}",
    )  # fmt: skip
    return tuple(
        LegendEntry(f"price-{k}", word, span_)
        for k, (word, span_) in enumerate(zip(PRICE_WORDS, spans, strict=True))
    )
