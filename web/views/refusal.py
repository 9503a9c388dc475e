"""A refusal that helps: the rule with its number, what was tried, and changes that were checked to work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from models.domain.errors import InvalidRequest
from models.domain.plan import Refusal, Relaxation
from models.domain.time import parse_rfc3339
from web.views.formatting import (
    intensity,
    kilograms,
    kilowatts,
    length,
    pence_per_kwh,
    pounds,
)
from web.views.job_facts import FLEXIBILITY_WORDS, region_names
from web.views.stamps import when

RULE_WORDS: Mapping[str, str] = {
    "power": "not enough power is free",
    "carbon_cap": "its carbon cap is below every window",
    "max_price": "its price cap is below every window",
    "deadline": "its deadline is too near",
    "predecessor": "the job it waits for will not finish in time",
    "asset": "no cluster can take it",
    "region": "no cluster is in an allowed region",
    "transfer": "its data would arrive too late",
    "pinned": "its pinned start is no longer possible",
    "internal": "the planner is at fault, not the job",
}
"""What a rule means for the user."""


@dataclass(frozen=True, slots=True)
class RelaxationView:
    """One change that was checked to make the job fit."""

    number: int
    """Place in the refusal's list, 0 first; what the button sends."""
    label: str
    """Text of the button."""
    effect: str
    """When it would run with it, and at what cost and carbon."""


@dataclass(frozen=True, slots=True)
class RefusalView:
    """A refusal ready to place."""

    rule: str
    detail: str
    relaxations: tuple[RelaxationView, ...]
    tried: tuple[str, ...]
    options_considered: int


def as_instant(value: Any) -> datetime | None:
    """Return a stored value as an instant where it is one."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            return parse_rfc3339(value)
        except InvalidRequest:
            return None
    return None


def change_words(field: str, value: Any, now: datetime) -> str:
    """Return a change of one field as what a button says."""
    if field in {"latest_finish", "earliest_start"}:
        instant = as_instant(value)
        text = when(instant, now).text if instant else str(value)
        return f"Ready by {text}" if field == "latest_finish" else f"Start from {text}"
    if field == "carbon_cap_g_per_kwh":
        return "No carbon cap" if value is None else f"Carbon cap {intensity(float(value))}"
    if field in {"max_price_per_kwh", "max_price_gbp_per_kwh"}:
        return "No price cap" if value is None else f"Price cap {pence_per_kwh(float(value))}"
    if field in {"estimated_power_kw", "power_kw"}:
        return f"Draw {kilowatts(float(value))}"
    if field == "power_profile_kw":
        return f"Draw at most {kilowatts(max(value))}, in the same profile"
    if field in {"duration_hours", "duration"}:
        span = value if isinstance(value, timedelta) else timedelta(hours=float(value))
        return f"Run for {length(span)}"
    if field == "allowed_regions":
        return f"Allow {region_names(tuple(value))}"
    if field in {"flexibility_type", "flexibility"}:
        words = {str(kind): text for kind, text in FLEXIBILITY_WORDS.items()}
        return f"Flexibility: {words.get(str(value), str(value))}"
    if field == "depends_on":
        return "Do not wait for another job" if not value else f"Wait for {value}"
    if field == "asset_id":
        return f"Run on {value}"
    return f"{field.replace('_', ' ').capitalize()}: {value}"


def relaxation_view(number: int, found: Relaxation, now: datetime) -> RelaxationView:
    """Return one checked change ready to place."""
    costs = [
        text
        for text, value in (
            (pounds(found.cost_gbp), found.cost_gbp),
            (kilograms(found.carbon_kg), found.carbon_kg),
        )
        if value is not None
    ]
    effect = f"runs {when(found.start, now).text} on {found.asset_id}"
    if costs:
        effect += f", {' and '.join(costs)}"
    return RelaxationView(number, change_words(found.field, found.value, now), effect)


def refusal_view(refusal: Refusal, now: datetime) -> RefusalView:
    """Return a refusal ready to place."""
    found = refusal.relaxations or (
        (refusal.smallest_relaxation,) if refusal.smallest_relaxation else ()
    )
    return RefusalView(
        rule=RULE_WORDS.get(refusal.rule, refusal.rule.replace("_", " ")),
        detail=refusal.detail,
        relaxations=tuple(relaxation_view(k, r, now) for k, r in enumerate(found)),
        tried=refusal.tried,
        options_considered=refusal.options_considered,
    )
