"""Elastic runs under prices: the cheapest one, and a lower bound that proves it where it can.

The bound is the cheapest mix of levels (`envelope.py`). Where that mix is a run, it is the answer: so it is for a rate
that is linear from 0, and often beyond. Else a dynamic programme over a grid of work chooses levels (`level_runs.py`):
exact for a table of levels, good for a linear rate. Mean caps are priced (`caps.py`), and of all runs met on the way
the cheapest that keeps them is taken; two runs of a linear rate are blended so that a cap is just kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.domain.job import Job
from models.domain.time import SLOT_HOURS
from models.optimise.caps import (
    DUAL_STEPS,
    NO_MULTIPLIERS,
    NOTHING_SPENT,
    PROVEN,
    Caps,
    Cut,
    Dual,
    Multipliers,
    Quote,
    Spent,
    raise_dual,
)
from models.optimise.envelope import Mix, cheapest_mix
from models.optimise.level_runs import Prices, best_levels, priced, run_of_work, soonest_run
from models.optimise.levels import Levels, levels_of, work_of
from models.optimise.pattern import Lane, Pattern, known_first
from models.optimise.table import FloatArray

CLOSE = 1e-5
"""A run at a linear rate this close to its bound, relative to it, is not improved any further."""


LEAST_SHARE = 1e-6
"""A blend takes at least this share of the cheaper run; less would only be crumbs of power."""


@dataclass(frozen=True)
class _Task:
    """One elastic job on one lane."""

    lane: Lane
    levels: Levels
    work: float
    caps: Caps

    @property
    def rates(self) -> FloatArray:
        return self.caps.excess_rates(self.lane)

    def mix(self, multipliers: Multipliers = NO_MULTIPLIERS) -> Mix | None:
        return cheapest_mix(self.lane, self.levels, self.work, self._extra(multipliers))

    def _extra(self, multipliers: Multipliers) -> FloatArray | float:
        return np.asarray(multipliers) @ self.rates if any(multipliers) else 0.0

    def run(self, mix: Mix, multipliers: Multipliers = NO_MULTIPLIERS) -> Pattern | None:
        """Return the cheapest run known at some multipliers, given the cheapest mix at them."""
        prices = Prices.of(self.lane, self._extra(multipliers))
        found = run_of_work(self.lane, self.levels, prices, mix.work)
        slack = CLOSE if self.levels.is_linear else PROVEN
        if found is not None and self._gap(found, mix, multipliers) <= slack:
            return found
        better = best_levels(self.lane, self.levels, self.work, prices)
        if better is not None and better.is_exact:
            return better
        known = [
            each
            for each in (found, better, soonest_run(self.lane, self.levels, self.work))
            if each is not None
        ]
        return min(known, key=lambda each: self.weighed(each, multipliers), default=None)

    def _gap(self, run: Pattern, mix: Mix, multipliers: Multipliers) -> float:
        return (self.weighed(run, multipliers) - mix.value_gbp) / max(1.0, abs(mix.value_gbp))

    def weighed(self, run: Pattern, multipliers: Multipliers) -> float:
        """Return a run's cost with priced excess, leaving out what is spent already. [GBP]"""
        excess = self.caps.excess(run) - self.caps.excess_spent
        return run.priced_gbp + float(np.nan_to_num(excess) @ np.asarray(multipliers))

    def cut(self, mix: Mix, multipliers: Multipliers) -> Cut:
        """Return the plane of a mix."""
        energy = mix.power_kw * SLOT_HOURS * self.lane.pue
        own = self.rates @ energy
        value = mix.value_gbp - float(own @ np.asarray(multipliers))
        return Cut(value, own + self.caps.excess_spent, None)

    def cleanest(self, n: int) -> tuple[Cut, Pattern] | None:
        """Return the plane and the run of least excess over one cap; None where the work cannot be done."""
        bare = replace(
            self.lane,
            price_gbp_per_kwh=self.rates[n],
            kappa_gbp_per_kg=0.0,
            charge_gbp_per_kwh=None,
            carbon_kg_per_kwh=np.zeros(self.lane.slots),
            shadow_gbp_per_kwh=np.zeros(self.lane.slots),
            delay_gbp_per_hour=0.0,
        )
        task = replace(self, lane=bare, caps=Caps(None, None))
        mix = task.mix()
        run = None if mix is None else task.run(mix)
        if mix is None or run is None:
            return None
        used = [(t - bare.first, kw, share) for t, kw, share in run.parts]
        # What this mix really costs, or a little more: its plane then lies nowhere below the least value.
        money = Prices.of(self.lane)
        end = np.array(float(self.lane.first + self.lane.slots))
        value = float((money.energy_gbp_per_kw + money.held_gbp_per_kw) @ mix.power_kw)
        value += float(self.lane.delay_gbp(end))
        energy = mix.power_kw * SLOT_HOURS * self.lane.pue
        cut = Cut(value, self.rates @ energy + self.caps.excess_spent, None)
        return cut, priced(self.lane, used, is_exact=False)

    def work_in(self, run: Pattern) -> FloatArray:
        """Return the work a run at a linear rate does in each half-hour. [half-hours at the full rate]"""
        work = np.zeros(self.lane.slots)
        work[run.slot - self.lane.first] = run.power_kw * run.share / self.levels.full_kw
        return work


