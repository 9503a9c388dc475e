"""Clean, migrated databases for tests, on SQLite and on PostgreSQL.

Import the fixtures into a `conftest.py`: `database_url`, `database`, `template_sqlite`, `template_postgres` and
`tests.support.postgres.postgres_url`. A test that asks for `database_url` or `database` runs on both.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.engine import Dialect

from storage.database import Database, normal_url, open_database
from storage.migrate import upgrade

_numbers = itertools.count(1)

_compiled: dict[str, tuple[Dialect, dict[object, object]]] = {}
"""By name of a dialect: one object of it, and the statements compiled for it by any test so far."""

BOTH = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))
"""Parameters of a fixture or test that runs on both databases."""


def administer(url: str, statement: str) -> None:
    """Run one statement outside a transaction, such as `CREATE DATABASE`."""
    engine = create_engine(normal_url(url), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()


def on_same_server(url: str, name: str) -> str:
    """Return the URL of another database on the same server."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def opened_warm(url: str) -> Database:
    """Return an open database of its own that remembers how other tests' statements compile.

    An engine compiles every statement at its first use, which is most of what a short test would do. What was
    compiled is the same for every file, but is only found again under the same dialect object.
    """
    database = open_database(url)
    engine = database.engine
    if engine.dialect.name not in _compiled:
        engine.connect().close()  # the dialect learns from its first connection what the server can do
        _compiled[engine.dialect.name] = (engine.dialect, {})
    engine.dialect, statements = _compiled[engine.dialect.name]
    engine.update_execution_options(compiled_cache=statements)
    return database


def fresh_name() -> str:
    """Return a database name that this test session has not used."""
    import os

    return f"halfhour_test_{os.getpid()}_{next(_numbers)}"


@pytest.fixture(scope="session")
def template_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a migrated SQLite file to copy from."""
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def template_postgres(postgres_url: str) -> Iterator[str]:
    """Give the name of a migrated PostgreSQL database to copy from."""
    name = fresh_name()
    administer(postgres_url, f'CREATE DATABASE "{name}"')
    upgrade(on_same_server(postgres_url, name))
    yield name
    administer(postgres_url, f'DROP DATABASE "{name}"')


def copied(request: pytest.FixtureRequest, kind: str, folder: Path) -> Iterator[str]:
    """Give the URL of a clean, migrated database of a kind, and drop it afterwards."""
    if kind == "sqlite":
        path = folder / "halfhour.sqlite3"
        shutil.copy(request.getfixturevalue("template_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    server = request.getfixturevalue("postgres_url")
    template = request.getfixturevalue("template_postgres")
    name = fresh_name()
    administer(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield on_same_server(server, name)
    administer(server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a clean, migrated database; the test runs on each kind."""
    yield from copied(request, request.param, tmp_path)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Give an open, clean, migrated database; the test runs on each kind."""
    opened = opened_warm(database_url)
    yield opened
    opened.dispose()
