"""Problem details (RFC 9457): one table from errors to answers, and the HTTP boundary that uses it.

Under `/api` a problem is JSON; elsewhere the same sentence is shown as a page where a browser asks.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from flask import Flask, Response, current_app, render_template, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from models.domain import errors
from models.domain.errors import FieldError, HalfhourError
from web.context import request_id, web_settings
from web.json_text import json_safe, json_text
from web.problem_types import BY_STATUS, TYPES, ProblemType
from web.security import drain_body

MEDIA_TYPE = "application/problem+json"
"""Media type of every error of the API."""

PAGE_RENDERER = "problem_page"
"""Name of the pages' renderer among the app's extensions: `(Problem) -> str` (HTML)."""

DRAFT_TO_REST: Mapping[str, str] = {
    "duration": "duration_hours",
    "flexibility": "flexibility_type",
    "max_price_gbp_per_kwh": "max_price_per_kwh",
}
"""Names of a job's fields inside the program that differ from those of a request."""

log = logging.getLogger(__name__)


class MalformedRequest(HalfhourError):
    """The request could not be read at all: broken JSON, a body that is not UTF-8."""


class UnsupportedMediaType(HalfhourError):
    """The body is of a type this path does not take."""


@dataclass(frozen=True)
class Problem:
    """One error as it is answered."""

    kind: ProblemType
    detail: str
    errors: tuple[FieldError, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        return self.kind.status

    def to_json(self) -> dict[str, Any]:
        """Return the members of the problem."""
        body: dict[str, Any] = {
            "type": f"{request.script_root}/api/problems/{self.kind.slug}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "instance": request.path,
            "request_id": request_id(),
        }
        if self.kind.status == 422:
            body["errors"] = [field_error_json(error) for error in self.errors]
        body.update(self.extra)
        return body


def field_error_json(error: FieldError) -> dict[str, Any]:
    """Return one wrong field as the caller wrote it."""
    parts = error.field.split(".")
    mine = 2 if parts[0] in {"jobs", "lines"} else 0  # after the place of one of several jobs
    parts[mine : mine + 1] = [DRAFT_TO_REST.get(part, part) for part in parts[mine : mine + 1]]
    return {
        "field": ".".join(parts),
        "value": json_safe(error.value),
        "message": error.message,
        "allowed": error.allowed,
        "cure": error.cure,
    }


_KINDS: tuple[tuple[type[HalfhourError], str], ...] = (
    (errors.Infeasible, "infeasible"),
    (errors.InvalidRequest, "invalid-request"),
    (errors.NotFound, "not-found"),
    (errors.StalePlan, "stale-plan"),
    (errors.Conflict, "conflict"),
    (errors.Forbidden, "forbidden"),
    (errors.Unauthenticated, "unauthenticated"),
    (errors.TooManyRequests, "too-many-requests"),
    (errors.SourceUnavailable, "source-unavailable"),
    (errors.ExecutorFailed, "executor-failed"),
    (errors.ProtocolError, "malformed-request"),
    (errors.AuditBroken, "audit-broken"),
    (MalformedRequest, "malformed-request"),
    (UnsupportedMediaType, "unsupported-media-type"),
)
"""First match wins: subclasses stand before their parents."""


def problem_of(error: HalfhourError) -> Problem:
    """Return the problem of one of our own errors."""
    slug = next((slug for kind, slug in _KINDS if isinstance(error, kind)), "internal-error")
    headers: dict[str, str] = {}
    extra: dict[str, Any] = {}
    retry_after = getattr(error, "retry_after_seconds", None)
    if slug == "source-unavailable":
        retry_after = retry_after or 60
    if slug == "stale-plan":
        retry_after = 1
    if retry_after:
        headers["Retry-After"] = str(retry_after)
    if slug == "unauthenticated":
        headers["WWW-Authenticate"] = 'Bearer realm="halfhour"'
    nearest = getattr(error, "nearest", None)
    if nearest is not None:
        extra["nearest"] = json_safe(
            {DRAFT_TO_REST.get(name, name): value for name, value in nearest.items()}
        )
    return Problem(TYPES[slug], str(error), getattr(error, "fields", ()), headers, extra)


def problem_of_http(error: HTTPException) -> Problem:
    """Return the problem of an error of the web framework."""
    status = error.code or 500
    kind = BY_STATUS.get(status) or ProblemType("other", status, error.name, error.name, "")
    detail = kind.meaning
    headers = {name: value for name, value in error.get_headers() if name.lower() == "allow"}
    if isinstance(error, RequestEntityTooLarge):
        detail = (
            f"the body is larger than {web_settings().max_body_bytes:,} bytes; send less at once"
        )
        headers["Connection"] = "close"
    elif status == 404:
        detail = f"there is nothing at {request.path}; the paths are listed at /api/docs"
    elif status == 405:
        detail = (
            f"{request.method} is not possible here; use {headers.get('Allow', 'another method')}"
        )
    return Problem(kind, detail, headers=headers)


def answer(problem: Problem) -> Response:
    """Return a problem as JSON, or as a page where a browser asked for a page."""
    if not _wants_page():
        response = Response(json_text(problem.to_json()), problem.status, mimetype=MEDIA_TYPE)
    else:
        renderer = current_app.extensions.get(PAGE_RENDERER)
        page = (
            renderer(problem)
            if renderer is not None
            else render_template("api/problem.html", problem=problem, request_id=request_id())
        )
        response = Response(page, problem.status, mimetype="text/html")
    response.headers.extend(problem.headers)
    return response


def _wants_page() -> bool:
    if request.path.startswith("/api/") or request.path in {
        "/api",
        "/health",
        "/ready",
        "/metrics",
    }:
        return False
    named = {media_type for media_type, _ in request.accept_mimetypes}
    return "text/html" in named or "HX-Request" in request.headers


def install(app: Flask) -> None:
    """Register the handlers that turn every error into a problem."""
    app.register_error_handler(HalfhourError, _on_our_error)
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(Exception, _on_any_error)


def _on_our_error(error: HalfhourError) -> Response:
    problem = problem_of(error)
    if problem.status >= 500:
        log.warning("request %s: %s", request_id(), error)
    return answer(problem)


def _on_http_error(error: HTTPException) -> Response:
    if error.code is not None and error.code < 400 and error.response is None:
        return cast("Response", error.get_response(request.environ))
    if isinstance(error, RequestEntityTooLarge):
        drain_body()
    return answer(problem_of_http(error))


def _on_any_error(error: Exception) -> Response:
    """Answer 500 for our own mistake, and write down which request met it."""
    log.error(
        "request %s: %s %s failed", request_id(), request.method, request.path, exc_info=error
    )
    return answer(
        Problem(
            TYPES["internal-error"],
            f"this is a mistake of the program; report it with the request id {request_id()}",
        )
    )