def cheapest(
    job: Job,
    lanes: Sequence[Lane],
    *,
    work_done: float = 0.0,
    spent: Spent = NOTHING_SPENT,
) -> Pattern | None:
    """Return the cheapest run known of a job in the room of its lanes, scarcity included; None where none is known.

    Without mean caps there is one wherever the room suffices. With caps one may be missed; with a linear rate from 0
    and one cap none is. `is_exact` marks a run that was proven to cost least.

    Args:
        job: An elastic job.
        lanes: One per candidate asset; ties go to the first.
        work_done: Work already done. [half-hours at the full rate]
        spent: Energy, cost and carbon of that, for its caps.
    """
    levels, work, caps = levels_of(job), work_of(job) - work_done, Caps.of(job, spent)
    for part in known_first(lanes):
        tasks = [_Task(lane, levels, work, caps) for lane in part]
        if (found := _cheapest_of(tasks)) is not None:
            return found
    return None


def _cheapest_of(tasks: Sequence[_Task]) -> Pattern | None:
    mixes = [(task.mix(), n) for n, task in enumerate(tasks)]
    order = sorted(
        ((mix.value_gbp, n, mix) for mix, n in mixes if mix is not None), key=lambda each: each[:2]
    )
    best: Pattern | None = None
    bounds: list[float] = []
    for value, n, mix in order:
        if best is not None and value >= best.priced_gbp:
            break
        found, bound = _on_lane(tasks[n], mix)
        bounds.append(bound)
        if found is not None and (best is None or found.priced_gbp < best.priced_gbp):
            best = found
    if best is None:
        return None
    slack = PROVEN * max(1.0, abs(best.priced_gbp))
    return replace(best, is_exact=best.priced_gbp - min(bounds) <= slack)


def _on_lane(task: _Task, mix: Mix) -> tuple[Pattern | None, float]:
    """Return the cheapest run known on a lane that keeps its caps, and a bound; the cost itself where it is exact."""
    free = task.run(mix)
    if free is not None and task.caps.are_kept(free):
        return free, free.priced_gbp if free.is_exact else mix.value_gbp
    dual, met = _dual(task, DUAL_STEPS, NO_MULTIPLIERS, runs=True)
    met += [] if free is None else [free]
    kept = [run for run in met if task.caps.are_kept(run)]
    if task.levels.is_linear:
        kept += _blends(task, met)
    best = min(kept, key=lambda run: run.priced_gbp, default=None)
    return best, dual.bound_gbp


