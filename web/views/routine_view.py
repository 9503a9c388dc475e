"""Work that is handed in again and again, in words for its page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.domain.routine import Every, Routine
from web.views.stamps import Stamp, dated

EVERY_WORDS = {
    Every.DAY: "every day",
    Every.WEEKDAY: "Monday to Friday",
    Every.WEEK: "every {:%A}",
}
"""On which days, in words."""


@dataclass(frozen=True, slots=True)
class RoutineRow:
    """One routine."""

    routine_id: str
    name: str
    rhythm: str
    """Days, earliest start and how long it may take."""
    following: Stamp
    """Earliest start of the next occurrence that is not handed in yet."""
    until: str
    handed_in: str
    trouble: str
    """Why the last occurrence was refused; empty where it was accepted."""


def routine_rows(found: Iterable[Routine], now: datetime) -> tuple[RoutineRow, ...]:
    """Return live routines, the next one to be handed in first."""
    by_next = sorted(found, key=lambda one: (one.start_on(one.next_on), one.routine_id))
    return tuple(_row(one, now) for one in by_next)


def _row(one: Routine, now: datetime) -> RoutineRow:
    jobs = f"{one.handed_in} job{'' if one.handed_in == 1 else 's'} so far"
    until = one.until
    return RoutineRow(
        routine_id=one.routine_id,
        name=str(one.job.get("job_name") or one.routine_id),
        rhythm=_rhythm(one),
        following=dated(one.start_on(one.next_on), now),
        until="" if until is None else f"last on {until:%a} {until.day} {until:%b} {until.year}",
        handed_in=jobs,
        trouble=one.last_error or "",
    )


def _rhythm(one: Routine) -> str:
    days = EVERY_WORDS[one.every].format(one.next_on)
    hours = one.window / timedelta(hours=1)
    copies = "" if one.copies == 1 else f", {one.copies} jobs each time"
    return f"{days} from {one.hour:02d}:{one.minute:02d}, done within {hours:g} h{copies}"
