"""What was asked of a job, and what was done to it since, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.domain.asset import Asset
from models.domain.job import Flexibility, Job
from models.domain.regions import REGIONS
from models.domain.time import parse_rfc3339
from web.views.formatting import (
    intensity,
    kilowatt_hours,
    kilowatts,
    length,
    pence_per_kwh,
    percent,
    sentence_list,
)
from web.views.stamps import Stamp, dated, when

FLEXIBILITY_WORDS: Mapping[Flexibility, str] = {
    Flexibility.FIXED: "none: runs on arrival",
    Flexibility.DEFERRABLE: "can wait, runs in one go",
    Flexibility.INTERRUPTIBLE: "can wait and pause",
    Flexibility.ELASTIC: "can wait and run at lower power",
}
"""How far a job bends, in words."""

CONTROL_WORDS: Mapping[str, str] = {
    "run_now": "Run now",
    "pin": "Pinned",
    "unpin": "Unpinned",
    "hold": "Held",
    "release": "Released",
    "cancel": "Cancelled",
    "undo_cancel": "Cancel undone",
    "change": "Changed",
    "confirm": "Confirmed",
}
"""What was done to a job, in words."""


EVENT_WORDS: Mapping[str, str] = {
    "started": "it started",
    "completed": "it finished",
    "failed": "it failed",
    "did_not_run": "it did not run",
}
"""What somebody said of a run, in words."""

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of what was asked."""

    label: str
    text: str
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class ControlLine:
    """One thing somebody did to the job."""

    at: Stamp | None
    word: str
    by: str
    detail: str


def region_names(slugs: Sequence[str]) -> str:
    """Return regions as a list in a sentence."""
    return sentence_list([REGIONS[s].name if s in REGIONS else s for s in slugs])


def job_facts(job: Job, asset: Asset | None, now: datetime) -> tuple[Fact, ...]:
    """Return what was asked, in the order of the form; limits that were not set are left out."""
    power = kilowatts(job.power_kw)
    if job.gpu_model and job.gpu_count:
        power = f"{power} ({job.gpu_count} × {job.gpu_model})"
    elif job.power_profile_kw:
        power = f"{power} on average, by half-hour profile"
    facts = [
        Fact("Length", length(job.duration)),
        Fact("Power", power),
        Fact("Ready by", "", dated(job.latest_finish, now)),
        Fact("Not before", "", dated(job.release, now)),
        Fact("Cluster", asset.label if asset else job.asset_id),
        Fact("May run in", region_names(job.allowed_regions)),
        Fact("Flexibility", FLEXIBILITY_WORDS[job.flexibility]),
        Fact("Priority", str(job.priority)),
    ]
    if job.carbon_cap_g_per_kwh is not None:
        facts.append(Fact("Carbon cap", f"{intensity(job.carbon_cap_g_per_kwh)} on average"))
    if job.max_price_gbp_per_kwh is not None:
        facts.append(Fact("Price cap", f"{pence_per_kwh(job.max_price_gbp_per_kwh)} on average"))
    if job.min_saving_percent is not None:
        facts.append(Fact("Waits only if it saves", f"at least {percent(job.min_saving_percent)}"))
    if job.pinned_start is not None:
        facts.append(Fact("Pinned to", "", dated(job.pinned_start, now)))
    facts.append(Fact("Accepted", "", dated(job.accepted_at, now)))
    facts.append(Fact("Job id", job.job_id))
    return tuple(facts)


def control_lines(controls: Sequence[Mapping[str, Any]], now: datetime) -> tuple[ControlLine, ...]:
    """Return what was done to a job, newest first."""
    lines: list[ControlLine] = []
    for control in controls:
        at = control.get("at")
        instant = parse_rfc3339(at) if isinstance(at, str) else at
        detail = control.get("detail") or {}
        action = str(control.get("action", ""))
        text = _detail(action, detail, now) if isinstance(detail, Mapping) else str(detail)
        lines.append(
            ControlLine(
                dated(instant, now) if isinstance(instant, datetime) else None,
                CONTROL_WORDS.get(action, action.replace("_", " ").capitalize()),
                str(control.get("by", "")),
                text,
            )
        )
    return tuple(reversed(lines))


def _detail(action: str, detail: Mapping[str, Any], now: datetime) -> str:
    """Return the particulars of an act; what was left open is left out, a limit taken away is said."""
    parts = []
    for name, value in detail.items():
        if value is not None:
            parts.append(_particular(name, value, now))
        elif action == "change":
            parts.append(f"no {_plain(name)}")
    return ", ".join(parts)


def _particular(name: str, value: Any, now: datetime) -> str:
    if name == "event":
        return EVENT_WORDS.get(str(value), str(value))
    if name == "was_held":
        return "it was held"
    if name == "energy_kwh":
        return kilowatt_hours(float(value))
    text = str(value)
    if isinstance(value, str) and _INSTANT.match(value):
        text = when(parse_rfc3339(value), now).text
    if name in {"start_time", "at"}:
        return f"at {text}"
    return f"on {text}" if name == "asset_id" else f"{_plain(name)} {text}"


def _plain(name: str) -> str:
    return name.replace("_", " ")
