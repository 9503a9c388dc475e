"""Plans of jobs that bend in shape, beside every plan there is, and the options of one such job."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.shape_check import run_of, shape_fault
from models.domain.job import Flexibility
from models.domain.time import SLOT, Horizon
from models.optimise.assignment import UNSERVED, Links
from models.optimise.award import award
from models.optimise.ladder import Best, climb
from models.optimise.pattern import segments
from models.optimise.pattern_options import PatternOptions, build_pattern_options
from models.optimise.prices import search
from models.optimise.quoting import Quoting
from models.optimise.table import FloatArray, PricedTable, price_table
from models.optimise.terms import NONE_FITS, Weights
from tests.support.brute_patterns import Run, keeps_caps, runs_at_levels, runs_in_chunks, valued
from tests.support.fleet import NOON, a_job, a_region, an_asset
from tests.support.lanes import numbers

SLOTS = 6
TABLE = ((5.0, 0.6), (10.0, 1.0))
WEIGHTS = Weights(
    kappa_gbp_per_kg=0.0,
    delay_gbp_per_kwh_hour=0.0,
    min_saving_percent=0.0,
    unserved_gbp_per_kwh=20.0,
    churn_gbp_per_kwh=0.0,
)

kinds = st.one_of(
    st.builds(
        a_job,
        minutes=st.sampled_from((30.0, 55.0, 60.0, 90.0)),
        flexibility=st.just(Flexibility.INTERRUPTIBLE),
        max_chunks=st.integers(1, 3),
    ),
    st.builds(
        a_job,
        minutes=st.sampled_from((30.0, 60.0)),
        flexibility=st.just(Flexibility.ELASTIC),
        power_levels=st.just(TABLE),
    ),
)


@st.composite
def fleets(draw: st.DrawFn) -> tuple[list[PatternOptions], PricedTable, Links]:
    """Return three jobs on one asset; a later one may wait for an earlier one."""
    price = draw(st.lists(numbers(0.0, 0.4), min_size=SLOTS, max_size=SLOTS))
    room = np.array(
        [draw(st.lists(st.sampled_from((10.0, 15.0, 20.0)), min_size=SLOTS, max_size=SLOTS))]
    )
    delay = draw(st.sampled_from((0.0, 0.02)))
    table = replace(_table(price, 20.0), room_kw=room)
    weights = replace(WEIGHTS, delay_gbp_per_kwh_hour=delay)
    found, before = [], []
    for n in range(3):
        job = replace(
            draw(kinds), job_id=f"j{n}", baseline_start=NOON, latest_finish=NOON + SLOTS * SLOT
        )
        if draw(st.booleans()):
            job = replace(job, max_price_gbp_per_kwh=draw(numbers(0.1, 0.4)))
        found.append(build_pattern_options(job, table, weights))
        before.append((n - 1,) if n and draw(st.booleans()) else ())
    after = tuple(tuple(s for s in range(3) if k in before[s]) for k in range(3))
    return found, table, Links(tuple(before), after, (0, 1, 2))


def _every_run(options: PatternOptions) -> list[Run]:
    job, (lane,) = options.job, options.lanes(options.table.room_kw)
    if job.flexibility is Flexibility.ELASTIC:
        runs: Iterator[Run] = runs_at_levels(job, lane, [list(TABLE)] * lane.slots)
    else:
        runs = runs_in_chunks(job, lane)
    return [run for run in runs if keeps_caps(job, run)]


def _best_plan(fleet: Sequence[PatternOptions], room: FloatArray, links: Links) -> float:
    least = np.inf
    for plan in itertools.product(*[[None, *_every_run(mine)] for mine in fleet]):
        cost = sum(
            mine.unserved_gbp if run is None else run.objective_gbp
            for mine, run in zip(fleet, plan, strict=True)
        )
        if cost >= least:
            continue
        load = np.zeros(SLOTS)
        for run in plan:
            for slot, kw, _ in run.parts if run else ():
                load[slot] += kw
        in_order = all(
            plan[k] is None or (plan[p] is not None and plan[p].parts[-1][0] < plan[k].parts[0][0])
            for k in range(len(fleet))
            for p in links.before[k]
        )
        if in_order and (load <= room[0] + 1e-6).all():
            least = cost
    return float(least)


def _planned(fleet: Sequence[PatternOptions], table: PricedTable, links: Links) -> Best:
    quoting = Quoting(fleet, table)

    def quote(price: FloatArray) -> tuple[float, FloatArray]:
        answer = quoting.at(price)
        return answer.value_gbp, answer.load_kw

    prices = search(quote, table.room_kw, 40)
    return climb(award(fleet, table.room_kw, links), table, prices, has_held=False, seed=0)


@settings(max_examples=10, deadline=None)
@given(case=fleets())
def test_the_plan_lies_between_its_bound_and_the_best_of_all_and_keeps_every_rule(
    case: tuple[list[PatternOptions], PricedTable, Links],
) -> None:
    fleet, table, links = case
    best = _planned(fleet, table, links)
    least = _best_plan(fleet, table.room_kw, links)
    plan = best.plan
    assert best.bound_gbp <= least + 1e-6
    assert plan.objective_gbp >= least - 1e-6
    load = np.zeros(SLOTS)
    total = 0.0
    for k, mine in enumerate(fleet):
        if plan.choice[k] == UNSERVED:
            total += mine.unserved_gbp
            continue
        run = mine.pool[int(plan.choice[k])]
        assert shape_fault(mine.job, run_of(mine, int(plan.choice[k]))) is None
        again = valued(mine.lanes(table.room_kw)[0], run.parts)
        assert keeps_caps(mine.job, again)
        total += again.objective_gbp
        load[run.slot] += run.power_kw
    assert (load <= table.room_kw[0] + 1e-6).all()
    assert total == pytest.approx(plan.objective_gbp)
    for k, before in enumerate(links.before):
        for p in before:
            if plan.choice[k] != UNSERVED:
                assert plan.choice[p] != UNSERVED
                assert plan.stop[p] <= plan.start[k]


@settings(max_examples=12, deadline=None)
@given(case=fleets(), price=st.lists(numbers(0.0, 2.0), min_size=SLOTS, max_size=SLOTS))
def test_agents_apart_quote_to_the_last_bit_what_one_for_all_quotes(
    case: tuple[list[PatternOptions], PricedTable, Links], price: list[float]
) -> None:
    fleet, table, _ = case
    posted = np.array([price])
    whole = Quoting(fleet, table).at(posted)
    parts = [Quoting([mine], table).at(posted) for mine in fleet]
    assert whole.value_gbp == sum(part.value_gbp for part in parts)
    assert (whole.load_kw == np.sum([part.load_kw for part in parts], axis=0)).all()


def _table(price: Sequence[float], max_power_kw: float = 10.0) -> PricedTable:
    signals = {"london": a_region(NOON, carbon=[0.0] * len(price), price=price)}
    return price_table(
        [an_asset(max_power_kw=max_power_kw)], signals, Horizon(NOON, len(price)), 0, {}
    )


def _options(price: Sequence[float], weights: Weights = WEIGHTS, **changes: Any) -> PatternOptions:
    job = a_job(
        minutes=60.0,
        flexibility=Flexibility.INTERRUPTIBLE,
        checkpoint_minutes=0.0,
        baseline_start=NOON,
        latest_finish=NOON + len(price) * SLOT,
    )
    return build_pattern_options(replace(job, **changes), _table(price), weights)


def test_the_pool_begins_with_the_best_run_and_the_run_on_arrival() -> None:
    options = _options([0.5, 0.1, 0.4, 0.1])
    assert [run.slot.tolist() for run in options.pool] == [[1, 3], [0, 1]]
    # 5 · 0.1 + 5 · 0.1 = 1; on arrival 5 · 0.5 + 5 · 0.1 = 3.
    assert options.objective_gbp.tolist() == pytest.approx([1.0, 3.0])
    assert options.lower_bound_gbp == pytest.approx(1.0)
    assert options.open_ranking.tolist() == [0, 1]


def test_a_job_for_which_waiting_does_not_pay_takes_the_run_on_arrival() -> None:
    eager = _options([0.20, 0.20, 0.19, 0.20], replace(WEIGHTS, min_saving_percent=5.0))
    # The best run saves 5 · 0.01 of £2: 2.5 %, less than the 5 % that waiting must save.
    assert eager.runs_on_arrival
    best = eager.best_in(eager.table.room_kw)
    assert eager.pool[best].slot.tolist() == [0, 1]
    assert eager.open_ranking[0] == best
    later = eager.best_in(eager.table.room_kw, earliest=1)
    assert eager.pool[later].slot.tolist() == [1, 2]


def test_neighbours_and_room_limit_the_best_run() -> None:
    options = _options([0.5, 0.1, 0.4, 0.1])
    room = options.table.room_kw.copy()
    room[0, 3] = 0.0
    assert options.pool[options.best_in(room)].slot.tolist() == [1, 2]
    assert options.pool[options.best_in(room, latest_end=2)].slot.tolist() == [0, 1]
    assert options.best_in(room, earliest=2) == NONE_FITS


def test_a_finish_that_leaves_successors_time_goes_before_a_cheaper_one() -> None:
    price = [0.5, 0.5, 0.1, 0.1]
    job = a_job(minutes=60.0, flexibility=Flexibility.INTERRUPTIBLE, baseline_start=NOON,
                latest_finish=NOON + 4 * SLOT)  # fmt: skip
    options = build_pattern_options(job, _table(price), WEIGHTS, latest_finish=NOON + 2 * SLOT)
    assert options.pool[options.best_in(options.table.room_kw)].slot.tolist() == [0, 1]


def test_the_run_held_now_stays_where_moving_saves_less_than_the_churn() -> None:
    first = _options([0.5, 0.1, 0.4, 0.1])
    held = first.pool[1]
    costly = replace(WEIGHTS, churn_gbp_per_kwh=0.5)  # £5 for 10 kWh, more than the £2 saved
    options = build_pattern_options(first.job, first.table, costly, held=held)
    assert options.pool[options.best_in(first.table.room_kw)].is_same_run(held)
    assert options.lower_bound_gbp == pytest.approx(3.0)
    cheap = replace(WEIGHTS, churn_gbp_per_kwh=0.1)
    moved = build_pattern_options(first.job, first.table, cheap, held=held)
    best = moved.best_in(first.table.room_kw)
    assert moved.pool[best].slot.tolist() == [1, 3]
    assert moved.objective_gbp[best] == pytest.approx(1.0 + 1.0)


def test_a_run_reads_as_stretches_of_power_to_the_minute() -> None:
    options = _options([0.5, 0.1, 0.4, 0.1], duration=timedelta(minutes=45))
    run = options.pool[options.best_in(options.table.room_kw)]
    found = [
        (s.start - NOON, s.end - NOON, s.power_kw) for s in segments(run, options.table.horizon)
    ]
    half = timedelta(minutes=30)
    assert found == [(half, 2 * half, 10.0), (3 * half, 3 * half + timedelta(minutes=15), 10.0)]
