"""The back-test as a command asks for it: places, dates and a trace in; a table out."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from models.domain.errors import FieldError, InvalidRequest
from models.domain.regions import region
from models.domain.time import SLOT, Horizon, london_midnight
from services import backtest, backtest_jobs
from services.backtest_store import BacktestStore
from services.backtest_types import Forecast, Planner, Setup
from services.context import Context
from services.signal_refresh import GridSource

Word = TypeVar("Word", bound=StrEnum)

ROLLING = frozenset({Planner.HALFHOUR, Planner.FREE})
"""Planners that live through every half-hour."""


@dataclass(frozen=True)
class Wanted:
    """What was asked for, as typed."""

    first: datetime | None
    last: datetime | None
    places: Sequence[str]
    trace: Path | None
    jobs_per_day: float
    seed: int
    forecast: str
    planners: Sequence[str]
    fresh: bool = False


def store(data_dir: Path) -> BacktestStore:
    """Return where results are kept."""
    return BacktestStore(data_dir)


def results(context: Context) -> tuple[Mapping[str, Any], ...]:
    """Return every stored result, newest first."""
    return tuple(store(context.settings.data_dir).results())


def setup(context: Context, wanted: Wanted) -> Setup:
    """Return what is to be replayed.

    Raises:
        InvalidRequest: If a date, place, word or row of the trace is wrong.
    """
    if wanted.first is None or wanted.last is None or wanted.first >= wanted.last:
        raise _wrong("--from, --to", "a first date and a later one are needed", "--from 2023-03-01 --to 2023-03-31")  # fmt: skip
    start, end = london_midnight(wanted.first.date()), london_midnight(wanted.last.date())
    period = Horizon(start, (end - start) // SLOT)
    assets = backtest_jobs.clusters([_place(text) for text in wanted.places], start)
    if wanted.trace is None:
        jobs = backtest_jobs.generated(period, assets, wanted.jobs_per_day, wanted.seed)
    else:
        every = backtest_jobs.from_rows(_rows(wanted.trace), assets)
        jobs = tuple(job for job in every if start <= job.release < end)
    return Setup(
        period=period,
        assets=assets,
        jobs=jobs,
        policy=context.policy,
        forecast=_word(Forecast, wanted.forecast, "--forecast"),
        freeze=timedelta(minutes=context.settings.freeze_minutes),
    )


def steps(what: Setup, wanted: Wanted) -> int:
    """Return how many half-hours the progress bar counts."""
    return max(1, what.whole.slots * len(ROLLING.intersection(_planners(wanted))))


def run(
    context: Context,
    wanted: Wanted,
    what: Setup,
    grid: GridSource,
    kept: BacktestStore,
    progress: Callable[[int], None],
) -> dict[str, Any]:
    """Run and store the back-test.

    Args:
        context: For the stamp of the result.
        wanted: What was asked for.
        what: The same, read.
        grid: The recorded grid.
        kept: Where the result goes.
        progress: Told how many half-hours are done.
    """
    assert grid.carbon is not None
    carbon = grid.carbon
    source = backtest.Source(carbon.name, carbon, grid.price, carbon.mode == "simulated")
    done: dict[Planner, int] = {}

    def told(planner: Planner, slot: int, _slots: int) -> None:
        if planner in ROLLING:
            done[planner] = slot
            progress(sum(done.values()))

    return backtest.run(
        what,
        source,
        kept,
        made_at=context.system_now(),
        planners=_planners(wanted),
        progress=told,
        is_fresh=wanted.fresh,
    )


def told(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield a result as lines: what it is, then a table."""
    yield f"Back-test {result['backtest_id']}: {result['jobs']} jobs, {result['start']} to {result['end']}, {result['source']}"
    yield f"Forecast: {result['label']}. A tonne of carbon counts £{result['carbon_price_gbp_per_tonne']:,.0f}."
    first = result["scores"][0]
    yield (
        f"Savings are against run on arrival, over the {first['compared_jobs']} jobs that every planner served and "
        "that can be valued; in brackets against first come, first served. Of those that waited, dirtier: emitted more "
        "than on arrival; worse: cost and carbon together came out above it at the prices of this policy."
    )
    yield (
        f"{'planner':<12}{'served':>7}{'missed':>7}{'carbon %':>17}{'cost %':>17}{'of ideal %':>11}"
        f"{'peak kW':>9}{'moves/job':>10}{'dirtier/waited':>16}{'worse':>6}{'wait h':>7}{'s':>7}"
    )
    for score in result["scores"]:
        missed = score["unserved"] + score["late"]
        yield (
            f"{score['planner']:<12}{score['served']:>7}{missed:>7}"
            f"{_pair(score['carbon_saving_percent'], score['carbon_saving_percent_of_first_come']):>17}"
            f"{_pair(score['cost_saving_percent'], score['cost_saving_percent_of_first_come']):>17}"
            f"{_number(score['share_of_clairvoyant_percent']):>11}{score['peak_kw']:>9.1f}"
            f"{score['moves_per_job']:>10.2f}{score['dirtier']:>9} / {score['waited']:<4}{score['worse']:>7}"
            f"{_number(score['median_wait_hours']):>7}{score['seconds']:>7.1f}"
        )


def listed(kept: BacktestStore) -> Iterator[str]:
    """Yield one line a stored result, newest first."""
    found = kept.results()
    if not found:
        yield "No back-test is stored."
    for result in found:
        ours = next((s for s in result["scores"] if s["planner"] == Planner.HALFHOUR), None)
        saving = "" if ours is None else f", carbon {_number(ours['carbon_saving_percent'])} %, cost {_number(ours['cost_saving_percent'])} % saved"  # fmt: skip
        yield (
            f"{result['backtest_id']}  {result['made_at']}  {result['start'][:10]} to {result['end'][:10]}  "
            f"{result['jobs']} jobs, {result['label']}{saving}"
        )


def _pair(against_arrival: float | None, against_queue: float | None) -> str:
    return f"{_number(against_arrival)} ({_number(against_queue)})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _planners(wanted: Wanted) -> tuple[Planner, ...]:
    if not wanted.planners:
        return backtest.ALL_PLANNERS
    return tuple(_word(Planner, text, "--planner") for text in wanted.planners)


def _place(text: str) -> tuple[str, float]:
    slug, _, power = text.partition(":")
    try:
        power_kw = float(power)
    except ValueError:
        power_kw = 0.0
    if not 0.0 < power_kw <= 1e6:
        raise _wrong("--place", f"{text!r} is not a region and a power", "london:200")
    return region(slug).slug, power_kw


def _word(kind: type[Word], text: str, option: str) -> Word:
    try:
        return kind(text)
    except ValueError:
        raise _wrong(option, f"{text!r} is not known", ", ".join(kind)) from None


def _rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a trace; Parquet by its suffix, else CSV."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
        return rows
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _wrong(option: str, why: str, allowed: str) -> InvalidRequest:
    return InvalidRequest(f"{option}: {why}; such as {allowed}", (FieldError(option, why, None, allowed, f"use {allowed}"),))  # fmt: skip
