"""What the jobs of one agent pay and draw at posted prices: the quote that proves a bound.

For any prices of at least 0 the sum of what jobs pay, less what the room would earn, is below the cost of every plan.
Payments are rounded down and powers rounded to binary fractions, so that sums are exact: many agents together quote
what one agent for all would quote, to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.domain.time import SLOT_HOURS
from models.optimise.assignment import Options
from models.optimise.fleet import UNSERVED_CELL, Fleet, fitting_alone, fleet_of, running_sums
from models.optimise.options import JobOptions
from models.optimise.pattern import Pattern
from models.optimise.pattern_fleet import PatternFleet, Task, fleets_of
from models.optimise.pattern_options import PatternOptions
from models.optimise.prices import cheapest_listed
from models.optimise.table import FloatArray, IntArray, PricedTable

MONEY_GRAIN = 2.0**-30
"""Payments are rounded down to this. [GBP]"""

POWER_GRAIN = 2.0**-20
"""Powers are rounded to this where loads are added up. [kW]"""


@dataclass(frozen=True)
class Answer:
    """What jobs pay and take at some prices.

    Attributes:
        value_gbp: Lower bound of what they pay together, unserved ones included. [GBP]
        load_kw: Shape (assets, slots). [kW]
    """

    value_gbp: float
    load_kw: FloatArray


class Quoting:
    """The jobs of one agent, laid out for quotes; the order of its jobs does not matter."""

    def __init__(
        self, options: Sequence[Options], table: PricedTable, is_large: bool = False
    ) -> None:
        """Lay out jobs.

        Args:
            options: Priced on the table.
            table: Its room is that of the empty plan.
            is_large: The whole negotiation has so many jobs that windows are priced by compiled loops; the same for
                all agents of one negotiation.
        """
        self.room_kw = table.room_kw
        listed = [mine for mine in options if isinstance(mine, JobOptions)]
        bending = [mine for mine in options if isinstance(mine, PatternOptions)]
        self._listed = ListedWindows.of(listed, table, is_large) if listed else None
        self._bending = _Bending(bending, table) if bending else None

    def at(self, price_gbp: FloatArray) -> Answer:
        """Return the answer to prices.

        Args:
            price_gbp: Of one kW over one half-hour, shape (assets, slots), at least 0. [GBP]
        """
        value, load = 0.0, np.zeros(price_gbp.shape)
        for part in (self._listed, self._bending):
            if part is not None:
                paid, drawn = part.at(price_gbp)
                value += _down(paid)
                load += drawn
        return Answer(value, load)


def _down(paid_gbp: FloatArray) -> float:
    """Return the sum of payments, each rounded down. [GBP]"""
    return float((np.floor(paid_gbp / MONEY_GRAIN) * MONEY_GRAIN).sum())


def _even(power_kw: FloatArray) -> FloatArray:
    """Return powers rounded so that sums are exact. [kW]"""
    answer: FloatArray = np.round(power_kw / POWER_GRAIN) * POWER_GRAIN
    return answer


@dataclass(frozen=True)
class ListedWindows:
    """Jobs with listed windows, all options in one row of arrays."""

    fleet: Fleet
    owner: IntArray
    first: IntArray
    """First cell of each option, 0 where unserved."""
    stop: IntArray
    power_kw: FloatArray
    """Of each option; 0 where unserved or where power varies. [kW]"""
    shaped: tuple[tuple[slice, FloatArray], ...]
    """Options of jobs whose power varies, with their power in each half-hour. [kW]"""
    is_large: bool

    @classmethod
    def of(cls, options: Sequence[JobOptions], table: PricedTable, is_large: bool) -> ListedWindows:
        """Lay out priced jobs; options that do not fit even into empty room are left out."""
        return cls.of_fleet(fitting_alone(fleet_of(options, table), table.room_kw), is_large)

    @classmethod
    def of_fleet(cls, fleet: Fleet, is_large: bool) -> ListedWindows:
        """Lay out a fleet.

        Args:
            fleet: Listed options.
            is_large: Price by compiled loops instead of arrays.
        """
        owner, runs = fleet.owner, fleet.cell != UNSERVED_CELL
        first = np.where(runs, fleet.cell, 0).astype(np.int64)
        flat = runs & (fleet.profile_ptr[owner] < 0)
        shaped = []
        for j in np.flatnonzero(fleet.profile_ptr >= 0):
            here = slice(int(fleet.ptr[j]), int(fleet.ptr[j + 1]) - 1)  # the last one is unserved
            at = int(fleet.profile_ptr[j])
            shaped.append((here, fleet.profile_kw[at : at + int(fleet.slots[j])]))
        return cls(
            fleet=fleet,
            owner=owner,
            first=first,
            stop=first + np.where(runs, fleet.slots[owner], 0),
            power_kw=np.where(flat, fleet.power_kw[owner], 0.0),
            shaped=tuple(shaped),
            is_large=is_large,
        )

    def at(self, price_gbp: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what each job pays and the load of all, shape (jobs,) and (assets, slots)."""
        fleet = self.fleet
        if self.is_large:
            paid, choice = cheapest_listed(fleet, price_gbp)
            return paid, self._load(choice, price_gbp.shape)
        price = np.ascontiguousarray(price_gbp).ravel()
        running = running_sums(price)
        total = fleet.cost_gbp + self.power_kw * (running[self.stop] - running[self.first])
        for here, profile in self.shaped:
            cells = self.first[here, None] + np.arange(profile.size)
            total[here] += price[cells] @ profile
        least = np.minimum.reduceat(total, fleet.ptr[:-1])
        hit = np.flatnonzero(total == least[self.owner])
        choice = hit[np.searchsorted(hit, fleet.ptr[:-1])]
        return least, self._load(choice, price_gbp.shape)

    def _load(self, choice: IntArray, shape: tuple[int, ...]) -> FloatArray:
        steps = np.zeros(shape[0] * shape[1] + 1)
        power = _even(self.power_kw[choice])
        np.add.at(steps, self.first[choice], power)
        np.subtract.at(steps, self.stop[choice], power)
        load = np.cumsum(steps)[:-1]
        for here, profile in self.shaped:
            pick = choice[self.owner[here.start]]
            if here.start <= pick < here.stop:
                load[self.first[pick] : self.stop[pick]] += _even(profile)
        return load.reshape(shape)


