"""Stored back-tests as tables: one row a planner, labelled by how forecasts were known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.domain.regions import REGIONS
from models.domain.time import parse_rfc3339
from services.backtest_types import Planner
from web.views.formatting import carbon_value, count, figures, kilowatts, percent
from web.views.stamps import Stamp, dated

PLANNER_WORDS = {
    Planner.ON_ARRIVAL: "Run on arrival, no power limit",
    Planner.FIRST_COME: "First come, first served",
    Planner.HALFHOUR: "Halfhour, re-planned every half-hour",
    Planner.FREE: "The same, moving free of cost",
    Planner.CLAIRVOYANT: "One plan with everything known",
}
"""Planners in words."""

MOST_RESULTS = 50
"""Results a page shows; the folder keeps all."""


@dataclass(frozen=True, slots=True)
class PlannerRow:
    """One planner."""

    name: str
    served: str
    missed: str
    carbon: str
    cost: str
    of_ideal: str
    peak: str
    moves: str
    dirtier: str
    is_ours: bool


@dataclass(frozen=True, slots=True)
class BacktestView:
    """One stored result."""

    backtest_id: str
    title: str
    made: Stamp
    label: str
    is_caution: bool
    """True where the label must not be missed: leaking, perfect or simulated."""
    basis: str
    compared: str
    rows: tuple[PlannerRow, ...]


def backtest_views(results: Iterable[Mapping[str, Any]], now: datetime) -> tuple[BacktestView, ...]:
    """Return stored results ready to place."""
    return tuple(_view(result, now) for result in list(results)[:MOST_RESULTS])


def _view(result: Mapping[str, Any], now: datetime) -> BacktestView:
    start, end = parse_rfc3339(result["start"]), parse_rfc3339(result["end"])
    places = ", ".join(
        f"{REGIONS[a['region']].name} {kilowatts(a['power_kw'])}" for a in result["assets"]
    )
    scores = result["scores"]
    return BacktestView(
        backtest_id=result["backtest_id"],
        title=f"{dated(start, now).text} to {dated(end, now).text}",
        made=dated(parse_rfc3339(result["made_at"]), now),
        label=result["label"],
        is_caution=bool(result["is_simulated"]) or result["forecast"] in {"last_kept", "perfect"},
        basis=f"{count(result['jobs'], 'job')} on {places}; {result['source']}; carbon at "
        f"{carbon_value(result['carbon_price_gbp_per_tonne'])}",
        compared=count(scores[0]["compared_jobs"], "job") if scores else "no jobs",
        rows=tuple(_row(score) for score in scores),
    )


def _row(score: Mapping[str, Any]) -> PlannerRow:
    waited, dirtier = int(score["waited"]), int(score["dirtier"])
    return PlannerRow(
        name=PLANNER_WORDS.get(score["planner"], score["planner"]),
        served=f"{score['served']:,}",
        missed=f"{score['unserved'] + score['late']:,}",
        carbon=_part(score["carbon_saving_percent"]),
        cost=_part(score["cost_saving_percent"]),
        of_ideal=_part(score["share_of_clairvoyant_percent"]),
        peak=kilowatts(score["peak_kw"]),
        moves=figures(score["moves_per_job"], 2),
        dirtier=f"{dirtier:,} of {waited:,}" if waited else "–",
        is_ours=score["planner"] == Planner.HALFHOUR,
    )


def _part(value: float | None) -> str:
    return "–" if value is None else percent(value)
