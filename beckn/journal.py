"""Many messages, few commits: what arrives at the same time is written in one transaction, and waited for by all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from models.domain.errors import SourceUnavailable

GATHER_SECONDS = 0.02
"""How close together commits may come before more is gathered for one. [s]"""

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class _Entry(Generic[T, R]):
    value: T
    called: threading.Event = field(default_factory=threading.Event)
    """Set when it is written, or when its thread shall write next."""
    is_done: bool = False
    leads: bool = False
    result: R | None = None


class GroupCommit(Generic[T, R]):
    """Whoever comes first writes for all who wait by then; the next of those who come meanwhile writes after him.

    Who comes alone is written at once; in a crowd the writer waits a moment, so that one commit serves more of it.
    """

    def __init__(
        self,
        write: Callable[[Sequence[T]], Sequence[R]],
        most: int = 64,
        *,
        gather_seconds: float = GATHER_SECONDS,
        pause: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bind the writer.

        Args:
            write: Writes some values in one transaction and returns a result for each, in order.
            most: Most values written at once.
            gather_seconds: How long a writer waits for others where the one before ended just now. [s]
            pause: Waits.
            monotonic: A clock that never goes back. [s]
        """
        self._write = write
        self._most = most
        self._gather = gather_seconds
        self._pause = pause
        self._monotonic = monotonic
        self._ended_at = float("-inf")
        self._lock = threading.Lock()
        self._waiting: list[_Entry[T, R]] = []
        self._is_writing = False

    def put(self, value: T) -> R:
        """Write a value and return its result once that is durable.

        Raises:
            SourceUnavailable: If it could not be written; whoever wrote raises the cause itself.
        """
        entry: _Entry[T, R] = _Entry(value)
        with self._lock:
            self._waiting.append(entry)
            entry.leads = not self._is_writing
            self._is_writing = True
        if not entry.leads:
            entry.called.wait()
        if not entry.is_done:
            self._lead()
        if entry.result is None:
            raise SourceUnavailable("the message could not be stored; send it again")
        return entry.result

    def _lead(self) -> None:
        """Write one batch, this thread's own value in it, and let the first of those who came meanwhile write the next."""
        if self._monotonic() - self._ended_at < self._gather:
            self._pause(self._gather)
        with self._lock:
            batch = self._waiting[: self._most]
            del self._waiting[: self._most]
        try:
            for entry, result in zip(batch, self._write([e.value for e in batch]), strict=True):
                entry.result = result
        finally:
            self._ended_at = self._monotonic()
            with self._lock:
                for entry in batch:
                    entry.is_done = True
                    entry.called.set()
                if self._waiting:
                    self._waiting[0].called.set()
                else:
                    self._is_writing = False
