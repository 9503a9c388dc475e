"""What Slurm's commands say and are told, as text: options out, states and times in. Nothing here runs a command."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from executors.batch_script import STARTED_BEFORE
from models.domain.errors import ExecutorFailed
from models.domain.execution import (
    ACTIVE,
    OVER,
    WAITING,
    ExecutionReport,
    ExecutionState,
    WorkOrder,
)
from models.domain.time import as_utc

NAME_PREFIX = "halfhour-"
"""Every job of ours is called this and our id."""

COMMENT_PREFIX = "halfhour:"
"""The comment of every job of ours is this and our id."""

QUEUE_FORMAT = "%F|%i|%T|%S|%e|%r|%j|%k"
"""Columns asked of squeue: base id, id, state, start, end, reason, name, comment (last: it may hold anything)."""

ACCOUNT_FORMAT = "JobID,State,Start,End,ExitCode,ConsumedEnergyRaw,JobName"
"""Columns asked of sacct."""

JOULES_PER_KWH = 3.6e6

_STATES: Mapping[str, ExecutionState] = {
    "PENDING": ExecutionState.QUEUED,
    "CONFIGURING": ExecutionState.QUEUED,
    "REQUEUED": ExecutionState.QUEUED,
    "REQUEUE_FED": ExecutionState.QUEUED,
    "REQUEUE_HOLD": ExecutionState.HELD,
    "SPECIAL_EXIT": ExecutionState.HELD,
    "RESV_DEL_HOLD": ExecutionState.HELD,
    "RUNNING": ExecutionState.RUNNING,
    "COMPLETING": ExecutionState.RUNNING,
    "RESIZING": ExecutionState.RUNNING,
    "SIGNALING": ExecutionState.RUNNING,
    "STAGE_OUT": ExecutionState.RUNNING,
    "STOPPED": ExecutionState.SUSPENDED,
    "SUSPENDED": ExecutionState.SUSPENDED,
    "COMPLETED": ExecutionState.COMPLETED,
    "CANCELLED": ExecutionState.CANCELLED,
    "REVOKED": ExecutionState.CANCELLED,
    "BOOT_FAIL": ExecutionState.FAILED,
    "DEADLINE": ExecutionState.FAILED,
    "FAILED": ExecutionState.FAILED,
    "NODE_FAIL": ExecutionState.FAILED,
    "OUT_OF_MEMORY": ExecutionState.FAILED,
    "PREEMPTED": ExecutionState.FAILED,
    "TIMEOUT": ExecutionState.FAILED,
}
"""Source: squeue(1), "JOB STATE CODES", Slurm 22.05."""

_HELD_REASONS = frozenset(
    {"JobHeldUser", "JobHeldAdmin", "JobHoldMaxRequeue", "job requeued in held state"}
)
"""Reasons of a pending job that does not start before it is released; the last one is what `requeuehold` leaves."""


@dataclass(frozen=True, slots=True)
class Task:
    """One line of Slurm about one job or one task of an array."""

    base_id: str
    run_id: str
    """Our id."""
    state: ExecutionState
    word: str
    """Slurm's own word for the state."""
    started_at: datetime | None
    ended_at: datetime | None
    reason: str
    exit_code: int | None = None
    energy_kwh: float | None = None


