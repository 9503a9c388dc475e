"""A first plan for jobs of every kind, guided by the windows search: what it finds for runs in one piece, order aside.

Jobs that bend in shape may also run in one piece, and the annealing of windows packs a crowded fleet far better than
inserting one job after another. Jobs are then placed in the order of the starts it found, each after those it waits
for; where its window is gone, at its best run at the prices. Where jobs wait for others, every wait becomes a fixed
instant between the two and the windows on either side are searched again; then all windows together, with a price on
disorder.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.domain.job import Flexibility
from models.domain.plan import Segment
from models.optimise import flexible
from models.optimise.assignment import UNSERVED, Assignment, Links
from models.optimise.fleet import UNSERVED_CELL, Fleet, fleet_of
from models.optimise.fleet_award import search_in_order
from models.optimise.fleet_solve import Budget, budget_for, is_scarce, solve
from models.optimise.options import JobOptions, build_options
from models.optimise.pattern_options import PatternOptions
from models.optimise.prices import Prices
from models.optimise.table import FloatArray, PricedTable
from models.optimise.waits import Waits

TURNS = 2
"""How often the windows of jobs that wait for others are searched between instants: the second time between new ones."""

SEARCHES = 4
"""How often they are then searched in order, from the best plan so far, at most: until nobody is left out."""


def guided(
    first: Assignment, table: PricedTable, prices: Prices, seed: int, effort: float = 1.0
) -> Assignment:
    """Return a plan made along the windows search.

    Args:
        first: Options, order and empty room; its choices are not looked at.
        table: What the options were priced on.
        prices: Of the room.
        seed: Of the search.
        effort: How much work it may take, as a multiple of the usual.
    """
    windows = [in_one_piece(mine) for mine in first.options]
    fleet = fleet_of(windows, table, by_rank=True)
    budget = budget_for(fleet.count, is_scarce(fleet, table.room_kw))
    # Only the plan is wanted: what windows alone can prove is no bound here.
    budget = replace(budget.times(effort), tighten_rounds=0, exact_work=0)
    if not any(first.links.before):
        choice = solve(fleet, table.room_kw, seed, budget, prices).choice
        return _placed(first, windows, fleet.sources(choice), prices.price_gbp)[0]
    return _in_turns(first, table, windows, fleet, budget, prices, seed)


def _in_turns(
    first: Assignment,
    table: PricedTable,
    windows: Sequence[JobOptions],
    fleet: Fleet,
    budget: Budget,
    prices: Prices,
    seed: int,
) -> Assignment:
    """Search between instants, then without them, on from the best plan so far."""
    searched, plans = fleet, []
    for turn in range(TURNS):
        choice = solve(searched, table.room_kw, seed + turn, budget, prices).choice
        plans.append(_placed(first, windows, searched.sources(choice), prices.price_gbp))
        searched = _apart(fleet, plans[-1][0], windows)
    waits = Waits.of(first.links.before, first.links.after)
    for turn in range(SEARCHES):
        best, picks = min(plans, key=lambda each: each[0].score)
        if not _leaves_out(best):
            break
        begin = fleet.options_of(_without_missed(first.links, picks))
        ends = search_in_order(
            fleet, table.room_kw, prices.price_gbp, waits, begin, budget.moves, seed + turn
        )
        plans += [_placed(first, windows, fleet.sources(end), prices.price_gbp) for end in ends]
    return min(plans, key=lambda each: each[0].score)[0]


def _leaves_out(plan: Assignment) -> bool:
    """Return whether a plan leaves out anybody who could be served alone."""
    return any(
        pick == UNSERVED and np.isfinite(mine.best_rank_gbp)
        for mine, pick in zip(plan.options, plan.choice, strict=True)
    )


def _without_missed(links: Links, picks: Sequence[int]) -> list[int]:
    """Return picks without those of jobs that wait for one that has none."""
    kept = list(picks)
    for k in links.order:
        if any(kept[p] == UNSERVED for p in links.before[k]):
            kept[k] = UNSERVED
    return kept


def _apart(fleet: Fleet, plan: Assignment, windows: Sequence[JobOptions]) -> Fleet:
    """Return the windows that leave every wait in order: before or after an instant between the two jobs' runs."""
    length = np.array([window.slots for window in windows])
    first = np.array([window.first_start for window in windows])
    last = np.array([window.last_start for window in windows])
    for k in plan.links.order:
        first[k] = max([int(first[k]), *(int(first[p] + length[p]) for p in plan.links.before[k])])
    for k in reversed(plan.links.order):
        last[k] = min([int(last[k]), *(int(last[s] - length[k]) for s in plan.links.after[k])])
    placed = plan.choice != UNSERVED
    start = np.where(placed, plan.start, (first + last) // 2)
    low, high = first.copy(), last + length
    for k, before in enumerate(plan.links.before):
        for p in before:
            between = (int(start[p] + length[p]) + int(start[k])) // 2
            between = min(max(between, int(first[p] + length[p])), int(last[k]))
            low[k], high[p] = max(int(low[k]), between), min(int(high[p]), between)
    owner = fleet.owner
    begin = fleet.cell % fleet.horizon
    keep = (begin >= low[owner]) & (begin + length[owner] <= high[owner])
    return fleet.keeping(keep | (fleet.cell == UNSERVED_CELL))


def in_one_piece(mine: JobOptions | PatternOptions) -> JobOptions:
    """Return the windows of a job of any kind if it ran in one piece at full power."""
    if isinstance(mine, JobOptions):
        return mine
    plain = replace(mine.job, flexibility=Flexibility.DEFERRABLE)
    if not _has_full_rate(mine):
        # Without such a level there is no window; a deadline in the past leaves none.
        plain = replace(plain, latest_finish=mine.table.horizon.start)
    return build_options(
        plain,
        mine.table,
        mine.weights,
        release=mine.table.horizon.start_of(mine.first_start),
        sent_to=mine.sent_to,
    )


def _has_full_rate(mine: PatternOptions) -> bool:
    levels = [rate for kw, rate in mine.job.power_levels if kw == mine.job.power_kw]
    return not mine.job.power_levels or levels == [1.0]


def _placed(
    first: Assignment, windows: Sequence[JobOptions], picks: Sequence[int], price_gbp: FloatArray
) -> tuple[Assignment, list[int]]:
    """Return a plan along wanted windows, and the windows that jobs got in it: `UNSERVED` for other runs."""
    plan = Assignment(first.options, first.links, first.empty_room_kw)
    starts = [
        int(window.start[pick]) if pick != UNSERVED else window.last_start
        for window, pick in zip(windows, picks, strict=True)
    ]
    late, got = [], [UNSERVED] * len(windows)

    def make_do(k: int) -> None:
        plan.put(k, plan.best(k, price_gbp))
        if isinstance(plan.options[k], JobOptions):
            got[k] = int(plan.choice[k])

    for k in _in_order(plan, starts):
        pick = _as_own(plan, k, windows[k], picks[k])
        if pick != UNSERVED and plan.fits_now(k, pick):
            plan.place(k, pick)
            got[k] = picks[k]
        elif plan.links.after[k]:
            make_do(k)
        else:
            late.append(k)  # others find their windows first
    for k in late:
        make_do(k)
    return plan, got


def _in_order(plan: Assignment, starts: Sequence[int]) -> list[int]:
    """Return jobs by start, nobody before those it waits for."""
    waiting = [len(before) for before in plan.links.before]
    ready = [(starts[k], k) for k, count in enumerate(waiting) if count == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        _, k = heapq.heappop(ready)
        order.append(k)
        for after in plan.links.after[k]:
            waiting[after] -= 1
            if waiting[after] == 0:
                heapq.heappush(ready, (starts[after], after))
    return order


def _as_own(plan: Assignment, k: int, window: JobOptions, pick: int) -> int:
    """Return a window as an option of job k itself; a run that bends joins its pool."""
    mine = plan.options[k]
    if pick == UNSERVED or isinstance(mine, JobOptions):
        return pick
    horizon = mine.table.horizon
    row, start = int(window.asset_row[pick]), horizon.start_of(int(window.start[pick]))
    lanes = mine.lanes(np.full_like(mine.table.room_kw, np.inf))
    lane = next((each for each in lanes if each.row == row), None)
    whole = Segment(start, start + mine.job.duration, mine.job.power_kw)
    run = None if lane is None else flexible.run_of_segments(lane, (whole,), horizon)
    return UNSERVED if run is None else mine.add(run)
