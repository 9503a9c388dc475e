"""Measure the planner on its instance family and print the table of bars.

Run `python -m benchmarks.planner` (all rows, one seed) or name rows and seeds: `--rows 1000-tight,100-loose --seeds 1-5`.
Each instance is solved in a process of its own after a small warm-up, so that memory is that row's alone and compiling
is outside the clock. Every plan is checked by `verified_cost_gbp`, which shares nothing with the planner.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import sys
import time

import numpy as np

from benchmarks.planner_family import LOOSE, TIGHT, instance, verified_cost_gbp
from models.optimise.fleet_solve import solve_compact

USES = {"tight": TIGHT, "loose": LOOSE}

BARS = {
    "100-tight": (0.1, 3, None),
    "100-loose": (0.1, 3, None),
    "1000-loose": (0.15, 2, None),
    "1000-tight": (3.5, 15, None),
    "10000-loose": (0.06, 5, 500),
    "10000-tight": (1.1, 15, 500),
    "100000-tight": (0.8, 60, 1000),
    "1000000-tight": (0.6, 60, 1500),
}
"""Gap [%], seconds, memory [MB] of each row. At 100 jobs the gap is to the proven optimum, elsewhere to the bound."""


def measure(row: str, seed: int) -> dict[str, float | str]:
    """Solve one instance, check the plan and return what was measured."""
    jobs, load = row.split("-")
    for warm in (20, 60):
        made = instance(warm, USES[load], 1)
        solve_compact(made.fleet, made.room_kw)
    _warm_compact()
    made = instance(int(jobs), USES[load], seed)
    began, began_cpu = time.perf_counter(), time.process_time()
    result = solve_compact(made.fleet, made.room_kw, seed)
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    cost = verified_cost_gbp(made, result.asset, result.start)
    assert abs(cost - result.objective_gbp) <= 1e-6 * cost, "the planner's own sum differs"
    return {
        "row": row,
        "seed": seed,
        "method": result.method.value,
        "cost_gbp": cost,
        "bound_gbp": result.bound_gbp,
        "gap_percent": 100 * (cost - result.bound_gbp) / result.bound_gbp,
        "unserved": int((result.asset < 0).sum()),
        "seconds": seconds,
        "cpu_seconds": cpu,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _warm_compact() -> None:
    """Compile what only fleets beyond listing use."""
    from models.optimise.fleet_solve import Budget

    made = instance(300, LOOSE, 1)
    small = Budget(rounds=20, moves=20_000, most=12, sample=200, full_rounds=3, shards=2)
    solve_compact(made.fleet, made.room_kw, 0, small)


def _measured(task: tuple[str, int]) -> dict[str, float | str]:
    return measure(*task)


def main() -> int:
    """Measure the rows asked for; one JSON line per instance, then the table of medians; exit 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default=",".join(BARS))
    parser.add_argument("--seeds", default="1-1", help="first-last")
    asked = parser.parse_args()
    first, last = (int(part) for part in asked.seeds.split("-"))
    context = multiprocessing.get_context("spawn")
    table, missed = [], []
    for row in asked.rows.split(","):
        found = []
        for seed in range(first, last + 1):
            with context.Pool(1) as pool:
                found.append(pool.apply(_measured, ((row, seed),)))
            print(json.dumps(found[-1]), flush=True)
        table.append(_line(row, found))
        missed += [row] if misses(row, found) else []
    print("\n| jobs | gap, median (worst) | bar | s, median | CPU s | bar | MB | bar | unserved |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    print("\n".join(table))
    print(f"a bar is missed in: {', '.join(missed) or 'none'}")
    return int(bool(missed))


def misses(row: str, found: list[dict[str, float | str]]) -> bool:
    """Return whether the medians over some seeds miss a bar of a row, or anybody is unserved."""
    gap_bar, seconds_bar, memory_bar = BARS[row]
    return (
        _median(found, "gap_percent") > gap_bar
        or _median(found, "seconds") > seconds_bar
        or (memory_bar is not None and _median(found, "rss_mb") > memory_bar)
        or any(float(each["unserved"]) > 0 for each in found)
    )


def _median(found: list[dict[str, float | str]], name: str) -> float:
    return statistics.median(float(each[name]) for each in found)


def _line(row: str, found: list[dict[str, float | str]]) -> str:
    """Return one row of the table."""

    def numbers(name: str) -> list[float]:
        return [float(each[name]) for each in found]

    gap_bar, seconds_bar, memory_bar = BARS[row]
    gaps = numbers("gap_percent")
    return (
        f"| {row} | {statistics.median(gaps):.3f} % ({np.max(gaps):.3f} %) | {gap_bar} % "
        f"| {statistics.median(numbers('seconds')):.1f} | {statistics.median(numbers('cpu_seconds')):.1f} "
        f"| {seconds_bar} | {np.max(numbers('rss_mb')):.0f} | {memory_bar or '-'} "
        f"| {np.max(numbers('unserved')):.0f} |"
    )


if __name__ == "__main__":
    sys.exit(main())
