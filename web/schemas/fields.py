"""Types of single fields: every one says its unit, its range and what to do when it is wrong."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import (
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    Strict,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from models.domain.errors import FieldError, InvalidRequest
from models.domain.regions import REGIONS
from models.domain.time import parse_rfc3339

IDENTIFIER_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""Ids of jobs and assets: they stand in paths, file names and records."""

RESERVED_IDS: Final = frozenset({"verify"})
"""Ids that would hide a path of the API."""

_RFC3339 = re.compile(
    r"20\d\d-[01]\d-[0-3]\d[Tt ][0-2]\d:[0-5]\d(:[0-5]\d(\.\d{1,9})?)?([Zz]|[+-][0-2]\d:[0-5]\d)"
)
_NUMBER = re.compile(r"[+-]?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})([eE][+-]?\d{1,3})?")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Wanted(BaseModel):
    """A request; an unknown field is an error, not a shrug."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def crosscheck(self) -> tuple[FieldError, ...]:
        """Return what is wrong between fields that are fine alone."""
        return ()


class Shown(BaseModel):
    """A part of an answer; handlers build plain objects of exactly this shape, a test checks that they do."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def field(
    says: str,
    *,
    allowed: str,
    cure: str | None = None,
    unit: str | None = None,
    default: Any = ...,
    **limits: Any,
) -> Any:
    """Return a field that can explain itself.

    Args:
        says: What it is, one sentence.
        allowed: The allowed range or set in words.
        cure: What to do when it is wrong; by default `send <allowed>`.
        unit: Its unit, if any.
        default: Its value where it is left out; required without.
        **limits: Limits as pydantic knows them (`gt`, `ge`, `le`, `min_length`, `max_length`, `examples`).
    """
    notes: dict[str, JsonValue] = {"x-allowed": allowed}
    if cure:
        notes["x-cure"] = cure
    if unit:
        notes["x-unit"] = unit
    text = f"{says} [{unit}]" if unit else says
    return Field(default, description=text, json_schema_extra=notes, **limits)


def _no_control(value: object) -> object:
    if isinstance(value, str) and _CONTROL.search(value):
        raise PydanticCustomError("control", "holds control characters, which are not allowed")
    return value


def _not_reserved(value: object) -> object:
    if isinstance(value, str) and value.lower() in RESERVED_IDS:
        raise PydanticCustomError("reserved", "is reserved, because a path of the API is called so")
    return value


def _instant(value: object) -> object:
    """Accept RFC 3339 with an offset, from 2000 to 2099.

    Seconds may be left out, and a query may have lost its `+` to a space.
    """
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        text = re.sub(r" (\d\d:\d\d)$", r"+\1", value)
        if _RFC3339.fullmatch(text):
            try:
                return parse_rfc3339(text.upper().replace(" ", "T"))
            except (InvalidRequest, OverflowError):
                raise PydanticCustomError("instant", "is not a time that exists") from None
        if _RFC3339.fullmatch(text + "Z"):
            raise PydanticCustomError("instant", "has no offset, so it could be two instants")
    raise PydanticCustomError("instant", "is not an RFC 3339 date and time between 2000 and 2099")


def _query_number(value: object) -> object:
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            raise PydanticCustomError("number", "is not a number")
        return float(value)
    return value


def _query_whole(value: object) -> object:
    if isinstance(value, str):
        if not re.fullmatch(r"[+-]?\d{1,18}", value):
            raise PydanticCustomError("whole", "is not a whole number")
        return int(value)
    return value


def _query_flag(value: object) -> object:
    words = {"true": True, "1": True, "false": False, "0": False}
    if isinstance(value, str):
        if value.lower() not in words:
            raise PydanticCustomError("flag", "is neither true nor false")
        return words[value.lower()]
    return value


def _region(value: object) -> object:
    if isinstance(value, str) and value in REGIONS:
        return value
    raise PydanticCustomError("region", "is not a region")


REGION_NAMES: Final = ", ".join(REGIONS)
"""Slugs of all regions, for sentences."""

INSTANT_ALLOWED: Final = (
    "an RFC 3339 time with an offset, 2000 to 2099, such as 2026-11-21T18:00:00Z"
)
"""What a time must look like, for sentences."""

Number = Annotated[float, Strict(), AllowInfNan(False)]
Whole = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]
Text = Annotated[str, BeforeValidator(_no_control)]
Identifier = Annotated[
    str, BeforeValidator(_no_control), StringConstraints(pattern=IDENTIFIER_PATTERN)
]
NewIdentifier = Annotated[Identifier, BeforeValidator(_not_reserved)]
Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
RegionSlug = Annotated[
    str, BeforeValidator(_region), WithJsonSchema({"type": "string", "enum": list(REGIONS)})
]
QueryNumber = Annotated[float, BeforeValidator(_query_number), AllowInfNan(False)]
QueryWhole = Annotated[int, BeforeValidator(_query_whole)]
QueryFlag = Annotated[bool, BeforeValidator(_query_flag)]
When = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""A time in an answer: RFC 3339 in UTC."""
Date = Annotated[str, WithJsonSchema({"type": "string", "format": "date"})]
"""A London date in an answer."""


def instant_field(says: str, **more: Any) -> Any:
    """Return a field for a time."""
    return field(
        says,
        allowed=INSTANT_ALLOWED,
        cure="send a time with an offset, such as 2026-11-21T18:00:00Z",
        examples=["2026-11-21T18:00:00Z"],
        **more,
    )


class PageQuery(Wanted):
    """Which part of a list is wanted."""

    limit: QueryWhole = field(
        "How many entries a page has.", allowed="1 to 200", default=50, ge=1, le=200
    )
    cursor: Text | None = field(
        "`next_cursor` of the page before.",
        allowed="a cursor from an answer",
        cure="leave cursor out to begin at the first page",
        default=None,
        min_length=1,
        max_length=512,
    )


def changes_wrong(change: Wanted, never_null: frozenset[str]) -> tuple[FieldError, ...]:
    """Return what is wrong with a set of changes: nothing to change, or null where a value is needed."""
    if not change.model_fields_set:
        names = ", ".join(type(change).model_fields)
        return (FieldError("", "names no field to change", None, names, "name at least one"),)
    return tuple(
        FieldError(name, "cannot be null", None, "a value", f"leave {name} out to keep it")
        for name in sorted(change.model_fields_set & never_null)
        if getattr(change, name) is None
    )
