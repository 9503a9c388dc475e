"""Every place and start a job could take, with its price, and the rule that closes each one that is closed.

Only arithmetic lives here: shared room is not looked at (see `award.py`), only what the job itself allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np

from models.domain.asset import Asset
from models.domain.job import UNSERVED_FACTOR, Flexibility, Job
from models.domain.regions import admits
from models.domain.time import SLOT, Horizon
from models.optimise import ranking
from models.optimise.table import (
    GRAMS_PER_KG,
    TOLERANCE_KW,
    BoolArray,
    FloatArray,
    IntArray,
    PricedTable,
    fits,
)
from models.optimise.terms import (
    NONE_FITS,
    Closed,
    Hold,
    Incumbent,
    Weights,
    delay_rate_gbp_per_hour,
)
from models.optimise.windows import Windows, joined, windows_on

__all__ = [
    "Closed",
    "Incumbent",
    "JobOptions",
    "Weights",
    "build_options",
    "candidate_assets",
    "delay_rate_gbp_per_hour",
    "must_run_on_arrival",
    "open_mask",
    "start_bounds",
]


@dataclass(frozen=True)
class JobOptions:
    """All options of one job, flattened over its candidate assets and starts.

    Arrays have shape (options,) unless said; unknown cost or carbon is NaN and counts as 0 in `objective_gbp`.

    Attributes:
        power_kw: IT power in each half-hour of the run, shape (n,). [kW]
        transfer_kwh: Energy of the network that moves the job's data there; counted in cost and carbon. [kWh]
        cost_gbp: Of run and transfer. [GBP]
        carbon_kg: Of run and transfer. [kg]
        tier: 0 both signals known, 1 one known, 2 none; a lower tier is always preferred.
        closed: Why the job itself cannot take the option (`Closed`), 0 where it can.
        charge_gbp: μ·carbon of days whose carbon budget is short; makes one choose, is never paid. [GBP]
        objective_gbp: cost + κ·carbon + delay + churn + charge, known parts. [GBP]
        rank_gbp: What plans compare options by, see `ranking.py`. [GBP]
        ranking: Option indices, best first: tier, objective, start, region, asset id; the run on arrival before all
            where waiting does not pay.
        runs_on_arrival: True where the job must, or because waiting does not pay, start on arrival if it can.
        preferred_last_start: Last start that leaves successors time; `last_start` where there are none.
    """

    job: Job
    power_kw: FloatArray
    asset_row: IntArray
    start: IntArray
    energy_kwh: FloatArray
    transfer_kwh: FloatArray
    cost_gbp: FloatArray
    carbon_kg: FloatArray
    delay_gbp: FloatArray
    churn_gbp: FloatArray
    charge_gbp: FloatArray
    objective_gbp: FloatArray
    rank_gbp: FloatArray
    tier: IntArray
    closed: IntArray
    ranking: IntArray
    runs_on_arrival: bool
    waits_only_if_pays: bool
    unserved_gbp: float
    candidate_rows: tuple[int, ...]
    first_start: int
    last_start: int
    preferred_last_start: int

    @property
    def slots(self) -> int:
        """Return how many half-hours a run touches."""
        return int(self.power_kw.size)

    @property
    def count(self) -> int:
        """Return how many options there are, closed ones included."""
        return int(self.start.size)

    @property
    def mean_price_gbp_per_kwh(self) -> FloatArray:
        """Return the energy-weighted mean price of each run; a transfer is priced at it too. [GBP/kWh]"""
        return self.cost_gbp / (self.energy_kwh + self.transfer_kwh)

    @property
    def mean_carbon_g_per_kwh(self) -> FloatArray:
        """Return the energy-weighted mean carbon of each run; a transfer is weighed with it too. [g/kWh]"""
        return self.carbon_kg / (self.energy_kwh + self.transfer_kwh) * GRAMS_PER_KG

    @property
    def slack(self) -> int:
        """Return the half-hours between the first and the last start in time; negative when none fits."""
        return self.preferred_last_start - self.first_start

    @cached_property
    def lower_bound_gbp(self) -> float:
        """Return the least this job can add to any plan: its best open option, or staying unserved. [GBP]"""
        open_options = self.objective_gbp[self.closed == Closed.OPEN]
        best = float(open_options.min()) if open_options.size else np.inf
        return min(best, self.unserved_gbp)

    @cached_property
    def open_ranking(self) -> IntArray:
        """Return the options the job itself allows, best first."""
        answer: IntArray = self.ranking[self.closed[self.ranking] == Closed.OPEN]
        return answer

    @cached_property
    def best_rank_gbp(self) -> float:
        """Return the rank of the best option the job itself allows; infinite where there is none. [GBP]"""
        ranked = self.rank_gbp[self.open_ranking]
        return float(ranked.min()) if ranked.size else float("inf")

    def objective_of(self, pick: int) -> float:
        """Return cost + κ·carbon + delay + churn + charge of one option, known parts. [GBP]"""
        return float(self.objective_gbp[pick])

    def rank_of(self, pick: int) -> float:
        """Return what plans compare one option by, see `ranking.py`. [GBP]"""
        return float(self.rank_gbp[pick])

    def energy_of(self, pick: int) -> float:
        """Return the energy of one option at the meter. [kWh]"""
        return float(self.energy_kwh[pick])

    def transfer_of(self, pick: int) -> float:
        """Return the energy of moving the job's data there. [kWh]"""
        return float(self.transfer_kwh[pick])

    def cost_of(self, pick: int) -> float:
        """Return the cost of one option, NaN where unknown. [GBP]"""
        return float(self.cost_gbp[pick])

    def carbon_of(self, pick: int) -> float:
        """Return the carbon of one option, NaN where unknown. [kg]"""
        return float(self.carbon_kg[pick])

    def churn_of(self, pick: int) -> float:
        """Return the price of leaving the award held now for this option. [GBP]"""
        return float(self.churn_gbp[pick])

    def charge_of(self, pick: int) -> float:
        """Return the part of the objective that is charged for short carbon budgets. [GBP]"""
        return float(self.charge_gbp[pick])

    def delay_of(self, pick: int) -> float:
        """Return the price of waiting of one option. [GBP]"""
        return float(self.delay_gbp[pick])

    def tier_of(self, pick: int) -> int:
        """Return how many signals are unknown somewhere in one option."""
        return int(self.tier[pick])

    def hold(self, pick: int) -> Hold:
        """Return the power that an option holds."""
        start = int(self.start[pick])
        stop = start + self.slots
        return Hold(int(self.asset_row[pick]), slice(start, stop), self.power_kw, start, stop)

    def fits(
        self, pick: int, room_kw: FloatArray, earliest: int = 0, latest_end: int | None = None
    ) -> bool:
        """Return whether one option fits into some room and between its neighbours, whatever the job itself allows.

        Args:
            pick: The option.
            room_kw: Shape (assets, slots). [kW]
            earliest: First slot it may use.
            latest_end: Slot by which it must have ended; None: no such bound.
        """
        start = int(self.start[pick])
        room = room_kw[self.asset_row[pick], start : start + self.slots]
        if start < earliest or (latest_end is not None and start + self.slots > latest_end):
            return False
        return not bool((room < self.power_kw - TOLERANCE_KW).any())

    def fitting(
        self, room_kw: FloatArray, earliest: int = 0, latest_end: int | None = None
    ) -> BoolArray:
        """Return which options are open and fit; see `fits`."""
        mask = open_mask(self)
        if not self.count:
            return mask
        first, stop = self.first_start, self.last_start + self.slots
        starts = stop - first - self.slots + 1
        for n, row in enumerate(self.candidate_rows):
            here = slice(n * starts, (n + 1) * starts)
            mask[here] &= fits(room_kw[row, first:stop], self.power_kw)
        if earliest > first:
            mask &= self.start >= earliest
        if latest_end is not None:
            mask &= self.start + self.slots <= latest_end
        return mask

    def best_in(
        self,
        room_kw: FloatArray,
        earliest: int = 0,
        latest_end: int | None = None,
        price_gbp: FloatArray | None = None,
    ) -> int:
        """Return the best open option in some room, or `NONE_FITS`.

        Args:
            room_kw: Shape (assets, slots). [kW]
            earliest: First slot it may use.
            latest_end: Slot by which it must have ended; None: no such bound.
            price_gbp: Scarcity of one kW over one half-hour to plan with, shape (assets, slots); None: the job's own
                order counts. [GBP]
        """
        ranked = self.open_ranking
        if not ranked.size:
            return NONE_FITS
        if price_gbp is None:
            if self.fits(int(ranked[0]), room_kw, earliest, latest_end):
                return int(ranked[0])
            free = self.fitting(room_kw, earliest, latest_end)[ranked]
            place = int(free.argmax())
            return int(ranked[place]) if free[place] else NONE_FITS
        free = self.fitting(room_kw, earliest, latest_end)
        if not free.any():
            return NONE_FITS
        worth = np.where(free, self.rank_gbp + self.scarcity(price_gbp), np.inf)
        return int(worth.argmin())

    def scarcity(self, price_gbp: FloatArray) -> FloatArray:
        """Return what each option pays for scarce power, shape (options,). [GBP]

        Args:
            price_gbp: Of one kW over one half-hour, shape (assets, slots). [GBP]
        """
        paid = np.zeros(self.count)
        if not self.count:
            return paid
        first, stop = self.first_start, self.last_start + self.slots
        starts = stop - first - self.slots + 1
        is_flat = bool((self.power_kw == self.power_kw[0]).all())
        for n, row in enumerate(self.candidate_rows):
            price = price_gbp[row, first:stop]
            here = slice(n * starts, (n + 1) * starts)
            if is_flat:
                running = np.concatenate([[0.0], np.cumsum(price)])
                paid[here] = self.power_kw[0] * (running[self.slots :] - running[: -self.slots])
            else:
                paid[here] = np.correlate(price, self.power_kw, mode="valid")
        return paid

    def find(self, row: int, start: int) -> int | None:
        """Return the option at an asset row and start, or None."""
        hit = np.flatnonzero((self.asset_row == row) & (self.start == start))
        return int(hit[0]) if hit.size else None


