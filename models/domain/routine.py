"""Routines: work that is handed in again and again, "every weekday 18:00", until it is ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from models.domain.time import at_london

AHEAD = timedelta(hours=48)
"""How long before its earliest start an occurrence becomes a job that can be planned. [h]"""

LONGEST_WINDOW = timedelta(days=7)
"""Most time from earliest start to latest finish of one occurrence. [days]"""

MOST_COPIES = 100
"""Most identical jobs of one occurrence."""


class Every(StrEnum):
    """On which London dates an occurrence falls."""

    DAY = "day"
    WEEKDAY = "weekday"
    """Monday to Friday; bank holidays are not known here."""
    WEEK = "week"
    """Once a week, on the weekday it began with."""


@dataclass(frozen=True, slots=True)
class Routine:
    """One such wish, as stored."""

    routine_id: str
    owner: str
    every: Every
    hour: int
    minute: int
    """Earliest start of each occurrence, London clock."""
    window: timedelta
    """From earliest start to latest finish."""
    copies: int
    job: Mapping[str, Any]
    """The job in the fields of a request, without id and window."""
    next_on: date
    """London date of the next occurrence that is not handed in yet."""
    until: date | None
    """London date of the last occurrence at most; None: until it is ended."""
    created_at: datetime
    is_live: bool = True
    handed_in: int = 0
    """How many jobs it has made."""
    last_error: str | None = None
    """Why its last occurrence was refused; None where it was accepted."""
    version: int = 1

    def start_on(self, day: date) -> datetime:
        """Return the earliest start of the occurrence on a London date."""
        return at_london(day, self.hour, self.minute)

    def after(self, day: date) -> date:
        """Return the date of the occurrence after one."""
        following = day + timedelta(days=7 if self.every is Every.WEEK else 1)
        return first_on(self.every, following)

    def job_ids(self, day: date) -> list[str]:
        """Return the ids of the jobs of one occurrence: always the same, so that none is made twice."""
        stem = f"{self.routine_id}-{day:%Y%m%d}"
        return [stem] if self.copies == 1 else [f"{stem}-{n + 1}" for n in range(self.copies)]


def first_on(every: Every, day: date) -> date:
    """Return the first date from one on that an occurrence may fall on."""
    while every is Every.WEEKDAY and day.weekday() > 4:
        day += timedelta(days=1)
    return day
