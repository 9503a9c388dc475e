"""The five words of the GB carbon index: very low to very high, by year.

A label for people, never an input of a decision: the limits are lowered every year.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import floor

BAND_WORDS = ("very low", "low", "moderate", "high", "very high")
"""Words of bands 0 to 4."""

BAND_TOPS: Mapping[int, tuple[int, int, int, int]] = {
    2017: (99, 199, 299, 399),
    2018: (79, 179, 279, 380),
    2019: (59, 159, 259, 360),
    2020: (54, 149, 229, 350),
    2021: (49, 139, 219, 330),
    2022: (44, 129, 209, 310),
    2023: (39, 119, 199, 290),
    2024: (34, 109, 189, 270),
    2025: (29, 99, 179, 250),
    2026: (24, 89, 169, 230),
    2027: (19, 79, 159, 210),
    2028: (14, 69, 149, 190),
    2029: (9, 59, 139, 170),
    2030: (4, 49, 129, 150),
}
"""Highest whole value of very low, low, moderate and high in each year. [gCO2/kWh]

Source: NESO, "Carbon Intensity Forecast Methodology", Table 2 (January 2021): numerical bands of the index. From 2018 it
prints one number as the top of `high` and the start of `very high`; it counts as `high` here.
"""


def carbon_band(intensity_g_per_kwh: float, year: int) -> int:
    """Return the band of an intensity, 0 (very low) to 4 (very high).

    Args:
        intensity_g_per_kwh: Carbon intensity; compared as a whole number, as the provider states it. [gCO2/kWh]
        year: Calendar year; before the first or after the last one known, that one's limits hold.
    """
    tops = BAND_TOPS[min(max(year, min(BAND_TOPS)), max(BAND_TOPS))]
    whole = floor(intensity_g_per_kwh + 0.5)
    return sum(whole > top for top in tops)


def band_word(band: int | None) -> str:
    """Return the word of a band; `unknown` for none."""
    return "unknown" if band is None else BAND_WORDS[band]
