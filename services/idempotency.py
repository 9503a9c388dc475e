"""Answer a repeated request with the first answer: `Idempotency-Key` on POST."""

from __future__ import annotations

from datetime import datetime, timedelta

from models.domain.access import Caller
from models.domain.errors import Conflict, FieldError, InvalidRequest
from models.domain.ports import StoredResponse
from services.context import Context
from services.process_names import is_gone

MAX_KEY = 200
"""Longest key taken. [characters]"""

UNANSWERED_FOR = timedelta(minutes=5)
"""A request without an answer for so long has died with its process; a repeated one is worked on anew."""


def begin(
    context: Context, caller: Caller, route: str, key: str, request_sha256: str
) -> StoredResponse | None:
    """Reserve a key; return the stored answer if it was used before with the same request.

    A key whose process has ended before it answered is taken over.

    Raises:
        Conflict: While the first request is still being worked on.
        InvalidRequest: If the key is empty or too long, or was used with another request.
    """
    if not 1 <= len(key) <= MAX_KEY:
        raise InvalidRequest(
            f"an Idempotency-Key has 1 to {MAX_KEY} characters, not {len(key)}",
            (FieldError("Idempotency-Key", "wrong length", None, f"1 to {MAX_KEY} characters"),),
        )
    now, holder = context.system_now(), context.settings.holder
    with context.uow(write=True) as work:
        stored = work.idempotency.reserve(caller.owner, route, key, request_sha256, now, holder)
        if (
            stored is not None
            and stored.request_sha256 == request_sha256
            and _is_abandoned(stored, now)
            and work.idempotency.take_over(caller.owner, route, key, stored.holder, holder, now)
        ):
            stored = None
        work.commit()
    if stored is None:
        return None
    if stored.request_sha256 != request_sha256:
        raise InvalidRequest(
            "this Idempotency-Key was used with another request; send a new key for a new request",
            (
                FieldError(
                    "Idempotency-Key", "used with another request", key, None, "use a new key"
                ),
            ),
        )
    if stored.status is None:
        raise Conflict(
            "the first request with this Idempotency-Key is still being worked on; repeat it in a moment"
        )
    return stored


def _is_abandoned(stored: StoredResponse, now: datetime) -> bool:
    """Return whether the process that worked on a request cannot answer it any more."""
    if stored.status is not None or stored.reserved_at is None:
        return False
    return is_gone(stored.holder) or now - stored.reserved_at > UNANSWERED_FOR


def end(
    context: Context, caller: Caller, route: str, key: str, response: StoredResponse | None
) -> None:
    """Store the answer, or free the key when the request failed without effect (None)."""
    with context.uow(write=True) as work:
        if response is None:
            work.idempotency.forget(caller.owner, route, key)
        else:
            work.idempotency.complete(caller.owner, route, key, response)
        work.commit()
