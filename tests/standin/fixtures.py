"""Pytest fixtures of the stand-in. Use: `from tests.standin.fixtures import standin`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.standin.server import StandIn


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """Yield a running stand-in whose clock stands at 2023-03-20T10:00Z (recorded data where there are any)."""
    running = StandIn()
    yield running
    running.close()


@pytest.fixture
def simulated_standin() -> Iterator[StandIn]:
    """Yield a running stand-in over the simulated grid: the same on a bare machine."""
    running = StandIn(which="simulated")
    yield running
    running.close()
