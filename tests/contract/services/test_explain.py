"""Explaining on a real database: every window, who holds the full ones, and why not another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest

from models.domain.errors import InvalidRequest, NotFound
from models.domain.job import Flexibility, JobStatus
from models.domain.market import Claim
from models.domain.plan import NegotiationStatus
from models.domain.power_limit import PowerLimit
from models.domain.time import format_utc
from services import amend, assets, controls, explain, windows
from services.explain_types import Account, WhyNot, WindowOrder, WindowQuery
from tests.support.deals import a_contract
from tests.support.fleet import NOON
from tests.support.world import OPERATOR, STRANGER, World, flat, hours, submitted, with_cluster

DELAY_GBP_PER_HOUR = 20 * 0.2 / 72
"""What an hour's wait of 20 kWh counts (see test_submit)."""


def evening_is_cheap(_slug: str, at: datetime) -> float:
    return 0.10 if 18 <= at.hour < 22 else 0.30


@pytest.fixture
def evening(make_world: Callable[..., World]) -> World:
    world = make_world(price=evening_is_cheap, carbon=flat(0.0))
    with_cluster(world)
    return world


def told(world: World, job_id: str, **more: Any) -> Account:
    return explain.account(world.context, OPERATOR, job_id, WindowQuery(), **more)


def why(world: World, job_id: str, after_noon_h: float, asset_id: str | None = None) -> WhyNot:
    """Return why a job does not start so many hours after noon."""
    account = told(world, job_id, start=NOON + hours(after_noon_h), asset_id=asset_id)
    assert account.why_not is not None
    assert account.why_not.sentence.endswith(".")
    return account.why_not


def priced(world: World, prices_gbp_per_kwh: dict[str, list[float]], start: datetime) -> None:
    """Give the plan in force shadow prices, as a planner that finds prices stores them."""
    with world.context.uow(write=True) as uow:
        (summary,) = uow.plans.negotiations(status=NegotiationStatus.COMMITTED, limit=1).items
        _, messages, snapshot = uow.plans.negotiation(summary.negotiation_id)
        rows = {
            asset_id: {"start_time": format_utc(start), "gbp_per_kwh": prices}
            for asset_id, prices in prices_gbp_per_kwh.items()
        }
        uow.plans.finish_negotiation(summary, messages, {**snapshot, "shadow_prices": rows})
        uow.commit()


# --- windows --------------------------------------------------------------------------------------


def test_every_window_is_listed_with_its_cost_best_first(evening: World) -> None:
    job_id = submitted(evening, latest_finish=NOON + hours(9))
    account = told(evening, job_id)
    assert account.asked_at == NOON
    assert account.windows is not None
    # Starts from noon to 19:00 in half-hours.
    assert (account.windows.total, account.windows.open_windows) == (15, 15)
    best = account.windows.items[0]
    # 18:00 to 20:00 at £0.10/kWh: 20 kWh for £2.
    assert best.placement.start == NOON + hours(6)
    assert best.placement.cost_gbp == pytest.approx(2.0)
    assert best.extra_gbp == pytest.approx(0.0)
    extra = [one.extra_gbp for one in account.windows.items]
    assert extra == sorted(extra, key=lambda value: value or 0.0)


@pytest.mark.parametrize("sort", list(WindowOrder))
def test_pages_hold_each_window_once_in_one_order(evening: World, sort: WindowOrder) -> None:
    job_id = submitted(evening, latest_finish=NOON + hours(9))
    query = WindowQuery(sort=sort, limit=4)
    starts: list[datetime] = []
    while True:
        page = explain.account(evening.context, OPERATOR, job_id, query).windows
        assert page is not None
        starts += [one.placement.start for one in page.items]
        if page.next_cursor is None:
            break
        query = replace(query, cursor=page.next_cursor)
    assert len(starts) == len(set(starts)) == 15
    if sort is WindowOrder.START:
        assert starts == sorted(starts)
    if sort is WindowOrder.COST:
        # 18:00, 18:30 and 19:00 all lie in the cheap hours; the earliest comes first.
        assert starts[:3] == [NOON + hours(6), NOON + hours(6.5), NOON + hours(7)]


def test_a_cursor_of_another_order_is_refused(evening: World) -> None:
    job_id = submitted(evening, latest_finish=NOON + hours(9))
    page = explain.account(evening.context, OPERATOR, job_id, WindowQuery(limit=4)).windows
    assert page is not None
    for cursor in (page.next_cursor, "4", "x", "-1.cost.abc"):
        with pytest.raises(InvalidRequest) as caught:
            explain.account(
                evening.context, OPERATOR, job_id, WindowQuery(WindowOrder.COST, cursor=cursor)
            )
        assert [error.field for error in caught.value.fields] == ["cursor"]


