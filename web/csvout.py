"""Lists as CSV (RFC 4180, UTF-8): text that a spreadsheet would take for a formula is defused."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from flask import Response, request

from web.json_text import json_text
from web.operation import finish_get

MEDIA_TYPE: Final = "text/csv"
"""Media type of a list as CSV."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def wants_csv() -> bool:
    """Return whether a list is wanted as CSV: by the suffix of the path or by `Accept`."""
    if request.path.endswith(".csv"):
        return True
    best = request.accept_mimetypes.best_match(["application/json", MEDIA_TYPE])
    return best == MEDIA_TYPE


def cell(value: Any) -> str:
    """Return one cell: numbers as they are, lists and objects as JSON, text defused; null is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    text = value if isinstance(value, str) else json_text(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def flat(row: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    """Return the cells of some dotted columns of one nested object."""
    cells = []
    for column in columns:
        value: Any = row
        for part in column.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        cells.append(cell(value))
    return cells


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a header and one line a row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(flat(row, columns) for row in rows)
    return out.getvalue()


def reply_csv(
    name: str,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return rows as a CSV answer to a GET.

    Args:
        name: Name of the file without suffix.
        columns: Dotted paths into a row, in order; they are the header too.
        rows: Plain objects as for JSON.
        headers: More headers.
    """
    response = Response(
        csv_text(columns, rows),
        content_type="text/csv; charset=utf-8; header=present",
        headers=dict(headers or {}),
    )
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return finish_get(response)
