"""Who gets which half-hours: insertion under shared power, then repair and improvement.

The simple award of the foundation: jobs with the least slack first, each at its best option that still fits;
the best of a few orders is kept, unserved jobs try to push others aside, and single jobs move while it helps.
No proof of optimality is claimed; the certificate's bound says how far from it the plan can be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.optimise.options import JobOptions, open_mask
from models.optimise.table import BoolArray, FloatArray, IntArray, fits

UNSERVED = -1
"""Choice of a job that gets nothing."""

IMPROVEMENT_PASSES = 4
"""How often every job may try to move; more passes rarely help."""

REPAIR_WINDOWS = 12
"""How many of an unserved job's best windows are tried against the jobs that fill them."""

GAIN_GBP = 1e-9
"""Smallest gain for which anything moves. [GBP]"""


@dataclass(frozen=True)
class Links:
    """Dependencies among the jobs of one negotiation, by position.

    Attributes:
        before: Per job, the positions of its predecessors that are placed in the same negotiation.
        after: Per job, the positions of its successors.
        order: A topological order.
    """

    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]

    @classmethod
    def none(cls, count: int) -> Links:
        """Return links of independent jobs."""
        return cls(((),) * count, ((),) * count, tuple(range(count)))


@dataclass
class Assignment:
    """A plan in the making: one choice per job and the room that is left."""

    options: Sequence[JobOptions]
    links: Links
    room_kw: FloatArray
    choice: IntArray = field(init=False)
    row: IntArray = field(init=False)
    """Asset row each job holds power on, -1 where none."""
    start: IntArray = field(init=False)
    stop: IntArray = field(init=False)

    def __post_init__(self) -> None:
        """Start with nothing placed."""
        self.room_kw = self.room_kw.copy()
        self.choice = np.full(len(self.options), UNSERVED, dtype=np.int64)
        self.row = np.full(len(self.options), -1, dtype=np.int64)
        self.start = np.zeros(len(self.options), dtype=np.int64)
        self.stop = np.zeros(len(self.options), dtype=np.int64)

    @property
    def objective_gbp(self) -> float:
        """Return the sum over jobs of their option's objective, or of staying unserved. [GBP]"""
        return float(sum(self.job_gbp(k) for k in range(len(self.options))))

    def job_gbp(self, k: int) -> float:
        """Return what job k adds to the objective now. [GBP]"""
        pick = self.choice[k]
        mine = self.options[k]
        return mine.unserved_gbp if pick == UNSERVED else float(mine.objective_gbp[pick])

    def span(self, k: int) -> tuple[int, slice] | None:
        """Return the asset row and slots job k holds, or None."""
        if self.choice[k] == UNSERVED:
            return None
        return int(self.row[k]), slice(int(self.start[k]), int(self.stop[k]))

    def place(self, k: int, pick: int) -> None:
        """Give job k an option; it must hold none."""
        mine = self.options[k]
        self.choice[k] = pick
        self.row[k] = mine.asset_row[pick]
        self.start[k] = mine.start[pick]
        self.stop[k] = mine.start[pick] + mine.slots
        self.room_kw[self.row[k], self.start[k] : self.stop[k]] -= mine.power_kw

    def lift(self, k: int) -> None:
        """Take job k's option away, if it has one."""
        held = self.span(k)
        if held is not None:
            self.room_kw[held[0], held[1]] += self.options[k].power_kw
            self.choice[k] = UNSERVED
            self.row[k] = -1

    def available(self, k: int) -> BoolArray:
        """Return which options of job k are open, fit the present room and respect placed neighbours."""
        mine = self.options[k]
        mask = open_mask(mine).copy()
        if not mine.count:
            return mask
        for row in mine.candidate_rows:
            here = np.flatnonzero(mine.asset_row == row)
            first, last = mine.first_start, mine.last_start
            room = self.room_kw[row, first : last + mine.slots]
            mask[here] &= fits(room, mine.power_kw)
        earliest, latest_end = self._neighbours(k)
        if earliest is None:
            return np.zeros_like(mask)
        mask &= mine.start >= earliest
        if latest_end is not None:
            mask &= mine.start + mine.slots <= latest_end
        return mask

    def _neighbours(self, k: int) -> tuple[int | None, int | None]:
        """Return (earliest start, latest end) in slots by placed neighbours; earliest None if one before is unserved."""
        earliest = 0
        for p in self.links.before[k]:
            held = self.span(p)
            if held is None:
                return None, None
            earliest = max(earliest, held[1].stop)
        ends = [held[1].start for s in self.links.after[k] if (held := self.span(s)) is not None]
        return earliest, min(ends, default=None)

    def best(self, k: int) -> int:
        """Return the best available option of job k by its ranking, or `UNSERVED`."""
        mine = self.options[k]
        mask = self.available(k)
        if mine.runs_on_arrival:
            at_once = mine.arrival[mask[mine.arrival]]
            if at_once.size:
                place_of = np.empty(mine.count, dtype=np.int64)
                place_of[mine.ranking] = np.arange(mine.count)
                return int(at_once[np.argmin(place_of[at_once])])
        ranked = mine.ranking[mask[mine.ranking]]
        return int(ranked[0]) if ranked.size else UNSERVED


