"""Every start of a job on one cluster as a column: how much dearer than the cheapest, and which are closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from models.domain.plan import Placement
from models.domain.time import SLOT
from services.explain_types import Candidate
from web.views.formatting import count, pounds
from web.views.stamps import when
from web.views.timeline import DayMark, Tick, TimeAxis

WIDTH = 1088.0
HEAD_HEIGHT = 44.0
"""Room for days and hours above the plot. [px]"""
PLOT_HEIGHT = 120.0
LEAST_HEIGHT = 6.0
"""A column of the cheapest start is still seen. [px]"""
MOST_COLUMNS = 672


@dataclass(frozen=True, slots=True)
class Column:
    """One start."""

    x: float
    y: float
    width: float
    height: float
    css: str
    title: str


@dataclass(frozen=True, slots=True)
class SlotChart:
    """Everything the template places."""

    width: float
    height: float
    ticks: tuple[Tick, ...]
    days: tuple[DayMark, ...]
    columns: tuple[Column, ...]
    plot_top: float
    plot_bottom: float
    base_y: float
    top_text: str
    title: str
    description: str
    legend: tuple[tuple[str, str], ...]
    """(css class, words) of each kind of column that occurs."""


def slot_chart(
    candidates: Sequence[Candidate], chosen: Placement | None, name: str, now: datetime
) -> SlotChart | None:
    """Return the drawing, or None where no start's worth is known.

    Args:
        candidates: Starts on one cluster, by start.
        chosen: The window the job has, if any.
        name: Shown name of the cluster.
        now: The planning clock.
    """
    known = [c for c in candidates if c.placement.objective_gbp is not None][:MOST_COLUMNS]
    if len(known) < 2:
        return None
    worth = [c.placement.objective_gbp or 0.0 for c in known]
    low, high = min(worth), max(worth)
    first = known[0].placement.start
    axis = TimeAxis(first, (known[-1].placement.start - first) // SLOT + 1, WIDTH)
    bottom = HEAD_HEIGHT + 14 + PLOT_HEIGHT
    columns = []
    for candidate, value in zip(known, worth, strict=True):
        share = (value - low) / (high - low) if high > low else 0.0
        height = round(LEAST_HEIGHT + share * (PLOT_HEIGHT - LEAST_HEIGHT), 2)
        css, words = _kind(candidate, chosen)
        start = candidate.placement.start
        columns.append(
            Column(
                axis.x(start),
                round(bottom - height, 2),
                round(max(axis.slot_width - 1.5, 1.0), 2),
                height,
                css,
                f"{when(start, now).text}: {words}, {pounds(value - low)} above the least",
            )
        )
    closed = sum(not c.feasible for c in known)
    kinds = dict(_kind(c, chosen) for c in known)
    return SlotChart(
        width=WIDTH,
        height=bottom + 8,
        ticks=axis.ticks(3 if axis.slots <= 120 else 12),
        days=axis.days(),
        columns=tuple(columns),
        plot_top=HEAD_HEIGHT,
        plot_bottom=bottom,
        base_y=bottom,
        top_text=f"{pounds(high - low)} above the least, by the policy's weights",
        title=f"Every start on {name}",
        description=(
            f"{count(len(known), 'start')}, {closed} of them closed. The higher a column, the dearer the start by "
            "the policy's weights; the tables below hold the values."
        ),
        legend=tuple(kinds.items()),
    )


def _kind(candidate: Candidate, chosen: Placement | None) -> tuple[str, str]:
    place = candidate.placement
    if chosen is not None and (chosen.start, chosen.asset_id) == (place.start, place.asset_id):
        return "chosen", "the present plan"
    return ("free", "free") if candidate.feasible else ("closed", "closed")
