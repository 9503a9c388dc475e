"""The local executor with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from executors.local import LocalExecutor, LocalSettings, _is_kept
from models.domain.errors import ExecutorFailed
from models.domain.execution import ExecutionReport, ExecutionState, WorkOrder
from models.domain.workload import read_workload

pytestmark = pytest.mark.slow

SHELL = "/bin/sh"
SECOND = timedelta(seconds=1)
_numbers = count(1)


def now() -> datetime:
    return datetime.now(UTC)


def an_order(
    begin: datetime | None, *command: str, limit: timedelta = timedelta(minutes=5), **workload: Any
) -> WorkOrder:
    work = read_workload({"command": [SHELL, "-c", *command], **workload})
    run = f"{next(_numbers):032x}"
    return WorkOrder(run, "job-a", "local", work, begin, timedelta(minutes=1), limit)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalExecutor]:
    settings = LocalSettings(
        tmp_path / "runs", (SHELL, sys.executable), (str(tmp_path),), ("A", "TOKEN"), 4096,
        {"PATH": os.environ["PATH"]},
    )  # fmt: skip
    executor = LocalExecutor(settings, _secret)
    yield executor
    for folder in (tmp_path / "runs").glob("*"):
        executor.cancel(folder.name)
    give_up_at = time.monotonic() + 20
    while any(_is_kept(folder) for folder in (tmp_path / "runs").glob("*")):
        assert time.monotonic() < give_up_at
        time.sleep(0.1)
    executor.find({})


def _secret(owner: str, name: str) -> str | None:
    return "s3cret" if (owner, name) == ("local", "HUB") else None


def seen(local: LocalExecutor, order: WorkOrder) -> ExecutionReport:
    (report,) = local.find({order.hand_over_id: None})[order.hand_over_id]
    return report


def until(
    local: LocalExecutor, order: WorkOrder, is_right: Callable[[ExecutionReport], bool]
) -> ExecutionReport:
    give_up_at = time.monotonic() + 30
    while True:
        found = local.find({order.hand_over_id: None})[order.hand_over_id]
        if found and is_right(found[0]):
            return found[0]
        assert time.monotonic() < give_up_at, found
        time.sleep(0.1)


def is_over(report: ExecutionReport) -> bool:
    return report.ended_at is not None


def test_a_run_starts_at_its_begin_time_with_its_environment_and_leaves_its_output(
    local: LocalExecutor,
) -> None:
    begin = now() + 2 * SECOND
    env = {"A": "x y", "TOKEN": {"from_env": "HUB"}}
    order = an_order(begin, 'echo "$A $TOKEN $HALFHOUR_JOB_ID"; exit 3', env=env)
    external_id = local.hand_over(order)
    waiting = until(local, order, lambda r: True)
    assert waiting.state is ExecutionState.QUEUED
    ended = until(local, order, is_over)
    assert (ended.state, ended.exit_code) == (ExecutionState.FAILED, 3)
    assert ended.started_at is not None
    assert begin <= ended.started_at <= begin + 5 * SECOND
    assert local.log_tail(order.hand_over_id, external_id) == "x y s3cret job-a\n"
    folder = local._folder(order.hand_over_id)
    said = b"".join(path.read_bytes() for path in folder.iterdir() if path.name != "output.log")
    assert b"s3cret" not in said, "a secret is in no file of ours"


def test_a_held_run_waits_and_a_moved_one_starts_then(local: LocalExecutor) -> None:
    order = an_order(None, "exit 0")
    external_id = local.hand_over(order)
    assert until(local, order, lambda r: True).state is ExecutionState.HELD
    local.move(external_id, now() + timedelta(hours=1))
    assert until(local, order, lambda r: True).state is ExecutionState.QUEUED
    local.move(external_id, now())
    assert until(local, order, is_over).state is ExecutionState.COMPLETED


def test_handing_the_same_over_twice_starts_it_once(local: LocalExecutor) -> None:
    order = an_order(now() + SECOND, "echo once")
    for _ in range(3):
        local.hand_over(order)
    until(local, order, is_over)
    local.hand_over(order)
    time.sleep(0.5)
    assert local.log_tail(order.hand_over_id, "") == "once\n"


def test_a_keeper_that_was_killed_before_the_start_is_put_in_place_again(
    local: LocalExecutor,
) -> None:
    order = an_order(now() + 2 * SECOND, "echo once")
    local.hand_over(order)
    until(local, order, lambda r: True)
    _kill_keeper(local, order)
    assert local.find({order.hand_over_id: None}) == {order.hand_over_id: ()}, "nobody waits"
    local.hand_over(order)
    until(local, order, is_over)
    assert local.log_tail(order.hand_over_id, "") == "once\n"


def test_a_run_whose_keeper_was_killed_is_unknown_and_never_started_again(
    local: LocalExecutor,
) -> None:
    order = an_order(now(), "echo once; sleep 1")
    local.hand_over(order)
    until(local, order, lambda r: r.state is ExecutionState.RUNNING)
    _kill_keeper(local, order)
    assert seen(local, order).state is ExecutionState.UNKNOWN
    local.hand_over(order)
    time.sleep(1)
    assert local.log_tail(order.hand_over_id, "") == "once\n"


def _kill_keeper(local: LocalExecutor, order: WorkOrder) -> None:
    folder = local._folder(order.hand_over_id)
    found = subprocess.run(
        ["pgrep", "-f", f"executors.local_runner {folder}"], capture_output=True, text=True, check=True
    )  # fmt: skip
    (pid,) = found.stdout.split()
    os.kill(int(pid), signal.SIGKILL)
    give_up_at = time.monotonic() + 5
    while _is_kept(folder):
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def test_cancelling_ends_the_whole_session_and_withdrawing_leaves_it_alone(
    local: LocalExecutor,
) -> None:
    order = an_order(now(), "sleep 60 & sleep 60")
    external_id = local.hand_over(order)
    until(local, order, lambda r: r.state is ExecutionState.RUNNING)
    local.cancel(external_id, only_waiting=True)
    time.sleep(0.6)
    assert seen(local, order).state is ExecutionState.RUNNING
    local.cancel(external_id)
    assert until(local, order, is_over).state is ExecutionState.CANCELLED


def test_what_ignores_sigterm_is_killed(
    local: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = an_order(now(), "trap '' TERM; while :; do sleep 0.2; done", limit=SECOND)
    local.hand_over(order)
    ended = until(local, order, is_over)  # 1 s of run, then 10 s of grace
    assert (ended.state, ended.reason, ended.exit_code) == (
        ExecutionState.FAILED, "time limit", 128 + signal.SIGKILL,
    )  # fmt: skip


def test_a_run_beyond_its_memory_fails(local: LocalExecutor) -> None:
    code = "b = bytearray(400_000_000); print('fits')"
    work = read_workload({"command": [sys.executable, "-c", code], "resources": {"memory_mb": 200}})
    run = f"{next(_numbers):032x}"
    minute = timedelta(minutes=1)
    order = WorkOrder(run, "job-a", "local", work, now(), minute, minute)
    local.hand_over(order)
    assert until(local, order, is_over).state is ExecutionState.FAILED
    assert "fits" not in (local.log_tail(run, "") or "")


def test_a_run_pauses_and_goes_on(local: LocalExecutor) -> None:
    order = an_order(now(), "for n in 1 2 3 4 5 6 7 8 9; do echo $n; sleep 0.2; done")
    external_id = local.hand_over(order)
    until(local, order, lambda r: r.state is ExecutionState.RUNNING)
    local.suspend(external_id)
    time.sleep(0.6)
    said = local.log_tail(order.hand_over_id, "")
    time.sleep(0.8)
    assert local.log_tail(order.hand_over_id, "") == said
    assert seen(local, order).state is ExecutionState.SUSPENDED
    local.resume(external_id)
    assert until(local, order, is_over).state is ExecutionState.COMPLETED


def test_only_listed_programs_and_folders_are_taken(local: LocalExecutor, tmp_path: Path) -> None:
    def fields(**raw: Any) -> list[str]:
        return [error.field for error in local.check(read_workload(raw), "local")]

    assert fields(command=[SHELL]) == []
    assert fields(command=["/bin/rm"]) == ["workload.command.0"]
    assert fields(command=["sh"]) == ["workload.command.0"]
    assert fields(script="echo") == ["workload.script"]
    assert fields(command=[SHELL], working_dir="/etc") == ["workload.working_dir"]
    assert fields(command=[SHELL], copies=2) == ["workload.copies"]
    assert fields(command=[SHELL], env={"A": {"from_env": "PATH"}}) == ["workload.env.A.from_env"]
    assert fields(command=[SHELL], env={"PATH": "/tmp/mine", "A": "1"}) == ["workload.env.PATH"]
    assert fields(command=[SHELL], env={"PYTHONPATH": "/tmp"}) == ["workload.env.PYTHONPATH"]
    (tmp_path / "way-out").symlink_to("/etc")
    assert fields(command=[SHELL], working_dir=str(tmp_path / "way-out")) == [
        "workload.working_dir"
    ]
    with pytest.raises(ExecutorFailed):
        local.move("../../etc", now())


def test_without_listed_folders_work_starts_in_its_own_and_nowhere_else(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    bare = LocalExecutor(LocalSettings(runs, (SHELL,)), _secret)
    for folder in (str(runs), str(runs / "0f"), "/tmp"):
        work = read_workload({"command": [SHELL], "working_dir": folder})
        assert [error.field for error in bare.check(work, "local")] == ["workload.working_dir"]


def test_a_start_that_was_noted_and_not_written_down_is_a_start(
    local: LocalExecutor, tmp_path: Path
) -> None:
    # kill -9 of the keeper between making start.json and writing into it
    order = an_order(now() + timedelta(hours=1), "true")
    local.hand_over(order)
    until(local, order, lambda r: r.state is ExecutionState.QUEUED)
    folder = tmp_path / "runs" / order.hand_over_id
    local.cancel(order.hand_over_id)
    until(local, order, is_over)
    (folder / "end.json").unlink()
    (folder / "start.json").touch()
    report = until(local, order, lambda r: r.state is ExecutionState.UNKNOWN)
    assert report.started_at is not None
    local.hand_over(order)  # and it is not started again
    assert seen(local, order).state is ExecutionState.UNKNOWN
