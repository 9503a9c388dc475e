"""The Schedule page: sentence, needs, chart, since yesterday."""

from __future__ import annotations

from dataclasses import dataclass

from models.domain.regions import REGIONS
from services.types import Board, Happening, Need
from web.views.bands import (
    LegendEntry,
    carbon_legend,
    price_legend,
    reference_price,
)
from web.views.chart_table import TableRow, chart_table
from web.views.formatting import capitalised, carbon_value, count, pence_per_kwh
from web.views.region_names import with_region_names
from web.views.schedule_chart import ScheduleChart, schedule_chart
from web.views.stamps import Stamp, when

VISITOR_SENTENCE = (
    "Sign in to see and plan jobs. The grid and a good start time are open to everybody."
)
"""What somebody without a key reads first."""

HAPPENING_WORDS = {
    "ran": "Ran",
    "moved": "Moved",
    "refused": "Refused",
    "cancelled": "Cancelled",
    "unconfirmed": "Not confirmed",
    "failed": "Failed",
    "outturn": "Outturn",
    "started": "Started",
}
"""First word of a line of "since yesterday"."""


@dataclass(frozen=True, slots=True)
class NeedView:
    """One thing only the user can settle."""

    title: str
    text: str
    job_id: str | None
    actions: tuple[tuple[str, str], ...]
    """(label, action) of buttons."""
    links: tuple[tuple[str, str], ...]
    """(label, where) of links: `job`, `health` or `records`."""


@dataclass(frozen=True, slots=True)
class HappeningView:
    """One line of "since yesterday"."""

    at: Stamp
    word: str
    text: str
    job_id: str
    job_name: str


@dataclass(frozen=True, slots=True)
class BoardView:
    """Everything the Schedule page places."""

    sentence: str
    needs: tuple[NeedView, ...]
    chart: ScheduleChart | None
    chart_sentence: str
    table: tuple[TableRow, ...]
    carbon_legend: tuple[LegendEntry, ...]
    price_legend: tuple[LegendEntry, ...]
    price_reference: str
    region: str
    regions: tuple[tuple[str, str], ...]
    happenings: tuple[HappeningView, ...]
    carbon_value: str
    has_assets: bool
    has_jobs: bool
    has_demo: bool
    is_simulated: bool
    moved: MovedView | None


@dataclass(frozen=True, slots=True)
class MovedView:
    """What the last plan that moved jobs did, in a line with a link to it."""

    text: str
    at: Stamp
    cause: str
    negotiation_id: str


def moved_view(board: Board) -> MovedView | None:
    """Return the line about the last plan that moved jobs; None where none did since yesterday."""
    news = board.moves
    if news is None:
        return None
    return MovedView(
        f"{count(news.jobs, 'job')} moved",
        when(news.at, board.now),
        news.cause,
        news.negotiation_id,
    )


def need_view(need: Need) -> NeedView:
    """Return a need ready to place."""
    opens = [
        (label, act.partition(":")[2] or "job")
        for label, act in need.actions
        if act.partition(":")[0] == "open"
    ]
    acts = tuple(
        (capitalised(with_region_names(label)), act)
        for label, act in need.actions
        if act.partition(":")[0] != "open"
    )
    return NeedView(
        need.title, capitalised(with_region_names(need.text)), need.job_id, acts, tuple(opens)
    )


def happening_view(happening: Happening, board: Board) -> HappeningView:
    """Return a happening ready to place."""
    return HappeningView(
        when(happening.at, board.now),
        HAPPENING_WORDS.get(happening.kind, happening.kind.capitalize()),
        capitalised(happening.text),
        happening.job_id,
        happening.job_name,
    )


def chart_sentence(board: Board) -> str:
    """Return one sentence that says what to see in the chart: where the cleanest and cheapest stretches lie."""
    known = [r for r in board.rows if r.carbon.value is not None]
    priced = [r for r in board.rows if r.price.value is not None]
    if not known and not priced:
        return "No carbon or price is known for these hours yet."
    parts = []
    if known:
        cleanest = min(known, key=lambda r: r.carbon.value or 0.0)
        parts.append(f"cleanest half-hour {when(cleanest.start, board.now).text}")
    if priced:
        cheapest = min(priced, key=lambda r: r.price.value or 0.0)
        parts.append(
            f"cheapest {when(cheapest.start, board.now).text} at {pence_per_kwh(cheapest.price.value)}"
        )
    text = ", ".join(parts)
    return f"In {REGIONS[board.region].name}: {text}."


def board_view(board: Board, *, is_visitor: bool = False) -> BoardView:
    """Return the view of the Schedule page; visitors see the grid alone."""
    reference = reference_price([r.price.value for r in board.rows])
    chart = schedule_chart(
        now=board.now,
        start=board.start,
        slots=board.slots,
        jobs=board.jobs,
        uses=board.uses,
        rows=board.rows,
        region=board.region,
    )
    return BoardView(
        sentence=VISITOR_SENTENCE if is_visitor else board.sentence,
        needs=tuple(need_view(need) for need in board.needs),
        chart=chart if board.rows or board.jobs else None,
        chart_sentence=chart_sentence(board),
        table=chart_table(board.now, board.rows, board.jobs, board.uses),
        carbon_legend=carbon_legend(board.start.year),
        price_legend=price_legend(reference),
        price_reference=pence_per_kwh(reference),
        region=board.region,
        regions=tuple((slug, REGIONS[slug].name) for slug in board.regions),
        happenings=tuple(happening_view(h, board) for h in board.happenings),
        carbon_value=carbon_value(board.carbon_price_gbp_per_tonne),
        has_assets=board.has_assets,
        has_jobs=bool(board.jobs),
        has_demo=board.has_demo,
        is_simulated=board.data.is_simulated,
        moved=moved_view(board),
    )
