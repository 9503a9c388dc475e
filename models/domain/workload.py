"""Workloads: what an executor runs for a job, read strictly from what a caller sent.

Nothing here runs anything. A secret is never part of a workload: its environment names where the value is found when
the work is handed over.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from models.domain.errors import FieldError, InvalidRequest
from models.domain.workload_checks import (
    Wrong,
    command_errors,
    env_errors,
    script_errors,
    working_dir_errors,
)

DRY_RUN = "dry_run"
"""Name of the executor that only notes what it would do; taken where nobody named one."""

EXECUTORS = ("slurm", "local", "webhook", DRY_RUN)
"""Names a workload or an asset may give."""

MOST_COPIES = 1000
"""Largest array of identical tasks."""

MOST_ATTEMPTS = 10
"""Most runs of one job, the first included."""

RETRY_PAUSE_MINUTES = 10
"""Pause after a first failed run where none is named. [min]"""

LONGEST_NAMED_PAUSE_MINUTES = 1440
"""Longest pause that may be named. [min]"""

LONGEST_PAUSE = timedelta(hours=24)
"""Doubling ends here. [h]"""


@dataclass(frozen=True, slots=True)
class SecretRef:
    """A value that is read from an environment variable of the program when the work is handed over."""

    from_env: str


@dataclass(frozen=True, slots=True)
class Resources:
    """What a run needs of its cluster; None leaves it to the cluster's own defaults."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    nodes: int | None = None
    tasks: int | None = None
    cpus_per_task: int | None = None
    memory_mb: int | None = None
    """Memory per node. [MB]"""
    gpus: int | None = None
    """GPUs per node."""
    gpu_type: str | None = None
    time_limit_minutes: int | None = None
    """When the executor ends a run by force; None: twice the planned length, at least 10 minutes. [min]"""


@dataclass(frozen=True, slots=True)
class Workload:
    """What to run: a command (program and arguments) or a script, and around it what it needs."""

    executor: str | None = None
    """None: that of the asset it is placed on."""
    command: tuple[str, ...] = ()
    script: str | None = None
    resources: Resources = Resources()
    env: Mapping[str, str | SecretRef] = field(default_factory=dict)
    working_dir: str | None = None
    copies: int = 1
    """Identical tasks started together; 1 is a plain job."""
    max_attempts: int = 1
    """Runs at most: after a failure it is planned again while its deadline can still be met."""
    retry_pause_minutes: int = RETRY_PAUSE_MINUTES
    """Pause after a first failed run, doubled after each further one; 0: none. [min]"""

    def pause_after(self, failures: int) -> timedelta:
        """Return how long to wait after so many failed runs before the next one may begin."""
        doubled = timedelta(minutes=self.retry_pause_minutes * (1 << max(0, failures - 1)))
        return min(doubled, LONGEST_PAUSE)

    @property
    def secrets(self) -> Mapping[str, SecretRef]:
        """Return the variables that are given by reference."""
        return {name: value for name, value in self.env.items() if isinstance(value, SecretRef)}

    @property
    def plain_env(self) -> Mapping[str, str]:
        """Return the variables that are given in clear."""
        return {name: value for name, value in self.env.items() if isinstance(value, str)}


_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
WORD_ALLOWED = "1 to 64 letters, digits, dots, dashes, plus signs or underscores"

_WORDS = ("partition", "account", "qos", "constraint", "gpu_type")
_NUMBERS: Mapping[str, int] = {
    "nodes": 10_000,
    "tasks": 1_000_000,
    "cpus_per_task": 1024,
    "memory_mb": 100_000_000,
    "gpus": 1024,
    "time_limit_minutes": 43_200,
}
"""Largest number of each resource."""

_KEYS = frozenset(
    {
        "executor",
        "command",
        "script",
        "resources",
        "env",
        "working_dir",
        "copies",
        "max_attempts",
        "retry_pause_minutes",
    }
)


