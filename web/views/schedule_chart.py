"""The 48 h chart: jobs as bars by cluster, over carbon, price and power, on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from models.domain.asset import Asset
from models.domain.plan import Placement
from models.domain.ports import JobView
from models.domain.regions import REGIONS
from models.domain.time import SLOT
from services.types import AssetUse, EnergyRow
from web.views.formatting import count, kilowatts
from web.views.stamps import clock_text, span_text
from web.views.states import state_of
from web.views.steps import step_line
from web.views.strips import CHARACTER_WIDTH, Strip, carbon_strip, price_strip
from web.views.timeline import DayMark, Tick, TimeAxis

WIDTH = 1088.0
"""Width of the drawing, as wide as the page's column. [px]"""

LANE_HEIGHT = 24.0
BAR_HEIGHT = 18.0
HEAD_HEIGHT = 46.0
GROUP_HEAD = 20.0
STRIP_HEIGHT = 26.0
STRIP_HEAD = 22.0
POWER_HEIGHT = 44.0
FOOT_HEIGHT = 18.0
MOST_LANES = 10
"""Lanes drawn per cluster; jobs that need more are counted and listed in the table."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One job's window."""

    x: float
    y: float
    width: float
    css: str
    label: str
    label_x: float
    anchor: str
    """`start | end`: from which side the label hangs at `label_x`."""
    label_is_inside: bool
    title: str
    job_id: str