@dataclass
class _Bending:
    """Interruptible and elastic jobs, by kind; those that hold a run now pay churn for any other."""

    options: Sequence[PatternOptions]
    table: PricedTable
    parts: list[_Part] = field(init=False)

    def __post_init__(self) -> None:
        by_id = {mine.job.job_id: mine for mine in self.options}
        tasks = [
            Task(mine.job, tuple(mine.lanes(self.table.room_kw)), mine.unserved_gbp)
            for mine in self.options
        ]
        self.parts = []
        for fleet in fleets_of(tasks, self.table.horizon.slots):
            mine = [by_id[task.job.job_id] for task in fleet.tasks]
            self.parts.append(_Part(fleet, mine, self.table))

    def at(self, price_gbp: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what each job pays and the load of all, shape (jobs,) and (assets, slots)."""
        answers = [part.at(price_gbp) for part in self.parts]
        load = np.sum([answer[1] for answer in answers], axis=0)
        return np.concatenate([answer[0] for answer in answers]), load


class _Part:
    """One fleet of bending jobs with the runs they hold now."""

    def __init__(
        self, fleet: PatternFleet, options: Sequence[PatternOptions], table: PricedTable
    ) -> None:
        self.fleet, self.room_kw = fleet, table.room_kw
        self.churn = np.array([mine.least_churn_gbp for mine in options])
        self.unserved = fleet.unserved.copy()
        # A run other than the one held costs churn on top: compare it without, and add it after.
        fleet.unserved = fleet.unserved - self.churn
        held = [(j, mine.held) for j, mine in enumerate(options) if mine.held is not None]
        self.holders = np.array([j for j, _ in held], dtype=np.int64)
        self.held = [run for _, run in held]
        self.begin = np.concatenate([[0], np.cumsum([run.slot.size for run in self.held])])[:-1]
        slots = table.horizon.slots
        self.cells = _joined([run.row * slots + run.slot for run in self.held])
        self.kw = np.concatenate([*(run.power_kw for run in self.held), np.empty(0)])
        self.held_gbp = np.array([run.objective_gbp for run in self.held])

    def at(self, price_gbp: FloatArray) -> tuple[FloatArray, FloatArray]:
        self.fleet.quote(price_gbp, self.room_kw)
        paid = self.fleet.value_gbp + self.churn
        moves = np.ones(paid.size, dtype=np.bool_)
        load = np.zeros(price_gbp.size)
        if self.holders.size:
            scarce = np.add.reduceat(price_gbp.ravel()[self.cells] * self.kw, self.begin)
            stays = self.held_gbp + scarce <= paid[self.holders]
            paid[self.holders[stays]] = (self.held_gbp + scarce)[stays]
            moves[self.holders[stays]] = False
            counts = np.diff(np.append(self.begin, self.cells.size))
            kept = np.repeat(stays, counts)
            np.add.at(load, self.cells[kept], _even(self.kw[kept]))
        self.fleet.add_load(load, moves, POWER_GRAIN)
        return paid, load.reshape(price_gbp.shape)


def _joined(parts: Sequence[IntArray]) -> IntArray:
    return np.concatenate([*parts, np.empty(0, dtype=np.int64)]).astype(np.int64)


def scarcity_gbp(run: Pattern, price_gbp_per_kwh: FloatArray) -> float:
    """Return what a run pays for scarce power at posted prices. [GBP]"""
    return float(price_gbp_per_kwh[run.row, run.slot] @ run.power_kw) * SLOT_HOURS
