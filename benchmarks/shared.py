"""What benchmarks share: where reference data lie, and how a table is printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def shared_file(relative: str) -> Path:
    """Return a file of the reference data beside the repository, or end with a clear sentence."""
    folder = Path(os.environ.get("HALFHOUR_SHARED_DIR", PROJECT.parent / "shared"))
    found = folder / relative
    if not found.exists():
        sys.exit(f"this benchmark needs {relative} under ../shared (or HALFHOUR_SHARED_DIR)")
    return found


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print("| " + " | ".join(head) + " |")
    print("| " + " | ".join("---" for _ in head) + " |")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def checked_gap(percent: float) -> float:
    """Return a gap to a bound for printing; a hair below 0 is rounding. [%]

    Raises:
        AssertionError: If the bound lies above the plan.
    """
    assert percent >= -1e-6, f"the bound lies {-percent:g} % above a plan"
    return max(percent, 0.0)
