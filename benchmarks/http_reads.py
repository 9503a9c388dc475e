"""How soon GET requests are answered with many jobs stored and planned, beside a bare Flask and SQLAlchemy read.

The program runs as a user runs it (`python app.py`, its loop included) on a database that holds the jobs of
`benchmarks.fleet`. One client on a kept connection asks each address in turn, so that a slow moment of the machine
falls on all of them alike. The bare read is a Flask app under the same server that selects 50 rows of the same table
and answers them as JSON; it takes its turn in the same rounds.

The rounds are cut into blocks, and the bar is held against the quietest one: the block whose bare read has the least p95.
On a machine that does nothing else the blocks are alike; on a shared one the column "all blocks" shows the rest.

    python -m benchmarks.http_reads [--jobs 10000] [--rounds 200]
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.fleet import planned_fleet
from benchmarks.process import app_in, environment, free_port, serving
from benchmarks.shared import show_table

BAR_MS = 50.0
"""Longest p95 of any address. [ms]"""

BLOCKS = 5
"""Into so many blocks the rounds are cut."""

BARE = "bare Flask + SQLAlchemy, 50 rows"

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


class Client:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        """Connect."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ms(self, path: str, *, body: str | None = None, expect: int = 200) -> float:
        """Return how long an answer takes until its last byte is read; with a JSON body it is a POST. [ms]"""
        began = time.perf_counter()
        if body is None:
            self._connection.request("GET", path, headers={"Accept": "*/*"})
        else:
            told = {"Accept": "*/*", "Content-Type": "application/json"}
            self._connection.request("POST", path, body, headers=told)
        answer = self._connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - began) * 1e3
        if answer.status != expect:
            sys.exit(f"{path} answered {answer.status}: {body[:300]!r}")
        return took

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()


def measure(app: Client, bare: Client, rounds: int, jobs: int) -> dict[str, list[float]]:
    """Return the times of every address, and of the bare read under `BARE`. [ms]"""
    paths = [(name, path.format(last=f"{jobs // 2:05d}")) for name, path in ADDRESSES]
    for _, path in paths:  # templates and caches are made by the first look
        app.ms(path)
    times: dict[str, list[float]] = {name: [] for name, _ in paths} | {BARE: []}
    bare.ms("/")
    for _ in range(rounds):
        times[BARE].append(bare.ms("/"))
        for name, path in paths:
            times[name].append(app.ms(path))
    return times


def quietest(times: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return the times of the block in which the bare read was least disturbed."""
    size = max(1, len(times[BARE]) // BLOCKS)
    starts = range(0, size * BLOCKS, size)
    best = min(starts, key=lambda start: p95(times[BARE][start : start + size]))
    return {name: took[best : best + size] for name, took in times.items()}


def p95(values: list[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


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
        port = free_port()
        command = [
            sys.executable, "-m", "gunicorn", "--workers", "1", "--worker-class", "gthread", "--threads", "8",
            "--config", "python:benchmarks.bare", "--keep-alive", "60", "--log-level", "warning", "--bind", f"127.0.0.1:{port}", "benchmarks.bare:create_app()",
        ]  # fmt: skip
        with (
            app_in(folder) as (app_port, _, _),
            serving(command, environment(folder), port, "/"),
        ):
            time.sleep(5)  # the loop's first round, which fetches the grid and looks for work
            app, bare = Client(app_port), Client(port)
            times = measure(app, bare, wanted.rounds, wanted.jobs)
            app.close()
            bare.close()
    calm = quietest(times)
    unit = p95(calm[BARE])
    rows = [
        [name, f"{statistics.median(took):.1f}", f"{p95(took):.1f}", f"{p95(took) / unit:.1f}", f"{p95(times[name]):.1f}"]
        for name, took in calm.items()
    ]  # fmt: skip
    show_table(["", "p50, ms", "p95, ms", "p95 / bare p95", "p95 of all blocks, ms"], rows)
    missed = [name for name, took in calm.items() if p95(took) > BAR_MS]
    print(f"\nbar: p95 of {BAR_MS:g} ms; missed by: {', '.join(missed) or 'none'}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
