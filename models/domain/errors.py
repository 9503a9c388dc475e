"""The one error tree of the product.

Adapters translate what their library throws into this tree (`raise ... from error`); nothing above an
adapter catches `requests` or SQLAlchemy errors. The HTTP status belongs to the web layer, see `web/problems.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of a request, and how to put it right."""

    field: str
    """Dotted path of the field as the caller wrote it, e.g. `jobs.3.duration_hours`."""
    message: str
    """One sentence: what was wrong."""
    value: Any = None
    """The offending value as sent (None where it is missing or secret)."""
    allowed: str | None = None
    """The allowed range or set in words, e.g. `0.5 to 336 hours`."""
    cure: str | None = None
    """What to do about it, e.g. `send an RFC 3339 time with an offset`."""


class HalfhourError(Exception):
    """Root of every error this product raises on purpose; its text is one sentence for the user."""


class InvalidRequest(HalfhourError):
    """The caller asked for something malformed or impossible by itself."""

    def __init__(self, message: str, fields: tuple[FieldError, ...] = ()) -> None:
        """Store the sentence and the errors of single fields."""
        super().__init__(message)
        self.fields = fields


class Infeasible(InvalidRequest):
    """A request that can never be planned, with the nearest thing that would fit where one is known."""

    def __init__(
        self,
        message: str,
        fields: tuple[FieldError, ...] = (),
        nearest: dict[str, Any] | None = None,
    ) -> None:
        """Store the sentence, field errors and the nearest feasible change `{field: value}`."""
        super().__init__(message, fields)
        self.nearest = nearest


class NotFound(HalfhourError):
    """No such thing, or not visible to this owner."""


class Conflict(HalfhourError):
    """The request collides with the present state (duplicate id, frozen award, stale plan)."""


class StalePlan(Conflict):
    """Another planner committed first, or the lease was lost; nothing was written."""


class Forbidden(HalfhourError):
    """The caller is known but a rule forbids it; the rule is in the sentence."""


class Unauthenticated(HalfhourError):
    """No valid key or session where one is needed."""


class TooManyRequests(HalfhourError):
    """The caller exceeded a limit."""

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        """Store the sentence and when to try again. [s]"""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class SourceUnavailable(HalfhourError):
    """An external source gave no usable answer."""

    def __init__(
        self, message: str, *, source: str = "", retry_after_seconds: int | None = None
    ) -> None:
        """Store the sentence, the source's name and when to try again. [s]"""
        super().__init__(message)
        self.source = source
        self.retry_after_seconds = retry_after_seconds


class SourceTimeout(SourceUnavailable):
    """The source did not answer in time."""


class SourceRejected(SourceUnavailable):
    """The source answered that it will not serve this request (4xx, or our circuit breaker is open)."""


class SourceMalformed(SourceUnavailable):
    """The source answered 200 with a body that is empty, absurd or of another shape."""


class PlanningFailed(HalfhourError):
    """No plan could be made through a fault of our own that no single job explains; the cause is chained."""


class ExecutorFailed(HalfhourError):
    """A cluster did not accept or run what it was given."""

    def __init__(
        self, message: str, *, may_have_acted: bool = False, is_final: bool = False
    ) -> None:
        """Store the sentence and what is known of the call.

        Args:
            message: One sentence, without secrets.
            may_have_acted: The call may have taken effect all the same (a time-out, a broken connection).
            is_final: Trying the same again cannot help (the cluster refuses the request as such).
        """
        super().__init__(message)
        self.may_have_acted = may_have_acted
        self.is_final = is_final


class ProtocolError(HalfhourError):
    """A counterparty's message breaks its protocol."""


class AuditBroken(HalfhourError):
    """The audit log on disk differs from what was committed; writing has stopped."""
