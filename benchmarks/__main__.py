"""Run every benchmark, one after the other, and print its table: `make bench`.

    python -m benchmarks [--short] [--only NAME …]

Each runs in a process of its own. The short mode asks less of each, so that all are done within minutes on two cores; its
numbers are for seeing that nothing broke. A benchmark whose reference data are missing says so and does not count.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time

from benchmarks.shared import PROJECT

BENCHMARKS: dict[str, list[str]] = {
    "startup": ["--runs", "3", "--idle-seconds", "8"],
    "http_reads": ["--jobs", "1000", "--rounds", "40"],
    "quote": ["--jobs", "1000", "--rounds", "40"],
    "exhaustive": ["--alone", "60", "--together", "15"],
    "audit_verify": ["--records", "5000"],
    "beside_cats": ["--cases", "60"],
}
"""What is run, with the arguments of the short mode."""

NO_DATA = "this benchmark needs"
"""How a benchmark begins its sentence when reference data are missing."""


def run(name: str, arguments: list[str]) -> int:
    """Run one benchmark, show what it says, and return its exit status; missing data count as 0."""
    print(f"\n## {name} {' '.join(arguments)}\n", flush=True)
    began = time.perf_counter()
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    done = subprocess.run(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True, check=False)
    if done.stderr:
        print(done.stderr.strip())
    print(f"\n({time.perf_counter() - began:.0f} s)", flush=True)
    return 0 if done.stderr.startswith(NO_DATA) else done.returncode


def main() -> int:
    """Run what was asked for; exit 1 if any benchmark missed a bar."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="ask less of each")
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS))
    wanted = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    failed = [
        name for name in wanted.only if run(name, BENCHMARKS[name] if wanted.short else []) != 0
    ]
    print(f"\nmissed a bar or failed: {', '.join(failed) or 'none'}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
