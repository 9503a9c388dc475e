"""Ids in paths: anything that could not be an id is no path of ours, so that it is a 404 and never reaches storage."""

from __future__ import annotations

from flask import Flask
from werkzeug.routing import BaseConverter


class Ident(BaseConverter):
    """An id of a job, an asset, a negotiation or a record."""

    regex = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


def install(app: Flask) -> None:
    """Make `<ident:...>` known to the routes."""
    app.url_map.converters["ident"] = Ident
