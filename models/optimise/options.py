"""Every place and start a job could take, with its price, and the rule that closes each one that is closed.

Only arithmetic lives here: shared room is not looked at (see `award.py`), only what the job itself allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

import numpy as np

from models.domain.asset import Asset
from models.domain.job import DELAY_FACTOR, UNSERVED_FACTOR, Flexibility, Job
from models.domain.regions import admits
from models.domain.time import SLOT, Horizon
from models.optimise.table import (
    BoolArray,
    FloatArray,
    IntArray,
    PricedTable,
    window_sums,
)

CAP_TOLERANCE = 1e-9
"""Relative slack when a mean is compared with a cap, for rounding only."""


class Closed(IntEnum):
    """Why an option cannot be taken, whatever others do."""

    OPEN = 0
    CARBON_CAP = 1
    MAX_PRICE = 2
    POWER = 3
    """More power than the asset has left even without the jobs of this negotiation."""

    @property
    def rule(self) -> str:
        """Return the rule's name in refusals and explanations."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Weights:
    """What the objective weighs, as numbers."""

    kappa_gbp_per_kg: float
    delay_gbp_per_kwh_hour: float
    min_saving_percent: float
    unserved_gbp_per_kwh: float
    churn_gbp_per_kwh: float


@dataclass(frozen=True, slots=True)
class Incumbent:
    """The award a job holds now, in slot terms."""

    asset_id: str
    start: int


@dataclass(frozen=True)
class JobOptions:
    """All options of one job, flattened over its candidate assets and starts.

    Arrays have shape (options,) unless said; unknown cost or carbon is NaN and counts as 0 in `objective_gbp`.

    Attributes:
        power_kw: IT power in each half-hour of the run, shape (n,). [kW]
        tier: 0 both signals known, 1 one known, 2 none; a lower tier is always preferred.
        closed: Why the job itself cannot take the option (`Closed`), 0 where it can.
        objective_gbp: cost + κ·carbon + delay + churn, known parts. [GBP]
        ranking: Option indices, best first: tier, objective, start, region, asset id.
        arrival: Indices of options that start at the first possible half-hour, or empty.
        runs_on_arrival: True where the job must, or because waiting does not pay, start on arrival if it can.
        baseline_objective_gbp: Objective of the run on arrival where it can be valued, else NaN. [GBP]
    """

    job: Job
    power_kw: FloatArray
    asset_row: IntArray
    start: IntArray
    energy_kwh: FloatArray
    cost_gbp: FloatArray
    carbon_kg: FloatArray
    delay_gbp: FloatArray
    churn_gbp: FloatArray
    objective_gbp: FloatArray
    tier: IntArray
    closed: IntArray
    ranking: IntArray
    arrival: IntArray
    runs_on_arrival: bool
    waits_only_if_pays: bool
    baseline_objective_gbp: float
    unserved_gbp: float
    candidate_rows: tuple[int, ...]
    first_start: int
    last_start: int

    @property
    def slots(self) -> int:
        """Return how many half-hours a run touches."""
        return int(self.power_kw.size)

    @property
    def count(self) -> int:
        """Return how many options there are, closed ones included."""
        return int(self.start.size)

    @property
    def slack(self) -> int:
        """Return the half-hours between the first and the last start; negative when none fits."""
        return self.last_start - self.first_start

    @property
    def lower_bound_gbp(self) -> float:
        """Return the least this job can add to any plan: its best open option, or staying unserved. [GBP]"""
        open_options = self.objective_gbp[self.closed == Closed.OPEN]
        best = float(open_options.min()) if open_options.size else np.inf
        return min(best, self.unserved_gbp)

    def find(self, row: int, start: int) -> int | None:
        """Return the option at an asset row and start, or None."""
        hit = np.flatnonzero((self.asset_row == row) & (self.start == start))
        return int(hit[0]) if hit.size else None


def candidate_assets(job: Job, assets: tuple[Asset, ...]) -> tuple[Asset, ...]:
    """Return the assets a job may run on: its own if its region is allowed, and its owner's assets of the
    same type in the other allowed regions (design section 3).
    """
    own = next((asset for asset in assets if asset.asset_id == job.asset_id), None)
    if own is None:
        return ()
    return tuple(
        asset
        for asset in assets
        if asset.deleted_at is None
        and admits(job.allowed_regions, asset.region)
        and (
            asset.asset_id == own.asset_id
            or (asset.owner == job.owner and asset.asset_type == own.asset_type)
        )
    )


def start_bounds(
    job: Job, horizon: Horizon, first_open: int, release: datetime, latest_finish: datetime
) -> tuple[int, int]:
    """Return the first and last start index of a run; last < first when none meets the deadline."""
    first = max(first_open, horizon.first_index_from(release))
    last = (latest_finish - job.duration - horizon.start) // SLOT
    return first, min(last, horizon.slots - job.slots)


