"""Every test here that asks for a database runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from storage.database import Database
from storage.unit_of_work import SqlUnitOfWorkFactory
from tests.support.databases import (
    database,
    database_url,
    template_postgres,
    template_sqlite,
)
from tests.support.postgres import postgres_url

__all__ = ["database", "database_url", "postgres_url", "template_postgres", "template_sqlite"]


class SystemTime:
    """System time that a test sets."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant

    def __call__(self) -> datetime:
        return self.instant


@pytest.fixture
def system_time() -> SystemTime:
    return SystemTime(datetime(2026, 11, 21, 14, 55, tzinfo=UTC))


@pytest.fixture
def units(database: Database, system_time: SystemTime) -> SqlUnitOfWorkFactory:
    return SqlUnitOfWorkFactory(database, system_now=system_time)