def award(
    options: Sequence[JobOptions],
    room_kw: FloatArray,
    links: Links | None = None,
    incumbents: Mapping[int, int] | None = None,
) -> Assignment:
    """Place jobs under shared power.

    Args:
        options: One entry per job, in any order; the result does not depend on it beyond ties by job id.
        room_kw: Room of each asset, shape (assets, slots). [kW]
        links: Dependencies among these jobs; None: none.
        incumbents: Option each job holds now, by position; a plan that keeps them is one of the starts tried.

    Returns:
        The best assignment found. No asset's room is exceeded and no closed option is used.
    """
    links = links or Links.none(len(options))
    tried: list[Assignment] = []
    for order in _orders(options, links):
        plan = Assignment(options, links, room_kw)
        _insert(plan, order)
        tried.append(plan)
    if incumbents:
        plan = Assignment(options, links, room_kw)
        _keep(plan, incumbents)
        _insert(plan, [k for k in _orders(options, links)[0] if plan.choice[k] == UNSERVED])
        tried.append(plan)
    for plan in tried:
        _repair(plan)
        _improve(plan)
    return min(tried, key=lambda plan: round(plan.objective_gbp, 9))


def _orders(options: Sequence[JobOptions], links: Links) -> list[list[int]]:
    """Return insertion orders: least slack first; weightiest penalty first, then least slack."""
    depth = _depths(links)

    def least_slack(k: int) -> tuple[object, ...]:
        mine = options[k]
        return (depth[k], mine.slack, -float(mine.power_kw.max(initial=0.0)), mine.job.job_id)

    def weightiest(k: int) -> tuple[object, ...]:
        mine = options[k]
        per_kwh = mine.unserved_gbp / max(mine.job.it_energy_kwh, 1e-9)
        return (depth[k], -per_kwh, mine.slack, mine.job.job_id)

    positions = range(len(options))
    orders = [sorted(positions, key=least_slack)]
    by_weight = sorted(positions, key=weightiest)
    if by_weight != orders[0]:
        orders.append(by_weight)
    return orders


def _depths(links: Links) -> list[int]:
    depth = [0] * len(links.order)
    for k in links.order:
        depth[k] = max((depth[p] + 1 for p in links.before[k]), default=0)
    return depth


def _keep(plan: Assignment, incumbents: Mapping[int, int]) -> None:
    """Place the options held now, predecessors first, as far as they are still available."""
    for k in plan.links.order:
        pick = incumbents.get(k)
        if pick is not None and plan.available(k)[pick]:
            plan.place(k, pick)


def _insert(plan: Assignment, order: Sequence[int]) -> None:
    for k in order:
        pick = plan.best(k)
        if pick != UNSERVED:
            plan.place(k, pick)