def must_run_on_arrival(job: Job, own: Asset | None) -> bool:
    """Return whether the job may not wait at all."""
    return job.flexibility is Flexibility.FIXED or (own is not None and not own.is_deferrable)


def delay_rate_gbp_per_hour(job: Job, energy_kwh: float, weights: Weights) -> float:
    """Return the price of one hour of waiting. [GBP/h]"""
    return weights.delay_gbp_per_kwh_hour * energy_kwh * DELAY_FACTOR[job.priority]


def build_options(
    job: Job,
    table: PricedTable,
    weights: Weights,
    *,
    release: datetime | None = None,
    latest_finish: datetime | None = None,
    incumbent: Incumbent | None = None,
) -> JobOptions:
    """List and price everything a job could do.

    Args:
        job: A fixed or deferrable job.
        table: Priced half-hours of all assets.
        weights: The objective.
        release: Earliest start where predecessors move it later; None: the job's own.
        latest_finish: Deadline where successors move it earlier; None: the job's own.
        incumbent: The award held now; every other option then carries the churn cost.

    Returns:
        The options; empty arrays where no candidate asset or start exists.
    """
    own = next((asset for asset in table.assets if asset.asset_id == job.asset_id), None)
    candidates = candidate_assets(job, table.assets)
    first, last = start_bounds(
        job,
        table.horizon,
        table.first_open,
        release or job.release,
        latest_finish or job.latest_finish,
    )
    power = np.asarray(job.slot_power_kw(), dtype=np.float64)
    it_energy = np.asarray(job.slot_energy_kwh(), dtype=np.float64)
    arrival_only = must_run_on_arrival(job, own)
    if arrival_only:
        last = min(last, first)
    if job.pinned_start is not None:
        pinned = table.horizon.index_of(job.pinned_start)
        first, last = (pinned, pinned) if first <= pinned <= last else (1, 0)
    rows = [
        table.index[asset.asset_id]
        for asset in candidates
        if job.pinned_asset_id in (None, asset.asset_id)
    ]
    arrived = _arrival_finish(job, table.horizon)
    parts = [
        _options_on(job, table, row, first, last, power, it_energy, weights, arrived, incumbent)
        for row in rows
        if last >= first
    ]
    flat = _concatenate(parts)
    objective = (
        np.nan_to_num(flat.cost)
        + weights.kappa_gbp_per_kg * np.nan_to_num(flat.carbon)
        + flat.delay
        + flat.churn
    )
    tier = np.isnan(flat.cost).astype(np.int64) + np.isnan(flat.carbon).astype(np.int64)
    ranking = _rank(table, flat, tier, objective)
    base = _baseline_objective(job, table, weights, it_energy)
    arrival = np.flatnonzero((flat.start == first) & (flat.closed == Closed.OPEN))
    on_own = arrival[flat.row[arrival] == table.index.get(job.asset_id, -1)]
    not_worth_it = (
        not arrival_only
        and job.pinned_start is None
        and on_own.size > 0
        and _waiting_does_not_pay(job, weights, base, objective, flat.closed, tier)
    )
    meter_energy = float(it_energy.sum()) * (own.pue if own else 1.0)
    return JobOptions(
        job=job,
        power_kw=power,
        asset_row=flat.row,
        start=flat.start,
        energy_kwh=flat.energy,
        cost_gbp=flat.cost,
        carbon_kg=flat.carbon,
        delay_gbp=flat.delay,
        churn_gbp=flat.churn,
        objective_gbp=objective,
        tier=tier,
        closed=flat.closed,
        ranking=ranking,
        arrival=on_own if not_worth_it else arrival,
        runs_on_arrival=arrival_only or not_worth_it,
        waits_only_if_pays=not_worth_it
        and float(objective[flat.closed == Closed.OPEN].min())
        < float(objective[on_own].min()) - 1e-9,
        baseline_objective_gbp=base,
        unserved_gbp=weights.unserved_gbp_per_kwh * meter_energy * UNSERVED_FACTOR[job.priority],
        candidate_rows=tuple(rows),
        first_start=first,
        last_start=last,
    )


@dataclass(frozen=True)
class _Flat:
    row: IntArray
    start: IntArray
    energy: FloatArray
    cost: FloatArray
    carbon: FloatArray
    delay: FloatArray
    churn: FloatArray
    closed: IntArray


