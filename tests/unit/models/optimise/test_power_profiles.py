"""Contiguous runs whose power changes from half-hour to half-hour, against a plain reading of the rules."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.domain.job import Job
from models.domain.time import SLOT, Horizon
from models.optimise.award import UNSERVED, award
from models.optimise.options import Closed, JobOptions, Weights, build_options
from models.optimise.table import PricedTable, fits, price_table, window_sums
from tests.support.fleet import NOON, a_job, a_region, an_asset
from tests.support.lanes import numbers

SLOTS = 8
WEIGHTS = Weights(
    kappa_gbp_per_kg=0.5,
    delay_gbp_per_kwh_hour=0.01,
    min_saving_percent=0.0,
    unserved_gbp_per_kwh=20.0,
    churn_gbp_per_kwh=0.0,
)
powers = st.sampled_from((0.0, 2.0, 5.0, 10.0, 20.0))


@st.composite
def profiled(draw: st.DrawFn, name: str = "j") -> Job:
    minutes = draw(st.sampled_from((20.0, 30.0, 45.0, 60.0, 75.0, 120.0)))
    slots = math.ceil(minutes / 30)
    profile = draw(st.lists(powers, min_size=slots, max_size=slots).filter(any))
    release = draw(st.integers(0, 3))
    return a_job(
        name,
        minutes,
        power_kw=max(profile),
        power_profile_kw=tuple(profile),
        earliest_start=NOON + release * SLOT,
        baseline_start=NOON + release * SLOT,
        latest_finish=NOON + SLOTS * SLOT - timedelta(minutes=draw(st.sampled_from((0, 0, 15)))),
        carbon_cap_g_per_kwh=draw(st.one_of(st.none(), numbers(50.0, 300.0))),
    )


@st.composite
def tables(draw: st.DrawFn) -> PricedTable:
    price = draw(st.lists(numbers(-0.05, 0.4), min_size=SLOTS, max_size=SLOTS))
    carbon = draw(st.lists(numbers(0.0, 400.0), min_size=SLOTS, max_size=SLOTS))
    held = np.array(draw(st.lists(powers, min_size=SLOTS, max_size=SLOTS)))
    asset = an_asset(max_power_kw=25.0, pue=draw(st.sampled_from((1.0, 1.5))))
    return price_table(
        [asset],
        {"london": a_region(NOON, carbon=carbon, price=price)},
        Horizon(NOON, SLOTS),
        0,
        {"cluster-a": held},
    )


def _energy(job: Job, pue: float) -> list[float]:
    """Return the energy of each half-hour: the last one by its minutes."""
    hours = job.duration / timedelta(hours=1)
    return [kw * min(0.5, hours - 0.5 * n) * pue for n, kw in enumerate(job.power_profile_kw)]


def _worth(job: Job, table: PricedTable, start: int) -> tuple[float, float, float]:
    """Return (objective, carbon, energy) of a run."""
    energy = _energy(job, table.assets[0].pue)
    cost = sum(e * table.price_gbp_per_kwh[0, start + n] for n, e in enumerate(energy))
    carbon = sum(e * table.carbon_kg_per_kwh[0, start + n] for n, e in enumerate(energy))
    assert job.baseline_start is not None
    waited = max(0.0, (NOON + start * SLOT - job.baseline_start) / timedelta(hours=1))
    delay = waited * WEIGHTS.delay_gbp_per_kwh_hour * sum(energy)
    return float(cost + WEIGHTS.kappa_gbp_per_kg * carbon + delay), float(carbon), sum(energy)


def _starts(job: Job, table: PricedTable) -> list[int]:
    """Return the starts that meet release, deadline, the asset's limit and the cap; shared room is not looked at."""
    found = []
    for start in range(SLOTS - len(job.power_profile_kw) + 1):
        begins = NOON + start * SLOT
        if begins < job.earliest_start or begins + job.duration > job.latest_finish:
            continue
        _, carbon, energy = _worth(job, table, start)
        cap = job.carbon_cap_g_per_kwh
        if cap is not None and carbon * 1000 / energy > cap * (1 + 1e-9) + 1e-12:
            continue
        found.append(start)
    return found


