"""Hold the planner against HiGHS, started from a greedy plan and given a minute: `python -m benchmarks.beside_highs`.

Both plan the same instances of `planner_family.py`, with all options listed. HiGHS gets the plan of a greedy award and as
many seconds as asked; the planner gets nothing and takes what it takes. Every plan is checked by code that shares nothing
with either, and gaps are to the better of the two bounds. Options: `[--jobs 1000] [--seeds 1-5] [--seconds 60]
[--load tight]`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.planner_family import LOOSE, TIGHT, Instance, instance, verified_cost_gbp
from models.optimise.fleet import UNSERVED_CELL, Fleet
from models.optimise.fleet_solve import solve_compact
from models.optimise.programme import solve_programme


@dataclass(frozen=True)
class Found:
    """One way's plan of one instance. Gap in percent of the better bound."""

    gap_percent: float
    unserved: int
    seconds: float
    cpu_seconds: float


WAYS = ("greedy, least slack first", "HiGHS from the greedy plan", "planner")


def greedy(fleet: Fleet, room_kw: np.ndarray, slack: np.ndarray) -> np.ndarray:
    """Return the cheapest option that still fits for each job, those with least slack first; shape (jobs,)."""
    left = room_kw.ravel().copy()
    choice = np.empty(fleet.count, dtype=np.int64)
    for j in np.argsort(slack, kind="stable"):
        begin, end = int(fleet.ptr[j]), int(fleet.ptr[j + 1])
        for option in begin + np.argsort(fleet.cost_gbp[begin:end], kind="stable"):
            cell = int(fleet.cell[option])
            if cell == UNSERVED_CELL:
                choice[j] = option
                break
            span = slice(cell, cell + int(fleet.slots[j]))
            if (left[span] >= fleet.power_kw[j]).all():
                left[span] -= fleet.power_kw[j]
                choice[j] = option
                break
    return choice


def compare(made: Instance, seconds: float, seed: int) -> list[Found]:
    """Plan one instance in every way, in the order of `WAYS`."""
    listed = made.fleet.listed(made.room_kw)
    slack = made.fleet.last - made.fleet.first
    began, began_cpu = time.perf_counter(), time.process_time()
    first = greedy(listed, made.room_kw, slack)
    clock = [_since(began, began_cpu)]
    began, began_cpu = time.perf_counter(), time.process_time()
    answer = solve_programme(listed, made.room_kw, first, seed, work=None, seconds=seconds)
    clock.append(_since(began, began_cpu))
    began, began_cpu = time.perf_counter(), time.process_time()
    ours = solve_compact(made.fleet, made.room_kw, seed)
    clock.append(_since(began, began_cpu))
    bound = max(answer.bound_gbp, ours.bound_gbp)
    if answer.choice is None:
        raise RuntimeError("HiGHS gave back no plan although it was given one")
    plans = [_placed(listed, first), _placed(listed, answer.choice), (ours.asset, ours.start)]
    found = []
    for (asset, start), (wall, cpu) in zip(plans, clock, strict=True):
        cost = verified_cost_gbp(made, asset, start)
        found.append(Found(100 * (cost - bound) / bound, int((asset < 0).sum()), wall, cpu))
    return found


def _since(wall: float, cpu: float) -> tuple[float, float]:
    return time.perf_counter() - wall, time.process_time() - cpu


def _placed(fleet: Fleet, choice: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return asset row and first half-hour per job, -1 where unserved."""
    cell = fleet.cell[choice].astype(np.int64)
    away = cell == UNSERVED_CELL
    return np.where(away, -1, cell // fleet.horizon), np.where(away, -1, cell % fleet.horizon)


def main() -> int:
    """Print the medians of every way; exit 1 if HiGHS finds a better plan of any instance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seeds", default="1-5", help="first-last")
    parser.add_argument("--seconds", type=float, default=60.0, help="of HiGHS")
    parser.add_argument("--load", choices=("tight", "loose"), default="tight")
    asked = parser.parse_args()
    first, last = (int(part) for part in asked.seeds.split("-"))
    use = {"tight": TIGHT, "loose": LOOSE}[asked.load]
    warm = instance(60, use, 1)
    solve_compact(warm.fleet, warm.room_kw)
    rows = []
    for seed in range(first, last + 1):
        rows.append(compare(instance(asked.jobs, use, seed), asked.seconds, seed))
        print(
            seed,
            *(f"{way}: {each.gap_percent:.3f} %" for way, each in zip(WAYS, rows[-1], strict=True)),
            flush=True,
        )
    print(f"\n{asked.jobs} {asked.load} jobs, {len(rows)} seeds, HiGHS {asked.seconds:g} s\n")
    print("| plan by | gap, median (worst) | unserved, worst | s, median | CPU s |")
    print("| --- | --- | --- | --- | --- |")
    for way, name in enumerate(WAYS):
        mine = [row[way] for row in rows]
        gaps = [each.gap_percent for each in mine]
        print(
            f"| {name} | {statistics.median(gaps):.2f} % ({max(gaps):.2f} %) | {max(each.unserved for each in mine)} "
            f"| {statistics.median(each.seconds for each in mine):.1f} "
            f"| {statistics.median(each.cpu_seconds for each in mine):.1f} |"
        )
    better = sum(row[2].gap_percent < row[1].gap_percent for row in rows)
    print(f"\nthe planner's plan costs less than that of HiGHS in {better} of {len(rows)}")
    return int(better < len(rows))


if __name__ == "__main__":
    sys.exit(main())
