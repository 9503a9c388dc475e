"""Start the program for a benchmark: a process of its own, on a free loopback port and in a folder of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.shared import PROJECT

START_SECONDS = 120.0
"""Longest wait for a first answer. [s]"""


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Return the environment of the program in a folder; bytecode is stored, as it is for a user."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("HALFHOUR_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {
        **kept,
        "HALFHOUR_DATA_DIR": str(folder / "data"),
        "HALFHOUR_LOGS_DIR": str(folder / "logs"),
        "HALFHOUR_GRID_SOURCE": "simulated",
        "HALFHOUR_RATE_LIMIT_PER_MINUTE": "0",
        "HALFHOUR_LOG_LEVEL": "WARNING",
        **settings,
    }


def free_port() -> int:
    """Return a port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: Sequence[str], variables: Mapping[str, str], port: int, path: str) -> Iterator[tuple[subprocess.Popen[bytes], float]]:  # fmt: skip
    """Run a server until the block ends; give the process and the seconds to its first answer at a path."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=PROJECT, env=dict(variables), stdout=subprocess.DEVNULL)
    try:
        yield process, _first_answer(process, f"http://127.0.0.1:{port}{path}", began)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def app_in(folder: Path, **settings: str) -> Iterator[tuple[int, subprocess.Popen[bytes], float]]:
    """Run `python app.py` in a folder; give its port, its process and the seconds to the first `/health`."""
    port = free_port()
    variables = environment(folder, **settings, HALFHOUR_PORT=str(port))
    with serving([sys.executable, "app.py"], variables, port, "/health") as (process, seconds):
        yield port, process, seconds


def _first_answer(process: subprocess.Popen[bytes], url: str, began: float) -> float:
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                answer.read()
                return time.perf_counter() - began
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if process.poll() is not None or time.perf_counter() - began > START_SECONDS:
                sys.exit(f"{url} does not answer")
            time.sleep(0.005)


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the process ids of a server's workers (Linux)."""
    pid = process.pid
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(part) for part in text.split()]


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process (Linux). [MB]"""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"process {pid} has no resident memory")
