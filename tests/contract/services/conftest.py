"""Use cases run on a real SQLite database, with a grid that each test scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.database import Database
from tests.support.databases import (
    copied,
    database,
    database_url,
    opened_warm,
    template_postgres,
    template_sqlite,
)
from tests.support.postgres import postgres_url
from tests.support.world import World, a_world

__all__ = ["database", "database_url", "postgres_url", "template_postgres", "template_sqlite"]


@pytest.fixture
def sqlite_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    for url in copied(request, "sqlite", tmp_path):
        opened = opened_warm(url)
        yield opened
        opened.dispose()


@pytest.fixture
def make_world(sqlite_database: Database, tmp_path: Path) -> Callable[..., World]:
    def make(**changes: object) -> World:
        return a_world(sqlite_database, tmp_path / "logs", **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