def _improve(plan: Assignment) -> None:
    """Move one job at a time to a better option, and serve unserved ones, until nothing changes."""
    for _ in range(IMPROVEMENT_PASSES):
        regret = sorted(
            range(len(plan.options)),
            key=lambda k: (-_regret(plan, k), plan.options[k].job.job_id),
        )
        changed = False
        for k in regret:
            if _regret(plan, k) <= GAIN_GBP or _is_settled(plan, k):
                continue
            changed |= _move(plan, k)
        if not changed:
            return


def _regret(plan: Assignment, k: int) -> float:
    return plan.job_gbp(k) - plan.options[k].lower_bound_gbp


def _is_settled(plan: Assignment, k: int) -> bool:
    """Return whether job k stays where it is: it runs on arrival, or others wait for it."""
    mine = plan.options[k]
    pick = plan.choice[k]
    return pick != UNSERVED and mine.runs_on_arrival and bool(np.any(mine.arrival == pick))


def _move(plan: Assignment, k: int) -> bool:
    before = int(plan.choice[k])
    was = plan.job_gbp(k)
    plan.lift(k)
    pick = plan.best(k)
    if pick == UNSERVED or (
        before != UNSERVED and float(plan.options[k].objective_gbp[pick]) > was - GAIN_GBP
    ):
        pick = before
    if pick != UNSERVED:
        plan.place(k, pick)
    return pick != before


def _repair(plan: Assignment) -> None:
    """Let unserved jobs push weightless or movable ones aside where the whole plan gains by it."""
    waiting = [k for k in range(len(plan.options)) if plan.choice[k] == UNSERVED]
    waiting.sort(key=lambda k: (-plan.options[k].unserved_gbp, plan.options[k].job.job_id))
    for k in waiting:
        if plan.choice[k] != UNSERVED or plan.links.before[k] or plan.links.after[k]:
            continue
        mine = plan.options[k]
        ranked = mine.ranking[open_mask(mine)[mine.ranking]]
        for pick in ranked[:REPAIR_WINDOWS]:
            if _push_aside(plan, k, int(pick)):
                break


def _push_aside(plan: Assignment, k: int, pick: int) -> bool:
    """Try to place job k at one option by lifting others and placing them anew; keep it only if the plan gains."""
    mine = plan.options[k]
    row, start = int(mine.asset_row[pick]), int(mine.start[pick])
    span = slice(start, start + mine.slots)
    lacking = mine.power_kw - plan.room_kw[row, span]
    lifted: list[tuple[int, int]] = []
    change = float(mine.objective_gbp[pick]) - mine.unserved_gbp
    for other in _holders(plan, row, span, k):
        if np.all(lacking <= 1e-6):
            break
        held = plan.span(other)
        assert held is not None
        overlap = slice(max(start, held[1].start), min(span.stop, held[1].stop))
        if np.all(lacking[overlap.start - start : overlap.stop - start] <= 1e-6):
            continue
        lifted.append((other, int(plan.choice[other])))
        change -= plan.job_gbp(other)
        plan.lift(other)
        lacking = mine.power_kw - plan.room_kw[row, span]
    placed = bool(np.all(lacking <= 1e-6))
    if placed:
        plan.place(k, pick)
        for other, _ in lifted:
            again = plan.best(other)
            if again != UNSERVED:
                plan.place(other, again)
            change += plan.job_gbp(other)
    if placed and change < -GAIN_GBP:
        return True
    if placed:
        plan.lift(k)
    for other, _ in lifted:
        plan.lift(other)
    for other, held_before in lifted:
        plan.place(other, held_before)
    return False


def _holders(plan: Assignment, row: int, span: slice, k: int) -> list[int]:
    """Return independent jobs that hold power in a window: cheapest to leave unserved first, then most slack."""
    touching = np.flatnonzero(
        (plan.row == row) & (plan.start < span.stop) & (plan.stop > span.start)
    )
    found = [
        int(other)
        for other in touching
        if other != k and not plan.links.before[other] and not plan.links.after[other]
    ]
    return sorted(
        found,
        key=lambda o: (
            -plan.options[o].slack,
            plan.options[o].unserved_gbp,
            plan.options[o].job.job_id,
        ),
    )
