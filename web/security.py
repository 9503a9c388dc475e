"""What stands before every handler and on every answer: request id, size, peer, host, rate, key, origin; headers."""

from __future__ import annotations

import ipaddress
import logging
import re
import time
from datetime import timedelta
from functools import lru_cache
from uuid import uuid4

from flask import Flask, Request, Response, current_app, g, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.middleware.proxy_fix import ProxyFix

from models.domain import trace
from models.domain.errors import Forbidden
from web import auth, csrf
from web.context import SETTINGS, request_id, services, web_settings
from web.limits import TokenBuckets, drain
from web.settings import WebSettings

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing inline, nothing from elsewhere."""

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""Headers of every answer. The referrer policy keeps `Origin` truthful on our own forms."""

HSTS = "max-age=31536000"
"""Sent only where the program is served over TLS alone."""

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Sessions(SecureCookieSessionInterface):
    """Flask's sessions; who sends no cookie does not wait for the means to unseal one to be made."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:  # noqa: D102
        if app.secret_key and "Cookie" not in request.headers:
            return self.session_class()
        return super().open_session(app, request)


def install(app: Flask, settings: WebSettings) -> None:
    """Put guards before every request and headers on every answer."""
    app.extensions[SETTINGS] = settings
    app.session_interface = Sessions()
    app.extensions["rate"] = TokenBuckets(settings.rate_limit_per_minute)
    app.extensions["wrong_keys"] = TokenBuckets(settings.failed_keys_per_minute)
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
        MAX_FORM_PARTS=200,
        SESSION_COOKIE_NAME="halfhour_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.https,
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.session_hours),
    )
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=count, x_proto=count, x_host=count, x_prefix=count
        )
    app.before_request(_guard)
    app.after_request(_finish)
    app.teardown_request(_forget_ids)
    app.jinja_env.globals["csrf_token"] = csrf.csrf_token


def _guard() -> None:
    """Run every check in order; the first that fails answers."""
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
    g.begun_at = time.monotonic()
    trace.begin(request_id=g.request_id)
    _check_size()
    if auth.access_of(request.endpoint) is auth.Access.UNASKED:
        auth.forget()
        return
    keys_exist = services().keys_exist()
    _check_host(keys_exist=keys_exist)
    if not keys_exist:
        _check_peer()
    if auth.access_of(request.endpoint) is auth.Access.SIGNED:
        auth.forget()
        return
    shows_key = auth.presented_secret() is not None
    if not shows_key:
        _buckets().take(request.remote_addr or "unknown")
    auth.identify(keys_exist=keys_exist)
    caller = auth.known_caller()
    if shows_key and caller is not None:
        _buckets().take(f"key {caller.owner} {caller.key_id}")
    csrf.check()


def _buckets() -> TokenBuckets:
    buckets = current_app.extensions["rate"]
    assert isinstance(buckets, TokenBuckets)
    return buckets


def _check_size() -> None:
    """Refuse a body above the limit; one of unknown length is read first, because it would be cut off silently."""
    most_bytes = web_settings().max_body_bytes
    if request.content_length is not None:
        too_large = request.content_length > most_bytes
    else:
        too_large = "Transfer-Encoding" in request.headers and len(request.get_data()) >= most_bytes
    if too_large:
        raise RequestEntityTooLarge


def drain_body() -> None:
    """Read the rest of a body that was refused for its size."""
    drain(request.environ, web_settings().drain_bytes)


def is_loopback_peer() -> bool:
    """Return whether the request came from this machine and nobody says it was passed on."""
    return _is_this_machine(request.remote_addr or "")


@lru_cache(maxsize=1024)
def _is_this_machine(text: str) -> bool:
    try:
        peer = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = getattr(peer, "ipv4_mapped", None)
    return (mapped or peer).is_loopback


def _check_peer() -> None:
    """Serve only this machine.

    Raises:
        Forbidden: If the peer is elsewhere, or a proxy speaks for somebody else.
    """
    passed_on = not web_settings().trusted_proxies and (
        "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    )
    if passed_on or not is_loopback_peer():
        raise Forbidden(
            "no key is set, so only this machine is served; make a key with `flask keys create` "
            "or set HALFHOUR_API_KEYS, then send it as `Authorization: Bearer …`"
        )


def _check_host(*, keys_exist: bool) -> None:
    """Refuse names that are not ours, so that a foreign name rebound to this address gets nowhere.

    Raises:
        Forbidden: If the `Host` header names somebody else.
    """
    host = request.host
    name = host if host.endswith("]") else host.rsplit(":", 1)[0] if ":" in host else host
    name = name.lower().rstrip(".")
    allowed = web_settings().allowed_hosts
    if allowed and name in {entry.lower() for entry in allowed}:
        return
    if keys_exist:
        if allowed and name not in _LOOPBACK_NAMES:
            raise Forbidden(f"this server does not answer to the name {name!r}")
        return
    if name not in _LOOPBACK_NAMES and not _is_loopback_address(name):
        raise Forbidden(
            f"without keys this server answers to localhost only, not to {name!r}; "
            "open it as http://localhost, or set a key"
        )


def _is_loopback_address(name: str) -> bool:
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _finish(response: Response) -> Response:
    """Add the headers of every answer."""
    given = {name.lower() for name in response.headers.keys()}  # noqa: SIM118 - a list of pairs
    for name, value in HEADERS.items():
        if name.lower() not in given:
            response.headers.add(name, value)
    if web_settings().https:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    if request_id():
        response.headers["X-Request-Id"] = request_id()
        if web_settings().logs_requests:
            _log_answer(response)
    if request.endpoint != "static" and "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response


def _forget_ids(_error: BaseException | None) -> None:
    """End the request's ids: what this thread does next is something else."""
    trace.begin()


def _log_answer(response: Response) -> None:
    """Write one line about an answered request; the query is left out, for it may hold anything."""
    job_id = (request.view_args or {}).get("job_id")
    ids = {"request_id": request_id(), **({"job_id": str(job_id)} if job_id else {})}
    took_ms = (time.monotonic() - g.begun_at) * 1000.0
    said = (request.method, request.path, response.status_code, took_ms)
    log.info("%s %s %d %.0f ms", *said, extra={"ids": ids})
