"""Whose turn it is to speak with executors: of several processes one, by a lease that is renewed before every call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.context import Context

log = logging.getLogger(__name__)

HAND_OVER_LEASE = "hand_over"
"""Name of the lease of whoever speaks with executors."""

LEASE_SECONDS = 90.0
"""How long it lasts unrenewed; it is renewed before every call. [s]"""


class _LeaseLost(Exception):
    """Another process speaks with the executors now."""


Renew = Callable[[], None]
"""Renews the lease before a call; where it was lost, the block ends."""


@contextmanager
def turn(context: Context) -> Iterator[Renew | None]:
    """Hold the lease inside the block; gives what renews it, None where another process has it."""
    leases, holder = context.leases, context.settings.holder
    token = leases.acquire(HAND_OVER_LEASE, holder, LEASE_SECONDS)
    if token is None:
        yield None
        return

    def renew() -> None:
        if not leases.renew(HAND_OVER_LEASE, holder, token, LEASE_SECONDS):
            raise _LeaseLost

    try:
        yield renew
    except _LeaseLost:
        log.warning("the lease of the hand-over was lost; another process goes on")
    finally:
        leases.release(HAND_OVER_LEASE, holder, token)
