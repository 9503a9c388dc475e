"""The priced table: what each asset's half-hours cost, per kWh at the meter, over one horizon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.domain.asset import Asset
from models.domain.signal import RegionSignals
from models.domain.time import Horizon
from models.optimise.limits import TOLERANCE_KW, limited_room_kw

__all__ = [
    "GRAMS_PER_KG",
    "TOLERANCE_KW",
    "BoolArray",
    "FloatArray",
    "IntArray",
    "PricedTable",
    "fits",
    "price_table",
    "window_sums",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

GRAMS_PER_KG = 1000.0


@dataclass(frozen=True)
class PricedTable:
    """Assets with their signals laid out as arrays; NaN marks an unknown half-hour.

    Attributes:
        horizon: The half-hours; index 0 may lie in the past (baselines are valued there).
        first_open: Index of the first half-hour in which anything may still start.
        assets: The assets, in a fixed order (by id).
        price_gbp_per_kwh: Shape (assets, slots). [GBP/kWh at the meter]
        carbon_kg_per_kwh: Shape (assets, slots). [kg/kWh at the meter]
        room_kw: IT power left for work that can still be placed, shape (assets, slots). [kW]
        limit_kw: IT power for jobs before any are placed, shape (assets, slots). [kW]
        carbon_charge_gbp_per_kg: μ, what carbon costs beyond its value because a day's budget is short of it, shape
            (slots,); None: no budget is. [GBP/kg]
    """

    horizon: Horizon
    first_open: int
    assets: tuple[Asset, ...]
    price_gbp_per_kwh: FloatArray
    carbon_kg_per_kwh: FloatArray
    room_kw: FloatArray
    limit_kw: FloatArray
    carbon_charge_gbp_per_kg: FloatArray | None = None

    @cached_property
    def charge_gbp_per_kwh(self) -> FloatArray | None:
        """Return μ·carbon, unknown carbon as 0, shape (assets, slots); None where no budget is short. [GBP/kWh]"""
        if self.carbon_charge_gbp_per_kg is None:
            return None
        answer: FloatArray = np.nan_to_num(self.carbon_kg_per_kwh) * self.carbon_charge_gbp_per_kg
        return answer

    @cached_property
    def index(self) -> dict[str, int]:
        """Return the row of each asset id."""
        return {asset.asset_id: row for row, asset in enumerate(self.assets)}


def price_table(
    assets: Sequence[Asset],
    signals: Mapping[str, RegionSignals],
    horizon: Horizon,
    first_open: int,
    held_kw: Mapping[str, FloatArray],
    vat_factor: FloatArray | None = None,
) -> PricedTable:
    """Lay assets and signals out as arrays.

    Args:
        assets: Any order; rows are sorted by id.
        signals: Per region, over at least `horizon`.
        horizon: The half-hours of the table.
        first_open: First half-hour in which anything may still start.
        held_kw: IT power already held per asset (frozen work, marketplace holds), shape (slots,). [kW]
        vat_factor: Price multiplier per half-hour, shape (slots,); None: prices ex VAT.

    Returns:
        The table. Room is what remains under each asset's limit of the half-hour, never below zero.
    """
    ordered = tuple(sorted(assets, key=lambda asset: asset.asset_id))
    shape = (len(ordered), horizon.slots)
    price = np.full(shape, np.nan)
    carbon = np.full(shape, np.nan)
    limit, room = np.zeros(shape), np.zeros(shape)
    for row, asset in enumerate(ordered):
        known = signals[asset.region]
        price[row] = known.price.over(horizon).values
        carbon[row] = known.carbon.over(horizon).values / GRAMS_PER_KG
        limit[row] = limited_room_kw(asset, horizon)
        room[row] = limit[row] - held_kw.get(asset.asset_id, np.zeros(horizon.slots))
    if vat_factor is not None:
        price = price * vat_factor
    return PricedTable(horizon, first_open, ordered, price, carbon, np.maximum(room, 0.0), limit)


def window_sums(per_kwh: FloatArray, energy_kwh: FloatArray) -> FloatArray:
    """Return the energy-weighted sum over the window that begins at each slot.

    Args:
        per_kwh: Price or carbon of each half-hour, shape (h,).
        energy_kwh: Energy used in each half-hour of the run, shape (n,), n <= h. [kWh]

    Returns:
        Shape (h - n + 1,); NaN where the window touches an unknown half-hour.
    """
    return np.correlate(per_kwh, energy_kwh, mode="valid")


def fits(
    room_kw: FloatArray, power_kw: FloatArray, tolerance_kw: float = TOLERANCE_KW
) -> BoolArray:
    """Return for each start whether the run's power fits into the room of every half-hour it touches.

    Args:
        room_kw: Room of one asset, shape (h,). [kW]
        power_kw: Power of the run, shape (n,). [kW]
        tolerance_kw: Slack for rounding. [kW]

    Returns:
        Shape (h - n + 1,).
    """
    n = power_kw.size
    answer: BoolArray
    if n == 1 or (power_kw == power_kw[0]).all():
        # A window fits where no half-hour of it is too full: one running count instead of n comparisons.
        too_full = np.zeros(room_kw.size + 1, dtype=np.int64)
        np.cumsum(room_kw < power_kw[0] - tolerance_kw, out=too_full[1:])
        answer = too_full[n:] == too_full[:-n]
    else:
        windows = np.lib.stride_tricks.sliding_window_view(room_kw, n)
        answer = np.all(windows >= power_kw - tolerance_kw, axis=1)
    return answer
