"""The one horizontal axis a chart's strips share: instants to x, hour ticks, day boundaries, the present."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from models.domain.time import LONDON, SLOT, as_utc, london_date, london_midnight

LABEL_ROOM = 44.0
"""Least room between the chart's edge, or another label, and a day label. [px]"""

TICK_ROOM = 22.0
"""Least room between an hour mark and the right edge, so that its label is not cut. [px]"""


@dataclass(frozen=True, slots=True)
class Tick:
    """An hour mark."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class DayMark:
    """Where a London day begins (or the chart does), and its name."""

    x: float
    text: str
    is_boundary: bool
    """False for the part-day at the chart's left edge."""
    room: float
    """Width until the next day begins. [px]"""


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """A linear axis over consecutive half-hours.

    Attributes:
        start: First half-hour shown.
        slots: Number of half-hours.
        width: Width of the plot. [px]
    """

    start: datetime
    slots: int
    width: float

    @property
    def end(self) -> datetime:
        """Return the instant after the last half-hour."""
        return self.start + self.slots * SLOT

    @property
    def slot_width(self) -> float:
        """Return the width of a half-hour. [px]"""
        return self.width / self.slots

    def x(self, instant: datetime) -> float:
        """Return where an instant lies, clipped to the plot. [px]"""
        raw = (as_utc(instant) - self.start) / (self.slots * SLOT) * self.width
        return round(min(max(raw, 0.0), self.width), 2)

    def shows(self, start: datetime, end: datetime) -> bool:
        """Return whether any part of `[start, end)` lies on the axis."""
        return start < self.end and end > self.start

    def ticks(self, every_hours: int = 3) -> tuple[Tick, ...]:
        """Return a mark at each London wall-clock hour that is a multiple of some hours (midnight included)."""
        marks: list[Tick] = []
        for index in range(self.slots):
            instant = self.start + index * SLOT
            local = instant.astimezone(LONDON)
            x = self.x(instant)
            if local.minute == 0 and local.hour % every_hours == 0 and x <= self.width - TICK_ROOM:
                marks.append(Tick(x, f"{local:%H}"))
        return tuple(marks)

    def days(self) -> tuple[DayMark, ...]:
        """Return the London days on the axis, the first from the left edge."""
        starts: list[datetime] = [self.start]
        day = london_date(self.start)
        while (midnight := london_midnight(day + timedelta(days=1))) < self.end:
            day += timedelta(days=1)
            if midnight > self.start:
                starts.append(midnight)
        marks: list[DayMark] = []
        for place, begin in enumerate(starts):
            x = self.x(begin)
            right = self.x(starts[place + 1]) if place + 1 < len(starts) else self.width
            local = london_date(begin)
            room = right - x
            if room >= 2 * LABEL_ROOM:
                text = (
                    f"{local:%A} {local.day} {local:%B}"
                    if room > 180
                    else f"{local:%a} {local.day}"
                )
            else:
                text = f"{local:%a}" if room >= LABEL_ROOM * 0.7 else ""
            is_boundary = begin == london_midnight(local)
            marks.append(DayMark(x, text, is_boundary, round(room, 2)))
        return tuple(marks)
