"""Instants as pages print them: London wall clock in words, UTC in the machine-readable attribute."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.domain.time import LONDON, as_utc, format_utc, london_date, parse_rfc3339

_UTC = re.compile(
    r"\b\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d)T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?Z"
)
"""An instant as sentences of use cases and messages have it."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """An instant ready for `<time datetime="{{ iso }}">{{ text }}</time>`."""

    iso: str
    """RFC 3339 in UTC."""
    text: str
    """London wall clock, with GMT or BST where the clocks change nearby."""


def clocks_change_near(instant: datetime) -> bool:
    """Return whether UK clocks change within a day of an instant, so that its offset must be printed."""
    utc = as_utc(instant)
    day = timedelta(days=1)
    offsets = {(utc + step).astimezone(LONDON).utcoffset() for step in (-day, 0 * day, day)}
    return len(offsets) > 1


def zone(instant: datetime) -> str:
    """Return `GMT` or `BST`."""
    return as_utc(instant).astimezone(LONDON).tzname() or ""


def clock_text(instant: datetime) -> str:
    """Return `23:30`, with `GMT` or `BST` behind it when the clocks change nearby."""
    text = as_utc(instant).astimezone(LONDON).strftime("%H:%M")
    return f"{text} {zone(instant)}" if clocks_change_near(instant) else text


def day_text(instant: datetime, now: datetime) -> str:
    """Return the London day in words: `today`, `tomorrow`, `yesterday`, `Thu 26 Nov`, with the year when it differs."""
    day, today = london_date(instant), london_date(now)
    near = {0: "today", 1: "tomorrow", -1: "yesterday"}.get((day - today).days)
    if near:
        return near
    text = f"{day:%a} {day.day} {day:%b}"
    return text if day.year == today.year else f"{text} {day.year}"


def when(instant: datetime, now: datetime) -> Stamp:
    """Return an instant as `tomorrow 03:30`."""
    return Stamp(format_utc(instant), f"{day_text(instant, now)} {clock_text(instant)}")


def dated(instant: datetime, now: datetime) -> Stamp:
    """Return an instant as `Sun 22 Nov 03:30`, whatever day it is now."""
    day = london_date(instant)
    year = "" if day.year == london_date(now).year else f" {day.year}"
    return Stamp(format_utc(instant), f"{day:%a} {day.day} {day:%b}{year} {clock_text(instant)}")


def clock(instant: datetime) -> Stamp:
    """Return only the wall-clock time of an instant."""
    return Stamp(format_utc(instant), clock_text(instant))


def span(start: datetime, end: datetime, now: datetime) -> tuple[Stamp, Stamp]:
    """Return both ends of a window; the day of the end is named only when it differs."""
    first = when(start, now)
    same_day = london_date(start) == london_date(end)
    return first, clock(end) if same_day else when(end, now)


def span_text(start: datetime, end: datetime, now: datetime) -> str:
    """Return a window as one text: `tomorrow 03:30 to 07:30`."""
    first, last = span(start, end, now)
    return f"{first.text} to {last.text}"


def in_london(text: str, now: datetime) -> str:
    """Return a sentence with the UTC instants in it as London wall-clock time, as pages show every time."""
    return _UTC.sub(lambda found: dated(parse_rfc3339(found[0]), now).text, text)


def age_text(age: timedelta | None) -> str:
    """Return how old something is, in words."""
    if age is None:
        return "age unknown"
    minutes = int(age.total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 120:
        return f"{minutes} min old"
    if minutes < 48 * 60:
        return f"{minutes // 60} h old"
    return f"{minutes // 1440} days old"


def local_input(instant: datetime) -> str:
    """Return an instant as a `datetime-local` control wants it: London wall clock without offset."""
    return as_utc(instant).astimezone(LONDON).strftime("%Y-%m-%dT%H:%M")