def submit_options(
    order: WorkOrder, begin: str | None, folder: str, exported: Iterable[str]
) -> list[str]:
    """Return sbatch's options for a hand-over; each is one word, so no value can become an option.

    Args:
        order: What to run.
        begin: Begin time as Slurm reads it; None: held.
        folder: Full path of the folder of the output.
        exported: Names of the variables that sbatch takes from its own environment.
    """
    work, needs = order.workload, order.workload.resources
    minutes = max(1, math.ceil(order.time_limit / timedelta(minutes=1)))
    given: dict[str, object | None] = {
        "job-name": NAME_PREFIX + order.hand_over_id,
        "comment": COMMENT_PREFIX + order.hand_over_id,
        "begin": begin,
        "time": minutes,
        "export": ",".join(exported),
        "output": f"{folder}/{order.hand_over_id}.%a.log"
        if work.copies > 1
        else f"{folder}/{order.hand_over_id}.0.log",
        "open-mode": "append",
        "chdir": folder,
        "array": f"0-{work.copies - 1}" if work.copies > 1 else None,
        "partition": needs.partition,
        "account": needs.account,
        "qos": needs.qos,
        "constraint": needs.constraint,
        "nodes": needs.nodes,
        "ntasks": needs.tasks,
        "cpus-per-task": needs.cpus_per_task,
        "mem": None if needs.memory_mb is None else f"{needs.memory_mb}M",
        "gres": _gres(order),
    }
    options = [f"--{name}={value}" for name, value in given.items() if value is not None]
    options.append("--requeue" if order.is_interruptible else "--no-requeue")
    return [*options, "--hold"] if begin is None else options


def _gres(order: WorkOrder) -> str | None:
    needs = order.workload.resources
    if needs.gpus is None:
        return None
    return f"gpu:{needs.gpu_type}:{needs.gpus}" if needs.gpu_type else f"gpu:{needs.gpus}"


def slurm_time(instant: datetime, zone: ZoneInfo, now: datetime) -> str:
    """Return an instant as Slurm reads it in a time zone: never earlier, by less than a second later.

    The hour that a clock change repeats cannot be written as a local time; it is given in seconds from now.
    """
    whole = as_utc(instant)
    if whole.microsecond:
        whole = whole.replace(microsecond=0) + timedelta(seconds=1)
    local = whole.astimezone(zone)
    is_repeated = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    if is_repeated:
        return f"now+{max(0, math.ceil((whole - now).total_seconds()))}"
    return local.strftime("%Y-%m-%dT%H:%M:%S")


def read_time(text: str, zone: ZoneInfo) -> datetime | None:
    """Return an instant Slurm printed in a time zone; None where it knows none.

    Raises:
        ExecutorFailed: If it is written in another way than Slurm's usual one.
    """
    if text in {"", "N/A", "Unknown", "None", "NONE"}:
        return None
    try:
        return as_utc(datetime.fromisoformat(text).replace(tzinfo=zone))
    except ValueError as error:
        raise ExecutorFailed(
            f"Slurm printed the time {text[:40]!r}, which is not understood; leave SLURM_TIME_FORMAT unset"
        ) from error


def read_queue(text: str, zone: ZoneInfo) -> list[Task]:
    """Return our jobs among the lines of `squeue -o QUEUE_FORMAT`; those of others and odd lines are left out."""
    found = []
    for line in text.splitlines():
        parts = line.split("|", 7)
        if len(parts) != 8 or not parts[7].startswith(COMMENT_PREFIX):
            continue
        base_id, _, word, start, end, reason, name, comment = parts
        run_id = comment.removeprefix(COMMENT_PREFIX)
        state = _STATES.get(word)
        if state is None or name != NAME_PREFIX + run_id:
            continue
        if state in WAITING and reason in _HELD_REASONS:
            state = ExecutionState.HELD
        found.append(_task(base_id, run_id, state, word, start, end, reason, zone))
    return found


def read_accounts(text: str, zone: ZoneInfo) -> list[Task]:
    """Return our jobs among the lines of `sacct -P -n -o ACCOUNT_FORMAT`, the energy of their steps added."""
    found: dict[str, Task] = {}
    joules: dict[str, float] = {}
    for line in text.splitlines():
        parts = line.split("|", 6)
        if len(parts) != 7:
            continue
        job_id, word, start, end, code, energy, name = parts
        whole_id = job_id.partition(".")[0]
        used = float(energy) if energy.isdigit() else 0.0
        joules[whole_id] = max(joules.get(whole_id, 0.0), used)
        state = _STATES.get(word.partition(" ")[0])
        if "." in job_id or state is None or not name.startswith(NAME_PREFIX):
            continue
        exit_code, _, signal = code.partition(":")
        number = int(exit_code) if exit_code.isdigit() else None
        if number == 0 and signal.isdigit() and int(signal):
            number = 128 + int(signal)
        task = _task(
            whole_id.partition("_")[0],
            name.removeprefix(NAME_PREFIX),
            state,
            word.partition(" ")[0],
            start,
            end,
            "",
            zone,
            number,
        )
        found[whole_id] = task
    return [
        Task(
            t.base_id, t.run_id, t.state, t.word, t.started_at, t.ended_at, t.reason, t.exit_code,
            joules[job_id] / JOULES_PER_KWH if joules.get(job_id) else None,
        )
        for job_id, t in found.items()
    ]  # fmt: skip


