"""Two solvers that share no code agree on small fleets, and one stands in for the other."""

from __future__ import annotations

import numpy as np
import pytest

from models.optimise import programme
from models.optimise.fleet import fleet_of
from models.optimise.programme import ProgrammeAnswer, solve_programme
from tests.support.fleet import a_job, an_asset
from tests.support.planning import a_table, at_slot, options_of, some_weights


def answers(
    job_count: int, room_kw: float, monkeypatch: pytest.MonkeyPatch
) -> tuple[ProgrammeAnswer, ...]:
    """Ask HiGHS, then CBC with HiGHS out of sight, about jobs that share one small cluster."""
    table = a_table([0.10, 0.12, 0.30, 0.11, 0.25, 0.13], [0] * 6, [an_asset(max_power_kw=room_kw)])
    jobs = [
        a_job(f"j{n}", minutes=60.0 if n % 2 else 30.0, power_kw=10.0, latest_finish=at_slot(6))
        for n in range(job_count)
    ]
    options, _ = options_of(jobs, table, some_weights())
    fleet = fleet_of(options, table)
    by_highs = solve_programme(fleet, table.room_kw, None)
    monkeypatch.setattr(programme, "find_spec", lambda _name: None)
    by_cbc = solve_programme(fleet, table.room_kw, None)
    for answer in (by_highs, by_cbc):
        assert answer.choice is not None
        assert fleet.overload_kw(answer.choice, table.room_kw) <= 1e-6
    assert by_highs.choice is not None
    assert by_cbc.choice is not None
    costs = [fleet.objective_gbp(each) for each in (by_highs.choice, by_cbc.choice)]
    assert costs[0] == pytest.approx(costs[1], rel=2e-4)
    for answer, cost in zip((by_highs, by_cbc), costs, strict=True):
        assert answer.bound_gbp <= min(costs) * (1 + 1e-9)
        assert answer.bound_gbp >= cost * (1 - 2e-4)
        assert not answer.is_cut_short
    return by_highs, by_cbc


@pytest.mark.parametrize("job_count", [1, 3, 4])
def test_highs_and_cbc_find_plans_of_the_same_cost(
    job_count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(job_count, 10.0, monkeypatch)


def test_both_leave_out_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    # Six half-hours at 10 kW; eight jobs of alternately one and two half-hours need twelve.
    by_highs, by_cbc = answers(8, 10.0, monkeypatch)
    assert np.isfinite(by_cbc.bound_gbp)
    assert np.isfinite(by_highs.bound_gbp)
