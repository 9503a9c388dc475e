"""Who gets which half-hours: insertion under shared power, then repair and improvement.

The simple award of the foundation: jobs with the least slack first, each at its best option that still fits;
the best of a few orders is kept, unserved jobs try to push others aside, and single jobs move while it helps.
No proof of optimality is claimed; the certificate's bound says how far from it the plan can be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.optimise.options import Closed, JobOptions, open_mask
from models.optimise.table import TOLERANCE_KW, BoolArray, FloatArray, IntArray, fits

UNSERVED = -1
"""Choice of a job that gets nothing."""

IMPROVEMENT_PASSES = 4
"""How often every job may try to move; more passes rarely help."""

REPAIR_WINDOWS = 12
"""How many of an unserved job's best windows are tried against the jobs that fill them."""

REPAIR_EFFORT = 30_000
"""How many jobs may be lifted for that in one plan; a fleet far too big for its clusters would try for minutes."""

FEW_JOBS = 500
"""Up to so many jobs every start is repaired and improved; beyond, only the best one and the one that moves least."""

UNSERVED_REGRET = 1e12
"""Puts unserved jobs before all others when jobs take turns to move. [GBP]"""

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
    is_cut_short: bool = field(init=False, default=False)
    """True where the repair stopped at its limit before it had tried everything."""
    effort: int = field(init=False, default=0)
    """Jobs lifted by the repair so far."""

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

    def worth(self, k: int) -> tuple[float, float]:
        """Return what job k weighs in comparisons: penalty if unserved, rank if served; less is better. [GBP]"""
        pick = self.choice[k]
        mine = self.options[k]
        return (mine.unserved_gbp, 0.0) if pick == UNSERVED else (0.0, float(mine.rank_gbp[pick]))

    @property
    def score(self) -> tuple[float, float]:
        """Return (penalties of unserved jobs, ranks of served ones): no job with room is refused for cost. [GBP]"""
        parts = [self.worth(k) for k in range(len(self.options))]
        return round(sum(p[0] for p in parts), 9), round(sum(p[1] for p in parts), 9)

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
        mask = open_mask(mine)
        if not mine.count:
            return mask
        earliest, latest_end = self.neighbours(k)
        if earliest is None:
            return np.zeros_like(mask)
        first, stop = mine.first_start, mine.last_start + mine.slots
        starts = stop - first - mine.slots + 1
        for n, row in enumerate(mine.candidate_rows):
            here = slice(n * starts, (n + 1) * starts)
            mask[here] &= fits(self.room_kw[row, first:stop], mine.power_kw)
        if earliest > first:
            mask &= mine.start >= earliest
        if latest_end is not None:
            mask &= mine.start + mine.slots <= latest_end
        return mask

    def fits_now(self, k: int, pick: int) -> bool:
        """Return whether one open option of job k fits the present room and its placed neighbours."""
        mine = self.options[k]
        start = int(mine.start[pick])
        room = self.room_kw[mine.asset_row[pick], start : start + mine.slots]
        if (room < mine.power_kw - TOLERANCE_KW).any():
            return False
        earliest, latest_end = self.neighbours(k)
        in_order = earliest is not None and start >= earliest
        return in_order and (latest_end is None or start + mine.slots <= latest_end)

    def neighbours(self, k: int) -> tuple[int | None, int | None]:
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
        ranked = self.options[k].open_ranking
        if not ranked.size:
            return UNSERVED
        if self.fits_now(k, int(ranked[0])):
            return int(ranked[0])
        free = self.available(k)[ranked]
        place = int(free.argmax())
        return int(ranked[place]) if free[place] else UNSERVED

    def is_ideal(self) -> bool:
        """Return whether every job that can be served at all has the best option it could have alone."""
        return all(
            not mine.open_ranking.size
            if pick == UNSERVED
            else mine.rank_gbp[pick] <= mine.best_rank_gbp + GAIN_GBP
            for mine, pick in zip(self.options, self.choice, strict=True)
        )


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
    orders = _orders(options, links)
    tried: list[Assignment] = []
    if incumbents:
        plan = Assignment(options, links, room_kw)
        _keep(plan, orders[0], incumbents)
        _insert(plan, [k for k in orders[0] if plan.choice[k] == UNSERVED])
        tried.append(plan)
    for order in orders:
        if tried and tried[-1].is_ideal():
            return tried[-1]
        plan = Assignment(options, links, room_kw)
        _insert(plan, order)
        tried.append(plan)
    if len(options) > FEW_JOBS:
        best = min(tried, key=lambda plan: plan.score)
        tried = [tried[0], best] if incumbents and best is not tried[0] else [best]
    for plan in tried:
        _repair(plan)
        _improve(plan)
    # The first of equals wins: the plan that keeps what jobs hold now.
    return min(tried, key=lambda plan: plan.score)


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


