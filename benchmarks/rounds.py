"""One price round by arrays and by compiled loops: `python -m benchmarks.rounds [--jobs 100,1000,10000] [--rounds 40]`.

Both answer the same prices with the same windows of `planner_family.py`, by turns in one process, and must agree to a
billionth of a penny. A price round is what a negotiation over contended power repeats up to 600 times; the ladder prices by
compiled loops from `models.optimise.ladder.LARGE` jobs on.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from benchmarks.planner_family import TIGHT, instance
from benchmarks.shared import show_table
from models.optimise.fleet import fitting_alone
from models.optimise.quoting import ListedWindows


def compared(jobs: int, rounds: int) -> tuple[int, float, float]:
    """Return how many options there are, and the median time of a round by arrays and by loops. [ms]

    Raises:
        AssertionError: If the two disagree.
    """
    made = instance(jobs, TIGHT, 1)
    fleet = fitting_alone(made.fleet.listed(made.room_kw), made.room_kw)
    arrays, loops = (ListedWindows.of_fleet(fleet, is_large) for is_large in (False, True))
    rng = np.random.default_rng(jobs)
    loops.at(np.zeros_like(made.room_kw))
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        price = rng.gamma(0.5, 0.02, made.room_kw.shape)
        paid = []
        for way, clock in ((arrays, took[0]), (loops, took[1])):
            began = time.perf_counter()
            answer, _load = way.at(price)
            clock.append(1000.0 * (time.perf_counter() - began))
            paid.append(answer)
        one, other = paid
        assert np.allclose(one, other, rtol=0.0, atol=1e-11 * max(1.0, float(np.abs(one).max())))
    return fleet.cell.size, statistics.median(took[0]), statistics.median(took[1])


def main() -> None:
    """Print one row per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", default="100,1000,10000")
    parser.add_argument("--rounds", type=int, default=40)
    asked = parser.parse_args()
    rows = []
    for jobs in (int(part) for part in asked.jobs.split(",")):
        options, arrays, loops = compared(jobs, asked.rounds)
        rows.append(
            [f"{jobs:,}", f"{options:,}", f"{arrays:.2f}", f"{loops:.2f}", f"{arrays / loops:.1f}"]
        )
    show_table(["jobs", "options", "arrays (numpy), ms", "loops (numba), ms", "ratio"], rows)


if __name__ == "__main__":
    main()