def _options_on(
    job: Job,
    table: PricedTable,
    row: int,
    first: int,
    last: int,
    power: FloatArray,
    it_energy: FloatArray,
    weights: Weights,
    arrived: datetime,
    incumbent: Incumbent | None,
) -> _Flat:
    asset = table.assets[row]
    energy = it_energy * asset.pue
    total = float(energy.sum())
    span = slice(first, last + power.size)
    cost = window_sums(table.price_gbp_per_kwh[row, span], energy)
    carbon = window_sums(table.carbon_kg_per_kwh[row, span], energy)
    starts = np.arange(first, last + 1, dtype=np.int64)
    waited_h = (
        table.horizon.start + job.duration - arrived
    ).total_seconds() / 3600.0 + starts * 0.5
    rate = delay_rate_gbp_per_hour(job, total, weights)
    churn = np.zeros(starts.size)
    if incumbent is not None:
        stays = (starts == incumbent.start) & (asset.asset_id == incumbent.asset_id)
        churn = np.where(stays, 0.0, weights.churn_gbp_per_kwh * total)
    return _Flat(
        row=np.full(starts.size, row, dtype=np.int64),
        start=starts,
        energy=np.full(starts.size, total),
        cost=cost,
        carbon=carbon,
        delay=np.maximum(waited_h, 0.0) * rate,
        churn=churn,
        closed=_closed(job, table.limit_kw[row], power, cost, carbon, total),
    )


def _closed(
    job: Job,
    limit_kw: float,
    power: FloatArray,
    cost: FloatArray,
    carbon: FloatArray,
    total_kwh: float,
) -> IntArray:
    closed = np.zeros(cost.size, dtype=np.int64)
    slack = 1.0 + CAP_TOLERANCE
    # An unknown mean breaks no cap: such an option ranks last, is provisional, and is checked again with data.
    if job.max_price_gbp_per_kwh is not None:
        mean_price = cost / total_kwh
        over = (
            mean_price > job.max_price_gbp_per_kwh + abs(job.max_price_gbp_per_kwh) * CAP_TOLERANCE
        )
        closed[over] = Closed.MAX_PRICE
    if job.carbon_cap_g_per_kwh is not None:
        mean_g = carbon / total_kwh * 1000.0
        closed[mean_g > job.carbon_cap_g_per_kwh * slack] = Closed.CARBON_CAP
    if power.max() > limit_kw + 1e-6:
        closed[:] = Closed.POWER
    return closed


def _concatenate(parts: list[_Flat]) -> _Flat:
    if not parts:
        blank = np.empty(0)
        none = np.empty(0, dtype=np.int64)
        return _Flat(none, none, blank, blank, blank, blank, blank, none)
    return _Flat(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("row", "start", "energy", "cost", "carbon", "delay", "churn", "closed")
        )
    )


def _rank(table: PricedTable, flat: _Flat, tier: IntArray, objective: FloatArray) -> IntArray:
    if not flat.start.size:
        return np.empty(0, dtype=np.int64)
    by_region = sorted(
        range(len(table.assets)),
        key=lambda row: (table.assets[row].region, table.assets[row].asset_id),
    )
    place = np.empty(len(table.assets), dtype=np.int64)
    place[by_region] = np.arange(len(table.assets))
    # Where nothing is known, the last start that meets the deadline is the provisional one.
    when = np.where(tier == 2, -flat.start, flat.start)
    worth = np.where(tier == 2, 0.0, np.round(objective, 9))
    order: IntArray = np.lexsort((place[flat.row], when, worth, tier))
    return order


def _arrival_finish(job: Job, horizon: Horizon) -> datetime:
    start = job.baseline_start or horizon.start_of(horizon.first_index_from(job.release))
    return start + job.duration


def _baseline_objective(
    job: Job, table: PricedTable, weights: Weights, it_energy: FloatArray
) -> float:
    """Return cost + κ·carbon of the run on arrival; NaN where it is not known or there is none. [GBP]"""
    row = table.index.get(job.asset_id)
    if row is None or job.baseline_start is None:
        return float("nan")
    start = table.horizon.index_of(job.baseline_start)
    if start < 0 or start + it_energy.size > table.horizon.slots:
        return float("nan")
    span = slice(start, start + it_energy.size)
    energy = it_energy * table.assets[row].pue
    cost = float(table.price_gbp_per_kwh[row, span] @ energy)
    carbon = float(table.carbon_kg_per_kwh[row, span] @ energy)
    return cost + weights.kappa_gbp_per_kg * carbon


def _waiting_does_not_pay(
    job: Job,
    weights: Weights,
    base: float,
    objective: FloatArray,
    closed: IntArray,
    tier: IntArray,
) -> bool:
    threshold = (
        weights.min_saving_percent if job.min_saving_percent is None else job.min_saving_percent
    )
    usable = objective[(closed == Closed.OPEN) & (tier == 0)]
    if threshold <= 0 or np.isnan(base) or not usable.size:
        return False
    return bool(base - usable.min() < abs(base) * threshold / 100.0)


def open_mask(options: JobOptions) -> BoolArray:
    """Return which options the job itself allows."""
    answer: BoolArray = options.closed == Closed.OPEN
    return answer
