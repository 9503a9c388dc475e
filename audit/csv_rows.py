"""One CSV row a record, for spreadsheets: no cell can be taken for a formula."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

COLUMNS = (
    "seq",
    "ts_utc",
    "event_type",
    "event_id",
    "job_id",
    "negotiation_id",
    "ref",
    "settlement_date",
    "settlement_period",
    "gate_closure_utc",
    "clock_utc",
    "actor",
    "selected_option",
    "rule",
    "rationale",
    "energy_kwh",
    "cost_gbp",
    "carbon_kg",
    "options",
    "prev_hash",
    "hash",
)
"""Header of the file; energy, cost and carbon are the selected option's."""

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_cell(value: object) -> str:
    """Return a value as text that a spreadsheet shows and never evaluates.

    Plain numbers stay as they are; other text that begins like a formula gets an apostrophe in front.
    """
    if value is None:
        return ""
    text = str(value)
    if _NUMBER.fullmatch(text):
        return text
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text


def row(record: Mapping[str, Any]) -> list[str]:
    """Return the cells of one record in the order of `COLUMNS`."""
    selected = _mapping(record.get("selected"))
    options = record.get("options")
    listed = options if isinstance(options, list) else []
    chosen: Mapping[str, Any] = {}
    for option in listed:
        if _mapping(option).get("id") == selected.get("option_id"):
            chosen = _mapping(option.get("metrics"))
    derived = {
        "actor": _mapping(record.get("actor")).get("name"),
        "selected_option": selected.get("option_id"),
        "rule": selected.get("rule"),
        "rationale": selected.get("rationale"),
        "energy_kwh": chosen.get("energy_kwh"),
        "cost_gbp": chosen.get("cost_gbp"),
        "carbon_kg": chosen.get("carbon_kg", chosen.get("co2_avg_kg")),
        "options": len(listed) if listed else None,
    }
    return [safe_cell(derived.get(column, record.get(column))) for column in COLUMNS]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


class CsvFile:
    """A CSV file being written (RFC 4180, UTF-8), closed by leaving the block."""

    def __init__(self, path: Path) -> None:
        """Create the file with its header."""
        self._handle = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._handle)
        self._writer.writerow(COLUMNS)

    def add(self, record: Mapping[str, Any]) -> None:
        """Write one record."""
        self._writer.writerow(row(record))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.close()
