"""Find reference material that lives beside the repository and is never part of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
"""Root of this checkout."""


def shared_path(relative: str) -> Path:
    """Return the path of a file or folder of the shared reference material.

    It is looked for in `HALFHOUR_SHARED_DIR` where that is set, otherwise in `../shared` beside the checkout. The
    calling test is skipped, with the place that was tried, when it is not there.

    Args:
        relative: Path inside the shared folder, e.g. `data/README.md`.
    """
    named = os.environ.get("HALFHOUR_SHARED_DIR")
    root = Path(named) if named else REPOSITORY.parent / "shared"
    wanted = root / relative
    if not wanted.exists():
        where = "HALFHOUR_SHARED_DIR" if named else "../shared"
        pytest.skip(f"needs the shared reference file {relative!r}, which is not in {where}")
    return wanted
