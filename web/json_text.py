"""Reading JSON without mercy and writing it without NaN."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from models.domain.time import format_utc

DEEPEST = 32
"""Deepest nesting of arrays and objects that is read."""

LONGEST_SHOWN = 200
"""Longest text of an offending value that is sent back. [characters]"""


class JsonError(ValueError):
    """The text is not the one JSON document it should be; the message says why."""


def parse_json(raw: bytes) -> Any:
    """Parse UTF-8 JSON, refusing what parsers disagree about.

    Raises:
        JsonError: On anything that is not JSON, on repeated names, NaN, lone surrogates and deep nesting.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonError(f"the body is not UTF-8 (byte {error.start})") from error
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError as error:
        raise JsonError(f"the JSON is nested deeper than {DEEPEST} levels") from error
    except JsonError:
        raise
    except json.JSONDecodeError as error:
        raise JsonError(
            f"the body is not JSON: {error.msg.lower()} (line {error.lineno}, column {error.colno})"
        ) from error
    except ValueError as error:
        raise JsonError("the body holds a number with too many digits") from error
    _check(value, 1)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise JsonError(f"the name {name[:80]!r} stands twice in one JSON object")
        found[name] = value
    return found


def _no_constant(word: str) -> Any:
    raise JsonError(f"{word} is not JSON; send a number or null")


def _check(value: Any, depth: int) -> None:
    """Refuse deep nesting and text that is not Unicode (half a surrogate pair)."""
    if depth > DEEPEST + 1:
        raise JsonError(f"the JSON is nested deeper than {DEEPEST} levels")
    if isinstance(value, str):
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise JsonError("the JSON holds half a surrogate pair, which is not text")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check(name, depth)
            _check(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, depth + 1)


def json_text(value: Any) -> str:
    """Return compact JSON.

    Raises:
        ValueError: If a float is not finite; presenting it was our mistake.
    """
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=json_safe
    )


def json_safe(value: Any) -> Any:
    """Return any value as something JSON can hold, cut short where it is long."""
    if value is None or isinstance(value, (bool, int)):
        return value if not isinstance(value, int) or abs(value) < 2**63 else str(value)[:40]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime):
        return format_utc(value) if value.tzinfo else value.isoformat()
    if isinstance(value, timedelta):
        return value / timedelta(hours=1)
    if isinstance(value, Enum):
        return json_safe(value.value)
    if isinstance(value, Mapping):
        return {str(name)[:80]: json_safe(inner) for name, inner in list(value.items())[:20]}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [json_safe(inner) for inner in list(value)[:20]]
    text = str(value)
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"
