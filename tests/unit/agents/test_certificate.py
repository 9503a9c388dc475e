"""What a certificate claims: only what is proven, and never a bound above its plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.attempt import plan_at
from agents.certificate import FALSE_BOUND, certificate
from models.domain.plan import PlanMethod
from tests.support.fleet import a_job
from tests.support.planning import a_policy, a_situation

PRICE = [0.3, 0.1, 0.2, 0.4] + [0.4] * 20


def test_a_bound_that_lies_above_the_plan_is_not_claimed() -> None:
    # One hour at 10 kW is 10 kWh, cheapest for 15 p/kWh: £1.50, which is also what the job costs alone.
    job = a_job("a", minutes=60.0, power_kw=10.0, min_saving_percent=0.0)
    situation = a_situation([job], PRICE, [0.0] * 24, policy=a_policy(kappa_gbp_per_kg=0.0))
    attempt = plan_at(situation)
    true = certificate(attempt.plan, attempt.best, attempt.proof, None, 0.0, [])
    assert (true.method, true.notes) == (PlanMethod.EXACT, ())
    assert true.lower_bound_gbp == pytest.approx(1.5, abs=1e-4)
    false = replace(attempt.proof, bound_gbp=1.6, served_gbp=1.6)
    other = certificate(attempt.plan, attempt.best, false, None, 0.0, [])
    assert other.notes == (FALSE_BOUND,)
    assert other.lower_bound_gbp == pytest.approx(1.5, abs=1e-4)
    # What is left is proven of the plan, and nobody waits: it is proven of the served too.
    assert other.gap_served_percent == other.gap_percent == pytest.approx(0.0, abs=0.01)
