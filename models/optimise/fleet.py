"""Fleets as arrays: what every job could do, laid out for compiled loops.

Two layouts. `Fleet` lists each job's options one by one, so that caps, churn, unknown half-hours and anything else the
job's options say is kept exactly. `CompactFleet` keeps only windows, places and classes, for fleets whose listed
options would not fit into memory; its costs are differences of running sums, so the horizon may be a year.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.domain.time import SLOT_HOURS
from models.optimise.options import JobOptions, open_mask
from models.optimise.table import TOLERANCE_KW, BoolArray, FloatArray, IntArray, PricedTable

UNSERVED_CELL = -1
"""Cell of the option to stay unserved; the last option of every job."""

SmallIntArray = NDArray[np.int32]


@dataclass(frozen=True)
class Fleet:
    """Jobs with their options one after another. A cell is `asset row · horizon slots + slot`.

    Attributes:
        assets: How many asset rows there are.
        horizon: How many half-hours each has.
        slots: Half-hours of each run, shape (jobs,).
        power_kw: Power of each run; its peak where it has a profile, shape (jobs,). [kW]
        profile_ptr: Begin of the job's profile in `profile_kw`, -1 where power is constant, shape (jobs,).
        profile_kw: Power in each half-hour of a run, for jobs whose power varies. [kW]
        ptr: Begin of each job's options, shape (jobs + 1,).
        cell: Cell in which the option begins, shape (options,); `UNSERVED_CELL` for staying unserved.
        cost_gbp: Cost of the option, shape (options,). [GBP]
        source: Index of the option in the job's `JobOptions`, -1 for staying unserved; empty if not made from them.
    """

    assets: int
    horizon: int
    slots: SmallIntArray
    power_kw: FloatArray
    profile_ptr: IntArray
    profile_kw: FloatArray
    ptr: IntArray
    cell: SmallIntArray
    cost_gbp: FloatArray
    source: SmallIntArray

    @property
    def count(self) -> int:
        """Return how many jobs there are."""
        return int(self.slots.size)

    @property
    def owner(self) -> IntArray:
        """Return the job of each option, shape (options,)."""
        return np.repeat(np.arange(self.count, dtype=np.int64), np.diff(self.ptr))

    def keeping(self, keep: BoolArray) -> Fleet:
        """Return the fleet with only the marked options; every job must keep at least one."""
        kept = np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])[self.ptr]
        source = self.source[keep] if self.source.size else self.source
        return replace(
            self, ptr=kept, cell=self.cell[keep], cost_gbp=self.cost_gbp[keep], source=source
        )

    def among(self, jobs: IntArray) -> Fleet:
        """Return the fleet of some jobs only, in the given order."""
        picked = _ranges(self.ptr[jobs], np.diff(self.ptr)[jobs])
        return replace(
            self,
            slots=self.slots[jobs],
            power_kw=self.power_kw[jobs],
            profile_ptr=self.profile_ptr[jobs],
            ptr=np.concatenate([[0], np.cumsum(np.diff(self.ptr)[jobs])]).astype(np.int64),
            cell=self.cell[picked],
            cost_gbp=self.cost_gbp[picked],
            source=self.source[picked] if self.source.size else self.source,
        )

    def sources(self, choice: IntArray) -> list[int]:
        """Return options as those of the jobs they were made from, -1 for staying unserved."""
        return [int(each) for each in self.source[choice]]

    def options_of(self, picks: Sequence[int]) -> IntArray:
        """Return the jobs' own options as those of the fleet; jobs whose option it lacks stay unserved."""
        found: IntArray = self.ptr[1:] - 1
        for k, pick in enumerate(picks):
            hit = np.flatnonzero(self.source[self.ptr[k] : self.ptr[k + 1]] == pick)
            if hit.size:
                found[k] = self.ptr[k] + int(hit[0])
        return found

    def objective_gbp(self, choice: IntArray) -> float:
        """Return the cost of one option per job. [GBP]"""
        return float(self.cost_gbp[choice].sum())

    def load_kw(self, choice: IntArray) -> FloatArray:
        """Return the load of one option per job, shape (assets, horizon). [kW]"""
        steps = np.zeros(self.assets * self.horizon + 1)
        cell = self.cell[choice].astype(np.int64)
        plain = (cell >= 0) & (self.profile_ptr < 0)
        np.add.at(steps, cell[plain], self.power_kw[plain])
        np.subtract.at(steps, cell[plain] + self.slots[plain], self.power_kw[plain])
        load = np.cumsum(steps)[:-1]
        for j in np.flatnonzero((cell >= 0) & (self.profile_ptr >= 0)):
            n, at = self.slots[j], self.profile_ptr[j]
            load[cell[j] : cell[j] + n] += self.profile_kw[at : at + n]
        return load.reshape(self.assets, self.horizon)

    def overload_kw(self, choice: IntArray, room_kw: FloatArray) -> float:
        """Return the most by which the load of any cell exceeds its room. [kW]"""
        return float((self.load_kw(choice) - room_kw).max(initial=0.0))

    def unserved(self, choice: IntArray) -> IntArray:
        """Return the jobs that stay unserved."""
        return np.flatnonzero(self.cell[choice] == UNSERVED_CELL)


