"""This machine: programs of the operator's list, each in a session and a folder of its own, with limits.

A keeper process (`executors.local_runner`) waits for the begin time, so that work handed over starts even when the
program has died since. One that died itself, with the machine, is put in place again as long as no start is noted.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from executors import run_notes
from executors.checks import SecretReader, secret_errors
from executors.local_runner import read, started_at, write
from models.domain.errors import ExecutorFailed, FieldError
from models.domain.execution import ExecutionReport, ExecutionState, WorkOrder
from models.domain.workload import Workload
from models.domain.workload_checks import is_inside

MEGABYTE = 1_000_000

CODE_FOLDER = Path(__file__).resolve().parent.parent
"""Where the keeper's module is found."""


@dataclass(frozen=True)
class LocalSettings:
    """What may run here."""

    run_dir: Path
    """Folder of the runs' own folders."""
    programs: tuple[str, ...]
    """Full paths of the programs that may be started."""
    working_dirs: tuple[str, ...] = ()
    """Folders in which they may start besides their own; empty: none."""
    variables: tuple[str, ...] = ()
    """Names of the variables that work may set: with another PATH or library path a listed program runs anything."""
    memory_mb: int = 4096
    """Address space of a run that asks for none. [MB]"""
    env: Mapping[str, str] | None = None
    """Variables every run sees, such as PATH."""


