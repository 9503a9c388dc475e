"""What a job that bends in shape could do, behind the words that awards know from windows.

Windows can be listed; shapes cannot. So the options of such a job are a pool of runs that grows: the best one alone,
the run on arrival and the run held now are in it from the start, and `best_in` adds the best one for whatever room is
left. Options are counted in the order in which they came.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from models.domain.job import UNSERVED_FACTOR, Job
from models.domain.time import SLOT_HOURS
from models.optimise import flexible, ranking
from models.optimise.caps import Caps
from models.optimise.flexible import NO_PROGRESS, Progress
from models.optimise.options import candidate_assets
from models.optimise.pattern import FINISH_TOLERANCE, Lane, Pattern, reserve
from models.optimise.table import TOLERANCE_KW, BoolArray, FloatArray, IntArray, PricedTable
from models.optimise.terms import NONE_FITS, Closed, Hold, Incumbent, Weights
from models.optimise.transfer import transfer_to


@dataclass
class PatternOptions:
    """The runs of one job that have been looked at; arrays have shape (options,) as in `JobOptions`.

    Attributes:
        unserved_gbp: Penalty of leaving the job unserved. [GBP]
        candidate_rows: Asset rows it may use.
        first_start: First slot it may use.
        end: Latest finish. [half-hours from the start of the horizon]
        preferred_end: Latest finish that leaves successors time; `end` where there are none.
        held: The run held now; every other one carries the churn cost.
        sent_to: The award its data are on their way to.
        pool: The runs.
        runs_on_arrival: True where waiting does not pay, so that the run on arrival is taken if it fits.
        arrival: Its place in the pool, None where it cannot be taken.
        lower_bound_gbp: The least this job can add to any plan. [GBP]
    """

    job: Job
    table: PricedTable
    weights: Weights
    unserved_gbp: float
    candidate_rows: tuple[int, ...]
    first_start: int
    end: float
    preferred_end: float
    held: Pattern | None = None
    sent_to: Incumbent | None = None
    progress: Progress = NO_PROGRESS
    pool: list[Pattern] = field(default_factory=list)
    runs_on_arrival: bool = False
    arrival: int | None = None
    lower_bound_gbp: float = 0.0
    _objectives: list[float] = field(default_factory=list)
    _ranks: list[float] = field(default_factory=list)
    _places: dict[tuple[int, bytes, bytes], int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Return how many runs have been looked at."""
        return len(self.pool)

    @property
    def slack(self) -> int:
        """Return the half-hours between the shortest run and its window; negative when none fits."""
        return int(self.preferred_end - self.first_start) - self.job.slots

    @property
    def slots(self) -> int:
        """Return how many half-hours a run at full power without breaks touches."""
        return self.job.slots

    @property
    def last_start(self) -> int:
        """Return the last slot in which a run at full power without breaks could start."""
        return math.floor(self.end + FINISH_TOLERANCE) - self.job.slots

    @property
    def power_kw(self) -> FloatArray:
        """Return the power of a run at full power, shape (n,). [kW]"""
        return np.asarray(self.job.slot_power_kw(), dtype=np.float64)

    @property
    def asset_row(self) -> IntArray:
        """Return the asset row of each run."""
        return np.array([run.row for run in self.pool], dtype=np.int64)

    @property
    def start(self) -> IntArray:
        """Return the first slot of each run."""
        return np.array([run.start for run in self.pool], dtype=np.int64)

    @property
    def least_churn_gbp(self) -> float:
        """Return the least that leaving the run held now costs, on any asset. [GBP]"""
        if self.held is None:
            return 0.0
        pues = [self.table.assets[row].pue for row in self.candidate_rows]
        return self.weights.churn_gbp_per_kwh * self.job.it_energy_kwh * min(pues, default=1.0)

    @property
    def can_keep_held(self) -> bool:
        """Return whether the run held now keeps the job's own limits still."""
        return (
            self.held is not None
            and self.held.start >= self.first_start
            and self.held.finish <= self.end + FINISH_TOLERANCE
            and self.held.row in self.candidate_rows
            and (self.held.tier > 0 or Caps.of(self.job).are_kept(self.held))
        )

    @property
    def objective_gbp(self) -> FloatArray:
        """Return cost + κ·carbon + delay + churn + charge, known parts. [GBP]"""
        return np.array(self._objectives, dtype=np.float64)

    @property
    def charge_gbp(self) -> FloatArray:
        """Return the part of the objective that is charged for short carbon budgets. [GBP]"""
        return np.array([run.charge_gbp for run in self.pool], dtype=np.float64)

    @property
    def tier(self) -> IntArray:
        """Return how many signals are unknown somewhere in each run, 0 to 2."""
        return np.array([run.tier for run in self.pool], dtype=np.int64)

    @property
    def closed(self) -> IntArray:
        """Return what closes each run: nothing, as only runs that the job allows are looked at."""
        return np.full(self.count, Closed.OPEN, dtype=np.int64)

    @property
    def best_rank_gbp(self) -> float:
        """Return the least rank of all; infinite where there is no run. [GBP]"""
        return min(self._ranks, default=math.inf)

    @property
    def open_ranking(self) -> IntArray:
        """Return the runs, best first; ties by start, region and asset id."""
        is_late = np.array([self._is_late(run) for run in self.pool], dtype=np.bool_)
        ranks = np.array(self._ranks, dtype=np.float64)
        return ranking.preference(self.table, self.asset_row, self.start, self.tier, is_late, ranks)

    @property
    def ranking(self) -> IntArray:
        """Return the runs, best first; all of them are open."""
        return self.open_ranking

    def ready(self, row: int) -> int:
        """Return the first slot in which the job could start on an asset, its data there."""
        sent = transfer_to(self.job, self.table, row, self.weights, self.first_start, self.sent_to)
        return sent.ready

    def objective_of(self, pick: int) -> float:
        """Return cost + κ·carbon + delay + churn + charge of one run, known parts. [GBP]"""
        return self._objectives[pick]

    def rank_of(self, pick: int) -> float:
        """Return what plans compare one run by, see `ranking.py`. [GBP]"""
        return self._ranks[pick]

    def energy_of(self, pick: int) -> float:
        """Return the energy of one run at the meter. [kWh]"""
        return self.pool[pick].energy_kwh

    def transfer_of(self, pick: int) -> float:
        """Return the energy of moving the job's data to where one run is. [kWh]"""
        return self.pool[pick].transfer_kwh

    def cost_of(self, pick: int) -> float:
        """Return the cost of one run, NaN where unknown. [GBP]"""
        return self.pool[pick].cost_gbp

    def carbon_of(self, pick: int) -> float:
        """Return the carbon of one run, NaN where unknown. [kg]"""
        return self.pool[pick].carbon_kg

    def churn_of(self, pick: int) -> float:
        """Return the price of leaving the run held now for this one. [GBP]"""
        return self._churn(self.pool[pick])

    def charge_of(self, pick: int) -> float:
        """Return the part of the objective that is charged for short carbon budgets. [GBP]"""
        return self.pool[pick].charge_gbp

    def delay_of(self, pick: int) -> float:
        """Return the price of waiting of one run. [GBP]"""
        return self.pool[pick].delay_gbp

    def tier_of(self, pick: int) -> int:
        """Return how many signals are unknown somewhere in one run."""
        return self.pool[pick].tier

    def find(self, row: int, start: int) -> int | None:
        """Return the best run looked at that starts in a slot of an asset, or None."""
        found = [n for n, run in enumerate(self.pool) if (run.row, run.start) == (row, start)]
        return min(found, key=self.rank_of, default=None)

    def hold(self, pick: int) -> Hold:
        """Return the power that a run holds."""
        run = self.pool[pick]
        slots, power = reserve(run)
        return Hold(run.row, slots, power, run.start, run.stop)

    def fits(
        self, pick: int, room_kw: FloatArray, earliest: int = 0, latest_end: int | None = None
    ) -> bool:
        """Return whether a run fits into some room and between its neighbours.

        Args:
            pick: Place in the pool.
            room_kw: Shape (assets, slots). [kW]
            earliest: First slot it may use.
            latest_end: Slot by which it must have ended; None: no such bound.
        """
        run = self.pool[pick]
        in_order = run.start >= earliest and (latest_end is None or run.stop <= latest_end)
        return in_order and not bool(
            (room_kw[run.row, run.slot] < run.power_kw - TOLERANCE_KW).any()
        )

    def fitting(
        self, room_kw: FloatArray, earliest: int = 0, latest_end: int | None = None
    ) -> BoolArray:
        """Return which runs of the pool fit; see `fits`."""
        return np.array(
            [self.fits(n, room_kw, earliest, latest_end) for n in range(self.count)], dtype=np.bool_
        )

    def add(self, run: Pattern) -> int:
        """Return the place of a run in the pool, adding it where it is new."""
        key = (run.row, run.slot.tobytes(), np.round(run.power_kw, 6).tobytes())
        known = self._places.get(key)
        if known is not None:
            return known
        self.pool.append(run)
        self._places[key] = self.count - 1
        self._objectives.append(run.objective_gbp + self._churn(run))
        worth = np.array(self._objectives[-1:])
        tier, is_late = np.array([run.tier]), np.array([self._is_late(run)])
        self._ranks.append(float(ranking.ranks(worth, tier, is_late, self.unserved_gbp)[0]))
        return self.count - 1

    def forget_all_but(self, picks: Sequence[int]) -> list[int]:
        """Drop the runs that only a search has looked at; return where some picks are now.

        The first run (the best one alone), the run on arrival and the one held stay.
        """
        kept = sorted(
            {0, *picks, *([] if self.arrival is None else [self.arrival])} & set(range(self.count))
        )
        ranks = [self._ranks[n] for n in kept]
        runs = [self.pool[n] for n in kept]
        if self.held is not None and self.can_keep_held:
            runs.append(self.held)
        places = [kept.index(n) for n in picks]
        self.arrival = None if self.arrival is None else kept.index(self.arrival)
        self.pool, self._objectives, self._ranks = [], [], []
        self._places = {}
        for run in runs:
            self.add(run)
        self._ranks[: len(ranks)] = ranks
        return places

    def best_in(
        self,
        room_kw: FloatArray,
        earliest: int = 0,
        latest_end: int | None = None,
        price_gbp: FloatArray | None = None,
    ) -> int:
        """Return the place of the best run in some room, or `NONE_FITS`; it joins the pool.

        A run that leaves successors time goes before one that does not, and the run held now before others that cost
        less by no more than the churn.

        Args:
            room_kw: Shape (assets, slots). [kW]
            earliest: First slot it may use.
            latest_end: Slot by which it must have ended; None: no such bound.
            price_gbp: Scarcity of one kW over one half-hour to plan with, shape (assets, slots). [GBP]
        """
        if (
            self.runs_on_arrival
            and self.arrival is not None
            and self.fits(self.arrival, room_kw, earliest, latest_end)
        ):
            return self.arrival
        last = self.end if latest_end is None else min(self.end, float(latest_end))
        for end in sorted({min(self.preferred_end, last), last}):
            found = self.cheapest(room_kw, earliest, end, price_gbp)
            if found is not None:
                return self._or_held(found, room_kw, earliest, latest_end, price_gbp)
        return NONE_FITS

    def cheapest(
        self,
        room_kw: FloatArray,
        earliest: int = 0,
        end: float | None = None,
        price_gbp: FloatArray | None = None,
    ) -> Pattern | None:
        """Return the cheapest run in some room, which does not join the pool; None where none is found.

        Args:
            room_kw: Shape (assets, slots). [kW]
            earliest: First slot it may use.
            end: Latest finish; None: the job's own. [half-hours from the start of the horizon]
            price_gbp: Scarcity of one kW over one half-hour, shape (assets, slots); None: none. [GBP]
        """
        shadow = None if price_gbp is None else price_gbp / SLOT_HOURS
        lanes = self.lanes(room_kw, earliest, end, shadow)
        return flexible.cheapest(self.job, lanes, self.progress)

    def lanes(
        self,
        room_kw: FloatArray,
        earliest: int = 0,
        end: float | None = None,
        shadow_gbp_per_kwh: FloatArray | None = None,
    ) -> list[Lane]:
        """Return the half-hours open to the job in some room; see `flexible.lanes_of`."""
        return flexible.lanes_of(
            self.job,
            self.table,
            self.weights,
            self.candidate_rows,
            room_kw,
            first=max(self.first_start, earliest),
            end=self.end if end is None else end,
            shadow_gbp_per_kwh=shadow_gbp_per_kwh,
            sent_to=self.sent_to,
        )

    def _or_held(
        self,
        found: Pattern,
        room_kw: FloatArray,
        earliest: int,
        latest_end: int | None,
        price_gbp: FloatArray | None,
    ) -> int:
        if self.held is None or not self.can_keep_held:
            return self.add(found)
        stay = self.add(self.held)
        if not self.fits(stay, room_kw, earliest, latest_end):
            return self.add(found)
        there, here = (_weighed(run, price_gbp) for run in (found, self.held))
        is_as_good = self.held.tier <= found.tier and here <= there + self._churn(found)
        return stay if is_as_good else self.add(found)

    def _churn(self, run: Pattern) -> float:
        if self.held is None or self.held.is_same_run(run):
            return 0.0
        energy_kwh = self.job.it_energy_kwh * self.table.assets[run.row].pue
        return self.weights.churn_gbp_per_kwh * energy_kwh

    def prefer_arrival(self, arrival: int) -> None:
        """Let the run on arrival go before all others."""
        self.arrival, self.runs_on_arrival = arrival, True
        self._ranks[arrival] = min(self._ranks) - ranking.ARRIVAL_GBP

    def _is_late(self, run: Pattern) -> bool:
        return run.finish > self.preferred_end + FINISH_TOLERANCE