@settings(max_examples=30, deadline=None)
@given(job=profiled(), table=tables())
def test_every_window_is_priced_by_the_power_of_its_half_hours(
    job: Job, table: PricedTable
) -> None:
    options = build_options(job, table, WEIGHTS)
    open_starts = options.start[options.closed == Closed.OPEN].tolist()
    assert open_starts == _starts(job, table)
    for n, start in enumerate(options.start.tolist()):
        objective, carbon, energy = _worth(job, table, start)
        assert options.objective_gbp[n] == pytest.approx(objective, abs=1e-9)
        assert options.carbon_kg[n] == pytest.approx(carbon, abs=1e-9)
        assert options.energy_kwh[n] == pytest.approx(energy)


@settings(max_examples=30, deadline=None)
@given(
    room=st.lists(powers, min_size=3, max_size=10),
    profile=st.lists(powers, min_size=1, max_size=3),
)
def test_a_profile_fits_where_each_half_hour_has_room_for_its_own_power(
    room: Sequence[float], profile: Sequence[float]
) -> None:
    found = fits(np.array(room), np.array(profile)).tolist()
    wanted = [
        all(room[s + n] >= kw for n, kw in enumerate(profile))
        for s in range(len(room) - len(profile) + 1)
    ]
    assert found == wanted


def test_a_window_is_weighed_with_its_first_power_first() -> None:
    # 1 kWh then 3 kWh over 10, 20, 40: 10 + 60 = 70, then 20 + 120 = 140.
    assert window_sums(np.array([10.0, 20.0, 40.0]), np.array([1.0, 3.0])).tolist() == [70.0, 140.0]


@settings(max_examples=25, deadline=None)
@given(table=tables(), data=st.data())
def test_two_profiles_share_room_half_hour_by_half_hour_and_cost_no_less_than_the_best(
    table: PricedTable, data: st.DataObject
) -> None:
    jobs = [data.draw(profiled("a")), data.draw(profiled("b"))]
    options = [build_options(job, table, WEIGHTS) for job in jobs]
    plan = award(options, table.room_kw)
    load = np.zeros(SLOTS)
    for k, job in enumerate(jobs):
        if plan.choice[k] != UNSERVED:
            start = int(options[k].start[plan.choice[k]])
            load[start : start + job.slots] += job.power_profile_kw
    assert (load <= table.room_kw[0] + 1e-6).all()
    assert plan.room_kw[0] == pytest.approx(table.room_kw[0] - load)
    least = min(_totals(jobs, table, options))
    assert plan.objective_gbp >= least - 1e-9
    assert sum(mine.lower_bound_gbp for mine in options) <= least + 1e-9


def _totals(jobs: Sequence[Job], table: PricedTable, options: Sequence[JobOptions]) -> list[float]:
    found = []
    for chosen in itertools.product(*[[None, *_starts(job, table)] for job in jobs]):
        load = np.zeros(SLOTS)
        total = 0.0
        for job, mine, start in zip(jobs, options, chosen, strict=True):
            if start is None:
                total += mine.unserved_gbp
                continue
            load[start : start + job.slots] += job.power_profile_kw
            total += _worth(job, table, start)[0]
        if (load <= table.room_kw[0] + 1e-9).all():
            found.append(total)
    return found


def test_a_profile_of_equal_powers_is_a_run_of_constant_power() -> None:
    table = price_table(
        [an_asset()],
        {"london": a_region(NOON, carbon=[100.0] * SLOTS, price=np.linspace(0.1, 0.5, SLOTS))},
        Horizon(NOON, SLOTS),
        0,
        {},
    )
    plain = a_job(minutes=75.0, baseline_start=NOON, latest_finish=NOON + SLOTS * SLOT)
    profile = replace(plain, power_profile_kw=(10.0, 10.0, 10.0))
    one, two = (build_options(job, table, WEIGHTS) for job in (plain, profile))
    assert one.objective_gbp == pytest.approx(two.objective_gbp)
    assert one.unserved_gbp == two.unserved_gbp
