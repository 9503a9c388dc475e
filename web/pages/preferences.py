"""The theme switch: remembered in a cookie, so that the server renders the right theme at once."""

from __future__ import annotations

from flask import Response, redirect, request

from web.auth import public
from web.pages.blueprint import THEME_COOKIE, bp, local_path
from web.views.layout import THEMES

YEAR_SECONDS = 365 * 24 * 3600


@bp.post("/theme")
@public
def set_theme() -> Response:
    """Remember a theme and go back to where it was chosen."""
    wanted = request.form.get("theme", "system")
    response = Response(status=303, headers={"Location": local_path(request.form.get("next"), "/")})
    if wanted in dict(THEMES):
        response.set_cookie(THEME_COOKIE, wanted, max_age=YEAR_SECONDS, samesite="Lax", path="/")
    return response


@bp.get("/dashboard")
@public
def dashboard() -> Response:
    """Lead the brief's path to the Schedule."""
    return Response(status=302, headers={"Location": redirect("/").location or "/"})
