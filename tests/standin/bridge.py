"""Let clients talk to the stand-in's routes without a socket: `responses` hands each request to a Flask test client."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import responses

from api_clients.http import HttpClient, Limits
from models.domain.time import Clock
from tests.standin.server import create_standin
from tests.standin.state import StandInState
from tests.standin.world import choose_world

CARBON_URL = "https://carbon.example"
OCTOPUS_URL = "https://octopus.example/v1"

_PREFIXES = {CARBON_URL: "/carbon", OCTOPUS_URL: "/octopus/v1"}


class Bridge:
    """The stand-in's routes behind two invented addresses."""

    def __init__(
        self, mock: responses.RequestsMock, now: datetime, which: str = "simulated"
    ) -> None:
        """Register the addresses with an active mock."""
        self.state = StandInState(now)
        self.app = create_standin(self.state, choose_world(now, which))
        self._browser = self.app.test_client()
        for base, prefix in _PREFIXES.items():
            mock.add_callback(
                responses.GET,
                re.compile(f"{re.escape(base)}/.*"),
                callback=lambda request, base=base, prefix=prefix: self._answer(
                    request, base, prefix
                ),
            )

    def _answer(
        self, request: requests.PreparedRequest, base: str, prefix: str
    ) -> tuple[int, dict[str, str], str]:
        assert request.url is not None
        parts = urlsplit(request.url)
        root = urlsplit(base)
        path = prefix + parts.path.removeprefix(root.path)
        answer = self._browser.get(path + (f"?{parts.query}" if parts.query else ""))
        text = answer.get_data(as_text=True).replace(f"http://localhost{prefix}", base)
        return answer.status_code, dict(answer.headers), text


def make_http(folder: Path, clock: Clock, **options: Any) -> HttpClient:
    """Return a client that never sleeps and retries once."""
    waits: list[float] = options.pop("waits", [])
    defaults: dict[str, Any] = {
        "limits": Limits(max_retries=1, failures_to_open=50),
        "rates": {},
        "sleep": waits.append,
    }
    return HttpClient(folder, clock, "Halfhour/test (+tests)", 1.0, 1.0, **(defaults | options))
