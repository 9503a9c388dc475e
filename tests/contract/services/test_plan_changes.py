"""What each plan changed against the one before, on a real database: rows, numbers, causes, sums and who may see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from agents.policy import Policy
from models.domain.access import Caller, Role
from models.domain.change import ChangeKind, PlanChange, PlanComparison
from models.domain.job import JobStatus
from models.domain.power_limit import PowerLimit
from services import assets, board, controls, job_detail, plan_changes, planning
from services.types import PlanRun
from tests.support.fleet import NOON
from tests.support.world import (
    AUDITOR,
    OPERATOR,
    Script,
    World,
    hours,
    placed,
    submitted,
    with_cluster,
    with_settings,
)

NEIGHBOUR = Caller("neighbour", Role.OPERATOR, "key-9")

PLAIN = Policy(1.0, weight_deadline=0.0, churn_gbp_per_kwh=0.005)
"""£1 a kilogram and waiting free; moving costs £0.005/kWh, which is £0.10 for the 20 kWh of a job here."""


def carbon_at(**values: float) -> Script:
    """Return 100 g/kWh but where named by the hour, `h18=50` for 18:00 to 20:00."""
    return lambda _slug, at: values.get(f"h{at.hour - at.hour % 2}", 100.0)


@pytest.fixture
def evening(make_world: Callable[..., World]) -> World:
    """Carbon is 50 g/kWh from 18:00 to 20:00 and 100 otherwise, at £0.20/kWh; one cluster of 10 kW."""
    world = make_world(carbon=carbon_at(h18=50.0), policy=PLAIN)
    with_cluster(world, max_power_kw=10.0)
    return world


def until_ten(world: World, **changes: object) -> str:
    return submitted(world, latest_finish=NOON + hours(10), **changes)


def news(world: World, script: Script) -> PlanRun:
    """Let a new forecast arrive an hour later, and plan."""
    world.grids["live"].carbon = script
    world.at(world.clock.now() + hours(1))
    return planning.replan(world.context, trigger="new_forecast")


def rows(world: World, run: PlanRun, caller: Caller = OPERATOR) -> tuple[PlanChange, ...]:
    return plan_changes.show(world.context, caller, run.negotiation_id).changes.items


def compared(world: World, run: PlanRun) -> PlanComparison:
    found = plan_changes.show(world.context, OPERATOR, run.negotiation_id).summary.comparison
    assert found is not None
    return found


# --- rows and causes ------------------------------------------------------------------------------


def test_a_job_moves_for_carbon_and_both_windows_are_valued_on_both_forecasts(
    evening: World,
) -> None:
    job_id = until_ten(evening)
    assert placed(evening, job_id).start == NOON + hours(6)
    run = news(evening, carbon_at(h18=168.0, h20=40.0))
    (row,) = rows(evening, run)
    assert (row.kind, row.cause, row.job_id) == (ChangeKind.MOVED, "carbon", job_id)
    assert row.before is not None
    assert row.after is not None
    assert (row.before.start, row.after.start) == (NOON + hours(6), NOON + hours(8))
    # 20 kWh at £0.20 are £4; 50, 168, 100 and 40 g/kWh are 1, 3.36, 2 and 0.8 kg at £1.
    values = row.values
    assert values is not None
    assert values.old_then.objective_gbp == pytest.approx(5.0)
    assert values.old_now.objective_gbp == pytest.approx(7.36)
    assert values.new_then.objective_gbp == pytest.approx(6.0)
    assert values.new_now.objective_gbp == pytest.approx(4.8)
    assert values.gain_gbp == pytest.approx(2.56)
    assert values.churn_gbp == pytest.approx(0.1)
    assert row.text == (
        "carbon in the old window rose from 50 g/kWh to 168 g/kWh and in the new window fell from 100 g/kWh to "
        "40 g/kWh; moving is £2.56 better than staying by the policy's weights, against £0.10 for moving"
    )


def test_the_sums_are_split_into_forecast_and_plan_and_add_up(evening: World) -> None:
    until_ten(evening)
    run = news(evening, carbon_at(h18=168.0, h20=40.0))
    found = compared(evening, run)
    assert found.previous_at == NOON
    assert (found.before.jobs, found.after.jobs) == (1, 1)
    assert found.before.carbon_kg == pytest.approx(1.0)
    assert found.by_forecast.carbon_kg == pytest.approx(2.36)
    assert found.by_plan.carbon_kg == pytest.approx(-2.56)
    assert found.by_work.carbon_kg == 0.0
    assert found.after.carbon_kg == pytest.approx(0.8)
    assert found.by_plan.churn_gbp == pytest.approx(0.1)
    assert found.counts == {"moved": 1}
    london = next(shift for shift in found.shifts if shift.region == "london")
    # From 18:00 to 20:00 carbon is 168 instead of 50, which is the largest change there is.
    assert london.carbon_largest_change_g_per_kwh == pytest.approx(118.0)
    assert found.cause.startswith("a new carbon forecast; carbon in London is")


def test_the_first_plan_is_compared_with_nothing(evening: World) -> None:
    job_id = until_ten(evening, is_planned=False)
    run = planning.schedule_all(evening.context, OPERATOR)
    (row,) = rows(evening, run)
    assert (row.kind, row.before, row.values) == (ChangeKind.PLANNED, None, None)
    assert row.job_id == job_id
    found = compared(evening, run)
    assert (found.before.jobs, found.by_work.jobs, found.after.jobs) == (0, 1, 1)
    assert found.shifts == ()


def test_plans_of_one_instant_are_compared_in_the_order_of_their_commits(evening: World) -> None:
    until_ten(evening)
    before = planning.page(evening.context, OPERATOR).items
    runs = [planning.schedule_all(evening.context, OPERATOR) for _ in range(4)]
    known = {one.negotiation_id for one in before}
    assert compared(evening, runs[0]).previous_id in known
    for earlier, later in pairwise(runs):
        assert compared(evening, later).previous_id == earlier.negotiation_id


def test_a_plan_that_changes_nothing_has_no_row(evening: World) -> None:
    until_ten(evening)
    run = planning.schedule_all(evening.context, OPERATOR)
    assert rows(evening, run) == ()
    found = compared(evening, run)
    assert found.counts == {}
    assert found.before == found.after


def test_a_job_makes_room_for_one_that_fits_nowhere_else(evening: World) -> None:
    first = until_ten(evening)
    second = submitted(
        evening, is_planned=False, earliest_start=NOON + hours(6), latest_finish=NOON + hours(8)
    )
    run = planning.schedule_all(evening.context, OPERATOR)
    moved, new = rows(evening, run)
    assert (moved.job_id, moved.cause, moved.room_for) == (first, "room", (second,))
    # 100 instead of 50 g/kWh over 20 kWh is 1 kg more, which is £1 at these weights.
    assert moved.text == (
        f"it made room for {second}; its new window is £1.00 worse by the policy's weights"
    )
    assert (new.job_id, new.kind) == (second, ChangeKind.PLANNED)


def test_power_that_becomes_free_draws_the_next_job(evening: World) -> None:
    first = until_ten(evening, earliest_start=NOON + hours(1))
    second = until_ten(evening, earliest_start=NOON + hours(1))
    holder, waiter = sorted((first, second), key=lambda one: placed(evening, one).start != NOON + hours(6))  # fmt: skip
    controls.cancel(evening.context, OPERATOR, holder)
    newest = planning.page(evening.context, OPERATOR).items
    found = [row for one in newest for row in rows(evening, PlanRun(one.negotiation_id, True))
             if row.kind is ChangeKind.MOVED]  # fmt: skip
    (row,) = found
    assert (row.job_id, row.cause) == (waiter, "freed")
    assert row.values is not None
    assert row.values.gain_gbp == pytest.approx(1.0)
    (ended,) = [
        row for one in newest for row in rows(evening, PlanRun(one.negotiation_id, True))
        if row.kind is ChangeKind.ENDED
    ]  # fmt: skip
    assert (ended.job_id, ended.cause, ended.text) == (holder, "cancelled", "it was cancelled")


def test_maintenance_on_the_window_is_named_and_so_is_its_end(evening: World) -> None:
    job_id = until_ten(evening)
    limit = PowerLimit(0.0, NOON + hours(6), NOON + hours(7), reason="maintenance")
    evening.at(NOON + timedelta(minutes=1))
    assets.change(evening.context, OPERATOR, "hall", {"power_limits": (limit,)})
    moved = job_detail.show(evening.context, OPERATOR, job_id).changes[0]
    assert (moved.kind, moved.cause) == (ChangeKind.MOVED, "limit")
    assert moved.text == (
        "a limit of power on hall (maintenance) leaves jobs 0 kW from Sat 18:00, and it needs 10"
    )
    evening.at(NOON + timedelta(minutes=2))
    assets.change(evening.context, OPERATOR, "hall", {"power_limits": ()})
    back = job_detail.show(evening.context, OPERATOR, job_id).changes[0]
    assert (back.kind, back.cause) == (ChangeKind.MOVED, "freed")
    assert back.text.startswith(
        "a limit of power on hall (maintenance) no longer closes a window that was better all along"
    )


def test_the_room_of_a_plan_is_kept_with_it_and_shown_to_the_owner_of_the_cluster(
    evening: World,
) -> None:
    until_ten(evening)
    limit = PowerLimit(5.0, NOON + hours(1), NOON + hours(2), reason="maintenance")
    assets.change(evening.context, OPERATOR, "hall", {"power_limits": (limit,)})
    plan = planning.schedule_all(evening.context, OPERATOR).negotiation_id
    assert planning.show(evening.context, OPERATOR, plan).snapshot["room"] == {
        "hall": {
            "limits": [
                {
                    "start_time": "2026-11-21T13:00:00Z",
                    "end_time": "2026-11-21T14:00:00Z",
                    "power_kw": 5.0,
                    "why": "maintenance",
                }
            ]
        }
    }
    assert planning.show(evening.context, NEIGHBOUR, plan).snapshot["room"] == {}


def test_a_carbon_budget_that_moves_a_job_is_named(evening: World) -> None:
    # Today 18:00 is best for its carbon and price; tomorrow it is dirtier by £0.40. The second job fills the budget.
    price = {"live": lambda _slug, at: 0.20 if at < NOON + hours(12) else 0.25}
    evening.grids["live"].price = price["live"]
    evening.grids["live"].carbon = carbon_at(h18=50.0, h20=100.0)
    evening.at(NOON + timedelta(minutes=1))
    first = submitted(evening, latest_finish=NOON + hours(40))
    assert placed(evening, first).start == NOON + hours(6)
    evening.context = replace(evening.context, policy=replace(PLAIN, carbon_budget_kg_per_day=2.5))
    # 20 kWh at 100 g are 2 kg today only; with the 1 kg of the first that is above 2.5 kg.
    second = submitted(evening, earliest_start=NOON + hours(8), latest_finish=NOON + hours(10))
    run = PlanRun(planning.page(evening.context, OPERATOR).items[0].negotiation_id, True)
    assert placed(evening, second).start == NOON + hours(8)
    moved = next(row for row in _all_rows(evening, run) if row.job_id == first)
    assert (moved.kind, moved.cause) == (ChangeKind.MOVED, "budget")
    assert moved.text.startswith(
        "with it in its old window the fleet would emit 3 kg on 21 November, above the carbon budget of 2.5 kg"
    )


def _all_rows(world: World, last: PlanRun) -> list[PlanChange]:
    """Return the rows of every plan, newest first."""
    newest = planning.page(world.context, OPERATOR).items
    assert newest[0].negotiation_id == last.negotiation_id
    return [row for one in newest for row in rows(world, PlanRun(one.negotiation_id, True))]


def test_a_window_that_breaks_the_jobs_cap_is_left_for_that(evening: World) -> None:
    until_ten(evening, carbon_cap_g_per_kwh=60.0)
    run = news(evening, carbon_at(h18=80.0, h20=55.0))
    (row,) = rows(evening, run)
    assert row.cause == "carbon_cap"
    assert row.text == "carbon in the old window is now 80 g/kWh, above the job's cap of 60"


def test_published_prices_are_named_as_the_cause(make_world: Callable[..., World]) -> None:
    # Until 16:00 tomorrow's prices are the 28-day mean, £0.20; then 12:00 to 14:00 is published at £0.05.
    def price(_slug: str, at: object) -> float:
        day, hour = at.day, at.hour  # type: ignore[attr-defined]
        if (day, hour) in {(22, 12), (22, 13)}:
            return 0.05
        return 0.10 if day == 21 and 18 <= hour < 20 else 0.20

    world = make_world(price=price, policy=PLAIN)
    with_cluster(world)
    job_id = submitted(world, latest_finish=NOON + hours(30))
    assert placed(world, job_id).start == NOON + hours(6)
    world.at(NOON + hours(4.5))
    run = planning.replan(world.context, trigger="new_prices")
    (row,) = rows(world, run)
    assert row.cause == "prices_published"
    assert row.text.startswith(
        "prices were published: the price in the new window fell from 20.0 p/kWh to 5.0 p/kWh; moving is £1.00"
    )


def test_a_refused_job_that_fits_at_last_and_one_that_no_longer_does(evening: World) -> None:
    capped = until_ten(evening, carbon_cap_g_per_kwh=45.0)
    assert evening.view(capped).job.status is JobStatus.REFUSED
    (served,) = rows(evening, news(evening, carbon_at(h18=40.0)))
    assert served.kind is ChangeKind.SERVED
    assert served.text.startswith("it was refused before: the cleanest window averages 50.0 g/kWh")
    (refused,) = rows(evening, news(evening, carbon_at()))
    assert (refused.kind, refused.after) == (ChangeKind.REFUSED, None)
    assert refused.before is not None


def test_a_started_job_and_a_held_one_are_told(evening: World) -> None:
    held = until_ten(evening)
    running = until_ten(evening)
    assert placed(evening, running).start == NOON  # beside the other, waiting would save it nothing
    controls.confirm(evening.context, OPERATOR, running, "started", at=NOON, energy_kwh=None)
    controls.hold(evening.context, OPERATOR, held, held=True)
    newest = planning.page(evening.context, OPERATOR).items
    kinds = {
        (row.job_id, row.kind)
        for one in newest
        for row in rows(evening, PlanRun(one.negotiation_id, True))
    }
    assert (running, ChangeKind.STARTED) in kinds
    assert (held, ChangeKind.DEFERRED) in kinds


def test_after_a_run_that_did_not_take_place_the_reason_says_so(evening: World) -> None:
    job_id = submitted(evening, latest_finish=NOON + hours(24))
    evening.at(NOON + hours(7))
    controls.confirm(evening.context, OPERATOR, job_id, "did_not_run", at=None, energy_kwh=None)
    plan = evening.view(job_id).plan
    assert plan is not None
    assert plan.move_reason is not None
    assert plan.move_reason.startswith("a run that did not take place: from Sat 18:00 to ")
    (moved,) = [row for row in job_detail.show(evening.context, OPERATOR, job_id).changes
                if row.kind is ChangeKind.MOVED]  # fmt: skip
    assert (moved.cause, moved.text) == (
        "did_not_run",
        "its window of Sat 18:00 passed without a run",
    )
    triggers = {one.trigger for one in planning.page(evening.context, OPERATOR).items}
    assert "did_not_run" in triggers


def test_prices_with_vat_are_compared_with_vat(evening: World) -> None:
    evening.context = with_settings(evening.context, prices_include_vat=True)
    until_ten(evening)
    (row,) = rows(evening, news(evening, carbon_at(h18=168.0, h20=40.0)))
    values = row.values
    assert values is not None
    # 20 kWh at £0.20 and 20 % VAT are £4.80 wherever and whenever they are valued.
    for worth in (values.old_then, values.old_now, values.new_then, values.new_now):
        assert worth.cost_gbp == pytest.approx(4.8)


# --- who may see what -----------------------------------------------------------------------------


def test_an_owner_sees_its_own_rows_and_everybodys_sums(evening: World) -> None:
    until_ten(evening)
    run = news(evening, carbon_at(h18=168.0, h20=40.0))
    assert rows(evening, run, NEIGHBOUR) == ()
    told = plan_changes.show(evening.context, NEIGHBOUR, run.negotiation_id).summary.comparison
    assert told is not None
    assert told.counts == {"moved": 1}
    assert len(rows(evening, run, AUDITOR)) == 1


def test_the_schedule_names_the_last_plan_that_moved_ones_jobs(evening: World) -> None:
    until_ten(evening)
    assert board.show(evening.context, OPERATOR).moves is None
    run = news(evening, carbon_at(h18=168.0, h20=40.0))
    told = board.show(evening.context, OPERATOR).moves
    assert told is not None
    assert (told.negotiation_id, told.jobs, told.cause) == (
        run.negotiation_id, 1, "a new carbon forecast",
    )  # fmt: skip
    assert board.show(evening.context, NEIGHBOUR).moves is None
    evening.clock.instant = NOON + timedelta(days=3)
    assert board.show(evening.context, OPERATOR).moves is None


def test_a_job_keeps_its_own_history_of_moves(evening: World) -> None:
    job_id = until_ten(evening)
    news(evening, carbon_at(h18=168.0, h20=40.0))
    kinds = [row.kind for row in job_detail.show(evening.context, OPERATOR, job_id).changes]
    assert kinds == [ChangeKind.MOVED, ChangeKind.PLANNED]


def test_unknown_figures_are_counted_and_left_out_of_every_sum(
    make_world: Callable[..., World],
) -> None:
    world = make_world(carbon=carbon_at(h18=50.0), policy=PLAIN)
    with_cluster(world)
    until_ten(world)
    with world.context.uow(write=True) as uow:  # a window whose carbon nobody knew
        (plan,) = uow.plans.current().values()
        assert plan.award is not None
        unknown = replace(plan.award.placement, carbon_kg=None)
        uow.plans.put([replace(plan, award=replace(plan.award, placement=unknown))])
        uow.commit()
    world.at(NOON + hours(5.95))  # frozen: it keeps the figures it was agreed with
    run = planning.replan(world.context, trigger="new_forecast")
    found = compared(world, run)
    assert found.unknown_jobs == 1
    assert (found.before.jobs, found.after.jobs) == (0, 0)
