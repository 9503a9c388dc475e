"""Statistics and statements on a real database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import pytest

from models.domain.errors import InvalidRequest
from models.domain.job import JobStatus
from services import controls, outturn, statement, statistics
from tests.support.fleet import NOON
from tests.support.world import AUDITOR, OPERATOR, STRANGER, World, hours, submitted, with_cluster

SIX = NOON + hours(6)
TODAY = date(2026, 11, 21)


def cheap_from_six(_slug: str, at: datetime) -> float:
    return 0.10 if SIX <= at < SIX + hours(4) else 0.30


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world(price=cheap_from_six)


def test_planned_work_is_compared_with_first_come_first_served(world: World) -> None:
    with_cluster(world)
    # Two jobs of 60 kW for 2 h in 100 kW: planned 18:00–20:00 and 20:00–22:00 at £0.10, 240 kWh for £24.
    ids = [submitted(world, estimated_power_kw=60.0, is_planned=n == 1) for n in range(2)]
    found = statistics.show(world.context, OPERATOR)
    assert found.counts[JobStatus.SCHEDULED] == 2
    assert found.planned.cost_gbp == pytest.approx(24.0)
    # First come first served: 12:00–14:00 and 14:00–16:00 at £0.30.
    assert found.fleet_baseline_cost_gbp == pytest.approx(72.0)
    assert found.fleet_baseline_carbon_kg == pytest.approx(24.0)
    # Waits of 6 h and 8 h.
    assert found.median_wait_hours == pytest.approx(7.0)
    assert len(ids) == 2


def test_without_planned_work_there_is_no_fleet_baseline_and_no_wait(world: World) -> None:
    found = statistics.show(world.context, OPERATOR)
    assert found.fleet_baseline_carbon_kg is None
    assert found.median_wait_hours is None
    assert found.planned.jobs == 0


def test_refusals_are_counted_by_rule(world: World) -> None:
    with_cluster(world)
    submitted(world, carbon_cap_g_per_kwh=5.0)
    submitted(world, carbon_cap_g_per_kwh=6.0)
    assert statistics.show(world.context, OPERATOR).refusals_by_rule == {"carbon_cap": 2}


def test_only_confirmed_runs_are_confirmed_and_others_see_their_own(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world)
    world.at(NOON + hours(9))
    controls.confirm(world.context, OPERATOR, job_id, "completed", at=None, energy_kwh=None)
    found = statistics.show(world.context, OPERATOR)
    assert found.confirmed.jobs == 1
    # 20 kWh at £0.10 instead of £0.30 on arrival.
    assert found.confirmed.saved_cost_gbp == pytest.approx(4.0)
    assert statistics.show(world.context, STRANGER).confirmed.jobs == 0
    assert statistics.show(world.context, AUDITOR).confirmed.jobs == 1


def test_simulated_runs_are_planned_but_never_confirmed(make_world: Callable[..., World]) -> None:
    world = make_world(mode="simulated")
    with_cluster(world)
    done = submitted(world, latest_finish=NOON + hours(2))
    submitted(world, earliest_start=NOON + hours(4))
    world.at(NOON + hours(2))
    controls.confirm(world.context, OPERATOR, done, "completed", at=None, energy_kwh=None)
    found = statistics.show(world.context, OPERATOR)
    assert found.planned.jobs == 1
    assert found.confirmed.jobs == 0
    told = statement.show(world.context, OPERATOR, TODAY, TODAY)
    assert told.rows == ()
    assert told.excluded_simulated == 2


def test_a_statement_covers_the_london_days_of_its_period(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world)
    (row,) = statement.show(world.context, OPERATOR, TODAY, TODAY).rows
    assert row.job_id == job_id
    assert row.stage == "planned"
    yesterday = date(2026, 11, 20)
    assert statement.show(world.context, OPERATOR, yesterday, yesterday).rows == ()
    assert statement.show(world.context, STRANGER, TODAY, TODAY).rows == ()


def test_a_confirmed_row_takes_its_outturn(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world)
    world.grids["live"].carbon = lambda _s, _at: 150.0
    world.at(NOON + hours(9))
    controls.confirm(world.context, OPERATOR, job_id, "completed", at=None, energy_kwh=16.0)
    world.at(NOON + hours(9.5))
    outturn.settle(world.context)
    told = statement.show(world.context, OPERATOR, TODAY, TODAY)
    (row,) = told.rows
    assert row.stage == "confirmed"
    assert row.energy_is_measured
    # 16 kWh measured, at 150 g/kWh.
    assert told.confirmed.carbon_kg == pytest.approx(2.4)


@pytest.mark.parametrize(
    ("start", "end"),
    [(date(2026, 11, 21), date(2026, 11, 20)), (date(2024, 1, 1), date(2026, 1, 1))],
)
def test_an_empty_or_endless_period_is_refused(world: World, start: date, end: date) -> None:
    with pytest.raises(InvalidRequest, match="1 to 366 days"):
        statement.show(world.context, OPERATOR, start, end)
