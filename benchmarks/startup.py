"""How soon the web process is there, and how much memory it holds before its first plan.

Import: a fresh interpreter that makes the app (`import app; app.app`: settings, database, all routes), bytecode stored.
First answer: from starting `python app.py` to the first `/health`. Memory: the gunicorn worker, resident, after the
loop has fetched the grid, the front page was shown and some idle seconds have passed, before any plan.

    python -m benchmarks.startup [--runs 7] [--idle-seconds 20]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.process import app_in, environment, resident_mb, workers_of
from benchmarks.shared import PROJECT, show_table

IMPORT_BAR_SECONDS = 1.5
MEMORY_BAR_MB = 200.0

_TIMED = """
import time
began = time.perf_counter()
import app
app.app
print(time.perf_counter() - began)
"""


def import_seconds(folder: Path) -> float:
    """Return how long a fresh interpreter takes to import the program and make the app. [s]"""
    done = subprocess.run(
        [sys.executable, "-c", _TIMED], cwd=PROJECT, env=environment(folder),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout.split()[-1])


def first_answer_and_memory(folder: Path, idle_seconds: float) -> tuple[float, float]:
    """Return seconds to the first answer, and the worker's memory once it idles. [s, MB]"""
    with app_in(folder, HALFHOUR_LOOP_SECONDS="5", HALFHOUR_LEASE_SECONDS="20") as running:
        port, process, seconds = running
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as page:
            page.read()
        time.sleep(idle_seconds)
        return seconds, max(resident_mb(pid) for pid in workers_of(process))


def main() -> int:
    """Measure and print; exit 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--idle-seconds", type=float, default=20.0)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "import"
        import_seconds(folder)  # makes database and bytecode, as a first start does
        imports = sorted(import_seconds(folder) for _ in range(wanted.runs))
        seconds, memory = first_answer_and_memory(Path(scratch) / "serve", wanted.idle_seconds)
    typical = statistics.median(imports)
    rows = [
        ["import and make the app, median, s", f"{typical:.2f}", f"{IMPORT_BAR_SECONDS:g}"],
        ["the same, slowest of the runs, s", f"{imports[-1]:.2f}", ""],
        ["`python app.py` to the first /health, s", f"{seconds:.2f}", ""],
        ["idle worker before its first plan, MB", f"{memory:.0f}", f"{MEMORY_BAR_MB:g}"],
    ]
    show_table(["", "measured", "bar"], rows)
    return int(typical > IMPORT_BAR_SECONDS or memory > MEMORY_BAR_MB)


if __name__ == "__main__":
    sys.exit(main())
