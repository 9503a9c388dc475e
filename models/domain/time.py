"""Half-hours, settlement periods and the clock.

Everything inside is aware UTC; Europe/London appears only at settlement days, the evening peak and display.
Only this module converts between instants and integer slot indices.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from models.domain.errors import InvalidRequest

LONDON = ZoneInfo("Europe/London")
"""Civil time of Great Britain: settlement days, tariffs and pages use it."""

SLOT = timedelta(minutes=30)
"""Length of one GB settlement period."""

SLOT_HOURS = 0.5
"""Length of one GB settlement period. [h]"""

SLOT_MINUTES = 30
"""Length of one GB settlement period. [min]"""

GATE_CLOSURE_LEAD = timedelta(hours=1)
"""Gate Closure comes this long before a settlement period starts. Source: BSC, Gate Closure."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What the planner takes for "now"; may be shifted or accelerated."""

    def now(self) -> datetime:
        """Return the present instant, aware UTC."""

    @property
    def is_shifted(self) -> bool:
        """Whether this clock differs from system time (bars executors and outside trade)."""


def as_utc(instant: datetime) -> datetime:
    """Return the same instant in UTC.

    Raises:
        InvalidRequest: If the datetime is naive; a time without offset has two meanings in October.
    """
    if instant.tzinfo is None:
        raise InvalidRequest(
            f"the time {instant.isoformat()} has no offset; write it like 2026-11-21T18:00:00Z"
        )
    return instant.astimezone(UTC)


def parse_rfc3339(text: str) -> datetime:
    """Parse an RFC 3339 instant into aware UTC.

    Raises:
        InvalidRequest: If the text is not a date-time with an offset.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(
            f"{text!r} is not a date-time; write it like 2026-11-21T18:00:00Z"
        ) from error
    return as_utc(parsed)


def format_utc(instant: datetime) -> str:
    """Write an instant as RFC 3339 in UTC with `Z`, to the second or finer when it has microseconds."""
    utc = as_utc(instant)
    text = utc.isoformat(timespec="milliseconds" if utc.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def floor_slot(instant: datetime) -> datetime:
    """Return the start of the half-hour that contains the instant."""
    utc = as_utc(instant)
    return _EPOCH + ((utc - _EPOCH) // SLOT) * SLOT


def ceil_slot(instant: datetime) -> datetime:
    """Return the first half-hour boundary at or after the instant."""
    floor = floor_slot(instant)
    return floor if floor == as_utc(instant) else floor + SLOT


def slots_needed(duration: timedelta) -> int:
    """Return how many half-hours a run of this length touches when it starts on a boundary."""
    return -((-duration) // SLOT)


@dataclass(frozen=True, slots=True)
class Horizon:
    """A run of consecutive slots `[start, start + slots)`; index 0 is the first."""

    start: datetime
    slots: int

    def __post_init__(self) -> None:
        """Refuse a start off the half-hour and an empty or negative length."""
        if floor_slot(self.start) != self.start or self.slots < 1:
            raise InvalidRequest(
                f"a horizon starts on a half-hour and has at least one slot, not {self.slots} "
                f"from {self.start.isoformat()}"
            )

    @property
    def end(self) -> datetime:
        """Return the instant after the last slot."""
        return self.start + self.slots * SLOT

    def start_of(self, index: int) -> datetime:
        """Return the start of slot `index` (may lie outside the horizon)."""
        return self.start + index * SLOT

    def index_of(self, instant: datetime) -> int:
        """Return the index of the slot that contains the instant (may lie outside the horizon)."""
        return (as_utc(instant) - self.start) // SLOT

    def first_index_from(self, instant: datetime) -> int:
        """Return the index of the first slot that starts at or after the instant."""
        return -((self.start - as_utc(instant)) // SLOT)

    def starts(self) -> list[datetime]:
        """Return the start of every slot, first first."""
        return [self.start_of(index) for index in range(self.slots)]


@dataclass(frozen=True, slots=True)
class SettlementPeriod:
    """A GB settlement date and period, numbered from 1."""

    settlement_date: date
    period: int
    periods_in_day: int


def london_midnight(day: date) -> datetime:
    """Return the UTC instant at which the London calendar day begins."""
    return datetime.combine(day, time(0), tzinfo=LONDON).astimezone(UTC)


def periods_in_day(day: date) -> int:
    """Return 46, 48 or 50: the number of settlement periods of a London day."""
    return (london_midnight(day + timedelta(days=1)) - london_midnight(day)) // SLOT


def london_date(instant: datetime) -> date:
    """Return the London calendar date (the settlement date) of an instant."""
    return as_utc(instant).astimezone(LONDON).date()


def settlement_period(instant: datetime) -> SettlementPeriod:
    """Return the settlement date and period that contain the instant."""
    day = london_date(instant)
    number = (as_utc(instant) - london_midnight(day)) // SLOT + 1
    return SettlementPeriod(day, number, periods_in_day(day))


def settlement_start(day: date, period: int) -> datetime:
    """Return the UTC start of a settlement period.

    Raises:
        InvalidRequest: If that day has no such period.
    """
    count = periods_in_day(day)
    if not 1 <= period <= count:
        raise InvalidRequest(f"{day} has settlement periods 1 to {count}, not {period}")
    return london_midnight(day) + (period - 1) * SLOT


def gate_closure(slot_start: datetime) -> datetime:
    """Return the Gate Closure of the settlement period that starts at `slot_start`."""
    return as_utc(slot_start) - GATE_CLOSURE_LEAD


def is_working_day(day: date) -> bool:
    """Return whether the London date falls on Monday to Friday (bank holidays are not known here)."""
    return day.weekday() < 5


def half_hour_of_day(instant: datetime) -> int:
    """Return the London wall-clock half-hour, 0 (00:00) to 47 (23:30); the autumn hour occurs twice."""
    local = as_utc(instant).astimezone(LONDON)
    return local.hour * 2 + local.minute // SLOT_MINUTES


def agile_published_at(slot_start: datetime) -> datetime:
    """Return the nominal instant at which the Agile price of a slot is published.

    The set for 23:00–23:00 London appears at about 16:00 London on the date whose 23:00 begins it.
    """
    local = as_utc(slot_start).astimezone(LONDON)
    day = local.date() if local.hour >= 23 else local.date() - timedelta(days=1)
    return datetime.combine(day, time(16), tzinfo=LONDON).astimezone(UTC)


def at_london(day: date, hour: int, minute: int = 0) -> datetime:
    """Return the UTC instant of a London wall-clock time (first pass of a repeated hour)."""
    return datetime.combine(day, time(hour, minute), tzinfo=LONDON).astimezone(UTC)