@dataclass(frozen=True)
class CompactFleet:
    """Jobs of constant power by window, places and cost class; costs follow from `density_gbp`.

    Attributes:
        slots: Half-hours of each run, shape (jobs,).
        power_kw: Shape (jobs,). [kW]
        first: First start, shape (jobs,).
        last: Last start, at least `first`, shape (jobs,).
        ptr: Begin of each job's places, shape (jobs + 1,).
        asset: Asset row of the place, shape (places,).
        extra_gbp: One-off cost of the place (moving, churn), shape (places,). [GBP]
        klass: Cost class of the job, shape (jobs,).
        unserved_gbp: Cost of staying unserved, shape (jobs,). [GBP]
        density_gbp: Cost of one kW over one half-hour, shape (classes, assets, horizon). [GBP]
    """

    slots: SmallIntArray
    power_kw: FloatArray
    first: SmallIntArray
    last: SmallIntArray
    ptr: IntArray
    asset: NDArray[np.int16]
    extra_gbp: FloatArray
    klass: NDArray[np.int8]
    unserved_gbp: FloatArray
    density_gbp: FloatArray

    @property
    def count(self) -> int:
        """Return how many jobs there are."""
        return int(self.slots.size)

    def listed(
        self,
        room_kw: FloatArray,
        price_gbp: FloatArray | None = None,
        jobs: IntArray | None = None,
        most: int = 1 << 30,
    ) -> Fleet:
        """Return the options of some jobs one by one; runs that do not fit into empty room are left out.

        Args:
            room_kw: Shape (assets, horizon). [kW]
            price_gbp: Price of one kW over one half-hour by which the cheapest are chosen, same shape. [GBP]
            jobs: Positions; None: all.
            most: Most runs to list of one job.
        """
        from models.optimise import kernels

        chosen = np.arange(self.count, dtype=np.int64) if jobs is None else jobs
        base = running_sums(self.density_gbp)
        priced = base if price_gbp is None else running_sums(self.density_gbp + price_gbp)
        counts = np.zeros(chosen.size + 1, dtype=np.int64)
        given = (self.slots, self.power_kw, self.first, self.last, self.ptr, self.asset)
        rest = (self.extra_gbp, self.klass, self.unserved_gbp, room_kw + TOLERANCE_KW)
        cell, cost = np.empty(0, dtype=np.int32), np.empty(0)
        kernels.list_spans(*given, *rest, base, priced, chosen, most, counts, cell, cost, True)
        ptr = np.cumsum(counts)
        cell, cost = np.empty(ptr[-1], dtype=np.int32), np.empty(ptr[-1])
        kernels.list_spans(*given, *rest, base, priced, chosen, most, ptr, cell, cost, False)
        return Fleet(
            assets=room_kw.shape[0],
            horizon=room_kw.shape[1],
            slots=self.slots[chosen],
            power_kw=self.power_kw[chosen],
            profile_ptr=np.full(chosen.size, -1, dtype=np.int64),
            profile_kw=np.empty(0),
            ptr=ptr,
            cell=cell,
            cost_gbp=cost,
            source=np.empty(0, dtype=np.int32),
        )


