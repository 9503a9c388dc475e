"""The small files a run leaves beside its output: when each task started, when it ended, and with which code."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from models.domain.execution import OVER, ExecutionReport, ExecutionState

_START = re.compile(r"(\d{9,12})\s*")
_END = re.compile(r"(\d{9,12}) (\d{1,3})\s*")


def completed(
    folder: Path, run: str, told: tuple[ExecutionReport, ...], external_id: str | None
) -> tuple[ExecutionReport, ...]:
    """Return what is known of a run with what its own notes add.

    Args:
        folder: Where the notes are.
        run: Our id.
        told: What the batch system says; empty where it has forgotten the run.
        external_id: The batch system's id, where we know it.

    Returns:
        The reports with exit codes filled in; where the batch system knows nothing, one report from the notes alone: of
        a task that noted its start and not its end nobody can say how it went.
    """
    notes = _read(folder, run)
    if not notes:
        return told
    ends = [end for _, end in notes.values()]
    began = min(start for start, _ in notes.values())
    if told:
        lead = told[0]
        if lead.state is ExecutionState.CANCELLED and lead.started_at is None:
            # Cancelled within the second in which it started: the batch system's times do not tell that it ran.
            return (replace(lead, started_at=min(began, lead.ended_at or began)), *told[1:])
        codes = [end[1] for end in ends if end is not None]
        if lead.state in OVER and lead.exit_code is None and codes:
            return (replace(lead, exit_code=max(codes)), *told[1:])
        return told
    known = [end for end in ends if end is not None]
    report = ExecutionReport(
        hand_over_id=run,
        external_id=external_id or "",
        state=ExecutionState.UNKNOWN,
        started_at=began,
        reason="it noted its start and no end",
        source="notes of the run",
    )
    if len(known) == len(ends):
        code = max(number for _, number in known)
        report = replace(
            report,
            state=ExecutionState.FAILED if code else ExecutionState.COMPLETED,
            ended_at=max(at for at, _ in known),
            exit_code=code,
            reason="",
        )
    return (report,)


def _read(folder: Path, run: str) -> dict[str, tuple[datetime, tuple[datetime, int] | None]]:
    """Return start and end by task, of the tasks that noted a start."""
    found = {}
    for path in folder.glob(f"{run}.*.start"):
        start = _START.fullmatch(_text(path))
        if start is None:
            continue
        end = _END.fullmatch(_text(path.with_suffix(".end")))
        ended = (_instant(end[1]), int(end[2])) if end else None
        found[path.name] = (_instant(start[1]), ended)
    return found


def tail(path: Path, max_bytes: int) -> str | None:
    """Return the end of a file as text; None where there is no file."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - max_bytes))
            return file.read(max_bytes).decode("utf-8", errors="replace")
    except OSError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")[:100]
    except OSError:
        return ""


def _instant(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
