"""What a handler can reach: the use cases, the settings of the edge and the id of the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import current_app, g

from web.settings import WebSettings

if TYPE_CHECKING:
    from services.facade import Services

SERVICES = "services"
"""Name of the use cases among the app's extensions."""

SETTINGS = "web_settings"
"""Name of the settings of the edge among the app's extensions."""


def services() -> Services:
    """Return the use cases of the running app."""
    return cast("Services", current_app.extensions[SERVICES])


def web_settings() -> WebSettings:
    """Return the settings of the edge of the running app."""
    return cast("WebSettings", current_app.extensions[SETTINGS])


def request_id() -> str:
    """Return the id of the present request: taken from `X-Request-Id` or made here."""
    return str(g.get("request_id", ""))
