"""Back-test: replay recorded signals, let several planners decide with what was known then, and compare what came of it.

Nothing of it touches the database. A run can be interrupted at any half-hour: the same question takes it up again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from models.domain.errors import InvalidRequest
from models.domain.ports import CarbonSource, PriceSource
from models.domain.time import format_utc
from services.backtest_rolling import State, clairvoyant, roll
from services.backtest_score import scores
from services.backtest_signals import RecordedGrid
from services.backtest_store import BacktestStore
from services.backtest_types import FORECAST_LABELS, Planner, Run, Score, Setup, Start
from services.fleet_baseline import first_come_first_served

CHECKPOINT_SLOTS = 48
"""Half-hours between two checkpoints."""

LONGEST_SLOTS = 20_000
"""Longest back-test, a little over a year."""

ALL_PLANNERS = tuple(Planner)

Progress = Callable[[Planner, int, int], None]
"""Told (planner, half-hours done, half-hours in all)."""


@dataclass(frozen=True)
class Source:
    """A recorded grid with the name results carry."""

    name: str
    carbon: CarbonSource
    price: PriceSource | None
    is_simulated: bool = False


def run(
    setup: Setup,
    source: Source,
    store: BacktestStore,
    *,
    made_at: datetime,
    planners: Sequence[Planner] = ALL_PLANNERS,
    progress: Progress = lambda _planner, _done, _all: None,
    is_fresh: bool = False,
) -> dict[str, Any]:
    """Run a back-test, or take up an interrupted one, and store its result.

    Args:
        setup: What is replayed.
        source: The recorded grid.
        store: Where checkpoints and the result are kept.
        made_at: Stamp of the result.
        planners: Who decides; run on arrival is always among them.
        progress: Told how far it is.
        is_fresh: Begin again even where a checkpoint exists.

    Raises:
        InvalidRequest: If there is nothing to replay.
        SourceUnavailable: If the recording does not cover the time.
    """
    if not setup.jobs:
        raise InvalidRequest("there is no job to replay; choose a longer time or more jobs a day")
    if setup.whole.slots > LONGEST_SLOTS:
        raise InvalidRequest(
            f"{setup.whole.slots:,} half-hours are too many; a back-test has at most {LONGEST_SLOTS:,}"
        )
    wanted = [p for p in ALL_PLANNERS if p in planners or p is Planner.ON_ARRIVAL]
    name = identity(setup, source, wanted)
    if is_fresh:
        store.forget(name)
    kept = store.checkpoint(name) or {"done": {}, "rolling": {}}
    regions = sorted({asset.region for asset in setup.assets})
    grid = RecordedGrid(source.carbon, source.price, regions, setup.whole)
    runs: dict[str, Run] = {}
    seconds: dict[str, float] = {}
    for planner in wanted:
        done = kept["done"].get(planner)
        if done is None:
            before = (
                float(kept["rolling"].get("seconds", 0.0)) if _is_rolling(kept, planner) else 0.0
            )
            began = time.perf_counter()
            made = _one(setup, grid, planner, kept, name, store, progress, before)
            took = before + time.perf_counter() - began
            kept["done"][planner] = done = {**_stored(made), "seconds": took}
            kept["rolling"] = {}
            store.keep_checkpoint(name, kept)
        progress(planner, setup.whole.slots, setup.whole.slots)
        runs[planner], seconds[planner] = _restored(done), float(done["seconds"])
    result = _result(
        name, setup, source, scores(setup, runs, grid.truth(setup.whole), seconds), made_at
    )
    store.keep_result(name, result)
    return result


def identity(setup: Setup, source: Source, planners: Sequence[Planner]) -> str:
    """Return a name that the same question always has: a digest of everything the answer depends on."""
    what = {
        "source": source.name,
        "period": [format_utc(setup.period.start), setup.period.slots],
        "assets": [(a.asset_id, a.region, a.room_kw, a.pue) for a in setup.assets],
        "jobs": [
            (
                job.job_id, job.asset_id, format_utc(job.release), format_utc(job.latest_finish),
                job.duration.total_seconds(), job.power_kw, list(job.allowed_regions),
            )
            for job in setup.jobs
        ],
        "policy": asdict(setup.policy),
        "forecast": setup.forecast,
        "freeze": setup.freeze.total_seconds(),
        "planners": list(planners),
    }  # fmt: skip
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]


def _is_rolling(kept: Mapping[str, Any], planner: Planner) -> bool:
    return bool(kept["rolling"].get("planner") == planner)


def _one(
    setup: Setup,
    grid: RecordedGrid,
    planner: Planner,
    kept: dict[str, Any],
    name: str,
    store: BacktestStore,
    progress: Progress,
    seconds_before: float,
) -> Run:
    """Let one planner decide."""
    if planner is Planner.ON_ARRIVAL:
        return Run(
            {
                job.job_id: Start(job.asset_id, job.baseline_start)
                for job in setup.jobs
                if job.baseline_start is not None
            }
        )
    if planner is Planner.FIRST_COME:
        found = first_come_first_served(setup.jobs, {a.asset_id: a for a in setup.assets}, {})
        own = {job.job_id: job.asset_id for job in setup.jobs}
        return Run({job_id: Start(own[job_id], at) for job_id, at in found.starts.items()})
    if planner is Planner.CLAIRVOYANT:
        return clairvoyant(setup, grid)
    began = time.perf_counter()

    def told(state: State) -> None:
        progress(planner, state.slot, setup.whole.slots)
        if state.slot % CHECKPOINT_SLOTS == 0:
            kept["rolling"] = {
                "planner": planner,
                "state": state.to_json(),
                "seconds": seconds_before + time.perf_counter() - began,
            }
            store.keep_checkpoint(name, kept)

    state = State.of_json(kept["rolling"]["state"]) if _is_rolling(kept, planner) else None
    if planner is Planner.FREE:
        free = replace(setup.policy, churn_gbp_per_kwh=0.0)
        return roll(setup, grid, policy=free, freeze=timedelta(0), state=state, told=told)
    return roll(setup, grid, state=state, told=told)


def _stored(made: Run) -> dict[str, Any]:
    return {
        "starts": {k: [s.asset_id, format_utc(s.start)] for k, s in made.starts.items()},
        "moves": dict(made.moves),
        "negotiations": made.negotiations,
        "frozen_moves": made.frozen_moves,
    }


def _restored(stored: Mapping[str, Any]) -> Run:
    state = State.of_json({**stored, "awards": {}, "started": stored["starts"], "slot": 0})
    return Run(state.started, state.moves, state.negotiations, state.frozen_moves)


def _result(
    name: str, setup: Setup, source: Source, found: Sequence[Score], made_at: datetime
) -> dict[str, Any]:
    label = FORECAST_LABELS[setup.forecast]
    if source.is_simulated:
        label = f"simulated grid; {label}"
    return {
        "backtest_id": name,
        "made_at": format_utc(made_at),
        "source": source.name,
        "is_simulated": source.is_simulated,
        "forecast": setup.forecast,
        "label": label,
        "start": format_utc(setup.period.start),
        "end": format_utc(setup.period.end),
        "jobs": len(setup.jobs),
        "assets": [
            {"asset_id": a.asset_id, "region": a.region, "power_kw": a.room_kw}
            for a in setup.assets
        ],
        "carbon_price_gbp_per_tonne": setup.policy.carbon_price_gbp_per_tonne,
        "churn_gbp_per_kwh": setup.policy.churn_gbp_per_kwh,
        "freeze_minutes": setup.freeze / timedelta(minutes=1),
        "measured_against": "run on arrival, without a limit of power; first come, first served within the same one",
        "scores": [asdict(score) for score in found],
    }