def running_sums(values: FloatArray) -> FloatArray:
    """Return running sums along the last axis with a leading 0, one longer."""
    out = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.cumsum(values, axis=-1, out=out[..., 1:])
    return out


def fleet_of(options: Sequence[JobOptions], table: PricedTable, by_rank: bool = False) -> Fleet:
    """Lay out priced options as a fleet; closed options are left out, staying unserved comes last.

    Args:
        options: One per job, contiguous runs.
        table: The table they were priced on.
        by_rank: Compare options by `rank_gbp` (what a plan prefers where half-hours are unknown) instead of the
            objective as reported. A bound proven on ranks is no bound of the objective.
    """
    horizon = table.horizon.slots
    ptr, profile_ptr = [0], []
    cells: list[IntArray] = []
    costs: list[FloatArray] = []
    sources: list[IntArray] = []
    profiles: list[FloatArray] = []
    nothing = np.array([-1], dtype=np.int64)
    profile_size = 0
    for mine in options:
        picked = np.flatnonzero(open_mask(mine))
        cost = mine.rank_gbp if by_rank else mine.objective_gbp
        cells += [mine.asset_row[picked] * horizon + mine.start[picked], np.array([UNSERVED_CELL])]
        costs += [cost[picked], np.array([mine.unserved_gbp])]
        sources += [picked, nothing]
        ptr.append(ptr[-1] + picked.size + 1)
        is_flat = bool((mine.power_kw == mine.power_kw[0]).all())
        profile_ptr.append(-1 if is_flat else profile_size)
        if not is_flat:
            profiles.append(mine.power_kw)
            profile_size += mine.power_kw.size
    return Fleet(
        assets=len(table.assets),
        horizon=horizon,
        slots=np.array([mine.slots for mine in options], dtype=np.int32),
        power_kw=np.array([mine.power_kw.max() for mine in options], dtype=np.float64),
        profile_ptr=np.array(profile_ptr, dtype=np.int64),
        profile_kw=np.concatenate(profiles) if profiles else np.empty(0),
        ptr=np.array(ptr, dtype=np.int64),
        cell=np.concatenate(cells).astype(np.int32),
        cost_gbp=np.concatenate(costs).astype(np.float64),
        source=np.concatenate(sources).astype(np.int32),
    )


def fitting_alone(fleet: Fleet, room_kw: FloatArray) -> Fleet:
    """Return the fleet without the options that do not fit even into empty room.

    No feasible plan uses them, so that a bound proven without them holds, and is higher.
    """
    lowest = np.full(fleet.cell.size, np.inf)
    flat, owner = room_kw.ravel(), fleet.owner
    keep = fleet.cell == UNSERVED_CELL
    for n in np.unique(fleet.slots):
        if flat.size < n:
            continue
        least = np.lib.stride_tricks.sliding_window_view(flat, n).min(axis=1)
        mine = (fleet.slots[owner] == n) & ~keep
        lowest[mine] = least[fleet.cell[mine]]
    keep |= lowest + TOLERANCE_KW >= fleet.power_kw[owner]
    for j in np.flatnonzero(fleet.profile_ptr >= 0):
        at, n = fleet.profile_ptr[j], fleet.slots[j]
        profile = fleet.profile_kw[at : at + n]
        for o in range(fleet.ptr[j], fleet.ptr[j + 1]):
            c = fleet.cell[o]
            keep[o] = c == UNSERVED_CELL or bool((flat[c : c + n] + TOLERANCE_KW >= profile).all())
    return fleet.keeping(keep)


def price_per_kwh(price_gbp: FloatArray) -> FloatArray:
    """Return prices of one kW over one half-hour as prices of energy. [GBP/kWh]"""
    return price_gbp / SLOT_HOURS


def _ranges(begin: IntArray, size: IntArray) -> IntArray:
    """Return begin[i] … begin[i] + size[i] − 1 for all i, one after another."""
    ends = np.cumsum(size)
    total = int(ends[-1]) if ends.size else 0
    answer: IntArray = np.arange(total) + np.repeat(begin - (ends - size), size)
    return answer
