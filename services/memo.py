"""Remember an answer until what it was read from changes.

Pages that sum over every job are asked for far more often than jobs change. Every change of a job, plan or asset
writes an audit record or grows the plan version in its own transaction, so the two numbers together tell whether an
answer is still right.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from models.domain.ports import JobView, UnitOfWork
from services.context import Context

T = TypeVar("T")


def state_of(uow: UnitOfWork) -> tuple[int, int]:
    """Return (last audit record, plan version): it differs after every committed change."""
    return uow.decisions.head()[0], uow.plans.version()


@dataclass(frozen=True, slots=True)
class Dated(Generic[T]):
    """An answer and the instant at which time alone makes it wrong."""

    answer: T
    until: datetime | None
    """None: never."""

    def holds_at(self, now: datetime) -> bool:
        """Return whether the answer is still right at an instant of the planning clock."""
        return self.until is None or now < self.until


def first_end(views: Iterable[JobView], now: datetime) -> datetime | None:
    """Return when the first of some planned jobs ends after `now`: then it reads `unconfirmed` and sums change."""
    ends = (view.plan.award.placement.end for view in views if view.plan and view.plan.award)
    return min((end for end in ends if end > now), default=None)


class Memo(Generic[T]):
    """A small, thread-safe memory of answers by key, kept apart by application."""

    def __init__(self, entries: int = 16) -> None:
        """Start empty; keep at most so many answers, the least recently used goes first."""
        self._entries = entries
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, Hashable], tuple[Context, T]] = OrderedDict()

    def get(
        self,
        context: Context,
        key: Hashable,
        make: Callable[[], T],
        is_right: Callable[[T], bool] = lambda _: True,
    ) -> T:
        """Return what was remembered under a key, else what `make` returns.

        Args:
            context: The application; answers of another one are never given.
            key: Everything the answer depends on, `state_of` included.
            make: Computes the answer; may run twice when two threads ask at once.
            is_right: Tells whether a remembered answer still holds, where time alone can end it.
        """
        full = (id(context), key)
        known = self.peek(context, key)
        if known is not None and is_right(known):
            return known
        answer = make()
        with self._lock:
            self._kept[full] = (context, answer)
            self._kept.move_to_end(full)
            while len(self._kept) > self._entries:
                self._kept.popitem(last=False)
        return answer

    def peek(self, context: Context, key: Hashable) -> T | None:
        """Return what was remembered under a key, or None."""
        full = (id(context), key)
        with self._lock:
            kept = self._kept.get(full)
            if kept is None or kept[0] is not context:
                return None
            self._kept.move_to_end(full)
            return kept[1]
