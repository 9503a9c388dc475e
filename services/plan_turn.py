"""One planner at a time: wait for the plan lease, keep it while planning, give it back.

The lease is short and renewed from a thread of its own, so that planners behind one that was killed wait seconds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from models.domain.errors import Conflict, HalfhourError
from services.context import Context

log = logging.getLogger(__name__)

PLAN_LEASE = "plan"
"""Name of the lease every planner holds while it works."""

LEASE_SECONDS = 20.0
"""How long a planner may go silent before another takes over. [s]"""

BEAT_SECONDS = 5.0
"""How often a planner renews its lease. [s]"""

LOCK_WAIT_SECONDS = 480.0
"""How long a planner waits for its turn: less than after which it is taken for dead. [s]"""


@contextmanager
def turn(context: Context, holder: str) -> Iterator[int]:
    """Hold the plan lease inside the block; gives its fencing token.

    Args:
        context: Ports; the leases are used.
        holder: Name of this planner, unlike every other.

    Raises:
        Conflict: If others plan for so long on end.
    """
    token = _take(context, holder)
    stop = threading.Event()
    beat = threading.Thread(
        target=_keep, args=(context, holder, token, stop), name="plan-lease", daemon=True
    )
    beat.start()
    try:
        yield token
    finally:
        stop.set()
        beat.join()
        context.leases.release(PLAN_LEASE, holder, token)


def _take(context: Context, holder: str) -> int:
    """Wait for the plan lease and return its fencing token."""
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    pause = 0.005
    while True:
        token = context.leases.acquire(PLAN_LEASE, holder, LEASE_SECONDS)
        if token is not None:
            return token
        if time.monotonic() > deadline:
            minutes = LOCK_WAIT_SECONDS / 60
            raise Conflict(f"other planners have been at work for {minutes:g} minutes; try again")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def _keep(context: Context, holder: str, token: int, stop: threading.Event) -> None:
    """Renew the lease until told to stop or it is lost; the commit finds out that it is lost."""
    while not stop.wait(BEAT_SECONDS):
        try:
            if not context.leases.renew(PLAN_LEASE, holder, token, LEASE_SECONDS):
                log.warning("the plan lease of %s was lost; another planner goes on", holder)
                return
        except HalfhourError as error:
            # The planner's own commit of a large plan may hold the one write lock for that long.
            log.warning("the plan lease of %s could not be renewed yet: %s", holder, error)
