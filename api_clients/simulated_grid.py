"""A synthetic GB power system by half-hour: demand, fuels by region, carbon, wholesale price.

Arithmetic only. All figures are round assumptions chosen so that the national statistics lie near the recorded ones of
2023 (a test compares them); nothing here is a measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from api_clients.simulated_noise import smooth
from models.domain.time import LONDON

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FUELS = ("biomass", "coal", "gas", "hydro", "imports", "nuclear", "other", "solar", "wind")
"""Fuels of the generation mix, in the order of the last axis of every mix array."""

_F = {fuel: number for number, fuel in enumerate(FUELS)}

CARBON_G_PER_KWH = np.array([120.0, 937.0, 394.0, 0.0, 150.0, 0.0, 300.0, 0.0, 0.0])
"""Grams per kWh by fuel, in the order of `FUELS`. [gCO2/kWh]

Source: NESO, "Carbon Intensity Forecast Methodology", May 2024 (fuel factors); imports: a round mean of France 53,
Belgium 179 and the Netherlands 474.
"""

LOSSES = 1.05
"""Consumption-based intensity is above generation-based by the transmission and distribution losses."""

# One figure per DNO region, in id order: N Scotland, S Scotland, NW, NE, Yorkshire, N Wales and Merseyside, S Wales,
# W Midlands, E Midlands, East, SW, South, London, SE. Shares are normalised below.
_DEMAND = [3, 6, 9, 5, 8, 6, 5, 9, 9, 12, 5, 10, 13, 8]
_WIND = [24, 18, 8, 4, 14, 10, 3, 0.3, 9, 16, 2, 1, 0, 8]
_SOLAR = [0.6, 0.8, 3, 2, 6, 4, 8, 7, 11, 20, 15, 15, 1, 9]
_GAS = [1.5, 0, 3, 2, 13, 15, 22, 1.5, 15, 9, 5, 8, 5, 9]
_NUCLEAR = [0, 22, 42, 18, 0, 0, 0, 0, 0, 20, 0, 0, 0, 10]
_HYDRO = [62, 22, 2, 1, 0.5, 9, 3, 0.3, 0.5, 0, 0.5, 0, 0, 0]
_BIOMASS = [2, 4, 3, 12, 62, 2, 3, 2, 5, 6, 1, 2, 1, 2]
_COAL = [0, 0, 0, 0, 5, 0, 5, 0, 85, 0, 0, 0, 0, 5]
_IMPORTS = [0, 3, 0, 15, 0, 8, 0, 0, 0, 14, 0, 14, 0, 46]


def _shares(figures: Sequence[float]) -> FloatArray:
    array = np.array(figures, dtype=np.float64)
    return np.asarray(array / array.sum())


DEMAND_SHARE = _shares(_DEMAND)
_WIND_SHARE = _shares(_WIND)
_SHARES = {
    "solar": _shares(_SOLAR),
    "gas": _shares(_GAS),
    "nuclear": _shares(_NUCLEAR),
    "hydro": _shares(_HYDRO),
    "biomass": _shares(_BIOMASS),
    "coal": _shares(_COAL),
    "imports": _shares(_IMPORTS),
    "other": DEMAND_SHARE,
}

_LATITUDE = np.radians(
    np.array([57.5, 55.5, 54, 55, 53.7, 53, 51.8, 52.5, 52.9, 52.2, 50.8, 51.2, 51.5, 51.1])
)
_LONGITUDE = np.array(
    [-4.2, -3.5, -2.7, -1.6, -1.3, -3.3, -3.6, -2.1, -1.0, 0.6, -3.7, -1.4, -0.1, 0.4]
)

_WEEKDAY_GW = np.interp(
    np.arange(48),
    [0, 4, 8, 11, 14, 18, 24, 30, 33, 36, 40, 43, 47],
    [25.5, 24.0, 23.2, 24.5, 30.0, 32.0, 31.5, 31.0, 33.5, 37.0, 34.0, 31.0, 26.5],
)
"""National demand on a mean working day by London half-hour. [GW]"""

_WEEKEND_GW = np.interp(
    np.arange(48),
    [0, 4, 9, 14, 18, 24, 30, 33, 36, 40, 43, 47],
    [24.5, 22.8, 22.0, 24.5, 28.5, 29.0, 28.0, 30.5, 33.5, 31.5, 29.0, 25.5],
)
"""The same on Saturdays and Sundays. [GW]"""

WIND_CAPACITY_GW = 27.0
SOLAR_CAPACITY_GW = 15.0
GAS_MIN_GW = 2.6
"""Gas that runs in any case, for stability. [GW]"""
GAS_MAX_GW = 28.0
IMPORTS_MIN_GW = -4.5
IMPORTS_MAX_GW = 7.0


@dataclass(frozen=True)
class GridState:
    """The synthetic system over some half-hours.

    Attributes:
        slot: Half-hours since 1970. Shape (n,).
        national_g_per_kwh: Carbon intensity of GB. Shape (n,). [gCO2/kWh]
        regional_g_per_kwh: Carbon intensity by DNO region in id order. Shape (14, n). [gCO2/kWh]
        regional_mix: Share of each fuel in what a region consumes. Shape (14, n, 9). [1]
        national_mix: The same for GB. Shape (n, 9). [1]
        wholesale_p_per_kwh: Day-ahead price. Shape (n,). [p/kWh]
    """

    slot: IntArray
    national_g_per_kwh: FloatArray
    regional_g_per_kwh: FloatArray
    regional_mix: FloatArray
    national_mix: FloatArray
    wholesale_p_per_kwh: FloatArray


def simulate(seed: int, slot: IntArray) -> GridState:
    """Return the state of the system in some half-hours; a pure function of seed and half-hour."""
    demand_gw, half_hour, year_angle = _demand(seed, slot)
    solar_gw = _solar(seed, slot, year_angle)
    wind_gw = _wind(seed, slot, year_angle)
    national = np.zeros((slot.size, len(FUELS)))
    national[:, _F["nuclear"]] = 4.9 + 0.5 * np.tanh(smooth(seed, 10, slot, 48 * 30))
    national[:, _F["hydro"]] = (
        0.6 + 0.25 * np.cos(year_angle) + 0.15 * np.tanh(smooth(seed, 11, slot, 150))
    )
    national[:, _F["biomass"]] = 1.9 + 0.6 * np.tanh(smooth(seed, 12, slot, 120))
    national[:, _F["other"]] = 0.3
    wind, solar = wind_gw.sum(axis=0), solar_gw.sum(axis=0)
    rest = demand_gw - national.sum(axis=1) - wind - solar
    # Interconnectors follow the tightness of GB and a mood of their own; gas takes what is left.
    wish = 0.28 * (rest - 8.0) + 2.2 + 1.6 * smooth(seed, 13, slot, 90)
    imports = np.clip(wish, IMPORTS_MIN_GW, IMPORTS_MAX_GW)
    gas = np.clip(rest - imports, GAS_MIN_GW, GAS_MAX_GW)
    imports = np.clip(rest - gas, IMPORTS_MIN_GW, IMPORTS_MAX_GW)
    coal = np.maximum(0.0, rest - imports - gas)
    curtailed = np.maximum(0.0, gas + imports - rest)
    kept = np.where(wind > 0, np.maximum(0.0, 1.0 - curtailed / np.maximum(wind, 1e-9)), 0.0)
    wind_gw = wind_gw * kept
    national[:, _F["gas"]] = gas
    national[:, _F["coal"]] = coal
    national[:, _F["wind"]] = wind_gw.sum(axis=0)
    national[:, _F["solar"]] = solar
    national[:, _F["imports"]] = np.maximum(0.0, imports)
    generation = _by_region(national, wind_gw, solar_gw)
    mix = _regional_mix(generation, demand_gw)
    national_mix = national / national.sum(axis=1, keepdims=True)
    price = _wholesale(seed, slot, rest, imports, curtailed, half_hour)
    return GridState(
        slot,
        national_mix @ CARBON_G_PER_KWH * LOSSES,
        mix @ CARBON_G_PER_KWH * LOSSES,
        mix,
        national_mix,
        price,
    )


def _demand(seed: int, slot: IntArray) -> tuple[FloatArray, IntArray, FloatArray]:
    """Return demand [GW], the London half-hour of the day, and the angle of the year (0 in mid-January)."""
    local = [datetime.fromtimestamp(int(s) * 1800, UTC).astimezone(LONDON) for s in slot]
    half_hour = np.array([t.hour * 2 + t.minute // 30 for t in local], dtype=np.int64)
    weekend = np.array([t.weekday() >= 5 for t in local])
    day = np.array([t.timetuple().tm_yday for t in local], dtype=np.float64)
    year_angle = 2.0 * np.pi * (day - 15.0) / 365.25
    shape = np.where(weekend, _WEEKEND_GW[half_hour], _WEEKDAY_GW[half_hour])
    evening = np.exp(-0.5 * ((half_hour - 36.0) / 4.0) ** 2)
    season = 1.0 + 0.12 * np.cos(year_angle) * (1.0 + 0.5 * evening)
    weather = 1.0 + 0.025 * smooth(seed, 1, slot, 130) + 0.012 * smooth(seed, 2, slot, 17)
    return shape * season * weather, half_hour, year_angle


def _solar(seed: int, slot: IntArray, year_angle: FloatArray) -> FloatArray:
    """Return solar output by region. Shape (14, n). [GW]"""
    declination = np.radians(-23.44) * np.cos(year_angle + 2.0 * np.pi * 25.0 / 365.25)
    hour_utc = (slot % 48) / 2.0 + 0.25
    hour_angle = np.radians(15.0) * (hour_utc[None, :] - 12.0) + np.radians(_LONGITUDE)[:, None]
    elevation = np.sin(_LATITUDE)[:, None] * np.sin(declination)[None, :] + np.cos(_LATITUDE)[
        :, None
    ] * np.cos(declination)[None, :] * np.cos(hour_angle)
    channels = np.arange(14, dtype=np.int64)[:, None]
    cloud = 0.8 * smooth(seed, 20, slot, 60)[None, :] + 0.6 * smooth(
        seed, 30 + channels, slot[None, :], 14
    )
    clear = 0.5 + 0.3 * np.tanh(cloud)
    capacity = SOLAR_CAPACITY_GW * _SHARES["solar"][:, None]
    return np.asarray(capacity * clear * np.maximum(0.0, elevation) ** 1.15)


def _wind(seed: int, slot: IntArray, year_angle: FloatArray) -> FloatArray:
    """Return wind output by region before curtailment. Shape (14, n). [GW]

    Weather systems of several days pass over the whole island; regions differ by faster noise of their own.
    """
    channels = np.arange(14, dtype=np.int64)[:, None]
    common = (
        0.75 * smooth(seed, 50, slot, 170)
        + 0.55 * smooth(seed, 51, slot, 70)
        + 0.3 * smooth(seed, 52, slot, 22)
    )
    own = smooth(seed, 60 + channels, slot[None, :], 60)
    strength = -0.80 + 0.42 * np.cos(year_angle)[None, :] + 1.05 * common[None, :] + 0.6 * own
    capacity = WIND_CAPACITY_GW * _WIND_SHARE[:, None]
    return np.asarray(capacity * 0.93 / (1.0 + np.exp(-1.25 * strength)))


def _by_region(national: FloatArray, wind_gw: FloatArray, solar_gw: FloatArray) -> FloatArray:
    """Return generation by region and fuel. Shape (14, n, 9). [GW]"""
    made = np.zeros((14, *national.shape))
    for fuel, share in _SHARES.items():
        made[:, :, _F[fuel]] = share[:, None] * national[None, :, _F[fuel]]
    made[:, :, _F["wind"]] = wind_gw
    made[:, :, _F["solar"]] = solar_gw
    return made


def _regional_mix(generation: FloatArray, demand_gw: FloatArray) -> FloatArray:
    """Return the mix each region consumes: its own first, the rest from the pool of what others have left over.

    Exports to the continent leave with the pool, so the demand-weighted mean of the regions is close to the nation.
    """
    demand = DEMAND_SHARE[:, None] * demand_gw[None, :]
    own = generation.sum(axis=2)
    used_share = np.minimum(1.0, demand / np.maximum(own, 1e-9))
    surplus = generation * (1.0 - used_share)[:, :, None]
    pool = surplus.sum(axis=0)
    pool_mix = pool / np.maximum(pool.sum(axis=1, keepdims=True), 1e-9)
    lacking = np.maximum(0.0, demand - own)
    consumed = generation * used_share[:, :, None] + lacking[:, :, None] * pool_mix[None, :, :]
    return np.asarray(consumed / consumed.sum(axis=2, keepdims=True))


def _wholesale(
    seed: int,
    slot: IntArray,
    rest_gw: FloatArray,
    imports_gw: FloatArray,
    curtailed_gw: FloatArray,
    half_hour: IntArray,
) -> FloatArray:
    """Return the day-ahead price: gas sets it, tightness lifts it, a glut drives it below zero. [p/kWh]"""
    level = 7.6 * np.exp(0.14 * np.tanh(smooth(seed, 70, slot, 48 * 25)))
    tight = (rest_gw - 11.0) / 10.0
    curve = (
        1.0
        + 0.42 * tight
        + 0.20 * np.maximum(0.0, tight) ** 2
        - 0.55 * np.maximum(0.0, -tight - 0.35) ** 1.5
    )
    glut = 1.7 * np.minimum(1.0, curtailed_gw / 3.0) + 1.1 * np.maximum(0.0, -imports_gw - 3.4)
    evening = 0.07 * np.exp(-0.5 * ((half_hour - 36.0) / 3.0) ** 2)
    price = level * (curve + evening + 0.05 * smooth(seed, 71, slot, 5)) - glut
    return np.asarray(np.clip(price, -9.0, 60.0))
