"""Many messages, few commits: what arrives at the same time is written in one transaction, and waited for by all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from models.domain.errors import SourceUnavailable

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class _Entry(Generic[T, R]):
    value: T
    done: threading.Event = field(default_factory=threading.Event)
    result: R | None = None


class GroupCommit(Generic[T, R]):
    """Whoever comes first writes for all who come meanwhile; nobody waits for a timer."""

    def __init__(self, write: Callable[[Sequence[T]], Sequence[R]], most: int = 64) -> None:
        """Bind the writer.

        Args:
            write: Writes some values in one transaction and returns a result for each, in order.
            most: Most values written at once.
        """
        self._write = write
        self._most = most
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
            leads = not self._is_writing
            self._is_writing = True
        if leads:
            self._lead()
        entry.done.wait()
        if entry.result is None:
            raise SourceUnavailable("the message could not be stored; send it again")
        return entry.result

    def _lead(self) -> None:
        while True:
            with self._lock:
                batch = self._waiting[: self._most]
                del self._waiting[: self._most]
                if not batch:
                    self._is_writing = False
                    return
            is_written = False
            try:
                results = self._write([entry.value for entry in batch])
                for entry, result in zip(batch, results, strict=True):
                    entry.result = result
                is_written = True
            finally:
                if not is_written:
                    with self._lock:
                        batch += self._waiting
                        self._waiting.clear()
                        self._is_writing = False
                for entry in batch:
                    entry.done.set()
