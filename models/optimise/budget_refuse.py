"""Leave jobs out of a plan whose carbon budget no run of theirs keeps: the least penalty for each kilogram first.

What is left when charges, moves and the programme have done what they can. Whoever waits for a job that is left out is
left out with it, and whoever has a window already stays before newcomers of its priority. In the end everybody who fits
what remains gets a run again, the dearest to leave out first.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from models.optimise.assignment import UNSERVED, Assignment
from models.optimise.budget import Days, kg_by_slot, listed_by_day
from models.optimise.budget_programme import look_around
from models.optimise.options import Closed, JobOptions
from models.optimise.table import FloatArray, IntArray, PricedTable

GIVEN = 1.5
"""By what a window that was given counts more than one that is only asked for: newcomers of its priority give way."""


def leave_out(
    plan: Assignment,
    table: PricedTable,
    days: Days,
    left_kg: FloatArray,
    slack_kg: float,
    holders: Collection[int] = (),
) -> frozenset[int]:
    """Take jobs out of a plan until every day keeps its budget; return those left out, by position.

    Args:
        plan: Changed in place.
        table: What its options were priced on.
        days: London days of the table.
        left_kg: What each day may emit, at least 0, shape (days,). [kg]
        slack_kg: Excess that counts as rounding. [kg]
        holders: Positions of the jobs that have a window by the plan in force.
    """
    emitted = np.zeros((len(plan.options), left_kg.size))
    for k in range(len(plan.options)):
        if plan.choice[k] != UNSERVED:
            emitted[k] = _emitted(plan, k, table, days)
    penalty = np.array([mine.unserved_gbp for mine in plan.options])
    penalty[sorted(holders)] *= GIVEN
    depth = _depths(plan)
    out: list[int] = []
    while (over := emitted.sum(axis=0) - left_kg).max(initial=0.0) > slack_kg:
        gone = _group(plan, emitted, np.maximum(over, 0.0), penalty)
        for k in sorted(
            gone, key=lambda each: -depth[each]
        ):  # whoever waits goes before those it waits for
            plan.lift(k)
            emitted[k] = 0.0
        out += gone
    for k in sorted(out, key=lambda each: (depth[each], -penalty[each], each)):
        pick = cheapest_within(plan, k, table, days, left_kg + slack_kg - emitted.sum(axis=0))
        if pick != UNSERVED:
            plan.place(k, pick)
            emitted[k] = _emitted(plan, k, table, days)
    return frozenset(k for k in out if plan.choice[k] == UNSERVED)


def cheapest_within(
    plan: Assignment, k: int, table: PricedTable, days: Days, left_kg: FloatArray
) -> int:
    """Return the cheapest run of an unserved job that fits into power and budgets, or `UNSERVED`.

    Args:
        plan: With the job unserved.
        k: Its position.
        table: What its options were priced on.
        days: London days of the table.
        left_kg: What it may emit on each day, rounding included, shape (days,). [kg]
    """
    if any(plan.choice[p] == UNSERVED for p in plan.links.before[k]):
        return UNSERVED
    mine, picks = plan.options[k], _able(plan, k, days)
    if picks.size:
        kg = listed_by_day(mine, picks, table, days)
        picks = picks[((kg <= left_kg) | (kg <= 0.0)).all(axis=1)]
    if not picks.size:
        return UNSERVED
    worth = [mine.objective_of(int(n)) - mine.charge_of(int(n)) for n in picks]
    return int(picks[int(np.argmin(worth))])


def least_breach(
    plan: Assignment, k: int, table: PricedTable, days: Days, left_kg: FloatArray
) -> tuple[int, float] | None:
    """Return the day and the kilograms by which the run of an unserved job that breaks budgets least breaks one.

    Args:
        plan: With the job unserved.
        k: Its position.
        table: What its options were priced on.
        days: London days of the table.
        left_kg: What the plan leaves of each day's budget, shape (days,). [kg]

    Returns:
        Index of the day and the excess [kg]; None where no run of it has the power it needs.
    """
    picks = _able(plan, k, days)
    if not picks.size:
        return None
    kg = listed_by_day(plan.options[k], picks, table, days)
    over = np.where(kg > 0.0, kg - left_kg, 0.0)  # a day it does not touch is not its breach
    best = int(np.maximum(over, 0.0).sum(axis=1).argmin())
    day = int(over[best].argmax())
    return day, float(over[best, day])


def _emitted(plan: Assignment, k: int, table: PricedTable, days: Days) -> FloatArray:
    found = np.zeros(len(days.dates))
    slots, kg = kg_by_slot(plan.options[k], int(plan.choice[k]), table)
    np.add.at(found, days.of_slot[slots], kg)
    return found


def _group(
    plan: Assignment, emitted: FloatArray, over_kg: FloatArray, penalty_gbp: FloatArray
) -> list[int]:
    """Return the job, with those that wait for it, whose leaving costs least for each kilogram of excess."""
    relieved = np.minimum(emitted, over_kg).sum(axis=1)
    helps = np.flatnonzero(relieved > 0.0)
    if not any(plan.links.before):
        return [int(helps[(penalty_gbp[helps] / relieved[helps]).argmin()])]
    groups = [_with_followers(plan, int(k)) for k in helps]
    return min(
        groups,
        key=lambda each: (
            penalty_gbp[each].sum() / np.minimum(emitted[each].sum(axis=0), over_kg).sum(),
            each,
        ),
    )


def _with_followers(plan: Assignment, k: int) -> list[int]:
    """Return a job and the served ones that wait for it, directly or through others."""
    found = [k]
    for one in found:
        found += [
            after
            for after in plan.links.after[one]
            if after not in found and plan.choice[after] != UNSERVED
        ]
    return found


def _depths(plan: Assignment) -> list[int]:
    """Return the place of each job in an order in which nobody comes before those it waits for; 0 without any wait."""
    depth = [0] * len(plan.options)
    if any(plan.links.before):
        for place, k in enumerate(plan.links.order):
            depth[k] = place
    return depth


def _able(plan: Assignment, k: int, days: Days) -> IntArray:
    """Return the open options of an unserved job that have the power they need."""
    mine = plan.options[k]
    look_around(mine, days, plan.room_kw)
    if isinstance(mine, JobOptions):
        return np.flatnonzero(plan.available(k) & (mine.closed == Closed.OPEN))
    return np.flatnonzero(plan.available(k))
