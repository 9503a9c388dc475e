"""The real app on a simulated grid, served on loopback, and a browser to look at it."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from config import Settings
from tests.support.running import keep_templates

logging.getLogger("werkzeug").setLevel(logging.ERROR)

CLOCK = "2026-11-21T10:07:00Z"
"""A Saturday in November; the clock of every server here starts then."""


@dataclass(frozen=True)
class Served:
    """A running server."""

    url: str
    app: Any

    @property
    def services(self) -> Any:
        """Return its use cases."""
        return self.app.extensions["services"]


def _serve(folder: Path, **more: str) -> Iterator[Served]:
    from app import create_app

    settings = Settings.from_env(
        {
            "HALFHOUR_GRID_SOURCE": "simulated",
            "HALFHOUR_CLOCK": CLOCK,
            "HALFHOUR_DATA_DIR": str(folder / "data"),
            "HALFHOUR_LOGS_DIR": str(folder / "logs"),
            "HALFHOUR_DATABASE_URL": f"sqlite:///{folder / 'ui.sqlite'}",
            "HALFHOUR_LOG_LEVEL": "ERROR",
            **more,
        }
    )
    app = create_app(settings)
    keep_templates(app)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Served(f"http://127.0.0.1:{server.server_port}", app)
    server.shutdown()
    thread.join(timeout=10)
    server.server_close()


@pytest.fixture
def empty_server(tmp_path: Path) -> Iterator[Served]:
    """Serve an installation nobody has used yet."""
    yield from _serve(tmp_path)


@pytest.fixture(scope="session")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve an installation with the demo; tests must not change what others look at."""
    for served in _serve(tmp_path_factory.mktemp("demo")):
        from web.auth import OPEN_CALLER

        served.services.load_demo(OPEN_CALLER)
        yield served


@pytest.fixture
def keyed_server(tmp_path: Path) -> Iterator[Served]:
    """Serve an installation where keys are needed."""
    yield from _serve(tmp_path, HALFHOUR_API_KEYS="ada:operator:a-key-only-tests-know")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Debian's chromium, or the browser playwright brought along."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        if found is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("no chromium on this machine")
        launched = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Open a page in a window of common size; a message on its console fails the test."""
    yield from _page(browser, viewport={"width": 1280, "height": 900})


@pytest.fixture
def page_without_scripts(browser: Browser) -> Iterator[Page]:
    """Open a page in a browser that runs no script."""
    yield from _page(browser, java_script_enabled=False)


def _page(browser: Browser, **options: Any) -> Iterator[Page]:
    context = browser.new_context(locale="en-GB", timezone_id="Europe/London", **options)
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda m: said.append(m.text) if m.type in {"error", "warning"} else None)
    opened.on("pageerror", lambda error: said.append(str(error)))
    yield opened
    context.close()
    expected = "Failed to load resource: the server responded with a status of"
    assert [text for text in said if not text.startswith(expected)] == []


@pytest.fixture(scope="session")
def axe() -> Axe:
    """Return the accessibility checker."""
    return Axe()


AXE_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
"""Which rules are checked (WCAG 2.2 A and AA, and axe's best practices) and told of: not every place that is right."""


def violations(axe: Axe, page: Page) -> list[str]:
    """Return what axe finds wrong with a page, one line a rule with the first places."""
    found = axe.run(page, options=AXE_OPTIONS).response["violations"]
    return [
        f"{rule['id']}: {rule['help']}: "
        + "; ".join(node["html"][:120] for node in rule["nodes"][:3])
        for rule in found
    ]