def test_windows_are_filtered_by_region_and_by_cluster(evening: World) -> None:
    with_cluster(evening, asset_id="north", region="yorkshire")
    regions = ("london", "yorkshire")
    job_id = submitted(
        evening, asset_id="hall", allowed_regions=regions, latest_finish=NOON + hours(9)
    )

    def places(**wanted: str) -> set[str]:
        page = explain.account(evening.context, OPERATOR, job_id, WindowQuery(**wanted)).windows
        assert page is not None
        assert page.total == len(page.items)
        return {one.placement.asset_id for one in page.items}

    assert places() == {"hall", "north"}
    assert places(region="yorkshire") == {"north"}
    assert places(asset_id="hall") == {"hall"}
    assert places(region="yorkshire", asset_id="hall") == set()


def test_another_owner_sees_nothing(evening: World) -> None:
    job_id = submitted(evening)
    with pytest.raises(NotFound):
        explain.account(evening.context, STRANGER, job_id, WindowQuery())


# --- who holds the power, and at what price -------------------------------------------------------


@pytest.fixture
def crowded(evening: World) -> tuple[World, str, str]:
    """Give a world whose 100 kW are held up to 95 kW from 12:00 to 14:00, with the holder and a job of 10 kW."""
    hog = submitted(evening, estimated_power_kw=95.0, latest_finish=NOON + hours(2), job_name="hog")
    return evening, hog, submitted(evening, latest_finish=NOON + hours(9))


def test_full_windows_name_own_jobs_that_hold_them(crowded: tuple[World, str, str]) -> None:
    world, hog, job_id = crowded
    account = told(world, job_id)
    assert account.windows is not None
    closed = {o.placement.start: o for o in account.windows.items if not o.feasible}
    # The 2 h run touches 12:00 to 14:00 when it starts at 12:00, 12:30, 13:00 or 13:30.
    assert sorted(closed) == [NOON + hours(h / 2) for h in range(4)]
    for one in closed.values():
        assert one.rule == "power"
        assert (one.held_by, one.held_by_own_jobs, one.held_by_others) == ((hog,), 1, 0)


def test_jobs_of_others_are_counted_and_never_named(crowded: tuple[World, str, str]) -> None:
    world, _, job_id = crowded
    with world.context.uow() as uow:
        view = uow.jobs.view(job_id, NOON)
        facing = windows.face(world.context, uow, view, NOON)
        k = facing.options.find(0, facing.alone.table.horizon.index_of(NOON))
        assert k is not None
        (one,) = windows.named(world.context, uow, facing, [k], "somebody-else")
    assert (one.held_by, one.held_by_own_jobs, one.held_by_others) == ((), 0, 1)


def test_the_price_of_scarce_power_is_that_of_the_plan_in_force(
    crowded: tuple[World, str, str],
) -> None:
    world, hog, job_id = crowded
    priced(world, {"hall": [0.04, 0.02, 0.0, 0.0]}, NOON)
    account = told(world, job_id, start=NOON)
    assert account.scarcity.note.startswith("2 half-hours are scarce on 1 cluster in the plan")
    assert account.why_not is not None
    candidate = account.why_not.candidate
    assert candidate is not None
    assert candidate.shadow is not None
    # 10 kW for 4 half-hours of 5 kWh: 5 x 0.04 + 5 x 0.02 = £0.30 over 20 kWh.
    assert candidate.shadow.run_gbp == pytest.approx(0.30)
    assert candidate.shadow.mean_gbp_per_kwh == pytest.approx(0.015)
    assert candidate.shadow.highest_gbp_per_kwh == pytest.approx(0.04)
    assert account.why_not.verdict == "power"
    sentence = account.why_not.sentence
    for part in ("needs 10 kW", "only 5 kW is left", f"held by {hog}", "£0.0400/kWh", "£0.30"):
        assert part in sentence, sentence
    later = next(o for o in account.windows.items if o.placement.start == NOON + hours(1))  # type: ignore[union-attr]
    assert later.shadow is not None
    assert later.shadow.run_gbp == 0.0


