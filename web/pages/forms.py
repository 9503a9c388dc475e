"""What people type, turned into drafts: kept as typed, every wrong field named with its range and cure.

Times are London wall clock. In the autumn hour that happens twice the first pass is meant, and the form says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from models.domain.errors import FieldError, InvalidRequest
from models.domain.regions import REGIONS
from models.domain.time import LONDON
from services.best_window import default_ready_by
from web.views.stamps import local_input

LONGEST_HOURS = 336.0
"""Longest job that can be asked for. [h]"""

MOST_KW = 100_000.0
"""Most power a form takes, as in the API. [kW]"""

AUTUMN_NOTE = (
    "On the night the clocks go back, times from 01:00 to 01:59 mean their first pass (BST)."
)
"""How the ambiguous autumn hour is read."""

_NUMBER = re.compile(r"[+−-]?(\d{1,9}(\.\d{0,6})?|\.\d{1,6})")
_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d)")
_MINUTES = re.compile(r"(\d{1,5})\s*m(in(ute)?s?)?")


class Wrong(ValueError):
    """One field cannot be used; the text is one sentence with range and cure."""


def number(text: str, *, name: str, low: float, high: float, unit: str = "") -> float:
    """Return a typed number within bounds (both inclusive).

    Args:
        text: As typed; a comma grouping thousands is understood.
        name: How the sentence calls the field.
        low: Least value allowed.
        high: Greatest value allowed.
        unit: Unit for the sentence.

    Raises:
        Wrong: If it is no number or out of bounds.
    """
    bare = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.strip()).replace(",", ".")
    unit_text = f" {unit}" if unit else ""
    allowed = f"{low:,g} to {high:,g}{unit_text}"
    if not _NUMBER.fullmatch(bare):
        raise Wrong(f"{name}: “{text.strip()}” is not a number. Type one from {allowed}.")
    value = float(bare.replace("−", "-"))
    if not math.isfinite(value) or not low <= value <= high:
        raise Wrong(f"{name}: {text.strip()}{unit_text} is out of range. It can be {allowed}.")
    return value


def whole(text: str, *, name: str, low: int, high: int) -> int:
    """Return a typed whole number within bounds. Raises `Wrong`."""
    value = number(text, name=name, low=low, high=high)
    if value != int(value):
        raise Wrong(
            f"{name}: {text.strip()} is not a whole number. Type one from {low} to {high:,}."
        )
    return int(value)


def duration(text: str, *, name: str = "How long") -> timedelta:
    """Return a typed length: `4`, `1.5` (hours), `1:30` or `90 min`.

    Raises:
        Wrong: If it cannot be read, or is not above 0 and at most 336 hours.
    """
    bare = text.strip().lower().removesuffix("hours").removesuffix("h").strip()
    allowed = "more than 0 and at most 336 hours, such as 4, 1.5, 1:30 or 90 min"
    if clock := _CLOCK.fullmatch(bare):
        minutes = int(clock[1]) * 60 + int(clock[2])
    elif short := _MINUTES.fullmatch(bare):
        minutes = int(short[1])
    else:
        try:
            hours = number(bare, name=name, low=-1e9, high=1e9)
        except Wrong:
            raise Wrong(f"{name}: “{text.strip()}” is not a length. Type {allowed}.") from None
        minutes = round(hours * 60) if abs(hours) < 1e6 else 10**8
    if not 0 < minutes <= LONGEST_HOURS * 60:
        raise Wrong(f"{name}: {text.strip()} is out of range. It can be {allowed}.")
    return timedelta(minutes=minutes)


def local_time(text: str, *, name: str, now: datetime, must_be_future: bool = False) -> datetime:
    """Return a London wall-clock time from a `datetime-local` control as aware UTC.

    Raises:
        Wrong: If it cannot be read, does not exist (spring), is past, or lies more than a year ahead.
    """
    try:
        naive = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Wrong(f"{name}: “{text.strip()}” is not a date and time. Write it like 2026-11-22T09:00.") from None  # fmt: skip
    if naive.tzinfo is not None:
        instant = naive.astimezone(UTC)
    else:
        instant = naive.replace(tzinfo=LONDON, fold=0).astimezone(UTC)
        if instant.astimezone(LONDON).replace(tzinfo=None) != naive:
            raise Wrong(f"{name}: {naive:%H:%M} does not exist on {naive:%d %B}, because the clocks go forward. Choose a time from 02:00.")  # fmt: skip
    if must_be_future and instant <= now:
        raise Wrong(f"{name}: {naive:%a %d %b %H:%M} has passed. Choose a time after now.")
    if instant > now + timedelta(days=366):
        raise Wrong(f"{name}: {naive:%d %B %Y} is more than a year ahead. Choose a nearer time.")
    return instant


def known_region(text: str, *, name: str = "Region") -> str:
    """Return a region's slug. Raises `Wrong`."""
    if text not in REGIONS:
        raise Wrong(f"{name}: “{text}” is not a region. Choose one from the list.")
    return text


@dataclass
class Form:
    """Raw texts by field, and what is wrong with them."""

    values: dict[str, str]
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return what was typed, stripped."""
        return self.values.get(name, "").strip()

    def fail(self, name: str, message: str) -> None:
        """Record an error; the first of a field stays."""
        self.errors.setdefault(name, message)

    def take(self, errors: tuple[FieldError, ...], fields: Mapping[str, str], rest: str) -> None:
        """Record errors a use case found.

        Args:
            errors: Errors by the program's field names.
            fields: Form field by program field name, where they differ.
            rest: Form field that takes errors of fields the form does not show.
        """
        for error in errors:
            head = error.field.split(".", 1)[0]
            name = fields.get(head, head)
            shown = name if name in self.values or name in self.lists else rest
            self.fail(shown, full_sentence(error))

    def take_refusal(self, error: InvalidRequest, fields: Mapping[str, str], rest: str) -> None:
        """Record what a use case refused, fields or not."""
        if error.fields:
            self.take(error.fields, fields, rest)
        else:
            self.fail(rest, sentence(str(error)))


def sentence(text: str) -> str:
    """Return a text as a sentence: capital first letter, full stop."""
    bare = text.strip()
    if not bare:
        return bare
    bare = bare[0].upper() + bare[1:]
    return bare if bare.endswith((".", "!", "?")) else f"{bare}."


def full_sentence(error: FieldError) -> str:
    """Return what is wrong with a field, what is allowed and what to do."""
    parts = [sentence(error.message)]
    if error.allowed:
        parts.append(f"Allowed: {error.allowed}.")
    if error.cure:
        parts.append(sentence(error.cure))
    return " ".join(parts)


def raw_form(source: Any, names: tuple[str, ...], lists: tuple[str, ...] = ()) -> Form:
    """Return a form with the texts of some fields of a request (a MultiDict), at most 500 characters each."""
    return Form(
        {name: str(source.get(name, ""))[:500] for name in names},
        {name: tuple(str(v)[:100] for v in source.getlist(name))[:50] for name in lists},
    )


def ready_by_text(now: datetime) -> str:
    """Return the default deadline as the control wants it."""
    return local_input(default_ready_by(now))
