"""One decorator for every handler of the API: checks the role, reads the request, keeps what the description needs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from flask import Response, request
from pydantic import BaseModel

from web import auth
from web.auth import Permission
from web.bodies import read_body, read_query, refuse_body
from web.csv_jobs import by_line
from web.idempotency import once
from web.json_text import json_text
from web.schemas.fields import Wanted

ATTRIBUTE: Final = "halfhour_operation"
"""Where a handler keeps its `Operation`."""


class NoQuery(Wanted):
    """A request without query parameters."""


@dataclass(frozen=True)
class Operation:
    """What an operation takes and answers, for the handler and for the API description alike."""

    tag: str
    answers: Mapping[int, type[BaseModel] | None]
    """Model by status of success; None: no body."""
    query: type[Wanted] = NoQuery
    body: type[Wanted] | None = None
    body_optional: bool = False
    takes_table: bool = False
    """Whether the body may also be CSV, one job a line."""
    errors: tuple[int, ...] = ()
    """Statuses of failure beyond those that every operation may have."""
    needs: Permission | None = Permission.READ
    """None: open to anybody who may reach the server."""
    media_types: tuple[str, ...] = ("application/json",)
    """Media types of a 200 answer; the model describes JSON only."""
    answer_headers: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Names of headers worth describing, by status."""


def operation(
    tag: str, answers: Mapping[int, type[BaseModel] | None], **more: Any
) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """Make a handler an operation of the API.

    The handler gets its path parameters, `query` if it names a query model and `body` if it names a body model.

    Args:
        tag: Group in the API description.
        answers: Model by status of success.
        **more: Other fields of `Operation`.
    """
    about = Operation(tag=tag, answers=answers, **more)

    def decorate(handler: Callable[..., Response]) -> Callable[..., Response]:
        @functools.wraps(handler)
        def guarded(**path: Any) -> Response:
            if about.needs is not None:
                auth.require(about.needs)
            given = dict(path)
            query = read_query(about.query)
            if about.query is not NoQuery:
                given["query"] = query
            if request.method != "POST":
                _read_body_into(given, about)
                return handler(**given)

            def work() -> Response:
                with by_line():
                    _read_body_into(given, about)
                    return handler(**given)

            return once(auth.current_caller(), work)

        setattr(guarded, ATTRIBUTE, about)
        return auth.public(guarded) if about.needs is None else guarded

    return decorate


def _read_body_into(given: dict[str, Any], about: Operation) -> None:
    if about.body is not None:
        given["body"] = read_body(
            about.body, may_be_empty=about.body_optional, takes_table=about.takes_table
        )
    elif request.method in {"POST", "PATCH"}:
        refuse_body()


def reply(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None, *, etag: bool = True
) -> Response:
    """Return JSON; a GET gets an `ETag` and honours `If-None-Match`.

    Args:
        value: Plain objects, as the presenters build them.
        status: HTTP status.
        headers: More headers.
        etag: False for answers that are never the same twice.
    """
    return finish_get(
        Response(json_text(value), status, mimetype="application/json", headers=headers or {}),
        etag=etag,
    )


def finish_get(response: Response, *, etag: bool = True) -> Response:
    """Give the answer to a GET its `ETag`, and cut it to 304 where the client has it already."""
    if request.method in {"GET", "HEAD"} and response.status_code == 200 and etag:
        response.add_etag(weak=True)
        response.headers["Cache-Control"] = "private, no-cache"
        response.headers.add("Vary", "Accept, Authorization, X-API-Key, Cookie")
        response.make_conditional(request)
    return response


def no_content() -> Response:
    """Return 204."""
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response
