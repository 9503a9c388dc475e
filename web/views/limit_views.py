"""Limits of a cluster's power in words."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from models.domain.power_limit import WEEK, Day, PowerLimit
from web.views.formatting import kilowatts
from web.views.stamps import dated

WORKING_DAYS = WEEK[:5]
WEEKEND = WEEK[5:]

DAY_NAMES = {
    Day.MON: "Monday",
    Day.TUE: "Tuesday",
    Day.WED: "Wednesday",
    Day.THU: "Thursday",
    Day.FRI: "Friday",
    Day.SAT: "Saturday",
    Day.SUN: "Sunday",
}


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One limit ready to place."""

    key: str
    """Names the limit in a request to take it away."""
    text: str
    reason: str
    is_over: bool


def limit_key(limit: PowerLimit) -> str:
    """Return a short name of a limit, made of all it says."""
    return hashlib.sha256(repr(limit).encode()).hexdigest()[:16]


def limit_row(limit: PowerLimit, now: datetime) -> LimitRow:
    """Return one limit ready to place."""
    return LimitRow(
        limit_key(limit), limit_text(limit, now), limit.reason, is_over=limit.is_over(now)
    )


def limit_text(limit: PowerLimit, now: datetime) -> str:
    """Return when a limit holds and what it leaves, as one sentence without its stop."""
    head = "No power" if limit.max_power_kw == 0.0 else f"At most {kilowatts(limit.max_power_kw)}"
    parts = [head]
    if limit.from_time is not None and limit.to_time is not None:
        parts.append(days_text(limit.days))
        ends = f"{limit.to_time:%H:%M}"
        if limit.to_time <= limit.from_time:
            ends += " on the next day"
        parts.append(f"from {limit.from_time:%H:%M} to {ends} London time")
    if limit.start is not None:
        parts.append(f"from {dated(limit.start, now).text}")
    if limit.end is not None:
        parts.append(f"to {dated(limit.end, now).text}")
    return " ".join(parts)


def days_text(days: tuple[Day, ...]) -> str:
    """Return some days in words: `every day`, `Monday to Friday`, `on Tuesday and Thursday`."""
    named = tuple(day for day in WEEK if day in days)
    if named in {(), WEEK}:
        return "every day"
    if named == WORKING_DAYS:
        return "Monday to Friday"
    if named == WEEKEND:
        return "at weekends"
    names = [DAY_NAMES[day] for day in named]
    told = ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]
    return f"on {told}"
