"""What a user does to a job: run now, pin, hold, cancel, undo, change and confirm, with everything that is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from models.domain.errors import Conflict, Forbidden, Infeasible, InvalidRequest, NotFound
from models.domain.job import JobStatus, Priority
from models.domain.ports import JobView
from services import amend, controls, lifecycle
from tests.support.fleet import NOON
from tests.support.world import (
    AUDITOR,
    OPERATOR,
    STRANGER,
    World,
    flat,
    hours,
    placed,
    submitted,
    with_cluster,
)


def evening_is_cheap(_slug: str, at: datetime) -> float:
    return 0.10 if 18 <= at.hour < 22 else 0.30


@pytest.fixture
def evening(make_world: Callable[..., World]) -> World:
    """Return a world with a cluster of 100 kW in which waiting until 18:00 pays."""
    world = make_world(price=evening_is_cheap, carbon=flat(0.0))
    with_cluster(world)
    return world


def pin(world: World, job_id: str, start: datetime | None, asset_id: str | None = None) -> JobView:
    return controls.pin(
        world.context, OPERATOR, job_id, start_time=start, asset_id=asset_id, pinned=True
    )


def confirm(
    world: World, job_id: str, event: str, at: datetime | None = None, **how: Any
) -> JobView:
    return controls.confirm(
        world.context, OPERATOR, job_id, event, at=at, energy_kwh=how.get("energy_kwh")
    )


def reserved_kw(world: World) -> float:
    with world.context.uow() as uow:
        held = uow.plans.reserved(NOON - hours(24), NOON + hours(400))
    return max((kw for slots in held.values() for kw in slots.values()), default=0.0)


# --- run now --------------------------------------------------------------------------------------


def test_running_now_takes_the_first_half_hour_with_room(evening: World) -> None:
    job_id = submitted(evening)
    assert placed(evening, job_id).start == NOON + hours(6)
    evening.at(NOON + timedelta(minutes=10))
    view = controls.run_now(evening.context, OPERATOR, job_id)
    assert placed(evening, job_id).start == NOON + timedelta(minutes=30)
    assert view.job.pinned_start == NOON + timedelta(minutes=30)
    assert view.plan is not None
    assert view.plan.award is not None
    assert "because it is pinned there" in view.plan.award.why


def test_running_now_waits_for_room_that_others_hold(evening: World) -> None:
    controls.run_now(evening.context, OPERATOR, submitted(evening, estimated_power_kw=95.0))
    job_id = submitted(evening)
    controls.run_now(evening.context, OPERATOR, job_id)
    assert placed(evening, job_id).start == NOON + hours(2)


def test_running_now_waits_for_the_job_it_comes_after(evening: World) -> None:
    first = submitted(evening, is_planned=False, latest_finish=NOON + hours(9))
    second = submitted(evening, depends_on=(first,))
    controls.run_now(evening.context, OPERATOR, second)
    assert evening.view(second).job.status is JobStatus.SCHEDULED
    assert placed(evening, second).start >= placed(evening, first).end


def test_a_job_that_fits_nowhere_cannot_run_now(evening: World) -> None:
    controls.run_now(
        evening.context, OPERATOR, submitted(evening, estimated_power_kw=95.0, duration=hours(4))
    )
    late = submitted(evening, latest_finish=NOON + hours(4))
    assert evening.view(late).job.status is JobStatus.REFUSED
    with pytest.raises(Conflict, match="no half-hour before the deadline has room"):
        controls.run_now(evening.context, OPERATOR, late)


def test_a_job_about_to_start_is_not_moved_by_running_it_now(evening: World) -> None:
    job_id = submitted(evening)
    evening.at(NOON + hours(5.95))
    with pytest.raises(Conflict, match="frozen"):
        controls.run_now(evening.context, OPERATOR, job_id)
    evening.at(NOON + hours(6.5))
    with pytest.raises(Conflict, match="frozen"):
        controls.run_now(evening.context, OPERATOR, job_id)


def test_a_held_job_can_be_run_now(evening: World) -> None:
    job_id = submitted(evening)
    controls.hold(evening.context, OPERATOR, job_id, held=True)
    controls.run_now(evening.context, OPERATOR, job_id)
    assert placed(evening, job_id).start == NOON
    assert not evening.view(job_id).job.is_held


# --- pin ------------------------------------------------------------------------------------------


def test_a_pinned_job_stays_while_prices_change(evening: World) -> None:
    job_id = submitted(evening)
    pin(evening, job_id, None)
    evening.grids["live"].carbon = lambda _slug, at: 900.0 if at.hour >= 17 else 0.0
    evening.at(NOON + hours(1))
    other = submitted(evening)
    assert placed(evening, job_id).start == NOON + hours(6)
    assert placed(evening, other).start < NOON + hours(5)
    controls.pin(evening.context, OPERATOR, job_id, start_time=None, asset_id=None, pinned=False)
    assert placed(evening, job_id).start < NOON + hours(5)


def test_a_job_can_be_pinned_to_another_start(evening: World) -> None:
    job_id = submitted(evening)
    pin(evening, job_id, NOON + hours(3))
    assert placed(evening, job_id).start == NOON + hours(3)
    pin(evening, job_id, NOON + hours(4), "hall")
    assert placed(evening, job_id).start == NOON + hours(4)


@pytest.mark.parametrize(
    "start",
    [
        NOON + timedelta(minutes=10),
        NOON - hours(1),
        NOON + hours(22.5),
        NOON + hours(500),
    ],
)
def test_a_start_off_the_half_hour_or_outside_the_window_is_refused_with_the_range(
    evening: World, start: datetime
) -> None:
    job_id = submitted(evening)
    with pytest.raises(InvalidRequest) as caught:
        pin(evening, job_id, start)
    (wrong,) = caught.value.fields
    assert wrong.field == "start_time"
    assert wrong.allowed == "half-hours from 2026-11-21T12:00:00Z to 2026-11-22T10:00:00Z"
    assert placed(evening, job_id).start == NOON + hours(6)


def test_a_cluster_that_the_job_may_not_use_is_refused_with_those_it_may(evening: World) -> None:
    job_id = submitted(evening)
    with pytest.raises(InvalidRequest) as caught:
        pin(evening, job_id, NOON + hours(3), "nowhere")
    (wrong,) = caught.value.fields
    assert (wrong.field, wrong.allowed) == ("asset_id", "hall")


def test_a_full_or_forbidden_start_is_a_conflict_that_names_the_rule(evening: World) -> None:
    big = submitted(evening, estimated_power_kw=95.0)
    pin(evening, big, NOON + hours(3))
    job_id = submitted(evening, max_price_gbp_per_kwh=0.2)
    with pytest.raises(Conflict, match="max_price forbids it"):
        pin(evening, job_id, NOON + hours(9.5))
    with pytest.raises(Conflict, match="max_price forbids it"):
        pin(evening, job_id, NOON + hours(3))
    free = submitted(evening)
    with pytest.raises(Conflict, match="power is held by other jobs"):
        pin(evening, free, NOON + hours(3))


def test_a_job_without_an_award_has_no_start_to_keep(evening: World) -> None:
    job_id = submitted(evening, is_planned=False)
    with pytest.raises(InvalidRequest, match="no start to keep"):
        pin(evening, job_id, None)


def test_a_frozen_job_can_be_kept_but_not_moved(evening: World) -> None:
    job_id = submitted(evening)
    evening.at(NOON + hours(5.95))
    with pytest.raises(Conflict, match="frozen"):
        pin(evening, job_id, NOON + hours(8))
    pin(evening, job_id, None)
    assert placed(evening, job_id).start == NOON + hours(6)


# --- hold -----------------------------------------------------------------------------------------


def test_a_held_job_gives_its_power_back_until_it_is_released(evening: World) -> None:
    job_id = submitted(evening)
    view = controls.hold(evening.context, OPERATOR, job_id, held=True)
    assert view.job.status is JobStatus.PENDING
    assert view.plan is not None
    assert view.plan.deferral is not None
    assert view.plan.deferral.reason == "held by a user"
    assert reserved_kw(evening) == 0.0
    view = controls.hold(evening.context, OPERATOR, job_id, held=False)
    assert view.job.status is JobStatus.SCHEDULED
    assert reserved_kw(evening) == 10.0


def test_a_refused_job_that_was_held_is_refused_again_when_it_is_released(evening: World) -> None:
    job_id = submitted(evening, max_price_gbp_per_kwh=0.01)
    for held in (True, False):
        view = controls.hold(evening.context, OPERATOR, job_id, held=held)
    assert view.job.status is JobStatus.REFUSED
    assert view.plan is not None
    assert view.plan.refusal is not None


def test_a_job_about_to_start_cannot_be_held(evening: World) -> None:
    job_id = submitted(evening)
    evening.at(NOON + hours(5.95))
    with pytest.raises(Conflict, match=r"starts at 2026-11-21T18:00:00Z and is frozen"):
        controls.hold(evening.context, OPERATOR, job_id, held=True)


# --- cancel and undo ------------------------------------------------------------------------------


def test_cancelling_gives_the_power_back_and_can_be_undone(evening: World) -> None:
    job_id = submitted(evening)
    start = placed(evening, job_id).start
    assert controls.cancel(evening.context, OPERATOR, job_id).status is JobStatus.CANCELLED
    assert reserved_kw(evening) == 0.0
    view = controls.undo_cancel(evening.context, OPERATOR, job_id)
    assert view.job.status is JobStatus.SCHEDULED
    assert placed(evening, job_id).start == start
    assert reserved_kw(evening) == 10.0


def test_a_refused_job_cancelled_and_undone_reads_refused_again(evening: World) -> None:
    job_id = submitted(evening, max_price_gbp_per_kwh=0.01)
    controls.cancel(evening.context, OPERATOR, job_id)
    assert controls.undo_cancel(evening.context, OPERATOR, job_id).job.status is JobStatus.REFUSED


def test_cancelling_a_held_job_ends_the_hold_and_undoing_holds_it_again(evening: World) -> None:
    job_id = submitted(evening)
    controls.hold(evening.context, OPERATOR, job_id, held=True)
    view = controls.cancel(evening.context, OPERATOR, job_id)
    assert (view.status, view.job.is_held, view.plan) == (JobStatus.CANCELLED, False, None)
    view = controls.undo_cancel(evening.context, OPERATOR, job_id)
    assert (view.status, view.job.is_held) == (JobStatus.PENDING, True)
    assert view.plan is not None
    assert view.plan.deferral is not None
    assert view.plan.deferral.reason == "held by a user"
    # Released, cancelled and undone once more, it is planned: only the last cancellation counts.
    controls.hold(evening.context, OPERATOR, job_id, held=False)
    controls.cancel(evening.context, OPERATOR, job_id)
    view = controls.undo_cancel(evening.context, OPERATOR, job_id)
    assert (view.status, view.job.is_held) == (JobStatus.SCHEDULED, False)


def test_cancelling_a_job_that_waits_for_a_held_one_forgets_why_it_waited(evening: World) -> None:
    first = submitted(evening)
    controls.hold(evening.context, OPERATOR, first, held=True)
    second = submitted(evening, depends_on=(first,))
    assert controls.cancel(evening.context, OPERATOR, second).plan is None


def test_a_job_about_to_start_cannot_be_run_sooner_and_is_told_why_and_what_to_do(
    evening: World,
) -> None:
    job_id = submitted(evening)
    evening.at(NOON + hours(5.95))
    with pytest.raises(Conflict) as told:
        controls.run_now(evening.context, OPERATOR, job_id)
    assert str(told.value) == (
        f"job {job_id} starts at 2026-11-21T18:00:00Z and is frozen, because nothing moves from 5 min before its "
        "start; it cannot start any sooner: wait for that start, or cancel it"
    )


def test_cancelling_twice_has_no_further_effect(evening: World) -> None:
    job_id = submitted(evening)
    controls.cancel(evening.context, OPERATOR, job_id)
    before = len(evening.records("correction"))
    controls.cancel(evening.context, OPERATOR, job_id)
    assert len(evening.records("correction")) == before


def test_only_a_cancelled_job_that_can_still_be_in_time_is_reopened(evening: World) -> None:
    job_id = submitted(evening, latest_finish=NOON + hours(8))
    with pytest.raises(Conflict, match="not cancelled"):
        controls.undo_cancel(evening.context, OPERATOR, job_id)
    controls.cancel(evening.context, OPERATOR, job_id)
    # 17:50: the next half-hour is 18:00 and the run ends at 20:00, in time; at 18:01 it would end at 20:30.
    evening.clock.instant = NOON + hours(6) + timedelta(minutes=1)
    with pytest.raises(Conflict, match="can no longer meet 2026-11-21T20:00:00Z"):
        controls.undo_cancel(evening.context, OPERATOR, job_id)


def test_a_job_cancelled_while_running_is_not_reopened(evening: World) -> None:
    job_id = submitted(evening)
    controls.run_now(evening.context, OPERATOR, job_id)
    confirm(evening, job_id, "started", NOON)
    controls.cancel(evening.context, OPERATOR, job_id)
    with pytest.raises(Conflict, match="had started"):
        controls.undo_cancel(evening.context, OPERATOR, job_id)


# --- confirm --------------------------------------------------------------------------------------


def a_run_at_noon(world: World, **changes: Any) -> str:
    job_id = submitted(world, **changes)
    if placed(world, job_id).start != NOON:
        controls.run_now(world.context, OPERATOR, job_id)
    return job_id


def test_a_run_is_started_and_completed_with_its_energy(evening: World) -> None:
    job_id = a_run_at_noon(evening)
    view = confirm(evening, job_id, "started", NOON + timedelta(minutes=2))
    assert (view.job.status, view.job.started_at) == (
        JobStatus.RUNNING,
        NOON + timedelta(minutes=2),
    )
    evening.clock.instant = NOON + hours(1.5)
    view = confirm(evening, job_id, "completed", energy_kwh=17.5)
    assert view.job.status is JobStatus.COMPLETED
    assert view.job.ended_at == NOON + hours(1.5)
    assert view.job.measured_energy_kwh == 17.5
    assert reserved_kw(evening) == 0.0
    (record, *_) = evening.records("outcome")
    told = json.loads(record.line)
    assert (told["action"], told["status_after"]) == ("confirm", "completed")
    assert told["detail"]["energy_kwh"] == "17.500000"


def test_a_completion_without_a_time_is_at_most_the_planned_length_after_the_start(
    evening: World,
) -> None:
    job_id = a_run_at_noon(evening)
    evening.clock.instant = NOON + hours(5)
    assert confirm(evening, job_id, "completed").job.ended_at == NOON + hours(2)


def test_a_window_that_passed_unsaid_can_still_be_confirmed(evening: World) -> None:
    job_id = a_run_at_noon(evening)
    evening.clock.instant = NOON + hours(5)
    lifecycle.advance(evening.context)
    assert evening.view(job_id).status is JobStatus.UNCONFIRMED
    assert confirm(evening, job_id, "completed").job.status is JobStatus.COMPLETED


def test_a_run_that_did_not_happen_is_planned_again(evening: World) -> None:
    job_id = a_run_at_noon(evening)
    confirm(evening, job_id, "started", NOON)
    evening.at(NOON + hours(1))
    view = confirm(evening, job_id, "did_not_run")
    assert view.job.status is JobStatus.SCHEDULED
    assert view.job.started_at is None
    assert placed(evening, job_id).start == NOON + hours(6)
    # It is a new start, not a move that costs churn.
    assert view.plan is not None
    assert view.plan.award is not None
    assert view.plan.award.churn_gbp == 0.0


def test_a_run_that_did_not_happen_and_cannot_any_more_has_failed(evening: World) -> None:
    job_id = a_run_at_noon(evening, latest_finish=NOON + hours(3))
    evening.clock.instant = NOON + hours(1) + timedelta(minutes=1)
    assert confirm(evening, job_id, "did_not_run").job.status is JobStatus.FAILED


def test_a_failed_run_gives_its_power_back(evening: World) -> None:
    job_id = a_run_at_noon(evening)
    evening.clock.instant = NOON + hours(1)
    view = confirm(evening, job_id, "failed", energy_kwh=4.0)
    assert (view.job.status, view.job.ended_at) == (JobStatus.FAILED, NOON + hours(1))
    assert reserved_kw(evening) == 0.0


@pytest.mark.parametrize(
    ("event", "now", "text"),
    [
        ("started", 5.0, "use run-now to start it earlier"),
        ("completed", 5.0, "use run-now to start it earlier"),
        ("started", 5.8, "say so from then on"),
        ("did_not_run", 5.9, "cancel or hold the job instead"),
    ],
)
def test_nothing_can_be_said_about_a_run_before_its_window(
    evening: World, event: str, now: float, text: str
) -> None:
    job_id = submitted(evening)
    at = None if event == "did_not_run" else NOON + hours(now)
    evening.clock.instant = NOON + hours(now)
    with pytest.raises(Conflict, match=text):
        confirm(evening, job_id, event, at)


def test_what_lies_in_the_future_cannot_have_happened(evening: World) -> None:
    job_id = a_run_at_noon(evening)
    with pytest.raises(InvalidRequest) as caught:
        confirm(evening, job_id, "started", NOON + timedelta(minutes=6))
    assert caught.value.fields[0].field == "at"
    confirm(evening, job_id, "started", NOON + timedelta(minutes=4))


def test_a_run_does_not_end_before_it_started(evening: World) -> None:
    job_id = a_run_at_noon(evening)
    evening.clock.instant = NOON + hours(1)
    confirm(evening, job_id, "started", NOON + timedelta(minutes=30))
    with pytest.raises(InvalidRequest, match="before the start"):
        confirm(evening, job_id, "completed", NOON + timedelta(minutes=10))


def test_a_run_does_not_start_twice_or_end_twice(evening: World) -> None:
    job_id = a_run_at_noon(evening)
    confirm(evening, job_id, "started", NOON)
    with pytest.raises(Conflict, match="already running"):
        confirm(evening, job_id, "started", NOON)
    evening.clock.instant = NOON + hours(2)
    confirm(evening, job_id, "completed")
    with pytest.raises(Conflict, match="already completed"):
        confirm(evening, job_id, "failed")
    with pytest.raises(Conflict, match="can no longer be cancelled"):
        controls.cancel(evening.context, OPERATOR, job_id)


def test_a_job_without_a_run_cannot_be_confirmed(evening: World) -> None:
    refused = submitted(evening, max_price_gbp_per_kwh=0.01)
    with pytest.raises(Conflict, match="it has no run to confirm"):
        confirm(evening, refused, "started", NOON)
    held = submitted(evening)
    controls.hold(evening.context, OPERATOR, held, held=True)
    with pytest.raises(Conflict, match="it has no run to confirm"):
        confirm(evening, held, "started", NOON)


@pytest.mark.parametrize("energy_kwh", [-1.0, float("nan"), float("inf")])
def test_energy_that_cannot_be_is_refused(evening: World, energy_kwh: float) -> None:
    job_id = a_run_at_noon(evening)
    with pytest.raises(InvalidRequest) as caught:
        confirm(evening, job_id, "completed", energy_kwh=energy_kwh)
    assert caught.value.fields[0].field == "energy_kwh"


def test_an_unknown_event_is_refused_with_those_there_are(evening: World) -> None:
    with pytest.raises(InvalidRequest) as caught:
        confirm(evening, submitted(evening), "exploded")
    assert caught.value.fields[0].allowed == "started, completed, failed, did_not_run"


# --- change ---------------------------------------------------------------------------------------


def change(world: World, job_id: str, **changes: Any) -> JobView:
    return amend.change(world.context, OPERATOR, job_id, changes)


def test_a_changed_job_is_planned_anew_but_arrived_when_it_did(evening: World) -> None:
    job_id = submitted(evening)
    evening.at(NOON + hours(1.1))
    view = change(evening, job_id, latest_finish=NOON + hours(5), priority=Priority.HIGH)
    assert view.job.priority is Priority.HIGH
    assert placed(evening, job_id).end <= NOON + hours(5)
    assert view.job.accepted_at == NOON
    assert view.job.baseline_start == NOON
    assert view.job.earliest_start == NOON
    (control,) = _controls(evening, job_id)
    assert control.action == "change"
    assert control.detail["priority"] == "high"


def _controls(world: World, job_id: str) -> Any:
    with world.context.uow() as uow:
        return uow.jobs.controls(job_id)


def test_a_later_start_moves_the_run_on_arrival(evening: World) -> None:
    job_id = submitted(evening)
    view = change(evening, job_id, earliest_start=NOON + hours(3.1))
    assert view.job.baseline_start == NOON + hours(3.5)


def test_other_gpus_change_the_power(evening: World) -> None:
    job_id = submitted(evening, estimated_power_kw=None, gpu_model="A100-40GB-PCIe", gpu_count=8)
    before = evening.view(job_id).job.power_kw
    after = change(evening, job_id, gpu_count=4).job.power_kw
    assert after == pytest.approx(before / 2)
    assert change(evening, job_id, estimated_power_kw=3.0).job.power_kw == 3.0


def test_a_new_power_replaces_a_profile(evening: World) -> None:
    job_id = submitted(evening, estimated_power_kw=None, power_profile_kw=(10.0, 20.0, 10.0, 20.0))
    view = change(evening, job_id, estimated_power_kw=7.0)
    assert (view.job.power_kw, view.job.power_profile_kw) == (7.0, ())
    assert placed(evening, job_id).energy_kwh == pytest.approx(14.0)


def test_a_job_moved_to_another_cluster_goes_with_its_region(evening: World) -> None:
    with_cluster(evening, asset_id="north", region="yorkshire")
    job_id = submitted(evening, asset_id="hall")
    view = change(evening, job_id, asset_id="north")
    assert view.job.allowed_regions == ("yorkshire",)
    assert placed(evening, job_id).asset_id == "north"
    wide = submitted(evening, asset_id="hall", allowed_regions=("london", "wales", "yorkshire"))
    assert change(evening, wide, asset_id="north").job.allowed_regions == (
        "london", "wales", "yorkshire",
    )  # fmt: skip


def test_a_change_that_can_never_fit_is_refused_and_changes_nothing(evening: World) -> None:
    job_id = submitted(evening)
    with pytest.raises(Infeasible):
        change(evening, job_id, estimated_power_kw=500.0)
    with pytest.raises(Infeasible):
        change(evening, job_id, duration=hours(30))
    assert evening.view(job_id).job.power_kw == 10.0
    assert _controls(evening, job_id) == ()


def test_jobs_cannot_be_made_to_wait_for_each_other_in_a_circle(evening: World) -> None:
    first = submitted(evening, is_planned=False)
    second = submitted(evening, is_planned=False, depends_on=(first,))
    third = submitted(evening, depends_on=(second,))
    with pytest.raises(InvalidRequest) as caught:
        change(evening, first, depends_on=(third,))
    assert caught.value.fields[0].field == "depends_on"
    with pytest.raises(InvalidRequest):
        change(evening, first, depends_on=(first,))


def test_what_has_started_or_is_about_to_cannot_be_changed(evening: World) -> None:
    job_id = submitted(evening)
    evening.at(NOON + hours(5.95))
    with pytest.raises(Conflict, match="frozen"):
        change(evening, job_id, priority=Priority.LOW)
    confirm(evening, job_id, "started", NOON + hours(5.95))
    with pytest.raises(Conflict, match="running and can no longer be changed"):
        change(evening, job_id, priority=Priority.LOW)


# --- who may, and what is kept --------------------------------------------------------------------


def test_nobody_acts_on_another_owners_job_and_an_auditor_on_none(evening: World) -> None:
    job_id = submitted(evening)
    for act in (
        lambda who: controls.cancel(evening.context, who, job_id),
        lambda who: controls.run_now(evening.context, who, job_id),
        lambda who: controls.hold(evening.context, who, job_id, held=True),
        lambda who: amend.change(evening.context, who, job_id, {"priority": Priority.LOW}),
    ):
        with pytest.raises(NotFound):
            act(STRANGER)
        with pytest.raises(Forbidden):
            act(AUDITOR)
    assert evening.view(job_id).job.status is JobStatus.SCHEDULED


def test_every_act_is_recorded_with_the_decision_it_touches(evening: World) -> None:
    job_id = submitted(evening)
    plan = evening.view(job_id).plan
    assert plan is not None
    controls.hold(evening.context, OPERATOR, job_id, held=True)
    (record,) = evening.records("correction")
    told = json.loads(record.line)
    assert (told["action"], told["status_before"], told["status_after"]) == (
        "hold", "scheduled", "pending",
    )  # fmt: skip
    assert told["ref"] == plan.decision_id
    assert told["actor"]["kind"] == "human"
    assert evening.context.audit.verify(evening.context.uow).ok
