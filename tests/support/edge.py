"""Clients of the HTTP edge over fake services."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable
from typing import Any, cast

from flask import Flask
from flask.testing import FlaskClient

from models.domain.access import Caller, Role
from services.facade import Services
from tests.support.fake_services import FakeServices
from web import WebSettings, create_bare, create_flask
from web.context import SERVICES
from web.limits import TokenBuckets

SECRET = "a secret that only tests use"

KEYS = {
    "submitter-key": Caller("ada", Role.SUBMITTER, "key-1"),
    "operator-key": Caller("ada", Role.OPERATOR, "key-2"),
    "auditor-key": Caller("eve", Role.AUDITOR, "key-3"),
    "stranger-key": Caller("bob", Role.OPERATOR, "key-4"),
}
"""Callers by secret, for a server with keys."""


Create = Callable[[Services, WebSettings], Flask]
"""Makes an app, as `web.create_bare` and `web.create_flask` do."""


def app_of(create: Create, services: FakeServices, **settings: Any) -> Flask:
    """Return an app of its own over fake services; hang further routes on it in `create` only.

    Services, configuration and counters are its own. Routes and templates, whose compiling takes longer than most
    tests, are those of every app that was created in the same way with the same settings.
    """
    chosen = WebSettings(secret_key=SECRET, **settings)
    if chosen.trusted_proxies:  # what is wrapped around an app calls only that one
        return _created(create, services, chosen)
    pattern = _pattern(create, chosen)
    app = copy.copy(pattern)
    app.config = copy.copy(pattern.config)
    app.extensions = {
        **pattern.extensions,
        SERVICES: services,
        "rate": TokenBuckets(chosen.rate_limit_per_minute),
        "wrong_keys": TokenBuckets(chosen.failed_keys_per_minute),
    }
    return app


@functools.cache
def _pattern(create: Create, settings: WebSettings) -> Flask:
    """Return an app to copy."""
    return _created(create, FakeServices(), settings)


def _created(create: Create, services: FakeServices, settings: WebSettings) -> Flask:
    app = create(cast(Services, services), settings)
    app.testing = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    return app


def bare_app(services: FakeServices, **settings: Any) -> Flask:
    """Return the API alone over fake services."""
    return app_of(create_bare, services, **settings)


def whole_app(services: FakeServices, **settings: Any) -> Flask:
    """Return API and pages over fake services."""
    return app_of(create_flask, services, **settings)


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
