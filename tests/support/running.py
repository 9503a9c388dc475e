"""The real app over HTTP: real database, real planner, simulated grid, in a folder of the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.serving import WSGIRequestHandler, make_server

from app import create_app
from config import Settings


def real_app(folder: Path, **settings: str) -> Flask:
    """Return the app as `gunicorn app:app` makes it, on a simulated grid; extra settings by environment name."""
    environment = {
        "HALFHOUR_DATA_DIR": str(folder / "var"),
        "HALFHOUR_LOGS_DIR": str(folder / "logs"),
        "HALFHOUR_GRID_SOURCE": "simulated",
        "HALFHOUR_RATE_LIMIT_PER_MINUTE": "0",
        "HALFHOUR_LOG_LEVEL": "ERROR",
        **settings,
    }
    app = create_app(Settings.from_env(environment))
    keep_templates(app)
    return app


class KeptTemplates(BytecodeCache):
    """Compiled templates in memory: they take a second to compile, and every app of a test has its own set."""

    def __init__(self) -> None:
        """Start without any."""
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill in what an app before has compiled from the same source."""
        if bucket.key in self._code:
            bucket.bytecode_from_string(self._code[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        self._code[bucket.key] = bucket.bytecode_to_string()


_TEMPLATES = KeptTemplates()


def keep_templates(app: Flask) -> None:
    """Let an app use the templates that apps before it have compiled."""
    app.jinja_env.bytecode_cache = _TEMPLATES


@contextmanager
def closing_app(folder: Path, **settings: str) -> Iterator[Flask]:
    """Yield the real app and give its connections back afterwards."""
    app = real_app(folder, **settings)
    try:
        yield app
    finally:
        app.extensions["wired"].close()


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """Write no access log."""


@contextmanager
def served(app: Flask) -> Iterator[int]:
    """Yield the port on 127.0.0.1 at which an app is served by threads."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def in_hours(hours: float) -> str:
    """Return an instant some hours from now, as a request writes it."""
    return (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
