"""Two worlds, each with a database of its own, and the lane between the participants on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database
from tests.support.beckn_desk import Market
from tests.support.databases import copied, opened_warm, template_sqlite
from tests.support.world import a_world

__all__ = ["template_sqlite"]


@pytest.fixture
def market(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Market]:
    opened = []
    for name in ("seller", "buyer"):
        (tmp_path / name).mkdir()
        opened += [opened_warm(url) for url in copied(request, "sqlite", tmp_path / name)]
    sold, bought = (
        a_world(database, tmp_path / name / "logs")
        for database, name in zip(opened, ("seller", "buyer"), strict=True)
    )
    yield Market(sold, bought)
    for database in opened:
        database.dispose()


@pytest.fixture
def sqlite_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    for url in copied(request, "sqlite", tmp_path):
        opened = opened_warm(url)
        yield opened
        opened.dispose()
