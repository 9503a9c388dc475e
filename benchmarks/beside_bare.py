"""The program over HTTP beside a bare Flask and SQLAlchemy app under the same server, in turn, in one run.

The program runs as a user runs it (`python app.py`, its loop included) in a folder; `benchmarks.bare` runs under gunicorn
with as many threads. One client on a kept connection asks each in turn, so that a slow moment of the machine falls on all
alike. Rounds are cut into blocks, and a bar is held against the quietest one: the block whose bare answer has the least
p95. On a machine that does nothing else the blocks are alike; on a shared one the column "all blocks" shows the rest.
"""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.process import app_in, environment, free_port, serving
from benchmarks.shared import show_table

BLOCKS = 5
"""Into so many blocks the rounds are cut."""

BARE = "bare Flask + SQLAlchemy, 50 rows"
"""Name of the bare read among the times."""

SETTLE_SECONDS = 600.0
"""Longest wait for the loop's first plan. [s]"""

QUIET_LOOKS = 4
"""So many looks in a row, two seconds apart, must find no plan in the making."""

HEAD = ("", "p50, ms", "p95, ms", "p95 / bare p95", "p95 of all blocks, ms")


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
        said = answer.read()
        took = (time.perf_counter() - began) * 1e3
        if answer.status != expect:
            sys.exit(f"{path} answered {answer.status}: {said[:300]!r}")
        return took

    def post(self, path: str, body: Mapping[str, Any], expect: int = 200) -> float:
        """Return how long an answer to a POST of JSON takes. [ms]"""
        return self.ms(path, body=json.dumps(body), expect=expect)

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()


@contextmanager
def both_in(folder: Path) -> Iterator[tuple[int, int]]:
    """Run the program and the bare app on one folder; give their ports."""
    port = free_port()
    command = [
        sys.executable, "-m", "gunicorn", "--workers", "1", "--worker-class", "gthread", "--threads", "8",
        "--config", "python:benchmarks.bare", "--keep-alive", "60", "--log-level", "warning", "--bind", f"127.0.0.1:{port}", "benchmarks.bare:create_app()",
    ]  # fmt: skip
    with (
        app_in(folder) as (app_port, _, _),
        serving(command, environment(folder), port, "/"),
    ):
        yield app_port, port


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


def quietest(times: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return the times of the block in which the bare answer was least disturbed."""
    size = max(1, len(times[BARE]) // BLOCKS)
    starts = range(0, size * BLOCKS, size)
    best = min(starts, key=lambda start: p95(times[BARE][start : start + size]))
    return {name: took[best : best + size] for name, took in times.items()}


def p95(values: list[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def show_times(
    calm: Mapping[str, list[float]], times: Mapping[str, list[float]], *more: list[str]
) -> None:
    """Print the table of some times.

    Args:
        calm: Of the quietest block. [ms]
        times: Of all blocks. [ms]
        *more: Further rows.
    """
    unit = p95(calm[BARE])
    rows = [
        [name, f"{statistics.median(took):.1f}", f"{p95(took):.1f}", f"{p95(took) / unit:.1f}", f"{p95(times[name]):.1f}"]
        for name, took in calm.items()
    ]  # fmt: skip
    show_table(HEAD, [*rows, *more])
