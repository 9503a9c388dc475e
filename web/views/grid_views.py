"""The Grid pages: a tile map and list of regions, and one region in detail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.domain.bands import BAND_WORDS as CARBON_WORDS
from models.domain.regions import REGIONS
from services.types import EnergyRow, RegionNow
from web.views.bands import (
    PRICE_WORDS,
    LegendEntry,
    carbon_band,
    carbon_legend,
    price_band,
    price_legend,
    reference_price,
)
from web.views.chart_table import TableRow, chart_table, kind_word
from web.views.curves import CurveChart, curve_chart
from web.views.formatting import (
    UNKNOWN,
    figures,
    intensity,
    intensity_figure,
    pence_figure,
    pence_per_kwh,
    percent,
)
from web.views.stamps import Stamp, dated, when


@dataclass(frozen=True, slots=True)
class Tile:
    """One region on the map and in the list."""

    slug: str
    name: str
    short_name: str
    column: int | None
    row: int | None
    css: str
    value: str
    unit: str
    word: str
    carbon: str
    carbon_word: str
    price: str
    price_word: str
    price_kind: str
    renewable: str
    label: str


@dataclass(frozen=True, slots=True)
class GridView:
    """The Grid page."""

    at: Stamp
    is_now: bool
    shows: str
    """`carbon` or `price`."""
    tiles: tuple[Tile, ...]
    aggregates: tuple[Tile, ...]
    legend: tuple[LegendEntry, ...]
    unit: str
    sentence: str
    note: str


def tile(found: RegionNow, shows: str, reference: float | None) -> Tile:
    """Return one region ready to place."""
    place, row = REGIONS[found.region], found.row
    band = price_band(row.price.value, reference)
    price_word = UNKNOWN if band is None else PRICE_WORDS[band]
    if shows == "price":
        css = "unknown" if band is None else f"price-{band}"
        value, unit, word = pence_figure(row.price.value), "p/kWh", price_word
    else:
        css = "unknown" if found.band is None else f"carbon-{found.band}"
        value, unit, word = intensity_figure(row.carbon.value), "g/kWh", found.band_word
    return Tile(
        slug=found.region,
        name=place.name,
        short_name=place.short_name,
        column=place.tile_column,
        row=place.tile_row,
        css=css,
        value="?" if value == UNKNOWN else value,
        unit=unit,
        word=word,
        carbon=intensity_figure(row.carbon.value),
        carbon_word=found.band_word,
        price=pence_figure(row.price.value),
        price_word=price_word,
        price_kind=kind_word(row.price),
        renewable=percent(row.renewable_percent),
        label=f"{place.name}: {intensity(row.carbon.value)}, {found.band_word}; {pence_per_kwh(row.price.value)}",
    )


def grid_view(
    found: Sequence[RegionNow],
    country: Sequence[EnergyRow],
    *,
    at: datetime,
    now: datetime,
    shows: str,
) -> GridView:
    """Return the Grid page for one half-hour.

    Args:
        found: All regions in that half-hour.
        country: The next 48 hours of Great Britain; their mean is what prices are judged against.
        at: The half-hour shown.
        now: The planning clock.
        shows: `carbon` or `price`.
    """
    members = [r for r in found if not REGIONS[r.region].is_aggregate]
    reference = reference_price([r.price.value for r in country])
    tiles = tuple(tile(r, shows, reference) for r in members)
    key = "price" if shows == "price" else "carbon"
    values = [(getattr(r.row, key).value, r.region) for r in members]
    known = sorted((v, slug) for v, slug in values if v is not None)
    if not known:
        sentence = "Nothing is known of this half-hour yet."
    else:
        show = pence_per_kwh if key == "price" else intensity
        best, worst = ("Cheapest", "dearest") if key == "price" else ("Cleanest", "dirtiest")
        (low, low_at), (high, high_at) = known[0], known[-1]
        sentence = f"{best}: {REGIONS[low_at].name}, {show(low)}; {worst}: {REGIONS[high_at].name}, {show(high)}."
    return GridView(
        at=when(at, now),
        is_now=abs((at - now).total_seconds()) < 1800,
        shows=key,
        tiles=tiles,
        aggregates=tuple(
            tile(r, shows, reference) for r in found if REGIONS[r.region].is_aggregate
        ),
        legend=price_legend(reference) if key == "price" else carbon_legend(at.year),
        unit="p/kWh" if key == "price" else "g/kWh",
        sentence=sentence,
        note=(
            f"“usual” is within a quarter of {pence_per_kwh(reference)}, the mean of Great Britain over the next 48 hours. Household proxy, price shape."
            if key == "price"
            else "Estimated, average location-based: a forecast, not a meter reading. The words are those of the Carbon Intensity API and tighten every year."
        ),
    )


@dataclass(frozen=True, slots=True)
class RegionView:
    """One region in detail."""

    slug: str
    name: str
    now_carbon: str
    now_word: str
    now_price: str
    now_renewable: str
    mix: tuple[tuple[str, str], ...]
    forecast: CurveChart | None
    history: CurveChart | None
    history_days: int
    table: tuple[TableRow, ...]
    has_jobs: bool
    extremes: tuple[str, ...]
    sources: tuple[str, ...]
    error_text: str
    error_rows: tuple[tuple[str, str, str, str], ...]
    first: Stamp | None


def _extremes(rows: Sequence[EnergyRow], now: datetime) -> tuple[str, ...]:
    lines = []
    carbon = [(r.carbon.value, r) for r in rows if r.carbon.value is not None]
    if carbon:
        low, high = min(carbon, key=lambda p: p[0]), max(carbon, key=lambda p: p[0])
        lines.append(
            f"Cleanest {when(low[1].start, now).text} ({intensity(low[0])}), dirtiest {when(high[1].start, now).text} ({intensity(high[0])})."
        )
    price = [(r.price.value, r) for r in rows if r.price.value is not None]
    if price:
        low, high = min(price, key=lambda p: p[0]), max(price, key=lambda p: p[0])
        lines.append(
            f"Cheapest {when(low[1].start, now).text} ({pence_per_kwh(low[0])}), dearest {when(high[1].start, now).text} ({pence_per_kwh(high[0])})."
        )
    return tuple(lines)


def _sources(rows: Sequence[EnergyRow], now: datetime) -> tuple[str, ...]:
    seen: dict[tuple[str, str, str, str], str] = {}
    for row in rows:
        for value in (row.carbon, row.price):
            p = value.provenance
            if p is None:
                continue
            issued = f"issued {dated(p.issued_at, now).text}, " if p.issued_at else ""
            note = p.note.split(", n = ")[0]
            text = f"{p.source}: {p.kind}, {p.quality}, {issued}retrieved {dated(p.retrieved_at, now).text}"
            seen.setdefault(
                (p.source, p.kind, p.quality, note), f"{text}, {note}" if note else text
            )
    return tuple(seen.values())[:8]


def region_view(
    slug: str,
    rows: Sequence[EnergyRow],
    history: Sequence[EnergyRow],
    error: Mapping[str, Any],
    *,
    now: datetime,
    history_days: int,
) -> RegionView:
    """Return one region in detail."""
    first = rows[0] if rows else None
    band = None
    if first is not None and first.carbon.value is not None:
        band = carbon_band(first.carbon.value, first.start.year)
    mix = sorted(first.generation_mix.items(), key=lambda p: -p[1]) if first else []
    by_lead = error.get("by_lead")
    reason = str(error.get("reason", ""))
    return RegionView(
        slug=slug,
        name=REGIONS[slug].name,
        now_carbon=intensity(first.carbon.value) if first else UNKNOWN,
        now_word=UNKNOWN if band is None else CARBON_WORDS[band],
        now_price=pence_per_kwh(first.price.value) if first else UNKNOWN,
        now_renewable=percent(first.renewable_percent) if first else UNKNOWN,
        mix=tuple((fuel, percent(value)) for fuel, value in mix if value > 0),
        forecast=curve_chart(rows, now=now, region=slug),
        history=curve_chart(history, now=now, region=slug),
        history_days=history_days,
        table=chart_table(now, rows),
        has_jobs=False,
        extremes=_extremes(rows, now),
        sources=_sources(rows, now),
        error_text=f"Not known: {reason.split('; ask for')[0]}." if reason else "",
        error_rows=tuple(
            (r["lead_hours"], figures(r["mae"]), figures(r["bias"]), f"{r['n']:,}")
            for r in by_lead or ()
        ),
        first=when(first.start, now) if first else None,
    )
