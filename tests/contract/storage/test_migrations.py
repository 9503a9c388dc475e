"""Migrations: they make what the tables say, once, however many processes start together."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from storage.database import WRITE_OPTION, Database, open_database
from storage.faults import StorageMisuse
from storage.migrate import HEAD, MIGRATIONS, alembic_config, is_current, upgrade
from storage.serialise import dumps
from storage.tables import Base
from storage.unit_of_work import SqlUnitOfWorkFactory
from tests.support.databases import BOTH, administer, fresh_name, on_same_server
from tests.support.fleet import an_asset

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(params=BOTH)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new folder' / 'empty.sqlite3'}"
        return
    server = request.getfixturevalue("postgres_url")
    name = fresh_name()
    administer(server, f'CREATE DATABASE "{name}"')
    yield on_same_server(server, name)
    administer(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def test_the_migrations_make_exactly_the_tables(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_head_named_in_the_program_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_an_upgrade_is_done_once_and_repeats_without_harm(empty_url: str) -> None:
    database = open_database(empty_url)
    assert not is_current(database)
    upgrade(empty_url)
    assert is_current(database)
    with SqlUnitOfWorkFactory(database)(write=True) as unit:
        unit.plans.bump()
        unit.commit()
    upgrade(empty_url)
    with SqlUnitOfWorkFactory(database)() as unit:
        assert unit.plans.version() == 1, "what was stored is still there"
    database.dispose()


def test_a_newer_database_is_refused(empty_url: str) -> None:
    upgrade(empty_url)
    database = open_database(empty_url)
    with database.transaction(write=True) as transaction:
        transaction.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageMisuse, match="newer"):
        upgrade(empty_url)
    database.dispose()


@pytest.mark.slow
def test_processes_that_start_together_migrate_once(empty_url: str) -> None:
    start = "import sys; from storage.migrate import upgrade; upgrade(sys.argv[1])"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", start, empty_url], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    errors = [child.communicate(timeout=120)[1] for child in children]
    assert [child.returncode for child in children] == [0] * 4, errors
    database = open_database(empty_url)
    assert is_current(database)
    with SqlUnitOfWorkFactory(database)() as unit:
        assert unit.plans.version() == 0
    database.dispose()


def test_an_asset_stored_before_power_limits_has_none_after_the_upgrade(empty_url: str) -> None:
    database = open_database(empty_url)
    asset = an_asset()
    older = {k: v for k, v in json.loads(dumps(asset)).items() if k != "power_limits"}
    writing = database.engine.execution_options(**{WRITE_OPTION: True})
    with writing.begin() as connection:
        command.upgrade(alembic_config(connection), "0001")
    with database.transaction(write=True) as transaction:
        transaction.execute(
            text(
                "INSERT INTO assets (asset_id, owner, region, max_power_kw, base_load_kw, is_demo, version, body) "
                "VALUES ('cluster-a', 'local', 'london', 100.0, 0.0, :no, 1, :body)"
            ),
            {"no": False, "body": json.dumps(older)},
        )
    upgrade(empty_url)
    with SqlUnitOfWorkFactory(database)(write=True) as unit:
        assert unit.assets.get("cluster-a") == asset
        unit.plans.check_capacity()
    database.dispose()
