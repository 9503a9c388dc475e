"""Carbon by London day: what plans and frozen work put on each day of a fleet's carbon budget.

Every half-hour counts on the London day it lies in, so that a run over midnight counts on both; a part-used last
half-hour counts by its minutes; moving a job's data counts on the days of the run, in proportion. A half-hour whose
carbon is unknown counts 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from models.domain.time import SLOT_HOURS, Horizon, london_date
from models.optimise.assignment import UNSERVED, Assignment, Options
from models.optimise.options import JobOptions
from models.optimise.table import BoolArray, FloatArray, IntArray, PricedTable, window_sums


@dataclass(frozen=True)
class Days:
    """The London days a horizon touches.

    Attributes:
        dates: In order, without a gap.
        of_slot: Index into `dates` of each half-hour, shape (slots,).
    """

    dates: tuple[date, ...]
    of_slot: IntArray

    def totals(self, kg: FloatArray) -> FloatArray:
        """Return the sum of a value of each half-hour by day, shape (days,)."""
        found = np.zeros(len(self.dates))
        np.add.at(found, self.of_slot, kg)
        return found

    def array(self, by_date: Mapping[date, float]) -> FloatArray:
        """Return values by date as an array, 0 where there is none; other dates are left out. Shape (days,)."""
        return np.array([by_date.get(day, 0.0) for day in self.dates], dtype=np.float64)


@dataclass(frozen=True)
class LoadCarbon:
    """What a load emits by London day, every half-hour counted whole: what price rounds need to know of a budget.

    Attributes:
        days: London days of the table.
        kg_per_kw: Of one kW of IT power over one half-hour, 0 where unknown, shape (assets, slots). [kg]
    """

    days: Days
    kg_per_kw: FloatArray

    @classmethod
    def of(cls, table: PricedTable) -> LoadCarbon:
        """Return it for a table."""
        pue = np.array([asset.pue for asset in table.assets])[:, None]
        return cls(
            london_days(table.horizon), np.nan_to_num(table.carbon_kg_per_kwh) * pue * SLOT_HOURS
        )

    def use_kg(self, load_kw: FloatArray) -> FloatArray:
        """Return what a load of shape (assets, slots) emits on each day, shape (days,). [kg]"""
        return self.days.totals((self.kg_per_kw * load_kw).sum(axis=0))

    def charge_gbp(self, charge_gbp_per_kg: FloatArray) -> FloatArray:
        """Return what charges by day add to one kW over each half-hour, shape (assets, slots). [GBP]"""
        answer: FloatArray = self.kg_per_kw * charge_gbp_per_kg[self.days.of_slot]
        return answer


@dataclass(frozen=True)
class FixedRun:
    """Work that is not up for planning.

    Attributes:
        asset_id: Where it runs.
        first_slot: May lie before the horizon; half-hours outside it are not counted.
        power_kw: IT power in each half-hour. [kW]
        last_share: Part of the last half-hour that is billed, above 0 and at most 1.
        transfer_kwh: Energy of moving its data, whole. [kWh]
    """

    asset_id: str
    first_slot: int
    power_kw: tuple[float, ...]
    last_share: float = 1.0
    transfer_kwh: float = 0.0


def london_days(horizon: Horizon) -> Days:
    """Return the London days of a horizon and which of them each half-hour lies in; 46, 48 or 50 make a whole one."""
    dates = [london_date(start) for start in horizon.starts()]
    distinct = sorted(set(dates))
    place = {day: n for n, day in enumerate(distinct)}
    return Days(tuple(distinct), np.array([place[day] for day in dates], dtype=np.int64))


def planned_by_day(plan: Assignment, table: PricedTable, days: Days) -> FloatArray:
    """Return what the jobs of a plan emit on each London day, shape (days,). [kg]"""
    per_slot = np.zeros(table.horizon.slots)
    for k, pick in enumerate(plan.choice):
        if pick != UNSERVED:
            slots, kg = kg_by_slot(plan.options[k], int(pick), table)
            per_slot[slots] += kg
    return days.totals(per_slot)


def kg_by_slot(options: Options, pick: int, table: PricedTable) -> tuple[IntArray, FloatArray]:
    """Return the half-hours that an option uses and what it emits in each, its transfer in proportion. [kg]"""
    hold = options.hold(pick)
    if isinstance(options, JobOptions):
        energy = np.asarray(options.job.slot_energy_kwh(), dtype=np.float64)
    else:
        run = options.pool[pick]
        energy = run.power_kw * run.share * SLOT_HOURS
    energy = energy * table.assets[hold.row].pue
    moved = _with_transfer(float(energy.sum()), options.transfer_of(pick))
    kg: FloatArray = energy * moved * np.nan_to_num(table.carbon_kg_per_kwh[hold.row, hold.slots])
    return hold.slots, kg


def carbon_by_day(options: JobOptions, table: PricedTable, days: Days) -> FloatArray:
    """Return what each option emits on each London day, shape (options, days). [kg]"""
    found = np.zeros((options.count, len(days.dates)))
    energy = np.asarray(options.job.slot_energy_kwh(), dtype=np.float64)
    for row in options.candidate_rows:
        here = np.flatnonzero(options.asset_row == row)
        if not here.size:
            continue
        first = int(options.start[here].min())
        span = slice(first, int(options.start[here].max()) + options.slots)
        carbon = np.nan_to_num(table.carbon_kg_per_kwh[row, span])
        at_meter = energy * table.assets[row].pue
        moved = _with_transfer(float(at_meter.sum()), float(options.transfer_kwh[here[0]]))
        offset = options.start[here] - first
        for day in np.unique(days.of_slot[span]):
            that_day = np.where(days.of_slot[span] == day, carbon, 0.0)
            found[here, day] = window_sums(that_day, at_meter)[offset] * moved
    return found


def listed_by_day(options: Options, picks: IntArray, table: PricedTable, days: Days) -> FloatArray:
    """Return what some options of a job of any kind emit on each London day, shape (picks, days). [kg]"""
    if isinstance(options, JobOptions):
        return carbon_by_day(options, table, days)[picks]
    found = np.zeros((picks.size, len(days.dates)))
    for n, pick in enumerate(picks):
        slots, kg = kg_by_slot(options, int(pick), table)
        np.add.at(found[n], days.of_slot[slots], kg)
    return found


@dataclass(frozen=True)
class DaysLeft:
    """What a whole plan leaves of the budgets of London days.

    Attributes:
        days: The London days.
        limit_kg: The budget of a day. [kg]
        left_kg: Below 0 where a day is over budget, shape (days,). [kg]
        slack_kg: Excess that counts as rounding. [kg]
    """

    days: Days
    limit_kg: float
    left_kg: FloatArray
    slack_kg: float

    def admits(self, options: Options, pick: int, table: PricedTable) -> bool:
        """Return whether one more run would keep every budget; days it does not touch do not count."""
        kg = listed_by_day(options, np.array([pick]), table, self.days)[0]
        return not ((kg > self.slack_kg) & (kg > self.left_kg + self.slack_kg)).any()

    def breaks(self, options: Options, pick: int, table: PricedTable) -> BoolArray:
        """Return which options of a job, in place of the one it has, would put a day over budget or more so."""
        everything = listed_by_day(options, np.arange(options.count), table, self.days)
        more = everything - everything[pick]
        over = (more > self.slack_kg) & (more > self.left_kg + self.slack_kg)
        answer: BoolArray = over.any(axis=1)
        return answer


def committed_by_day(
    runs: Iterable[FixedRun], table: PricedTable, days: Days | None = None
) -> FloatArray:
    """Return what frozen work emits on each London day within the horizon, shape (days,). [kg]

    Args:
        runs: Frozen and running work; on an asset the table does not know it counts 0.
        table: Priced half-hours.
        days: `london_days(table.horizon)`, where it is known already.
    """
    days = days or london_days(table.horizon)
    per_slot = np.zeros(table.horizon.slots)
    for run in runs:
        row = table.index.get(run.asset_id)
        if row is None:
            continue
        energy = np.array(run.power_kw, dtype=np.float64) * SLOT_HOURS * table.assets[row].pue
        energy[-1] *= run.last_share
        energy *= _with_transfer(energy.sum(), run.transfer_kwh)
        slots = run.first_slot + np.arange(energy.size)
        within = (slots >= 0) & (slots < table.horizon.slots)
        per_slot[slots[within]] += energy[within] * np.nan_to_num(
            table.carbon_kg_per_kwh[row, slots[within]]
        )
    return days.totals(per_slot)


def _with_transfer(energy_kwh: float, transfer_kwh: float) -> float:
    """Return by what factor moving the data raises the carbon of a run."""
    return 1.0 + transfer_kwh / energy_kwh if energy_kwh > 0.0 else 1.0
