"""What the present work is about: ids that every log line carries without being passed from hand to hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_ids: ContextVar[Mapping[str, str] | None] = ContextVar("halfhour_ids", default=None)


@contextmanager
def about(**ids: str) -> Iterator[None]:
    """Name ids inside the block, such as `job_id`; outer ones stay unless named again."""
    token = _ids.set({**current(), **ids})
    try:
        yield
    finally:
        _ids.reset(token)


def begin(**ids: str) -> None:
    """Forget every id and name these: a new request or round begins on this thread."""
    _ids.set(ids)


def current() -> Mapping[str, str]:
    """Return the ids named here."""
    return _ids.get() or {}