def read_workload(raw: Mapping[str, Any]) -> Workload:
    """Return the workload a caller described.

    Args:
        raw: As sent: `executor`, `command` or `script`, `resources`, `env`, `working_dir`, `copies`, `max_attempts`,
            `retry_pause_minutes`.

    Raises:
        InvalidRequest: With one error per wrong field; no value of `env` is ever repeated.
    """
    wrong: Wrong = []
    for name in sorted(set(map(str, raw)) - _KEYS):
        wrong.append(_unknown(f"workload.{name[:60]}", _KEYS))
    executor = raw.get("executor")
    if executor is not None and executor not in EXECUTORS:
        wrong.append(
            FieldError(
                "workload.executor",
                "is not an executor",
                str(executor)[:80],
                ", ".join(EXECUTORS),
                "use one of these, or leave it out for that of the cluster",
            )
        )
    command, script = raw.get("command"), raw.get("script")
    if (command is None) == (script is None):
        said = "neither is given" if command is None else "both are given"
        wrong.append(
            FieldError(
                "workload.command",
                f"a workload has a command or a script; {said}",
                None,
                "exactly one of command and script",
                'send "command": ["python", "train.py"], or "script" with the text of one',
            )
        )
    wrong += command_errors(command) if command is not None else []
    wrong += script_errors(script) if script is not None else []
    wrong += env_errors(raw.get("env"))
    wrong += working_dir_errors(raw.get("working_dir"))
    resources = _resources(raw.get("resources"), wrong)
    copies = _count(raw, "copies", MOST_COPIES, wrong)
    max_attempts = _count(raw, "max_attempts", MOST_ATTEMPTS, wrong)
    pause = raw.get("retry_pause_minutes")
    _whole(pause, "workload.retry_pause_minutes", LONGEST_NAMED_PAUSE_MINUTES, wrong, least=0)
    if wrong:
        raise InvalidRequest(f"the workload cannot be run: {wrong[0].message}", tuple(wrong))
    env = raw.get("env") or {}
    return Workload(
        executor=executor,
        command=tuple(command or ()),
        script=script,
        resources=resources,
        env={k: v if isinstance(v, str) else SecretRef(v["from_env"]) for k, v in env.items()},
        working_dir=raw.get("working_dir"),
        copies=copies,
        max_attempts=max_attempts,
        retry_pause_minutes=RETRY_PAUSE_MINUTES if pause is None else pause,
    )


def executor_of(workload: Mapping[str, Any] | None, asset_executor: str | None) -> str | None:
    """Return which executor starts a job: the workload's, else the asset's, else the dry run; None without a workload."""
    if workload is None:
        return None
    return workload.get("executor") or asset_executor or DRY_RUN


def workload_digest(raw: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) that binds a record to a workload without repeating it."""
    return hashlib.sha256(json.dumps(raw, sort_keys=True, default=str).encode()).hexdigest()


def _resources(raw: object, wrong: Wrong) -> Resources:
    if raw is None:
        return Resources()
    if not isinstance(raw, Mapping):
        wrong.append(
            FieldError(
                "workload.resources", "is not an object", None, "an object", 'send {"gpus": 8}'
            )
        )
        return Resources()
    known = {*_WORDS, *_NUMBERS}
    wrong += [_unknown(f"workload.resources.{str(n)[:60]}", known) for n in raw if n not in known]
    before = len(wrong)
    for name in _WORDS:
        value = raw.get(name)
        if value is not None and not (isinstance(value, str) and _WORD.fullmatch(value)):
            wrong.append(
                FieldError(
                    f"workload.resources.{name}",
                    "is not a name",
                    str(value)[:80],
                    WORD_ALLOWED,
                    "send the name as the cluster knows it",
                )
            )
    for name, most in _NUMBERS.items():
        _whole(raw.get(name), f"workload.resources.{name}", most, wrong)
    if raw.get("gpu_type") is not None and raw.get("gpus") is None:
        wrong.append(
            FieldError("workload.resources.gpus", "is missing beside gpu_type", None, "1 to 1024")
        )
    if len(wrong) > before or set(raw) - known:
        return Resources()
    return Resources(**{name: value for name, value in raw.items() if value is not None})


def _count(raw: Mapping[str, Any], name: str, most: int, wrong: Wrong) -> int:
    value = raw.get(name)
    return value if _whole(value, f"workload.{name}", most, wrong) and value is not None else 1


def _whole(value: object, name: str, most: int, wrong: Wrong, *, least: int = 1) -> bool:
    """Return whether a value is left out or a whole number in range; note it where it is not."""
    is_whole = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    if value is None or is_whole:
        return True
    shown = value if isinstance(value, int | float) else str(value)[:80]
    wrong.append(FieldError(name, "is not a whole number in range", shown, f"{least} to {most:,}"))
    return False


def _unknown(name: str, known: frozenset[str] | set[str]) -> FieldError:
    return FieldError(name, "is not known", None, ", ".join(sorted(known)), "leave it out")