def test_a_plan_without_prices_says_that_nothing_is_scarce(crowded: tuple[World, str, str]) -> None:
    world, _, job_id = crowded
    account = told(world, job_id, start=NOON)
    assert account.scarcity.note.startswith("No half-hour is scarce")
    assert account.why_not is not None
    assert account.why_not.sentence.endswith("; the plan in force puts no shadow price on it.")


def test_without_a_plan_there_is_no_price(evening: World) -> None:
    job_id = submitted(evening, is_planned=False)
    account = told(evening, job_id)
    assert account.scarcity.note == "No plan is in force."
    assert account.windows is not None
    assert {one.shadow for one in account.windows.items} == {None}


# --- why not then? --------------------------------------------------------------------------------


def test_the_window_it_has_is_said_to_be_that(evening: World) -> None:
    found = why(evening, submitted(evening), 6)
    assert (found.verdict, found.numbers) == ("chosen", {})
    assert found.sentence == "Sat 18:00 on hall is the window it has, at £2.00 and 0 kg CO2."


def test_a_dearer_window_says_by_how_much_and_of_what(evening: World) -> None:
    found = why(evening, submitted(evening), 5)
    # From 17:00 half the 20 kWh cost £0.30: £2 more; an hour's wait less; moving them counts 20 · £0.02.
    extra = 2.0 - DELAY_GBP_PER_HOUR + 0.4
    assert found.verdict == "dearer"
    assert found.numbers["extra_gbp"] == pytest.approx(extra)
    assert found.against is not None
    assert found.against.cost_gbp == pytest.approx(2.0)
    assert found.against.delay_gbp == pytest.approx(-DELAY_GBP_PER_HOUR)
    assert found.sentence == (
        "Sat 17:00 on hall is free but £2.34 dearer by the policy's weights than the window it has: "
        "£2.00 more for electricity, £0.06 less for waiting, £0.40 for moving."
    )


def test_carbon_is_told_in_kilograms_and_in_pounds(make_world: Callable[..., World]) -> None:
    def night_is_clean(_slug: str, at: datetime) -> float:
        return 50.0 if 18 <= at.hour < 22 else 150.0

    world = make_world(carbon=night_is_clean)
    with_cluster(world)
    found = why(world, submitted(world), 5)
    # From 17:00 half the 20 kWh emit 100 g/kWh more: 1 kg, £2.667 at £2,667/t.
    assert found.against is not None
    assert found.against.carbon_kg == pytest.approx(1.0)
    assert found.against.carbon_gbp == pytest.approx(2.667)
    assert "1 kg CO2 more (£2.67 at £2,667/t)" in found.sentence


def test_an_instant_off_the_half_hour_means_the_next_one(evening: World) -> None:
    account = told(evening, submitted(evening), start=NOON + timedelta(hours=5, minutes=40))
    found = account.why_not
    assert found is not None
    assert (found.start, found.verdict) == (NOON + hours(6), "chosen")
    assert found.sentence.startswith(
        "Runs start on a half-hour and the next after Sat 17:40 is Sat 18:00 on hall, which is the window it has"
    )


def test_what_has_passed_cannot_be_taken(evening: World) -> None:
    found = why(evening, submitted(evening), -3)
    assert found.verdict == "past"
    assert found.sentence == (
        "Sat 09:00 on hall can no longer be taken: the first half-hour still open is Sat 12:00."
    )


def test_too_early_and_too_late_say_by_how_much(evening: World) -> None:
    job_id = submitted(evening, earliest_start=NOON + hours(3), latest_finish=NOON + hours(9))
    early, late = why(evening, job_id, 1), why(evening, job_id, 8.5)
    assert (early.verdict, early.numbers) == ("early", {"early_minutes": 120.0})
    assert "2 h too early" in early.sentence
    # 20:30 and 2 h end at 22:30, an hour and a half after 21:00.
    assert (late.verdict, late.numbers) == ("late", {"late_minutes": 90.0})
    assert late.sentence == (
        "Sat 20:30 on hall is too late: the run would finish Sat 22:30, 1 h 30 min after its deadline "
        "Sat 21:00; its last start is Sat 19:00."
    )


def test_a_start_months_ahead_is_too_late_with_its_date(evening: World) -> None:
    found = why(evening, submitted(evening), 24 * 40)
    assert found.verdict == "late"
    assert "31 December" in found.sentence
    assert "39 days 2 h after its deadline" in found.sentence


