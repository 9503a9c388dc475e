"""What a process is called in leases, and whether the process behind such a name has ended."""

from __future__ import annotations

import os
import re
import secrets
import socket
from pathlib import Path

PROC = Path("/proc")
"""Where Linux tells about processes."""


def process_name() -> str:
    """Return a name for this process in leases that no other process has."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


def is_gone(name: str) -> bool:
    """Return whether a name belongs to a process of this machine that has ended.

    A process of another machine, or one whose number is in use again, counts as there: its leases run out by time.
    """
    found = re.match(rf"{re.escape(socket.gethostname())}-(\d+)-[0-9a-f]{{8}}(:|$)", name)
    if found is None:
        return False
    pid = int(found[1])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Return whether a process has ended and only waits to be taken note of."""
    try:
        told = (PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return told.rpartition(")")[2].split()[:1] == ["Z"]
