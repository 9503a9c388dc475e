"""Moves what remains of interruptible work that has begun, once everything else has its place.

Finished half-hours and the current minimum run stay; the rest goes where it now costs least in the room the plan leaves,
if that gains more than moving costs. Others are planned as if it stayed, so that nobody who runs ever loses its power.
Its cost stands outside objective and bound, like that of all frozen work.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.describe import Describer, digest_of_runs, savings_between
from agents.faults import PolicyVeto, handling
from agents.ground import held_power
from agents.shape_check import Run, shape_fault
from agents.view import Situation, Started
from agents.wording import money_text, when
from models.domain.plan import Award, Explanation, Segment
from models.domain.signal import FloatArray
from models.domain.time import SLOT, Horizon
from models.optimise import flexible
from models.optimise.assignment import GAIN_GBP
from models.optimise.caps import Spent
from models.optimise.chunked import Begun
from models.optimise.flexible import Progress
from models.optimise.pattern import Lane, Pattern, segments
from models.optimise.table import TOLERANCE_KW, PricedTable
from models.optimise.terms import Incumbent, Weights


def moved(
    situation: Situation,
    table: PricedTable,
    load_kw: FloatArray,
    weights: Weights,
    describer: Describer,
) -> tuple[Award, ...]:
    """Return new awards of started jobs whose remaining part is better elsewhere, in the order of their ids.

    Args:
        situation: What was planned.
        table: What it was priced on.
        load_kw: Power that the plan gave to jobs, shape (assets, slots). [kW]
        weights: The objective.
        describer: Values the runs.
    """
    held = np.zeros_like(load_kw)
    for asset_id, power in held_power(situation).items():
        if asset_id in table.index:
            held[table.index[asset_id]] = power
    found = []
    for started in sorted(situation.started, key=lambda each: each.job.job_id):
        row = table.index.get(started.asset_id)
        if row is None:
            continue
        with handling(started.job.job_id, "moving the rest of"):
            own = _power(started.rest, table.horizon)
            room = np.maximum(table.limit_kw[row] - (held[row] - own), 0.0) - load_kw[row]
            award = _Rest(started, row, table, weights, room).award(describer)
        if award is not None:
            found.append(award)
            late = [s for s in award.placement.segments if s.end > started.free_from]
            held[row] += _power(_from(late, started), table.horizon) - own
    return tuple(found)


def _from(stretches: Sequence[Segment], started: Started) -> list[Segment]:
    """Return the parts of stretches from where the rest may begin."""
    return [Segment(max(s.start, started.free_from), s.end, s.power_kw) for s in stretches]


def _power(stretches: Sequence[Segment], horizon: Horizon) -> FloatArray:
    """Return the power that stretches reserve, shape (slots,). [kW]"""
    power = np.zeros(horizon.slots)
    for each in stretches:
        first = max(horizon.index_of(each.start), 0)
        last = int(np.ceil((each.end - horizon.start) / SLOT - 1e-9))
        power[first:last] += each.power_kw
    return power


class _Rest:
    """The remaining part of one job, and where else it could be."""

    def __init__(
        self, started: Started, row: int, table: PricedTable, weights: Weights, room_kw: FloatArray
    ) -> None:
        self.started, self.row, self.table, self.weights = started, row, table, weights
        self.room_kw = np.full_like(table.room_kw, -np.inf)
        self.room_kw[row] = room_kw

    def _lane(self, first: int, *, is_valued_only: bool = False) -> Lane | None:
        lanes = flexible.lanes_of(
            self.started.job,
            self.table,
            self.weights,
            (self.row,),
            self.room_kw,
            first=first,
            end=flexible.slots_until(self.started.latest_end, self.table.horizon),
            sent_to=Incumbent(self.started.asset_id, first),
            is_valued_only=is_valued_only,
        )
        return lanes[0] if lanes and lanes[0].first == first else None

    def award(self, describer: Describer) -> Award | None:
        """Return the award of the whole run with its rest moved; None where it stays."""
        job, horizon = self.started.job, self.table.horizon
        begin = horizon.index_of(self.started.fixed[0].start)
        lane = self._lane(horizon.index_of(self.started.free_from))
        whole = self._lane(begin, is_valued_only=True) if begin >= 0 else None
        if lane is None or whole is None:
            return None
        done = flexible.run_of_segments(whole, self.started.fixed, horizon)
        stays = flexible.run_of_segments(lane, self.started.rest, horizon)
        if done is None or stays is None:
            return None
        best = flexible.cheapest(job, (lane,), self._progress(done))
        if best is None or not self._pays(best, stays):
            return None
        stretches = _joined((*self.started.fixed, *segments(best, horizon)))
        run = flexible.run_of_segments(whole, stretches, horizon)
        before = flexible.run_of_segments(
            whole, _joined((*self.started.fixed, *self.started.rest)), horizon
        )
        if run is None or before is None:
            return None
        fault = shape_fault(job, Run(self.row, run.slot, run.power_kw, run.share))
        if fault is not None:
            raise PolicyVeto(f"shape: the moved rest of {job.job_id}: {fault}", job.job_id)
        return self._described(describer, run, before, is_forced=self._has_lost_room(stays))

    def _progress(self, done: Pattern) -> Progress:
        is_running = done.stop == self.table.horizon.index_of(self.started.free_from)
        spent = Spent(
            done.energy_kwh + done.transfer_kwh,
            float(np.nan_to_num(done.cost_gbp)),
            float(np.nan_to_num(done.carbon_kg)),
        )
        return Progress(begun=Begun(done.slot.size, done.chunks, is_running), spent=spent)

    def _pays(self, best: Pattern, stays: Pattern) -> bool:
        """Return whether moving gains more than it costs, or must be because its power is gone."""
        if self._has_lost_room(stays):
            return True
        if best.tier > stays.tier or best.is_same_run(stays):
            return False
        return best.objective_gbp + self._churn_gbp() < stays.objective_gbp - GAIN_GBP

    def _has_lost_room(self, stays: Pattern) -> bool:
        room = self.room_kw[self.row, stays.slot]
        return bool((stays.power_kw > room + TOLERANCE_KW).any())

    def _churn_gbp(self) -> float:
        energy_kwh = sum(s.power_kw * (s.end - s.start) / SLOT / 2 for s in self.started.rest)
        return self.weights.churn_gbp_per_kwh * energy_kwh * self.table.assets[self.row].pue

    def _described(
        self, describer: Describer, run: Pattern, before: Pattern, *, is_forced: bool
    ) -> Award:
        job = self.started.job
        placed, old = describer.run(run), describer.run(before)
        baseline = describer.baseline(job)
        gain = money_text(before.objective_gbp - run.objective_gbp)
        cause = (
            "because its power was gone" if is_forced else f"{gain} better by the policy's weights"
        )
        return Award(
            job_id=job.job_id,
            placement=placed,
            baseline=baseline,
            savings=savings_between(baseline.placement, placed),
            explanation=Explanation(
                runner_up=old,
                options_considered=2,
                best_options=(placed, old),
                blocked=(),
                flip_carbon_gbp_per_tonne=None,
                flip_direction=None,
                options_digest=digest_of_runs((run, before)),
                latest_start=placed.start,
            ),
            why=(
                f"Runs since {when(placed.start)} on {placed.asset_id}; the rest of it moved and now ends "
                f"{when(placed.end)} instead of {when(old.end)}, {cause}."
            ),
            is_frozen=True,
            churn_gbp=self._churn_gbp(),
        )


def _joined(stretches: Sequence[Segment]) -> tuple[Segment, ...]:
    """Return stretches with those that follow each other at the same power made one."""
    found: list[Segment] = []
    for each in stretches:
        last = found[-1] if found else None
        if last is not None and last.end == each.start and last.power_kw == each.power_kw:
            found[-1] = Segment(last.start, each.end, each.power_kw)
        else:
            found.append(each)
    return tuple(found)
