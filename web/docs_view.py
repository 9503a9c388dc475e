"""The OpenAPI document as rows for the API page; the template only places them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

MOST_VALUES = 8
"""Values of an enumeration that are written out in a cell."""


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter or field."""

    name: str
    kind: str
    """Type in words."""
    model: str | None
    """Name of the model the type refers to, for a link."""
    says: str
    allowed: str
    is_required: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """One status with what it carries."""

    status: str
    phrase: str
    kinds: tuple[str, ...]
    model: str | None


@dataclass(frozen=True, slots=True)
class Call:
    """One operation."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[Row, ...]
    body: str | None
    answers: tuple[Answer, ...]
    failures: str
    curl: str


@dataclass(frozen=True, slots=True)
class Group:
    """Operations of one tag."""

    name: str
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class ModelView:
    """One model with its fields, or a set of words."""

    name: str
    says: str
    rows: tuple[Row, ...]
    words: str
    """The words of a set, with commas; empty for a model with fields."""


def paragraphs(text: str) -> tuple[tuple[tuple[str, bool], ...], ...]:
    """Return a text as paragraphs of (piece, is code): blank lines part paragraphs, backticks mark code."""
    return tuple(
        tuple((piece, place % 2 == 1) for place, piece in enumerate(part.split("`")) if piece)
        for part in text.split("\n\n")
    )


def groups_of(document: Json) -> tuple[Group, ...]:
    """Return the operations by tag, in the order of the document."""
    calls: dict[str, list[Call]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            calls[operation["tags"][0]].append(_call(path, method, operation))
    return tuple(Group(name, tuple(found)) for name, found in calls.items())


def models_of(document: Json) -> tuple[ModelView, ...]:
    """Return the models and sets of words, by name."""
    return tuple(
        ModelView(
            name,
            schema.get("description", "").split("\n")[0],
            tuple(
                _row(field, inner, field in schema.get("required", ()))
                for field, inner in schema.get("properties", {}).items()
            ),
            ", ".join(map(str, schema.get("enum", ()))),
        )
        for name, schema in document["components"]["schemas"].items()
    )


def _call(path: str, method: str, operation: Json) -> Call:
    body = operation.get("requestBody")
    answers = []
    failures = []
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        if status >= "400":
            failures.append(status)
            continue
        schema = content.get("application/json", {}).get("schema", {})
        answers.append(Answer(status, answer["description"], tuple(content), _target(schema)))
    return Call(
        anchor=operation["operationId"].replace("_", "-"),
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation.get("description", ""),
        parameters=tuple(
            _row(one["name"], {**one["schema"], **_said(one)}, one["required"], where=one["in"])
            for one in operation["parameters"]
        ),
        body=_target(body["content"]["application/json"]["schema"]) if body else None,
        answers=tuple(answers),
        failures=", ".join(failures),
        curl=_curl(path, method, has_body=body is not None),
    )


def _said(parameter: Json) -> Json:
    return {"description": parameter["description"]} if "description" in parameter else {}


def _curl(path: str, method: str, *, has_body: bool) -> str:
    verb = "" if method == "get" else f" -X {method.upper()}"
    body = " -H 'Content-Type: application/json' -d '{…}'" if has_body else ""
    return f"curl{verb} http://localhost:5000{path}{body}"


def _row(name: str, schema: Json, is_required: bool, *, where: str = "") -> Row:
    kind, model = _kind(schema)
    return Row(
        name=name,
        kind=f"{kind}, in {where}" if where in {"header", "path"} else kind,
        model=model,
        says=schema.get("description", ""),
        allowed=_allowed(schema),
        is_required=is_required,
    )


def _kind(schema: Json) -> tuple[str, str | None]:
    """Return a type in words and the model it refers to."""
    target = _target(schema)
    if target:
        return target, target
    if "anyOf" in schema:
        branches = [_kind(branch) for branch in schema["anyOf"]]
        return " or ".join(kind for kind, _ in branches), next((m for _, m in branches if m), None)
    if "enum" in schema:
        return "text", None
    kind = schema.get("type", "anything")
    if kind == "array":
        inner, model = _kind(schema["items"]) if "items" in schema else ("values", None)
        return f"list of {inner}", model
    words = {
        "string": "date and time" if schema.get("format") == "date-time" else "text",
        "number": "number",
        "integer": "whole number",
        "boolean": "true or false",
        "object": "object",
    }
    return words.get(str(kind), str(kind)), None


def _target(schema: Json) -> str | None:
    reference = schema.get("$ref")
    return str(reference).rsplit("/", 1)[-1] if reference else None


def _allowed(schema: Json) -> str:
    said = schema.get("x-allowed", "")
    if not said and "enum" in schema:
        said = _shortened(schema["enum"])
    default = schema.get("default")
    if default is None or default == []:
        return str(said)
    shown = default if isinstance(default, str) else json.dumps(default)
    return f"{said}; default {shown}" if said else f"default {shown}"


def _shortened(values: Sequence[Any]) -> str:
    shown = ", ".join(str(value) for value in values[:MOST_VALUES])
    return shown + (", …" if len(values) > MOST_VALUES else "")
