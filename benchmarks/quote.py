"""How soon one job is quoted over HTTP with many jobs planned, beside a bare Flask and SQLAlchemy read.

The program runs as a user runs it (`python app.py`, its loop included) on a database that holds the jobs of
`benchmarks.fleet`. One client on a kept connection asks for a quote of another job each time (`POST /api/quote`: other
length, power, deadline, cluster and regions), for a best window, and for the windows of a planned job; the bare read of
`benchmarks.http_reads` takes its turn in the same rounds. The bar is held against the quietest block of rounds, as there. What is measured is the time between plans:
the plan that the loop makes after a start is waited for.

The last row is the first quote after a change, when nothing remembered of the plan holds any more.

    python -m benchmarks.quote [--jobs 10000] [--rounds 200]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.fleet import PLACES, planned_fleet
from benchmarks.http_reads import BARE, BLOCKS, Client, p95, quietest
from benchmarks.process import app_in, environment, free_port, serving
from benchmarks.shared import show_table

BAR_MS = 20.0
"""Longest p95 of a quote. [ms]"""

QUOTE = "quote of a job"
AFTER_CHANGE = "first quote after a change"

SETTLE_SECONDS = 600.0
"""Longest wait for the loop's first plan. [s]"""

QUIET_LOOKS = 4
"""So many looks in a row, two seconds apart, must find no plan in the making."""

CHANGES = 20
"""How often something is changed for the last row."""


def wished(rng: random.Random, now: datetime) -> dict[str, Any]:
    """Return the body of one request: a job of some hours within two days."""
    hours = rng.choice([0.5, 1, 2, 3, 4.25, 6])
    release = now + timedelta(hours=rng.uniform(0.5, 8))
    finish = release + timedelta(hours=hours + rng.uniform(1, 36))
    own = rng.randrange(len(PLACES))
    regions = {PLACES[own], *rng.sample(PLACES, rng.randrange(len(PLACES)))}
    return {
        "job_name": "quoted",
        "asset_id": f"cluster-{own}",
        "duration_hours": hours,
        "estimated_power_kw": rng.choice([5.0, 10.0, 25.0, 40.0]),
        "earliest_start": f"{release:%Y-%m-%dT%H:%M:%SZ}",
        "latest_finish": f"{finish:%Y-%m-%dT%H:%M:%SZ}",
        "allowed_regions": sorted(regions),
    }


def measure(app: Client, bare: Client, rounds: int, jobs: int) -> dict[str, list[float]]:
    """Return the times of every question, and of the bare read under `BARE`. [ms]"""
    rng = random.Random(2)
    now = datetime.now(UTC)
    window = "/api/best-window?region={place}&duration_hours={hours}"
    questions: Mapping[str, Callable[[], float]] = {
        QUOTE: lambda: post(app, "/api/quote", wished(rng, now)),
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
        post(app, "/api/assets", {**cluster, "asset_type": "spare"}, expect=201)
        times.append(post(app, "/api/quote", wished(rng, now)))
    return times


def settle(port: int) -> None:
    """Wait until the first plan that the loop makes after a start is done: it takes the processor from everything else."""
    give_up_at = time.monotonic() + SETTLE_SECONDS
    quiet = 0
    while quiet < QUIET_LOOKS:
        if time.monotonic() > give_up_at:
            sys.exit("the program does not come to rest")
        time.sleep(2)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/negotiations?limit=1") as answer:
            newest = json.load(answer)["items"]
        quiet = quiet + 1 if not newest or newest[0]["status"] != "running" else 0


def post(client: Client, path: str, body: Mapping[str, Any], expect: int = 200) -> float:
    """Return how long an answer to a POST takes until its last byte is read. [ms]"""
    return client.ms(path, body=json.dumps(body), expect=expect)


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
        port = free_port()
        command = [
            sys.executable, "-m", "gunicorn", "--workers", "1", "--worker-class", "gthread", "--threads", "8",
            "--config", "python:benchmarks.bare", "--keep-alive", "60", "--log-level", "warning", "--bind", f"127.0.0.1:{port}", "benchmarks.bare:create_app()",
        ]  # fmt: skip
        with (
            app_in(folder) as (app_port, _, _),
            serving(command, environment(folder), port, "/"),
        ):
            settle(app_port)
            app, bare = Client(app_port), Client(port)
            times = measure(app, bare, max(wanted.rounds, 4 * BLOCKS), wanted.jobs)
            changed = after_changes(app, CHANGES)
            app.close()
            bare.close()
    calm = quietest(times)
    unit = p95(calm[BARE])
    rows = [
        [name, f"{statistics.median(took):.1f}", f"{p95(took):.1f}", f"{p95(took) / unit:.1f}", f"{p95(times[name]):.1f}"]
        for name, took in calm.items()
    ]  # fmt: skip
    rows.append([AFTER_CHANGE, f"{statistics.median(changed):.1f}", f"{p95(changed):.1f}", "", ""])
    show_table(["", "p50, ms", "p95, ms", "p95 / bare p95", "p95 of all blocks, ms"], rows)
    took = p95(calm[QUOTE])
    verdict = "kept" if took <= BAR_MS else "missed"
    print(f"\nbar: p95 of a quote {BAR_MS:g} ms; {verdict} with {took:.1f} ms")
    return int(took > BAR_MS)


if __name__ == "__main__":
    sys.exit(main())
