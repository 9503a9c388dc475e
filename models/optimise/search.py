"""Improve a plan by ruin and recreate: lift a handful of neighbours, place them anew at prices, keep what pays.

For fleets that are not plain windows without dependencies (those have compiled loops of their own). A little worse is
accepted at first and nothing worse in the end. The number of moves is given, never a time, so that the same inputs and
seed give the same plan.
"""

from __future__ import annotations

import numpy as np

from models.optimise.assignment import GAIN_GBP, UNSERVED, Assignment
from models.optimise.table import FloatArray, IntArray

MOST_LIFTED = 9
"""Most jobs lifted in one move, the one in the middle included; twice as many where that is unserved."""

MOST_LINKED = 4
"""Most of its predecessors and successors lifted with the one in the middle."""

REACH = 6
"""How far from the middle, in half-hours, others are lifted."""

WARMTH = 0.02
"""What may be lost in an early move, as a share of the mean cost of a served job."""

UNSERVED_FIRST = 0.5
"""How often an unserved job is the one in the middle, where there is any."""

DRAWN = 6
"""So many jobs are drawn for the middle; the one furthest from the least it could pay is taken."""

SCARCITY_PARTS = (0.0, 0.5, 1.0)
"""Parts of the scarcity prices that count when jobs are placed anew; drawn by chance."""

SCARCITY_COUNTS = (1.0, 0.5, 0.2, 0.0, 0.0)
"""Part of the scarcity prices that counts in each pass over all jobs."""


def insert_at_prices(plan: Assignment, order: list[int], price_gbp: FloatArray) -> None:
    """Place unplaced jobs one by one, each at its best option with scarcity counted."""
    for k in order:
        if plan.choice[k] == UNSERVED:
            plan.put(k, plan.best(k, price_gbp))


def ease(plan: Assignment, price_gbp: FloatArray) -> None:
    """Let every job move in turn while scarcity counts less and less; the best plan met is kept."""
    best, kept = plan.score, plan.choice.copy()
    for part in SCARCITY_COUNTS:
        priced = part * price_gbp
        changed = False
        for k in range(len(plan.options)):
            before = int(plan.choice[k])
            was = _priced(plan, k, priced)
            plan.lift(k)
            pick = plan.best(k, priced if part else None)
            if pick != UNSERVED:
                plan.place(k, pick)
            if before != UNSERVED and (
                pick == UNSERVED or _priced(plan, k, priced) > was - GAIN_GBP
            ):
                plan.put(k, before)
                continue
            changed |= pick != before
        if plan.score < best:
            best, kept = plan.score, plan.choice.copy()
        if not changed and part == 0.0:
            break
    plan.take(kept)


def _priced(plan: Assignment, k: int, price_gbp: FloatArray) -> float:
    """Return what job k weighs with scarcity counted. [GBP]"""
    hold = plan.held(k)
    scarce = 0.0 if hold is None else float((price_gbp[hold.row, hold.at] * hold.power_kw).sum())
    return sum(plan.worth(k)) + scarce


def ruin_and_recreate(plan: Assignment, price_gbp: FloatArray, moves: int, seed: int = 0) -> None:
    """Improve a plan in place.

    Args:
        plan: The plan; at the end it holds the best one met.
        price_gbp: Scarcity of one kW over one half-hour, shape (assets, slots). [GBP]
        moves: How many.
        seed: Of the moves.
    """
    rng = np.random.default_rng(seed)
    slack = _Slack(plan)
    priced = [part * price_gbp if part else None for part in SCARCITY_PARTS]
    served = [plan.worth(k)[1] for k in range(len(plan.options)) if plan.choice[k] != UNSERVED]
    warm = WARMTH * float(np.mean(np.abs(served))) if served else 0.0
    score, kept = plan.score, plan.choice.copy()
    total = best = sum(score)
    for move in range(moves):
        middle = _middle(plan, slack, rng)
        group = _near(plan, middle, rng)
        before = {k: int(plan.choice[k]) for k in group}
        was = sum(sum(plan.worth(k)) for k in group)
        for k in group:
            plan.lift(k)
        for k in _placing_order(plan, group, middle, before[middle] == UNSERVED, rng):
            plan.put(k, plan.best(k, priced[int(rng.integers(len(priced)))]))
        gain = was - sum(sum(plan.worth(k)) for k in group)
        allowed = warm * (1.0 - move / moves) ** 2 * float(rng.random())
        if gain > -allowed and not any(plan.is_missed(k) for k in group):
            total -= gain
            slack.renew(plan, group)
            if total < best - GAIN_GBP:
                best, kept = total, plan.choice.copy()
            continue
        for k in group:
            plan.lift(k)
        for k, pick in before.items():
            plan.put(k, pick)
    plan.take(kept)


