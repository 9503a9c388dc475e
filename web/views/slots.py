"""Choosing another slot: every start with its price against the present plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.domain.ports import JobView
from models.domain.regions import REGIONS
from models.domain.time import format_utc
from services.explain_types import Candidate
from web.views.formatting import (
    intensity_figure,
    kilograms,
    pence_figure,
    pounds,
)
from web.views.job_page import BLOCKED_WORDS
from web.views.slot_chart import SlotChart, slot_chart
from web.views.stamps import Stamp, clock, dated, day_text, local_input


@dataclass(frozen=True, slots=True)
class SlotRow:
    """One start."""

    start: Stamp
    end: Stamp
    value: str
    asset_id: str
    where: str
    cost: str
    price: str
    carbon: str
    intensity: str
    extra: str
    is_chosen: bool
    is_free: bool
    reason: str
    asked: str
    """The start as the question form takes it (London time)."""


@dataclass(frozen=True, slots=True)
class SlotDay:
    """The starts of one day."""

    name: str
    rows: tuple[SlotRow, ...]
    free: int


@dataclass(frozen=True, slots=True)
class SlotsView:
    """Everything the page places."""

    job_id: str
    job_name: str
    days: tuple[SlotDay, ...]
    has_many_clusters: bool
    best: tuple[SlotRow, ...]
    total: int
    chart: SlotChart | None


def extra_text(extra_gbp: float | None) -> str:
    """Return what a start costs above the present one by the policy's weights. [GBP]"""
    if extra_gbp is None:
        return "unknown"
    if abs(extra_gbp) < 0.0005:
        return "the same"
    return f"{pounds(abs(extra_gbp))} {'worse' if extra_gbp > 0 else 'better'}"


def _row(candidate: Candidate, view: JobView, now: datetime, names: Mapping[str, str]) -> SlotRow:
    placed = candidate.placement
    award = view.plan.award if view.plan else None
    chosen = award.placement if award else None
    reason = ""
    if not candidate.feasible:
        rule = candidate.rule or "power"
        reason = BLOCKED_WORDS.get(rule, rule.replace("_", " "))
        if candidate.held_by:
            reason += f" by {', '.join(candidate.held_by)}"
    return SlotRow(
        start=dated(placed.start, now),
        end=clock(placed.end),
        value=format_utc(placed.start),
        asset_id=placed.asset_id,
        where=f"{names.get(placed.asset_id, placed.asset_id)}, {REGIONS[placed.region].name}",
        cost=pounds(placed.cost_gbp),
        price=pence_figure(placed.mean_price_gbp_per_kwh),
        carbon=kilograms(placed.carbon_kg),
        intensity=intensity_figure(placed.mean_carbon_g_per_kwh),
        extra=extra_text(candidate.extra_gbp),
        is_chosen=chosen is not None
        and (chosen.start, chosen.asset_id) == (placed.start, placed.asset_id),
        is_free=candidate.feasible,
        reason=reason,
        asked=local_input(placed.start),
    )


def slots_view(
    view: JobView, candidates: Sequence[Candidate], now: datetime, names: Mapping[str, str]
) -> SlotsView:
    """Return every start of a job, by day."""
    days: dict[str, list[SlotRow]] = {}
    for candidate in candidates:
        name = day_text(candidate.placement.start, now)
        days.setdefault(name, []).append(_row(candidate, view, now, names))
    ranked = sorted(
        (c for c in candidates if c.feasible and c.extra_gbp is not None),
        key=lambda c: (c.extra_gbp or 0.0, c.placement.start),
    )
    best = tuple(_row(c, view, now, names) for c in ranked[:6])
    return SlotsView(
        job_id=view.job.job_id,
        job_name=view.job.job_name,
        days=tuple(
            SlotDay(name[:1].upper() + name[1:], tuple(rows), sum(r.is_free for r in rows))
            for name, rows in days.items()
        ),
        has_many_clusters=len({c.placement.asset_id for c in candidates}) > 1,
        best=best,
        total=len(candidates),
        chart=_chart(view, candidates, now, names),
    )


def _chart(
    view: JobView, candidates: Sequence[Candidate], now: datetime, names: Mapping[str, str]
) -> SlotChart | None:
    """Return the drawing of the starts on the cluster the job is planned on, else its own."""
    award = view.plan.award if view.plan else None
    place = award.placement.asset_id if award else view.job.asset_id
    here = [one for one in candidates if one.placement.asset_id == place]
    chosen = award.placement if award else None
    return slot_chart(here, chosen, names.get(place, place), now)
