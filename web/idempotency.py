"""One effect for one `Idempotency-Key`: the second request gets the answer of the first."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Final

from flask import Response, request

from models.domain.access import Caller
from models.domain.errors import Conflict, FieldError, InvalidRequest
from models.domain.ports import StoredResponse
from web.context import services

HEADER: Final = "Idempotency-Key"
"""Header with the client's name for one attempt to do one thing."""

REPLAYED: Final = "Idempotent-Replayed"
"""Header of an answer that was stored before."""

_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_KEPT_HEADERS = ("Content-Type", "Location", "Retry-After", "Link")


def once(caller: Caller, work: Callable[[], Response]) -> Response:
    """Do the work of a POST, or return the stored answer if it was done under this key before.

    Args:
        caller: Whose key it is; owners do not see each other's keys.
        work: Handles the request. An error means that nothing was done, and frees the key.

    Raises:
        InvalidRequest: If the key is malformed or was used for another request.
        Conflict: If the first request under this key is still being worked on.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return work()
    if not _KEY.fullmatch(key):
        raise InvalidRequest(
            f"{HEADER}: is not a usable key",
            (
                FieldError(
                    HEADER,
                    "is not a usable key",
                    key,
                    "1 to 200 visible ASCII characters",
                    "send a fresh UUID",
                ),
            ),
        )
    route = f"{request.method} {request.path}"
    stored = services().idempotent_begin(caller, route, key, _digest())
    if stored is not None:
        return _replay(stored)
    kept: StoredResponse | None = None
    try:
        answer = work()
        if answer.status_code < 400:
            kept = _stored(answer)
    finally:
        services().idempotent_end(caller, route, key, kept)
    return answer


def _digest() -> str:
    text = request.query_string + b"\n" + request.get_data(cache=True)
    return hashlib.sha256(text).hexdigest()


def _stored(answer: Response) -> StoredResponse:
    headers = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
    return StoredResponse(_digest(), answer.status_code, answer.get_data(as_text=True), headers)


def _replay(stored: StoredResponse) -> Response:
    if stored.status is None:
        raise Conflict("the first request with this Idempotency-Key is still being worked on; wait")
    answer = Response(stored.body, stored.status)
    for name, value in stored.headers.items():
        answer.headers[name] = value
    answer.headers[REPLAYED] = "true"
    return answer
