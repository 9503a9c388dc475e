"""How soon one job is quoted over HTTP with many jobs planned, beside a bare Flask and SQLAlchemy read.

The database holds the jobs of `benchmarks.fleet`. One client asks for a quote of another job each time (`POST /api/quote`:
other length, power, deadline, cluster and regions), for a best window, and for the windows of a planned job; the bare read
takes its turn in the same rounds (`benchmarks.beside_bare`). What is measured is the time between plans: the plan that the
loop makes after a start is waited for.

The last row is the first quote after a change, when nothing remembered of the plan holds any more.

    python -m benchmarks.quote [--jobs 10000] [--rounds 200]
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.beside_bare import (
    BARE,
    BLOCKS,
    Client,
    both_in,
    p95,
    quietest,
    settle,
    show_times,
)
from benchmarks.fleet import PLACES, planned_fleet, request_of

BAR_MS = 20.0
"""Longest p95 of a quote. [ms]"""

QUOTE = "quote of a job"
AFTER_CHANGE = "first quote after a change"

CHANGES = 20
"""How often something is changed for the last row."""


def measure(app: Client, bare: Client, rounds: int, jobs: int) -> dict[str, list[float]]:
    """Return the times of every question, and of the bare read under `BARE`. [ms]"""
    rng = random.Random(2)
    now = datetime.now(UTC)
    window = "/api/best-window?region={place}&duration_hours={hours}"
    questions: Mapping[str, Callable[[], float]] = {
        QUOTE: lambda: app.post("/api/quote", request_of(rng, now)),
        "best window": lambda: app.ms(
            window.format(place=rng.choice(PLACES), hours=rng.choice([1, 2, 4]))
        ),
        "windows of a planned job": lambda: app.ms(
            f"/api/jobs/job-{rng.randrange(jobs):05d}/explain"
        ),
    }
    for ask in questions.values():  # templates and caches are made by the first look
        ask()
    bare.ms("/")
    times: dict[str, list[float]] = {BARE: [], **{name: [] for name in questions}}
    for _ in range(rounds):
        times[BARE].append(bare.ms("/"))
        for name, ask in questions.items():
            times[name].append(ask())
    return times


def after_changes(app: Client, count: int) -> list[float]:
    """Return how long the first quote takes after something changed, for some changes. [ms]

    A new cluster is the change: it makes whatever was remembered of the plan's state wrong, and no job needs it, so
    that no re-plan begins beside the quote.
    """
    rng = random.Random(3)
    now = datetime.now(UTC)
    times = []
    for number in range(count):
        cluster = {"asset_id": f"new-{number}", "region": "london", "max_power_kw": 1.0}
        app.post("/api/assets", {**cluster, "asset_type": "spare"}, expect=201)
        times.append(app.post("/api/quote", request_of(rng, now)))
    return times


def main() -> int:
    """Measure and print; exit 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=200)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        planning = planned_fleet(folder, wanted.jobs)
        print(f"{wanted.jobs} jobs planned and committed in {planning:.1f} s\n")
        with both_in(folder) as (app_port, bare_port):
            settle(app_port)
            app, bare = Client(app_port), Client(bare_port)
            times = measure(app, bare, max(wanted.rounds, 4 * BLOCKS), wanted.jobs)
            changed = after_changes(app, CHANGES)
            app.close()
            bare.close()
    calm = quietest(times)
    first = [AFTER_CHANGE, f"{statistics.median(changed):.1f}", f"{p95(changed):.1f}", "", ""]
    show_times(calm, times, first)
    took = p95(calm[QUOTE])
    verdict = "kept" if took <= BAR_MS else "missed"
    print(f"\nbar: p95 of a quote {BAR_MS:g} ms; {verdict} with {took:.1f} ms")
    return int(took > BAR_MS)


if __name__ == "__main__":
    sys.exit(main())
