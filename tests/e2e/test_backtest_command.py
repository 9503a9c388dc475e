"""`flask backtest` on the real app: a replay folder in, a table and a stored result out."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask

from services import backtest_command
from tests.support.running import closing_app

pytestmark = pytest.mark.e2e

FIRST = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    with closing_app(tmp_path) as made:
        yield made


def recorded(folder: Path) -> Path:
    """Write four days of actual carbon and prices: clean and cheap before 06:00."""
    folder.mkdir()
    with (folder / "signals.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["signal", "region", "start", "end", "value", "unit", "kind", "issued_at"])
        for k in range(4 * 48):
            start = FIRST + k * timedelta(minutes=30)
            end = start + timedelta(minutes=30)
            times = [start.isoformat(), end.isoformat()]
            good = start.hour < 6
            rows.writerow(["carbon", "gb", *times, 50 if good else 300, "gCO2/kWh", "actual", ""])
            rows.writerow(["price", "gb", *times, 10 if good else 30, "p/kWh", "tariff", ""])
    return folder


def test_a_replay_is_run_told_and_listed(app: Flask, tmp_path: Path) -> None:
    folder = recorded(tmp_path / "replay")
    runner = app.test_cli_runner()
    asked = [
        "backtest", "--replay", str(folder), "--from", "2026-02-02", "--to", "2026-02-03",
        "--jobs-per-day", "6", "--planner", "halfhour", "--planner", "clairvoyant",
    ]  # fmt: skip
    done = runner.invoke(args=asked)
    assert done.exit_code == 0, done.output
    assert "replay of signals.csv" in done.output
    assert "own estimates from data up to each instant" in done.output
    line = next(text for text in done.output.splitlines() if text.startswith("halfhour"))
    assert float(line.split()[3]) > 0  # saves carbon
    listed = runner.invoke(args=["backtest", "--list"])
    assert "2026-02-02 to 2026-02-03" in listed.output
    (stored,) = backtest_command.store(app.extensions["wired"].settings.data_dir).results()
    assert [score["planner"] for score in stored["scores"]] == [
        "on_arrival", "halfhour", "clairvoyant",
    ]  # fmt: skip
    page = app.test_client().get("/records/backtests").text
    assert stored["backtest_id"] in page
    assert "own estimates from data up to each instant" in page


def test_wrong_options_are_one_sentence(app: Flask) -> None:
    runner = app.test_cli_runner()
    for more in (
        [],
        ["--from", "2026-02-02", "--to", "2026-02-02"],
        ["--from", "2026-02-02", "--to", "2026-02-03", "--forecast", "crystal"],
        ["--from", "2026-02-02", "--to", "2026-02-03", "--place", "narnia:5"],
    ):
        done = runner.invoke(args=["backtest", *more])
        assert done.exit_code == 1
        assert done.output.startswith("Error: ")


def test_nothing_stored_is_said(app: Flask) -> None:
    done = app.test_cli_runner().invoke(args=["backtest", "--list"])
    assert done.output == "No back-test is stored.\n"
    assert "None stored yet" in app.test_client().get("/records/backtests").text
