"""Which method makes a plan, by the size and kind of what is to be planned, and what may be claimed of it.

1. Everybody alone at its best: where that fits, it is the optimum and nothing else is tried.
2. Few plain windows: ruin and recreate, then the exact programme over what could still be better.
3. Many plain windows: prices, annealing, and a bound raised by leaving out what cannot matter (`fleet_solve.py`).
4. Runs in chunks, elastic runs, dependencies: insertion at prices and along what windows alone would do
   (`guided.py`), then ruin and recreate (`search.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.domain.plan import PlanMethod
from models.optimise.assignment import UNSERVED, Assignment, Links, Options
from models.optimise.award import FEW_JOBS, orders, settle
from models.optimise.fleet import Fleet, fleet_of
from models.optimise.fleet_solve import EXACT_GAP, SMALL_COLUMNS, budget_for, is_scarce, solve
from models.optimise.guided import guided
from models.optimise.options import JobOptions, open_mask
from models.optimise.pattern_options import PatternOptions
from models.optimise.prices import Prices
from models.optimise.programme import LONG_WORK, SHORT_WORK, solve_programme
from models.optimise.search import ease, insert_at_prices, ruin_and_recreate
from models.optimise.table import TOLERANCE_KW, FloatArray, IntArray, PricedTable
from models.optimise.tightening import worthwhile

FEW_WINDOWS = 20
"""Up to so many jobs nothing is used that must be compiled first."""

LARGE = 2_000
"""From so many jobs on windows are priced by compiled loops."""

FAST_MOVES, SLOW_MOVES = 12, 1
"""Moves of the search per job: those with listed windows, and those whose runs are found on demand."""

RANK_TOLERANCE_GBP = 1e-5
"""Ranks that differ from objectives by no more are the same; the run on arrival is ranked that little better. [GBP]"""


@dataclass(frozen=True)
class Best:
    """The plan of a ladder and what is proven of it.

    Attributes:
        plan: The plan.
        bound_gbp: No plan has a lower objective. [GBP]
        method: How it was found.
        is_heuristic: A limit cut a search off.
    """

    plan: Assignment
    bound_gbp: float
    method: PlanMethod
    is_heuristic: bool


def rounds_for(jobs: int, effort: float = 1.0) -> int:
    """Return how many price rounds a negotiation over some jobs holds at most, with so many times the usual work."""
    return budget_for(jobs).times(effort).rounds


def climb(
    first: Assignment,
    table: PricedTable,
    prices: Prices,
    has_held: bool,
    seed: int,
    effort: float = 1.0,
) -> Best:
    """Return the best plan of the ladder; never one that is worse than the first.

    Args:
        first: A plan that keeps every rule.
        table: What its options were priced on.
        prices: From the price rounds, with the bound they prove.
        has_held: Jobs hold awards now: whoever is served by the first plan stays served.
        seed: Of the searches.
        effort: How much work they may take, as a multiple of the usual.
    """
    if _is_plain(first.options, first.links):
        found = _windows(first, table, prices, seed, effort)
    else:
        found = _searched(first, table, prices, seed, effort)
    if found.plan.score < first.score and (not has_held or found.plan.serves_all_of(first)):
        return _claimed(found)
    if is_for_windows(first.options, first.links):
        settle(first)
    return _claimed(replace(found, plan=first, method=PlanMethod.PRICED))


def _is_plain(options: Sequence[Options], links: Links) -> bool:
    return not any(links.before) and all(isinstance(mine, JobOptions) for mine in options)


def is_for_windows(options: Sequence[Options], links: Links) -> bool:
    """Return whether the search over many plain windows makes the plan, so that the first one need not be settled."""
    return len(options) > FEW_JOBS and _is_plain(options, links)


def _claimed(found: Best) -> Best:
    """Call a plan exact where its bound proves it."""
    objective = found.plan.objective_gbp
    is_proven = objective - found.bound_gbp <= EXACT_GAP * max(abs(objective), 0.01)
    method = PlanMethod.EXACT if is_proven else PlanMethod.PRICED
    return replace(found, method=method, is_heuristic=found.is_heuristic and not is_proven)


def _windows(
    first: Assignment, table: PricedTable, prices: Prices, seed: int, effort: float
) -> Best:
    options = [mine for mine in first.options if isinstance(mine, JobOptions)]
    fleet = fleet_of(options, table, by_rank=True)
    by_cost = all(_ranks_are_objectives(mine) for mine in options)
    if len(options) <= FEW_WINDOWS:
        return _few(first, fleet, table.room_kw, prices, by_cost, seed, effort)
    budget = budget_for(fleet.count, is_scarce(fleet, table.room_kw))
    if budget.exact_work:
        budget = replace(budget, exact_work=_work_for(fleet))
    budget = budget.times(effort)
    if not by_cost:
        # What is proven on ranks is no bound of the objective: only the search is wanted.
        budget = replace(budget, tighten_rounds=0, exact_work=0)
    result = solve(fleet, table.room_kw, seed, budget, prices)
    plan = _mapped(first, fleet, result.choice)
    proven = result.bound_gbp - _too_high(options) if by_cost else prices.bound_gbp
    bound = max(prices.bound_gbp, proven)
    return Best(plan, bound, result.method, result.is_heuristic)


def _work_for(fleet: Fleet) -> int:
    """Return the work of the exact programme: somebody waits for the plan, and each new job asks for another.

    Of few options all of it is worth having: the search alone may leave out a job that all of them together have room for.
    """
    return LONG_WORK if fleet.cell.size <= SMALL_COLUMNS else SHORT_WORK


def _ranks_are_objectives(mine: JobOptions) -> bool:
    here = open_mask(mine)
    return bool(
        (np.abs(mine.rank_gbp[here] - mine.objective_gbp[here]) <= RANK_TOLERANCE_GBP).all()
    )


def _too_high(options: Sequence[Options]) -> float:
    """Return by how much a bound on ranks may lie above one on objectives. [GBP]"""
    over = 0.0
    for mine in options:
        if isinstance(mine, JobOptions):
            here = open_mask(mine)
            over += float((mine.rank_gbp[here] - mine.objective_gbp[here]).max(initial=0.0))
    return over


def _few(
    first: Assignment,
    fleet: Fleet,
    room_kw: FloatArray,
    prices: Prices,
    by_cost: bool,
    seed: int,
    effort: float,
) -> Best:
    """Search, then ask the exact programme about the options that a better plan might use, and check its answer."""
    searched = _searched(first, None, prices, seed, effort)
    plan, bound = searched.plan, prices.bound_gbp
    picked = fleet.options_of(plan.choice.tolist())
    smaller = worthwhile(fleet, room_kw, prices.price_gbp, fleet.objective_gbp(picked))
    work = round(_work_for(smaller) * effort)
    answer = solve_programme(smaller, room_kw, smaller.options_of(plan.choice.tolist()), seed, work)
    if answer.choice is not None and smaller.overload_kw(answer.choice, room_kw) <= TOLERANCE_KW:
        plan = min(plan, _mapped(first, smaller, answer.choice), key=lambda each: each.score)
    if by_cost:
        proven = answer.bound_gbp - _too_high(first.options)
        bound = max(bound, min(proven, plan.objective_gbp))
    return Best(plan, bound, PlanMethod.EXACT, answer.is_cut_short)


def _mapped(first: Assignment, fleet: Fleet, choice: IntArray) -> Assignment:
    """Return options of a fleet as a plan."""
    plan = Assignment(first.options, first.links, first.empty_room_kw)
    plan.take(np.array(fleet.sources(choice), dtype=np.int64))
    return plan


def _searched(
    first: Assignment, table: PricedTable | None, prices: Prices, seed: int, effort: float
) -> Best:
    """Insert, ease, ruin and recreate; fleets that are not few also along the windows search, given the table."""
    begun = []
    for order in orders(first.options, first.links):
        other = Assignment(first.options, first.links, first.empty_room_kw)
        insert_at_prices(other, order, prices.price_gbp)
        begun.append(other)
    if table is not None and len(first.options) > FEW_WINDOWS:
        begun.append(guided(first, table, prices, seed, effort))
    for other in begun:
        ease(other, prices.price_gbp)
    plan = min((first, *begun), key=lambda each: each.score)
    again = Assignment(first.options, first.links, first.empty_room_kw)
    again.take(plan.choice)
    moves = sum(
        FAST_MOVES if isinstance(mine, JobOptions) else SLOW_MOVES for mine in first.options
    )
    ruin_and_recreate(again, prices.price_gbp, round(moves * effort), seed)
    plan = min(plan, again, key=lambda each: each.score)
    return Best(plan, prices.bound_gbp, PlanMethod.PRICED, False)


def tidied(plan: Assignment) -> Assignment:
    """Return a plan whose jobs have forgotten the runs that only a search has looked at."""
    for k, mine in enumerate(plan.options):
        if isinstance(mine, PatternOptions) and mine.count:
            pick = int(plan.choice[k])
            kept = mine.forget_all_but([] if pick == UNSERVED else [pick])
            if kept:
                plan.choice[k] = kept[0]
    return plan
