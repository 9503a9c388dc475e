"""Jobs whose power changes from half-hour to half-hour, also the useless ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from models.domain.errors import InvalidRequest
from models.domain.plan import Award
from tests.support.world import World, flat, hours, submitted, with_cluster


def award_of(world: World, job_id: str) -> Award:
    plan = world.view(job_id).plan
    assert plan is not None
    assert plan.award is not None
    return plan.award


def test_a_profile_without_any_power_is_refused_at_the_door(world: World) -> None:
    with_cluster(world)
    with pytest.raises(InvalidRequest) as caught:
        submitted(world, duration=hours(1), estimated_power_kw=None, power_profile_kw=(0.0, 0.0))
    assert [error.field for error in caught.value.fields] == ["power_profile_kw"]


def test_a_profile_above_the_cluster_is_named_as_the_profile(world: World) -> None:
    with_cluster(world, max_power_kw=50.0)
    with pytest.raises(InvalidRequest) as caught:
        submitted(world, duration=hours(1), estimated_power_kw=None, power_profile_kw=(10.0, 60.0))
    assert [error.field for error in caught.value.fields] == ["power_profile_kw"]


def test_a_profile_with_an_idle_half_hour_is_planned(make_world: Callable[..., World]) -> None:
    world = make_world(carbon=flat(100.0), price=flat(0.2))
    with_cluster(world, pue=1.0)
    job_id = submitted(
        world, duration=hours(1), estimated_power_kw=None, power_profile_kw=(0.0, 10.0)
    )
    award = award_of(world, job_id)
    assert award.placement.energy_kwh == pytest.approx(5.0)  # half an hour at 10 kW


def test_a_run_on_arrival_saves_exactly_nothing(make_world: Callable[..., World]) -> None:
    # 0.1 and 56.7 do not add up exactly in binary; a saving of 1e-15 kg must not appear.
    world = make_world(carbon=flat(56.7), price=flat(0.1))
    with_cluster(world, pue=1.1)
    award = award_of(world, submitted(world, duration=hours(7), estimated_power_kw=13.7))
    assert award.savings.carbon_kg == 0.0
    assert award.savings.cost_gbp == 0.0
