"""Slurm by its own commands: sbatch, scontrol, scancel, squeue and, where there is accounting, sacct.

Our id travels as job name and comment. Commands run in a named time zone, so that begin times mean what they say;
secrets travel in sbatch's environment and are named, never written, on its command line.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from executors import run_notes
from executors.batch_script import batch_script
from executors.checks import SecretReader, folder_errors, secret_errors
from executors.commands import Runner, Said
from executors.slurm_text import (
    ACCOUNT_FORMAT,
    NAME_PREFIX,
    QUEUE_FORMAT,
    Task,
    read_accounts,
    read_queue,
    reports_of,
    slurm_time,
    submit_options,
)
from models.domain.errors import ExecutorFailed, FieldError
from models.domain.execution import OVER, ExecutionReport, ExecutionState, WorkOrder
from models.domain.workload import Workload

log = logging.getLogger(__name__)

EXPORTED = ("HOME", "USER", "LOGNAME", "PATH", "LANG")
"""Variables of ours that a run sees besides its own."""

IDS_AT_ONCE = 200
"""Most ids named in one question to the accounting."""

_FINAL = re.compile(
    r"(?i)invalid|not (available|permitted|allowed)|violat|unable to (open|find)|no partition|"
    r"exceeds|more processors|user.s group not permitted|access/permission denied"
)
"""Words of a refusal that the same request would meet again."""

_PASSING = re.compile(
    r"(?i)(partition|node) not available|not available now|violates accounting|submit limit|temporarily|busy"
)
"""Words of a refusal that passes: a drained partition, a full submit limit."""

_UNSURE = re.compile(r"(?i)timed out|timeout|unable to contact|socket|connection|zero bytes")
"""Words after which a request may have been taken all the same."""

_GONE = re.compile(
    r"(?i)invalid job id|already (complet|finish|done)|no longer pending|is finished"
)
"""Words that say that a job is over."""


@dataclass(frozen=True)
class SlurmSettings:
    """How this cluster is reached."""

    run_dir: Path
    """Folder of notes and output, at the same path on every machine of the cluster."""
    zone: ZoneInfo
    """Time zone in which its commands read and print times."""
    timeout_seconds: float
    """Longest a command may take. [s]"""
    accounting: Literal["auto", "on", "off"] = "auto"
    pause_by: Literal["suspend", "requeue"] = "suspend"
    working_dirs: tuple[str, ...] = ()
    """Folders in which work may start; empty: any."""


class SlurmExecutor:
    """`Executor` on a Slurm cluster."""

    name = "slurm"
    is_real = True
    is_idempotent = False
    reports = True

    def __init__(
        self,
        settings: SlurmSettings,
        run: Runner,
        secret: SecretReader,
        *,
        system_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Bind the cluster.

        Args:
            settings: How it is reached.
            run: Runs its commands.
            secret: Reads a secret an owner may use.
            system_now: System time.
        """
        self._settings = settings
        self._run = run
        self._secret = secret
        self._system_now = system_now
        self._has_accounting = settings.accounting != "off"
        self.settle_seconds = settings.timeout_seconds + 2.0

    # --- before -------------------------------------------------------------------------------

    def check(self, workload: Workload, owner: str) -> tuple[FieldError, ...]:
        """Return why this cluster would not be given a workload."""
        return (
            *secret_errors(workload, owner, self._secret),
            *folder_errors(workload, self._settings.working_dirs),
        )

    # --- acts ---------------------------------------------------------------------------------

    def hand_over(self, order: WorkOrder) -> str:
        """Submit work that starts at its begin time, or held; return Slurm's job id."""
        secrets = {}
        for variable, reference in order.workload.secrets.items():
            value = self._secret(order.owner, reference.from_env)
            if value is None:
                raise ExecutorFailed(
                    f"the variable {reference.from_env} that {variable} refers to is not set or may not be passed on",
                    is_final=True,
                )
            secrets[variable] = value
        folder = self._settings.run_dir
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ExecutorFailed(f"{folder} cannot be made: {error.strerror}") from error
        options = submit_options(
            order,
            None if order.begin is None else self._time(order.begin),
            str(folder),
            [*EXPORTED, *sorted(secrets)],
        )
        said = self._run(
            ["sbatch", "--parsable", *options], text=batch_script(order, str(folder)), env=secrets
        )
        if said.code != 0:
            raise self._failure("sbatch", said, is_new=True)
        external_id = said.out.strip().partition(";")[0]
        if not external_id.isdigit():
            raise ExecutorFailed(
                f"sbatch did not say which job it made: {_shown(said.out)}", may_have_acted=True
            )
        return external_id

    def move(self, external_id: str, begin: datetime) -> None:
        """Give a waiting job another begin time and release it where it is held."""
        self._control("update", f"JobId={external_id}", f"StartTime={self._time(begin)}")
        if self._is_held(external_id):
            self._control("release", external_id)

    def hold(self, external_id: str) -> None:
        """Keep a waiting job from starting."""
        self._control("hold", external_id)

    def cancel(self, external_id: str, *, only_waiting: bool = False) -> None:
        """End a job; with `only_waiting` one that runs is left alone. One that is over is no error."""
        states = ["--state=PENDING"] if only_waiting else []
        said = self._run(["scancel", *states, external_id])
        if said.code != 0 and not _GONE.search(said.error):
            raise self._failure("scancel", said)

    def suspend(self, external_id: str) -> None:
        """Pause a running job: its processes stop, or it goes back to the queue, as the settings say."""
        word = "suspend" if self._settings.pause_by == "suspend" else "requeuehold"
        self._control(word, external_id)

    def resume(self, external_id: str) -> None:
        """Let a paused job go on."""
        word = "resume" if self._settings.pause_by == "suspend" else "release"
        self._control(word, external_id)

    # --- truth --------------------------------------------------------------------------------

    def find(self, wanted: Mapping[str, str | None]) -> dict[str, tuple[ExecutionReport, ...]]:
        """Return what the cluster knows of some hand-overs: its queue, its accounting, and the runs' own notes."""
        if not wanted:
            return {}
        zone = self._settings.zone
        said = self._run(
            ["squeue", "--noheader", "--me", "--states=all", "--array", f"--format={QUEUE_FORMAT}"]
        )
        if said.code != 0:
            raise self._failure("squeue", said)
        queued = [task for task in read_queue(said.out, zone) if task.run_id in wanted]
        reports = reports_of(queued, {}, "squeue")
        settled = [run for run, told in reports.items() if told[0].state in OVER]
        missing = [run for run in wanted if run not in reports]
        for run, told in reports_of(self._accounts([*missing, *settled]), {}, "sacct").items():
            if run not in reports or told[0].state in OVER:
                reports[run] = told
        folder = self._settings.run_dir
        return {
            run: run_notes.completed(folder, run, reports.get(run, ()), wanted[run])
            for run in wanted
        }

    def log_tail(self, hand_over_id: str, external_id: str, max_bytes: int = 16_384) -> str | None:
        """Return the end of what a run wrote, the first task's where there are several."""
        del external_id
        return run_notes.tail(self._settings.run_dir / f"{hand_over_id}.0.log", max_bytes)

    # --- parts --------------------------------------------------------------------------------

    def _accounts(self, runs: Sequence[str]) -> list[Task]:
        """Return what the accounting knows; nothing where there is none."""
        found: list[Task] = []
        for first in range(0, len(runs), IDS_AT_ONCE):
            if not self._has_accounting:
                break
            names = ",".join(NAME_PREFIX + run for run in runs[first : first + IDS_AT_ONCE])
            said = self._run(
                [
                    "sacct", "--noheader", "--parsable2", "--duplicates", "--starttime=now-30days",
                    f"--name={names}", f"--format={ACCOUNT_FORMAT}",
                ]
            )  # fmt: skip
            if said.code == 0:
                found += read_accounts(said.out, self._settings.zone)
            elif self._settings.accounting == "auto" and "disabled" in said.error:
                log.info("this cluster keeps no accounts; times come from its queue and the runs")
                self._has_accounting = False
            else:
                raise self._failure("sacct", said)
        return found

    def _is_held(self, external_id: str) -> bool:
        said = self._run(
            ["squeue", "--noheader", f"--jobs={external_id}", f"--format={QUEUE_FORMAT}"]
        )
        if said.code != 0:
            raise self._failure("squeue", said)
        tasks = read_queue(said.out, self._settings.zone)
        return any(task.state is ExecutionState.HELD for task in tasks)

    def _control(self, *words: str) -> None:
        said = self._run(["scontrol", *words])
        if said.code != 0:
            raise self._failure(f"scontrol {words[0]}", said)

    def _time(self, instant: datetime) -> str:
        return slurm_time(instant, self._settings.zone, self._system_now())

    def _failure(self, command: str, said: Said, *, is_new: bool = False) -> ExecutorFailed:
        """Return what a failed command means; a new submission counts as made unless it was clearly refused."""
        text = said.error or said.out
        is_unsure = bool(_UNSURE.search(text)) or said.code < 0
        is_passing = bool(_PASSING.search(text))
        is_final = bool(_FINAL.search(text)) and not is_unsure and not is_passing
        return ExecutorFailed(
            f"{command} failed: {_shown(text)}",
            may_have_acted=is_unsure or (is_new and not is_final and not is_passing),
            is_final=is_final,
        )


def _shown(text: str) -> str:
    """Return the first line of what a command said, short and without control characters."""
    lines: Iterable[str] = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line), "it said nothing")
    return re.sub(r"[\x00-\x1f\x7f]", " ", first)[:300]
