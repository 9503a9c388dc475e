"""Who is asking, and may they: keys in headers, the session cookie after sign-in, the open loopback mode.

Without any key every request is the owner `local` as operator; `web/security.py` lets only this machine through then.
A session holds the key itself, sealed with the secret of the program, so that revoking the key ends the session.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, TypeVar, cast

from flask import current_app, g, request, session

from models.domain.access import Caller, Role
from models.domain.asset import LOCAL_OWNER
from models.domain.errors import Forbidden, Unauthenticated
from web.context import services, web_settings
from web.limits import TokenBuckets

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

Handler = TypeVar("Handler", bound=Callable[..., object])

SEALED_KEY = "sealed_key"
"""Name of the sealed key in the session."""

OPEN_CALLER = Caller(owner=LOCAL_OWNER, role=Role.OPERATOR)
"""Who everybody is where no keys exist."""

_ATTRIBUTE = "halfhour_access"


class Access(Enum):
    """What a handler needs to know about the caller."""

    ANYBODY = "anybody"
    """Anybody who may reach the server; a caller is known only where credentials were sent."""
    SIGNED = "signed"
    """Messages of a protocol that sign themselves: no key of ours, no session, no form token."""
    UNASKED = "unasked"
    """Nobody is asked and no storage touched: liveness, assets of the pages."""


class Permission(Enum):
    """What a caller wants to do."""

    READ = "read"
    SUBMIT = "submit"
    OPERATE = "operate"


def public(handler: Handler) -> Handler:
    """Mark a handler as open to anybody who may reach the server."""
    setattr(handler, _ATTRIBUTE, Access.ANYBODY)
    return handler


def signed(handler: Handler) -> Handler:
    """Mark a handler whose messages carry their own signature, which it checks itself."""
    setattr(handler, _ATTRIBUTE, Access.SIGNED)
    return handler


def unasked(handler: Handler) -> Handler:
    """Mark a handler that must answer without touching storage."""
    setattr(handler, _ATTRIBUTE, Access.UNASKED)
    return handler


def access_of(endpoint: str | None) -> Access | None:
    """Return how open an endpoint is; None: only to known callers. An unknown path is open, so that it can be a 404."""
    if endpoint is None:
        return Access.ANYBODY
    if endpoint == "static":
        return Access.UNASKED
    return getattr(current_app.view_functions.get(endpoint), _ATTRIBUTE, None)


def forget() -> None:
    """Know nobody: the state in which a request begins."""
    g.caller, g.credential = None, "none"


def identify(*, keys_exist: bool) -> None:
    """Find out who is asking and store it for `current_caller`; runs before every request.

    Args:
        keys_exist: Whether any key is set; without one everybody who got this far is `OPEN_CALLER`.

    Raises:
        Unauthenticated: If a key was presented that nobody holds, or none where one is needed.
        TooManyRequests: If this address presented too many wrong keys.
    """
    forget()
    secret = presented_secret()
    if secret is not None:
        g.caller, g.credential = _holder(secret), "key"
    elif not keys_exist:
        g.caller, g.credential = OPEN_CALLER, "open"
    else:
        g.caller = _session_caller()
        g.credential = "session" if g.caller else "none"
    if g.caller is None and access_of(request.endpoint) is None:
        raise Unauthenticated(
            "a key is needed: send it as `Authorization: Bearer …` or `X-API-Key`, or sign in"
        )


def current_caller() -> Caller:
    """Return who is asking.

    Raises:
        Unauthenticated: If nobody known is.
    """
    caller = known_caller()
    if caller is None:
        raise Unauthenticated("a key is needed for this; sign in or send one")
    return caller


def known_caller() -> Caller | None:
    """Return who is asking, or None on a public page without credentials."""
    return cast("Caller | None", g.get("caller"))


def credential() -> str:
    """Return what the caller showed: `key`, `session`, `open` (no keys exist) or `none`."""
    return str(g.get("credential", "none"))


def require(permission: Permission) -> Caller:
    """Return the caller if their role allows something; the one place where roles are checked at the edge.

    Raises:
        Unauthenticated: If nobody known is asking.
        Forbidden: If the role does not allow it.
    """
    caller = current_caller()
    allowed = {
        Permission.READ: True,
        Permission.SUBMIT: caller.may_submit,
        Permission.OPERATE: caller.may_operate,
    }[permission]
    if not allowed:
        need = "submitter or operator" if permission is Permission.SUBMIT else "operator"
        raise Forbidden(f"this key has the role {caller.role}; this needs the role {need}")
    return caller


def sign_in(secret: str) -> Caller:
    """Begin a session for the holder of a key.

    Raises:
        Unauthenticated: If nobody holds this key.
        TooManyRequests: If this address presented too many wrong keys.
    """
    caller = _holder(secret)
    session.clear()
    session.permanent = True
    session[SEALED_KEY] = _sealer().encrypt(secret.encode()).decode()
    g.caller, g.credential = caller, "session"
    return caller


def sign_out() -> None:
    """End the session."""
    session.clear()
    forget()


def presented_secret() -> str | None:
    """Return the key in the headers, if any."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and rest.strip():
        return rest.strip()
    return request.headers.get("X-API-Key", "").strip() or None


def _holder(secret: str) -> Caller:
    """Return who holds a key, counting wrong ones against the address."""
    wrong_keys = cast("TokenBuckets", current_app.extensions["wrong_keys"])
    address = request.remote_addr or "unknown"
    wrong_keys.check(address)
    caller = services().authenticate(secret)
    if caller is None:
        wrong_keys.take(address)
        raise Unauthenticated(
            "this key is unknown or was revoked; check it, or make one with `flask keys create`"
        )
    return caller


def _session_caller() -> Caller | None:
    """Return whose session this is; a session ends by time or with its key."""
    from cryptography.fernet import InvalidToken

    sealed = session.get(SEALED_KEY)
    if not isinstance(sealed, str):
        return None
    ttl_seconds = round(web_settings().session_hours * 3600)
    try:
        secret = _sealer().decrypt_at_time(sealed, ttl_seconds, int(time.time())).decode()
    except InvalidToken:
        session.pop(SEALED_KEY, None)
        return None
    return services().authenticate(secret)


def _sealer() -> Fernet:
    from cryptography.fernet import Fernet

    digest = hashlib.sha256(b"halfhour session\0" + web_settings().secret_key.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))
