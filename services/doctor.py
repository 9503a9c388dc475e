"""Whether the program can do its work here: database, disk, clock, upstreams, executors, loop and chain, each with a cure.

Questions are asked for real: upstreams are fetched, executors are asked about a run that does not exist, the whole chain
is verified. Nothing is changed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from models.domain.errors import ExecutorFailed, HalfhourError
from models.domain.ports import Executor
from models.domain.time import format_utc, parse_rfc3339
from services import audit_view, health
from services.context import Context
from services.signals import LOOP_LEASE

LEAST_FREE_BYTES = 100 * 2**20
"""Less free space than this and the next records may not fit. [B]"""

LITTLE_FREE_BYTES = 2**30
"""Less than this is worth a warning. [B]"""

NOBODY = "0" * 32
"""Id of a run that no executor has."""

CLOCK_SLACK = timedelta(seconds=5)
"""How far in the future a record's time may lie before the clock is called wrong."""


class Finding(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    subject: str
    finding: Finding
    text: str
    """What was found and, where something is wrong, what to do."""


def examine(context: Context) -> Iterator[Check]:
    """Return every check as it is made, the quick ones first."""
    yield _checked("database", lambda: _database(context))
    yield from _disk(context)
    yield _checked("clock", lambda: _clock(context))
    yield _checked("loop", lambda: _loop(context))
    yield from _executors(context)
    yield from _upstreams(context)
    yield _checked("chain", lambda: _chain(context))


def _checked(subject: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except HalfhourError as error:
        return Check(subject, Finding.FAULT, str(error))


def _database(context: Context) -> Check:
    told = health.ready(context)
    return Check("database", Finding.OK, f"schema current, {told['audit']['last_seq']} records")


def _disk(context: Context) -> Iterator[Check]:
    for name, folder in (
        ("data folder", context.settings.data_dir),
        ("log folder", context.settings.logs_dir),
    ):
        free = shutil.disk_usage(_existing(folder)).free
        text = f"{folder}: {free / 2**30:.1f} GiB free"
        if not health.is_writable(folder):
            yield Check(
                name, Finding.FAULT, f"{folder} cannot be written; mend its owner or permissions"
            )
        elif free < LEAST_FREE_BYTES:
            yield Check(name, Finding.FAULT, f"{text}; make room before records are refused")
        elif free < LITTLE_FREE_BYTES:
            yield Check(name, Finding.WARNING, f"{text}; make room soon")
        else:
            yield Check(name, Finding.OK, text)


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _clock(context: Context) -> Check:
    now = context.system_now()
    with context.uow() as uow:
        seq, _ = uow.decisions.head()
        last = uow.decisions.after(seq - 1, 1) if seq else ()
    if last and parse_rfc3339(last[0].ts_utc) > now + CLOCK_SLACK:
        return Check(
            "clock",
            Finding.FAULT,
            f"system time is {format_utc(now.replace(microsecond=0))}, before the newest record ({last[0].ts_utc}); "
            "set the clock and keep it set with NTP",
        )
    if context.clock.is_shifted:
        shown = format_utc(context.clock.now().replace(microsecond=0))
        return Check(
            "clock",
            Finding.WARNING,
            f"plans are made as if it were {shown} (HALFHOUR_CLOCK); nothing is handed to executors meanwhile",
        )
    return Check(
        "clock", Finding.OK, f"{format_utc(now.replace(microsecond=0))}, after every record"
    )


def _loop(context: Context) -> Check:
    holder = context.leases.holder(LOOP_LEASE)
    if holder is not None:
        return Check("loop", Finding.OK, f"run by {holder}")
    return Check(
        "loop",
        Finding.WARNING,
        "nobody runs it: no re-planning, no hand-over; start the app, or `flask worker`",
    )


def _executors(context: Context) -> Iterator[Check]:
    for name, executor in sorted(context.executors.items()):
        yield _executor(name, executor)
    with context.uow() as uow:
        waiting = uow.hand_overs.open()
    for one in waiting:
        if one.executor not in context.executors:
            yield Check(
                f"executor {one.executor}",
                Finding.FAULT,
                f"job {one.job_id} was handed to it, and it is not switched on; add it to HALFHOUR_EXECUTORS",
            )
        elif one.tries > 2:
            yield Check(
                f"executor {one.executor}",
                Finding.WARNING,
                f"job {one.job_id}: {one.tries} calls in a row failed, the last with: {one.last_error}",
            )


def _executor(name: str, executor: Executor) -> Check:
    subject = f"executor {name}"
    if not executor.is_real:
        return Check(subject, Finding.OK, "starts nothing")
    if not executor.reports:
        return Check(subject, Finding.OK, "is switched on; it can only be told, not asked")
    try:
        executor.find({NOBODY: None})
    except ExecutorFailed as error:
        return Check(subject, Finding.FAULT, f"cannot be asked: {error}")
    return Check(subject, Finding.OK, "answers")


def _upstreams(context: Context) -> Iterator[Check]:
    report = context.signals.refresh(force=True)
    for failure in report.failures:
        yield Check("upstream", Finding.WARNING, failure)
    line = context.signals.data_line()
    is_good = not line.is_simulated and line.banner is None
    finding = Finding.OK if is_good else Finding.WARNING
    yield Check("signals", finding, line.text if is_good else f"{line.text}. {line.banner}")


def _chain(context: Context) -> Check:
    report = audit_view.verify(context, fresh=True)
    if not report.ok:
        return Check(
            "chain",
            Finding.FAULT,
            f"record {report.first_fault_seq}: {report.fault}; keep the files and see docs/audit.md",
        )
    return Check("chain", Finding.OK, f"{report.records} records verified to seq {report.last_seq}")
