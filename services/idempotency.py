"""Answer a repeated request with the first answer: `Idempotency-Key` on POST."""

from __future__ import annotations

from models.domain.access import Caller
from models.domain.errors import Conflict, FieldError, InvalidRequest
from models.domain.ports import StoredResponse
from services.context import Context

MAX_KEY = 200
"""Longest key taken. [characters]"""


def begin(
    context: Context, caller: Caller, route: str, key: str, request_sha256: str
) -> StoredResponse | None:
    """Reserve a key; return the stored answer if it was used before with the same request.

    Raises:
        Conflict: While the first request is still being worked on.
        InvalidRequest: If the key is empty or too long, or was used with another request.
    """
    if not 1 <= len(key) <= MAX_KEY:
        raise InvalidRequest(
            f"an Idempotency-Key has 1 to {MAX_KEY} characters, not {len(key)}",
            (FieldError("Idempotency-Key", "wrong length", None, f"1 to {MAX_KEY} characters"),),
        )
    with context.uow(write=True) as work:
        stored = work.idempotency.reserve(
            caller.owner, route, key, request_sha256, context.system_now()
        )
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
