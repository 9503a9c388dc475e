"""The program as it is started: `python app.py`, its refusals, and what it loads."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.database import open_database
from storage.leases import SqlLeaseStore
from tests.support.shared import REPOSITORY

pytestmark = pytest.mark.e2e

START_SECONDS = 60.0
"""Longest wait for the first answer on a busy machine. [s]"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path, **changes: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("HALFHOUR_")}
    return (
        kept
        | {
            "HALFHOUR_DATA_DIR": str(folder / "data"),
            "HALFHOUR_LOGS_DIR": str(folder / "logs"),
            "HALFHOUR_GRID_SOURCE": "simulated",
            "HALFHOUR_LOOP_SECONDS": "1",
        }
        | changes
    )


@contextmanager
def served(folder: Path, **changes: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `python app.py` until the block ends, then interrupt it."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=REPOSITORY,
        env=environment(folder, HALFHOUR_PORT=str(port), **changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=40)


def get(url: str) -> tuple[int, str]:
    give_up_at = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except (ConnectionError, urllib.error.URLError):
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.2)


def test_it_answers_says_where_and_runs_the_loop(tmp_path: Path) -> None:
    with served(tmp_path) as (address, process):
        assert get(f"{address}/health")[0] == 200
        assert process.stdout is not None
        said = process.stdout.readline()
        assert address in said
        assert "New job" in said
        give_up_at = time.monotonic() + START_SECONDS
        while (told := json.loads(get(f"{address}/ready")[1]))["loop_holder"] is None:
            assert time.monotonic() < give_up_at
            time.sleep(0.2)
        assert told["database"] == "ok"
        assert get(f"{address}/")[0] == 200
    assert process.returncode == 0
    # The lease was given back, so that the next start need not wait for it to run out.
    database = open_database(f"sqlite:///{tmp_path / 'data' / 'halfhour.sqlite3'}")
    assert SqlLeaseStore(database).holder("loop") is None
    database.dispose()


def run(folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=REPOSITORY,
        env=environment(folder, **changes),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_refuses_to_listen_to_strangers_without_a_key(tmp_path: Path) -> None:
    done = run(tmp_path, HALFHOUR_BIND="0.0.0.0", HALFHOUR_PORT=str(free_port()))
    assert done.returncode == 1
    assert "refusing to listen on 0.0.0.0" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = run(tmp_path, HALFHOUR_PORT=str(other.getsockname()[1]))
    assert done.returncode == 1
    assert "set HALFHOUR_PORT to another port" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_web_process_starts_without_planner_or_predictor_libraries(tmp_path: Path) -> None:
    code = (
        "import sys, app; app.app; "
        "print([m for m in ('pulp', 'highspy', 'numba', 'pyarrow', 'torch', 'xgboost', 'scipy', 'pandas',"
        " 'requests_cache') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env=environment(tmp_path, HALFHOUR_GRID_SOURCE="auto"),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"
