"""Scores of planners, worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agents.policy import Policy
from models.domain.time import Horizon
from services.backtest_jobs import clusters, from_rows
from services.backtest_score import scores
from services.backtest_types import Forecast, Planner, Run, Score, Setup, Start
from tests.support.fleet import a_region

START = datetime(2026, 2, 2, tzinfo=UTC)
PLACES = clusters([("london", 15.0)], START)
HOUR = timedelta(hours=1)


def row(name: str, power_kw: float) -> dict[str, object]:
    return {
        "job_id": name, "release": "2026-02-02T00:00:00Z", "latest_finish": "2026-02-02T04:00:00Z",
        "duration_hours": 1, "power_kw": power_kw,
    }  # fmt: skip


JOBS = from_rows([row("a", 10.0), row("b", 10.0), row("c", 10.0)], PLACES)
SETUP = Setup(Horizon(START, 8), PLACES, JOBS, Policy(1.0), Forecast.PERFECT)
# Hour by hour: 400, 100, 300, 500 g/kWh and 10, 20, 30, 40 p/kWh.
TRUTH = {
    "london": a_region(
        START,
        carbon=[400, 400, 100, 100, 300, 300, 500, 500],
        price=[0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4],
    )
}


def at(**hours: int) -> Run:
    return Run({name: Start("cluster-1", START + h * HOUR) for name, h in hours.items()})


def judged(**runs: Run) -> dict[str, Score]:
    every = {Planner(name): run for name, run in runs.items()}
    return {score.planner: score for score in scores(SETUP, every, TRUTH)}


def test_sums_and_savings_are_over_what_everybody_served() -> None:
    found = judged(
        on_arrival=at(a=0, b=0, c=0), first_come=at(a=0, b=1, c=2), halfhour=at(a=1, b=2),
        clairvoyant=at(a=1, b=1, c=1),
    )  # fmt: skip
    ours = found["halfhour"]
    # c is left out by us, so a and b are compared: 10 kWh each.
    assert ours.compared_jobs == 2
    assert (ours.served, ours.unserved) == (2, 1)
    assert ours.carbon_kg == pytest.approx(1.0 + 3.0)
    assert ours.cost_gbp == pytest.approx(2.0 + 3.0)
    assert found["on_arrival"].carbon_kg == pytest.approx(8.0)
    assert ours.carbon_saving_percent == pytest.approx(50.0)
    # £5 instead of £2: two and a half times as much.
    assert ours.cost_saving_percent == pytest.approx(-150.0)
    # First come, first served: 4 + 1 kg for 1 + 2 pounds.
    assert ours.carbon_saving_percent_of_first_come == pytest.approx(20.0)
    assert ours.cost_saving_percent_of_first_come == pytest.approx((3 - 5) / 3 * 100)
    # At £1/kg: arrival 8 + 2 = 10, ours 4 + 5 = 9, clairvoyant 2 + 4 = 6: one of four.
    assert ours.share_of_clairvoyant_percent == pytest.approx(25.0)
    assert found["clairvoyant"].share_of_clairvoyant_percent == pytest.approx(100.0)


def test_jobs_that_came_out_worse_at_the_prices_of_the_policy_are_counted_apart() -> None:
    found = judged(on_arrival=at(a=0, b=0, c=0), halfhour=at(a=1, b=2, c=3), free=at(a=1, b=1, c=0))
    ours = found["halfhour"]
    # 10 kWh each at £1/kg. Arrival: 4 kg + £1 = 5. a: 1 + 2 = 3, gains 2; b: 3 + 3 = 6, loses 1; c: 5 + 4 = 9, loses 4.
    assert (ours.waited, ours.dirtier, ours.worse) == (3, 1, 2)
    assert ours.worse_percent_of_waited == pytest.approx(200 / 3)
    assert ours.worse_percent_of_gain == pytest.approx(100 * (1 + 4) / 2)
    # Free: 3 + 3 + 5 = 11 of 15 saves 4; ours: 3 + 6 + 9 = 18 saves -3.
    assert ours.share_of_free_percent == pytest.approx(-75.0)
    assert found["free"].worse == 0
    assert found["on_arrival"].worse_percent_of_gain is None


def test_waits_and_dirtier_jobs_are_counted() -> None:
    found = judged(on_arrival=at(a=0, b=0, c=0), halfhour=at(a=0, b=1, c=3))
    ours = found["halfhour"]
    assert ours.waited == 2
    # c emits 5 kg instead of 4.
    assert ours.dirtier == 1
    assert ours.dirtier_percent_of_waited == pytest.approx(50.0)
    assert ours.median_wait_hours == 1.0
    assert found["on_arrival"].dirtier_percent_of_waited is None


def test_peaks_limits_and_late_jobs_are_told() -> None:
    found = judged(on_arrival=at(a=0, b=0, c=0), first_come=at(a=0, b=1, c=4))
    assert found["on_arrival"].peak_kw == 30.0
    # 30 kW against 15 kW in two half-hours.
    assert found["on_arrival"].over_limit_half_hours == 2
    assert found["first_come"].peak_kw == 10.0
    assert found["first_come"].late == 1
    # Nothing is known of the fifth hour, so c is not compared.
    assert found["first_come"].compared_jobs == 2


def test_moves_are_a_mean_over_all_jobs() -> None:
    run = Run(at(a=0, b=1, c=2).starts, {"a": 3, "b": 1}, 9)
    ours = judged(on_arrival=at(a=0, b=0, c=0), halfhour=run)["halfhour"]
    assert ours.moves_per_job == pytest.approx(4 / 3)
    assert ours.most_moves == 3
    assert ours.negotiations == 9


def test_without_prices_costs_are_unknown_and_not_zero() -> None:
    bare = {"london": a_region(START, carbon=[100.0] * 8, price=[float("nan")] * 8)}
    runs = {Planner.ON_ARRIVAL: at(a=0, b=0, c=0), Planner.HALFHOUR: at(a=1, b=1, c=1)}
    for score in scores(SETUP, runs, bare):
        assert score.cost_gbp is None
        assert score.cost_saving_percent is None
        assert score.carbon_kg == pytest.approx(3.0)