@dataclass(frozen=True, slots=True)
class Group:
    """The lanes of one cluster."""

    y: float
    text: str
    bars: tuple[Bar, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Power:
    """Power held by jobs, as a stepped area under the limit of all clusters together."""

    y: float
    height: float
    path: str
    limit_path: str
    """In steps where limits of power change it."""
    text: str


@dataclass(frozen=True, slots=True)
class PlacedStrip:
    """A strip and where it stands."""

    y: float
    height: float
    strip: Strip


@dataclass(frozen=True, slots=True)
class ScheduleChart:
    """Everything the chart's template places."""

    width: float
    height: float
    ticks: tuple[Tick, ...]
    days: tuple[DayMark, ...]
    groups: tuple[Group, ...]
    strips: tuple[PlacedStrip, ...]
    power: Power | None
    now_x: float | None
    now_text: str
    now_anchor: str
    plot_top: float
    plot_bottom: float
    title: str
    description: str


def _label_width(text: str) -> float:
    return len(text) * CHARACTER_WIDTH + 10


@dataclass(slots=True)
class _Placed:
    view: JobView
    placement: Placement
    x: float
    width: float
    label: str
    label_x: float
    anchor: str
    inside: bool
    left: float
    right: float


def _place(axis: TimeAxis, view: JobView, placement: Placement) -> _Placed:
    x = axis.x(placement.start)
    width = max(axis.x(placement.end) - x, 3.0)
    name = view.job.job_name
    label = name if len(name) <= 28 else f"{name[:27]}…"
    wanted = _label_width(label)
    if wanted <= width:
        return _Placed(view, placement, x, width, label, x + 6, "start", True, x, x + width)
    if x + width + wanted <= axis.width:
        right = x + width + wanted
        return _Placed(view, placement, x, width, label, x + width + 5, "start", False, x, right)
    return _Placed(view, placement, x, width, label, x - 5, "end", False, x - wanted, x + width)


def _lanes(placed: list[_Placed]) -> tuple[list[tuple[int, _Placed]], int]:
    """Pack bars with their labels into as few lanes as a greedy pass needs; count what needs too many."""
    ends: list[float] = []
    laned: list[tuple[int, _Placed]] = []
    left_out = 0
    for item in sorted(placed, key=lambda p: (p.left, p.view.job.job_id)):
        lane = next((k for k, end in enumerate(ends) if end + 4 <= item.left), None)
        if lane is None:
            if len(ends) >= MOST_LANES:
                left_out += 1
                continue
            ends.append(item.right)
            lane = len(ends) - 1
        else:
            ends[lane] = item.right
        laned.append((lane, item))
    return laned, left_out


def _bar(lane: int, item: _Placed, top: float, now: datetime) -> Bar:
    state = state_of(item.view, now)
    window = span_text(item.placement.start, item.placement.end, now)
    power = kilowatts(item.view.job.power_kw)
    return Bar(
        x=round(item.x, 2),
        y=top + lane * LANE_HEIGHT + (LANE_HEIGHT - BAR_HEIGHT) / 2,
        width=round(item.width, 2),
        css=state.css,
        label=item.label,
        label_x=round(item.label_x, 2),
        anchor=item.anchor,
        label_is_inside=item.inside,
        title=f"{item.view.job.job_name}: {state.word}, {window}, {power}",
        job_id=item.view.job.job_id,
    )


def _groups(
    axis: TimeAxis,
    jobs: Sequence[JobView],
    assets: dict[str, Asset],
    now: datetime,
    top: float,
) -> tuple[tuple[Group, ...], float]:
    by_asset: dict[str, list[_Placed]] = {asset_id: [] for asset_id in assets}
    for view in jobs:
        if view.plan is None or view.plan.award is None:
            continue
        placement = view.plan.award.placement
        if axis.shows(placement.start, placement.end):
            by_asset.setdefault(placement.asset_id, []).append(_place(axis, view, placement))
    groups: list[Group] = []
    y = top
    for asset_id, placed in by_asset.items():
        asset = assets.get(asset_id)
        laned, left_out = _lanes(placed)
        text = asset_id
        if asset is not None:
            text = f"{asset.label} · {REGIONS[asset.region].name} · {kilowatts(asset.max_power_kw)}"
        if not placed:
            text += " · free for the whole 48 h"
        if left_out:
            text += f" · {count(left_out, 'more job')} in the table"
        bars = tuple(_bar(lane, item, y + GROUP_HEAD, now) for lane, item in laned)
        groups.append(Group(y, text, bars, left_out))
        lanes = 1 + max((lane for lane, _ in laned), default=-1)
        y += GROUP_HEAD + lanes * LANE_HEIGHT + 8
    return tuple(groups), y


def _power(axis: TimeAxis, uses: Sequence[AssetUse], y: float) -> Power | None:
    if not uses:
        return None
    totals = used_power_kw(axis, uses)
    limits = power_limit_kw(axis, uses)
    limit = max(limits)
    top = max(limit, *totals) or 1.0
    points: list[str] = [f"M0 {y + POWER_HEIGHT:g}"]
    for index, value in enumerate(totals):
        level = round(y + POWER_HEIGHT * (1 - value / top), 2)
        left, right = round(index * axis.slot_width, 2), round((index + 1) * axis.slot_width, 2)
        points.append(f"L{left:g} {level:g}L{right:g} {level:g}")
    points.append(f"L{axis.width:g} {y + POWER_HEIGHT:g}Z")
    peak = max(totals)
    text = (
        f"Power held by jobs · most {kilowatts(peak)} of {kilowatts(limit)}"
        if peak
        else f"Power held by jobs · none of {kilowatts(limit)} yet"
    )
    heights = [round(y + POWER_HEIGHT * (1 - kw / top), 2) for kw in limits]
    return Power(y, POWER_HEIGHT, "".join(points), step_line(heights, axis.slot_width), text)


def power_limit_kw(axis: TimeAxis, uses: Sequence[AssetUse]) -> list[float]:
    """Return the IT power all clusters may draw in each half-hour of the axis. [kW]"""
    starts = [axis.start + k * SLOT for k in range(axis.slots)]
    return [sum(use.asset.power_at(start) for use in uses) for start in starts]


def used_power_kw(axis: TimeAxis, uses: Sequence[AssetUse]) -> list[float]:
    """Return the IT power all clusters hold in each half-hour of the axis. [kW]"""
    totals = [0.0] * axis.slots
    for use in uses:
        shift = (use.start - axis.start) // SLOT
        for index, value in enumerate(use.used_kw):
            if 0 <= index + shift < axis.slots:
                totals[index + shift] += value
    return totals


def _describe(groups: Sequence[Group], region: str) -> str:
    drawn = sum(len(g.bars) for g in groups)
    where = REGIONS[region].name
    return (
        f"{count(drawn, 'job')} drawn as bars on {count(len(groups), 'cluster')}, above strips of carbon "
        f"intensity and price in {where} and the power held by jobs. The table below holds the same values."
    )


def schedule_chart(
    *,
    now: datetime,
    start: datetime,
    slots: int,
    jobs: Sequence[JobView],
    uses: Sequence[AssetUse],
    rows: Sequence[EnergyRow],
    region: str,
) -> ScheduleChart:
    """Return the geometry of the chart."""
    axis = TimeAxis(start, slots, WIDTH)
    assets = {use.asset.asset_id: use.asset for use in uses}
    groups, y = _groups(axis, jobs, assets, now, HEAD_HEIGHT)
    place = REGIONS[region].name
    strips: list[PlacedStrip] = []
    for strip in (
        carbon_strip(axis, rows, f"Carbon in {place}"),
        price_strip(axis, rows, f"Price in {place}"),
    ):
        strips.append(PlacedStrip(y + STRIP_HEAD, STRIP_HEIGHT, strip))
        y += STRIP_HEAD + STRIP_HEIGHT + 8
    power = _power(axis, uses, y + STRIP_HEAD)
    if power is not None:
        y += STRIP_HEAD + POWER_HEIGHT + 4
    now_x = axis.x(now) if axis.start <= now < axis.end else None
    return ScheduleChart(
        width=WIDTH,
        height=y + FOOT_HEIGHT,
        ticks=axis.ticks(),
        days=axis.days(),
        groups=groups,
        strips=tuple(strips),
        power=power,
        now_x=now_x,
        now_text=f"now {clock_text(now)}",
        now_anchor="start" if (now_x or 0.0) < WIDTH - 80 else "end",
        plot_top=HEAD_HEIGHT - 6,
        plot_bottom=y,
        title=f"The next {slots // 2} hours: jobs, carbon, price and power",
        description=_describe(groups, region),
    )
