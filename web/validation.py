"""From pydantic's report to sentences: field, value, what is allowed, what to do. All wrong fields at once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from models.domain.errors import FieldError, InvalidRequest
from web.schemas.fields import Wanted

Model = TypeVar("Model", bound=Wanted)

MOST_ERRORS = 50
"""Errors listed at most; a body of a thousand wrong rows need not be answered row by row."""

_SENTENCES: Mapping[str, str] = {
    "missing": "is required",
    "float_type": "is not a number",
    "int_type": "is not a whole number",
    "int_from_float": "is not a whole number",
    "int_parsing": "is not a whole number",
    "int_parsing_size": "is too large",
    "float_parsing": "is not a number",
    "finite_number": "is not a finite number",
    "bool_type": "is neither true nor false",
    "bool_parsing": "is neither true nor false",
    "string_type": "is not text",
    "list_type": "is not a list",
    "tuple_type": "is not a list",
    "dict_type": "is not an object",
    "model_type": "is not an object",
    "string_too_short": "is too short",
    "string_too_long": "is too long",
    "too_short": "has too few entries",
    "too_long": "has too many entries",
    "enum": "is not one of the values allowed",
    "literal_error": "is not one of the values allowed",
    "greater_than": "is too small",
    "greater_than_equal": "is too small",
    "less_than": "is too large",
    "less_than_equal": "is too large",
    "string_pattern_mismatch": "has characters that are not allowed",
    "string_unicode": "is not text",
}
"""What is wrong, by pydantic's name for it."""


def validate(model: type[Model], value: Any, *, whole: str = "the body") -> Model:
    """Return a request as its model.

    Args:
        model: What is expected.
        value: What was sent: an object from JSON, or names and texts of a query.
        whole: What to call the request where it is wrong as a whole.

    Raises:
        InvalidRequest: With one `FieldError` for every wrong field.
    """
    try:
        found = model.model_validate(value)
    except ValidationError as error:
        details = _without_echoes(error.errors(include_url=False))[:MOST_ERRORS]
        fields = tuple(_field_error(model, detail, whole) for detail in details)
        raise InvalidRequest(_headline(fields, whole), fields) from None
    fields = found.crosscheck()
    if fields:
        raise InvalidRequest(_headline(fields, whole), fields)
    return found


def _without_echoes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out that a list is too short where only its wrong entries make it so."""
    places = [detail["loc"] for detail in details]

    def is_echo(detail: ErrorDetails) -> bool:
        loc = detail["loc"]
        is_short = detail["type"] == "too_short"
        return is_short and any(len(p) > len(loc) and p[: len(loc)] == loc for p in places)

    return [detail for detail in details if not is_echo(detail)]


def _headline(fields: Sequence[FieldError], whole: str) -> str:
    names = list(dict.fromkeys(field.field or whole for field in fields))
    if len(fields) == 1:
        return f"{names[0]}: {fields[0].message}"
    return f"{len(fields)} fields are wrong: {', '.join(names)}"


def _field_error(model: type[BaseModel], detail: ErrorDetails, whole: str) -> FieldError:
    path = tuple(detail["loc"])
    name = ".".join(str(part) for part in path)
    kind = detail["type"]
    if kind in {"too_short", "too_long"} and isinstance(detail["input"], str):
        kind = f"string_{kind}"
    if kind == "extra_forbidden":
        return _unknown_field(model, path, detail["input"])
    notes = _notes(model, path)
    allowed = notes.get("x-allowed") or _allowed_by_context(detail)
    message = _SENTENCES.get(kind) or detail["msg"].removeprefix("Value error, ")
    value = None if kind == "missing" else detail["input"]
    if not path:
        message = "must be a JSON object" if kind in {"model_type", "dict_type"} else message
        value = None if isinstance(value, Mapping) else value
        allowed = allowed or ("an object" if kind in {"model_type", "dict_type"} else None)
    cure = notes.get("x-cure") or (f"send {allowed}" if allowed else f"correct {name or whole}")
    if kind == "missing":
        cure = f"add {name}: {allowed}" if allowed else f"add {name}"
    return FieldError(name, message, value, allowed, cure)


def _unknown_field(model: type[BaseModel], path: tuple[Any, ...], value: Any) -> FieldError:
    """Say which fields there are, and which one was probably meant."""
    owner = model
    for part in path[:-1]:
        info = owner.model_fields.get(part) if isinstance(part, str) else None
        owner = (_model_within(info.annotation) if info else None) or owner
    names = list(owner.model_fields)
    wrong = str(path[-1])
    near = difflib.get_close_matches(wrong, names, 1)
    return FieldError(
        ".".join(str(part) for part in path)[:200],
        "is not a field of this request",
        value,
        ", ".join(names) or "no fields",
        f"did you mean {near[0]}?" if near else f"leave {wrong[:80]} out",
    )


def _notes(model: type[BaseModel], path: tuple[Any, ...]) -> Mapping[str, Any]:
    """Return what the field says about itself: `x-allowed` and `x-cure`; of a part, what the part says."""
    notes: Mapping[str, Any] = {}
    owner: type[BaseModel] | None = model
    for part in path:
        info = owner.model_fields.get(part) if owner is not None and isinstance(part, str) else None
        if info is None:
            continue
        extra = info.json_schema_extra
        notes = extra if isinstance(extra, Mapping) else {}
        owner = _model_within(info.annotation)
    return notes


def _model_within(kind: Any) -> type[BaseModel] | None:
    """Return the model a field's type is made of, such as that of the entries of a list."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next((found for inner in get_args(kind) if (found := _model_within(inner))), None)


def _allowed_by_context(detail: ErrorDetails) -> str | None:
    """Return the limit that pydantic names, in words."""
    context = detail.get("ctx", {})
    words = {
        "gt": "more than {}",
        "ge": "at least {}",
        "lt": "less than {}",
        "le": "at most {}",
        "min_length": "at least {} long",
        "max_length": "at most {} long",
        "expected": "{}",
        "pattern": "text like {}",
    }
    for name, text in words.items():
        if name in context:
            return text.format(context[name])
    return None
