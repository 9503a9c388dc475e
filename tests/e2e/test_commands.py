"""The commands of `flask --app app …`, on a simulated grid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

import wiring
from app import create_app
from config import Settings

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("commands")
    made = create_app(
        Settings.from_env(
            {
                "HALFHOUR_DATA_DIR": str(folder / "data"),
                "HALFHOUR_LOGS_DIR": str(folder / "logs"),
                "HALFHOUR_GRID_SOURCE": "simulated",
                "HALFHOUR_LOG_LEVEL": "WARNING",
            }
        )
    )
    yield made
    wiring.wired_of(made).close()


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=list(arguments))


def test_a_key_is_made_listed_and_revoked(app: Flask) -> None:
    assert "No key: only this machine is served" in run(app, "keys", "list").output
    made = run(app, "keys", "create", "--owner", "team-a", "--role", "submitter", "--label", "ci")
    assert made.exit_code == 0
    secret = made.output.splitlines()[-1]
    assert secret.startswith("hh_")
    again = run(app, "keys", "create", "--if-none")
    assert (again.exit_code, "none was made" in again.output) == (0, True)
    listed = run(app, "keys", "list").output
    assert "team-a  submitter  live" in listed
    assert secret not in listed
    key_id = listed.split()[0]
    assert run(app, "keys", "revoke", key_id).exit_code == 0
    assert "revoked" in run(app, "keys", "list").output
    assert app.extensions["services"].authenticate(secret) is None


def test_a_refused_command_is_one_sentence_and_status_one(app: Flask) -> None:
    done = run(app, "keys", "revoke", "nobody")
    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert "Traceback" not in done.output


def test_signals_are_refreshed_and_shown(app: Flask) -> None:
    assert run(app, "signals", "refresh").exit_code == 0
    shown = run(app, "signals", "show", "yorkshire", "--hours", "2")
    assert shown.exit_code == 0
    assert "Simulated" in shown.output
    assert shown.output.count("simulated, simulated") == 4
    assert run(app, "signals", "show", "atlantis").exit_code == 1


def test_a_best_window_is_given_without_any_set_up(app: Flask) -> None:
    done = run(app, "best-window", "london", "3", "--power-kw", "50")
    assert done.exit_code == 0
    assert done.output.startswith("Start ")
    assert "sbatch --begin=" in done.output
    assert run(app, "best-window", "london", "3", "tomorrow").exit_code == 1


def test_the_demo_is_loaded_worked_on_and_its_log_verifies(app: Flask, tmp_path: Path) -> None:
    assert "jobs planned" in run(app, "demo", "load").output
    # A second `make demo` starts with what is there.
    assert "there already" in run(app, "demo", "load", "--keep").output
    worked = run(app, "worker", "--once")
    assert worked.exit_code == 0
    assert "One round done: refresh, confirm, advance, market, routines, replan" in worked.output
    assert "log now ends at seq" in run(app, "audit", "anchor", "--force").output
    verified = run(app, "audit", "verify")
    assert (verified.exit_code, "OK: the log is whole" in verified.output) == (0, True)
    exported = run(app, "audit", "export", str(tmp_path / "log.zip"))
    assert exported.exit_code == 0
    assert (tmp_path / "log.zip").exists()
    assert run(app, "audit", "export", str(tmp_path / "log.zip")).exit_code == 1
    assert run(app, "demo", "clear").exit_code == 0


def test_a_changed_log_ends_the_command_with_status_one(app: Flask) -> None:
    folder = wiring.wired_of(app).settings.logs_dir
    run(app, "demo", "load")
    run(app, "worker", "--once")
    path = max(folder.glob("*.jsonl"))
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace('"event_type":"decision"', '"event_type":"refusal"', 1), "utf-8")
    try:
        done = run(app, "audit", "verify")
    finally:
        path.write_text(whole, encoding="utf-8")
    assert done.exit_code == 1
    assert "FAULT" in done.output


def test_the_database_is_brought_up_to_date(app: Flask) -> None:
    assert run(app, "db", "upgrade").output == "The database is up to date.\n"
