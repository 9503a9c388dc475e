"""Whether the program can do its work: database, schema, log folder, signals."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.domain.errors import SourceUnavailable
from services.context import Context
from services.situation import INTERNAL


def ready(context: Context) -> Mapping[str, Any]:
    """Return the state of everything a request needs.

    Signals do not make the program unready: without them it still plans, and says so.

    Raises:
        SourceUnavailable: If the database cannot be read, has another schema, or the log folder cannot be written.
    """
    with context.uow() as work:
        last_seq, flushed_seq = work.decisions.head()[0], work.decisions.flushed_seq()
        faulty_jobs = work.plans.count_refused(INTERNAL)
    if not context.is_storage_current():
        raise SourceUnavailable(
            "the database has another schema than this version needs; run `flask db upgrade`",
            source="database",
        )
    folder = context.settings.logs_dir
    if not is_writable(folder):
        raise SourceUnavailable(
            f"the log folder {folder} cannot be written; mend its permissions or set HALFHOUR_LOGS_DIR",
            source="audit log",
        )
    return {
        "database": "ok",
        "schema": "ok",
        "logs": "ok",
        "audit": {"last_seq": last_seq, "flushed_seq": flushed_seq},
        "planner": {"faulty_jobs": faulty_jobs},
        "loop_holder": context.leases.holder("loop"),
        "clock": {"now": context.clock.now(), "is_shifted": context.clock.is_shifted},
        "data": context.signals.data_line(),
    }


def is_writable(folder: Path) -> bool:
    """Return whether records can be written to a folder, or the folder can be made."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)
