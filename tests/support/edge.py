"""Clients of the HTTP edge over fake services."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from flask import Flask
from flask.testing import FlaskClient

from models.domain.access import Caller, Role
from services.facade import Services
from tests.support.fake_services import FakeServices
from web import WebSettings, create_bare

SECRET = "a secret that only tests use"

KEYS = {
    "submitter-key": Caller("ada", Role.SUBMITTER, "key-1"),
    "operator-key": Caller("ada", Role.OPERATOR, "key-2"),
    "auditor-key": Caller("eve", Role.AUDITOR, "key-3"),
    "stranger-key": Caller("bob", Role.OPERATOR, "key-4"),
}
"""Callers by secret, for a server with keys."""


def bare_app(services: FakeServices, **settings: Any) -> Flask:
    """Return the API alone over fake services."""
    app = create_bare(cast(Services, services), WebSettings(secret_key=SECRET, **settings))
    app.testing = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    return app


def client_of(services: FakeServices, **settings: Any) -> FlaskClient:
    """Return a client of the API over fake services."""
    return bare_app(services, **settings).test_client()


def bearer(secret: str) -> dict[str, str]:
    """Return the headers that show a key."""
    return {"Authorization": f"Bearer {secret}"}


def wrong_fields(problem: dict[str, Any]) -> set[str]:
    """Return the names of the fields a 422 answer complains about."""
    return {error["field"] for error in problem["errors"]}


def names(items: Iterable[dict[str, Any]], field: str) -> list[Any]:
    """Return one field of every item."""
    return [item[field] for item in items]
