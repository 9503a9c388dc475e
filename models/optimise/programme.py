"""The exact programme: one binary variable per option, solved by HiGHS from arrays.

Where HiGHS is not installed, PuLP's CBC answers (`programme_cbc.py`). The solver is asked for values, never believed:
the caller checks the plan it returns against fleet and room.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from models.optimise.fleet import Fleet
from models.optimise.programme_cbc import solve_by_cbc
from models.optimise.table import FloatArray, IntArray

WANTED_GAP = 1e-4
"""Relative gap at which the search may stop."""

SHORT_WORK, LONG_WORK = 10_000, 120_000
"""Limits of work, in options times looks; 30,000 to 70,000 a second where this was measured."""


@dataclass(frozen=True)
class ProgrammeAnswer:
    """What the solver found.

    Attributes:
        choice: Option per job; None if it found no plan.
        bound_gbp: The bound it proved; −inf if none. [GBP]
        is_cut_short: It stopped at a limit.
    """

    choice: IntArray | None
    bound_gbp: float
    is_cut_short: bool


def solve_programme(
    fleet: Fleet,
    room_kw: FloatArray,
    start: IntArray | None,
    seed: int = 0,
    work: int | None = LONG_WORK,
    seconds: float | None = None,
) -> ProgrammeAnswer:
    """Choose one option per job at least cost within the room.

    Args:
        fleet: Listed options.
        room_kw: Shape (assets, horizon). [kW]
        start: Options of a known plan, if any.
        seed: Of the solver.
        work: Options times how often the solver may look whether to go on, a limit that is the same on every machine;
            None: none.
        seconds: Time limit, for comparisons only: it makes the answer depend on the machine. None: none. [s]
    """
    if find_spec("highspy") is None:
        choice, proven = solve_by_cbc(fleet, room_kw, WANTED_GAP)
        return ProgrammeAnswer(choice, proven, proven == -np.inf)
    import highspy

    columns = fleet.cell.size
    begin, index, value = _matrix(fleet)
    rows = fleet.count + fleet.assets * fleet.horizon
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = columns, rows
    lp.col_cost_ = fleet.cost_gbp
    lp.col_lower_, lp.col_upper_ = np.zeros(columns), np.ones(columns)
    one, free = np.ones(fleet.count), np.full(rows - fleet.count, -highspy.kHighsInf)
    lp.row_lower_ = np.concatenate([one, free])
    lp.row_upper_ = np.concatenate([one, room_kw.ravel()])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = begin, index, value
    lp.integrality_ = [highspy.HighsVarType.kInteger] * columns
    solver: Any = highspy.Highs()  # type: ignore[no-untyped-call,unused-ignore]
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("mip_rel_gap", WANTED_GAP)
    solver.setOptionValue("random_seed", seed)
    if work is not None:
        stop_after(solver, max(1, work // columns))
    if seconds is not None:
        solver.setOptionValue("time_limit", seconds)
    solver.passModel(lp)
    if start is not None:
        known = highspy.HighsSolution()
        taken = np.zeros(columns)
        taken[start] = 1.0
        known.col_value = taken.tolist()
        solver.setSolution(known)
    solver.run()
    status, info = solver.getModelStatus(), solver.getInfo()
    limits = (highspy.HighsModelStatus.kTimeLimit, highspy.HighsModelStatus.kInterrupt)
    cut = status in limits
    bound = float(info.mip_dual_bound) if np.isfinite(info.mip_dual_bound) else -np.inf
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return ProgrammeAnswer(None, bound, cut)
    return ProgrammeAnswer(_decoded(fleet, np.asarray(solver.getSolution().col_value)), bound, cut)


def stop_after(solver: Any, looks: int) -> None:
    """End a search of HiGHS when it has looked so often whether to go on; it looks at fixed points of its work."""
    left = looks

    def look(event: Any) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            event.interrupt()

    solver.cbMipInterrupt.subscribe(look)


def _matrix(fleet: Fleet) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the columns: each enters its job's row and the room of every half-hour it runs in."""
    owner = fleet.owner
    length = np.where(fleet.cell >= 0, fleet.slots[owner], 0)
    begin = np.concatenate([[0], np.cumsum(length + 1)])
    option = np.repeat(np.arange(owner.size), length + 1)
    offset = np.arange(begin[-1]) - begin[option] - 1
    job = owner[option]
    index = np.where(offset < 0, job, fleet.count + fleet.cell[option] + offset)
    value = np.where(offset < 0, 1.0, fleet.power_kw[job])
    shaped = (offset >= 0) & (fleet.profile_ptr[job] >= 0)
    value[shaped] = fleet.profile_kw[fleet.profile_ptr[job[shaped]] + offset[shaped]]
    return begin.astype(np.int32), index.astype(np.int32), value


def _decoded(fleet: Fleet, taken: FloatArray) -> IntArray:
    """Return the option with the largest value of each job."""
    order = np.lexsort((-taken, fleet.owner))
    answer: IntArray = order[fleet.ptr[:-1]]
    return answer
