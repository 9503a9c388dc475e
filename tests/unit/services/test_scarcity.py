"""Shadow prices: stored with a plan, read back, and what a run would pay by them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import numpy as np
import pytest

from agents.policy import Policy
from agents.view import Outcome, Situation
from models.domain.plan import Certificate, PlanMethod
from models.domain.signal import Quality
from models.domain.time import SLOT, Horizon
from services import scarcity, snapshot
from services.explain_types import Scarcity
from services.situation import Facts
from tests.support.fleet import NOON, a_region

PROVEN = Certificate(1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1, 0.1, PlanMethod.PRICED)


def stored(prices: dict[str, np.ndarray], start_slots_before_noon: int = 2) -> dict[str, object]:
    """Return the shadow prices of a snapshot made at noon of a plan whose horizon began earlier."""
    outcome = Outcome(UUID(int=1), (), (), (), PROVEN, (), Quality.LIVE, shadow_gbp_per_kwh=prices)
    start = NOON - start_slots_before_noon * SLOT
    known = a_region(start, carbon=[100.0] * 6, price=[0.2] * 6)
    facts = Facts(1, (), {}, (), {}, NOON)
    policy = Policy(2.667)
    facing = Situation(
        outcome.negotiation_id, NOON, known.horizon, (), (), {"london": known}, policy
    )
    view = snapshot.of(outcome, facts, policy, facing, NOON)
    found = view["shadow_prices"]
    assert isinstance(found, dict)
    return found


def test_prices_are_kept_from_now_to_the_last_scarce_half_hour() -> None:
    # Two half-hours before noon are past; of the four after it the third is the last scarce one.
    row = np.array([9.0, 9.0, 0.0, 0.01, 0.0312345678, 0.0])
    assert stored({"hall": row}) == {
        "hall": {"start_time": "2026-11-21T12:00:00Z", "gbp_per_kwh": [0.0, 0.01, 0.031235]}
    }


def test_a_cluster_that_is_nowhere_scarce_is_left_out() -> None:
    assert stored({"hall": np.zeros(6), "past": np.array([1.0, 1.0, 0, 0, 0, 0])}) == {}
    assert stored({}) == {}


def test_what_is_stored_reads_back() -> None:
    row = np.array([0.0, 0.0, 0.0, 0.01, 0.03, 0.0])
    read = scarcity.prices_of({"shadow_prices": stored({"hall": row})})
    start, values = read["hall"]
    assert (start, values.tolist()) == (NOON, [0.0, 0.01, 0.03])
    assert scarcity.prices_of({}) == {}


@pytest.fixture
def scarce() -> Scarcity:
    return Scarcity("plan-1", NOON, {"hall": (NOON, np.array([0.01, 0.04]))}, "")


def test_a_run_pays_for_the_power_it_reserves(scarce: Scarcity) -> None:
    horizon = Horizon(NOON - SLOT, 10)
    # 10 kW then 30 kW for half an hour each: 5 kWh at £0.01 and 15 kWh at £0.04 are £0.65 for 20 kWh.
    told = scarcity.of_run(scarce, "hall", horizon, np.array([1, 2]), np.array([10.0, 30.0]))
    assert told is not None
    assert told.run_gbp == pytest.approx(0.65)
    assert told.mean_gbp_per_kwh == pytest.approx(0.0325)
    assert told.highest_gbp_per_kwh == pytest.approx(0.04)


def test_a_run_in_pieces_pays_for_each(scarce: Scarcity) -> None:
    horizon = Horizon(NOON, 10)
    # The second half-hour, and one hours later that is not scarce: 5 kWh at £0.04.
    told = scarcity.of_run(scarce, "hall", horizon, np.array([1, 7]), np.array([10.0, 10.0]))
    assert told is not None
    assert told.run_gbp == pytest.approx(0.2)


def test_other_clusters_and_times_are_free(scarce: Scarcity) -> None:
    assert scarce.price_gbp_per_kwh("elsewhere", NOON) == 0.0
    assert scarce.price_gbp_per_kwh("hall", NOON - SLOT) == 0.0
    assert scarce.price_gbp_per_kwh("hall", NOON + timedelta(hours=1)) == 0.0
    assert scarce.price_gbp_per_kwh("hall", NOON + SLOT) == 0.04


def test_without_a_plan_nothing_is_said_of_prices(scarce: Scarcity) -> None:
    nothing = replace(scarce, negotiation_id=None)
    one = np.array([1])
    assert scarcity.of_run(nothing, "hall", Horizon(NOON, 4), one, np.array([1.0])) is None
