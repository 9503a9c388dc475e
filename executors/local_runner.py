"""Keeps one run on this machine: waits for its begin time, starts it, limits it, and writes down how it went.

Started as `python -m executors.local_runner FOLDER` in a session of its own, so that it outlives the program that handed
the run over. It holds a lock on the folder while it lives; whoever finds the lock free and no start noted may put
another one in its place. The start is noted with a file that can be made only once, so a run starts once.

Files of the folder: `order.json` (what to run, never a secret), `wish.json` (what is wanted now), `start.json`,
`end.json`, `output.log`, `lock`.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

LOOK_SECONDS = 0.2
"""Pause between two looks at the wish and at the run. [s]"""

GRACE_SECONDS = 10.0
"""How long a run may take to end after SIGTERM before SIGKILL follows. [s]"""


def write(path: Path, what: dict[str, Any]) -> None:
    """Write a small file so that a reader sees the old or the new one, never a part."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(what, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read(path: Path) -> dict[str, Any] | None:
    """Return what a small file says; None where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    assert isinstance(found, dict)
    return found


def start_once(folder: Path) -> bool:
    """Note the start; False where it was noted before."""
    try:
        handle = os.open(folder / "start.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"at": time.time()}, file)
        file.flush()
        os.fsync(file.fileno())
    return True


def started_at(folder: Path) -> float | None:
    """Return when a run was noted as started; None where it was not. [s since 1970]

    A keeper killed between making the note and writing into it leaves an empty one: it counts, from when it was made.
    """
    path = folder / "start.json"
    try:
        text = path.read_text(encoding="utf-8")
        made_at = path.stat().st_mtime
    except FileNotFoundError:
        return None
    try:
        return float(json.loads(text)["at"])
    except (ValueError, TypeError, KeyError):
        return made_at


class Keeper:
    """Waits for, starts, limits and ends one run."""

    def __init__(self, folder: Path, secrets: dict[str, str]) -> None:
        """Read the order of a folder."""
        order = read(folder / "order.json")
        assert order is not None, "the order is written before the keeper starts"
        self._folder = folder
        self._order = order
        self._secrets = secrets
        self._child: subprocess.Popen[bytes] | None = None
        self._ending_since: float | None = None
        self._reason = ""
        self._is_paused = False

    def run(self) -> None:
        """Stay until the run is over or taken off."""
        while self._child is None:
            wish = self._wish()
            if wish["wanted"] in {"cancel", "withdraw"}:
                self._ended(None, "taken off")
                return
            if wish["wanted"] == "run" and wish["begin"] <= time.time():
                if not start_once(self._folder):
                    return
                if not self._start():
                    return
            else:
                time.sleep(LOOK_SECONDS)
        self._watch(self._child)

    def _wish(self) -> dict[str, Any]:
        wish = read(self._folder / "wish.json")
        assert wish is not None, "the wish is written before the keeper starts"
        return wish

    def _start(self) -> bool:
        order = self._order
        limit_bytes = order["memory_bytes"]

        def limit() -> None:
            if limit_bytes is not None:
                resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        try:
            with (self._folder / "output.log").open("ab") as output:
                self._child = subprocess.Popen(  # noqa: S603 - a program of the operator's list, no shell
                    order["command"],
                    env={**order["env"], **self._secrets},
                    cwd=order["working_dir"] or self._folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    preexec_fn=limit,
                )
        except OSError as error:
            self._ended(127, f"could not be started: {error.strerror}")
            return False
        return True

    def _watch(self, child: subprocess.Popen[bytes]) -> None:
        began = time.monotonic()
        paused = 0.0
        looked = began
        while True:
            try:
                code = child.wait(LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                now = time.monotonic()
                paused += now - looked if self._is_paused else 0.0
                looked = now
                self._steer(child, now - began - paused)
                continue
            # What the run left behind in its session goes with it.
            self._signal(child, signal.SIGKILL)
            self._ended(code if code >= 0 else 128 - code, self._reason)
            return

    def _steer(self, child: subprocess.Popen[bytes], ran_seconds: float) -> None:
        """Do what is wanted now: pause, go on, or end; the time limit counts only time spent running."""
        if self._ending_since is not None:
            if time.monotonic() - self._ending_since > GRACE_SECONDS:
                self._signal(child, signal.SIGKILL)
            return
        wanted = self._wish()["wanted"]
        if wanted == "cancel" or ran_seconds > self._order["limit_seconds"]:
            self._reason = "taken off" if wanted == "cancel" else "time limit"
            self._ending_since = time.monotonic()
            self._signal(child, signal.SIGCONT)
            self._signal(child, signal.SIGTERM)
        elif wanted == "suspend" and not self._is_paused:
            self._signal(child, signal.SIGSTOP)
            self._is_paused = True
        elif wanted == "run" and self._is_paused:
            self._signal(child, signal.SIGCONT)
            self._is_paused = False

    def _signal(self, child: subprocess.Popen[bytes], which: signal.Signals) -> None:
        try:
            os.killpg(child.pid, which)
        except ProcessLookupError:
            return

    def _ended(self, code: int | None, reason: str) -> None:
        end = {"at": time.time(), "code": code, "reason": reason}
        write(self._folder / "end.json", end)


def main(folder: Path) -> int:
    """Keep the run of a folder, unless another keeper does or it is over."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    if read(folder / "end.json") is not None or started_at(folder) is not None:
        return 0
    given = _take_secrets()
    Keeper(folder, given).run()
    return 0


def _take_secrets() -> dict[str, str]:
    """Return the secrets handed to this process; they came through a pipe and are in no environment."""
    said = json.loads(sys.stdin.read() or "{}")
    assert isinstance(said, dict)
    return said


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(Path(sys.argv[1])))
