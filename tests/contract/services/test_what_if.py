"""What-if on a real database: the plan another value of carbon would give, and nothing committed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from agents.certificate import FALSE_BOUND
from models.domain.errors import InvalidRequest
from models.domain.job import Flexibility
from services import planning, what_if
from services.memo import Memo
from tests.support.fleet import NOON
from tests.support.world import (
    AUDITOR,
    OPERATOR,
    STRANGER,
    World,
    hours,
    placed,
    submitted,
    with_cluster,
)


def clean_at_night(_slug: str, at: datetime) -> float:
    """Return 50 g from 02:00 to 06:00, else 300 g."""
    return 50.0 if 2 <= at.hour < 6 else 300.0


def cheap_in_the_evening(_slug: str, at: datetime) -> float:
    """Return 5 p from 19:00 to 22:00, else 20 p."""
    return 0.05 if 19 <= at.hour < 22 else 0.20


@pytest.fixture
def torn(make_world: Callable[..., World]) -> World:
    """Return a world in which carbon and price disagree: clean at night, cheap in the evening."""
    world = make_world(carbon=clean_at_night, price=cheap_in_the_evening)
    with_cluster(world)
    return world


def test_cost_only_takes_the_cheap_hours_where_the_plan_took_the_clean_ones(torn: World) -> None:
    job_id = submitted(torn)
    assert 2 <= placed(torn, job_id).start.hour < 6
    found = what_if.what_if(torn.context, OPERATOR, 0.0)
    (row,) = found.jobs
    assert row.planned is not None
    assert row.planned.start == NOON + hours(7)
    assert row.is_changed
    # 2 h of 10 kW are 20 kWh: 300 g instead of 50 g are 5 kg more; 5 p instead of 20 p are £3 less.
    assert row.carbon_kg == pytest.approx(5.0)
    assert row.cost_gbp == pytest.approx(-3.0)
    assert row.later_by is not None
    assert row.later_by < timedelta(0)
    assert found.totals.carbon_kg == pytest.approx(6.0)
    assert found.current.carbon_kg == pytest.approx(1.0)
    assert found.totals.cost_gbp == pytest.approx(1.0)
    assert found.current.cost_gbp == pytest.approx(4.0)
    assert FALSE_BOUND not in found.certificate.notes


def test_nothing_is_written(torn: World) -> None:
    job_id = submitted(torn)
    before = torn.view(job_id)
    with torn.context.uow() as uow:
        head, version = uow.decisions.head(), uow.plans.version()
        talks = uow.plans.negotiations().items
    what_if.what_if(torn.context, OPERATOR, 0.0)
    what_if.trade_off(torn.context, OPERATOR, 0.0)
    with torn.context.uow() as uow:
        assert (uow.decisions.head(), uow.plans.version()) == (head, version)
        assert uow.plans.negotiations().items == talks
    assert torn.view(job_id) == before


def test_it_is_what_a_replan_with_that_value_would_commit(torn: World) -> None:
    ids = [submitted(torn, estimated_power_kw=60.0, job_name=f"j{k}") for k in range(3)]
    found = what_if.what_if(torn.context, OPERATOR, 0.0)
    wished = replace(torn.context, policy=replace(torn.context.policy, kappa_gbp_per_kg=0.0))
    planning.schedule_all(wished, OPERATOR)
    would = {row.job_id: row.planned for row in found.jobs}
    for job_id in ids:
        expected = would[job_id]
        assert expected is not None
        assert placed(torn, job_id).start == expected.start
        assert placed(torn, job_id).cost_gbp == pytest.approx(expected.cost_gbp)


def test_the_current_value_changes_nothing(torn: World) -> None:
    submitted(torn)
    found = what_if.what_if(torn.context, OPERATOR, torn.context.policy.carbon_price_gbp_per_tonne)
    assert [row.is_changed for row in found.jobs] == [False]
    assert found.totals == found.current


def test_the_present_plan_is_valued_on_todays_signals(torn: World) -> None:
    job_id = submitted(torn)
    planned = placed(torn, job_id)
    assert planned.carbon_kg == pytest.approx(1.0)
    torn.grids["live"].carbon = lambda slug, at: 2 * clean_at_night(slug, at)
    torn.at(NOON + timedelta(minutes=1))
    found = what_if.what_if(torn.context, OPERATOR, 2667.0)
    # 20 kWh at 100 g where the plan still says 50 g.
    assert found.current.carbon_kg == pytest.approx(2.0)


def test_frozen_work_is_counted_apart_and_refused_jobs_are_told(torn: World) -> None:
    submitted(torn, latest_finish=NOON + hours(2))  # must start now: frozen at once
    submitted(torn, carbon_cap_g_per_kwh=10.0)
    found = what_if.what_if(torn.context, OPERATOR, 245.0)
    assert found.frozen == 1
    (row,) = found.jobs
    assert row.status == "refused"
    assert row.refusal is not None
    assert row.refusal.rule == "carbon_cap"
    assert found.totals.jobs == 0


def test_others_see_their_own_jobs_only_and_an_auditor_all(torn: World) -> None:
    submitted(torn)
    assert what_if.what_if(torn.context, STRANGER, 0.0).jobs == ()
    assert what_if.what_if(torn.context, STRANGER, 0.0).totals.jobs == 0
    assert len(what_if.what_if(torn.context, AUDITOR, 0.0).jobs) == 1


def test_five_points_hold_the_current_one_and_carbon_never_grows_with_its_value(
    torn: World,
) -> None:
    submitted(torn)
    found = what_if.trade_off(torn.context, OPERATOR, 245.0)
    prices = [point.carbon_price_gbp_per_tonne for point in found.points]
    # The policy's 2,667 equals the default preset, so 1,000 takes its place.
    assert prices == pytest.approx([0.0, 245.0, 1000.0, 2667.0, 10_000.0])
    assert [point.is_current for point in found.points] == [False, False, False, True, False]
    assert [point.is_asked for point in found.points] == [False, True, False, False, False]
    emitted = [point.totals.carbon_kg for point in found.points]
    assert emitted == sorted(emitted, reverse=True)
    assert emitted[0] > emitted[-1]


def test_an_asked_value_beside_the_standard_ones_is_a_sixth_point(torn: World) -> None:
    submitted(torn)
    found = what_if.trade_off(torn.context, OPERATOR, 700.0)
    assert [p.carbon_price_gbp_per_tonne for p in found.points if p.is_asked] == [700.0]
    assert len(found.points) == 6


def test_where_a_plan_takes_much_work_the_curve_is_filled_one_value_at_a_time(
    torn: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(torn)
    # One job and at least one round are more than none.
    monkeypatch.setattr(what_if, "MOST_JOB_ROUNDS", 0)
    seen: list[float] = []
    real = what_if._negotiated
    monkeypatch.setattr(
        what_if, "_negotiated", lambda c, price, now: seen.append(price) or real(c, price, now)
    )
    for _ in range(2):  # only the asked and the current value are needed
        found = what_if.trade_off(torn.context, OPERATOR, 245.0)
        assert [round(p.carbon_price_gbp_per_tonne) for p in found.points] == [245, 2667]
        assert found.unplanned_gbp_per_tonne == (0.0, 1000.0, 10_000.0)
    for missing in (2, 1, 0, 0):
        found = what_if.trade_off(torn.context, OPERATOR, 245.0, goes_on=True)
        assert len(found.unplanned_gbp_per_tonne) == missing
        assert len(found.points) == 5 - missing
    assert [round(price) for price in sorted(seen)] == [0, 245, 1000, 2667, 10_000]


def test_what_was_much_work_is_remembered_until_its_half_hour_ends(
    torn: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(what_if, "MOST_JOB_ROUNDS", 0)
    submitted(torn)
    first = what_if.what_if(torn.context, OPERATOR, 10.0)
    monkeypatch.setattr(torn.context.signals, "ensure_fresh", lambda: None)
    torn.clock.instant = NOON + timedelta(minutes=29)
    assert what_if.what_if(torn.context, OPERATOR, 10.0).asked_at == first.asked_at
    torn.clock.instant = NOON + timedelta(minutes=30)
    assert what_if.what_if(torn.context, OPERATOR, 10.0).asked_at == NOON + timedelta(minutes=30)


def test_a_run_that_starts_then_too_but_in_other_chunks_is_changed(
    make_world: Callable[..., World],
) -> None:
    # The first chunk at 12:30 is free and clean; the second is clean at 13:30 and cheap at 14:00.
    world = make_world(
        carbon=lambda _slug, at: {0.5: 0.0, 1.5: 50.0}.get((at - NOON) / hours(1), 300.0),
        price=lambda _slug, at: {0.5: 0.0, 2.0: 0.05}.get((at - NOON) / hours(1), 0.3),
    )
    with_cluster(world)
    submitted(
        world,
        duration=hours(1),
        flexibility=Flexibility.INTERRUPTIBLE,
        checkpoint_minutes=0.0,
        earliest_start=NOON + hours(0.5),
        latest_finish=NOON + hours(3),
        min_saving_percent=0.0,
    )
    (row,) = what_if.what_if(world.context, OPERATOR, 0.0).jobs
    assert row.current is not None
    assert row.planned is not None
    assert [part.start for part in row.current.segments] == [NOON + hours(0.5), NOON + hours(1.5)]
    assert [part.start for part in row.planned.segments] == [NOON + hours(0.5), NOON + hours(2)]
    assert row.is_changed


def test_the_same_question_is_answered_from_memory_until_something_changes(
    torn: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(what_if, "_trials", Memo(entries=24))
    seen: list[float] = []
    real = what_if._negotiated
    monkeypatch.setattr(
        what_if, "_negotiated", lambda c, price, now: seen.append(price) or real(c, price, now)
    )
    submitted(torn)
    for _ in range(3):
        what_if.what_if(torn.context, OPERATOR, 10.0)
    assert seen == [10.0]
    submitted(torn, job_name="another")
    assert len(what_if.what_if(torn.context, OPERATOR, 10.0).jobs) == 2
    assert seen == [10.0, 10.0]


@pytest.mark.parametrize("price", [-1.0, 10_000.1, float("nan"), float("inf")])
def test_a_value_out_of_range_is_refused(torn: World, price: float) -> None:
    for ask in (what_if.what_if, what_if.trade_off):
        with pytest.raises(InvalidRequest, match="out of range"):
            ask(torn.context, OPERATOR, price)


def test_weights_mean_a_value_of_carbon() -> None:
    assert what_if.carbon_price_of(0.6, 0.3) == pytest.approx(2666.667, abs=0.001)
    assert what_if.carbon_price_of(0.0, 0.3) == 0.0
    assert what_if.carbon_price_of(0.5, 0.0) == 10_000.0
    with pytest.raises(InvalidRequest, match="both are zero"):
        what_if.carbon_price_of(0.0, 0.0)


def test_without_jobs_everything_is_zero(torn: World) -> None:
    found = what_if.what_if(torn.context, OPERATOR, 100.0)
    assert (found.jobs, found.totals.jobs, found.totals.cost_gbp) == ((), 0, 0.0)
