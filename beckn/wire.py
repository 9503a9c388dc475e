"""Bytes to JSON and back, with limits: what a stranger sends is parsed once, strictly, and never re-serialised."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from beckn.faults import Refused

MOST_BYTES = 1_048_576
"""Largest message taken. [B]"""

MOST_DEPTH = 32
"""Deepest nesting of objects and lists taken."""


_NESTING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
"""A whole text, or a bracket outside of one.

A text that never ends is taken to the end of the body, so that no part of it is looked at twice: the time is linear.
"""


def parse(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in a body.

    Raises:
        Refused: If it is too large, too deep, not UTF-8, not one JSON object, or has a duplicate key or NaN.
    """
    if len(raw) > MOST_BYTES:
        raise Refused("SCH_INVALID_JSON", f"the message has {len(raw)} bytes; at most {MOST_BYTES}")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("SCH_INVALID_JSON", "the body is not UTF-8") from None
    if is_too_deep(text):
        raise Refused("SCH_INVALID_JSON", f"the message nests deeper than {MOST_DEPTH} levels")
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except ValueError as error:
        if isinstance(error, _WrongJson):
            raise Refused("SCH_INVALID_JSON", str(error)) from None
        raise Refused("SCH_INVALID_JSON", "the body is not JSON") from None
    if not isinstance(value, dict):
        raise Refused("SCH_INVALID_JSON", "the message is not a JSON object")
    return value


def serialise(message: Any) -> bytes:
    """Return the bytes that are signed and sent, exactly these.

    Raises:
        ValueError: If a number is not finite; that is our own mistake.
    """
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def is_too_deep(text: str) -> bool:
    """Return whether a JSON text nests deeper than is taken."""
    # Where so few brackets stand, none of them can lie that deep.
    few = text.count("[") + text.count("{") <= MOST_DEPTH
    return not few and deepest(text) > MOST_DEPTH


def deepest(text: str) -> int:
    """Return how deep objects and lists nest in a JSON text, without building anything."""
    depth = most = 0
    for match in _NESTING.finditer(text):
        sign = match[0]
        if sign in "[{":
            depth += 1
            most = max(most, depth)
            if most > MOST_DEPTH:
                return most
        elif sign in "]}":
            depth -= 1
    return most


class _WrongJson(ValueError):
    """JSON that parses and is refused all the same."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        counted = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counted.items() if count > 1)
        raise _WrongJson(f"the key {twice[:60]!r} occurs twice in one object")
    return value


def _no_constant(name: str) -> Any:
    raise _WrongJson(f"{name} is not a JSON number")