def _weighed(run: Pattern, price_gbp: FloatArray | None) -> float:
    """Return what a run costs with scarcity. [GBP]"""
    if price_gbp is None:
        return run.objective_gbp
    return run.objective_gbp + float(price_gbp[run.row, run.slot] @ run.power_kw)


def build_pattern_options(
    job: Job,
    table: PricedTable,
    weights: Weights,
    *,
    release: datetime | None = None,
    latest_finish: datetime | None = None,
    held: Pattern | None = None,
    sent_to: Incumbent | None = None,
    progress: Progress = NO_PROGRESS,
) -> PatternOptions:
    """Return the options of a job that bends in shape, with its best run alone, its run on arrival and the one held.

    Args:
        job: See `flexible.bends_in_shape`.
        table: Priced half-hours of all assets.
        weights: The objective.
        release: Earliest start where predecessors move it later; None: the job's own.
        latest_finish: Finish that still leaves time for successors; None: no successors.
        held: The run held now, if any.
        sent_to: The award its data are on their way to, if any.
        progress: What a started job has done.
    """
    rows = _rows(job, table)
    end = flexible.slots_until(job.latest_finish, table.horizon)
    preferred = end if latest_finish is None else flexible.slots_until(latest_finish, table.horizon)
    own = table.index.get(job.asset_id)
    pue = 1.0 if own is None else table.assets[own].pue
    factor = UNSERVED_FACTOR[job.priority]
    first = max(table.first_open, table.horizon.first_index_from(release or job.release))
    options = PatternOptions(
        job=job,
        table=table,
        weights=weights,
        unserved_gbp=weights.unserved_gbp_per_kwh * job.it_energy_kwh * pue * factor,
        candidate_rows=rows,
        first_start=first,
        end=end,
        preferred_end=min(preferred, end),
        held=held,
        sent_to=sent_to,
        progress=progress,
    )
    options.lower_bound_gbp = _lower_bound(options, table.room_kw)
    best = options.best_in(table.room_kw)
    if best != NONE_FITS:
        _prefer_arrival(options, own, options.pool[best])
    return options


