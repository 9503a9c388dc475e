"""The description of the API (OpenAPI 3.1), made from the routes, their `Operation`s and the pydantic models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from models.domain.regions import REGIONS
from web.context import SETTINGS
from web.idempotency import HEADER as IDEMPOTENCY_KEY
from web.operation import ATTRIBUTE, Operation
from web.problems import MEDIA_TYPE as PROBLEM_TYPE
from web.schemas.fields import IDENTIFIER_PATTERN
from web.schemas.records import ProblemOut, example_fields

Json = dict[str, Any]

EVERYWHERE: Final = (400, 401, 403, 413, 422, 429, 500, 503)
"""Statuses of failure that every operation may have."""

_REFERENCE: Final = "#/components/schemas/{model}"
_DESCRIPTION: Final = """\
Plan deferrable compute over the half-hours of the GB grid.

Power is IT power in kW; energy, carbon and cost are at the meter. Money is GBP ex VAT unless a name says otherwise; \
prices are Octopus Agile, a household proxy that gives the price shape. Carbon is estimated, average and \
location-based. Unknown is `null`, never zero.

Times are RFC 3339: requests need an offset, answers are UTC. Lists are `{items, next_cursor}`, and CSV by \
`Accept: text/csv` or the suffix `.csv`. Errors are problem details (RFC 9457).

An `Idempotency-Key` on POST makes repeating safe. Without keys only this machine is served; with keys send \
`Authorization: Bearer …` or `X-API-Key: …`."""
_HEADERS: Final[dict[str, Json]] = {
    "Location": {"description": "Where to follow it.", "schema": {"type": "string"}},
    "Retry-After": {"description": "When to look again. [s]", "schema": {"type": "string"}},
    "Link": {"description": "The next page, `rel=next`.", "schema": {"type": "string"}},
}


def describe(app: Flask) -> Json:
    """Return the OpenAPI document of an app."""
    found = list(_operations(app))
    models: set[type[BaseModel]] = {ProblemOut}
    for _, _, about, _ in found:
        models.update(model for model in about.answers.values() if model is not None)
        models.add(about.query)
        if about.body is not None:
            models.add(about.body)
    ordered = sorted(models, key=lambda model: model.__name__)
    _, definitions = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=_REFERENCE
    )
    schemas = definitions["$defs"]
    paths: Json = {}
    for rule, method, about, handler in found:
        paths.setdefault(_path(rule), {})[method.lower()] = _operation(
            rule, method, about, handler, schemas
        )
    for model in ordered:
        if model.__name__.endswith("Query"):
            schemas.pop(model.__name__)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Halfhour",
            "version": app.extensions[SETTINGS].version,
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(about.tag for _, _, about, _ in found)],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "session": {"type": "apiKey", "in": "cookie", "name": "halfhour_session"},
            },
        },
        "security": [{}, {"bearer": []}, {"header": []}, {"session": []}],
    }


def _operations(app: Flask) -> Iterator[tuple[Rule, str, Operation, Any]]:
    """Yield every route and method that is an operation, in the order in which they were registered."""
    for rule in app.url_map.iter_rules():
        handler = app.view_functions[rule.endpoint]
        about = getattr(handler, ATTRIBUTE, None)
        if isinstance(about, Operation):
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule, method, about, handler


def _path(rule: Rule) -> str:
    return re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule).replace("region_slug", "region")


def _operation(rule: Rule, method: str, about: Operation, handler: Any, schemas: Json) -> Json:
    is_csv = rule.rule.endswith(".csv")
    lines = (handler.__doc__ or "").strip().split("\n")
    described: Json = {
        "operationId": handler.__name__ + ("_csv" if is_csv else ""),
        "tags": [about.tag],
        "summary": lines[0] + (" As CSV." if is_csv else ""),
        "parameters": [*_path_parameters(rule), *_query_parameters(about, schemas)],
        "responses": _responses(rule, method, about, is_csv=is_csv),
    }
    more = "\n".join(line.strip() for line in lines[1:]).strip()
    if more:
        described["description"] = more
    if method == "POST":
        described["parameters"].append(
            {
                "name": IDEMPOTENCY_KEY,
                "in": "header",
                "required": False,
                "description": "Your name for this attempt: repeated with it, the request has one effect.",
                "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,200}$"},
            }
        )
    if about.body is not None:
        described["requestBody"] = {
            "required": not about.body_optional,
            "content": {
                "application/json": {
                    "schema": {"$ref": _REFERENCE.format(model=about.body.__name__)}
                },
                **({"text/csv": {"schema": {"type": "string"}}} if about.takes_table else {}),
            },
        }
    if about.needs is None:
        described["security"] = [{}]
    return described


def _path_parameters(rule: Rule) -> list[Json]:
    parameters = []
    for name in sorted(rule.arguments):
        if name == "region_slug":
            shown, schema = "region", {"type": "string", "enum": list(REGIONS)}
        elif name == "slug":
            shown, schema = name, {"type": "string"}
        else:
            shown, schema = name, {"type": "string", "pattern": IDENTIFIER_PATTERN}
        parameters.append({"name": shown, "in": "path", "required": True, "schema": schema})
    return parameters


def _query_parameters(about: Operation, schemas: Json) -> list[Json]:
    """Return the fields of the query model as parameters."""
    model = schemas[about.query.__name__]
    required = set(model.get("required", ()))
    parameters = []
    for name, schema in model.get("properties", {}).items():
        parameter: Json = {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": _without_null(schema),
        }
        if "description" in schema:
            parameter["description"] = schema["description"]
        parameters.append(parameter)
    return parameters


def _without_null(schema: Json) -> Json:
    """Return a schema without the null branch: a query parameter is left out instead."""
    branches = [branch for branch in schema.get("anyOf", ()) if branch != {"type": "null"}]
    rest = {k: v for k, v in schema.items() if k not in {"anyOf", "title", "description"}}
    if rest.get("default", "") is None:
        del rest["default"]
    return {**rest, **branches[0]} if len(branches) == 1 else rest


def _responses(rule: Rule, method: str, about: Operation, *, is_csv: bool) -> Json:
    responses: Json = {}
    for status, model in about.answers.items():
        answer: Json = {"description": HTTPStatus(status).phrase}
        content: Json = {}
        if status != 204:
            for media_type in ("text/csv",) if is_csv else about.media_types:
                is_json = media_type == "application/json" and model is not None
                schema: Json = {"type": "string"}
                if is_json and model is not None:
                    schema = {"$ref": _REFERENCE.format(model=model.__name__)}
                content[media_type] = {"schema": schema}
            answer["content"] = content
        names = about.answer_headers.get(status, ())
        if names:
            answer["headers"] = {name: _HEADERS[name] for name in names}
        responses[str(status)] = answer
    if method == "GET":
        responses["304"] = {"description": "Not modified: `If-None-Match` names what you have."}
    failures = {*EVERYWHERE, *about.errors}
    if rule.arguments:
        failures.add(404)
    if method in {"POST", "PATCH"}:
        failures.add(415)
    if method == "POST":
        failures.add(409)
    for status in sorted(failures):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {
                PROBLEM_TYPE: {
                    "schema": {"$ref": _REFERENCE.format(model="ProblemOut")},
                    **({"example": example_fields()} if status == 422 else {}),
                }
            },
        }
    return responses
