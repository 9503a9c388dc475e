"""Make room for unserved jobs: lighter or movable ones are pushed aside where the whole plan gains by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.optimise.assignment import GAIN_GBP, UNSERVED, Assignment
from models.optimise.pattern_options import PatternOptions
from models.optimise.table import TOLERANCE_KW
from models.optimise.terms import Hold

REPAIR_WINDOWS = 12
"""How many of an unserved job's best windows are tried against the jobs that fill them."""

CROWDED_GBP = 10.0
"""Price of a kilowatt in a full half-hour when a run that keeps away from those is looked for. [GBP]"""

REPAIR_EFFORT = 30_000
"""How many jobs may be lifted for that in one plan; a fleet far too big for its clusters would try for minutes."""


def repair(plan: Assignment) -> None:
    """Let unserved jobs push lighter or movable ones aside where the whole plan gains by it."""
    waiting = [k for k in range(len(plan.options)) if plan.choice[k] == UNSERVED]
    waiting.sort(key=lambda k: (-plan.options[k].unserved_gbp, plan.options[k].job.job_id))
    for k in (
        waiting
    ):  # grows by the jobs that are left out for weightier ones; every swap lowers the penalty
        if plan.choice[k] != UNSERVED or plan.links.before[k] or plan.links.after[k]:
            continue
        best: _Swap | None = None
        for pick in _wanted(plan, k):
            if plan.effort >= REPAIR_EFFORT:
                plan.is_cut_short = True
                return
            swap = _swap(plan, k, int(pick))
            if swap is not None and (best is None or swap.gain_gbp < best.gain_gbp):
                best = swap
            if best is not None and best.gain_gbp[0] <= GAIN_GBP - plan.options[k].unserved_gbp:
                break  # nobody is left out for it
        if best is not None and best.gain_gbp < (-GAIN_GBP, 0.0):
            _put(plan, best.after)
            waiting += [other for other, pick in best.after if pick == UNSERVED]


def _wanted(plan: Assignment, k: int) -> list[int]:
    """Return the options for which job k tries to push others aside, best first.

    Where runs are found on demand, one is the best that keeps away from full half-hours as far as it can.
    """
    mine = plan.options[k]
    if isinstance(mine, PatternOptions):
        full = plan.room_kw < mine.job.power_kw
        mine.best_in(mine.table.room_kw, price_gbp=np.where(full, CROWDED_GBP, 0.0))
    return [int(pick) for pick in mine.open_ranking[:REPAIR_WINDOWS]]


@dataclass(frozen=True)
class _Swap:
    """New choices of some jobs, and what the plan gains: change of penalties, then of ranks. [GBP]"""

    after: tuple[tuple[int, int], ...]
    gain_gbp: tuple[float, float]


def _swap(plan: Assignment, k: int, pick: int) -> _Swap | None:
    """Place job k at one option by lifting others and placing them anew; the plan is left as it was."""
    wanted = plan.options[k].hold(pick)
    before = [(k, UNSERVED)]
    worth = [plan.worth(k)]
    slots = wanted.slots
    for other in holders(plan, wanted, k):
        lacking = wanted.power_kw - plan.room_kw[wanted.row, wanted.at] > TOLERANCE_KW
        if not lacking.any():
            break
        hold = plan.held(other)
        if hold is None or not hold.takes(wanted.row, slots[lacking]):
            continue
        before.append((other, int(plan.choice[other])))
        worth.append(plan.worth(other))
        plan.lift(other)
    plan.effort += len(before)
    swap = None
    if plan.fits_now(k, pick):
        plan.place(k, pick)
        for other, _ in before[1:]:
            again = plan.best(other)
            if again != UNSERVED:
                plan.place(other, again)
        now = [plan.worth(j) for j, _ in before]
        penalty, rank = (
            sum(new[n] - old[n] for new, old in zip(now, worth, strict=True)) for n in (0, 1)
        )
        after = tuple((j, int(plan.choice[j])) for j, _ in before)
        swap = _Swap(after, (round(penalty, 9), round(rank, 9)))
    _put(plan, before)
    return swap


def _put(plan: Assignment, choices: Sequence[tuple[int, int]]) -> None:
    """Give some jobs the choices named."""
    for j, _ in choices:
        plan.lift(j)
    for j, pick in choices:
        if pick != UNSERVED:
            plan.place(j, pick)


def holders(plan: Assignment, wanted: Hold, k: int) -> list[int]:
    """Return independent jobs that may hold power where job k wants it: those with most slack first."""
    touching = np.flatnonzero(
        (plan.row == wanted.row) & (plan.start < wanted.stop) & (plan.stop > wanted.start)
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