def _task(
    base_id: str,
    run_id: str,
    state: ExecutionState,
    word: str,
    start: str,
    end: str,
    reason: str,
    zone: ZoneInfo,
    exit_code: int | None = None,
) -> Task:
    started_at, ended_at = read_time(start, zone), read_time(end, zone)
    if state in WAITING:
        started_at = ended_at = None  # what Slurm prints then is a guess
    elif state in ACTIVE:
        ended_at = None  # the time limit
    elif state is ExecutionState.CANCELLED and started_at == ended_at:
        started_at = None  # taken off before it started
    why = "" if reason in {"None", "NONE"} else reason
    return Task(base_id, run_id, state, word, started_at, ended_at, why, exit_code)


def reports_of(
    tasks: Sequence[Task], begins: Mapping[str, datetime], source: str
) -> dict[str, tuple[ExecutionReport, ...]]:
    """Return reports by our id: tasks of one array are one report, and the one that counts stands first."""
    groups: dict[tuple[str, str], list[Task]] = {}
    for task in tasks:
        groups.setdefault((task.run_id, task.base_id), []).append(task)
    found: dict[str, list[ExecutionReport]] = {}
    for (run_id, base_id), group in groups.items():
        found.setdefault(run_id, []).append(_joined(run_id, base_id, group, begins, source))
    return {run_id: tuple(sorted(reports, key=_rank)) for run_id, reports in found.items()}


def _joined(
    run_id: str,
    base_id: str,
    group: Sequence[Task],
    begins: Mapping[str, datetime],
    source: str,
) -> ExecutionReport:
    """Return one report of a job or array: running while any task runs, over when all are, failed if one did."""
    order = (
        ExecutionState.RUNNING, ExecutionState.SUSPENDED, ExecutionState.QUEUED, ExecutionState.HELD,
        ExecutionState.FAILED, ExecutionState.CANCELLED, ExecutionState.COMPLETED,
    )  # fmt: skip
    lead = min(group, key=lambda task: order.index(task.state))
    state = lead.state
    if state in WAITING and any(task.started_at for task in group):
        state = ExecutionState.RUNNING  # some tasks have run, others wait for room
    starts = [task.started_at for task in group if task.started_at]
    ends = [task.ended_at for task in group if task.ended_at]
    energies = [task.energy_kwh for task in group]
    codes = [task.exit_code for task in group if task.exit_code is not None]
    known = [kwh for kwh in energies if kwh is not None]
    return ExecutionReport(
        hand_over_id=run_id,
        external_id=base_id,
        state=state,
        begin=begins.get(base_id),
        started_at=min(starts, default=None),
        ended_at=max(ends, default=None) if state in OVER else None,
        exit_code=max(codes, default=None),
        reason=lead.reason or (lead.word if state in OVER else ""),
        energy_kwh=sum(known) if len(known) == len(energies) else None,
        source=source,
    )


def _rank(report: ExecutionReport) -> tuple[int, int, str]:
    """Order reports of one hand-over: what runs or ran first, then what waits, then what never did anything."""
    if report.state in ACTIVE:
        place = 0
    elif report.state is ExecutionState.COMPLETED:
        place = 1
    elif report.state in WAITING:
        place = 2
    elif report.state is ExecutionState.FAILED and report.exit_code != STARTED_BEFORE:
        place = 3
    else:
        place = 4
    number = int(report.external_id) if report.external_id.isdigit() else 0
    return place, number, report.external_id
