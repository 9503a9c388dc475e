"""What a negotiation is told of the carbon a London day has used already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from agents.carbon_budget import committed_kg
from agents.ground import first_open_slot, held_power
from agents.policy import Policy
from models.domain.job import Flexibility
from models.domain.time import SLOT
from models.optimise.budget import london_days
from models.optimise.table import price_table
from services import controls, submit
from services.situation import load, situation
from services.types import JobDraft
from tests.support.fleet import NOON
from tests.support.world import OPERATOR, World, hours, placed, submitted, with_cluster

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


def draft(**changes: Any) -> JobDraft:
    """Return a job of 2 h and 10 kW: 2 kg, with 100 g everywhere."""
    wanted = JobDraft(duration=hours(2), latest_finish=NOON + hours(8), estimated_power_kw=10.0)
    return replace(wanted, **changes)


@pytest.mark.parametrize("flexibility", ["deferrable", "interruptible"])
def test_a_quote_keeps_the_carbon_budget_as_planning_would(
    make_world: Callable[..., World], flexibility: str
) -> None:
    world = make_world(policy=Policy(1.0, carbon_budget_kg_per_day=3.0))
    with_cluster(world)
    submitted(world, latest_finish=NOON + hours(8))  # 2 of the 3 kg of today
    kind: dict[str, Any] = {"flexibility": Flexibility(flexibility)}
    told = submit.estimate(world.context, OPERATOR, draft(**kind))
    assert told.placement is None
    assert told.refusal is not None
    assert told.refusal.rule == "carbon_budget"
    assert "4 kg on 21 November, above the carbon budget of 3 kg" in told.refusal.detail
    # Half as much fits today; of as much, half of it does.
    half = submit.estimate(world.context, OPERATOR, draft(estimated_power_kw=5.0, **kind))
    assert half.placement is not None
    later = submit.estimate(world.context, OPERATOR, draft(latest_finish=NOON + hours(24), **kind))
    assert later.placement is not None
    assert later.placement.start >= NOON + hours(11)
    # What planning does with it is the same.
    job = submitted(world, is_planned=True, latest_finish=NOON + hours(24), **kind)
    assert placed(world, job).start == later.placement.start


@pytest.mark.parametrize(
    ("budget_kg", "fields"),
    [(21.5, {"latest_finish", "estimated_power_kw"}), (20.5, {"estimated_power_kw"})],
)
def test_no_change_is_offered_that_would_break_the_carbon_budget(
    make_world: Callable[..., World], budget_kg: float, fields: set[str]
) -> None:
    # Another holds 95 of 100 kW until two o'clock, 19 kg. 5 kW beside it are 1 kg, 10 kW after it 2 kg.
    world = make_world(policy=Policy(1.0, carbon_budget_kg_per_day=budget_kg))
    with_cluster(world)
    submitted(world, latest_finish=NOON + hours(2), estimated_power_kw=95.0)
    told = submit.estimate(world.context, OPERATOR, draft(latest_finish=NOON + hours(2)))
    assert told.refusal is not None
    assert told.refusal.rule == "power"
    assert {each.field for each in told.refusal.relaxations} == fields
