"""Make room for unserved jobs: lighter or movable ones are pushed aside where the whole plan gains by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.optimise.assignment import GAIN_GBP, UNSERVED, Assignment
from models.optimise.table import TOLERANCE_KW

REPAIR_WINDOWS = 12
"""How many of an unserved job's best windows are tried against the jobs that fill them."""

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
        for pick in plan.options[k].open_ranking[:REPAIR_WINDOWS]:
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


@dataclass(frozen=True)
class _Swap:
    """New choices of some jobs, and what the plan gains: change of penalties, then of ranks. [GBP]"""

    after: tuple[tuple[int, int], ...]
    gain_gbp: tuple[float, float]


def _swap(plan: Assignment, k: int, pick: int) -> _Swap | None:
    """Place job k at one option by lifting others and placing them anew; the plan is left as it was."""
    mine = plan.options[k]
    row, start = int(mine.asset_row[pick]), int(mine.start[pick])
    span = slice(start, start + mine.slots)
    before = [(k, UNSERVED)]
    worth = [plan.worth(k)]
    for other in _holders(plan, row, span, k):
        lacking = mine.power_kw - plan.room_kw[row, span] > TOLERANCE_KW
        if not lacking.any():
            break
        held = plan.span(other)
        assert held is not None
        shared = slice(max(start, held[1].start) - start, min(span.stop, held[1].stop) - start)
        if not lacking[shared].any():
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