class _Slack:
    """How far each job is from the best it could have alone. [GBP]"""

    def __init__(self, plan: Assignment) -> None:
        self.gbp = np.zeros(len(plan.options))
        self.renew(plan, list(range(len(plan.options))))

    def renew(self, plan: Assignment, jobs: list[int]) -> None:
        for k in jobs:
            least = plan.options[k].best_rank_gbp
            self.gbp[k] = sum(plan.worth(k)) - least if np.isfinite(least) else 0.0


def _middle(plan: Assignment, slack: _Slack, rng: np.random.Generator) -> int:
    waiting = np.flatnonzero((plan.choice == UNSERVED) & (slack.gbp > 0.0))
    if waiting.size and rng.random() < UNSERVED_FIRST:
        return int(waiting[int(rng.integers(waiting.size))])
    drawn = rng.integers(len(plan.options), size=DRAWN)
    return int(drawn[int(slack.gbp[drawn].argmax())])


def _placing_order(
    plan: Assignment,
    group: list[int],
    middle: int,
    is_waiting: bool,
    rng: np.random.Generator,
) -> list[int]:
    """Return lifted jobs in a chance order, the one in the middle early, nobody before those it waits for."""
    first = 1.0 if is_waiting else 0.5
    keys = {k: float(rng.random()) - (first if k == middle else 0.0) for k in group}
    order: list[int] = []
    for k in sorted(group, key=lambda each: keys[each]):
        _append_after_predecessors(plan, k, keys, order)
    return order


def _append_after_predecessors(
    plan: Assignment, k: int, keys: dict[int, float], order: list[int]
) -> None:
    if k in order:
        return
    for p in plan.links.before[k]:
        if p in keys:
            _append_after_predecessors(plan, p, keys, order)
    order.append(k)


def _near(plan: Assignment, middle: int, rng: np.random.Generator) -> list[int]:
    """Return a job, those it waits for or that wait for it, and some that run near a place it could take."""
    mine = plan.options[middle]
    linked = _linked(plan, middle)
    if not mine.candidate_rows or mine.last_start < mine.first_start:
        return [middle, *linked]
    row = mine.candidate_rows[int(rng.integers(len(mine.candidate_rows)))]
    at = int(rng.integers(mine.first_start, mine.last_start + mine.slots))
    reach = max(REACH, mine.slots // 2)
    hits: IntArray = np.flatnonzero(
        (plan.row == row) & (plan.start <= at + reach) & (plan.stop > at - reach)
    )
    hits = hits[hits != middle]
    most = MOST_LIFTED if plan.choice[middle] != UNSERVED else 2 * MOST_LIFTED
    if hits.size > most - 1:
        hits = rng.choice(hits, most - 1, replace=False)
    return [middle, *sorted({*linked, *(int(k) for k in hits)})]


def _linked(plan: Assignment, middle: int) -> list[int]:
    """Return the nearest jobs that a job waits for or that wait for it, directly or through others."""
    found: list[int] = []
    seen = {middle}
    wave = [middle]
    while wave and len(found) < MOST_LINKED:
        near = (other for k in wave for other in (*plan.links.before[k], *plan.links.after[k]))
        wave = [other for other in dict.fromkeys(near) if other not in seen]
        seen.update(wave)
        found += wave
    return found[: 2 * MOST_LINKED]
