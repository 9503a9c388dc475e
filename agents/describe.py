"""Turns options into placements with their cost, provenance and alternatives."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from models.domain.job import Job
from models.domain.plan import Baseline, Blocked, Explanation, Placement, Savings, Segment
from models.domain.regions import admits
from models.domain.signal import (
    QUALITY_ORDER,
    IntArray,
    Quality,
    RegionSignals,
    SignalSeries,
    ValueKind,
)
from models.domain.time import SLOT
from models.optimise.assignment import Assignment, Options
from models.optimise.budget import DaysLeft
from models.optimise.options import Closed, JobOptions
from models.optimise.pattern import Pattern, segments
from models.optimise.pattern_options import PatternOptions
from models.optimise.table import BoolArray, PricedTable
from models.optimise.terms import Hold

WRITTEN_OPTIONS = 5
"""How many of the best options are written out in an explanation."""

CARBON_BUDGET = "carbon_budget"
"""Rule of better windows that are free and yet not taken, because a day's carbon budget is short."""

HIGHEST_FLIP_GBP_PER_TONNE = 10_000.0
"""Values of carbon above this are not looked at for a flip (κ is capped at 10 £/kg)."""


@dataclass(frozen=True)
class Describer:
    """Knows how well each half-hour of each asset is known."""

    table: PricedTable
    kappa_gbp_per_kg: float
    estimated: BoolArray
    """Shape (assets, slots): carbon or price is an own estimate."""
    quality: IntArray
    """Shape (assets, slots): position in `QUALITY_ORDER` of the worse of carbon and price."""
    budgets: DaysLeft | None = None
    """What the plan leaves of carbon budgets; None: there are none, or nothing is said of them."""

    @classmethod
    def of(
        cls,
        table: PricedTable,
        signals: Mapping[str, RegionSignals],
        kappa_gbp_per_kg: float,
        budgets: DaysLeft | None = None,
    ) -> Describer:
        """Lay out quality and estimates as arrays."""
        estimated = np.zeros(table.room_kw.shape, dtype=np.bool_)
        quality = np.zeros(table.room_kw.shape, dtype=np.int64)
        for row, asset in enumerate(table.assets):
            for series in (signals[asset.region].carbon, signals[asset.region].price):
                ranks, guesses = _series_quality(series.over(table.horizon))
                quality[row] = np.maximum(quality[row], ranks)
                estimated[row] |= guesses
        return cls(table, kappa_gbp_per_kg, estimated, quality, budgets)

    def placement(self, mine: Options, pick: int) -> Placement:
        """Return one option as a placement."""
        hold = mine.hold(pick)
        begins = self.table.horizon.start_of(hold.start)
        if isinstance(mine, PatternOptions):
            stretches = segments(mine.pool[pick], self.table.horizon)
        else:
            stretches = segments_of(mine.job, begins)
        return self._place(
            stretches,
            hold.row,
            hold.slots,
            mine.energy_of(pick),
            _known(mine.cost_of(pick)),
            _known(mine.carbon_of(pick)),
            mine.delay_of(pick),
            mine.objective_of(pick) - mine.charge_of(pick),
            mine.transfer_of(pick),
        )

    def run(self, run: Pattern) -> Placement:
        """Return a whole run as a placement, its half-hours in the past included."""
        worth = _known(run.cost_gbp), _known(run.carbon_kg)
        return self._place(
            segments(run, self.table.horizon),
            run.row,
            run.slot,
            run.energy_kwh,
            *worth,
            run.delay_gbp,
            run.objective_gbp - run.charge_gbp,
            run.transfer_kwh,
        )

    def baseline(self, job: Job) -> Baseline:
        """Return the run on arrival, valued on the signals of this plan."""
        row = self.table.index.get(job.asset_id)
        if job.baseline_start is None or row is None:
            reason = job.baseline_reason or f"cluster {job.asset_id} no longer exists"
            return Baseline(None, reason)
        start = self.table.horizon.index_of(job.baseline_start)
        if start < 0 or start + job.slots > self.table.horizon.slots:
            return Baseline(None, "its half-hours lie outside the signals of this plan")
        energy = np.asarray(job.slot_energy_kwh()) * self.table.assets[row].pue
        span = slice(start, start + job.slots)
        cost = _known(float(self.table.price_gbp_per_kwh[row, span] @ energy))
        carbon = _known(float(self.table.carbon_kg_per_kwh[row, span] @ energy))
        worth = (cost or 0.0) + self.kappa_gbp_per_kg * (carbon or 0.0)
        begins = self.table.horizon.start_of(start)
        slots = np.arange(span.start, span.stop, dtype=np.int64)
        placed = self._place(
            segments_of(job, begins), row, slots, float(energy.sum()), cost, carbon, 0.0, worth
        )
        return Baseline(placed, None, self._breaches(job, placed))

    def _breaches(self, job: Job, placed: Placement) -> tuple[str, ...]:
        found = []
        if not admits(job.allowed_regions, placed.region):
            found.append("region")
        mean_g, mean_gbp = placed.mean_carbon_g_per_kwh, placed.mean_price_gbp_per_kwh
        if job.carbon_cap_g_per_kwh is not None and (mean_g or 0.0) > job.carbon_cap_g_per_kwh:
            found.append("carbon_cap")
        if job.max_price_gbp_per_kwh is not None and (mean_gbp or 0.0) > job.max_price_gbp_per_kwh:
            found.append("max_price")
        return tuple(found)

    def _place(
        self,
        stretches: tuple[Segment, ...],
        row: int,
        slots: IntArray,
        energy: float,
        cost: float | None,
        carbon: float | None,
        delay: float,
        objective: float,
        transfer_kwh: float = 0.0,
    ) -> Placement:
        asset = self.table.assets[row]
        # A transfer is priced at the means of the run, so they are those of both together.
        mean_kg = _per_kwh(carbon, energy + transfer_kwh)
        mean_gbp = _per_kwh(cost, energy + transfer_kwh)
        return Placement(
            asset_id=asset.asset_id,
            region=asset.region,
            start=stretches[0].start,
            end=stretches[-1].end,
            segments=stretches,
            energy_kwh=energy,
            carbon_kg=carbon,
            cost_gbp=cost,
            mean_carbon_g_per_kwh=None if mean_kg is None else mean_kg * 1000.0,
            mean_price_gbp_per_kwh=mean_gbp,
            estimated_share=float(self.estimated[row, slots].mean()),
            data_quality=QUALITY_ORDER[int(self.quality[row, slots].max())],
            delay_gbp=delay,
            objective_gbp=None if cost is None and carbon is None else objective,
            transfer_kwh=transfer_kwh,
            transfer_cost_gbp=_times(mean_gbp, transfer_kwh),
            transfer_carbon_kg=_times(mean_kg, transfer_kwh),
        )

    def explain(self, plan: Assignment, k: int, owner_only: str) -> Explanation:
        """Return why job k got what it got: alternatives under the room the rest of the plan leaves."""
        mine, pick = plan.options[k], int(plan.choice[k])
        plan.lift(k)
        if isinstance(mine, PatternOptions):
            _look_elsewhere(plan, k, mine, pick)
        free = plan.available(k)
        blocked = self._blocked(plan, k, pick, free, owner_only)
        plan.place(k, pick)
        order = mine.ranking
        ranked = order[free[order]]
        runner = next((int(r) for r in ranked if not _overlap(mine, int(r), pick)), None)
        shown = [int(r) for r in ranked[:WRITTEN_OPTIONS]]
        if pick not in shown:
            shown = [*shown[: WRITTEN_OPTIONS - 1], pick]
        flip, direction = self._flip(mine, pick, runner)
        return Explanation(
            runner_up=None if runner is None else self.placement(mine, runner),
            options_considered=mine.count,
            best_options=tuple(self.placement(mine, r) for r in shown),
            blocked=blocked,
            flip_carbon_gbp_per_tonne=flip,
            flip_direction=direction,
            options_digest=digest_of(mine),
            latest_start=self.table.horizon.start_of(mine.last_start),
            waits_only_if_pays=_gave_up_waiting(mine, pick),
        )

    def _blocked(
        self, plan: Assignment, k: int, pick: int, free: BoolArray, owner: str
    ) -> tuple[Blocked, ...]:
        """Return the better windows that could not be taken, by the rule that closed them; job k is lifted."""
        mine = plan.options[k]
        charge = mine.charge_gbp
        # What is compared carries the charges of short carbon budgets; what is told leaves them out: nobody pays them.
        compared = mine.objective_of(pick) - mine.objective_gbp
        gain = compared + charge - mine.charge_of(pick)
        better = (gain > 1e-6) & (mine.tier <= mine.tier_of(pick))
        kept_off = free & (compared <= 1e-6)
        if self.budgets is not None and (free & (gain > 1e-6)).any():
            kept_off |= free & self.budgets.breaks(mine, pick, self.table)
        better &= kept_off | (~free & (compared > 1e-6))
        if not better.any():
            return ()
        is_open = mine.closed == Closed.OPEN
        early, late = _out_of_order(plan, k)
        ordered = ~(early | late)
        groups = {
            CARBON_BUDGET: kept_off,
            "power": (is_open & ordered & ~free) | (mine.closed == Closed.POWER),
            "predecessor": is_open & early & ~free,
            "successor": is_open & late & ~early & ~free,
            Closed.CARBON_CAP.rule: mine.closed == Closed.CARBON_CAP,
            Closed.MAX_PRICE.rule: mine.closed == Closed.MAX_PRICE,
            Closed.TRANSFER.rule: mine.closed == Closed.TRANSFER,
        }
        found = []
        for rule, group in groups.items():
            here = np.flatnonzero(better & group)
            if not here.size:
                continue
            top = int(here[np.argmax(gain[here])])
            hold = mine.hold(top)
            found.append(
                Blocked(
                    rule=rule,
                    count=int(here.size),
                    best_start=self.table.horizon.start_of(hold.start),
                    best_asset_id=self.table.assets[hold.row].asset_id,
                    better_by_gbp=float(gain[top]),
                    held_by=holders(plan, hold, k, owner)
                    if rule == "power" and is_open[top]
                    else (),
                )
            )
        return tuple(found)

    def _flip(
        self, mine: Options, pick: int, runner: int | None
    ) -> tuple[float | None, str | None]:
        """Return the value of carbon at which the runner-up draws level, and on which side it wins.

        The charges of short carbon budgets are taken as they are.
        """
        if runner is None or mine.objective_of(runner) < mine.objective_of(pick) - 1e-9:
            return (
                None,
                None,
            )  # it is better already and lost for another reason than the value of carbon
        kg_more = mine.carbon_of(runner) - mine.carbon_of(pick)
        gbp_less = _money(mine, pick) - _money(mine, runner)
        level = gbp_less / kg_more * 1000.0 if abs(kg_more) >= 1e-9 else np.nan
        if not 0.0 <= level <= HIGHEST_FLIP_GBP_PER_TONNE:
            return None, None
        return level, "below" if kg_more > 0 else "above"