def _keep(plan: Assignment, order: Sequence[int], incumbents: Mapping[int, int]) -> None:
    """Place the options held now, predecessors first, as far as they are still available."""
    for k in order:
        pick = incumbents.get(k)
        if pick is None or plan.options[k].closed[pick] != Closed.OPEN:
            continue
        if plan.fits_now(k, pick):
            plan.place(k, pick)


def _insert(plan: Assignment, order: Sequence[int]) -> None:
    for k in order:
        pick = plan.best(k)
        if pick != UNSERVED:
            plan.place(k, pick)


def _improve(plan: Assignment) -> None:
    """Move one job at a time to a better option, and serve unserved ones, until nothing changes."""
    for _ in range(IMPROVEMENT_PASSES):
        regrets = [(-_regret(plan, k), mine.job.job_id, k) for k, mine in enumerate(plan.options)]
        changed = False
        for regret, _, k in sorted(regrets):
            if regret < -GAIN_GBP:
                changed |= _move(plan, k)
        if not changed:
            return


def _regret(plan: Assignment, k: int) -> float:
    """Return how far job k is from the best it could have alone; unserved ones come first. [GBP]"""
    mine, pick = plan.options[k], plan.choice[k]
    if not mine.open_ranking.size:
        return 0.0
    if pick == UNSERVED:
        return UNSERVED_REGRET + mine.unserved_gbp
    return float(mine.rank_gbp[pick]) - mine.best_rank_gbp


def _move(plan: Assignment, k: int) -> bool:
    before = int(plan.choice[k])
    was = plan.worth(k)[1]
    plan.lift(k)
    pick = plan.best(k)
    if pick == UNSERVED or (
        before != UNSERVED and float(plan.options[k].rank_gbp[pick]) > was - GAIN_GBP
    ):
        pick = before
    if pick != UNSERVED:
        plan.place(k, pick)
    return pick != before


def _repair(plan: Assignment) -> None:
    """Let unserved jobs push lighter or movable ones aside where the whole plan gains by it."""
    waiting = [k for k in range(len(plan.options)) if plan.choice[k] == UNSERVED]
    waiting.sort(key=lambda k: (-plan.options[k].unserved_gbp, plan.options[k].job.job_id))
    for k in waiting:
        if plan.choice[k] != UNSERVED or plan.links.before[k] or plan.links.after[k]:
            continue
        for pick in plan.options[k].open_ranking[:REPAIR_WINDOWS]:
            if plan.effort >= REPAIR_EFFORT:
                plan.is_cut_short = True
                return
            if _push_aside(plan, k, int(pick)):
                break


def _push_aside(plan: Assignment, k: int, pick: int) -> bool:
    """Try to place job k at one option by lifting others and placing them anew; keep it only if the plan gains."""
    mine = plan.options[k]
    row, start = int(mine.asset_row[pick]), int(mine.start[pick])
    span = slice(start, start + mine.slots)
    before = [plan.worth(k)]
    lifted: list[tuple[int, int]] = []
    for other in _holders(plan, row, span, k):
        lacking = mine.power_kw - plan.room_kw[row, span] > TOLERANCE_KW
        if not lacking.any():
            break
        held = plan.span(other)
        assert held is not None
        shared = slice(max(start, held[1].start) - start, min(span.stop, held[1].stop) - start)
        if not lacking[shared].any():
            continue
        before.append(plan.worth(other))
        lifted.append((other, int(plan.choice[other])))
        plan.lift(other)
    plan.effort += 1 + len(lifted)
    if plan.fits_now(k, pick):
        plan.place(k, pick)
        for other, _ in lifted:
            again = plan.best(other)
            if again != UNSERVED:
                plan.place(other, again)
        if _is_gain(before, [plan.worth(j) for j in (k, *(other for other, _ in lifted))]):
            return True
        plan.lift(k)
    for other, _ in lifted:
        plan.lift(other)
    for other, held_before in lifted:
        plan.place(other, held_before)
    return False


def _is_gain(before: Sequence[tuple[float, float]], after: Sequence[tuple[float, float]]) -> bool:
    """Return whether less penalty is paid, or as much and the rest is better."""
    penalty = sum(a[0] for a in after) - sum(b[0] for b in before)
    rank = sum(a[1] for a in after) - sum(b[1] for b in before)
    return penalty < -GAIN_GBP or (abs(penalty) <= GAIN_GBP and rank < -GAIN_GBP)


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
