"""Signing in with a key, and out again."""

from __future__ import annotations

from flask import Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from models.domain.errors import TooManyRequests, Unauthenticated
from web import auth
from web.auth import public
from web.context import services
from web.pages.blueprint import bp, local_path
from web.pages.forms import sentence


@bp.get("/sign-in")
@public
def sign_in() -> str:
    """Show the form, or say that no key is needed here."""
    return _page("", 200)[0]


@bp.post("/sign-in")
@public
def begin_session() -> AnyResponse | tuple[str, int]:
    """Begin a session for the holder of a key."""
    secret = request.form.get("key", "").strip()
    if not secret:
        return _page("Type the key you were given.", 422)
    try:
        auth.sign_in(secret)
    except Unauthenticated as error:
        return _page(sentence(str(error)), 401)
    except TooManyRequests as error:
        return _page(sentence(str(error)), 429)
    return redirect(local_path(request.form.get("next"), url_for("pages.schedule")), 303)


@bp.post("/sign-out")
@public
def sign_out() -> AnyResponse:
    """End the session."""
    auth.sign_out()
    return Response(status=303, headers={"Location": url_for("pages.sign_in")})


def _page(error: str, status: int) -> tuple[str, int]:
    wanted = local_path(request.values.get("next"), url_for("pages.schedule"))
    html = render_template(
        "sign_in.html", error=error, wanted=wanted, keys_exist=services().keys_exist()
    )
    return html, status
