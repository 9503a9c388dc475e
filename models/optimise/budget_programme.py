"""The exact programme of a carbon budget: one run of each served job, so that days exceed their budget least.

Moves of single jobs (`budget_shift.py`) stop where two would have to move at once. Here all listed options of small
fleets are weighed together, by HiGHS from arrays; of runs found on demand only those count that somebody has looked
at, with the best of each day. The solver is asked for values, never believed: the plan is counted again.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from models.optimise.assignment import GAIN_GBP, UNSERVED, Assignment, Options
from models.optimise.budget import Days, listed_by_day, planned_by_day
from models.optimise.pattern_options import PatternOptions
from models.optimise.programme import WANTED_GAP, stop_after
from models.optimise.table import TOLERANCE_KW, FloatArray, IntArray, PricedTable

MOST_OPTIONS = 6_000
"""With more options than these nothing is tried."""

WORK = 60_000
"""Limit of work, in options times looks."""

EXCESS_GBP_PER_KG = 1_000.0
"""What a kilogram over budget counts here: more than any move is worth. [GBP/kg]"""

ROUNDING_KG = 1e-7
"""An excess that differs by no more is the same. [kg]"""

CLOSED_KW = -1.0
"""Room in which nothing runs. [kW]"""


@dataclass(frozen=True)
class _Listed:
    """The options of one job that may be weighed."""

    job: int
    picks: IntArray
    gbp: FloatArray
    day_kg: FloatArray
    """Shape (options, days). [kg]"""


def rearrange(
    plan: Assignment,
    table: PricedTable,
    days: Days,
    limit_kg: float,
    committed_kg: FloatArray,
    effort: float = 1.0,
) -> bool:
    """Give the served jobs of a small fleet the runs that keep a budget best, at least cost; tell whether any moved.

    Everybody served stays served, nobody else is served. Jobs that wait for each other are left as they are.

    Args:
        plan: Changed in place where something better was found.
        table: What its options were priced on.
        days: London days of the table.
        limit_kg: Most carbon of a day. [kg]
        committed_kg: What other work takes of it, shape (days,). [kg]
        effort: How much work it may take, as a multiple of the usual.
    """
    served = [k for k, pick in enumerate(plan.choice) if pick != UNSERVED]
    if not served or any(plan.links.before) or find_spec("highspy") is None:
        return False
    listed = [_listed(plan, k, table, days) for k in served]
    if sum(each.picks.size for each in listed) > MOST_OPTIONS:
        return False
    left_kg = np.maximum(limit_kg - committed_kg, 0.0)
    chosen = _solved(plan, listed, left_kg, round(WORK * effort))
    if chosen is None:
        return False
    other = Assignment(plan.options, plan.links, plan.empty_room_kw)
    for k, pick in chosen.items():
        other.place(k, pick)
    if (other.room_kw < np.minimum(plan.empty_room_kw, 0.0) - TOLERANCE_KW).any():
        return False

    def badness(each: Assignment) -> tuple[float, float]:
        over = np.maximum(planned_by_day(each, table, days) - left_kg, 0.0).sum()
        return round(float(over) / ROUNDING_KG) * ROUNDING_KG, _uncharged_gbp(each)

    before, after = badness(plan), badness(other)
    if after[0] > before[0] or (after[0] == before[0] and after[1] >= before[1] - GAIN_GBP):
        return False
    plan.take(other.choice)
    return True


def look_around(options: Options, days: Days, room_kw: FloatArray) -> None:
    """Let the best run within each day, and the best without it, join the runs of a job that are looked at.

    Args:
        options: Of one job; listed windows need nothing.
        days: London days of the table.
        room_kw: Room to look at, shape (assets, slots). [kW]
    """
    if not isinstance(options, PatternOptions):
        return
    for day in range(len(days.dates)):
        for closed in (days.of_slot == day, days.of_slot != day):
            room = room_kw.copy()
            room[:, closed] = CLOSED_KW
            options.best_in(room, 0, None, None)


def _uncharged_gbp(plan: Assignment) -> float:
    return sum(
        plan.options[k].rank_of(int(pick)) - plan.options[k].charge_of(int(pick))
        for k, pick in enumerate(plan.choice)
        if pick != UNSERVED
    )


def _listed(plan: Assignment, k: int, table: PricedTable, days: Days) -> _Listed:
    mine = plan.options[k]
    look_around(mine, days, plan.empty_room_kw)
    fits = mine.fitting(plan.empty_room_kw)
    fits[int(plan.choice[k])] = True
    picks = np.flatnonzero(fits)
    gbp = np.array([mine.rank_of(int(n)) - mine.charge_of(int(n)) for n in picks])
    return _Listed(k, picks, gbp, listed_by_day(mine, picks, table, days))


def _solved(
    plan: Assignment, listed: list[_Listed], left_kg: FloatArray, work: int
) -> dict[int, int] | None:
    """Return the option of each job by position, None if the solver found none."""
    import highspy

    room = plan.empty_room_kw
    first_room, first_day = len(listed), len(listed) + room.size
    begin, index, value, cost, known = [0], [], [], [], []
    for place, each in enumerate(listed):
        for n, pick in enumerate(each.picks):
            hold = plan.options[each.job].hold(int(pick))
            cells = first_room + hold.row * room.shape[1] + np.arange(room.shape[1])[hold.at]
            here = np.flatnonzero(each.day_kg[n])
            index += [np.array([place]), cells, first_day + here]
            value += [np.ones(1), np.broadcast_to(hold.power_kw, cells.shape), each.day_kg[n][here]]
            begin.append(begin[-1] + 1 + cells.size + here.size)
            known.append(float(pick == plan.choice[each.job]))
        cost.append(each.gbp)
    options, slacks = len(known), left_kg.size
    begin += [begin[-1] + n + 1 for n in range(slacks)]
    index.append(first_day + np.arange(slacks))
    value.append(np.full(slacks, -1.0))
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = options + slacks, first_day + slacks
    lp.col_cost_ = np.concatenate([*cost, np.full(slacks, EXCESS_GBP_PER_KG)])
    lp.col_lower_ = np.zeros(options + slacks)
    lp.col_upper_ = np.concatenate([np.ones(options), np.full(slacks, highspy.kHighsInf)])
    one = np.ones(len(listed))
    lp.row_lower_ = np.concatenate([one, np.full(room.size + slacks, -highspy.kHighsInf)])
    lp.row_upper_ = np.concatenate([one, np.maximum(room.ravel(), 0.0), left_kg])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.array(begin, dtype=np.int32)
    lp.a_matrix_.index_ = np.concatenate(index).astype(np.int32)
    lp.a_matrix_.value_ = np.concatenate(value).astype(np.float64)
    whole, part = highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous
    lp.integrality_ = [whole] * options + [part] * slacks
    solver: Any = highspy.Highs()  # type: ignore[no-untyped-call,unused-ignore]
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("mip_rel_gap", WANTED_GAP)
    solver.setOptionValue("random_seed", 0)
    stop_after(solver, max(1, work // (options + slacks)))
    solver.passModel(lp)
    solver.run()
    if solver.getInfo().primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return None
    taken = np.asarray(solver.getSolution().col_value)[:options]
    found: dict[int, int] = {}
    at = 0
    for each in listed:
        mine = taken[at : at + each.picks.size]
        found[each.job] = int(each.picks[int(mine.argmax())])
        at += each.picks.size
    return found
