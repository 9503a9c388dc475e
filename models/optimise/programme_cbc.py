"""The exact programme once more, written in PuLP and solved by CBC: where HiGHS is missing, and as a second opinion.

Built row by row it takes far longer than the arrays of `programme.py`, so it is for small fleets. CBC tells no bound
where it stops at a limit, and its words about a plan are not believed: the caller checks the plan.
"""

from __future__ import annotations

import numpy as np

from models.optimise.fleet import Fleet
from models.optimise.table import FloatArray, IntArray

MOST_NODES = 2_000
"""Most nodes of its search."""

TAKEN = 0.5
"""A variable above this is taken."""


def solve_by_cbc(
    fleet: Fleet, room_kw: FloatArray, gap: float, nodes: int = MOST_NODES
) -> tuple[IntArray | None, float]:
    """Choose one option per job at least cost within the room.

    Args:
        fleet: Listed options.
        room_kw: Shape (assets, horizon). [kW]
        gap: Relative gap at which the search may stop.
        nodes: Most nodes of its search, a limit that is the same on every machine.

    Returns:
        The option of each job, None if no plan was found; and the bound it proved, −inf if none. [GBP]
    """
    import pulp
    from pulp.apis.coin_api import pulp_cbc_path

    problem = pulp.LpProblem("fleet", pulp.LpMinimize)
    take = [problem.add_variable(f"x{o}", cat=pulp.LpBinary) for o in range(fleet.cell.size)]
    problem += pulp.lpSum(float(fleet.cost_gbp[o]) * take[o] for o in range(fleet.cell.size))
    in_cell: dict[int, list[tuple[float, int]]] = {}
    for j in range(fleet.count):
        mine = range(int(fleet.ptr[j]), int(fleet.ptr[j + 1]))
        problem += pulp.lpSum(take[o] for o in mine) == 1
        power = _power_kw(fleet, j)
        for o in mine:
            if fleet.cell[o] >= 0:
                for offset, kw in enumerate(power):
                    in_cell.setdefault(int(fleet.cell[o]) + offset, []).append((float(kw), o))
    room = room_kw.ravel()
    for cell, users in in_cell.items():
        problem += pulp.lpSum(kw * take[o] for kw, o in users) <= float(room[cell])
    solver = pulp.COIN_CMD(
        path=pulp_cbc_path, msg=False, threads=1, gapRel=gap, options=[f"maxNodes {nodes}"]
    )
    problem.solve(solver)
    found = np.array([each.value() or 0.0 for each in take])
    if (np.add.reduceat(found > TAKEN, fleet.ptr[:-1], dtype=np.int64) != 1).any():
        return None, -np.inf
    choice: IntArray = np.flatnonzero(found > TAKEN)
    objective = fleet.objective_gbp(choice)
    is_optimal = problem.sol_status == pulp.LpSolutionOptimal
    return choice, objective - gap * abs(objective) if is_optimal else -np.inf


def _power_kw(fleet: Fleet, j: int) -> FloatArray:
    """Return the power of one job in each half-hour of its run. [kW]"""
    at, n = int(fleet.profile_ptr[j]), int(fleet.slots[j])
    return np.full(n, fleet.power_kw[j]) if at < 0 else fleet.profile_kw[at : at + n]
