"""How a run turned out, also when it lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from web.views.formatting import (
    carbon_against,
    kilograms,
    kilowatt_hours,
    money_against,
    pounds,
)
from web.views.refusal import as_instant
from web.views.stamps import Stamp, when


@dataclass(frozen=True, slots=True)
class OutturnRow:
    """Forecast against outturn for one quantity."""

    label: str
    forecast: str
    outturn: str
    arrival: str
    against_arrival: str
    has_lost: bool


@dataclass(frozen=True, slots=True)
class OutturnView:
    """An outturn ready to place."""

    text: str
    rows: tuple[OutturnRow, ...]
    has_lost: bool
    counts: str
    """Whether it counts in statements."""
    notes: tuple[str, ...]
    computed_at: Stamp | None


def outturn_view(stored: Mapping[str, Any], now: datetime) -> OutturnView:
    """Return a stored outturn (see services/outturn.py) ready to place."""
    run: Mapping[str, Any] = stored.get("run") or {}
    arrival: Mapping[str, Any] = stored.get("baseline") or {}
    lost = set(stored.get("lost", ()))
    rows = (
        OutturnRow(
            "Carbon",
            kilograms(stored.get("forecast_carbon_kg")),
            kilograms(run.get("carbon_kg")),
            kilograms(arrival.get("carbon_kg")),
            carbon_against(stored.get("saved_carbon_kg")),
            "carbon" in lost,
        ),
        OutturnRow(
            "Cost",
            pounds(stored.get("forecast_cost_gbp")),
            pounds(run.get("cost_gbp")),
            pounds(arrival.get("cost_gbp")),
            money_against(stored.get("saved_cost_gbp")),
            "cost" in lost,
        ),
    )
    energy = kilowatt_hours(run.get("energy_kwh"))
    measured = "measured" if stored.get("energy_is_measured") else "as planned, not measured"
    notes = [
        f"Energy {energy}, {measured}; times: {stored.get('basis', 'unknown')}.",
        f"Carbon: {stored.get('carbon_note', 'estimated, average location-based')}.",
        f"Data: {stored.get('data_quality', 'unknown')}.",
    ]
    if not stored.get("final", True):
        notes.append("Some half-hours are still unknown; this will be computed again.")
    is_confirmed = stored.get("status") == "completed"
    computed_at = as_instant(stored.get("computed_at"))
    return OutturnView(
        text=str(stored.get("text", "")),
        rows=rows,
        has_lost=bool(lost),
        counts=(
            "Confirmed, so it counts in statements."
            if is_confirmed
            else "Not confirmed, so it does not count in statements."
        ),
        notes=tuple(notes),
        computed_at=when(computed_at, now) if computed_at else None,
    )
