"""The chart's values as a table: one row per half-hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from models.domain.bands import BAND_WORDS as CARBON_WORDS
from models.domain.ports import JobView
from models.domain.signal import SignalValue, ValueKind
from models.domain.time import SLOT
from services.types import AssetUse, EnergyRow
from web.views.bands import carbon_band
from web.views.formatting import figures, intensity_figure, pence_figure
from web.views.schedule_chart import used_power_kw
from web.views.stamps import Stamp, dated
from web.views.timeline import TimeAxis


@dataclass(frozen=True, slots=True)
class TableRow:
    """One half-hour."""

    start: Stamp
    carbon: str
    carbon_word: str
    price: str
    kind: str
    """`published`, `our estimate` or `unknown`, of the price."""
    power: str
    jobs: str


def kind_word(value: SignalValue) -> str:
    """Return what sort of statement a value is, in one word."""
    if value.value is None or value.provenance is None:
        return "unknown"
    return {
        ValueKind.ACTUAL: "measured",
        ValueKind.FORECAST: "forecast",
        ValueKind.TARIFF: "published",
        ValueKind.ESTIMATE: "our estimate",
    }[value.provenance.kind]


def _running(rows: Sequence[EnergyRow], jobs: Sequence[JobView]) -> list[list[str]]:
    """Return the names of the jobs that run in each half-hour, which follow each other without a gap."""
    first = rows[0].start
    names: list[list[str]] = [[] for _ in rows]
    for view in jobs:
        if view.plan is None or view.plan.award is None:
            continue
        placement = view.plan.award.placement
        begin = (placement.start - first) // SLOT
        stop = -((first - placement.end) // SLOT)
        for index in range(max(begin, 0), min(stop, len(rows))):
            names[index].append(view.job.job_name)
    return names


def chart_table(
    now: datetime,
    rows: Sequence[EnergyRow],
    jobs: Sequence[JobView] = (),
    uses: Sequence[AssetUse] = (),
) -> tuple[TableRow, ...]:
    """Return the half-hours of a chart as rows."""
    if not rows:
        return ()
    axis = TimeAxis(rows[0].start, len(rows), 1.0)
    power = used_power_kw(axis, uses)
    running = _running(rows, jobs)
    table: list[TableRow] = []
    for index, row in enumerate(rows):
        band = carbon_band(row.carbon.value, row.start.year)
        table.append(
            TableRow(
                start=dated(row.start, now),
                carbon=intensity_figure(row.carbon.value),
                carbon_word="" if band is None else CARBON_WORDS[band],
                price=pence_figure(row.price.value),
                kind=kind_word(row.price),
                power=figures(power[index]),
                jobs=", ".join(running[index]),
            )
        )
    return tuple(table)
