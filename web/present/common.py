"""Times, numbers, lists and costs: what every presenter needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from models.domain.plan import Placement, Savings
from models.domain.ports import Page
from models.domain.time import format_utc
from web.json_text import json_safe

Item = TypeVar("Item")
Json = dict[str, Any]

HOUR = timedelta(hours=1)
"""One hour, to turn durations into hours."""


def when(instant: datetime | None) -> str | None:
    """Return an instant as RFC 3339 in UTC."""
    return None if instant is None else format_utc(instant)


def number(value: float | None) -> float | None:
    """Return a finite number, or null: JSON has no infinity."""
    return None if value is None or not math.isfinite(value) else float(value)


def hours(length: timedelta | None) -> float | None:
    """Return a length in hours."""
    return None if length is None else length / HOUR


def page(found: Page[Item], present: Callable[[Item], Json]) -> Json:
    """Return one page of a list."""
    return {"items": [present(item) for item in found.items], "next_cursor": found.next_cursor}


def whole_list(items: Iterable[Json]) -> Json:
    """Return a list that has one page only."""
    return {"items": list(items), "next_cursor": None}


def placement(found: Placement) -> Json:
    """Return where and when a job runs and what that costs."""
    return {
        "asset_id": found.asset_id,
        "region": found.region,
        "start_time": format_utc(found.start),
        "end_time": format_utc(found.end),
        "segments": [
            {
                "start_time": format_utc(part.start),
                "end_time": format_utc(part.end),
                "power_kw": part.power_kw,
            }
            for part in found.segments
        ],
        "energy_kwh": found.energy_kwh,
        "carbon_kg": number(found.carbon_kg),
        "cost_gbp": number(found.cost_gbp),
        "transfer_kwh": found.transfer_kwh,
        "transfer_cost_gbp": number(found.transfer_cost_gbp),
        "transfer_carbon_kg": number(found.transfer_carbon_kg),
        "mean_carbon_g_per_kwh": number(found.mean_carbon_g_per_kwh),
        "mean_price_gbp_per_kwh": number(found.mean_price_gbp_per_kwh),
        "estimated_share": found.estimated_share,
        "delay_gbp": number(found.delay_gbp),
        "objective_gbp": number(found.objective_gbp),
        "data_quality": str(found.data_quality),
    }


def savings(found: Savings) -> Json:
    """Return what a plan saves against running on arrival."""
    return {
        "carbon_kg": number(found.carbon_kg),
        "carbon_percent": number(found.carbon_percent),
        "cost_gbp": number(found.cost_gbp),
        "cost_percent": number(found.cost_percent),
        "carbon_kg_range": list(found.carbon_kg_range) if found.carbon_kg_range else None,
        "cost_gbp_range": list(found.cost_gbp_range) if found.cost_gbp_range else None,
        "range_reason": found.range_reason,
        "measured_against": found.measured_against,
    }


def loose(value: Mapping[str, Any]) -> Json:
    """Return stored JSON whole, with anything that is not JSON made so."""

    def plain(inner: Any) -> Any:
        if isinstance(inner, Mapping):
            return {str(name): plain(one) for name, one in inner.items()}
        if isinstance(inner, (list, tuple)):
            return [plain(one) for one in inner]
        if isinstance(inner, float):
            return number(inner)
        return inner if inner is None or isinstance(inner, (str, bool, int)) else json_safe(inner)

    return {str(name): plain(one) for name, one in value.items()}
