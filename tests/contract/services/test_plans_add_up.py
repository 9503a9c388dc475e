"""What the planner says a plan costs is what an independent sum over minutes says."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from models.domain.time import SLOT, Horizon
from services.valuation import placement, savings
from tests.support.fleet import NOON
from tests.support.world import World, hours, submitted, with_cluster


def wave(low: float, high: float, period_slots: float) -> Callable[[str, datetime], float]:
    """Return a script that swings between two values, out of step between regions."""

    def at_slot(slug: str, at: datetime) -> float:
        turn = (at - NOON) / SLOT / period_slots + len(slug) / 7.0
        return low + (high - low) * (0.5 + 0.5 * math.sin(2.0 * math.pi * turn))

    return at_slot


@pytest.mark.parametrize("minutes", [30, 45, 75, 240, 601])
def test_awards_and_baselines_equal_the_independent_valuation(
    make_world: Callable[..., World], minutes: int
) -> None:
    world = make_world(carbon=wave(20.0, 300.0, 31.0), price=wave(-0.05, 0.60, 17.0))
    with_cluster(world, pue=1.37, base_load_kw=20.0)
    ids = [
        submitted(
            world,
            duration=timedelta(minutes=minutes),
            estimated_power_kw=17.0 + 10.0 * n,
            latest_finish=NOON + hours(26 + n),
            is_planned=n == 3,
        )
        for n in range(4)
    ]
    signals = world.context.signals.view(["london"], Horizon(NOON, 120))["london"]
    with world.context.uow() as uow:
        asset = uow.assets.get("hall")
    for job_id in ids:
        plan = world.view(job_id).plan
        assert plan is not None
        assert plan.award is not None
        assert plan.award.baseline.placement is not None
        for told in (plan.award.placement, plan.award.baseline.placement):
            ours = placement(asset, told.segments, signals)
            assert told.energy_kwh == pytest.approx(ours.energy_kwh)
            assert told.carbon_kg == pytest.approx(ours.carbon_kg)
            assert told.cost_gbp == pytest.approx(ours.cost_gbp)
            assert told.mean_carbon_g_per_kwh == pytest.approx(ours.mean_carbon_g_per_kwh)
            assert told.mean_price_gbp_per_kwh == pytest.approx(ours.mean_price_gbp_per_kwh)
            assert told.estimated_share == pytest.approx(ours.estimated_share)
            assert told.data_quality is ours.data_quality
            assert told.end - told.start == timedelta(minutes=minutes)
        arrival, chosen = plan.award.baseline.placement, plan.award.placement
        saved = savings(arrival.carbon_kg, arrival.cost_gbp, chosen.carbon_kg, chosen.cost_gbp)
        assert plan.award.savings.carbon_kg == pytest.approx(saved.carbon_kg)
        assert plan.award.savings.cost_gbp == pytest.approx(saved.cost_gbp)