def _dual(task: _Task, steps: int, begin: Multipliers, *, runs: bool) -> tuple[Dual, list[Pattern]]:
    """Return the best bound under caps, and the runs met on the way if wanted."""
    met: list[Pattern] = []

    def solve(multipliers: Multipliers) -> Cut | None:
        mix = task.mix(multipliers)
        if mix is None:
            return None
        if runs and (run := task.run(mix, multipliers)) is not None:
            met.append(run)
        return task.cut(mix, multipliers)

    if task.lane.has_unknown:
        return raise_dual(solve, (), (False, False), 1), met
    cleanest = []
    for n in range(2):
        if task.caps.used[n]:
            found = task.cleanest(n)
            if found is None:
                return Dual(float("inf"), begin, ()), met
            cleanest.append(found[0])
            met.append(found[1])
    return raise_dual(solve, cleanest, task.caps.used, steps, begin), met


def _blends(task: _Task, met: Sequence[Pattern]) -> list[Pattern]:
    """Return runs between one that keeps the caps and one that does not, as near to the latter as the caps allow."""
    prices = Prices.of(task.lane)
    found = []
    for kept, broken in itertools.permutations(met, 2):
        inside, outside = task.caps.excess(kept), task.caps.excess(broken)
        if (inside > 0.0).any() or not (outside > 0.0).any():
            continue
        rising = outside > 0.0
        share = float((-inside[rising] / (outside[rising] - inside[rising])).min())
        if share < LEAST_SHARE:
            continue
        work = (1.0 - share) * task.work_in(kept) + share * task.work_in(broken)
        run = run_of_work(task.lane, task.levels, prices, work)
        if run is not None and task.caps.are_kept(run):
            found.append(run)
    return found


def quote(
    job: Job,
    lanes: Sequence[Lane],
    *,
    steps: int = DUAL_STEPS,
    begin: Sequence[Multipliers] | None = None,
    work_done: float = 0.0,
    spent: Spent = NOTHING_SPENT,
) -> Quote:
    """Return a lower bound of what any run of a job costs at the lanes' prices, and the run behind it.

    Unknown prices and carbon count as 0. The bound is exact for a linear rate from 0 where nothing is scarce in the
    last half-hour and no cap binds; else it may lie below the least cost.

    Args:
        job: An elastic job.
        lanes: One per candidate asset.
        steps: Most multiplier steps per lane under caps.
        begin: Multipliers per lane to begin with; one step from good ones is nearly as good as many.
        work_done: Work already done. [half-hours at the full rate]
        spent: Energy, cost and carbon of that, for its caps.
    """
    levels, work, caps = levels_of(job), work_of(job) - work_done, Caps.of(job, spent)
    tasks = [_Task(lane, levels, work, caps) for lane in lanes]
    multipliers = list(begin) if begin is not None else [NO_MULTIPLIERS] * len(tasks)
    found = [(mix.value_gbp, n, mix) for n, task in enumerate(tasks) if (mix := task.mix())]
    best: float = np.inf
    behind: tuple[_Task, Mix | None] | None = None
    for value, n, mix in sorted(found, key=lambda each: each[:2]):
        if value >= best:
            break
        at: Multipliers = NO_MULTIPLIERS
        if caps.any and (tasks[n].cut(mix, at).excess > 0.0).any():
            dual, _ = _dual(tasks[n], steps, multipliers[n], runs=False)
            value, at = max(value, dual.bound_gbp), dual.multipliers
            multipliers[n] = at
        if value < best:
            best, behind = value, (tasks[n], mix if at == NO_MULTIPLIERS else tasks[n].mix(at))
    return Quote(best, _drawn(*behind) if behind else None, tuple(multipliers))


def _drawn(task: _Task, mix: Mix | None) -> Pattern | None:
    """Return a mix as a pattern: what the job would draw, at powers that may lie between its levels."""
    if mix is None:
        return None
    return priced(
        task.lane, [(n, float(kw), 1.0) for n, kw in enumerate(mix.power_kw)], is_exact=False
    )
