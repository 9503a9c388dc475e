"""How log lines are written to standard error: for people, or one JSON object a line for machines."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any, Literal

from models.domain.trace import current

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonLines(logging.Formatter):
    """One JSON object a line: `ts`, `level`, `logger`, `message`, ids such as `request_id` and `job_id`, `error`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **current(),
            **getattr(record, "ids", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """A line for people, ids in brackets at its end."""

    def __init__(self) -> None:
        """Use the format of the program."""
        super().__init__(TEXT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; an error's trace follows it."""
        ids = {**current(), **getattr(record, "ids", {})}
        text = super().format(record)
        if not ids:
            return text
        first, *rest = text.split("\n", 1)
        named = " ".join(f"{name}={value}" for name, value in ids.items())
        return "\n".join([f"{first} [{named}]", *rest])


def write_to_stderr(level: str, kind: Literal["text", "json"]) -> None:
    """Send the program's log to standard error, once per process.

    Args:
        level: Least level that is written.
        kind: For people or for machines.
    """
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines() if kind == "json" else TextLines())
        root.addHandler(handler)
    root.setLevel(level)
    # Ten lines of migrations at every start hide the one line a user needs.
    logging.getLogger("alembic").setLevel(max(root.level, logging.WARNING))
