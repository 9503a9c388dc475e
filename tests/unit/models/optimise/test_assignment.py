"""A plan in the making keeps its books."""

from __future__ import annotations

import pytest

from models.optimise.assignment import UNSERVED, Assignment, Links
from models.optimise.award import award
from tests.support.fleet import a_job, an_asset
from tests.support.planning import a_table, at_slot, options_of, some_weights


def test_lifting_gives_back_exactly_what_placing_took() -> None:
    table = a_table([0.1] * 4, [0.0] * 4)
    options, _ = options_of([a_job(minutes=45, latest_finish=at_slot(4))], table, some_weights())
    plan = Assignment(options, Links.none(1), table.room_kw)
    plan.place(0, 1)
    assert plan.room_kw.tolist() == [[100.0, 90.0, 90.0, 100.0]]
    held = plan.held(0)
    assert held is not None
    assert (held.row, held.at) == (0, slice(1, 3))
    plan.lift(0)
    assert plan.room_kw.tolist() == table.room_kw.tolist()
    assert plan.held(0) is None


def test_the_objective_counts_penalties_and_options() -> None:
    table = a_table([0.1], [0.0], [an_asset(max_power_kw=10.0)])
    jobs = [a_job(name, 30, latest_finish=at_slot(1)) for name in ("a", "b")]
    options, links = options_of(jobs, table, some_weights())
    plan = award(options, table.room_kw, links)
    # One at 5 kWh · £0.1, one unserved: £20 · 5 kWh · 2.
    assert plan.objective_gbp == pytest.approx(0.5 + 200.0)
    assert plan.score == pytest.approx((200.0, 0.5))


def test_an_option_fits_now_where_it_is_among_the_available_ones() -> None:
    table = a_table([0.1] * 6, [0.0] * 6, [an_asset(max_power_kw=15.0)])
    jobs = [
        a_job("a", 60, latest_finish=at_slot(6)),
        a_job("b", 30, latest_finish=at_slot(6)),
        a_job("c", 30, power_kw=2.0, depends_on=("a",), latest_finish=at_slot(6)),
    ]
    options, links = options_of(jobs, table, some_weights())
    plan = Assignment(options, links, table.room_kw)
    # Before its predecessor is placed, the successor may not start at all.
    assert not plan.available(2).any()
    plan.place(0, 1)
    for k in (1, 2):
        mine = plan.options[k]
        told = [plan.fits_now(k, pick) for pick in range(mine.count)]
        assert told == plan.available(k).tolist()
    # `a` holds 12:30 to 13:30: 5 kW are left for `b` there, too little; `c` starts when `a` has ended.
    assert plan.options[1].start[plan.available(1)].tolist() == [0, 3, 4, 5]
    assert plan.options[2].start[plan.available(2)].tolist() == [3, 4, 5]
    assert plan.best(1) == 0
    assert plan.choice.tolist() == [1, UNSERVED, UNSERVED]


def test_a_plan_is_ideal_when_every_job_has_what_it_would_have_alone() -> None:
    table = a_table([0.2, 0.1], [0.0, 0.0])
    options, links = options_of([a_job("a", 30, latest_finish=at_slot(2))], table, some_weights())
    plan = Assignment(options, links, table.room_kw)
    assert not plan.is_ideal()
    plan.place(0, 0)
    assert not plan.is_ideal()
    plan.lift(0)
    plan.place(0, 1)
    assert plan.is_ideal()
