"""The blueprint all pages hang on, and the frame its templates find in `layout`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, g, request

from models.domain.errors import HalfhourError
from services.types import DataLine
from web.auth import credential, known_caller
from web.context import services
from web.views.layout import layout

THEME_COOKIE = "theme"
"""Cookie that remembers the theme; readable by the page's own script, which sets it too."""

SECTIONS = {
    "pages.schedule": "schedule",
    "pages.what_if": "schedule",
    "pages.jobs": "jobs",
    "pages.job": "jobs",
    "pages.job_slots": "jobs",
    "pages.job_talk": "jobs",
    "pages.routines": "jobs",
    "pages.notices": "jobs",
    "pages.clusters": "clusters",
    "pages.cluster": "clusters",
    "pages.grid": "grid",
    "pages.grid_region": "grid",
    "pages.market": "market",
    "pages.market_contract": "market",
    "pages.records": "records",
    "pages.backtests": "records",
    "pages.decision": "records",
    "pages.plan": "records",
}
"""Navigation entry by endpoint."""

bp = Blueprint("pages", __name__)


def local_path(wanted: str | None, otherwise: str) -> str:
    """Return a path of this site to go back to; anything that leads elsewhere becomes `otherwise`."""
    if not wanted or not wanted.startswith("/") or wanted.startswith(("//", "/\\")):
        return otherwise
    parts = urlsplit(wanted)
    return wanted if not parts.netloc and not parts.scheme and "\\" not in wanted else otherwise


def _data_line() -> DataLine | None:
    """Return how fresh the signals are; None where that cannot be read, and the page says so."""
    if g.get("after_own_mistake"):
        return None
    try:
        return services().data_line()
    except HalfhourError:
        return None


def frame() -> dict[str, Any]:
    """Return what every page's template needs; a context processor of the whole app, for error pages too."""
    caller = known_caller()
    here = request.full_path.rstrip("?") if request.method == "GET" else "/"
    return {
        "layout": layout(
            data=_data_line(),
            caller=caller,
            uses_key=credential() in {"key", "session"},
            section=SECTIONS.get(request.endpoint or "", ""),
            theme=request.cookies.get(THEME_COOKIE),
        ),
        "layout_next": local_path(here, "/"),
    }


def wants_partial() -> bool:
    """Return whether htmx asks for a part of a page."""
    return request.headers.get("HX-Request") == "true"
