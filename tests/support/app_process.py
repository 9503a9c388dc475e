"""The program as a user starts it: `python app.py` in a process of its own, on a free loopback port and in its own folder."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.support.shared import REPOSITORY

START_SECONDS = 90.0
"""Longest wait for the first answer on a busy machine. [s]"""

T = TypeVar("T")


def free_port() -> int:
    """Return a port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Answer:
    """One answer over HTTP."""

    status: int
    text: str
    headers: Mapping[str, str]
    seconds: float
    """From sending the request to having read the body. [s]"""

    @property
    def json(self) -> Any:
        """Return the body read as JSON."""
        return json.loads(self.text)


class RunningApp:
    """A started program; `kill` and `start` again go on in the same folder and on the same port."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """Start it and wait for its first answer.

        Args:
            folder: Holds data, logs and what the program says.
            settings: Environment names and texts, over a simulated grid and a quick loop.
        """
        self.folder = folder
        self.port = free_port()
        # Without stored bytecode every start would compile the program and its libraries anew.
        kept = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith("HALFHOUR_") and name != "PYTHONDONTWRITEBYTECODE"
        }
        self.environment = {
            **kept,
            "HALFHOUR_DATA_DIR": str(folder / "data"),
            "HALFHOUR_LOGS_DIR": str(folder / "logs"),
            "HALFHOUR_GRID_SOURCE": "simulated",
            "HALFHOUR_LOOP_SECONDS": "1",
            "HALFHOUR_LEASE_SECONDS": "5",
            "HALFHOUR_RATE_LIMIT_PER_MINUTE": "0",
            "HALFHOUR_LOG_LEVEL": "WARNING",
            **settings,
            "HALFHOUR_PORT": str(self.port),
        }
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.start()

    # --- process ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the program and wait until it answers."""
        self.launch()
        self.wait_until_up()

    def launch(self) -> None:
        """Start the program without waiting for it."""
        with (self.folder / "said.log").open("ab") as said:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"],
                cwd=REPOSITORY,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def wait_until_up(self) -> None:
        """Wait for the first answer."""
        give_up_at = time.monotonic() + START_SECONDS
        while True:
            try:
                if self.get("/health").status == 200:
                    return
            except OSError:
                pass
            assert self.process is not None
            if self.process.poll() is not None or time.monotonic() > give_up_at:
                raise AssertionError(f"the program did not start: {self.said()[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End every process of the program at once, as a power cut would (SIGKILL)."""
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=30)

    def stop(self) -> None:
        """Ask the program to end, and end it if it does not."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self.kill()

    def said(self) -> str:
        """Return what the program wrote to standard output and standard error."""
        return (self.folder / "said.log").read_text(encoding="utf-8", errors="replace")

    def flask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `flask --app app …` on the same folder, beside the running program."""
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", *arguments],
            cwd=REPOSITORY,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    # --- HTTP ---------------------------------------------------------------------------------

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send one request and read the whole answer; safe to call from several threads.

        Raises:
            OSError: If nobody answers, or the program died before the answer was whole.
        """
        raw = None if body is None else json.dumps(body).encode()
        given = {name.replace("_", "-"): text for name, text in headers.items()}
        if raw is not None:
            given["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=150)
        began = time.perf_counter()
        try:
            connection.request(method, path, raw, given)
            answer = connection.getresponse()
            text = answer.read().decode()
        except http.client.HTTPException as error:
            raise ConnectionError(f"{method} {path} broke off: {error!r}") from error
        finally:
            connection.close()
        seconds = time.perf_counter() - began
        return Answer(answer.status, text, dict(answer.getheaders()), seconds)

    def get(self, path: str) -> Answer:
        """GET a path."""
        return self.send("GET", path)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """POST JSON to a path."""
        return self.send("POST", path, body, **headers)

    def patch(self, path: str, body: Any) -> Answer:
        """PATCH a path with JSON."""
        return self.send("PATCH", path, body)

    def made(self, path: str, body: Any) -> Any:
        """POST what must be accepted (201) and return the answer's JSON."""
        answer = self.post(path, body)
        assert answer.status == 201, answer.text
        return answer.json

    def shown(self, path: str) -> Any:
        """GET what must be there (200) and return its JSON."""
        answer = self.get(path)
        assert answer.status == 200, answer.text
        return answer.json

    def planned(self) -> Any:
        """Plan everything (200) and return the answer's JSON."""
        answer = self.post("/api/schedule-all")
        assert answer.status == 200, answer.text
        return answer.json

    def every(self, path: str) -> list[Any]:
        """Return the items of every page of a list."""
        found: list[Any] = []
        cursor: str | None = None
        while True:
            mark = "&" if "?" in path else "?"
            page = self.shown(f"{path}{mark}limit=200" + (f"&cursor={cursor}" if cursor else ""))
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found


def eventually(
    look: Callable[[], T], is_right: Callable[[T], bool], what: str, seconds: float = 60.0
) -> T:
    """Look again and again until what is seen is right; fail with the last thing seen."""
    give_up_at = time.monotonic() + seconds
    while True:
        seen = look()
        if is_right(seen):
            return seen
        if time.monotonic() > give_up_at:
            raise AssertionError(f"not within {seconds:g} s: {what}; last seen: {seen!r}")
        time.sleep(0.1)
