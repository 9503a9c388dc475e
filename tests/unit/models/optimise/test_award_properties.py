"""What holds for every plan: limits, order, bound ≤ optimum ≤ objective, and independence of the order of things."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.domain.job import Flexibility, Job
from models.optimise.award import UNSERVED, Assignment, Links, award
from models.optimise.options import Closed, Incumbent
from models.optimise.table import PricedTable
from tests.support.fleet import a_job, an_asset
from tests.support.planning import (
    a_table,
    at_slot,
    is_feasible,
    least_objective,
    options_of,
    small_assets,
    small_jobs,
    small_problems,
    small_series,
    some_weights,
)

Problem = tuple[tuple[Job, ...], PricedTable]
WEIGHTS = some_weights(
    kappa_gbp_per_kg=2.667, delay_gbp_per_kwh_hour=0.003, churn_gbp_per_kwh=0.005
)


def plan_of(jobs: tuple[Job, ...], table: PricedTable) -> tuple[Assignment, Links]:
    options, links = options_of(jobs, table, WEIGHTS)
    return award(options, table.room_kw, links), links


def answer(plan: Assignment, table: PricedTable) -> dict[str, tuple[str, int] | None]:
    return {
        mine.job.job_id: None
        if pick == UNSERVED
        else (table.assets[mine.asset_row[pick]].asset_id, int(mine.start[pick]))
        for mine, pick in zip(plan.options, plan.choice, strict=True)
    }


@settings(max_examples=50, deadline=None)
@given(small_problems(with_links=True, most=6))
def test_no_plan_breaks_a_limit(problem: Problem) -> None:
    jobs, table = problem
    plan, links = plan_of(jobs, table)
    picks = tuple(int(pick) for pick in plan.choice)
    assert is_feasible(plan.options, links, table.room_kw, picks)
    for mine, pick in zip(plan.options, picks, strict=True):
        if pick == UNSERVED:
            continue
        job = mine.job
        begins = table.horizon.start_of(int(mine.start[pick]))
        assert job.release <= begins
        assert begins + job.duration <= job.latest_finish
        assert mine.closed[pick] == Closed.OPEN
        if job.carbon_cap_g_per_kwh is not None:
            mean_g = 1000.0 * mine.carbon_kg[pick] / mine.energy_kwh[pick]
            assert mean_g <= job.carbon_cap_g_per_kwh + 1e-6
        if job.max_price_gbp_per_kwh is not None:
            assert mine.cost_gbp[pick] / mine.energy_kwh[pick] <= job.max_price_gbp_per_kwh + 1e-9


@settings(max_examples=25, deadline=None)
@given(small_problems(with_links=True, most=4))
def test_the_bound_is_below_the_optimum_and_the_plan_above_it(problem: Problem) -> None:
    jobs, table = problem
    plan, links = plan_of(jobs, table)
    optimum = least_objective(plan.options, links, table.room_kw)
    bound = sum(mine.lower_bound_gbp for mine in plan.options)
    assert bound <= optimum + 1e-9
    assert optimum <= plan.objective_gbp + 1e-9


@settings(max_examples=40, deadline=None)
@given(small_problems(with_links=True, most=6), st.randoms(use_true_random=False))
def test_the_plan_does_not_depend_on_the_order_of_jobs_or_assets(
    problem: Problem, shuffler: random.Random
) -> None:
    jobs, table = problem
    mixed = list(jobs)
    shuffler.shuffle(mixed)
    plan, _ = plan_of(jobs, table)
    again, _ = plan_of(tuple(mixed), table)
    assert answer(plan, table) == answer(again, table)


@settings(max_examples=40, deadline=None)
@given(small_problems(most=5))
def test_with_ample_power_each_job_gets_its_own_exhaustive_best(problem: Problem) -> None:
    jobs, table = problem
    wide = a_table(
        {a.region: list(row) for a, row in zip(table.assets, table.price_gbp_per_kwh, strict=True)},
        {
            a.region: list(1000.0 * row)
            for a, row in zip(table.assets, table.carbon_kg_per_kwh, strict=True)
        },
        [an_asset(a.asset_id, a.region, pue=a.pue, max_power_kw=1e4) for a in table.assets],
    )
    plan, _ = plan_of(jobs, wide)
    for k, mine in enumerate(plan.options):
        values = [float(mine.objective_gbp[o]) for o in range(mine.count) if mine.closed[o] == 0]
        assert plan.job_gbp(k) == pytest.approx(min(values, default=mine.unserved_gbp), abs=1e-9)
        assert (plan.choice[k] != UNSERVED) == bool(values)


@settings(max_examples=40, deadline=None)
@given(small_problems(most=5))
def test_work_that_may_not_wait_runs_on_arrival_or_not_at_all(problem: Problem) -> None:
    jobs, table = problem
    plan, _ = plan_of(jobs, table)
    for mine, pick in zip(plan.options, plan.choice, strict=True):
        if mine.job.flexibility is Flexibility.FIXED and pick != UNSERVED:
            assert table.horizon.start_of(int(mine.start[pick])) == mine.job.baseline_start


@settings(max_examples=40, deadline=None)
@given(small_problems(most=6))
def test_a_refused_job_finds_no_room_beside_the_served_ones(problem: Problem) -> None:
    jobs, table = problem
    plan, _ = plan_of(jobs, table)
    for k, pick in enumerate(plan.choice):
        if pick == UNSERVED:
            assert not plan.available(k).any()


@settings(max_examples=25, deadline=None)
@given(small_problems(most=5))
def test_an_asset_that_nobody_may_use_changes_nothing(problem: Problem) -> None:
    jobs, table = problem
    price = {
        a.region: list(row) for a, row in zip(table.assets, table.price_gbp_per_kwh, strict=True)
    }
    carbon = {
        a.region: list(1000.0 * row)
        for a, row in zip(table.assets, table.carbon_kg_per_kwh, strict=True)
    }
    idle = an_asset("a-first-by-name", table.assets[0].region, asset_type="other")
    wider = a_table(price, carbon, (*table.assets, idle))
    plan, _ = plan_of(jobs, table)
    with_idle, _ = plan_of(jobs, wider)
    assert answer(plan, table) == answer(with_idle, wider)
    assert with_idle.objective_gbp == pytest.approx(plan.objective_gbp, abs=1e-9)


@st.composite
def lone_jobs(draw: st.DrawFn) -> tuple[Job, PricedTable]:
    assets = draw(small_assets())
    (job,) = draw(small_jobs(assets, most=1))
    table = a_table(draw(small_series(-0.05, 0.45)), draw(small_series(20.0, 300.0)), assets)
    return job, table


@settings(max_examples=40, deadline=None)
@given(lone_jobs(), st.floats(0.0, 5.0), st.floats(0.0, 5.0))
def test_a_higher_value_of_carbon_never_means_more_carbon_for_one_job(
    problem: tuple[Job, PricedTable], one: float, other: float
) -> None:
    job, table = problem
    carbon = []
    for kappa in sorted((one, other)):
        options, links = options_of([job], table, some_weights(kappa_gbp_per_kg=kappa))
        plan = award(options, table.room_kw, links)
        if plan.choice[0] == UNSERVED:
            return
        carbon.append(float(options[0].carbon_kg[plan.choice[0]]))
    assert carbon[1] <= carbon[0] + 1e-9


@settings(max_examples=40, deadline=None)
@given(small_problems(with_links=True, most=6))
def test_planning_again_with_nothing_changed_moves_nobody(problem: Problem) -> None:
    jobs, table = problem
    plan, links = plan_of(jobs, table)
    held = {
        mine.job.job_id: Incumbent(
            table.assets[mine.asset_row[pick]].asset_id, int(mine.start[pick])
        )
        for mine, pick in zip(plan.options, plan.choice, strict=True)
        if pick != UNSERVED
    }
    options, _ = options_of(jobs, table, WEIGHTS, held)
    again = award(
        options,
        table.room_kw,
        links,
        {k: int(pick) for k, pick in enumerate(plan.choice) if pick != UNSERVED},
    )
    assert answer(again, table) == answer(plan, table)


def test_a_fleet_is_placed_within_its_limits_and_close_to_the_bound() -> None:
    rng = np.random.default_rng(11)
    assets = [an_asset(f"c{n}", slug) for n, slug in enumerate(("london", "south_wales"))]
    series = {slug: list(rng.uniform(0.05, 0.4, 96)) for slug in ("london", "south_wales")}
    carbon = {slug: list(rng.uniform(50, 300, 96)) for slug in ("london", "south_wales")}
    table = a_table(series, carbon, assets)
    jobs = [
        a_job(
            f"j{n:03d}",
            float(rng.integers(2, 20) * 15),
            asset_id=f"c{n % 2}",
            power_kw=float(rng.integers(2, 20)),
            earliest_start=at_slot(int(rng.integers(0, 30))),
            latest_finish=at_slot(int(rng.integers(60, 96))),
            allowed_regions=("gb",),
        )
        for n in range(120)
    ]
    plan, links = plan_of(tuple(jobs), table)
    assert is_feasible(plan.options, links, table.room_kw, tuple(int(p) for p in plan.choice))
    bound = sum(mine.lower_bound_gbp for mine in plan.options)
    assert (plan.choice != UNSERVED).all()
    assert bound <= plan.objective_gbp <= 1.25 * bound
