"""Reading what strangers write: fields that may be absent, of another type, or nested one level more or less."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from beckn.faults import Refused
from models.domain.errors import InvalidRequest
from models.domain.time import parse_rfc3339

LONGEST_ID = 256


def objects(value: Any) -> tuple[Mapping[str, Any], ...]:
    """Return a list's objects; one object counts as a list of one."""
    if isinstance(value, dict):
        return (value,)
    if isinstance(value, list):
        return tuple(one for one in value if isinstance(one, dict))
    return ()


def first(value: Any) -> Mapping[str, Any]:
    """Return the first object of a list, or an empty one."""
    found = objects(value)
    return found[0] if found else {}


def inside(value: Any, *path: str) -> Any:
    """Return what lies at a path of keys, or None."""
    for name in path:
        value = first(value).get(name) if isinstance(value, (dict, list)) else None
    return value


def text(value: Any) -> str:
    """Return a text, else an empty one."""
    return value[:2000] if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    """Return a finite number, also from its text; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    return None


def instant(value: Any) -> datetime | None:
    """Return an instant, else None; a clock time without a date is none."""
    try:
        return parse_rfc3339(value) if isinstance(value, str) and len(value) > 15 else None
    except InvalidRequest:
        return None


def need(value: Any, name: str, path: str) -> str:
    """Return an id.

    Raises:
        Refused: If it is missing or no text of a sane length.
    """
    if value is None or value == "":
        raise Refused("SCH_REQUIRED_FIELD_MISSING", f"{name} is missing", path)
    if not isinstance(value, str) or len(value) > LONGEST_ID:
        raise Refused("SCH_INVALID_FORMAT", f"{name} is not a text of a sane length", path)
    return value


def power_kw(value: Any, unit: Any) -> float | None:
    """Return a power given with its unit, kW where none is said. [kW]"""
    amount = number(value)
    if amount is None:
        return None
    return amount * {"MW": 1000.0, "W": 0.001, "GW": 1e6}.get(text(unit).strip().upper(), 1.0)


def order_object(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the object a message must have.

    Raises:
        Refused: If it is missing.
    """
    found = message.get(name)
    if not isinstance(found, dict):
        raise Refused(
            "SCH_REQUIRED_FIELD_MISSING", f"the message has no {name}", f"$.message.{name}"
        )
    return found