def test_a_cluster_elsewhere_or_of_another_type_is_not_allowed(evening: World) -> None:
    job_id = submitted(evening, asset_id="hall")
    with_cluster(evening, asset_id="north", region="yorkshire")
    with_cluster(evening, asset_id="cpus", asset_type="cpu_cluster")
    away, other = why(evening, job_id, 6, "north"), why(evening, job_id, 6, "cpus")
    assert (away.verdict, other.verdict) == ("region", "asset_type")
    assert "stands in Yorkshire and the job allows only London" in away.sentence
    assert "of type cpu_cluster and the job needs gpu_cluster" in other.sentence


def test_a_cluster_that_does_not_exist_is_refused_by_field(evening: World) -> None:
    job_id = submitted(evening)
    with pytest.raises(InvalidRequest) as caught:
        told(evening, job_id, start=NOON, asset_id="nowhere")
    (error,) = caught.value.fields
    assert (error.field, error.allowed) == ("asset_id", "hall")


def test_a_cap_is_told_with_its_value(evening: World) -> None:
    found = why(evening, submitted(evening, max_price_gbp_per_kwh=0.2), 0)
    assert found.verdict == "max_price"
    assert found.numbers["mean_price_gbp_per_kwh"] == pytest.approx(0.3)
    assert found.numbers["max_price_gbp_per_kwh"] == 0.2
    assert "would average £0.3000/kWh and the cap is £0.2/kWh" in found.sentence


def test_a_carbon_cap_is_told_with_its_value(make_world: Callable[..., World]) -> None:
    world = make_world(carbon=lambda _slug, at: 50.0 if at.hour >= 18 else 150.0)
    with_cluster(world)
    found = why(world, submitted(world, carbon_cap_g_per_kwh=80.0), 1)
    assert found.verdict == "carbon_cap"
    assert "would average 150.0 g/kWh and the cap is 80 g/kWh" in found.sentence


def test_a_cluster_that_is_too_small_names_no_holder(evening: World) -> None:
    job_id = submitted(evening, asset_id="hall")
    with_cluster(evening, asset_id="hut", max_power_kw=5.0)
    found = why(evening, job_id, 6, "hut")
    assert (found.verdict, found.numbers) == ("power", {"needed_kw": 10.0, "limit_kw": 5.0})
    assert "needs 10 kW and it offers 5 kW" in found.sentence


def test_a_window_under_a_limit_names_the_limit_and_not_the_size_of_the_cluster(
    evening: World,
) -> None:
    job_id = submitted(evening, estimated_power_kw=50.0)
    peak = PowerLimit(10.0, from_time=time(16), to_time=time(17), reason="contracted evening peak")
    assets.change(evening.context, OPERATOR, "hall", {"power_limits": (peak,)})
    found = why(evening, job_id, 3)
    assert (found.verdict, found.numbers) == ("power", {"needed_kw": 50.0, "limit_kw": 10.0})
    assert found.sentence == (
        "Sat 15:00 on hall is limited: the job needs 50 kW and a limit of power on hall (contracted evening peak) "
        "leaves jobs 10 kW from Sat 16:00."
    )


