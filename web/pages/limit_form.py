"""Adding a limit of a cluster's power: once between two times, or again and again by the London clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from models.domain.power_limit import LONGEST_REASON, WEEK, Day, PowerLimit
from web.pages.forms import MOST_KW, Form, Wrong, full_sentence, local_time, number, raw_form
from web.views.limit_views import DAY_NAMES, WEEKEND, WORKING_DAYS, days_text

ONCE = ("once_kw", "once_start", "once_end", "once_reason")
DAILY = ("daily_kw", "daily_from", "daily_to", "daily_days", "daily_reason")
"""Fields of the two ways to say when."""

FIELDS = ("kind", *ONCE, *DAILY)

_OF_LIMIT = {"max_power_kw": "kw", "start": "start", "end": "end", "from_time": "from", "to_time": "to"}  # fmt: skip


@dataclass
class LimitForm:
    """Both forms as shown; one of them was sent."""

    form: Form

    @property
    def values(self) -> dict[str, str]:
        """Return what was typed."""
        return self.form.values

    @property
    def errors(self) -> dict[str, str]:
        """Return what is wrong, in the order of the fields."""
        return {name: self.form.errors[name] for name in FIELDS if name in self.form.errors}

    @property
    def kind(self) -> str:
        """Return which of the two was sent: `once` or `daily`."""
        return "daily" if self.form.text("kind") == "daily" else "once"

    @property
    def day_choices(self) -> tuple[tuple[str, str], ...]:
        """Return the choices of days: value and words."""
        groups = ((), WORKING_DAYS, WEEKEND)
        texts = [(",".join(days), days_text(days)) for days in groups]
        some = tuple((value, text[0].upper() + text[1:]) for value, text in texts)
        return (*some, *((str(day), DAY_NAMES[day]) for day in WEEK))


def limit_form(source: Any) -> LimitForm:
    """Return the form with what a request carries."""
    return LimitForm(raw_form(source, FIELDS))


def read_limit(shown: LimitForm, now: datetime) -> PowerLimit | None:
    """Return the limit that was typed, or None with the errors recorded."""
    form, kind = shown.form, shown.kind
    values: dict[str, Any] = {}

    def read(name: str, field: str, parse: Any) -> None:
        try:
            values[field] = parse(form.text(f"{kind}_{name}"))
        except Wrong as wrong:
            form.fail(f"{kind}_{name}", str(wrong))

    read("kw", "max_power_kw", lambda t: number(t, name="Most power", low=0, high=MOST_KW, unit="kW"))  # fmt: skip
    if kind == "once":
        read("start", "start", lambda t: local_time(t, name="From", now=now))
        read("end", "end", lambda t: local_time(t, name="To", now=now, must_be_future=True))
    else:
        read("from", "from_time", lambda t: _clock(t, "From"))
        read("to", "to_time", lambda t: _clock(t, "To"))
        read("days", "days", _days)
    if form.errors:
        return None
    limit = PowerLimit(**values, reason=form.text(f"{kind}_reason")[:LONGEST_REASON])
    for fault in limit.faults():
        form.fail(f"{kind}_{_OF_LIMIT.get(fault.field, fault.field)}", full_sentence(fault))
    return None if form.errors else limit


def _clock(text: str, name: str) -> time:
    try:
        return time.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError:
        raise Wrong(f"{name}: “{text}” is not a time of day. Write it like 16:00.") from None


def _days(text: str) -> tuple[Day, ...]:
    try:
        return tuple(Day(word) for word in text.split(",") if word)
    except ValueError:
        raise Wrong("Days: choose one of the list.") from None
