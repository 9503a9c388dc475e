"""Who gets which half-hours: insertion under shared power, then repair and improvement.

The simple award of the foundation: jobs with the least slack first, each at its best option that still fits;
the best of a few orders is kept, unserved jobs try to push others aside, and single jobs move while it helps.
No proof of optimality is claimed; the certificate's bound says how far from it the plan can be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from models.optimise.assignment import GAIN_GBP, UNSERVED, Assignment, Links, Options
from models.optimise.repair import repair
from models.optimise.table import FloatArray
from models.optimise.terms import Closed

__all__ = ["UNSERVED", "Assignment", "Links", "award", "settle"]

IMPROVEMENT_PASSES = 4
"""How often every job may try to move; more passes rarely help."""

SETTLING_ROUNDS = 6
"""How often repair and improvement follow each other; each round that changes anything lowers the score."""

FEW_JOBS = 500
"""Up to so many jobs every start is repaired and improved; beyond, the one that moves least and the best other."""

UNSERVED_REGRET = 1e12
"""Puts unserved jobs before all others when jobs take turns to move. [GBP]"""


def award(
    options: Sequence[Options],
    room_kw: FloatArray,
    links: Links | None = None,
    incumbents: Mapping[int, int] | None = None,
    *,
    settles: bool = True,
) -> Assignment:
    """Place jobs under shared power.

    What jobs hold now is kept where it can be: the plan that keeps it is left only for one that serves everybody it
    serves, and for less. So a job that was added where room is free stays in the plan.

    Args:
        options: One entry per job, in any order; the result does not depend on it beyond ties by job id.
        room_kw: Room of each asset, shape (assets, slots). [kW]
        links: Dependencies among these jobs; None: none.
        incumbents: Option each job holds now, by position.
        settles: False: without repair and improvement, for a fleet that other searches go on with.

    Returns:
        The best assignment found. No asset's room is exceeded and no closed option is used.
    """
    links = links or Links.none(len(options))
    turns = orders(options, links)
    kept = Assignment(options, links, room_kw)
    _keep(kept, turns[0], incumbents or {})
    _insert(kept, [k for k in turns[0] if kept.choice[k] == UNSERVED])
    if kept.is_ideal():
        return kept
    others = []
    for order in turns if incumbents else turns[1:]:
        plan = Assignment(options, links, room_kw)
        _insert(plan, order)
        others.append(plan)
    if len(options) > FEW_JOBS:
        others = sorted(others, key=lambda plan: plan.score)[:1]
        if not incumbents and others and others[0].score < kept.score:
            kept, others = others[0], []
    for plan in (kept, *others) if settles else ():
        settle(plan)
    if incumbents:
        others = [plan for plan in others if plan.serves_all_of(kept)]
    # The first of equals wins: the plan that keeps what jobs hold now.
    return min((kept, *others), key=lambda plan: plan.score)


def settle(plan: Assignment) -> None:
    """Repair and improve until neither changes anything any more."""
    for _ in range(SETTLING_ROUNDS):
        before = plan.choice.copy()
        repair(plan)
        _improve(plan)
        if np.array_equal(before, plan.choice):
            return


def orders(options: Sequence[Options], links: Links) -> list[list[int]]:
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
    if mine.best_rank_gbp == np.inf:
        return 0.0
    if pick == UNSERVED:
        return UNSERVED_REGRET + mine.unserved_gbp
    return mine.rank_of(int(pick)) - mine.best_rank_gbp


def _move(plan: Assignment, k: int) -> bool:
    before = int(plan.choice[k])
    was = plan.worth(k)[1]
    plan.lift(k)
    pick = plan.best(k)
    if pick == UNSERVED or (before != UNSERVED and plan.options[k].rank_of(pick) > was - GAIN_GBP):
        pick = before
    if pick != UNSERVED:
        plan.place(k, pick)
    return pick != before
