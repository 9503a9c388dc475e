"""Nobody else's page may act for our user: origin checks and a token in every form.

A request with a key in its header needs no token: a foreign page cannot send one.
"""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlsplit

from flask import request, session

from models.domain.errors import Forbidden
from web.auth import credential

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

FIELD = "csrf_token"
"""Name of the hidden form field, and of the token in the session."""

HEADER = "X-CSRF-Token"
"""Header that scripts may send instead of the field."""


def csrf_token() -> str:
    """Return the token of this browser, making one on first use; a global of every template."""
    token = session.get(FIELD)
    if not isinstance(token, str):
        token = secrets.token_urlsafe(32)
        session[FIELD] = token
    return token


def check() -> None:
    """Refuse an unsafe request that did not come from our own page or from a program with a key.

    Raises:
        Forbidden: If the origin is foreign, or the token is missing or wrong.
    """
    if request.method in SAFE_METHODS or request.endpoint is None or credential() == "key":
        return
    _check_origin()
    if request.path.startswith("/api/") and credential() != "session":
        return  # a program on this machine: the API takes JSON only, which no foreign form can send
    _check_token()


def _check_origin() -> None:
    """Compare what the browser says about where the request came from with where it went."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    foreign_origin = origin is not None and (
        urlsplit(origin).netloc != request.host or urlsplit(origin).scheme != request.scheme
    )
    if foreign_origin or (site is not None and site not in {"same-origin", "none"}):
        raise Forbidden(
            "another site asked your browser to do this, so nothing was done; open the page here "
            "and repeat it, or send the request with a key"
        )


def _check_token() -> None:
    expected = session.get(FIELD)
    given = request.headers.get(HEADER) or request.form.get(FIELD, "")
    if not isinstance(expected, str) or not hmac.compare_digest(
        expected.encode(), given.encode("utf-8", "replace")
    ):
        raise Forbidden(
            "this form has expired, so nothing was done; go back, reload the page and send it again"
        )
