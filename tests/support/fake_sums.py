"""Sums, filters and pages of the fake use cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.domain.asset import Asset
from models.domain.errors import FieldError, InvalidRequest
from models.domain.plan import (
    Placement,
    Savings,
)
from models.domain.ports import JobFilter, JobView, Page
from services.types import (
    Totals,
)


def savings_of(arrival: Placement, plan: Placement) -> Savings:
    if (
        plan.carbon_kg is None
        or arrival.carbon_kg is None
        or plan.cost_gbp is None
        or arrival.cost_gbp is None
    ):
        return Savings(None, None, None, None)
    carbon = arrival.carbon_kg - plan.carbon_kg
    cost = arrival.cost_gbp - plan.cost_gbp
    return Savings(carbon, 100 * carbon / arrival.carbon_kg, cost, 100 * cost / arrival.cost_gbp)


def totals_of(views: Sequence[JobView]) -> Totals:
    pairs = [
        (v.plan.award.placement, v.plan.award.baseline.placement)
        for v in views
        if v.plan is not None and v.plan.award is not None
    ]
    known = [(p, b) for p, b in pairs if p.carbon_kg is not None and b is not None]
    return Totals(
        jobs=len(pairs),
        energy_kwh=sum(p.energy_kwh for p, _ in pairs),
        carbon_kg=sum(p.carbon_kg for p, _ in known),
        cost_gbp=sum(p.cost_gbp for p, _ in known),
        saved_carbon_kg=sum(b.carbon_kg - p.carbon_kg for p, b in known),
        saved_cost_gbp=sum(b.cost_gbp - p.cost_gbp for p, b in known),
        baseline_carbon_kg=sum(b.carbon_kg for _, b in known),
        baseline_cost_gbp=sum(b.cost_gbp for _, b in known),
        unknown_jobs=len(pairs) - len(known),
    )


def matches(view: JobView, wanted: JobFilter, assets: Mapping[str, Asset]) -> bool:
    award = view.plan.award if view.plan else None
    own = assets.get(view.job.asset_id)
    region = award.placement.region if award else own.region if own else None
    start = award.placement.start if award else None
    text = (wanted.text or "").lower()
    return (
        (not wanted.statuses or view.status in wanted.statuses)
        and wanted.asset_id in {None, view.job.asset_id}
        and wanted.region in {None, region}
        and (text in view.job.job_name.lower() or text in view.job.job_id.lower())
        and (wanted.start_after is None or (start is not None and start >= wanted.start_after))
        and (wanted.start_before is None or (start is not None and start < wanted.start_before))
    )


def page_of(items: Sequence[Any], cursor: str | None, limit: int) -> Page[Any]:
    if cursor is not None and not cursor.isdigit():
        raise InvalidRequest(
            "cursor: is not a cursor",
            (FieldError("cursor", "is not a cursor", cursor, None, "leave it out"),),
        )
    start = int(cursor or 0)
    more = start + limit < len(items)
    return Page(tuple(items[start : start + limit]), str(start + limit) if more else None)
