"""The What-if page: totals beside the present plan, points of the curve, and which jobs would run elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.domain.plan import Placement
from models.domain.regions import REGIONS
from services.trade_off import (
    COST_ONLY_GBP_PER_TONNE,
    DEFAULT_GBP_PER_TONNE,
    HIGHEST_GBP_PER_TONNE,
    UK_APPRAISAL_GBP_PER_TONNE,
    Point,
    Sums,
    TradeOff,
)
from services.what_if import JobDifference, WhatIf
from web.views.formatting import (
    UNKNOWN,
    against,
    capitalised,
    carbon_value,
    count,
    is_nothing,
    kilograms,
    length,
    percent,
    pounds,
    sentence_list,
)
from web.views.stamps import Stamp, span
from web.views.trade_off_chart import TradeOffChart, trade_off_chart

MOST_ROWS = 100
"""Changed jobs the table lists; the rest is counted."""

PRESETS: tuple[tuple[float, str], ...] = (
    (COST_ONLY_GBP_PER_TONNE, "Cost only"),
    (UK_APPRAISAL_GBP_PER_TONNE, "UK appraisal value of 2021"),
    (DEFAULT_GBP_PER_TONNE, "Carbon first"),
    (HIGHEST_GBP_PER_TONNE, "Highest"),
)
"""(value of carbon, name) of the buttons. [GBP/t]"""

FAULTS = {
    "dominated": "another value gives less carbon for no more money",
    "serves fewer jobs": "serves fewer jobs, so its sums cannot be compared",
}
"""Why a point is not on the curve, in words."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One button."""

    value: str
    """For the address: GBP/t."""
    text: str
    name: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Figure:
    """One total."""

    label: str
    value: str
    gloss: str


