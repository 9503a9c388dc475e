"""A plan of many interruptible runs under shared power, by compiled answers alone: for horizons and fleets that are long.

Jobs are placed one by one at their cheapest run in the room that is left, with scarcity counted, or begin where a given
plan has them; then each moves in turn while scarcity counts less and less, and the best plan met is kept. Nobody who is
served loses its place. For jobs without mean caps and dependencies.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.optimise.pattern_fleet import RunFleet
from models.optimise.run_plan import Run, RunPlan, slack_order
from models.optimise.table import FloatArray, IntArray

SCARCITY_COUNTS = (1.0, 1.0, 0.5, 0.5, 0.2, 0.0, 0.0, 0.0)
"""Part of the scarcity prices that counts in each pass over all jobs."""


def award_runs(
    fleet: RunFleet,
    room_kw: FloatArray,
    price_gbp: FloatArray,
    first: Sequence[IntArray | None] = (),
) -> list[Run | None]:
    """Return the run of each job, None where unserved; no half-hour holds more than its room.

    Args:
        fleet: Jobs without mean caps.
        room_kw: Shape (assets, horizon), at least 0. [kW]
        price_gbp: Scarcity of one kW over one half-hour, same shape. [GBP]
        first: Cells of each job's run to begin with, None where it has none: where power is scarce, runs in one piece
            that leave few unserved are found sooner. Empty: begin with nobody served.
    """
    plan = RunPlan(fleet, room_kw.ravel().copy())
    for j, cells in enumerate(first):
        plan.put(j, None if cells is None else plan.run_over(j, cells))
    _ease(plan, slack_order(fleet), price_gbp.ravel())
    return plan.runs


def _ease(plan: RunPlan, order: IntArray, price: FloatArray) -> None:
    """Let every job move in turn, once for each part of the scarcity; the best plan met is kept."""
    kept, best = list(plan.runs), plan.score
    for part in SCARCITY_COUNTS:
        changed = False
        for j in order:
            changed |= plan.moves(int(j), part * price)
        if plan.score < best:
            kept, best = list(plan.runs), plan.score
        if not changed and part == 0.0:
            break
    plan.take(kept)
