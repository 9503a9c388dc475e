"""How many submissions a second are accepted over HTTP, and how soon, beside a bare Flask and SQLAlchemy insert.

A submission is checked, priced against running on arrival, stored, and sealed into the audit chain in one transaction;
the program's loop plans what came in all the while, in the same process. The bare insert stores the same fields as one
row, with the same promise about power cuts, and nothing else. Both take turns of some seconds, first with one client and
then with eight, each sending its next request when it has read the answer (`benchmarks.beside_bare`). What is shown is
the quietest turn, the one whose bare insert has the least p95, and beside it all turns together.

    python -m benchmarks.submissions [--jobs 1000] [--seconds 5]
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.beside_bare import BLOCKS, Client, both_in, p95, settle
from benchmarks.fleet import planned_fleet, request_of
from benchmarks.shared import show_table

CROWDS = (1, 8)
"""How many clients at once, one after the other."""


@dataclass(frozen=True)
class Turn:
    """What some clients met in some seconds."""

    times_ms: list[float]
    seconds: float

    @property
    def per_second(self) -> float:
        """Return how many answers a second there were."""
        return len(self.times_ms) / self.seconds


def turn(port: int, path: str, clients: int, seconds: float, seed: int) -> Turn:
    """Submit from some clients at once for some seconds, each as fast as it is answered."""
    times: list[float] = []
    began = time.perf_counter()

    def submit(number: int) -> None:
        rng = random.Random(seed * 100 + number)
        now = datetime.now(UTC)
        client = Client(port)
        while time.perf_counter() - began < seconds:
            times.append(client.post(path, request_of(rng, now), expect=201))
        client.close()

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Turn(times, time.perf_counter() - began)


def measure(
    app_port: int, bare_port: int, clients: int, seconds: float
) -> tuple[list[Turn], list[Turn]]:
    """Return the turns of the program and of the bare app, taken by turns."""
    turn(app_port, "/api/jobs", 1, 0.5, 0)  # caches are made by the first ones
    turn(bare_port, "/", 1, 0.5, 0)
    ours, bare = [], []
    for block in range(BLOCKS):
        bare.append(turn(bare_port, "/", clients, seconds, block + 1))
        ours.append(turn(app_port, "/api/jobs", clients, seconds, block + 1))
    return ours, bare


def rows_of(clients: int, ours: list[Turn], bare: list[Turn]) -> list[list[str]]:
    """Return the rows of the table for one crowd."""
    best = min(range(BLOCKS), key=lambda block: p95(bare[block].times_ms))
    shown = (("bare insert", bare), ("submission", ours))
    rows = []
    for name, turns in shown:
        calm, unit = turns[best], bare[best]
        every = [took for one in turns for took in one.times_ms]
        rate = sum(len(one.times_ms) for one in turns) / sum(one.seconds for one in turns)
        rows.append(
            [
                str(clients), name, f"{calm.per_second:.0f}", f"{calm.per_second / unit.per_second:.2f}",
                f"{statistics.median(calm.times_ms):.1f}", f"{p95(calm.times_ms):.1f}",
                f"{p95(calm.times_ms) / p95(unit.times_ms):.1f}", f"{rate:.0f}", f"{p95(every):.1f}",
            ]
        )  # fmt: skip
    return rows


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000, help="jobs that are planned already")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each turn")
    wanted = parser.parse_args()
    rows = []
    for clients in CROWDS:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            planned_fleet(folder, wanted.jobs)
            with both_in(folder) as (app_port, bare_port):
                settle(app_port)
                rows += rows_of(clients, *measure(app_port, bare_port, clients, wanted.seconds))
    show_table(
        (
            "clients", "", "a second", "of bare", "p50, ms", "p95, ms", "p95 / bare p95", "a second, all turns",
            "p95 of all turns, ms",
        ),
        rows,
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
