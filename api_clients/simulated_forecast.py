"""How wrong a forecast of the synthetic grid is: the error grows with lead and changes with every issue.

Two parts: a slow one that belongs to the weather run behind the issue (runs every six hours, blended between them, so that
neighbouring issues agree mostly), and a quick one of the single half-hourly issue.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from api_clients.simulated_noise import smooth

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

RUN_SLOTS = 12
"""Half-hours between two weather runs."""

ERROR_AT_ISSUE_G_PER_KWH = 7.0
"""Standard deviation of the national error for the half-hour of issue. [gCO2/kWh]"""

ERROR_GROWTH_G_PER_KWH = 30.0
"""What lead adds to it in the end. [gCO2/kWh]"""

ERROR_GROWTH_HOURS = 8.0
"""Lead after which 63 % of the growth is there. [h]

The three figures give mean absolute errors near the ones of the nine recorded issues of March 2023 (18 g up to 6 h, 28 to
34 g beyond).
"""

_OWN_SHARE = 0.45
"""Share of a region's error variance that is its own."""


def error_sd_g_per_kwh(lead_hours: FloatArray) -> FloatArray:
    """Return the standard deviation of the national error by lead. [gCO2/kWh]"""
    grown = 1.0 - np.exp(-np.maximum(0.0, lead_hours) / ERROR_GROWTH_HOURS)
    return np.asarray(ERROR_AT_ISSUE_G_PER_KWH + ERROR_GROWTH_G_PER_KWH * grown)


def forecast_error(seed: int, issue_slot: int, slot: IntArray, regions: int) -> FloatArray:
    """Return errors in units of their standard deviation: row 0 the nation, then the regions. [1]

    Args:
        seed: Seed of the grid.
        issue_slot: Half-hour of issue, in half-hours since 1970.
        slot: Target half-hours. Shape (n,).
        regions: How many regions.

    Returns:
        Shape (1 + regions, n).
    """
    run, into = divmod(issue_slot, RUN_SLOTS)
    angle = into / RUN_SLOTS * np.pi / 2.0
    channels = np.arange(1 + regions, dtype=np.int64)[:, None]

    def of_run(number: int) -> FloatArray:
        # Each run is its own channel; 1,000,003 keeps runs and regions from sharing one.
        return smooth(seed, 1_000_003 * (number % 65_536) + 200 + channels, slot[None, :], 14)

    weather = of_run(run) * np.cos(angle) + of_run(run + 1) * np.sin(angle)
    quick = smooth(seed, 1_000_003 * (issue_slot % 65_536) + 400 + channels, slot[None, :], 6)
    made = np.sqrt(0.98) * weather + np.sqrt(0.02) * quick
    made[1:] = np.sqrt(1.0 - _OWN_SHARE) * made[:1] + np.sqrt(_OWN_SHARE) * made[1:]
    return np.asarray(made)
