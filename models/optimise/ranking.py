"""In which order a job would take its options, and the one number by which plans compare them.

An option's objective is what it costs. Its rank also says what a plan should prefer where the objective cannot: known
half-hours before unknown ones, a finish that leaves time for successors, and the run on arrival where waiting does
not pay. The rank decides who moves; only the objective is ever reported.
"""

from __future__ import annotations

import numpy as np

from models.domain.job import Job
from models.optimise.table import BoolArray, FloatArray, IntArray, PricedTable

UNKNOWN_SHARE = 0.2
"""Part of the unserved penalty that each unknown signal adds to a rank, so that known half-hours win."""

LATE_SHARE = 0.5
"""Part of the unserved penalty that a rank carries when the run would leave successors no time."""

ARRIVAL_GBP = 1e-6
"""How far below every other rank the run on arrival is put where waiting does not pay. [GBP]"""


def ranks(
    objective_gbp: FloatArray,
    tier: IntArray,
    is_late: BoolArray,
    unserved_gbp: float,
) -> FloatArray:
    """Return what options are compared by, shape (options,). [GBP]

    Args:
        objective_gbp: Known parts of the objective. [GBP]
        tier: How many of the two signals are unknown, 0 to 2.
        is_late: The run ends too late for a successor.
        unserved_gbp: Penalty of leaving the job unserved. [GBP]
    """
    # Where nothing is known there is nothing to compare; the provisional last start is chosen by the order.
    worth = np.where(tier == 2, 0.0, objective_gbp)
    answer: FloatArray = worth + unserved_gbp * (UNKNOWN_SHARE * tier + LATE_SHARE * is_late)
    return answer


def preference(
    table: PricedTable,
    row: IntArray,
    start: IntArray,
    tier: IntArray,
    is_late: BoolArray,
    rank_gbp: FloatArray,
) -> IntArray:
    """Return option indices, best first: in time for successors, known, rank, start, region, asset id.

    Among options nothing is known of, the last start comes first: it is provisional and improves with data.
    """
    if not start.size:
        return np.empty(0, dtype=np.int64)
    when = np.where(tier == 2, -start, start)
    keys = (_places(table)[row], when, np.round(rank_gbp, 9), tier, is_late)
    order: IntArray = np.lexsort(keys)
    return order


def earliest_first(
    table: PricedTable, row: IntArray, start: IntArray, tier: IntArray, rank_gbp: FloatArray
) -> IntArray:
    """Return option indices of a job that may not wait: by start, then known, rank, region, asset id."""
    keys = (_places(table)[row], np.round(rank_gbp, 9), tier, start)
    order: IntArray = np.lexsort(keys)
    return order


def _places(table: PricedTable) -> IntArray:
    """Return the place of each asset row in the order by region, then id."""
    by_region = sorted(
        range(len(table.assets)),
        key=lambda row: (table.assets[row].region, table.assets[row].asset_id),
    )
    place = np.empty(len(table.assets), dtype=np.int64)
    place[by_region] = np.arange(len(table.assets))
    return place


def baseline_objective(job: Job, table: PricedTable, kappa_gbp_per_kg: float) -> float:
    """Return cost + κ·carbon + charge of the run on arrival; NaN where it is not known or there is none. [GBP]"""
    row = table.index.get(job.asset_id)
    if row is None or job.baseline_start is None:
        return float("nan")
    start = table.horizon.index_of(job.baseline_start)
    if start < 0 or start + job.slots > table.horizon.slots:
        return float("nan")
    span = slice(start, start + job.slots)
    energy = np.asarray(job.slot_energy_kwh()) * table.assets[row].pue
    cost = float(table.price_gbp_per_kwh[row, span] @ energy)
    carbon = float(table.carbon_kg_per_kwh[row, span] @ energy)
    charged = table.charge_gbp_per_kwh
    charge = 0.0 if charged is None else float(charged[row, span] @ energy)
    return cost + kappa_gbp_per_kg * carbon + charge


def waiting_pays(
    base_gbp: float, moved_gbp: float, objective_gbp: FloatArray, threshold_percent: float
) -> bool:
    """Return whether the best window saves enough of the run on arrival to wait for it.

    Args:
        base_gbp: Objective of the run on arrival; NaN: unknown, then waiting is not questioned. [GBP]
        moved_gbp: Churn of going back to the run on arrival, so that both sides carry it. [GBP]
        objective_gbp: Objectives of the windows that can be taken and are known, churn included. [GBP]
        threshold_percent: Least saving, as a share of the run on arrival; 0 or less: any saving pays. [%]
    """
    if threshold_percent <= 0 or np.isnan(base_gbp) or not objective_gbp.size:
        return True
    saving = base_gbp + moved_gbp - float(objective_gbp.min())
    return saving >= abs(base_gbp) * threshold_percent / 100.0 - 1e-12
