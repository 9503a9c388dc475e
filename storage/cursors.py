"""Opaque cursors of keyset pagination: the sort key of the last row shown, as URL-safe text."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime

from models.domain.errors import FieldError, InvalidRequest
from storage.types import from_microseconds, to_microseconds

CursorPart = str | int
"""What a sort key is made of; instants travel as microseconds."""


def encode_cursor(kind: str, *parts: CursorPart | datetime) -> str:
    """Return a cursor for a list.

    Args:
        kind: Which list it belongs to; another list refuses it.
        parts: Sort key of the last row shown.
    """
    plain = [to_microseconds(part) if isinstance(part, datetime) else part for part in parts]
    packed = json.dumps([kind, *plain], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode_cursor(kind: str, cursor: str, shape: tuple[type, ...]) -> tuple[CursorPart, ...]:
    """Return the sort key inside a cursor.

    Args:
        kind: Which list it must belong to.
        cursor: Text from `encode_cursor`.
        shape: Types of the parts, each `str` or `int`.

    Raises:
        InvalidRequest: If the text is no cursor of this list.
    """
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = json.loads(packed)
    except (binascii.Error, ValueError, RecursionError):
        found = None
    is_ours = (
        isinstance(found, list)
        and len(found) == len(shape) + 1
        and found[0] == kind
        and all(type(part) is wanted for part, wanted in zip(found[1:], shape, strict=True))
        and all(abs(part) < 2**62 for part in found[1:] if isinstance(part, int))
    )
    if not is_ours:
        message = "the cursor does not belong to this list"
        raise InvalidRequest(
            message,
            (
                FieldError(
                    "cursor", message, cursor, "a next_cursor of this list", "leave cursor out"
                ),
            ),
        )
    return tuple(found[1:])


def cursor_instant(part: CursorPart) -> datetime:
    """Return the instant of a cursor part.

    Raises:
        InvalidRequest: If it lies outside the calendar.
    """
    try:
        return from_microseconds(int(part))
    except OverflowError as error:
        raise InvalidRequest("the cursor does not belong to this list") from error
