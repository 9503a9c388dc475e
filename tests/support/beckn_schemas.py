"""Validators of the published schemas, read from the shared reference material."""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema_rs
import yaml

from tests.support.shared import shared_path

LTS = "beckn/v2.0.0-lts/beckn-2026-07-08.yaml"
V1 = "beckn/v1.1.1/transaction.yaml"
RC1 = "beckn/v2.0.0-rc1/beckn.yaml"


@cache
def _document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(shared_path(name).read_text(encoding="utf-8"), Loader=_Loader)
    return found


class _Loader(yaml.SafeLoader):
    """YAML without dates: they stay text, as in JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@cache
def _validator(name: str, pointer: tuple[str, ...]) -> Any:
    document = _document(name)
    schema: Any = document
    for step in pointer:
        schema = schema[step]
    parts = {part: document[part] for part in ("components", "paths") if part in document}
    whole = {**parts, "allOf": [schema]}
    if name == RC1:
        return jsonschema_rs.Draft202012Validator(whole, validate_formats=True, retriever=_stored)
    kind = jsonschema_rs.Draft202012Validator if name == LTS else jsonschema_rs.Draft4Validator
    return kind(whole, validate_formats=True)


def _stored(uri: str) -> Any:
    """Return the stored copy of a document that a schema names by its address; nothing is fetched."""
    for branch, place in (("/schema/", "beckn/v2.0.0-rc1/schema/"),):
        if branch in uri:
            return _document(place + uri.split(branch, 1)[1])
    for end, place in (("transaction.yaml", V1), ("core/v2/attributes.yaml", _CORE)):
        if uri.endswith(end):
            return _document(place)
    raise LookupError(f"there is no copy of {uri}")


_CORE = "beckn/v2.0.0-rc1/schema/core/v2/attributes.yaml"


def problems(name: str, action: str, message: Any) -> list[str]:
    """Return what the schema of a request or callback finds wrong with a message."""
    pointer = (
        "paths",
        f"/beckn/{action}" if name == RC1 else f"/{action}",
        "get" if (name, action) == (RC1, "discover") else "post",
        "requestBody",
        "content",
        "application/json",
        "schema",
    )
    return [error.message for error in _validator(name, pointer).iter_errors(message)]


def answer_problems(schema: str, body: Any) -> list[str]:
    """Return what a named schema of the LTS file finds wrong with the body of an answer."""
    found = _validator(LTS, ("components", "schemas", schema)).iter_errors(body)
    return [error.message for error in found]
