"""Run every benchmark, one after the other, and print its table: `make bench`.

    python -m benchmarks [--short | --long] [--only NAME …]

Each runs in a process of its own. The short mode asks less of each, so that all are done within minutes on two cores; its
numbers are for seeing that nothing broke. The long mode asks for everything that the documentation quotes: an hour or two. A benchmark whose reference data are missing says so and does not count.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.shared import PROJECT


@dataclass(frozen=True)
class Sizes:
    """Arguments of one benchmark by mode; one word string each."""

    short: str
    usual: str = ""
    long: str = ""


BENCHMARKS = {
    "startup": Sizes("--runs 3 --idle-seconds 8"),
    "http_reads": Sizes("--jobs 1000 --rounds 40"),
    "quote": Sizes("--jobs 1000 --rounds 40"),
    "submissions": Sizes("--jobs 100 --seconds 1"),
    "exhaustive": Sizes("--alone 60 --together 15"),
    "audit_verify": Sizes("--records 5000"),
    "beckn": Sizes("--windows 2000 --per-second 50 --seconds 8"),
    "beside_cats": Sizes("--cases 60"),
    "planner": Sizes(
        "--rows 100-tight,100-loose,1000-loose",
        "--rows 100-tight,100-loose,1000-loose,1000-tight,10000-loose,10000-tight",
        "--seeds 1-5",
    ),
    "rounds": Sizes("--jobs 100,1000 --rounds 10"),
    "beside_highs": Sizes("--jobs 200 --seeds 1-1 --seconds 10", "--seeds 1-2", ""),
    "flexible_family": Sizes("--jobs 100 --seeds 1", "--jobs 200 --seeds 1", ""),
    "lets_wait_awhile": Sizes("--short", "--capacities 36", ""),
    "pai_month": Sizes("--short"),
    "replay": Sizes(
        "--only bars --months 2023-03 --seeds 1",
        "--only bars --months 2023-03 2023-05 --seeds 1 2",
        "--seeds 1 2 3",
    ),
}
"""What is run, and how much is asked of it."""

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
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--short", action="store_true", help="ask less of each")
    size.add_argument("--long", action="store_true", help="ask for everything")
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS))
    wanted = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    mode = "short" if wanted.short else "long" if wanted.long else "usual"
    failed = [
        name for name in wanted.only if run(name, getattr(BENCHMARKS[name], mode).split()) != 0
    ]
    print(f"\nmissed a bar or failed: {', '.join(failed) or 'none'}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
