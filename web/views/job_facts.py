"""What was asked of a job, and what was done to it since, in words."""

from __future__ import annotations

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
    kilowatts,
    length,
    pence_per_kwh,
    percent,
    sentence_list,
)
from web.views.stamps import Stamp, dated

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
        text = ", ".join(f"{key} {value}" for key, value in detail.items()) if isinstance(detail, Mapping) else str(detail)  # fmt: skip
        action = str(control.get("action", ""))
        lines.append(
            ControlLine(
                dated(instant, now) if isinstance(instant, datetime) else None,
                CONTROL_WORDS.get(action, action.replace("_", " ").capitalize()),
                str(control.get("by", "")),
                text,
            )
        )
    return tuple(reversed(lines))
