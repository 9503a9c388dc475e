"""Carbon against cost as a picture: one mark a value of carbon, the curve through those no other beats."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.trade_off import Point, TradeOff
from web.views.formatting import carbon_value, kilograms, pounds, sentence_list

WIDTH = 832.0
HEIGHT = 340.0
LEFT = 84.0
RIGHT = 40.0
TOP = 34.0
BOTTOM = 50.0
PADDING = 0.12
"""Share of the range left free on either side, so that marks and labels have room."""

NEAR_PX = 7.0
"""Marks nearer than this in both directions are drawn as one. [px]"""

LEVELS = 4
"""About how many lines each axis has."""

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
"""Round steps between lines, times a power of ten."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark, of one or more values of carbon that give the same."""

    x: float
    y: float
    radius: float
    css: str
    label: str
    label_x: float
    label_y: float
    anchor: str
    title: str


@dataclass(frozen=True, slots=True)
class Level:
    """One line of an axis."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class TradeOffChart:
    """Everything the template places."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    across: tuple[Level, ...]
    up: tuple[Level, ...]
    path: str
    marks: tuple[Mark, ...]
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float
    first_px: float
    last_px: float

    @classmethod
    def over(cls, values: Sequence[float], first_px: float, last_px: float) -> _Axis:
        low, high = min(values), max(values)
        room = (high - low) * PADDING or max(abs(high) * PADDING, 0.01)
        return cls(low - room, high + room, first_px, last_px)

    def px(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.first_px + share * (self.last_px - self.first_px), 2)

    def levels(self) -> list[float]:
        rough = (self.high - self.low) / LEVELS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(s * power for s in STEPS if s * power >= rough * (1 - 1e-9))
        first = math.ceil(self.low / step)
        return [k * step for k in range(first, math.floor(self.high / step) + 1)]

    def labelled(self, text: Callable[[float], str], unit: str) -> tuple[Level, ...]:
        """Return the levels with their labels, with more decimals where two would read the same.

        Args:
            text: How a value is told elsewhere on the page.
            unit: How it is told with as many decimals as it takes; `{}` stands for the number.
        """
        levels = self.levels()
        labels = [text(value) for value in levels]
        if len(set(labels)) < len(labels):
            step = min(b - a for a, b in itertools.pairwise(levels))
            decimals = max(0, math.ceil(-math.log10(step) - 1e-9))
            labels = [unit.format(f"{value:,.{decimals}f}") for value in levels]
        return tuple(Level(self.px(v), label) for v, label in zip(levels, labels, strict=True))


def trade_off_chart(found: TradeOff) -> TradeOffChart | None:
    """Return the picture; None where no job is served, so that there is nothing to draw."""
    points = [point for point in found.points if point.totals.jobs]
    if not points:
        return None
    across = _Axis.over([p.totals.cost_gbp for p in points], LEFT, WIDTH - RIGHT)
    up = _Axis.over([p.totals.carbon_kg for p in points], HEIGHT - BOTTOM, TOP)
    curve = [point for point in found.curve if point.totals.jobs]
    steps = [(across.px(p.totals.cost_gbp), up.px(p.totals.carbon_kg)) for p in curve]
    return TradeOffChart(
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        top=TOP,
        bottom=HEIGHT - BOTTOM,
        across=across.labelled(pounds, "£{}"),
        up=up.labelled(kilograms, "{} kg"),
        path="M" + "L".join(f"{x} {y}" for x, y in steps) if len(steps) > 1 else "",
        marks=tuple(_mark(group, across, up) for group in _groups(points, across, up)),
        title="Carbon against cost at different values of carbon",
        description=_described(points),
    )


def _groups(points: Sequence[Point], across: _Axis, up: _Axis) -> list[list[Point]]:
    """Return points that would be drawn on top of each other together."""
    groups: list[list[Point]] = []
    for point in points:
        x, y = across.px(point.totals.cost_gbp), up.px(point.totals.carbon_kg)
        for group in groups:
            first = group[0].totals
            dx, dy = across.px(first.cost_gbp) - x, up.px(first.carbon_kg) - y
            if abs(dx) <= NEAR_PX and abs(dy) <= NEAR_PX:
                group.append(point)
                break
        else:
            groups.append([point])
    return groups


def _mark(group: Sequence[Point], across: _Axis, up: _Axis) -> Mark:
    lead = next((p for p in group if p.is_current), group[0])
    x, y = across.px(lead.totals.cost_gbp), up.px(lead.totals.carbon_kg)
    is_current = any(p.is_current for p in group)
    is_asked = any(p.is_asked for p in group)
    css = "running" if is_current else "open" if is_asked else ""
    if all(p.fault for p in group) and not (is_current or is_asked):
        css = "completed"
    is_right = x < (LEFT + WIDTH - RIGHT) / 2
    prices = sentence_list([carbon_value(p.carbon_price_gbp_per_tonne) for p in group])
    roles = [text for text, holds in (("current", is_current), ("asked", is_asked)) if holds]
    label = f"{prices} ({', '.join(roles)})" if roles else prices
    return Mark(
        x=x,
        y=y,
        radius=8.0 if is_current or is_asked else 6.0,
        css=css,
        label=label,
        label_x=round(x + 12 if is_right else x - 12, 2),
        label_y=round(y - 8, 2),
        anchor="start" if is_right else "end",
        title=f"{label}: {pounds(lead.totals.cost_gbp)}, {kilograms(lead.totals.carbon_kg)}",
    )


def _described(points: Sequence[Point]) -> str:
    told = [
        f"{carbon_value(p.carbon_price_gbp_per_tonne)}{', the current value,' if p.is_current else ''} gives "
        f"{kilograms(p.totals.carbon_kg)} for {pounds(p.totals.cost_gbp)}"
        for p in points
    ]
    return f"{'; '.join(told)}. The table below holds the same values."
