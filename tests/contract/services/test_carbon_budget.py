"""What a negotiation is told of the carbon a London day has used already."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from uuid import UUID

import pytest

from agents.carbon_budget import committed_kg
from agents.ground import first_open_slot, held_power
from agents.policy import Policy
from models.domain.time import SLOT
from models.optimise.budget import london_days
from models.optimise.table import price_table
from services import controls
from services.situation import load, situation
from tests.support.fleet import NOON
from tests.support.world import OPERATOR, World, hours, submitted, with_cluster

TODAY = date(2026, 11, 21)


def committed(world: World) -> tuple[dict[date, float], float]:
    """Return what a situation is told was spent, and what is committed today, in all. [kg]"""
    now = world.clock.now()
    facing = situation(world.context, load(world.context), UUID(int=1), now)
    table = price_table(
        facing.assets, facing.signals, facing.horizon, first_open_slot(facing), held_power(facing)
    )
    days = london_days(table.horizon)
    return dict(facing.spent_kg_by_day), float(committed_kg(facing, table, days)[days.dates.index(TODAY)])  # fmt: skip


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world(policy=Policy(1.0, carbon_budget_kg_per_day=50.0))


def test_each_run_of_the_day_counts_once_whatever_became_of_it(world: World) -> None:
    # 100 g everywhere; three runs of 10 kW × 2 h are 2 kg each.
    with_cluster(world)
    done, running, lost = (
        submitted(world, latest_finish=NOON + hours(at + 2), earliest_start=NOON + hours(at))
        for at in (0, 2, 0)
    )
    world.at(NOON + hours(2) + SLOT / 2)
    controls.confirm(world.context, OPERATOR, done, "completed", at=None, energy_kwh=5.0)
    controls.confirm(world.context, OPERATOR, running, "started", at=None, energy_kwh=None)
    world.at(NOON + hours(3))
    assert str(world.view(lost).status) == "unconfirmed"
    spent, total = committed(world)
    # Planned, not measured: the 5 kWh confirmed do not count. One of two hours of the running one lies ahead,
    # unless the horizon reaches back to noon; in all there are 6 kg either way.
    assert total == pytest.approx(6.0)
    assert 2.0 <= spent[TODAY] <= 5.0


def test_work_of_yesterday_and_work_up_for_planning_do_not_count(world: World) -> None:
    with_cluster(world)
    submitted(world, earliest_start=NOON + hours(3))
    assert committed(world) == ({}, 0.0)
    world.at(NOON + hours(30))
    facing = situation(world.context, load(world.context), UUID(int=1), world.clock.now())
    assert facing.spent_kg_by_day.get(date(2026, 11, 22), 0.0) == 0.0


def test_without_a_budget_nothing_is_read(make_world: Callable[..., World]) -> None:
    world = make_world()
    with_cluster(world)
    submitted(world, latest_finish=NOON + hours(2))
    world.at(NOON + hours(3))
    spent, _ = committed(world)
    assert spent == {}
