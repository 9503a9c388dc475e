"""Limits of a cluster's power in a stretch of time: maintenance, a contracted evening peak."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum

from models.domain.errors import FieldError
from models.domain.time import LONDON, SLOT, SLOT_MINUTES, as_utc

MOST_LIMITS = 50
"""Most limits one cluster may have."""


LONGEST_REASON = 80
"""Most characters of a reason."""


class Day(StrEnum):
    """A day of the week, Monday first."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


WEEK = tuple(Day)
"""All days, Monday first."""


@dataclass(frozen=True, slots=True)
class PowerLimit:
    """What a cluster may draw at most: once between two instants, or again and again by the London clock.

    With `from_time` and `to_time` it recurs: it holds while a clock in London shows a time in `[from_time, to_time)`.
    So the hour that does not exist in March is never limited, and the one that happens twice in October both times.
    A `to_time` at or before `from_time` lies on the next day; equal times mean 24 hours. Without times it holds all the
    while between `start` and `end`. Every half-hour it touches is limited as a whole.
    """

    max_power_kw: float
    """IT power that jobs and base load may draw together meanwhile; 0: nothing may run. [kW]"""
    start: datetime | None = None
    """First instant; None: since ever (only where it recurs)."""
    end: datetime | None = None
    """Instant after the last; None: for ever (only where it recurs)."""
    from_time: time | None = None
    """London wall-clock time at which it begins on each of its days; None: it does not recur."""
    to_time: time | None = None
    days: tuple[Day, ...] = ()
    """Days on which it begins; empty: every day."""
    reason: str = ""
    """Why, e.g. `maintenance` or `contracted evening peak`."""

    @property
    def recurs(self) -> bool:
        """Return whether it holds by the London clock."""
        return self.from_time is not None

    def covers(self, slot_start: datetime) -> bool:
        """Return whether it touches the half-hour that begins at an instant."""
        if self.start is not None and slot_start + SLOT <= self.start:
            return False
        if self.end is not None and slot_start >= self.end:
            return False
        if self.from_time is None or self.to_time is None:
            return True
        local = as_utc(slot_start).astimezone(LONDON)
        begin = local.hour * 60 + local.minute
        opens, closes = minutes_of(self.from_time), minutes_of(self.to_time)
        begins_today = self._holds_on(local.weekday()) and begin + SLOT_MINUTES > opens
        if closes > opens:
            return begins_today and begin < closes
        return begins_today or (self._holds_on(local.weekday() - 1) and begin < closes)

    def is_over(self, now: datetime) -> bool:
        """Return whether it has ended for good."""
        return self.end is not None and self.end <= now

    def faults(self) -> tuple[FieldError, ...]:
        """Return what makes no sense about it, by field."""
        found: list[FieldError] = []

        def wrong(name: str, message: str, allowed: str, cure: str) -> None:
            found.append(FieldError(name, message, getattr(self, name), allowed, cure))

        if not (math.isfinite(self.max_power_kw) and self.max_power_kw >= 0.0):
            wrong("max_power_kw", "is not a power", "0 kW or more", "send 0 where nothing may run")
        if len(self.reason) > LONGEST_REASON:
            length = f"at most {LONGEST_REASON} characters"
            wrong("reason", "is too long", length, f"send {length}")
        if (self.from_time is None) != (self.to_time is None):
            missing = "from_time" if self.from_time is None else "to_time"
            cure = f"add {missing}, or leave both out"
            wrong(missing, "is needed beside the other time", "a London time such as 16:00", cure)
        elif self.from_time is None:
            for name in ("start", "end"):
                if getattr(self, name) is None:
                    cure = f"add {name}, or from_time and to_time for a limit that recurs"
                    wrong(name, "is needed for a limit that does not recur", "a time", cure)
            if self.days:
                cure = "add from_time and to_time, or leave days out"
                wrong("days", "needs from_time and to_time", "nothing without them", cure)
        if len(set(self.days)) < len(self.days):
            wrong("days", "names a day twice", "each of mon to sun once", "name each day once")
        if self.start is not None and self.end is not None and self.end <= self.start:
            wrong("end", "is not after start", "a time after start", "choose a later end")
        return tuple(found)

    def _holds_on(self, weekday: int) -> bool:
        return not self.days or WEEK[weekday % len(WEEK)] in self.days


def minutes_of(clock: time) -> int:
    """Return a wall-clock time as minutes after midnight. [min]"""
    return clock.hour * 60 + clock.minute