class LocalExecutor:
    """`Executor` on this machine."""

    name = "local"
    is_real = True
    is_idempotent = True
    settle_seconds = 2.0
    reports = True

    def __init__(self, settings: LocalSettings, secret: SecretReader) -> None:
        """Bind the machine.

        Args:
            settings: What may run here.
            secret: Reads a secret an owner may use.
        """
        self._settings = settings
        self._secret = secret

    def check(self, workload: Workload, owner: str) -> tuple[FieldError, ...]:
        """Return why this machine would not run a workload."""
        wrong = [*secret_errors(workload, owner, self._secret)]
        programs = ", ".join(self._settings.programs) or "none"
        if workload.script is not None:
            cure = "send a command with a program of this list"
            wrong.append(
                FieldError("workload.script", "is not run on this machine", None, programs, cure)
            )
        elif workload.command[0] not in self._settings.programs:
            wrong.append(
                FieldError(
                    "workload.command.0",
                    "is not a program that may run on this machine",
                    workload.command[0],
                    programs,
                    "use one of these, or ask the operator to add it to HALFHOUR_LOCAL_PROGRAMS",
                )
            )
        wrong += self._variable_errors(workload)
        wrong += self._folder_errors(workload.working_dir)
        if workload.copies > 1:
            wrong.append(
                FieldError(
                    "workload.copies", "is more than this machine runs", workload.copies, "1"
                )
            )
        return tuple(wrong)

    def _variable_errors(self, workload: Workload) -> list[FieldError]:
        allowed = ", ".join(self._settings.variables) or "none"
        cure = "pass it as an argument, or ask the operator to add it to HALFHOUR_LOCAL_VARIABLES"
        return [
            FieldError(f"workload.env.{name}", "may not be set by work on this machine", None, allowed, cure)
            for name in workload.env
            if name not in self._settings.variables
        ]  # fmt: skip

    def _folder_errors(self, folder: str | None) -> list[FieldError]:
        """Return whether a working folder, links followed, lies outside those of the operator's list."""
        if folder is None:
            return []
        allowed = self._settings.working_dirs
        real = tuple(str(Path(one).resolve()) for one in allowed)
        if is_inside(folder, allowed) and is_inside(str(Path(folder).resolve()), real):
            return []
        return [
            FieldError(
                "workload.working_dir",
                "is outside the folders in which work may start",
                folder,
                ", ".join(allowed) or "none: work starts in a folder of its own",
                "leave it out, or ask the operator to add it to HALFHOUR_EXECUTOR_WORKING_DIRS",
            )
        ]

    # --- acts ---------------------------------------------------------------------------------

    def hand_over(self, order: WorkOrder) -> str:
        """Make the run's folder, if it is not there, and see that a keeper waits in it."""
        wrong = self.check(order.workload, order.owner)
        if wrong:
            raise ExecutorFailed(f"{wrong[0].field} {wrong[0].message}", is_final=True)
        folder = self._folder(order.hand_over_id)
        begin = None if order.begin is None else order.begin.timestamp()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if started_at(folder) is None:
                write(folder / "wish.json", _wish("hold" if begin is None else "run", begin))
            if read(folder / "order.json") is None:
                write(folder / "order.json", self._order(order))
            if started_at(folder) is None and not _is_kept(folder):
                self._keep(folder, order)
        except OSError as error:
            raise ExecutorFailed(f"{folder} cannot be used: {error.strerror}") from error
        return order.hand_over_id

    def _order(self, order: WorkOrder) -> dict[str, Any]:
        work = order.workload
        memory_mb = work.resources.memory_mb or self._settings.memory_mb
        ids = {"HALFHOUR_JOB_ID": order.job_id, "HALFHOUR_RUN_ID": order.hand_over_id}
        return {
            "command": list(work.command),
            "env": {**(self._settings.env or {}), **work.plain_env, **ids},
            "working_dir": work.working_dir,
            "memory_bytes": memory_mb * MEGABYTE,
            "limit_seconds": order.time_limit.total_seconds(),
        }

    def _keep(self, folder: Path, order: WorkOrder) -> None:
        """Start a keeper; secrets go to it through a pipe, so they are in no file and no process list."""
        secrets = {
            variable: self._secret(order.owner, reference.from_env)
            for variable, reference in order.workload.secrets.items()
        }
        with (folder / "keeper.log").open("ab") as log:
            keeper = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "executors.local_runner", str(folder)],
                cwd=CODE_FOLDER,
                env={**(self._settings.env or {}), "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        assert keeper.stdin is not None
        with keeper.stdin as pipe:
            pipe.write(json.dumps(secrets).encode())
        _children.append(keeper)
        _reap()

    def move(self, external_id: str, begin: datetime) -> None:
        """Give a waiting run another begin time."""
        self._want(external_id, _wish("run", begin.timestamp()))

    def hold(self, external_id: str) -> None:
        """Keep a waiting run from starting."""
        self._want(external_id, _wish("hold", None))

    def cancel(self, external_id: str, *, only_waiting: bool = False) -> None:
        """End a run: SIGTERM, then SIGKILL; with `only_waiting` one that runs is left alone."""
        self._want(external_id, _wish("withdraw" if only_waiting else "cancel", None))

    def suspend(self, external_id: str) -> None:
        """Stop a run's processes (SIGSTOP)."""
        self._want(external_id, _wish("suspend", None))

    def resume(self, external_id: str) -> None:
        """Let a run's processes go on (SIGCONT)."""
        self._want(external_id, _wish("run", 0.0))

    def _want(self, external_id: str, wish: dict[str, Any]) -> None:
        folder = self._folder(external_id)
        if not folder.is_dir():
            raise ExecutorFailed(f"there is no run {external_id} here", is_final=True)
        try:
            write(folder / "wish.json", wish)
        except OSError as error:
            raise ExecutorFailed(f"{folder} cannot be written: {error.strerror}") from error

    # --- truth --------------------------------------------------------------------------------

    def find(self, wanted: Mapping[str, str | None]) -> dict[str, tuple[ExecutionReport, ...]]:
        """Return what the runs' folders tell; a waiting run without a keeper is not there, so it is handed over again."""
        _reap()
        found: dict[str, tuple[ExecutionReport, ...]] = {}
        for run in wanted:
            report = _report(self._folder(run), run)
            found[run] = () if report is None else (report,)
        return found

    def log_tail(self, hand_over_id: str, external_id: str, max_bytes: int = 16_384) -> str | None:
        """Return the end of what a run wrote."""
        del external_id
        return run_notes.tail(self._folder(hand_over_id) / "output.log", max_bytes)

    def _folder(self, run: str) -> Path:
        if not run.isalnum():
            raise ExecutorFailed("the id of a run is letters and digits", is_final=True)
        return self._settings.run_dir / run


_children: list[subprocess.Popen[bytes]] = []
"""Keepers of this process, to be waited for when they end."""


def _reap() -> None:
    _children[:] = [child for child in _children if child.poll() is None]


def _wish(wanted: str, begin: float | None) -> dict[str, Any]:
    return {"wanted": wanted, "begin": begin}


def _is_kept(folder: Path) -> bool:
    """Return whether a keeper holds the lock of a run's folder."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(lock)


def _report(folder: Path, run: str) -> ExecutionReport | None:
    """Return what a run's folder tells; None where nothing waits, runs or has run there."""
    if read(folder / "order.json") is None:
        return None
    is_kept = _is_kept(folder)  # before the notes: a keeper that ends between writes them first
    start, end = started_at(folder), read(folder / "end.json")
    wish = read(folder / "wish.json") or _wish("hold", None)
    began = None if start is None else _instant(start)
    if end is not None:
        code, reason = end["code"], str(end["reason"])
        state = ExecutionState.COMPLETED if code == 0 else ExecutionState.FAILED
        if reason == "taken off":
            state = ExecutionState.CANCELLED
        return ExecutionReport(
            run, run, state, None, began, _instant(end["at"]), code, reason, None, "run folder"
        )
    if start is not None:
        state = ExecutionState.SUSPENDED if wish["wanted"] == "suspend" else ExecutionState.RUNNING
        if not is_kept:
            state = ExecutionState.UNKNOWN
        return ExecutionReport(run, run, state, None, began, source="run folder")
    if not is_kept:
        return None
    state = ExecutionState.QUEUED if wish["wanted"] == "run" else ExecutionState.HELD
    begin = None if wish["begin"] is None else _instant(wish["begin"])
    return ExecutionReport(run, run, state, begin, source="run folder")


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