def _rows(job: Job, table: PricedTable) -> tuple[int, ...]:
    return tuple(
        table.index[asset.asset_id]
        for asset in candidate_assets(job, table.assets)
        if job.pinned_asset_id in (None, asset.asset_id)
    )


def _lower_bound(options: PatternOptions, room_kw: FloatArray) -> float:
    """Return the least of the run held, any other run with churn, and staying unserved. [GBP]"""
    lanes = options.lanes(room_kw)
    bound = flexible.quote(options.job, lanes, progress=options.progress).bound_gbp
    if options.held is not None:
        bound = min(bound + options.least_churn_gbp, options.held.objective_gbp)
    return min(bound, options.unserved_gbp)


def _prefer_arrival(options: PatternOptions, own: int | None, best: Pattern) -> None:
    """Put the run on arrival into the pool, and before all others where waiting does not pay."""
    job, weights = options.job, options.weights
    lane = next((each for each in options.lanes(options.table.room_kw) if each.row == own), None)
    if lane is None or own is None or options.progress != NO_PROGRESS:
        return
    run = flexible.arrival_run(job, lane, options.table.horizon)
    if run is None or run.finish > options.end + FINISH_TOLERANCE or not Caps.of(job).are_kept(run):
        return
    options.arrival = options.add(run)
    least = job.min_saving_percent
    pays = ranking.waiting_pays(
        ranking.baseline_objective(job, options.table, weights.kappa_gbp_per_kg),
        options.churn_of(options.arrival),
        np.array([best.objective_gbp]) if best.tier == 0 else np.empty(0),
        weights.min_saving_percent if least is None else least,
    )
    if not pays:
        options.prefer_arrival(options.arrival)
