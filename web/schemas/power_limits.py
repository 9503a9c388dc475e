"""Limits of a cluster's power: what a request may say of one, and how one reads back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import time

from models.domain.errors import FieldError
from models.domain.power_limit import LONGEST_REASON, Day, PowerLimit
from web.schemas.fields import Instant, Number, Shown, Text, Wanted, When, field, instant_field

LIMITS_SAY = (
    "Stretches of time with less power: once between `start` and `end`, or again and again between `from_time` and "
    "`to_time` by the London clock."
)
"""What the list is."""

LIMITS_ALLOWED = (
    "up to 50 objects with max_power_kw and either start and end, or from_time and to_time"
)
"""What the list may be."""

CLOCK_ALLOWED = "a London time from 00:00 to 23:59, such as 16:00"
CLOCK_PATTERN = r"^([01]\d|2[0-3]):[0-5]\d$"


class PowerLimitIn(Wanted):
    """Less power between two instants, or every day (or on some days) between two London times."""

    max_power_kw: Number = field(
        "IT power that jobs and base load may draw together meanwhile; 0: nothing may run.",
        unit="kW",
        allowed="0 to 100000",
        ge=0,
        le=100_000,
    )
    start: Instant | None = instant_field(
        "First instant; needed unless it recurs. Every half-hour it touches is limited.",
        default=None,
    )
    end: Instant | None = instant_field(
        "Instant after the last; needed unless it recurs.", default=None
    )
    from_time: Text | None = field(
        "London time at which it begins on each of its days.",
        allowed=CLOCK_ALLOWED,
        default=None,
        pattern=CLOCK_PATTERN,
        examples=["16:00"],
    )
    to_time: Text | None = field(
        "London time at which it ends; at or before `from_time` it is on the next day.",
        allowed=CLOCK_ALLOWED,
        default=None,
        pattern=CLOCK_PATTERN,
        examples=["19:00"],
    )
    days: list[Day] = field(
        "Days on which it begins; empty: every day.",
        allowed="mon, tue, wed, thu, fri, sat, sun",
        default=[],
        max_length=7,
    )
    reason: Text = field(
        "Why, such as maintenance or contracted peak.",
        allowed=f"at most {LONGEST_REASON} characters",
        default="",
        max_length=LONGEST_REASON,
    )

    def to_limit(self) -> PowerLimit:
        """Return it in the words of the domain."""
        return PowerLimit(
            max_power_kw=self.max_power_kw,
            start=self.start,
            end=self.end,
            from_time=None if self.from_time is None else time.fromisoformat(self.from_time),
            to_time=None if self.to_time is None else time.fromisoformat(self.to_time),
            days=tuple(self.days),
            reason=self.reason.strip(),
        )


class PowerLimitOut(Shown):
    """A limit of power; times of day are London wall-clock times."""

    max_power_kw: float
    start: When | None
    end: When | None
    from_time: str | None
    to_time: str | None
    days: list[Day]
    reason: str


def limits_of(sent: Sequence[PowerLimitIn]) -> tuple[PowerLimit, ...]:
    """Return the limits of a request."""
    return tuple(one.to_limit() for one in sent)


def faults_of(sent: Sequence[PowerLimitIn]) -> tuple[FieldError, ...]:
    """Return what makes no sense about the limits of a request."""
    return tuple(
        replace(fault, field=f"power_limits.{place}.{fault.field}")
        for place, one in enumerate(limits_of(sent))
        for fault in one.faults()
    )
