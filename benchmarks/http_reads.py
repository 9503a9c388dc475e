"""How soon GET requests are answered with many jobs stored and planned, beside a bare Flask and SQLAlchemy read.

The database holds the jobs of `benchmarks.fleet`. Each address is asked in turn, and the bare read, which selects 50 rows
of the same table and answers them as JSON, takes its turn in the same rounds (`benchmarks.beside_bare`).

    python -m benchmarks.http_reads [--jobs 10000] [--rounds 200]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.beside_bare import BARE, Client, both_in, p95, quietest, show_times
from benchmarks.fleet import planned_fleet

BAR_MS = 50.0
"""Longest p95 of any address. [ms]"""

ADDRESSES = (
    ("list of jobs", "/api/jobs"),
    ("list, scheduled only", "/api/jobs?status=scheduled"),
    ("list, region with few jobs", "/api/jobs?region=south_england"),
    ("list, region with many", "/api/jobs?region=london"),
    ("list, unconfirmed only", "/api/jobs?status=unconfirmed"),
    ("list, cluster without jobs", "/api/jobs?asset_id=nowhere"),
    ("list, text that hits nothing", "/api/jobs?q=zzzz"),
    ("list, start far ahead", "/api/jobs?start_after=2099-01-01T00:00:00Z"),
    (
        "list, all filters at once",
        "/api/jobs?region=south_england&status=scheduled&q=run&start_before=2099-01-01T00:00:00Z",
    ),
    ("one job", "/api/jobs/job-{last}"),
    ("windows of a job", "/api/jobs/job-{last}/explain"),
    ("statistics", "/api/statistics"),
    ("energy forecast, 48 h", "/api/energy/forecast/london?hours=48"),
    ("regions", "/api/regions"),
    ("logs", "/api/logs"),
    ("logs of a job", "/api/logs/job-{last}"),
    ("negotiations", "/api/negotiations"),
    ("page Schedule", "/"),
    ("page Jobs", "/jobs"),
    ("page Job", "/jobs/job-{last}"),
    ("page Clusters", "/clusters"),
    ("page Grid", "/grid"),
    ("page Records", "/records"),
)
"""What is asked, in words and as a path."""


def measure(app: Client, bare: Client, rounds: int, jobs: int) -> dict[str, list[float]]:
    """Return the times of every address, and of the bare read under `BARE`. [ms]"""
    paths = [(name, path.format(last=f"{jobs // 2:05d}")) for name, path in ADDRESSES]
    for _, path in paths:  # templates and caches are made by the first look
        app.ms(path)
    times: dict[str, list[float]] = {name: [] for name in (*(name for name, _ in paths), BARE)}
    bare.ms("/")
    for _ in range(rounds):
        times[BARE].append(bare.ms("/"))
        for name, path in paths:
            times[name].append(app.ms(path))
    return times


def main() -> int:
    """Measure and print; exit 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=200)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        planning = planned_fleet(folder, wanted.jobs)
        print(f"{wanted.jobs} jobs stored; planned and committed in {planning:.1f} s\n")
        with both_in(folder) as (app_port, bare_port):
            time.sleep(5)  # the loop's first round, which fetches the grid and looks for work
            app, bare = Client(app_port), Client(bare_port)
            times = measure(app, bare, wanted.rounds, wanted.jobs)
            app.close()
            bare.close()
    calm = quietest(times)
    show_times(calm, times)
    missed = [name for name, took in calm.items() if p95(took) > BAR_MS]
    print(f"\nbar: p95 of {BAR_MS:g} ms; missed by: {', '.join(missed) or 'none'}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
