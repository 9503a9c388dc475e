"""Move single jobs of a plan off London days whose carbon budget is exceeded, the cheapest kilogram first.

Charges alone cannot part jobs that are alike: at any charge all of them move or none does. What is left over is moved
here one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.optimise.assignment import UNSERVED, Assignment
from models.optimise.budget import Days, kg_by_slot, listed_by_day
from models.optimise.options import Closed, JobOptions
from models.optimise.table import FloatArray, PricedTable

PASSES = 4
"""Most times that all jobs are looked at."""

LEAST_KG = 1e-9
"""A move that relieves the budgets by less is none. [kg]"""


@dataclass(frozen=True)
class _Move:
    """One job to another of its options."""

    job: int
    pick: int
    gbp_per_kg: float


def shift(
    plan: Assignment, table: PricedTable, days: Days, limit_kg: float, committed_kg: FloatArray
) -> None:
    """Move jobs until no day exceeds its budget or no single move helps; everybody served stays served.

    Args:
        plan: Changed in place.
        table: What its options were priced on.
        days: London days of the table.
        limit_kg: Most carbon of a day. [kg]
        committed_kg: What other work takes of it, shape (days,). [kg]
    """
    used = committed_kg.copy()
    for k in range(len(plan.options)):
        used += _emitted(plan, k, table, days)
    for _ in range(PASSES):
        if not (used > limit_kg).any():
            return
        moves = [
            move
            for k in range(len(plan.options))
            if (move := _best(plan, k, table, days, limit_kg, used)) is not None
        ]
        if not moves:
            return
        for move in sorted(moves, key=lambda each: (each.gbp_per_kg, each.job)):
            # What was moved before may have changed what this one is worth, or taken its room.
            again = _best(plan, move.job, table, days, limit_kg, used)
            if again is not None:
                used -= _emitted(plan, again.job, table, days)
                plan.put(again.job, again.pick)
                used += _emitted(plan, again.job, table, days)


def _emitted(plan: Assignment, k: int, table: PricedTable, days: Days) -> FloatArray:
    """Return what job k emits on each day, shape (days,). [kg]"""
    pick = int(plan.choice[k])
    found = np.zeros(len(days.dates))
    if pick != UNSERVED:
        slots, kg = kg_by_slot(plan.options[k], pick, table)
        np.add.at(found, days.of_slot[slots], kg)
    return found


def _best(
    plan: Assignment,
    k: int,
    table: PricedTable,
    days: Days,
    limit_kg: float,
    used_kg: FloatArray,
) -> _Move | None:
    """Return the move of job k that costs least for each kilogram of excess it takes away, if any does."""
    pick, mine = int(plan.choice[k]), plan.options[k]
    now = _emitted(plan, k, table, days)
    over = used_kg > limit_kg
    if pick == UNSERVED or not (now[over] > 0.0).any():
        return None
    plan.lift(k)
    if not isinstance(mine, JobOptions):
        # Shapes are not listed: let the best one that keeps off the days in question join the pool.
        room = plan.room_kw.copy()
        room[:, over[days.of_slot]] = -1.0
        plan.best(k, room_kw=room)
    able = np.flatnonzero(plan.available(k) & (mine.closed == Closed.OPEN))
    plan.place(k, pick)
    there = listed_by_day(mine, able, table, days)
    without = used_kg - now
    excess = np.maximum(without + there - limit_kg, 0.0).sum(axis=1)
    gain = float(np.maximum(used_kg - limit_kg, 0.0).sum()) - excess
    worth = np.array([mine.objective_of(int(n)) - mine.charge_of(int(n)) for n in able])
    here = mine.objective_of(pick) - mine.charge_of(pick)
    rate = np.where(gain > LEAST_KG, (worth - here) / np.maximum(gain, LEAST_KG), np.inf)
    if not rate.size or not np.isfinite(rate.min()):
        return None
    n = int(rate.argmin())
    return _Move(k, int(able[n]), float(rate[n]))
