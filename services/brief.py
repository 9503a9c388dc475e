"""Keep an answer for some seconds of system time, for questions that every request asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from services.context import Context

T = TypeVar("T")


class Brief(Generic[T]):
    """One answer per application, kept for a short while."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Set how long an answer is kept. [s]"""
        self._seconds = seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: dict[int, tuple[float, Context, T]] = {}

    def get(self, context: Context, make: Callable[[], T], *, fresh: bool = False) -> T:
        """Return the kept answer, or what `make` returns now.

        Args:
            context: The application; answers of another one are never given.
            make: Computes the answer; may run twice when two threads ask at once.
            fresh: Compute it in any case.
        """
        moment = self._monotonic()
        with self._lock:
            kept = self._kept.get(id(context))
        is_ours = kept is not None and kept[1] is context and not fresh
        if kept is not None and is_ours and moment - kept[0] < self._seconds:
            return kept[2]
        answer = make()
        with self._lock:
            # The application is kept beside its answer, so that its id cannot be given to another one.
            self._kept[id(context)] = (moment, context, answer)
            while len(self._kept) > 8:
                self._kept.pop(next(iter(self._kept)))
        return answer

    def forget(self, context: Context) -> None:
        """Compute the next answer anew."""
        with self._lock:
            self._kept.pop(id(context), None)
