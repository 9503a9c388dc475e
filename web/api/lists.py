"""Pages of lists: JSON or CSV, with a link to the next page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from flask import Response, request

from web.csvout import reply_csv, wants_csv
from web.operation import reply


def reply_list(name: str, found: Mapping[str, Any], columns: Sequence[str]) -> Response:
    """Return one page of a list as JSON or CSV, whichever was asked for.

    Args:
        name: What the list holds; the name of the CSV file.
        found: `{"items": [...], "next_cursor": ...}` and what else the JSON says.
        columns: Columns of the CSV.
    """
    headers = next_link(found.get("next_cursor"))
    if wants_csv():
        return reply_csv(name, columns, found["items"], headers)
    return reply(found, headers=headers)


def next_link(next_cursor: str | None) -> dict[str, str]:
    """Return the header that leads to the next page; none on the last one."""
    if next_cursor is None:
        return {}
    given = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
    query = urlencode([*given, ("cursor", next_cursor)])
    return {"Link": f'<{request.script_root}{request.path}?{query}>; rel="next"'}
