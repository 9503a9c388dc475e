"""Strips: carbon and price over the axis, neighbouring half-hours of one band merged and labelled once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from models.domain.bands import BAND_WORDS as CARBON_WORDS
from models.domain.signal import ValueKind
from models.domain.time import SLOT
from services.types import EnergyRow
from web.views.bands import (
    PRICE_WORDS,
    carbon_band,
    price_band,
    reference_price,
)
from web.views.formatting import intensity, intensity_figure, pence_figure, pence_per_kwh
from web.views.stamps import clock_text
from web.views.timeline import TimeAxis

CHARACTER_WIDTH = 6.6
"""Mean advance of a character at the strips' 12 px label size. [px]"""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of one band."""

    x: float
    width: float
    css: str
    """Class that sets fill and ink, e.g. `carbon-2`; `unknown` where there is no value."""
    text: str
    """Label that fits inside, or empty."""
    title: str
    """What the run says in full."""
    is_estimate: bool

    @property
    def centre(self) -> float:
        """Return where a label goes. [px]"""
        return round(self.x + self.width / 2, 2)


@dataclass(frozen=True, slots=True)
class Strip:
    """One signal as runs."""

    name: str
    unit: str
    runs: tuple[Run, ...]
    note: str
    """One sentence: what it is and what it is not."""
    has_estimates: bool
    estimate_x: float | None
    """Where our own estimates begin, if they do. [px]"""


@dataclass(frozen=True, slots=True)
class _Cell:
    start: datetime
    value: float | None
    band: int | None
    is_estimate: bool


def _is_estimate(row_value: object) -> bool:
    provenance = getattr(row_value, "provenance", None)
    return provenance is not None and provenance.kind is ValueKind.ESTIMATE


def fit(texts: Sequence[str], width: float) -> str:
    """Return the first of some texts, longest first, that fits in a width; empty if none does. [px]"""
    for text in texts:
        if len(text) * CHARACTER_WIDTH + 8 <= width:
            return text
    return ""


def _runs(
    axis: TimeAxis, cells: Sequence[_Cell], css: str, words: Sequence[str], figure: str
) -> tuple[Run, ...]:
    runs: list[Run] = []
    for (band, is_estimate), group in groupby(cells, key=lambda c: (c.band, c.is_estimate)):
        inside = list(group)
        start, end = inside[0].start, inside[-1].start + SLOT
        x, width = axis.x(start), round(axis.x(end) - axis.x(start), 2)
        if width <= 0:
            continue
        when = f"{clock_text(start)} to {clock_text(end)}"
        known = [c.value for c in inside if c.value is not None]
        if band is None or not known:
            runs.append(
                Run(x, width, "unknown", fit(["unknown"], width), f"{when}: unknown", False)
            )
            continue
        low, high = min(known), max(known)
        if figure == "carbon":
            numbers = _range_text(intensity_figure(low), intensity_figure(high))
            full = intensity(low) if low == high else f"{numbers} g/kWh"
        else:
            numbers = _range_text(f"{low * 100:.0f}", f"{high * 100:.0f}").replace("-", "−")
            full = (
                pence_per_kwh(low)
                if low == high
                else (f"{pence_figure(low)} to {pence_figure(high)} p/kWh")
            )
        word = words[band]
        label = fit([f"{word} {numbers}", numbers, word], width)
        title = f"{when}: {word}, {full}{', our estimate' if is_estimate else ''}"
        runs.append(Run(x, width, f"{css}-{band}", label, title, is_estimate))
    return tuple(runs)


def _range_text(low: str, high: str) -> str:
    return low if low == high else f"{low}–{high}"


def carbon_strip(axis: TimeAxis, rows: Sequence[EnergyRow], name: str = "Carbon") -> Strip:
    """Return the carbon strip of a region, banded by the index words of each half-hour's year."""
    cells = [
        _Cell(
            r.start, r.carbon.value, carbon_band(r.carbon.value, r.start.year),
            _is_estimate(r.carbon),
        )
        for r in rows
    ]  # fmt: skip
    return _strip(axis, cells, name, "g/kWh", "carbon", CARBON_WORDS, "")


def price_strip(
    axis: TimeAxis,
    rows: Sequence[EnergyRow],
    name: str = "Price",
    reference_gbp_per_kwh: float | None = None,
) -> Strip:
    """Return the price strip of a region, banded about a reference (default: the mean of the rows)."""
    reference = (
        reference_gbp_per_kwh
        if reference_gbp_per_kwh is not None
        else reference_price([r.price.value for r in rows])
    )
    cells = [
        _Cell(r.start, r.price.value, price_band(r.price.value, reference), _is_estimate(r.price))
        for r in rows
    ]
    note = (
        ""
        if reference is None
        else f"“usual” is within a quarter of {pence_per_kwh(reference)}, the mean of these hours"
    )
    return _strip(axis, cells, name, "p/kWh", "price", PRICE_WORDS, note)


def _strip(
    axis: TimeAxis,
    cells: Sequence[_Cell],
    name: str,
    unit: str,
    css: str,
    words: Sequence[str],
    note: str,
) -> Strip:
    runs = _runs(axis, cells, css, words, css)
    first = next((c.start for c in cells if c.is_estimate), None)
    return Strip(
        name, unit, runs, note, first is not None, None if first is None else axis.x(first)
    )
