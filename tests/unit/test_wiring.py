"""The composition root: what is built from which setting, and the loop's thread."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import app as app_module
import wiring
from config import Settings
from services.access import secret_sha256
from services.clock import ShiftedClock
from services.loop import Loop


def settings(folder: Path, **changes: str) -> Settings:
    names = {"HALFHOUR_DATA_DIR": str(folder / "data"), "HALFHOUR_LOGS_DIR": str(folder / "logs")}
    return Settings.from_env(names | {"HALFHOUR_GRID_SOURCE": "simulated"} | changes)


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[wiring.Wired]:
    made = wiring.wire(settings(tmp_path))
    yield made
    made.close()


def test_settings_arrive_where_they_count(tmp_path: Path) -> None:
    made = wiring.wire(
        settings(
            tmp_path,
            HALFHOUR_CARBON_PRICE_GBP_PER_TONNE="245",
            HALFHOUR_MIN_SAVING_PERCENT="7",
            HALFHOUR_API_KEYS="team-a:auditor:long-secret-1",
            HALFHOUR_CARBON_STALE_HOURS="12",
            HALFHOUR_CLOCK="2023-05-01T06:00:00Z",
            DEFAULT_REGION="yorkshire",
        )
    )
    context = made.services.context
    assert context.policy.carbon_price_gbp_per_tonne == pytest.approx(245.0)
    assert context.policy.min_saving_percent == 7.0
    assert context.settings.configured_keys == (
        ("team-a", "auditor", secret_sha256("long-secret-1")),
    )
    assert context.signals.settings.limits.stale.total_seconds() == 12 * 3600
    assert context.signals.settings.default_region == "yorkshire"
    assert isinstance(context.clock, ShiftedClock)
    assert context.clock.now() >= datetime(2023, 5, 1, 6, tzinfo=UTC)
    assert context.is_storage_current()
    made.close()


def test_the_live_clients_are_not_even_imported_before_the_first_question(tmp_path: Path) -> None:
    made = wiring.wire(settings(tmp_path, HALFHOUR_GRID_SOURCE="auto"))
    assert made.http == []
    made.close()


def test_a_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    first = wiring.secret_key(settings(tmp_path))
    assert len(first) >= 48
    assert wiring.secret_key(settings(tmp_path)) == first
    path = tmp_path / "data" / wiring.SECRET_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == [wiring.SECRET_FILE]
    given = settings(tmp_path, HALFHOUR_SECRET_KEY="a secret of my own")
    assert wiring.secret_key(given) == "a secret of my own"


def test_many_processes_that_start_at_once_agree_on_the_secret(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(wiring.secret_key(settings(tmp_path))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 8


def test_every_process_has_its_own_name_in_leases() -> None:
    assert wiring.process_name() != wiring.process_name()
    assert str(os.getpid()) in wiring.process_name()


def test_the_loop_is_started_once_and_again_in_a_forked_child(
    wired: wiring.Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    def run(_self: Loop, stop: threading.Event) -> None:
        started.append(threading.current_thread().name)
        stop.wait(10)

    monkeypatch.setattr(Loop, "run", run)
    app: Any = SimpleNamespace(extensions={wiring.EXTENSION: wired})
    wiring.start_loop(app)
    wiring.start_loop(app)
    assert started == [wiring.WORKER]
    assert wired.worker is not None
    parents_stop = wired.worker[2]
    # A child inherits the note but not the thread.
    wired.worker = (os.getpid() + 1, *wired.worker[1:])
    wiring.start_loop(app)
    assert len(started) == 2
    parents_stop.set()


def test_asking_the_module_for_anything_but_the_app_builds_nothing() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'application'"):
        _ = app_module.application


def test_settings_that_cannot_be_used_end_the_start_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HALFHOUR_PORT", "none")
    with pytest.raises(SystemExit, match="HALFHOUR_PORT=none"):
        _ = app_module.app
    assert app_module.main() == 1
    assert "HALFHOUR_PORT=none" in capsys.readouterr().err


def test_nothing_heavy_is_loaded_by_building_an_app(wired: wiring.Wired) -> None:
    # The rest of the test session may have loaded them; what matters is that wiring's own modules do not.
    heavy = {"torch", "xgboost", "numba", "pyarrow", "pulp", "highspy", "requests_cache"}
    assert heavy.isdisjoint(vars(sys.modules["wiring"]))
