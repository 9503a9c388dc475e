"""The doctor: what is wrong is found, named and given a cure; nothing is changed."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from models.domain.errors import ExecutorFailed
from services import doctor
from services.context import Context
from services.doctor import Check, Finding
from services.signals import LOOP_LEASE
from storage.database import Database
from tests.support.fake_executor import FakeExecutor
from tests.support.world import World, a_world, with_cluster, with_settings


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    world = a_world(database, tmp_path / "logs")
    with_cluster(world)
    world.context.audit.flush(world.context.uow)
    context = with_settings(world.context, data_dir=tmp_path / "data", logs_dir=tmp_path / "logs")
    return replace(world, context=context)


def found(context: Context) -> dict[str, Check]:
    return {check.subject: check for check in doctor.examine(context)}


def test_a_sound_program_has_no_fault(world: World) -> None:
    world.context.leases.acquire(LOOP_LEASE, "somebody", 60.0)
    checks = found(world.context)
    assert {name for name, check in checks.items() if check.finding is not Finding.OK} == set()
    assert {"database", "data folder", "log folder", "clock", "loop", "signals", "chain"} <= set(
        checks
    )


def test_a_loop_that_nobody_runs_is_a_warning(world: World) -> None:
    assert found(world.context)["loop"].finding is Finding.WARNING


def test_a_clock_behind_the_newest_record_is_a_fault(world: World) -> None:
    now = world.context.system_now()
    with world.context.uow() as uow:
        last = uow.decisions.after(uow.decisions.head()[0] - 1, 1)[0]
    behind = replace(world.context, system_now=lambda: now - timedelta(days=4000))
    check = found(behind)["clock"]
    assert check.finding is Finding.FAULT
    assert last.ts_utc in check.text


def test_a_full_disk_is_a_fault_before_records_are_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _path: usage(10, 10, 50 * 2**20))
    assert found(world.context)["data folder"].finding is Finding.FAULT
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _path: usage(10, 10, 500 * 2**20))
    assert found(world.context)["log folder"].finding is Finding.WARNING


def test_an_executor_that_does_not_answer_is_a_fault(world: World) -> None:
    executor = FakeExecutor(world.clock.now)
    context = replace(world.context, executors={"slurm": executor})
    assert found(context)["executor slurm"].finding is Finding.OK
    executor.is_away = True
    check = found(context)["executor slurm"]
    assert check.finding is Finding.FAULT
    assert check.text.startswith("cannot be asked: ")
    assert executor.calls == [], "it was only asked"


def test_a_changed_record_is_a_fault_that_names_it(world: World) -> None:
    (path,) = (world.context.settings.logs_dir).glob("**/*.jsonl")
    text = path.read_text()
    path.write_text(text.replace("asset_created", "asset_deleted", 1))
    check = found(world.context)["chain"]
    assert check.finding is Finding.FAULT
    assert check.text.startswith("record ")


def test_upstreams_that_fail_are_told(world: World) -> None:
    world.grids["live"].is_down = True
    checks = list(doctor.examine(world.context))
    assert any(c.subject == "upstream" and c.finding is Finding.WARNING for c in checks)


def test_an_error_of_a_check_is_its_finding(world: World) -> None:
    def refuses() -> bool:
        raise ExecutorFailed("the disk is on fire")

    context = replace(world.context, is_storage_current=refuses)
    assert found(context)["database"] == Check("database", Finding.FAULT, "the disk is on fire")
