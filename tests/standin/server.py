"""Build the stand-in as a Flask app, and run it in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from models.domain.errors import InvalidRequest
from models.domain.time import format_utc, parse_rfc3339
from tests.standin.carbon_routes import carbon_blueprint
from tests.standin.octopus_routes import octopus_blueprint
from tests.standin.state import FAULTS, StandInState
from tests.standin.world import World, choose_world

DEFAULT_NOW = datetime(2023, 3, 20, 10, tzinfo=UTC)
"""A Monday morning inside the recorded data."""


def create_standin(state: StandInState, world: World, *, products_per_page: int = 100) -> Flask:
    """Return the app: `/carbon`, `/octopus/v1` and `/_control`.

    `POST /_control` takes any of `{"now": RFC 3339, "faults": {name: value}, "clear_faults": true,
    "forget_counts": true}`; `GET /_control` shows clock, world, faults that are on, known faults and request counts.
    """
    app = Flask(__name__)

    @app.before_request
    def count() -> None:
        if not request.path.startswith("/_control"):
            state.count(request.path)

    app.register_blueprint(carbon_blueprint(world, state), url_prefix="/carbon")
    app.register_blueprint(
        octopus_blueprint(world, state, products_per_page=products_per_page),
        url_prefix="/octopus/v1",
    )

    @app.get("/_control")
    def show() -> Response:
        return jsonify(
            {
                "now": format_utc(state.now()),
                "world": world.name,
                "faults": state.faults(),
                "known_faults": FAULTS,
                "requests": state.counts(),
            }
        )

    @app.post("/_control")
    def control() -> Any:
        wanted = request.get_json(silent=True)
        if not isinstance(wanted, dict):
            return jsonify({"error": "send a JSON object"}), 400
        try:
            if wanted.get("clear_faults"):
                state.clear_faults()
            for name, value in dict(wanted.get("faults") or {}).items():
                state.set_fault(name, value)
            if "now" in wanted:
                state.set_now(parse_rfc3339(str(wanted["now"])))
        except (ValueError, InvalidRequest) as error:
            return jsonify({"error": str(error)}), 400
        if wanted.get("forget_counts"):
            state.forget_counts()
        return show()

    return app


class StandIn:
    """A running stand-in."""

    def __init__(
        self,
        now: datetime | Callable[[], datetime] = DEFAULT_NOW,
        *,
        port: int = 0,
        rate: float = 0.0,
        which: str = "auto",
        faults: dict[str, Any] | None = None,
        products_per_page: int = 100,
    ) -> None:
        """Start serving on loopback.

        Args:
            now: Start of its clock, or a clock.
            port: Port; 0 takes a free one.
            rate: Seconds of its time per second; 0 stands still.
            which: `auto`, `recorded` or `simulated` data.
            faults: Faults on from the start.
            products_per_page: Length of a page of products.
        """
        self.state = StandInState(now, rate=rate, faults=faults)
        self.world = choose_world(self.state.now(), which)
        self.app = create_standin(self.state, self.world, products_per_page=products_per_page)
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", port, self.app, threaded=True, request_handler=_Quiet
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Return the root address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def carbon_url(self) -> str:
        """Return the value for HALFHOUR_CARBON_INTENSITY_URL."""
        return f"{self.url}/carbon"

    @property
    def octopus_url(self) -> str:
        """Return the value for HALFHOUR_OCTOPUS_URL."""
        return f"{self.url}/octopus/v1"

    @property
    def request_counts(self) -> dict[str, int]:
        """Return requests by path."""
        return self.state.counts()

    def requests_under(self, prefix: str) -> int:
        """Return how many requests went to paths that begin so, e.g. `/carbon`."""
        return sum(n for path, n in self.request_counts.items() if path.startswith(prefix))

    def now(self) -> datetime:
        """Return its present."""
        return self.state.now()

    def set_now(self, instant: datetime) -> None:
        """Set its clock."""
        self.state.set_now(instant)

    def set_fault(self, name: str, value: Any = True) -> None:
        """Switch a fault on, or off with False."""
        self.state.set_fault(name, value)

    def clear_faults(self) -> None:
        """Switch every fault off."""
        self.state.clear_faults()

    def close(self) -> None:
        """Stop serving; slow answers under way end at once."""
        self.state.stopped.set()
        self._server.shutdown()
        self._thread.join(timeout=10)
        self._server.server_close()


class _Quiet(WSGIRequestHandler):
    """Serves without a line per request."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Say nothing."""