def candidate_assets(job: Job, assets: tuple[Asset, ...]) -> tuple[Asset, ...]:
    """Return the assets a job may run on (design section 3).

    Its own if its region is allowed, and its owner's assets of the same type in the other allowed regions.
    """
    own = next((asset for asset in assets if asset.asset_id == job.asset_id), None)
    if own is None:
        return ()
    return tuple(
        asset
        for asset in assets
        if asset.deleted_at is None
        and (
            asset.asset_id == own.asset_id
            or (asset.owner == job.owner and asset.asset_type == own.asset_type)
        )
        and admits(job.allowed_regions, asset.region)
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


def build_options(
    job: Job,
    table: PricedTable,
    weights: Weights,
    *,
    release: datetime | None = None,
    latest_finish: datetime | None = None,
    incumbent: Incumbent | None = None,
    follows: bool = False,
    sent_to: Incumbent | None = None,
) -> JobOptions:
    """List and price everything a job could do.

    Args:
        job: A fixed or deferrable job.
        table: Priced half-hours of all assets.
        weights: The objective.
        release: Earliest start where predecessors move it later; None: the job's own.
        latest_finish: Finish that still leaves time for successors; later ones are ranked last. None: no successors.
        incumbent: The award held now; every other option then carries the churn cost.
        follows: A predecessor is planned beside it, so that a job that may not wait starts when that one has ended.
        sent_to: An award its data are on their way to although it carries no churn cost; None: the incumbent.

    Returns:
        The options; empty arrays where no candidate asset or start exists.
    """
    own_row = table.index.get(job.asset_id)
    own = None if own_row is None else table.assets[own_row]
    first, last = start_bounds(
        job, table.horizon, table.first_open, release or job.release, job.latest_finish
    )
    arrival_only = must_run_on_arrival(job, own)
    if arrival_only and not follows:
        last = min(last, first)
    if job.pinned_start is not None:
        pinned = table.horizon.index_of(job.pinned_start)
        first, last = (pinned, pinned) if first <= pinned <= last else (1, 0)
    rows = [
        table.index[asset.asset_id]
        for asset in candidate_assets(job, table.assets)
        if job.pinned_asset_id in (None, asset.asset_id)
    ]
    arrived = _arrival_finish(job, table.horizon)
    found = joined(
        [
            windows_on(job, table, row, first, last, weights, arrived, incumbent, sent_to)
            for row in rows
            if last >= first
        ]
    )
    meter_kwh = job.it_energy_kwh * (own.pue if own else 1.0)
    unserved = weights.unserved_gbp_per_kwh * meter_kwh * UNSERVED_FACTOR[job.priority]
    preferred = _last_in_time(job, table.horizon, latest_finish, last)
    ranked = _ranked(job, table, found, weights, unserved, preferred, arrival_only)
    return JobOptions(
        job=job,
        power_kw=np.asarray(job.slot_power_kw(), dtype=np.float64),
        asset_row=found.row.astype(np.int32),
        start=found.start.astype(np.int32),
        energy_kwh=_lean(found.energy),
        transfer_kwh=_lean(found.transfer),
        cost_gbp=found.cost,
        carbon_kg=found.carbon,
        delay_gbp=_lean(found.delay),
        churn_gbp=_lean(found.churn),
        charge_gbp=_lean(found.charge),
        objective_gbp=ranked.objective,
        rank_gbp=ranked.objective if np.array_equal(ranked.rank, ranked.objective) else ranked.rank,
        tier=ranked.tier.astype(np.int8),
        closed=found.closed.astype(np.int8),
        ranking=ranked.order.astype(np.int32),
        runs_on_arrival=arrival_only or ranked.runs_at_once,
        waits_only_if_pays=ranked.runs_at_once,
        unserved_gbp=unserved,
        candidate_rows=tuple(rows),
        first_start=first,
        last_start=last,
        preferred_last_start=preferred,
    )


def _lean(values: FloatArray) -> FloatArray:
    """Return values, as one number without copies where all are the same; a fleet of jobs has millions of them."""
    if values.size < 2 or (values != values[0]).any():
        return values
    return np.broadcast_to(values[0].copy(), values.shape)


@dataclass(frozen=True)
class _Ranked:
    objective: FloatArray
    rank: FloatArray
    tier: IntArray
    order: IntArray
    runs_at_once: bool


def _ranked(
    job: Job,
    table: PricedTable,
    found: Windows,
    weights: Weights,
    unserved: float,
    preferred: int,
    arrival_only: bool,
) -> _Ranked:
    """Value the windows and put them in the order in which the job would take them."""
    objective, tier = found.objective(weights.kappa_gbp_per_kg), found.tier
    is_late = found.start > preferred
    rank = ranking.ranks(objective, tier, is_late, unserved)
    if arrival_only:
        if found.start.size:
            waits = found.start - found.start.min()
            rank = rank + unserved * ranking.LATE_SHARE * waits / (waits.max() + 1)
        order = ranking.earliest_first(table, found.row, found.start, tier, rank)
        return _Ranked(objective, rank, tier, order, runs_at_once=False)
    at_once = _run_on_arrival(job, table, found)
    runs_at_once = at_once is not None and not ranking.waiting_pays(
        ranking.baseline_objective(job, table, weights.kappa_gbp_per_kg),
        float(found.churn[at_once]),
        objective[(found.closed == Closed.OPEN) & (tier == 0)],
        weights.min_saving_percent if job.min_saving_percent is None else job.min_saving_percent,
    )
    if runs_at_once:
        rank[at_once] = rank[found.closed == Closed.OPEN].min() - ranking.ARRIVAL_GBP
    order = ranking.preference(table, found.row, found.start, tier, is_late, rank)
    return _Ranked(objective, rank, tier, order, runs_at_once)


def _arrival_finish(job: Job, horizon: Horizon) -> datetime:
    start = job.baseline_start or horizon.start_of(horizon.first_index_from(job.release))
    return start + job.duration


def _last_in_time(job: Job, horizon: Horizon, latest_finish: datetime | None, last: int) -> int:
    """Return the last start that leaves successors time."""
    if latest_finish is None:
        return last
    return min(last, (latest_finish - job.duration - horizon.start) // SLOT)


def _run_on_arrival(job: Job, table: PricedTable, found: Windows) -> int | None:
    """Return the option that is the run on arrival, if it can still be taken; None once it has passed."""
    row = table.index.get(job.asset_id)
    if row is None or job.baseline_start is None or job.pinned_start is not None:
        return None
    slot = table.horizon.index_of(job.baseline_start)
    here = np.flatnonzero(
        (found.start == slot) & (found.row == row) & (found.closed == Closed.OPEN)
    )
    return int(here[0]) if here.size else None


def open_mask(options: JobOptions) -> BoolArray:
    """Return which options the job itself allows."""
    answer: BoolArray = options.closed == Closed.OPEN
    return answer
