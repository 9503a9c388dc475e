"""Price every window of one job on one asset, and say which of them its own limits close."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import numpy as np

from models.domain.job import Job
from models.optimise.table import (
    TOLERANCE_KW,
    FloatArray,
    IntArray,
    PricedTable,
    fits,
    window_sums,
)
from models.optimise.terms import Closed, Incumbent, Weights, delay_rate_gbp_per_hour
from models.optimise.transfer import transfer_to

CAP_TOLERANCE = 1e-9
"""Relative slack when a mean is compared with a cap, for rounding only."""


@dataclass(frozen=True)
class Windows:
    """Windows in parallel arrays, shape (windows,); unknown cost or carbon is NaN.

    Attributes:
        row: Asset row in the table.
        start: First slot.
        energy: At the meter. [kWh]
        transfer: Energy of the network that moves the job's data there. [kWh]
        cost: Of run and transfer. [GBP]
        carbon: Of run and transfer. [kg]
        delay: Price of waiting against the run on arrival. [GBP]
        churn: Price of moving away from the award held now. [GBP]
        charge: μ·carbon of days whose carbon budget is short. [GBP]
        closed: Why the job itself cannot take the window (`Closed`), 0 where it can.
    """

    row: IntArray
    start: IntArray
    energy: FloatArray
    transfer: FloatArray
    cost: FloatArray
    carbon: FloatArray
    delay: FloatArray
    churn: FloatArray
    charge: FloatArray
    closed: IntArray

    @property
    def tier(self) -> IntArray:
        """Return how many of the two signals are unknown, 0 to 2."""
        return np.isnan(self.cost).astype(np.int64) + np.isnan(self.carbon).astype(np.int64)

    def objective(self, kappa_gbp_per_kg: float) -> FloatArray:
        """Return cost + κ·carbon + delay + churn + charge, known parts. [GBP]"""
        answer: FloatArray = (
            np.nan_to_num(self.cost)
            + kappa_gbp_per_kg * np.nan_to_num(self.carbon)
            + self.delay
            + self.churn
            + self.charge
        )
        return answer


def windows_on(
    job: Job,
    table: PricedTable,
    row: int,
    first: int,
    last: int,
    weights: Weights,
    arrived: datetime,
    incumbent: Incumbent | None,
    sent_to: Incumbent | None = None,
) -> Windows:
    """Return the windows of a job on one asset.

    Args:
        job: A job in one contiguous run.
        table: Priced half-hours.
        row: Asset row.
        first: First start.
        last: Last start, at least `first`.
        weights: The objective.
        arrived: When the run on arrival would end.
        incumbent: The award held now; every other window carries the churn cost.
        sent_to: The award its data are on their way to; None: the incumbent.
    """
    asset = table.assets[row]
    power = np.asarray(job.slot_power_kw(), dtype=np.float64)
    energy = np.asarray(job.slot_energy_kwh(), dtype=np.float64) * asset.pue
    total = float(energy.sum())
    span = slice(first, last + power.size)
    cost = window_sums(table.price_gbp_per_kwh[row, span], energy)
    carbon = window_sums(table.carbon_kg_per_kwh[row, span], energy)
    sent = transfer_to(job, table, row, weights, first, sent_to or incumbent)
    moved = 1.0 + sent.energy_kwh / total if total > 0.0 else 1.0
    starts = np.arange(first, last + 1, dtype=np.int64)
    waited_h = (
        table.horizon.start + job.duration - arrived
    ).total_seconds() / 3600.0 + starts * 0.5
    churn = np.zeros(starts.size)
    if incumbent is not None:
        stays = (starts == incumbent.start) & (asset.asset_id == incumbent.asset_id)
        churn = np.where(stays, 0.0, weights.churn_gbp_per_kwh * total)
    return Windows(
        row=np.full(starts.size, row, dtype=np.int64),
        start=starts,
        energy=np.full(starts.size, total),
        transfer=np.full(starts.size, sent.energy_kwh),
        cost=cost * moved,
        carbon=carbon * moved,
        delay=np.maximum(waited_h, 0.0) * delay_rate_gbp_per_hour(job, total, weights),
        churn=churn,
        charge=np.zeros(starts.size)
        if table.charge_gbp_per_kwh is None
        else window_sums(table.charge_gbp_per_kwh[row, span], energy) * moved,
        closed=np.where(
            starts < sent.ready,
            Closed.TRANSFER,
            _closed(job, table.limit_kw[row, span], power, cost, carbon, total),
        ),
    )


def joined(parts: Sequence[Windows]) -> Windows:
    """Return the windows of several assets as one."""
    if not parts:
        blank, none = np.empty(0), np.empty(0, dtype=np.int64)
        return Windows(none, none, blank, blank, blank, blank, blank, blank, blank, none)
    if len(parts) == 1:
        return parts[0]
    return Windows(
        *(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Windows))
    )


def _closed(
    job: Job,
    limit_kw: FloatArray,
    power_kw: FloatArray,
    cost: FloatArray,
    carbon: FloatArray,
    total_kwh: float,
) -> IntArray:
    """Return what closes each window. An unknown mean breaks no cap: it ranks last and is checked again with data.

    Cost and carbon are those of the run itself: a transfer counts in the objective, not in the means that caps look at.
    """
    closed = np.zeros(cost.size, dtype=np.int64)
    cap_gbp, cap_g = job.max_price_gbp_per_kwh, job.carbon_cap_g_per_kwh
    if cap_gbp is not None:
        closed[cost / total_kwh > cap_gbp + abs(cap_gbp) * CAP_TOLERANCE] = Closed.MAX_PRICE
    if cap_g is not None:
        closed[carbon / total_kwh * 1000.0 > cap_g + abs(cap_g) * CAP_TOLERANCE] = Closed.CARBON_CAP
    if power_kw.max() > limit_kw.min() + TOLERANCE_KW:
        closed[~fits(limit_kw, power_kw)] = Closed.POWER
    return closed
