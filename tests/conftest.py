"""What holds for every test."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hypothesis import HealthCheck, settings

MEMORY = Path("/dev/shm")
"""A file system in memory, where there is one."""

ENOUGH_BYTES = 4 * 2**30
"""Less memory than this stays untouched. [byte]"""


def keep_files_in_memory() -> None:
    """Put the tests' folders into memory, unless a place is named.

    Every commit of SQLite and every line of a log waits for the disk, which is most of what many tests would do.
    """
    if {"PYTEST_DEBUG_TEMPROOT", "TMPDIR"} & set(os.environ):
        return
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ENOUGH_BYTES:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(MEMORY)


keep_files_in_memory()

settings.register_profile(
    "project",
    # Wall time says nothing about the code on a shared machine; examples are bounded in number instead.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
settings.load_profile("project")
