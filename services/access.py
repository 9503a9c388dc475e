"""Who may come in: keys from the settings and keys in the database.

A secret is only ever held as its SHA-256; it is long and random (or the operator's own), so no slow hash is needed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from models.domain.access import ApiKey, Caller, Role
from models.domain.errors import FieldError, InvalidRequest
from services.brief import Brief
from services.context import Context

KEY_PREFIX = "hh_"
"""First letters of every key made here, so that a leaked one can be recognised."""

MAX_LABEL = 80
"""Longest label of a key and longest name of an owner. [characters]"""

_keys_exist: Brief[bool] = Brief(2.0)


def secret_sha256(secret: str) -> str:
    """Return the digest (hex) under which a secret is known."""
    return hashlib.sha256(secret.encode()).hexdigest()


def authenticate(context: Context, secret: str) -> Caller | None:
    """Return who holds a key, or None. Every configured key is compared in constant time."""
    digest = secret_sha256(secret)
    found: Caller | None = None
    for owner, role, known in context.settings.configured_keys:
        if hmac.compare_digest(known, digest):
            found = Caller(owner, Role(role), key_id=f"configured:{known[:12]}")
    if found is not None:
        return found
    with context.uow() as work:
        key = work.keys.by_secret_sha256(digest)
    if key is None or key.revoked_at is not None:
        return None
    return Caller(key.owner, key.role, key.key_id) if _same(key.secret_sha256, digest) else None


def _same(known: str, digest: str) -> bool:
    return hmac.compare_digest(known, digest)


def keys_exist(context: Context) -> bool:
    """Return whether any key is set; a change made by another process is seen within two seconds.

    A key that was revoked still counts: revoking the last key must not open the program to everybody.
    """
    if context.settings.configured_keys:
        return True

    def look() -> bool:
        with context.uow() as work:
            return bool(work.keys.all())

    return _keys_exist.get(context, look)


def create_key(context: Context, owner: str, role: Role, label: str) -> tuple[str, ApiKey]:
    """Create a key and return its secret, which is not stored, with what is.

    Raises:
        InvalidRequest: If owner or label are empty, too long, or the owner holds a colon or white space.
    """
    _check_name("owner", owner)
    if len(label) > MAX_LABEL:
        raise InvalidRequest(
            f"a label has at most {MAX_LABEL} characters, not {len(label)}",
            (FieldError("label", "too long", label, f"at most {MAX_LABEL} characters"),),
        )
    secret = KEY_PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(
        key_id=str(context.new_id()),
        secret_sha256=secret_sha256(secret),
        owner=owner,
        role=role,
        label=label,
        created_at=context.system_now(),
    )
    with context.uow(write=True) as work:
        work.keys.add(key)
        work.commit()
    _keys_exist.forget(context)
    return secret, key


def _check_name(field: str, value: str) -> None:
    if not value or len(value) > MAX_LABEL or ":" in value or any(c.isspace() for c in value):
        allowed = f"1 to {MAX_LABEL} characters without colon or white space"
        raise InvalidRequest(
            f"{value!r} is no name for an {field}; use {allowed}",
            (FieldError(field, "not usable as a name", value, allowed),),
        )


def keys(context: Context) -> Sequence[ApiKey]:
    """Return every stored key, revoked ones too."""
    with context.uow() as work:
        return work.keys.all()


def revoke(context: Context, key_id: str) -> None:
    """Revoke a key at once. Raises `NotFound`."""
    with context.uow(write=True) as work:
        work.keys.revoke(key_id, context.system_now())
        work.commit()
    _keys_exist.forget(context)