def _money(mine: Options, pick: int) -> float:
    """Return cost, delay, churn and charge of an option: its objective without the value of carbon. [GBP]"""
    unpriced = mine.delay_of(pick) + mine.churn_of(pick) + mine.charge_of(pick)
    return mine.cost_of(pick) + unpriced


def _look_elsewhere(plan: Assignment, k: int, mine: PatternOptions, pick: int) -> None:
    """Let the best run outside the time of the chosen one join the pool; job k is lifted."""
    earliest, latest_end = plan.neighbours(k)
    if earliest is None:
        return
    room = plan.room_kw.copy()
    room[:, mine.hold(pick).slots] = -1.0
    mine.best_in(room, earliest, latest_end)


def _series_quality(series: SignalSeries) -> tuple[IntArray, BoolArray]:
    """Return per slot the place in `QUALITY_ORDER` and whether it is an own estimate."""
    none = QUALITY_ORDER.index(Quality.NONE)
    rank_of = [QUALITY_ORDER.index(p.quality) for p in series.provenances] + [none]
    guess_of = [p.kind is ValueKind.ESTIMATE for p in series.provenances] + [False]
    return (
        np.array(rank_of, dtype=np.int64)[series.provenance_index],
        np.array(guess_of, dtype=np.bool_)[series.provenance_index],
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _out_of_order(plan: Assignment, k: int) -> tuple[BoolArray, BoolArray]:
    """Return which options of job k start before a job it waits for has ended, and which end after one that waits starts."""
    mine = plan.options[k]
    earliest, latest_end = plan.neighbours(k)
    early: BoolArray = mine.start < (earliest or 0)
    if latest_end is None:
        return early, np.zeros_like(early)
    stops = np.array([mine.hold(n).stop for n in range(mine.count)], dtype=np.int64)
    return early, stops > latest_end


def _gave_up_waiting(mine: Options, pick: int) -> bool:
    """Return whether the job runs on arrival although a better window exists that saves too little."""
    if isinstance(mine, PatternOptions):
        takes_arrival = mine.runs_on_arrival and pick == mine.arrival
    else:
        takes_arrival = mine.waits_only_if_pays and pick == int(mine.ranking[0])
    if not takes_arrival:
        return False
    open_gbp = mine.objective_gbp[mine.closed == Closed.OPEN]
    return bool((open_gbp < mine.objective_of(pick) - 1e-9).any())


def _overlap(mine: Options, a: int, b: int) -> bool:
    """Return whether two options overlap in time, wherever they run."""
    if isinstance(mine, JobOptions):
        return bool(abs(int(mine.start[a]) - int(mine.start[b])) < mine.slots)
    return bool(np.isin(mine.hold(a).slots, mine.hold(b).slots).any())


def segments_of(job: Job, begins: datetime) -> tuple[Segment, ...]:
    """Return the run as stretches of constant power; the last ends with the job, to the minute."""
    finish = begins + job.duration
    if not job.power_profile_kw:
        return (Segment(begins, finish, job.power_kw),)
    found: list[Segment] = []
    for n, kw in enumerate(job.slot_power_kw()):
        start, end = begins + n * SLOT, min(begins + (n + 1) * SLOT, finish)
        if found and found[-1].power_kw == kw:
            found[-1] = Segment(found[-1].start, end, kw)
        else:
            found.append(Segment(start, end, kw))
    return tuple(found)


def holders(plan: Assignment, wanted: Hold, k: int, owner: str) -> tuple[str, ...]:
    """Return ids of the owner's jobs that hold power in the half-hours of a run."""
    touching = np.flatnonzero(
        (plan.row == wanted.row) & (plan.start < wanted.stop) & (plan.stop > wanted.start)
    )
    is_stretch, slots = isinstance(wanted.at, slice), wanted.slots
    found = []
    for other in touching.tolist():
        theirs = plan.options[other]
        if other == k or theirs.job.owner != owner:
            continue
        # Two stretches that overlap share a half-hour; what has gaps is looked at half-hour by half-hour.
        if not (is_stretch and isinstance(theirs, JobOptions)):
            hold = plan.held(other)
            if hold is None or not hold.takes(wanted.row, slots):
                continue
        found.append(theirs.job.job_id)
    return tuple(found)


def savings_between(baseline: Placement | None, chosen: Placement) -> Savings:
    """Return baseline minus plan; None where either side is unknown."""
    if baseline is None:
        return Savings(None, None, None, None, range_reason="there is no run on arrival to compare")
    kg, kg_percent = _difference(baseline.carbon_kg, chosen.carbon_kg)
    gbp, gbp_percent = _difference(baseline.cost_gbp, chosen.cost_gbp)
    return Savings(kg, kg_percent, gbp, gbp_percent)


def _difference(before: float | None, after: float | None) -> tuple[float | None, float | None]:
    if before is None or after is None:
        return None, None
    saved = before - after
    if abs(saved) <= 1e-9 * max(abs(before), abs(after)):
        saved = 0.0  # the same sum in another order
    return saved, saved / abs(before) * 100.0 if abs(before) > 1e-9 else None


def digest_of_runs(runs: Sequence[Pattern]) -> str:
    """Return a SHA-256 that binds runs and what they cost."""
    told = [(run.row, run.parts, round(run.objective_gbp, 6)) for run in runs]
    return hashlib.sha256(repr(told).encode()).hexdigest()


def digest_of(mine: Options) -> str:
    """Return a SHA-256 that binds every option of a job that was looked at, written out or not."""
    if isinstance(mine, PatternOptions):
        return digest_of_runs(mine.pool)
    table = np.column_stack(
        [
            mine.asset_row.astype(np.float64),
            mine.start.astype(np.float64),
            np.round(np.nan_to_num(mine.cost_gbp, nan=-1e9), 6),
            np.round(np.nan_to_num(mine.carbon_kg, nan=-1e9), 6),
            np.round(mine.delay_gbp, 6),
            mine.closed.astype(np.float64),
        ]
    )
    return hashlib.sha256(np.ascontiguousarray(table).tobytes()).hexdigest()


def _per_kwh(total: float | None, energy_kwh: float) -> float | None:
    """Return an energy-weighted mean, None where the total is unknown or there is no energy."""
    return None if total is None or energy_kwh <= 0.0 else total / energy_kwh


def _times(per_kwh: float | None, energy_kwh: float) -> float | None:
    """Return what some energy amounts to; nothing for none, None where it is unknown."""
    return 0.0 if energy_kwh == 0.0 else None if per_kwh is None else per_kwh * energy_kwh
