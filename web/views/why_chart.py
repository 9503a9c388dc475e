"""Why this slot, as a picture: chosen window, runner-up and run on arrival over carbon and price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from models.domain.plan import Placement
from models.domain.regions import REGIONS
from services.types import EnergyRow
from web.views.schedule_chart import HEAD_HEIGHT, STRIP_HEAD, STRIP_HEIGHT, PlacedStrip
from web.views.stamps import clock_text, span_text
from web.views.strips import carbon_strip, price_strip
from web.views.timeline import DayMark, Tick, TimeAxis

WIDTH = 1088.0
LANE = 24.0
LABEL_WIDTH = 90.0
"""Room a lane's name needs beside its bar. [px]"""


@dataclass(frozen=True, slots=True)
class LaneBar:
    """One alternative."""

    x: float
    y: float
    width: float
    css: str
    label: str
    label_x: float
    anchor: str
    title: str


@dataclass(frozen=True, slots=True)
class WhyChart:
    """Everything the template places."""

    width: float
    height: float
    ticks: tuple[Tick, ...]
    days: tuple[DayMark, ...]
    bars: tuple[LaneBar, ...]
    strips: tuple[PlacedStrip, ...]
    plot_top: float
    plot_bottom: float
    deadline_x: float | None
    deadline_text: str
    now_x: float | None
    now_text: str
    now_anchor: str
    title: str
    description: str


def why_chart(
    *,
    now: datetime,
    rows: Sequence[EnergyRow],
    region: str,
    options: Sequence[tuple[str, str, Placement | None]],
    deadline: datetime | None,
) -> WhyChart | None:
    """Return the picture, or None where no half-hours are known or no alternative lies on the axis.

    Args:
        now: The planning clock.
        rows: Half-hours of the region, in order without gaps.
        region: Slug, for labels.
        options: (label, css, placement) from the chosen one down.
        deadline: Drawn as a line where it lies on the axis.
    """
    if not rows:
        return None
    axis = TimeAxis(rows[0].start, len(rows), WIDTH)
    bars: list[LaneBar] = []
    y = HEAD_HEIGHT
    told: list[str] = []
    for label, css, placement in options:
        if placement is None or not axis.shows(placement.start, placement.end):
            continue
        x = axis.x(placement.start)
        width = max(axis.x(placement.end) - x, 3.0)
        is_right = x + width + LABEL_WIDTH <= WIDTH
        window = span_text(placement.start, placement.end, now)
        bars.append(
            LaneBar(
                x, y + 3, round(width, 2), css, label,
                round(x + width + 5 if is_right else x - 5, 2), "start" if is_right else "end",
                f"{label}: {window}",
            )
        )  # fmt: skip
        told.append(f"{label.lower()} {window}")
        y += LANE
    if not bars:
        return None
    place = REGIONS[region].name
    strips: list[PlacedStrip] = []
    y += 4
    for strip in (
        carbon_strip(axis, rows, f"Carbon in {place}"),
        price_strip(axis, rows, f"Price in {place}"),
    ):
        strips.append(PlacedStrip(y + STRIP_HEAD, STRIP_HEIGHT, strip))
        y += STRIP_HEAD + STRIP_HEIGHT + 8
    has_deadline = deadline is not None and axis.start < deadline <= axis.end
    now_x = axis.x(now) if axis.start <= now < axis.end else None
    return WhyChart(
        width=WIDTH,
        height=y + 18,
        ticks=axis.ticks(),
        days=axis.days(),
        bars=tuple(bars),
        strips=tuple(strips),
        plot_top=HEAD_HEIGHT - 6,
        plot_bottom=y,
        deadline_x=axis.x(deadline) if has_deadline and deadline else None,
        deadline_text=f"ready by {clock_text(deadline)}" if has_deadline and deadline else "",
        now_x=now_x,
        now_text=f"now {clock_text(now)}",
        now_anchor="start",
        title="Where the run lies among its alternatives",
        description=f"Over carbon and price in {place}: {'; '.join(told)}. The table holds the same values.",
    )
