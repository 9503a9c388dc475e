"""The whole back-test with its files: stored, found again, interrupted and taken up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.policy import Policy
from models.domain.errors import InvalidRequest
from models.domain.time import Horizon
from services import backtest, backtest_command, backtest_rolling
from services.backtest_jobs import clusters
from services.backtest_store import BacktestStore
from services.backtest_types import Forecast, Planner, Setup
from services.signal_refresh import GridSource
from tests.support.recorded import (
    EVENING,
    ScriptedRecording,
    cheap_nights,
    clean_nights,
    evening_jobs,
)
from tests.support.world import World

START = EVENING
PERIOD = Horizon(START, 8)
PLACES = clusters([("london", 400.0)], START)
"""Room for all, so that the plan that knows everything is the best there is."""
RECORDING = ScriptedRecording(clean_nights, cheap_nights, foretold=clean_nights)
SOURCE = backtest.Source("scripted", RECORDING, RECORDING)


@pytest.fixture
def store(tmp_path: Path) -> BacktestStore:
    return BacktestStore(tmp_path)


def a_setup(**changes: Any) -> Setup:
    jobs = evening_jobs(PLACES)
    return replace(Setup(PERIOD, PLACES, jobs, Policy(2.667), Forecast.COMPUTED), **changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[BacktestStore, dict[str, Any]]:
    """A back-test of all planners, run once without interruption."""
    store = BacktestStore(tmp_path_factory.mktemp("whole"))
    return store, backtest.run(a_setup(), SOURCE, store, made_at=START)


def by_planner(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {score["planner"]: score for score in result["scores"]}


def test_planners_are_compared_and_the_result_is_stored(
    whole: tuple[BacktestStore, dict[str, Any]],
) -> None:
    store, result = whole
    found = by_planner(result)
    assert list(found) == [str(planner) for planner in Planner]
    # Nights are clean and cheap at once, so whoever may choose saves both.
    for name in ("halfhour", "free", "clairvoyant"):
        assert found[name]["carbon_saving_percent"] > 0
        assert found[name]["cost_saving_percent"] > 0
        assert found[name]["over_limit_half_hours"] == 0
        assert found[name]["peak_kw"] <= 400.0 + 1e-6
        assert found[name]["unserved"] == 0
    assert found["clairvoyant"]["objective_gbp"] <= found["halfhour"]["objective_gbp"] + 1e-6
    assert store.result(result["backtest_id"]) == result
    assert store.results() == [result]
    assert store.checkpoint(result["backtest_id"]) is None


def test_a_leaking_forecast_is_labelled_so(store: BacktestStore) -> None:
    result = backtest.run(
        a_setup(forecast=Forecast.LAST_KEPT), SOURCE, store, made_at=START,
        planners=[Planner.FIRST_COME],
    )  # fmt: skip
    assert result["label"] == "last kept forecast: optimistic, leaks"
    simulated = replace(SOURCE, is_simulated=True)
    result = backtest.run(a_setup(), simulated, store, made_at=START, planners=[])
    assert result["label"].startswith("simulated grid;")
    assert list(by_planner(result)) == ["on_arrival"]


def test_an_interrupted_run_is_taken_up_where_it_was(
    store: BacktestStore,
    whole: tuple[BacktestStore, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backtest, "CHECKPOINT_SLOTS", 4)
    expected = whole[1]

    def interrupted(planner: Planner, done: int, _all: int) -> None:
        if planner is Planner.HALFHOUR and done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backtest.run(a_setup(), SOURCE, store, made_at=START, progress=interrupted)
    kept = store.checkpoint(expected["backtest_id"])
    assert kept is not None
    assert kept["rolling"]["state"]["slot"] == 4
    assert set(kept["done"]) == {"on_arrival", "first_come"}

    lived: list[int] = []
    live = backtest_rolling._Rolling.live

    def watched(self: Any) -> None:
        lived.append(self.state.slot)
        live(self)

    monkeypatch.setattr(backtest_rolling._Rolling, "live", watched)
    again = backtest.run(a_setup(), SOURCE, store, made_at=START)
    assert lived[0] == 4
    for ours, theirs in zip(again["scores"], expected["scores"], strict=True):
        assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}


def test_fresh_begins_again(store: BacktestStore) -> None:
    setup = a_setup()
    name = backtest.identity(setup, SOURCE, [Planner.ON_ARRIVAL])
    store.keep_checkpoint(name, {"done": {"on_arrival": {"starts": {}, "moves": {}, "negotiations": 0, "seconds": 1.0}}, "rolling": {}})  # fmt: skip
    stale = backtest.run(setup, SOURCE, store, made_at=START, planners=[])
    assert by_planner(stale)["on_arrival"]["served"] == 0
    fresh = backtest.run(setup, SOURCE, store, made_at=START, planners=[], is_fresh=True)
    assert by_planner(fresh)["on_arrival"]["served"] == len(setup.jobs)


def test_another_question_has_another_name() -> None:
    setup, planners = a_setup(), [Planner.HALFHOUR]
    name = backtest.identity(setup, SOURCE, planners)
    assert backtest.identity(a_setup(), SOURCE, planners) == name
    for other in (
        a_setup(forecast=Forecast.PERFECT),
        a_setup(freeze=timedelta(hours=1)),
        a_setup(policy=Policy(0.245)),
        a_setup(jobs=setup.jobs[1:]),
    ):
        assert backtest.identity(other, SOURCE, planners) != name


def test_nothing_to_replay_and_too_much_are_refused(store: BacktestStore) -> None:
    with pytest.raises(InvalidRequest, match="no job"):
        backtest.run(a_setup(jobs=()), SOURCE, store, made_at=START)
    with pytest.raises(InvalidRequest, match="too many"):
        backtest.run(a_setup(period=Horizon(START, 20_001)), SOURCE, store, made_at=START)


# --- the command ------------------------------------------------------------------------------


DAY = datetime(2026, 2, 2, tzinfo=UTC)


def wanted(**changes: Any) -> backtest_command.Wanted:
    asked = {
        "first": DAY, "last": DAY + timedelta(days=1), "places": ("london:400",), "trace": None,
        "jobs_per_day": 8.0, "seed": 5, "forecast": "computed", "planners": ("first_come",),
    }  # fmt: skip
    return backtest_command.Wanted(**{**asked, **changes})


def test_a_command_becomes_a_setup_and_a_table(
    make_world: Callable[..., World], store: BacktestStore
) -> None:
    context = make_world().context
    asked = wanted()
    setup = backtest_command.setup(context, asked)
    assert setup.period == Horizon(DAY, 48)
    assert [asset.room_kw for asset in setup.assets] == [400.0]
    assert setup.policy == context.policy
    done: list[int] = []
    result = backtest_command.run(
        context, asked, setup, GridSource(RECORDING, RECORDING), store, done.append
    )
    lines = list(backtest_command.told(result))
    assert any(line.startswith("first_come") for line in lines)
    assert "own estimates from data up to each instant" in lines[1]
    (line,) = backtest_command.listed(store)
    assert line.startswith(result["backtest_id"])


def test_a_trace_is_read_and_cut_to_the_dates(
    make_world: Callable[..., World], tmp_path: Path
) -> None:
    trace = tmp_path / "jobs.csv"
    trace.write_text(
        "job_id,release,latest_finish,duration_hours,power_kw\n"
        "in,2026-02-02T09:00:00Z,2026-02-02T20:00:00Z,2,10\n"
        "out,2026-02-03T09:00:00Z,2026-02-03T20:00:00Z,2,10\n",
        encoding="utf-8",
    )
    setup = backtest_command.setup(make_world().context, wanted(trace=trace))
    assert [job.job_id for job in setup.jobs] == ["in"]


@pytest.mark.parametrize(
    "change",
    [
        {"first": None},
        {"last": DAY},
        {"places": ("london",)},
        {"places": ("london:-5",)},
        {"places": ("narnia:5",)},
        {"forecast": "crystal_ball"},
    ],
)
def test_what_cannot_be_replayed_is_refused(
    make_world: Callable[..., World], change: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        backtest_command.setup(make_world().context, wanted(**change))


def test_an_unknown_planner_is_refused(make_world: Callable[..., World]) -> None:
    asked = wanted(planners=("oracle",))
    setup = backtest_command.setup(make_world().context, asked)
    with pytest.raises(InvalidRequest, match="oracle"):
        backtest_command.steps(setup, asked)
