"""Questions about one job see what the planner sees: who it waits for, who waits for it, budgets, and its award."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from agents.policy import Policy
from models.domain.job import Flexibility, JobStatus, Priority
from services import controls, explain, planning, submit, windows
from services.explain_types import WhyNot, WindowQuery
from services.types import Estimate, JobDraft
from tests.support.fleet import NOON
from tests.support.world import (
    OPERATOR,
    World,
    flat,
    hours,
    placed,
    submitted,
    with_cluster,
)

PLAIN = Policy(1.0, weight_deadline=0.0, min_saving_percent=0.0, churn_gbp_per_kwh=0.0)
"""£1 a kilogram; waiting and moving are free."""


BUDGET = replace(PLAIN, weight_deadline=0.6, carbon_budget_kg_per_day=3.0)
"""An hour of waiting counts (0.6 / 0.3) · £0.20 / 24 = 1/60 £/kWh, and a day may emit 3 kg."""


def cleaner_tomorrow(_slug: str, at: datetime) -> float:
    return 200.0 if at < NOON + hours(12) else 100.0


def evening_is_cheap(_slug: str, at: datetime) -> float:
    return 0.10 if 18 <= at.hour < 22 else 0.30


@pytest.fixture
def evening(make_world: Callable[..., World]) -> World:
    world = make_world(price=evening_is_cheap, carbon=flat(0.0), policy=PLAIN)
    with_cluster(world)
    return world


def draft(**changes: object) -> JobDraft:
    """Return 2 h of 10 kW by 09:00 tomorrow."""
    plain = JobDraft(
        duration=hours(2),
        latest_finish=NOON + hours(21),
        estimated_power_kw=10.0,
        job_name="asked",
        asset_id="hall",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def quoted(world: World, **changes: object) -> Estimate:
    return submit.estimate(world.context, OPERATOR, draft(**changes))


def why(world: World, job_id: str, after_noon_h: float) -> WhyNot:
    account = explain.account(
        world.context, OPERATOR, job_id, WindowQuery(), start=NOON + hours(after_noon_h)
    )
    assert account.why_not is not None
    return account.why_not


# --- jobs it waits for ----------------------------------------------------------------------------


def test_a_quote_after_a_job_that_the_plan_does_not_serve_is_a_refusal(evening: World) -> None:
    refused = submitted(evening, max_price_gbp_per_kwh=0.01)
    told = quoted(evening, depends_on=(refused,))
    assert told.placement is None
    assert told.refusal is not None
    assert told.refusal.rule == "predecessor"
    assert told.refusal.detail == f"it waits for {refused}, which the plan in force does not serve"
    waits = submitted(evening, depends_on=(refused,))
    assert evening.view(waits).job.status is JobStatus.REFUSED
    found = why(evening, waits, 6)
    assert found.verdict == "predecessor"
    assert f"cannot be taken now: it waits for {refused}" in found.sentence
    account = explain.account(evening.context, OPERATOR, waits, WindowQuery(limit=1))
    assert account.windows is not None
    assert account.windows.open_windows == 0
    assert account.windows.items[0].rule == "predecessor"


def test_after_a_cancelled_job_and_beside_a_held_one_no_window_is_offered(evening: World) -> None:
    first = submitted(evening)
    second = submitted(evening, depends_on=(first,))
    controls.hold(evening.context, OPERATOR, first, held=True)
    held = why(evening, second, 10)
    assert held.verdict == "predecessor"
    assert held.sentence.endswith(f"it waits for {first}, which is left out for now.")
    told = quoted(evening, depends_on=(first,))
    assert (told.placement, told.refusal) == (None, None)
    assert told.why == f"Left out for now: it waits for {first}, which is left out for now."
    controls.cancel(evening.context, OPERATOR, first)
    gone = why(evening, second, 10)
    assert (gone.verdict, gone.sentence.endswith("which was cancelled.")) == ("predecessor", True)


def test_a_job_whose_predecessor_has_not_been_confirmed_waits_for_that(evening: World) -> None:
    first = submitted(evening, latest_finish=NOON + hours(2))
    second = submitted(evening, depends_on=(first,))
    evening.at(NOON + hours(3))
    found = why(evening, second, 10)
    assert found.verdict == "predecessor"
    assert found.sentence.endswith(f"it waits until {first} is confirmed to have run.")


def test_a_predecessor_without_a_window_is_taken_to_run_as_early_as_it_may(evening: World) -> None:
    # It may start at 18:00 and takes two hours: 20:00 is the first start, and as cheap as any later one.
    first = submitted(evening, is_planned=False, earliest_start=NOON + hours(6))
    told = quoted(evening, depends_on=(first,))
    assert told.placement is not None
    assert told.placement.start == NOON + hours(8)
    assert told.why.endswith(
        f"It waits for {first}, without a window yet, taken to run as early as it may."
    )


@pytest.mark.parametrize("starts_at_h", [0.0, 0.5])
@pytest.mark.parametrize("flexibility", list(Flexibility))
def test_a_quote_after_a_planned_job_is_what_the_next_plan_gives(
    evening: World, flexibility: Flexibility, starts_at_h: float
) -> None:
    # What starts now is frozen, what starts later may move. From 14:00 to 15:00 the cluster is full: a job that may not
    # wait starts after that if the one it waits for may move, and is refused if it may not.
    first = submitted(
        evening,
        duration=hours(1.5),
        earliest_start=NOON + hours(starts_at_h),
        latest_finish=NOON + hours(2),
        asset_id="hall",
    )
    submitted(
        evening,
        duration=hours(1),
        estimated_power_kw=95.0,
        earliest_start=NOON + hours(2),
        latest_finish=NOON + hours(4),
        flexibility=Flexibility.FIXED,
    )
    told = quoted(evening, depends_on=(first,), flexibility=flexibility)
    job_id = submitted(
        evening,
        depends_on=(first,),
        flexibility=flexibility,
        latest_finish=NOON + hours(21),
        asset_id="hall",
    )
    if told.placement is None:
        plan = evening.view(job_id).plan
        assert (flexibility, starts_at_h) == (Flexibility.FIXED, 0.0)
        assert told.refusal is not None
        assert plan is not None
        assert plan.refusal is not None
        assert plan.refusal.rule == told.refusal.rule == "power"
        return
    assert placed(evening, job_id).runs_like(told.placement)


# --- jobs that wait for it ------------------------------------------------------------------------


def test_a_window_that_ends_after_a_successor_starts_is_not_called_free(evening: World) -> None:
    # Four cheap hours hold both: 18:00 to 20:00 and 20:00 to 22:00.
    first = submitted(evening)
    second = submitted(evening, depends_on=(first,))
    assert placed(evening, second).start == NOON + hours(8)
    found = why(evening, first, 7)
    assert found.verdict == "successor"
    assert found.candidate is not None
    assert (found.candidate.feasible, found.candidate.rule) == (False, "successor")
    assert found.sentence == (
        f"Sat 19:00 on hall would be over by Sat 21:00, too late for {second}, which waits for the job and is planned "
        "from Sat 20:00; only a plan that moves both can give it."
    )
    assert why(evening, first, 5).verdict == "dearer"
    # Starting now or pinning it then is somebody's will: the plan moves the successor.
    controls.pin(
        evening.context, OPERATOR, first, start_time=NOON + hours(7), asset_id=None, pinned=True
    )
    assert placed(evening, second).start == NOON + hours(9)


# --- moving, budgets, signals ---------------------------------------------------------------------


def test_a_window_that_is_better_by_less_than_moving_costs_says_so(evening: World) -> None:
    job_id = submitted(evening)
    assert placed(evening, job_id).start == NOON + hours(6)
    evening.context = replace(evening.context, policy=replace(PLAIN, churn_gbp_per_kwh=0.05))
    evening.grids["live"].carbon = lambda _slug, at: 0.0 if at.hour >= 20 else 20.0
    evening.at(NOON + timedelta(minutes=1))
    found = why(evening, job_id, 8)
    # 20 kWh at 20 g are 0.4 kg, £0.40; moving them counts 20 · £0.05 = £1.
    assert found.verdict == "moving"
    assert found.numbers == pytest.approx({"extra_gbp": 0.6, "moving_gbp": 1.0})
    assert "is free and £0.40 better by the policy's weights" in found.sentence
    assert "but leaving that one counts £1.00, so the job stays" in found.sentence
    planning.schedule_all(evening.context, OPERATOR)
    assert placed(evening, job_id).start == NOON + hours(6)


def test_a_better_window_that_a_carbon_budget_forbids_is_not_promised(
    make_world: Callable[..., World],
) -> None:
    world = make_world(carbon=cleaner_tomorrow, price=flat(0.10), policy=BUDGET)
    with_cluster(world)
    # 20 kWh: now 4 kg, tomorrow 2 kg and 12 h of waiting for £4; so now is £2 better, and breaks the budget.
    job_id = submitted(world, latest_finish=NOON + hours(30))
    assert placed(world, job_id).start == NOON + hours(12)
    found = why(world, job_id, 1)
    assert found.verdict == "carbon_budget"
    assert found.sentence.endswith(
        "but with it the fleet would emit 4 kg on 21 November, above the carbon budget of 3 kg."
    )
    assert found.against is not None
    # £4 of carbon and £1/3 for an hour of waiting against £2 and £4.
    assert found.against.objective_gbp == pytest.approx(-5.0 / 3.0)


def test_a_quote_charges_for_carbon_as_the_plan_in_force_does(
    make_world: Callable[..., World],
) -> None:
    world = make_world(carbon=cleaner_tomorrow, price=flat(0.10), policy=BUDGET)
    with_cluster(world)
    submitted(world, latest_finish=NOON + hours(30))
    # 10 kWh, waiting counted half: £1 + 2 kg now and £1 + 1 kg + £1 of waiting tomorrow are level, and now comes first.
    asked = {"duration": hours(1), "latest_finish": NOON + hours(30), "priority": Priority.LOW}
    told = quoted(world, **asked)
    assert told.placement is not None
    assert told.placement.start == NOON + hours(12)
    assert told.placement.objective_gbp == pytest.approx(3.0)
    world.context = replace(world.context, policy=replace(BUDGET, carbon_budget_kg_per_day=None))
    uncharged = quoted(world, **asked)
    assert uncharged.placement is not None
    assert uncharged.placement.start == NOON


def test_an_award_that_is_no_option_any_more_is_valued_on_the_signals_of_now(
    evening: World,
) -> None:
    job_id = submitted(evening, latest_finish=NOON + hours(9))
    assert placed(evening, job_id).cost_gbp == pytest.approx(2.0)
    controls.pin(
        evening.context, OPERATOR, job_id, start_time=NOON + hours(1), asset_id=None, pinned=True
    )
    # Just started, perhaps: its half-hour is no longer among the options. Carbon is 100 g now, 2 kg and £2 more.
    evening.grids["live"].carbon = flat(100.0)
    evening.at(NOON + hours(1) + timedelta(minutes=5))
    with evening.context.uow() as uow:
        facing = windows.face(evening.context, uow, evening.view(job_id), evening.clock.now())
    assert windows.present_option(facing) is None
    present = facing.present
    assert present is not None
    assert present.cost_gbp == pytest.approx(6.0)
    assert present.carbon_kg == pytest.approx(2.0)
    assert present.objective_gbp == pytest.approx(8.0)
