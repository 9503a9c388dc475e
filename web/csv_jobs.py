"""Several new jobs as CSV: one a line, columns named as the fields of a job; what is wrong is named with line and column."""

from __future__ import annotations

import csv
import difflib
import io
import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from flask import g

from models.domain.errors import Conflict, FieldError, InvalidRequest
from web.schemas.jobs import JobSubmission
from web.validation import MOST_ERRORS

MEDIA_TYPE = "text/csv"
"""Media type of a table."""

NUMBERS = frozenset(
    {
        "duration_hours", "estimated_power_kw", "carbon_cap_g_per_kwh", "max_price_per_kwh", "min_saving_percent",
        "checkpoint_minutes", "min_power_kw", "data_gb", "units_of_work",
    }
)  # fmt: skip
WHOLE = frozenset({"gpu_count", "min_run_slots", "max_chunks"})
LISTS = frozenset({"allowed_regions", "depends_on"})
"""Columns that name several things, with a bar between them."""

JSON = frozenset({"workload", "power_profile_kw", "power_levels"})
"""Columns that hold JSON."""

COMMAND = "command"
"""Column of a command line, which becomes the workload's; it is split as a shell would."""

HOLDS = {
    **dict.fromkeys(NUMBERS, "a number such as 2.5"),
    **dict.fromkeys(WHOLE, "a whole number"),
    **dict.fromkeys(LISTS, "names with a bar between them"),
    **dict.fromkeys(JSON, "JSON"),
    COMMAND: "a program and its arguments, quoted as in a shell",
}
"""What the cells of a column hold; of others: text."""

_PLACE = re.compile(r"\bjobs\.(\d+)\b")


@dataclass(frozen=True)
class Table:
    """Jobs as they stand in a file."""

    jobs: list[dict[str, Any]]
    lines: list[int]
    """Line on which each of them ends; the first line of a file is 1."""


def read_table(text: str) -> Table:
    """Return the jobs of a CSV file; an empty cell leaves its field out.

    Raises:
        InvalidRequest: With one error per wrong cell, as `lines.4.duration_hours`.
    """
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    found = Table([], [])
    wrong: list[FieldError] = []
    try:
        columns = [name.strip() for name in next(rows, [])]
        wrong += _column_errors(columns)
        for cells in rows:
            if not cells:
                continue  # a blank line
            found.jobs.append(_job(columns, cells, rows.line_num, wrong))
            found.lines.append(rows.line_num)
    except csv.Error as error:
        wrong.append(
            FieldError(f"lines.{rows.line_num}", f"is not CSV ({error})", None, "CSV in UTF-8")
        )
    if not found.jobs and not wrong:
        wrong.append(
            FieldError("lines.1", "is followed by no job", None, "a line of column names, then one for each job")
        )  # fmt: skip
    if wrong:
        count = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise InvalidRequest(
            f"{_spoken(wrong[0].field)}: {wrong[0].message}{count}", tuple(wrong[:MOST_ERRORS])
        )
    g.table_lines = found.lines
    return found


@contextmanager
def by_line() -> Iterator[None]:
    """Name a job that came in a table by its line where something about it is wrong."""
    try:
        yield
    except (InvalidRequest, Conflict) as error:
        lines = g.get("table_lines")
        if lines is None:
            raise
        text = _PLACE.sub(lambda place: f"line {lines[int(place[1])]}", str(error))
        if isinstance(error, Conflict):
            raise Conflict(text) from error
        fields = [
            replace(one, field=_PLACE.sub(lambda place: f"lines.{lines[int(place[1])]}", one.field))
            for one in error.fields
        ]
        raise InvalidRequest(text, tuple(fields)) from error


def _column_errors(columns: list[str]) -> list[FieldError]:
    known = [*JobSubmission.model_fields, COMMAND]
    wrong = []
    for name in dict.fromkeys(columns):
        where = f"lines.1.{name[:60]}"
        if columns.count(name) > 1:
            wrong.append(FieldError(where, "names two columns", None, "each name once"))
        elif name not in known:
            near = difflib.get_close_matches(name, known, 1)
            cure = f"did you mean {near[0]}?" if near else "remove the column"
            wrong.append(
                FieldError(where, "is not a field of a job", name[:60], ", ".join(known), cure)
            )
    return wrong


def _job(columns: list[str], cells: list[str], line: int, wrong: list[FieldError]) -> dict[str, Any]:  # fmt: skip
    if len(cells) != len(columns):
        wrong.append(
            FieldError(f"lines.{line}", "has another number of cells than the first line", len(cells), str(len(columns)))
        )  # fmt: skip
        return {}
    job: dict[str, Any] = {}
    for name, cell in zip(columns, cells, strict=True):
        text = cell.strip()
        if not text:
            continue
        try:
            job[name] = _value(name, text)
        except (ValueError, RecursionError):
            holds = HOLDS.get(name)
            wrong.append(FieldError(f"lines.{line}.{name}", "is not understood", text[:80], holds))
    command, workload = job.pop(COMMAND, None), job.get("workload", {})
    if command and isinstance(workload, dict):
        job["workload"] = {**workload, COMMAND: command}
    return job


def _value(name: str, text: str) -> Any:
    if name in NUMBERS | WHOLE and "_" in text:
        raise ValueError(text)  # Python would read 1_0 as ten
    if name in NUMBERS:
        return float(text)
    if name in WHOLE:
        return int(text)
    if name in LISTS:
        return [part.strip() for part in text.split("|")]
    if name in JSON:
        return json.loads(text)
    return shlex.split(text) if name == COMMAND else text


def _spoken(field: str) -> str:
    """Return `lines.4.duration_hours` as `line 4, duration_hours`."""
    _, line, *column = field.split(".", 2)
    return f"line {line}" + (f", {column[0]}" if column else "")
