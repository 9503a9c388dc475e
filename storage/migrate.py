"""Bring a database to the schema of this version.

Several processes may start at once: one migrates under a lock, the others wait and then find nothing to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, inspect, text

from storage.database import WRITE_OPTION, Database, make_engine, normal_url
from storage.faults import StorageMisuse, translated

HEAD = "0009"
"""Revision this version of the program works with; a test holds it against the migration files."""

MIGRATIONS = Path(__file__).parent / "migrations"
"""Folder of the Alembic environment."""

_ADVISORY_LOCK = 7_210_441_003
"""Number of the PostgreSQL advisory lock that migrating processes queue on."""


def upgrade(url: str) -> None:
    """Create or upgrade the schema of a database. Returns at once where it is up to date.

    Args:
        url: As for `open_database`.

    Raises:
        StorageMisuse: If the database was written by a newer version of the program.
    """
    engine = make_engine(normal_url(url))
    try:
        with translated():
            if current_revision(engine) != HEAD:
                _upgrade_under_lock(engine)
    finally:
        engine.dispose()


def is_current(database: Database) -> bool:
    """Return whether a database has the schema of this version."""
    with translated():
        return current_revision(database.engine) == HEAD


def current_revision(engine: Engine) -> str | None:
    """Return the revision of a database, None where it has no schema yet."""
    with engine.connect() as connection:
        return _revision(connection)


def alembic_config(connection: Connection) -> Any:
    """Return the Alembic configuration that works on an open connection."""
    from alembic.config import Config  # only a first start needs it, and importing it is slow

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row.version_num)


def _upgrade_under_lock(engine: Engine) -> None:
    from alembic import command

    writing = engine.execution_options(**{WRITE_OPTION: True})
    with writing.begin() as connection:  # BEGIN IMMEDIATE on SQLite: this is the lock there
        if engine.dialect.name == "postgresql":
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK}
            )
        found = _revision(connection)
        if found == HEAD:
            return
        if found is not None and found > HEAD:
            raise StorageMisuse(
                f"the database is at schema {found}, newer than this program's {HEAD}; "
                "start the newer version"
            )
        command.upgrade(alembic_config(connection), "head")
