"""Builds the Flask app of the HTTP edge from use cases and settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask
from flask.json.provider import JSONProvider

from web import api, converters, problems, security
from web.json_text import json_text, parse_json
from web.settings import WebSettings

if TYPE_CHECKING:
    from services.facade import Services

ROOT = Path(__file__).resolve().parent.parent
"""Folder that holds `templates/` and `static/`."""


class StrictJson(JSONProvider):
    """JSON without NaN on the way out and without mercy on the way in."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """Return compact JSON."""
        return json_text(obj)

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Parse JSON."""
        return parse_json(s.encode() if isinstance(s, str) else s)


class HalfhourFlask(Flask):
    """Flask with our JSON."""

    json_provider_class = StrictJson


def create_bare(services: Services, settings: WebSettings) -> Flask:
    """Return the app with the API alone, without pages."""
    app = HalfhourFlask(
        "halfhour",
        root_path=str(ROOT),
        template_folder="templates",
        static_folder="static",
    )
    converters.install(app)
    security.install(app, settings)
    problems.install(app)
    api.register(app, services)
    return app


def create_flask(services: Services, settings: WebSettings) -> Flask:
    """Return the whole app: API and pages, guards, problems and headers."""
    from web import pages

    app = create_bare(services, settings)
    pages.register(app)
    return app