@dataclass(frozen=True, slots=True)
class PointRow:
    """One value of carbon in the table of points."""

    value: str
    role: str
    jobs: str
    carbon: str
    cost: str
    waiting: str
    note: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class CurveView:
    """Carbon against cost at several values of carbon, with how many of them are planned yet."""

    price: str
    """The asked value, for the address: GBP/t."""
    chart: TradeOffChart | None
    sentence: str
    points: tuple[PointRow, ...]
    missing: str
    """Which values are not planned yet, as a sentence; empty where all are."""
    planned: int
    wanted: int


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One job that would run at another time or place, or be answered otherwise."""

    job_id: str
    name: str
    before: tuple[Stamp, Stamp] | None
    before_where: str
    after: tuple[Stamp, Stamp] | None
    after_where: str
    after_note: str
    shift: str
    carbon: str
    cost: str


@dataclass(frozen=True, slots=True)
class WhatIfView:
    """Everything the page places."""

    price: str
    """For the slider: GBP/t, whole."""
    price_text: str
    current_text: str
    is_current: bool
    highest: str
    presets: tuple[Preset, ...]
    has_jobs: bool
    sentence: str
    figures: tuple[Figure, ...]
    curve: CurveView
    changes: tuple[ChangeRow, ...]
    more_changes: int
    proof: str


def what_if_view(found: WhatIf, curve: TradeOff, now: datetime) -> WhatIfView:
    """Return a what-if ready to place."""
    asked, current = found.carbon_price_gbp_per_tonne, found.current_carbon_price_gbp_per_tonne
    changed = sorted(
        (row for row in found.jobs if row.is_changed),
        key=lambda row: (-abs(row.carbon_kg or 0.0), -abs(row.cost_gbp or 0.0), row.job_id),
    )
    return WhatIfView(
        price=f"{asked:.0f}",
        price_text=carbon_value(asked),
        current_text=carbon_value(current),
        is_current=abs(asked - current) < 0.5,
        highest=f"{HIGHEST_GBP_PER_TONNE:.0f}",
        presets=_presets(asked, current),
        has_jobs=bool(found.jobs),
        sentence=_sentence(found, len(changed)),
        figures=_figures(found),
        curve=curve_view(asked, curve),
        changes=tuple(_change(row, now) for row in changed[:MOST_ROWS]),
        more_changes=max(0, len(changed) - MOST_ROWS),
        proof=_proof(found),
    )


def curve_view(asked_gbp_per_tonne: float, curve: TradeOff) -> CurveView:
    """Return a curve ready to place."""
    planned, missing = len(curve.points), curve.unplanned_gbp_per_tonne
    return CurveView(
        price=f"{asked_gbp_per_tonne:.10g}",
        chart=trade_off_chart(curve),
        sentence=_chart_sentence(curve),
        points=tuple(_point(point) for point in curve.points),
        missing=_missing(missing),
        planned=planned,
        wanted=planned + len(missing),
    )


def _presets(asked: float, current: float) -> tuple[Preset, ...]:
    entries = list(PRESETS)
    if not any(abs(current - value) < 0.5 for value, _ in entries):
        entries.insert(0, (current, "As set now"))
    return tuple(
        Preset(f"{value:.10g}", carbon_value(value), name, abs(asked - value) < 0.5)
        for value, name in entries
    )


def _sentence(found: WhatIf, changed: int) -> str:
    asked = carbon_value(found.carbon_price_gbp_per_tonne)
    if not found.jobs:
        return "No job is up for planning, so no value of carbon changes anything."
    if not changed:
        return f"At {asked} every job stays where it is."
    return f"At {asked} {count(changed, 'job')} of {len(found.jobs):,} would be answered otherwise."


def _figures(found: WhatIf) -> tuple[Figure, ...]:
    totals, current = found.totals, found.current
    comparable = totals.jobs == current.jobs
    carbon = _less_or_more(current.carbon_kg - totals.carbon_kg, kilograms, current.carbon_kg)
    cost = _less_or_more(current.cost_gbp - totals.cost_gbp, pounds, current.cost_gbp)
    other = f"not comparable: now {count(current.jobs, 'job')} served"
    served = f"{count(current.jobs, 'job')} now"
    if found.frozen:
        served += f"; {found.frozen:,} more no longer move and are not counted here"
    if totals.unknown_jobs:
        served += f"; of {totals.unknown_jobs:,} carbon or cost is unknown"
    return (
        Figure("Carbon", kilograms(totals.carbon_kg), carbon if comparable else other),
        Figure("Cost", pounds(totals.cost_gbp), cost if comparable else other),
        Figure("Jobs served", f"{totals.jobs:,}", served),
    )


def _less_or_more(saved: float, text: Callable[[float], str], before: float) -> str:
    told = against(saved, text(abs(saved)))
    share = f" ({percent(abs(saved) / abs(before) * 100)})" if before and abs(saved) >= 5e-4 else ""
    return (
        f"{told} than the present plan{share}" if abs(saved) >= 5e-4 else "as in the present plan"
    )


def _chart_sentence(curve: TradeOff) -> str:
    kept = curve.curve
    off = len(curve.points) - len(kept)
    told = "Left is cheaper, down is cleaner; the filled mark is the current value."
    if off:
        told += (
            f" {capitalised(count(off, 'computed point'))} {'is' if off == 1 else 'are'} not on the curve, "
            "because another one is better or serves more jobs."
        )
    return told


def _missing(values: Sequence[float]) -> str:
    if not values:
        return ""
    told = sentence_list([carbon_value(value) for value in values])
    return f"Each plan of a fleet of this size takes a while; not planned yet: {told}."


def _point(point: Point) -> PointRow:
    sums: Sums = point.totals
    roles = [word for word, holds in (("current", point.is_current), ("asked", point.is_asked)) if holds]  # fmt: skip
    return PointRow(
        value=carbon_value(point.carbon_price_gbp_per_tonne),
        role=", ".join(roles),
        jobs=f"{sums.jobs:,}",
        carbon=kilograms(sums.carbon_kg),
        cost=pounds(sums.cost_gbp),
        waiting=pounds(sums.delay_gbp),
        note=FAULTS.get(point.fault, "on the curve"),
        is_chosen=point.is_asked,
    )


def _where(place: Placement | None) -> str:
    return f"{place.asset_id}, {REGIONS[place.region].name}" if place else ""


def _change(row: JobDifference, now: datetime) -> ChangeRow:
    note = ""
    if row.refusal is not None:
        note = f"refused: {row.refusal.detail}"
    elif row.deferral is not None:
        note = row.deferral.reason
    moved = row.later_by
    shift = ""
    if moved is not None:
        late = moved.total_seconds() > 0
        shift = f"{length(abs(moved))} {'later' if late else 'earlier'}" if moved else "same start"
    return ChangeRow(
        job_id=row.job_id,
        name=row.job_name,
        before=span(row.current.start, row.current.end, now) if row.current else None,
        before_where=_where(row.current),
        after=span(row.planned.start, row.planned.end, now) if row.planned else None,
        after_where=_where(row.planned),
        after_note=note,
        shift=shift,
        carbon=_signed(row.carbon_kg, kilograms),
        cost=_signed(row.cost_gbp, pounds),
    )


def _signed(difference: float | None, text: Callable[[float | None], str]) -> str:
    return UNKNOWN if difference is None else against(-difference, text(abs(difference)))


def _proof(found: WhatIf) -> str:
    certificate = found.certificate
    if certificate.gap_percent is None:
        return "A job would stay unserved, so the gap to the proven bound is not stated as a percentage."
    if is_nothing(certificate.gap_percent):
        return (
            "No plan for the same work and signals is better at this value of carbon; the bound is proven, "
            "not estimated."
        )
    return (
        f"No plan for the same work and signals can be more than {percent(certificate.gap_percent)} better at this "
        "value of carbon; the bound is proven, not estimated."
    )
