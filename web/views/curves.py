"""Carbon and price of a region as stepped lines, each on a scale of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.domain.regions import REGIONS
from services.types import EnergyRow
from web.views.chart_table import kind_word
from web.views.stamps import clock_text, dated
from web.views.timeline import DayMark, Tick, TimeAxis

WIDTH = 1088.0
GUTTER = 40.0
"""Room for the scale, right of the plot. [px]"""

PANEL = 110.0
PANEL_GAP = 30.0
HEAD = 46.0


@dataclass(frozen=True, slots=True)
class Level:
    """A labelled horizontal line of a curve's scale."""

    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Curve:
    """One signal as a stepped line in a panel of its own."""

    name: str
    y: float
    height: float
    path: str
    estimate_path: str
    spread_path: str
    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class CurveChart:
    """Carbon and price of a region over time."""

    width: float
    plot_width: float
    height: float
    ticks: tuple[Tick, ...]
    days: tuple[DayMark, ...]
    curves: tuple[Curve, ...]
    plot_top: float
    plot_bottom: float
    now_x: float | None
    now_text: str
    now_anchor: str
    title: str
    description: str


def nice_step(span: float) -> float:
    """Return a round step that cuts a span into two to five parts."""
    if span <= 0:
        return 1.0
    step = 10.0 ** len(str(int(span))) / 10 if span >= 1 else 0.1
    for factor in (0.1, 0.2, 0.25, 0.5, 1, 2, 5):
        if span / (step * factor) <= 5:
            return step * factor
    return step * 10


def _curve(
    axis: TimeAxis,
    name: str,
    y: float,
    values: Sequence[float | None],
    estimates: Sequence[bool],
    spread: Sequence[tuple[float, float] | None],
) -> Curve:
    known = [v for v in values if v is not None]
    edges = [e for pair in spread if pair is not None for e in pair]
    low, high = min([0.0, *known, *edges]), max([*known, *edges, 1.0])
    step = nice_step(high - low)
    high = step * -(-high // step)
    low = step * (low // step)

    def level(value: float) -> float:
        return round(y + PANEL * (1 - (value - low) / (high - low)), 1)

    def trace(wanted: bool) -> str:
        parts, is_drawing = [], False
        for index, value in enumerate(values):
            if value is None or estimates[index] is not wanted:
                is_drawing = False
                continue
            left, right = round(index * axis.slot_width, 1), round((index + 1) * axis.slot_width, 1)
            parts.append(
                f"{'L' if is_drawing else 'M'}{left:g} {level(value):g}L{right:g} {level(value):g}"
            )
            is_drawing = True
        return "".join(parts)

    count = round((high - low) / step)
    return Curve(
        name=name,
        y=y,
        height=PANEL,
        path=trace(False),
        estimate_path=trace(True),
        spread_path=_spread(axis, spread, level),
        levels=tuple(
            Level(level(low + k * step), f"{low + k * step:g}".replace("-", "−"))
            for k in range(count + 1)
        ),
    )  # fmt: skip


def _spread(
    axis: TimeAxis, spread: Sequence[tuple[float, float] | None], level: Callable[[float], float]
) -> str:
    parts = []
    for index, pair in enumerate(spread):
        if pair is None:
            continue
        left, right = round(index * axis.slot_width, 1), round((index + 1) * axis.slot_width, 1)
        top, bottom = level(pair[1]), level(pair[0])
        parts.append(f"M{left:g} {top:g}H{right:g}V{bottom:g}H{left:g}Z")
    return "".join(parts)


def curve_chart(rows: Sequence[EnergyRow], *, now: datetime, region: str) -> CurveChart | None:
    """Return carbon and price of a region as stepped lines; None where nothing is known."""
    if not rows or not any(r.carbon.value is not None or r.price.value is not None for r in rows):
        return None
    axis = TimeAxis(rows[0].start, len(rows), WIDTH - GUTTER)
    pence = [None if r.price.value is None else r.price.value * 100 for r in rows]
    curves = (
        _curve(
            axis, "Carbon, g/kWh", HEAD + 20, [r.carbon.value for r in rows],
            [kind_word(r.carbon) == "our estimate" for r in rows],
            [None if r.carbon.p5 is None or r.carbon.p95 is None else (r.carbon.p5, r.carbon.p95) for r in rows],
        ),
        _curve(
            axis, "Price, p/kWh (dotted: our estimate)", HEAD + 20 + PANEL + PANEL_GAP, pence,
            [kind_word(r.price) == "our estimate" for r in rows], [None] * len(rows),
        ),
    )  # fmt: skip
    bottom = HEAD + 20 + 2 * PANEL + PANEL_GAP
    now_x = axis.x(now) if axis.start <= now < axis.end else None
    place = REGIONS[region].name
    hours = len(rows) // 2
    return CurveChart(
        width=WIDTH,
        plot_width=axis.width,
        height=bottom + 20,
        ticks=axis.ticks(3 if hours <= 60 else 12 if hours <= 24 * 8 else 24),
        days=axis.days(),
        curves=curves,
        plot_top=HEAD - 6,
        plot_bottom=bottom,
        now_x=now_x,
        now_text=f"now {clock_text(now)}",
        now_anchor="start" if (now_x or 0) < WIDTH - 80 else "end",
        title=f"Carbon and price in {place}, {hours} hours from {dated(axis.start, now).text}",
        description=f"Two stepped lines over {hours} hours. The table below holds the same values.",
    )
