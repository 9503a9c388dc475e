"""The best-window form: four fields, three of them filled in beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from models.domain.regions import REGIONS
from services.types import BestWindowQuery
from web.pages.forms import (
    MOST_KW,
    Form,
    Wrong,
    duration,
    known_region,
    local_time,
    number,
    raw_form,
    ready_by_text,
)

DEFAULT_HOURS = "4"
"""Length the form starts with. [h]"""

DRAFT_FIELDS = {"duration": "hours", "duration_hours": "hours", "power_kw": "power"}
"""Form field by the program's field name, where they differ."""


@dataclass
class WindowForm:
    """The form as shown."""

    form: Form
    regions: tuple[tuple[str, str], ...] = field(
        default_factory=lambda: tuple((slug, r.name) for slug, r in REGIONS.items())
    )

    @property
    def region(self) -> str:
        """Return the chosen region."""
        return self.form.text("region")

    @property
    def hours(self) -> str:
        """Return the length as typed."""
        return self.form.text("hours")

    @property
    def ready_by(self) -> str:
        """Return the deadline as typed."""
        return self.form.text("ready_by")

    @property
    def power(self) -> str:
        """Return the power as typed."""
        return self.form.text("power")

    @property
    def errors(self) -> dict[str, str]:
        """Return what is wrong."""
        return self.form.errors


def window_form(source: Any, now: datetime, default_region: str) -> WindowForm:
    """Return the form with what a request carries; fields it does not carry take their defaults."""
    form = raw_form(source, ("region", "hours", "ready_by", "power"))
    defaults = {"region": default_region, "hours": DEFAULT_HOURS, "ready_by": ready_by_text(now)}
    for name, value in defaults.items():
        if name not in source:
            form.values[name] = value
    return WindowForm(form)


def read_window(shown: WindowForm, now: datetime) -> BestWindowQuery | None:
    """Return the question a form asks, or None with the errors recorded in it."""
    form = shown.form

    def read(name: str, parse: Any) -> Any:
        try:
            return parse(form.text(name))
        except Wrong as wrong:
            form.fail(name, str(wrong))
            return None

    region = read("region", known_region)
    length: timedelta | None = read("hours", duration)
    ready_by = read(
        "ready_by", lambda t: local_time(t, name="Ready by", now=now, must_be_future=True)
    )
    power_kw = None
    if form.text("power"):
        power_kw = read("power", lambda t: number(t, name="Power", low=0.001, high=MOST_KW, unit="kW"))  # fmt: skip
    if form.errors or length is None:
        return None
    return BestWindowQuery(region=region, duration=length, ready_by=ready_by, power_kw=power_kw)
