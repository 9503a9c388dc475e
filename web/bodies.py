"""Reading a request: its JSON body and its query, as models."""

from __future__ import annotations

from typing import Any, TypeVar, get_args, get_origin

from flask import request
from pydantic import BaseModel

from models.domain.errors import FieldError, InvalidRequest
from web import csv_jobs
from web.json_text import JsonError, parse_json
from web.problems import MalformedRequest, UnsupportedMediaType
from web.schemas.fields import Wanted
from web.validation import validate

Model = TypeVar("Model", bound=Wanted)


def read_body(
    model: type[Model], *, may_be_empty: bool = False, takes_table: bool = False
) -> Model:
    """Return the JSON body as a model.

    Args:
        model: What is expected.
        may_be_empty: Whether no body is the same as an empty object.
        takes_table: Whether the body may also be CSV; its lines are the model's `jobs`.

    Raises:
        UnsupportedMediaType: If the body is not said to be JSON.
        MalformedRequest: If it is not JSON after all.
        InvalidRequest: If its fields are wrong.
    """
    raw = request.get_data(cache=True)
    if not raw and may_be_empty:
        return validate(model, {})
    is_table = takes_table and request.mimetype == csv_jobs.MEDIA_TYPE
    if request.mimetype != "application/json" and not is_table:
        sent = request.mimetype or "nothing"
        table = f", or CSV with `{csv_jobs.MEDIA_TYPE}`" if takes_table else ""
        raise UnsupportedMediaType(
            f"the content type is {sent[:80]}; send JSON with `Content-Type: application/json`{table}"
        )
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if charset not in {"utf-8", "utf8", "us-ascii"}:
        raise UnsupportedMediaType(f"bodies travel in UTF-8, not in {charset[:40]}")
    if is_table:
        return validate(model, {"jobs": csv_jobs.read_table(_decoded(raw)).jobs})
    if not raw:
        raise MalformedRequest("the body is empty; send a JSON object")
    try:
        value = parse_json(raw)
    except JsonError as error:
        raise MalformedRequest(str(error)) from error
    return validate(model, value)


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedRequest(
            f"the body is not UTF-8: byte {error.start} cannot be read"
        ) from error


def refuse_body() -> None:
    """Refuse fields where a request takes none; an empty object is fine."""
    read_body(_Nothing, may_be_empty=True)


class _Nothing(Wanted):
    """A request without fields."""


def read_query(model: type[Model]) -> Model:
    """Return the query as a model; a name that is unknown or given twice is an error.

    Raises:
        InvalidRequest: If parameters are wrong.
    """
    given: dict[str, Any] = {}
    twice: list[FieldError] = []
    for name in request.args:
        values = request.args.getlist(name)
        if _is_list(model, name):
            given[name] = values
            continue
        if len(values) > 1:
            twice.append(
                FieldError(
                    name[:80], "is given twice", values, "one value", f"give {name[:80]} once"
                )
            )
        given[name] = values[0]
    if twice:
        raise InvalidRequest(f"{twice[0].field}: {twice[0].message}", tuple(twice))
    return validate(model, given, whole="the query")


def _is_list(model: type[BaseModel], name: str) -> bool:
    info = model.model_fields.get(name)
    if info is None:
        return False
    return any(get_origin(kind) is tuple for kind in (info.annotation, *get_args(info.annotation)))
