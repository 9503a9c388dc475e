"""`/api/openapi.json`, `/api/docs` and the short page behind every kind of problem."""

from __future__ import annotations

from typing import Any, cast

from flask import Blueprint, Response, current_app, render_template

from models.domain.errors import NotFound
from web.auth import public
from web.context import web_settings
from web.docs_view import groups_of, models_of, paragraphs
from web.openapi import describe
from web.operation import finish_get, reply
from web.problem_types import TYPES

bp = Blueprint("api_docs", __name__, url_prefix="/api")

_CACHE = "api_description"


def description() -> dict[str, Any]:
    """Return the OpenAPI document of the running app, made once."""
    extensions = current_app.extensions
    if _CACHE not in extensions:
        extensions[_CACHE] = describe(current_app)
    return cast("dict[str, Any]", extensions[_CACHE])


def _must_be_on() -> None:
    if not web_settings().api_docs:
        raise NotFound("the description of the API is switched off on this server")


@bp.get("/openapi.json")
@public
def openapi() -> Response:
    """Return the OpenAPI document."""
    _must_be_on()
    return reply(description())


@bp.get("/docs")
@public
def docs() -> Response:
    """Show the API: every path with what it takes and answers."""
    _must_be_on()
    document = description()
    page = render_template(
        "api/docs.html",
        version=document["info"]["version"],
        about=paragraphs(document["info"]["description"]),
        groups=groups_of(document),
        models=models_of(document),
        problems=TYPES.values(),
    )
    return finish_get(Response(page, mimetype="text/html"), etag=False)


@bp.get("/problems/<slug>")
@public
def problem_type(slug: str) -> Response:
    """Explain one kind of problem: what it means and what to do."""
    kind = TYPES.get(slug)
    if kind is None:
        raise NotFound(
            f"there is no kind of problem called {slug[:80]!r}; they are listed at /api/docs"
        )
    return Response(render_template("api/problem_type.html", kind=kind), mimetype="text/html")
