"""Fixtures of the running app: started as a user starts it, against the stand-in, simulated or replayed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.standin.server import StandIn
from tests.support.app_process import RunningApp
from tests.support.exchange_table import ExchangeTable

StartApp = Callable[..., RunningApp]

LONG = ("test_faults", "test_crash", "test_providers", "test_concurrency", "test_schemathesis")
"""The files that take longest, the longest first: one that came last would leave a processor idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; others keep their order."""
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONG)))


@pytest.fixture(scope="session")
def exchanges() -> Iterator[ExchangeTable]:
    """Collect journeys and faults of the market; they become a page where HALFHOUR_TEST_EXCHANGE_TABLE names one."""
    found = ExchangeTable()
    yield found
    path = os.environ.get("HALFHOUR_TEST_EXCHANGE_TABLE")
    if path:
        found.write(Path(path))


@pytest.fixture
def start_app(tmp_path: Path) -> Iterator[StartApp]:
    """Give a function that starts apps, each in a folder of its own below `tmp_path`; they are ended afterwards."""
    yield from starting(tmp_path)


@pytest.fixture(scope="module")
def start_shared_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartApp]:
    """Give the same for apps that all tests of a module share."""
    yield from starting(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def running_app(start_app: StartApp) -> RunningApp:
    """Give a running app on a simulated grid."""
    return start_app()


def starting(folder: Path) -> Iterator[StartApp]:
    """Yield a function that starts apps, and end what it started."""
    started: list[RunningApp] = []

    def start(
        name: str | None = None, *, standin: StandIn | None = None, **settings: str
    ) -> RunningApp:
        if standin is not None:
            settings = {**against(standin), **settings}
        app = RunningApp(folder / (name or f"app-{len(started) + 1}"), **settings)
        started.append(app)
        return app

    yield start
    for app in started:
        app.kill()


def against(standin: StandIn) -> dict[str, str]:
    """Return the settings of an app whose providers and clock are the stand-in's."""
    return {
        "HALFHOUR_GRID_SOURCE": "auto",
        "HALFHOUR_CARBON_INTENSITY_URL": standin.carbon_url,
        "HALFHOUR_OCTOPUS_URL": standin.octopus_url,
        "HALFHOUR_CLOCK": standin.now().isoformat(),
    }
