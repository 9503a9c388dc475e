"""Running the commands of a batch system: no shell, a short environment, a time limit, and no orphan left behind."""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from models.domain.errors import ExecutorFailed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Said:
    """What a command wrote, and how it ended."""

    code: int
    out: str
    error: str


class Runner(Protocol):
    """Runs one command; tests give one that answers from recorded text."""

    def __call__(
        self, command: Sequence[str], *, text: str = "", env: Mapping[str, str] | None = None
    ) -> Said:
        """Run a command with some text on standard input and some variables beside the usual ones.

        Raises:
            ExecutorFailed: If it cannot be started (nothing has happened) or does not end in time (it may have acted).
        """


class CommandRunner:
    """Runs commands on this host, behind a prefix where one is set."""

    def __init__(
        self, prefix: Sequence[str], env: Mapping[str, str], timeout_seconds: float
    ) -> None:
        """Keep how to run.

        Args:
            prefix: Words before every command, such as `sudo -u hpc`; it must pass the environment on.
            env: The whole environment of every command.
            timeout_seconds: Longest a command may take. [s]
        """
        self._prefix = tuple(prefix)
        self._env = dict(env)
        self._timeout_seconds = timeout_seconds
        # A command must not outlive a killed program: it would act after the next one has looked.
        guard = shutil.which("setpriv")
        self._guard = (guard, "--pdeathsig", "KILL", "--") if guard else ()

    def __call__(
        self, command: Sequence[str], *, text: str = "", env: Mapping[str, str] | None = None
    ) -> Said:
        """Run a command; see `Runner`."""
        try:
            done = subprocess.run(  # noqa: S603 - no shell; every word is checked or ours
                [*self._guard, *self._prefix, *command],
                input=text,
                env={**self._env, **(env or {})},
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=self._timeout_seconds,
                check=False,
                cwd="/",
            )
        except subprocess.TimeoutExpired as error:
            raise ExecutorFailed(
                f"{command[0]} did not answer within {self._timeout_seconds:g} s",
                may_have_acted=True,
            ) from error
        except OSError as error:
            raise ExecutorFailed(f"{command[0]} could not be started: {error.strerror}") from error
        return Said(done.returncode, done.stdout, done.stderr)
