"""Reads jobs from a CSV file: one a line, columns named as the fields of the API."""

from __future__ import annotations

import csv
import io
import json
import shlex
from typing import Any

from client.sbatch_line import BadLine

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


def jobs_of(text: str) -> list[dict[str, Any]]:
    """Return the jobs of a CSV file; an empty cell leaves its field out, `command` is split as a shell would.

    Raises:
        BadLine: If a cell is not what its column holds; the line is named.
    """
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        jobs = [_job(row, rows.line_num) for row in rows]
    except csv.Error as error:
        raise BadLine(f"line {rows.line_num} is not CSV: {error}") from error
    if not jobs:
        raise BadLine("the file holds no job; its first line names the columns")
    return jobs


def _job(row: dict[str, Any], line: int) -> dict[str, Any]:
    if None in row or None in row.values():
        raise BadLine(f"line {line} has another number of cells than the first line")
    job: dict[str, Any] = {}
    for name, cell in row.items():
        text = cell.strip()
        if not text:
            continue
        try:
            job[name] = _value(name, text)
        except ValueError as error:
            raise BadLine(f"line {line}, column {name}: {text} is not understood") from error
    command = job.pop("command", None)
    if command:
        job["workload"] = {**job.get("workload", {}), "command": command}
    return job


def _value(name: str, text: str) -> Any:
    if name in NUMBERS:
        return float(text)
    if name in WHOLE:
        return int(text)
    if name in LISTS:
        return [part.strip() for part in text.split("|")]
    if name in JSON:
        return json.loads(text)
    return shlex.split(text) if name == "command" else text