def test_a_limit_is_named_to_a_job_that_may_pause_too(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    limit = PowerLimit(4.0, NOON + hours(1.5), NOON + hours(2.5), reason="maintenance")
    with_cluster(world, power_limits=(limit,))
    job_id = submitted(
        world,
        flexibility=Flexibility.INTERRUPTIBLE,
        checkpoint_minutes=0.0,
        latest_finish=NOON + hours(3),
    )
    # From 13:00 on an hour is left beside the maintenance, and it needs two.
    found = why(world, job_id, 1)
    assert found.verdict == "power"
    assert (
        "a limit of power on hall (maintenance) leaves jobs 4 kW from Sat 13:30, and no run that begins then"
        in found.sentence
    )


def test_a_contract_that_keeps_the_power_is_named(evening: World) -> None:
    job_id = submitted(evening)
    with evening.context.uow(write=True) as uow:
        uow.market.put(a_contract(contract_id="c-1"))
        kept = [Claim("c-1", "hall", NOON + hours(2 + n / 2), 95.0) for n in range(2)]
        uow.market.claim("c-1", kept)
        uow.commit()
    found = why(evening, job_id, 2)
    assert found.verdict == "power"
    assert (
        "only 5 kW is left in the half-hour from Sat 14:00; the power is held by contract c-1"
        in found.sentence
    )


def test_a_fixed_job_says_that_it_may_not_wait(evening: World) -> None:
    found = why(evening, submitted(evening, flexibility=Flexibility.FIXED), 6)
    assert found.verdict == "fixed"
    assert "as soon as it may, Sat 12:00" in found.sentence


def test_a_job_after_another_one_says_for_which_it_waits(evening: World) -> None:
    first = submitted(evening)
    second = submitted(evening, depends_on=(first,))
    found = why(evening, second, 5)
    assert found.verdict == "predecessor"
    assert f"waits for {first}" in found.sentence


def test_a_pinned_job_says_why_it_keeps_a_worse_window(evening: World) -> None:
    job_id = submitted(evening)
    controls.pin(
        evening.context, OPERATOR, job_id, start_time=NOON + hours(2), asset_id=None, pinned=True
    )
    found = why(evening, job_id, 6)
    assert found.verdict == "better"
    assert found.sentence.endswith("the job is pinned where it is, so only you move it.")


def test_work_that_runs_answers_with_its_status(evening: World) -> None:
    job_id = submitted(evening, latest_finish=NOON + hours(2))
    controls.confirm(evening.context, OPERATOR, job_id, "started", at=NOON, energy_kwh=None)
    account = told(evening, job_id, start=NOON + hours(6))
    assert account.windows is None
    assert account.why_not is not None
    assert account.why_not.verdict == "status"
    assert "is running" in account.why_not.sentence


# --- a refused job --------------------------------------------------------------------------------


def test_each_change_a_refusal_offers_comes_with_where_it_would_run(evening: World) -> None:
    submitted(evening, estimated_power_kw=95.0, latest_finish=NOON + hours(2))
    job_id = submitted(evening, latest_finish=NOON + hours(3))
    with evening.context.uow() as uow:
        plan = uow.jobs.view(job_id, NOON).plan
    assert plan is not None
    assert plan.refusal is not None
    account = told(evening, job_id)
    offered = {one.field: one for one in account.relaxations}
    assert set(offered) == {offer.field for offer in plan.refusal.relaxations}
    for offer in plan.refusal.relaxations:
        placed = offered[offer.field].placement
        assert placed is not None
        assert (placed.start, placed.asset_id) == (offer.start, offer.asset_id)
    # Power is free from 14:00, so that 2 h end at 16:00; or 5 kW are free at once.
    assert offered["latest_finish"].placement.end == NOON + hours(4)  # type: ignore[union-attr]
    assert offered["estimated_power_kw"].placement.start == NOON  # type: ignore[union-attr]


def test_a_profile_that_is_offered_scaled_down_is_planned_once_it_is_taken(evening: World) -> None:
    submitted(evening, estimated_power_kw=95.0, latest_finish=NOON + hours(2))
    job_id = submitted(
        evening,
        duration=hours(1),
        estimated_power_kw=None,
        power_profile_kw=(20.0, 8.0),
        latest_finish=NOON + hours(1),
    )
    account = told(evening, job_id)
    (offered,) = (one for one in account.relaxations if one.field == "power_profile_kw")
    # 5 of 20 kW are free: a quarter of everything.
    assert offered.value == [5.0, 2.0]
    assert offered.placement is not None
    amend.change(evening.context, OPERATOR, job_id, {offered.field: tuple(offered.value)})
    with evening.context.uow() as uow:
        view = uow.jobs.view(job_id, NOON)
    assert view.status is JobStatus.SCHEDULED
    assert view.job.power_kw == pytest.approx(3.5)


# --- runs of any shape ----------------------------------------------------------------------------


def two_cheap_hours(_slug: str, at: datetime) -> float:
    return 0.10 if at.hour in {18, 21} else 0.30


@pytest.fixture
def pausing(make_world: Callable[..., World]) -> tuple[World, str]:
    """Give a job of 2 h that may pause without cost, and prices that are low from 18 to 19 and from 21 to 22 h."""
    world = make_world(price=two_cheap_hours, carbon=flat(0.0))
    with_cluster(world)
    job_id = submitted(
        world,
        flexibility=Flexibility.INTERRUPTIBLE,
        checkpoint_minutes=0.0,
        latest_finish=NOON + hours(12),
    )
    return world, job_id


def test_a_run_with_a_pause_is_explained_whole(pausing: tuple[World, str]) -> None:
    world, job_id = pausing
    found = why(world, job_id, 6)
    assert found.verdict == "chosen"
    assert found.candidate is not None
    placed = found.candidate.placement
    assert [(s.start, s.end) for s in placed.segments] == [
        (NOON + hours(6), NOON + hours(7)),
        (NOON + hours(9), NOON + hours(10)),
    ]
    # 20 kWh at £0.10.
    assert placed.cost_gbp == pytest.approx(2.0)


def test_another_start_of_a_job_that_may_pause_is_answered_with_its_best_run(
    pausing: tuple[World, str],
) -> None:
    world, job_id = pausing
    found = why(world, job_id, 8)
    assert found.verdict == "dearer"
    assert found.candidate is not None
    placed = found.candidate.placement
    assert placed.start == NOON + hours(8)
    # Half an hour at £0.30 is the least that starts at 20:00; then an hour at £0.10, and another dear half-hour.
    assert placed.cost_gbp == pytest.approx(5 * 0.3 + 10 * 0.1 + 5 * 0.3)
    assert found.against is not None
    assert found.against.cost_gbp == pytest.approx(2.0)


def test_a_start_that_is_full_names_who_holds_it_for_a_job_that_may_pause(
    pausing: tuple[World, str],
) -> None:
    world, job_id = pausing
    hog = submitted(
        world,
        estimated_power_kw=95.0,
        duration=hours(1),
        earliest_start=NOON + hours(2),
        latest_finish=NOON + hours(3),
    )
    found = why(world, job_id, 2)
    assert found.verdict == "power"
    assert "begins no run that fits beside the other jobs" in found.sentence
    assert found.candidate is not None
    assert found.candidate.held_by == (hog,)


def test_a_start_from_which_no_run_keeps_the_price_cap_is_told_with_the_best_price(
    pausing: tuple[World, str],
) -> None:
    world, _ = pausing
    job_id = submitted(
        world,
        flexibility=Flexibility.INTERRUPTIBLE,
        checkpoint_minutes=0.0,
        latest_finish=NOON + hours(12),
        max_price_gbp_per_kwh=0.12,
    )
    found = why(world, job_id, 8)
    assert found.verdict == "max_price"
    # From 20:00 two half-hours at £0.30 and two at £0.10 are the least.
    assert found.numbers == pytest.approx(
        {"max_price_gbp_per_kwh": 0.12, "mean_price_gbp_per_kwh": 0.2}
    )
    assert found.sentence.endswith("the best without it averages £0.2000/kWh.")


def test_a_cluster_too_small_for_a_job_that_may_pause_says_so(pausing: tuple[World, str]) -> None:
    world, job_id = pausing
    with_cluster(world, asset_id="closet", max_power_kw=4.0)
    found = why(world, job_id, 8, asset_id="closet")
    assert found.verdict == "power"
    assert found.numbers == {"needed_kw": 10.0, "limit_kw": 4.0}
    assert "is too small: it offers 4 kW to jobs" in found.sentence


def test_levels_too_slow_for_the_time_that_is_left_leave_no_run(
    make_world: Callable[..., World],
) -> None:
    world = make_world(price=two_cheap_hours, carbon=flat(0.0))
    with_cluster(world)
    job_id = submitted(
        world,
        flexibility=Flexibility.ELASTIC,
        power_levels=((5.0, 0.5),),
        latest_finish=NOON + hours(6),
    )
    # 2 h of work at half the rate take 4 h: from 15:00 they end at 19:00.
    found = why(world, job_id, 3)
    assert found.verdict == "no_run"
    assert found.sentence.endswith("does the job's work by its deadline.")
    assert why(world, job_id, 1).verdict in {"chosen", "dearer"}


def test_windows_of_a_job_that_may_pause_hold_the_one_it_has(pausing: tuple[World, str]) -> None:
    world, job_id = pausing
    account = told(world, job_id)
    assert account.windows is not None
    best = account.windows.items[0]
    assert best.extra_gbp == pytest.approx(0.0)
    assert len(best.placement.segments) == 2
    assert len(explain.candidates(world.context, OPERATOR, job_id)) == account.windows.total


def test_a_job_of_power_levels_is_explained_too(make_world: Callable[..., World]) -> None:
    world = make_world(price=two_cheap_hours, carbon=flat(0.0))
    with_cluster(world)
    job_id = submitted(
        world,
        flexibility=Flexibility.ELASTIC,
        power_levels=((10.0, 1.0), (5.0, 0.5)),
        latest_finish=NOON + hours(12),
    )
    account = told(world, job_id, start=NOON + hours(1))
    assert account.why_not is not None
    assert account.why_not.verdict == "dearer"
    assert account.why_not.candidate is not None
    assert account.why_not.candidate.placement.start == NOON + hours(1)
