"""Planning through recorded time: limits hold at every half-hour, and an interrupted run ends where a whole one does."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from agents.policy import Policy
from models.domain.time import SLOT, Horizon
from services.backtest_jobs import clusters, from_rows
from services.backtest_rolling import State, clairvoyant, roll
from services.backtest_signals import RecordedGrid
from services.backtest_types import Forecast, Run, Setup
from tests.support.recorded import (
    EVENING,
    ScriptedRecording,
    a_row,
    cheap_nights,
    clean_nights,
    evening_jobs,
)

START = EVENING
PERIOD = Horizon(START, 8)
PLACES = clusters([("london", 60.0)], START)


def a_setup(**changes: object) -> Setup:
    setup = Setup(PERIOD, PLACES, evening_jobs(PLACES), Policy(2.667), Forecast.COMPUTED)
    return replace(setup, **changes)  # type: ignore[arg-type]


def a_grid(setup: Setup, **changes: object) -> RecordedGrid:
    recording = ScriptedRecording(clean_nights, cheap_nights, **changes)  # type: ignore[arg-type]
    return RecordedGrid(recording, recording, ["london"], setup.whole)


def load_kw(setup: Setup, run: Run) -> np.ndarray:
    load = np.zeros(setup.whole.slots + 50)
    for job in setup.jobs:
        if job.job_id in run.starts:
            first = (run.starts[job.job_id].start - START) // SLOT
            load[first : first + job.slots] += job.power_kw
    return load


@pytest.fixture(scope="module")
def lived() -> tuple[Setup, Run]:
    setup = a_setup()
    return setup, roll(setup, a_grid(setup))


def test_power_release_and_deadline_hold(lived: tuple[Setup, Run]) -> None:
    setup, run = lived
    assert load_kw(setup, run).max() <= 60.0 + 1e-6
    for job in setup.jobs:
        if job.job_id in run.starts:
            start = run.starts[job.job_id].start
            assert start >= job.release
            assert start + job.duration <= job.latest_finish
    assert len(run.starts) == len(setup.jobs)


def test_an_interrupted_run_ends_where_a_whole_one_does(lived: tuple[Setup, Run]) -> None:
    setup, whole = lived

    class Stop(Exception):
        pass

    kept: list[str] = []

    def interrupt(state: State) -> None:
        if state.slot == 5:
            kept.append(json.dumps(state.to_json()))
            raise Stop

    with pytest.raises(Stop):
        roll(setup, a_grid(setup), told=interrupt)
    stored = json.loads(kept[0])
    # The state is handed over after the half-hour was lived through.
    assert stored["slot"] == 5
    assert roll(setup, a_grid(setup), state=State.of_json(stored)) == whole


def test_an_award_inside_the_freeze_never_moves() -> None:
    setup = a_setup(freeze=timedelta(hours=2))
    seen: dict[str, datetime] = {}

    def watch(state: State) -> None:
        now = setup.whole.start_of(state.slot - 1)
        for job_id, start in seen.items():
            held = state.awards.get(job_id) or state.started[job_id]
            assert held.start == start, "a frozen award moved"
        seen.update(
            {
                job_id: award.start
                for job_id, award in state.awards.items()
                if award.start <= now + SLOT + timedelta(hours=2)
            }
        )

    roll(setup, a_grid(setup), told=watch)
    assert seen


def test_moves_inside_the_freeze_are_counted_and_only_planning_without_freeze_makes_any() -> None:
    jobs = from_rows([a_row("20:00", "04:00", 1, 20)], PLACES)
    setup = a_setup(jobs=jobs, freeze=timedelta(hours=2), forecast=Forecast.AS_ISSUED)
    grid = a_grid(setup, foretold=clean_nights)
    recording = grid._carbon

    def told(state: State) -> None:
        # The clean hour is foretold for 22:00 and for 23:00 by turns, so that whoever may move late does.
        clean = (22, 23)[state.slot % 2]
        recording.foretold = lambda at: 10.0 if at.hour == clean else 400.0  # type: ignore[union-attr]

    told(State())
    fickle = replace(setup.policy, churn_gbp_per_kwh=0.0)
    assert roll(setup, grid, policy=fickle, freeze=timedelta(0), told=told).frozen_moves > 0
    told(State())
    assert roll(setup, grid, policy=fickle, told=told).frozen_moves == 0


def test_a_job_alone_waits_for_the_clean_cheap_night() -> None:
    (job,) = from_rows([a_row("20:00", "06:00", 4, 20)], PLACES)
    setup = a_setup(jobs=(job,))
    run = roll(setup, a_grid(setup))
    # Waiting is priced, so of the equal half-hours from 00:00 to 06:00 the first are taken.
    assert run.starts[job.job_id].start == datetime(2026, 2, 2, tzinfo=UTC)
    assert run.moves == {}


def test_a_changing_forecast_moves_work_and_the_moves_are_counted() -> None:
    (job,) = from_rows([a_row("20:00", "06:00", 2, 20)], PLACES)
    setup = a_setup(jobs=(job,), forecast=Forecast.AS_ISSUED)
    grid = a_grid(setup, foretold=clean_nights)
    recording = grid._carbon
    turned = datetime(2026, 2, 1, 22, tzinfo=UTC)

    def told(state: State) -> None:
        if setup.whole.start_of(state.slot) == turned:
            recording.foretold = lambda at: 10.0 if at.hour == 3 or at.hour == 4 else 300.0  # type: ignore[union-attr]

    run = roll(setup, grid, told=told)
    assert run.starts[job.job_id].start == datetime(2026, 2, 2, 3, tzinfo=UTC)
    assert run.moves == {job.job_id: 1}


def test_the_clairvoyant_serves_at_least_as_well_as_anybody() -> None:
    setup = a_setup(assets=clusters([("london", 5_000.0)], START))
    grid = a_grid(setup)
    run = clairvoyant(setup, grid)
    truth = grid.truth(setup.whole)["london"]
    worth = truth.price.values + 2.667 * truth.carbon.values / 1000.0
    for job in setup.jobs:
        # With room for all, each job has its own best window, found here by trying them all.
        first = -((START - job.release) // SLOT)
        last = (job.latest_finish - job.duration - START) // SLOT
        best = min(worth[s : s + job.slots].sum() for s in range(first, last + 1))
        start = (run.starts[job.job_id].start - START) // SLOT
        assert worth[start : start + job.slots].sum() == pytest.approx(best)
