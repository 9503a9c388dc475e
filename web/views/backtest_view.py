"""Stored back-tests as tables: one row a planner, labelled by how forecasts were known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    worse: str
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
    waiting: str
    """What came of the jobs that waited, in words; empty where our planner is not among the results or none waited."""
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
        waiting=_waiting(scores, carbon_value(result["carbon_price_gbp_per_tonne"])),
        rows=tuple(_row(score) for score in scores),
    )


def _waiting(scores: Sequence[Mapping[str, Any]], value: str) -> str:
    """Say in plain words how many jobs emitted more than on arrival, and why that is no mistake in itself."""
    by_planner = {score["planner"]: score for score in scores}
    ours, ideal = by_planner.get(Planner.HALFHOUR), by_planner.get(Planner.CLAIRVOYANT)
    if ours is None or not ours["waited"]:
        return ""
    told = f"Of the {count(ours['waited'], 'job')} that waited, {_share_of(ours, 'dirtier')} emitted more than on arrival"
    if ideal is not None and ideal["waited"]:
        told += f"; the one plan with everything known has {_share_of(ideal, 'dirtier')}"
    told += f". At a carbon value of {value} some grams are traded for money, and forecasts err."
    if "worse" in ours:
        told += f" With both counted at the prices of this policy, {_share_of(ours, 'worse')} came out worse than on arrival"
        lost = ours["worse_percent_of_gain"]
        told += "." if lost is None else f" and lost {percent(lost)} of what the others gained."
    return told


def _share_of(score: Mapping[str, Any], what: str) -> str:
    return f"{score[what]:,} ({percent(100.0 * score[what] / score['waited'])})"


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
        worse=f"{score['worse']:,} of {waited:,}" if waited and "worse" in score else "–",
        is_ours=score["planner"] == Planner.HALFHOUR,
    )


def _part(value: float | None) -> str:
    return "–" if value is None else percent(value)
