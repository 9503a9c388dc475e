"""Planning on a real database: one planner at a time, stale plans made anew, records, freezing and re-planning."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from agents.faults import PolicyVeto
from agents.scheduler import negotiate
from agents.view import Outcome, Situation
from models.domain.access import Caller, Role
from models.domain.errors import Forbidden, NotFound, PlanningFailed, StalePlan
from models.domain.job import Flexibility, JobStatus
from models.domain.plan import NegotiationStatus
from models.domain.power_limit import PowerLimit
from services import assets, controls, negotiating, planning, submit
from services.negotiation_log import begin
from services.signals import RefreshReport
from services.types import AssetDraft, JobDraft, Repeat
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
    with_settings,
)

QUIET = RefreshReport(False, False, False)
"""Nothing new from any source."""

NEIGHBOUR = Caller("neighbour", Role.OPERATOR, "key-9")


def evening_is_cheap(_slug: str, at: datetime) -> float:
    """Return £0.10 from 18:00 to 22:00 and £0.30 otherwise; at noon prices are published to 23:00."""
    return 0.10 if 18 <= at.hour < 22 else 0.30


def most_reserved_kw(world: World) -> float:
    with world.context.uow() as uow:
        held = uow.plans.reserved(NOON - hours(24), NOON + hours(400))
    return max((kw for slots in held.values() for kw in slots.values()), default=0.0)


def draft(**changes: Any) -> JobDraft:
    plain = JobDraft(duration=hours(2), latest_finish=NOON + hours(24), estimated_power_kw=10.0)
    return replace(plain, **changes)


# --- one plan -------------------------------------------------------------------------------------


def test_a_plan_answers_every_open_job_and_can_be_followed(
    make_world: Callable[..., World],
) -> None:
    world = make_world(price=evening_is_cheap)
    with_cluster(world)
    first = submitted(world, is_planned=False)
    # An impossible cap is a refusal, not an error: 100 g/kWh everywhere.
    second = submitted(world, is_planned=False, carbon_cap_g_per_kwh=50.0)
    run = planning.schedule(world.context, OPERATOR, first)
    assert (run.finished, run.scheduled, run.refused, run.deferred) == (True, 1, 1, 0)
    assert placed(world, first).start == NOON + hours(6)
    assert world.view(first).job.status is JobStatus.SCHEDULED
    assert world.view(second).job.status is JobStatus.REFUSED
    told = planning.show(world.context, OPERATOR, run.negotiation_id)
    assert told.summary.status is NegotiationStatus.COMMITTED
    assert told.summary.certificate == run.certificate
    assert {job["job_id"] for job in told.snapshot["jobs"]} == {first, second}
    assert [m["kind"] for m in told.messages][:2] == ["signals_published", "policy_published"]


def test_every_answer_and_the_negotiation_are_on_record(world: World) -> None:
    with_cluster(world)
    submitted(world, is_planned=False)
    submitted(world, carbon_cap_g_per_kwh=50.0)
    (decision,) = world.records("decision")
    (refusal,) = world.records("refusal")
    (negotiation,) = world.records("negotiation")
    assert json.loads(decision.line)["selected"]["option_id"] == "chosen"
    assert json.loads(refusal.line)["selected"]["rule"] == "carbon_cap"
    body = json.loads(negotiation.line)
    assert body["changed_count"] == 2
    assert body["certificate"]["gap_percent"] is None
    assert world.context.audit.verify(world.context.uow).ok


def test_planning_again_with_nothing_new_writes_no_new_decision(
    make_world: Callable[..., World],
) -> None:
    world = make_world(price=evening_is_cheap)
    with_cluster(world)
    submitted(world, is_planned=False)
    submitted(world, carbon_cap_g_per_kwh=50.0)
    before = [world.view(record.job_id).plan for record in world.records("decision")]
    planning.schedule_all(world.context, OPERATOR)
    planning.schedule_all(world.context, OPERATOR)
    assert len(world.records("decision")) == 1
    assert len(world.records("refusal")) == 1
    assert len(world.records("negotiation")) == 3
    latest = json.loads(world.records("negotiation")[0].line)
    assert (latest["changed_count"], latest["unchanged_count"]) == (0, 1)
    after = [world.view(record.job_id).plan for record in world.records("decision")]
    assert [p.decision_id for p in after if p] == [p.decision_id for p in before if p]


def test_an_award_that_moves_is_recorded_with_its_reason(
    make_world: Callable[..., World],
) -> None:
    world = make_world(price=evening_is_cheap, carbon=flat(0.0))
    with_cluster(world)
    job_id = submitted(world)
    assert placed(world, job_id).start == NOON + hours(6)
    world.grids["live"].carbon = lambda _slug, at: 400.0 if 18 <= at.hour < 22 else 0.0
    world.at(NOON + hours(1))
    run = planning.replan(world.context, trigger="new_forecast")
    assert run.moved == 1
    plan = world.view(job_id).plan
    assert plan is not None
    assert plan.moves == 1
    assert plan.previous_start == NOON + hours(6)
    assert plan.move_reason is not None
    assert plan.move_reason.startswith("a new carbon forecast: from Sat 18:00 to Sat")
    assert "£2.00 expected then, £6.00 now" in plan.move_reason
    assert len(world.records("decision")) == 2


def test_more_work_than_power_is_shared_out_and_never_exceeds_the_cluster(world: World) -> None:
    with_cluster(world, max_power_kw=25.0)
    view = submit.submit_and_plan(
        world.context,
        OPERATOR,
        draft(latest_finish=NOON + hours(8), job_name="batch"),
        Repeat(copies=12),
    )
    # Two at a time, four turns of two hours: eight of twelve.
    statuses = [job.job.status for job in view]
    assert statuses.count(JobStatus.SCHEDULED) == 8
    assert statuses.count(JobStatus.REFUSED) == 4
    assert most_reserved_kw(world) == pytest.approx(20.0)


def test_a_refused_job_is_planned_as_soon_as_power_is_given_back(world: World) -> None:
    with_cluster(world, max_power_kw=10.0)
    first = submitted(world, latest_finish=NOON + hours(2))
    second = submitted(world, latest_finish=NOON + hours(2))
    assert world.view(second).job.status is JobStatus.REFUSED
    controls.cancel(world.context, OPERATOR, first)
    assert world.view(second).job.status is JobStatus.SCHEDULED
    assert most_reserved_kw(world) == 10.0


# --- who may --------------------------------------------------------------------------------------


def test_another_owners_job_cannot_be_scheduled_nor_seen(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world)
    with pytest.raises(NotFound):
        planning.schedule(world.context, STRANGER, job_id)
    with pytest.raises(Forbidden):
        planning.schedule(world.context, AUDITOR, job_id)
    with pytest.raises(Forbidden):
        planning.schedule_all(world.context, AUDITOR)
    with pytest.raises(NotFound):
        planning.schedule(world.context, OPERATOR, "no-such-job")


def test_a_shared_plan_shows_each_owner_only_their_own_work(world: World) -> None:
    with_cluster(world)
    submitted(world, is_planned=False)
    assets.create(
        world.context, NEIGHBOUR, AssetDraft(region="london", max_power_kw=50.0, asset_id="theirs")
    )
    theirs = submit.submit(world.context, NEIGHBOUR, draft()).job.job_id
    run = planning.schedule_all(world.context, OPERATOR)
    assert run.scheduled == 2
    told = planning.show(world.context, NEIGHBOUR, run.negotiation_id)
    assert [job["job_id"] for job in told.snapshot["jobs"]] == [theirs]
    assert {m["job_id"] for m in told.messages if m.get("job_id")} == {theirs}
    senders = {m["sender"] for m in told.messages}
    assert "jobs:neighbour" in senders
    assert "jobs:local" not in senders
    everything = planning.show(world.context, AUDITOR, run.negotiation_id)
    assert len(everything.snapshot["jobs"]) == 2
    assert planning.page(world.context, NEIGHBOUR).items[0].scheduled == 2


# --- stale facts ----------------------------------------------------------------------------------


class Interrupted:
    """A negotiation during which something happens, so many times."""

    def __init__(self, happens: Callable[[], object], times: int) -> None:
        self.happens, self.times, self.calls = happens, times, 0

    def __call__(self, situation: Situation) -> Outcome:
        self.calls += 1
        outcome = negotiate(situation)
        if self.calls <= self.times:
            self.happens()
        return outcome


def test_a_job_accepted_while_planning_leads_to_another_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cluster(world)
    first = submitted(world, is_planned=False)
    added: list[str] = []
    busy = Interrupted(lambda: added.append(submitted(world, is_planned=False)), times=1)
    monkeypatch.setattr(negotiating, "negotiate", busy)
    run = planning.schedule_all(world.context, OPERATOR)
    assert busy.calls == 2
    assert run.scheduled == 2
    for job_id in (first, *added):
        assert world.view(job_id).job.status is JobStatus.SCHEDULED
    assert len(world.records("negotiation")) == 1


def test_a_job_cancelled_while_planning_does_not_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cluster(world)
    job_id = submitted(world)
    quiet = replace(world.context, settings=replace(world.context.settings))
    monkeypatch.setattr("services.acts.planning.replan_after", lambda *_a, **_k: None)
    busy = Interrupted(lambda: controls.cancel(quiet, OPERATOR, job_id), times=1)
    monkeypatch.setattr(negotiating, "negotiate", busy)
    run = planning.schedule_all(world.context, OPERATOR)
    assert (busy.calls, run.scheduled) == (2, 0)
    assert world.view(job_id).status is JobStatus.CANCELLED
    assert most_reserved_kw(world) == 0.0


def test_a_steady_stream_of_new_jobs_does_not_keep_a_plan_from_being_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cluster(world)
    first = submitted(world, is_planned=False)
    busy = Interrupted(lambda: submitted(world, is_planned=False), times=1000)
    monkeypatch.setattr(negotiating, "negotiate", busy)
    run = planning.schedule_all(world.context, OPERATOR)
    # One strict attempt, then the second is taken without the job that came last: the first job and the next one.
    assert busy.calls == planning.STRICT_ATTEMPTS + 1 == 2
    assert run.scheduled == 2
    assert world.view(first).job.status is JobStatus.SCHEDULED


def touched(world: World, job_id: str) -> None:
    """Change a job in no way that matters, as somebody who edits it would."""
    with world.context.uow(write=True) as uow:
        job = uow.jobs.get(job_id)
        uow.jobs.update(replace(job, version=job.version + 1))
        uow.plans.bump()
        uow.commit()


def test_a_job_that_keeps_changing_waits_and_the_others_are_planned(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cluster(world)
    restless = submitted(world, is_planned=False)
    waits = submitted(world, is_planned=False, depends_on=(restless,))
    other = submitted(world, is_planned=False)
    busy = Interrupted(lambda: touched(world, restless), times=1000)
    monkeypatch.setattr(negotiating, "negotiate", busy)
    run = planning.schedule_all(world.context, OPERATOR)
    assert busy.calls == planning.STRICT_ATTEMPTS + 1
    assert world.view(other).status is JobStatus.SCHEDULED
    assert run.scheduled == 1
    shown = planning.show(world.context, OPERATOR, run.negotiation_id)
    assert shown.summary.scheduled == 1
    told_of = {
        job["job_id"]: (job["status"], job["schedule"] is None) for job in shown.snapshot["jobs"]
    }
    assert told_of == {
        restless: ("pending", True), waits: ("pending", True), other: ("scheduled", False)
    }  # fmt: skip
    for late in (restless, waits):
        assert (world.view(late).status, world.view(late).plan) == (JobStatus.PENDING, None)
    told = [json.loads(record.line) for record in world.records("decision")]
    assert {line["job_id"] for line in told} == {other}
    monkeypatch.undo()
    assert planning.schedule_all(world.context, OPERATOR).scheduled == 3


def test_whom_a_changing_job_waits_for_stays_where_it_was_counted_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The restless job keeps its old start; if the one before it moved, it might move past that.
    with_cluster(world)
    before = submitted(world, is_planned=False)
    restless = submitted(world, is_planned=False, depends_on=(before,))
    other = submitted(world, is_planned=False)
    busy = Interrupted(lambda: touched(world, restless), times=1000)
    monkeypatch.setattr(negotiating, "negotiate", busy)
    planning.schedule_all(world.context, OPERATOR)
    assert world.view(other).status is JobStatus.SCHEDULED
    for late in (before, restless):
        assert (world.view(late).status, world.view(late).plan) == (JobStatus.PENDING, None)


def test_a_plan_that_needs_the_room_of_a_job_that_was_fixed_meanwhile_is_made_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 100 kW for these days: two jobs of 60 kW cannot run at once. The first is planned at night; while a plan is made,
    # somebody fixes it there, where the plan wants the second.
    limits = (PowerLimit(100.0, NOON, NOON + hours(72)),)
    with_cluster(world, max_power_kw=200.0, power_limits=limits)
    first = submitted(world, estimated_power_kw=60.0, earliest_start=NOON + hours(6))
    night = placed(world, first).start
    second = submitted(world, estimated_power_kw=60.0, is_planned=False)
    plain = negotiating.negotiate
    seen: list[Outcome] = []

    def swapped(facing: Situation) -> Outcome:
        outcome = plain(facing)
        seen.append(outcome)
        if len(seen) > 3:
            return outcome
        touched(world, first)
        there = {award.job_id: award for award in outcome.awards}
        length = there[second].placement.end - there[second].placement.start
        segment = replace(there[second].placement.segments[0], start=night, end=night + length)
        moved = replace(
            there[second].placement, start=night, end=night + length, segments=(segment,)
        )
        awards = (there[first], replace(there[second], placement=moved))
        return replace(outcome, awards=awards)

    monkeypatch.setattr(negotiating, "negotiate", swapped)
    planning.schedule_all(world.context, OPERATOR)
    assert len(seen) == 4, "three plans did not fit, the fourth did"
    assert placed(world, first).start == night
    assert most_reserved_kw(world) <= 100.0
    assert world.view(second).status is JobStatus.SCHEDULED


def test_clusters_that_keep_changing_end_in_a_conflict_and_nothing_is_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset_id = with_cluster(world)
    job_id = submitted(world, is_planned=False)

    def touch() -> None:
        with world.context.uow(write=True) as uow:
            asset = uow.assets.get(asset_id)
            more = replace(asset, max_power_kw=asset.max_power_kw + 1, version=asset.version + 1)
            uow.assets.update(more)
            uow.plans.bump()
            uow.commit()

    busy = Interrupted(touch, times=1000)
    monkeypatch.setattr(negotiating, "negotiate", busy)
    with pytest.raises(StalePlan):
        planning.schedule_all(world.context, OPERATOR)
    assert busy.calls == planning.ATTEMPTS
    assert world.view(job_id).plan is None
    assert most_reserved_kw(world) == 0.0
    (summary,) = planning.page(world.context, OPERATOR).items
    assert summary.status is NegotiationStatus.FAILED
    assert summary.error


def test_a_planner_that_lost_its_lease_commits_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cluster(world)
    job_id = submitted(world, is_planned=False)

    def usurp() -> None:
        # Far in the future the lease has run out; another planner takes it.
        now = world.clock.instant
        world.clock.instant = now + hours(1)
        monkeypatch.setattr(
            world.context.leases, "_system_now", lambda: datetime.now(NOON.tzinfo) + hours(1)
        )
        assert world.context.leases.acquire("plan", "usurper", 3600.0) is not None
        world.clock.instant = now

    monkeypatch.setattr(negotiating, "negotiate", Interrupted(usurp, times=1))
    with pytest.raises(StalePlan, match="taken over"):
        planning.schedule_all(world.context, OPERATOR)
    assert world.view(job_id).plan is None


def test_our_own_mistake_stops_the_plan_and_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cluster(world)
    job_id = submitted(world, is_planned=False)

    def wrong(_situation: Situation) -> Outcome:
        raise PolicyVeto("power: exceeded")

    monkeypatch.setattr(negotiating, "negotiate", wrong)
    with pytest.raises(PlanningFailed) as caught:
        planning.schedule_all(world.context, OPERATOR)
    assert isinstance(caught.value.__cause__, PolicyVeto)
    assert world.view(job_id).plan is None
    (summary,) = planning.page(world.context, OPERATOR).items
    assert (summary.status, summary.error) == (NegotiationStatus.FAILED, str(caught.value))
    # The next planner is not kept waiting.
    monkeypatch.undo()
    assert planning.schedule_all(world.context, OPERATOR).scheduled == 1


def test_an_accepted_job_stays_accepted_when_planning_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cluster(world)

    def stale(_situation: Situation) -> Outcome:
        raise StalePlan("overtaken")

    monkeypatch.setattr(negotiating, "negotiate", stale)
    (view,) = submit.submit_and_plan(world.context, OPERATOR, draft(), Repeat())
    assert (view.status, view.plan) == (JobStatus.PENDING, None)
    monkeypatch.undo()
    run = planning.replan_if_needed(world.context, QUIET)
    assert run is not None
    assert world.view(view.job.job_id).job.status is JobStatus.SCHEDULED
    assert planning.replan_if_needed(world.context, QUIET) is None


def test_a_long_plan_is_answered_before_it_is_done_and_finishes_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cluster(world)
    job_id = submitted(world, is_planned=False)
    gate = threading.Event()
    monkeypatch.setattr(negotiating, "negotiate", Interrupted(lambda: gate.wait(20), times=1))
    hurried = with_settings(world.context, schedule_wait_seconds=0.05)
    run = planning.schedule_all(hurried, OPERATOR)
    assert not run.finished
    told = planning.show(world.context, OPERATOR, run.negotiation_id)
    assert told.summary.status is NegotiationStatus.RUNNING
    gate.set()
    for thread in threading.enumerate():
        if thread.name == f"plan-{run.negotiation_id}":
            thread.join(20)
    told = planning.show(world.context, OPERATOR, run.negotiation_id)
    assert told.summary.status is NegotiationStatus.COMMITTED
    assert world.view(job_id).job.status is JobStatus.SCHEDULED


def test_a_negotiation_whose_process_died_is_called_abandoned_later(world: World) -> None:
    with_cluster(world)
    lost = world.context.new_id()
    begin(world.context, lost, "schedule_all")
    submitted(world)
    assert _status(world, str(lost)) is NegotiationStatus.RUNNING
    world.at(NOON + timedelta(minutes=11))
    planning.schedule_all(world.context, OPERATOR)
    assert _status(world, str(lost)) is NegotiationStatus.ABANDONED


def _status(world: World, negotiation_id: str) -> NegotiationStatus:
    return planning.show(world.context, OPERATOR, negotiation_id).summary.status


# --- several planners -----------------------------------------------------------------------------


def test_planners_in_many_threads_never_double_book(world: World) -> None:
    with_cluster(world, max_power_kw=30.0)

    def one(n: int) -> None:
        until = NOON + hours(6 + n % 4)
        submit.submit_and_plan(world.context, OPERATOR, draft(latest_finish=until), Repeat())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(12)))
    # Three at a time from noon: six hours take nine runs, nine hours take twelve.
    assert most_reserved_kw(world) <= 30.0 + 1e-6
    with world.context.uow() as uow:
        jobs = uow.jobs.open_jobs()
        plans = uow.plans.current()
    assert len(jobs) == 12
    assert all(plans[job.job_id].award or plans[job.job_id].refusal for job in jobs)
    assert world.context.audit.verify(world.context.uow).ok


# --- freezing -------------------------------------------------------------------------------------


def test_an_award_that_starts_within_the_freeze_does_not_move(
    make_world: Callable[..., World],
) -> None:
    world = make_world(price=evening_is_cheap, carbon=flat(0.0))
    with_cluster(world)
    job_id = submitted(world)
    start = NOON + hours(6)
    world.grids["live"].price = lambda _slug, at: 0.90 if 18 <= at.hour < 22 else 0.01
    world.at(start - timedelta(minutes=5))
    planning.replan(world.context, trigger="new_prices")
    assert placed(world, job_id).start == start
    assert len(world.records("decision")) == 1
    (snapshot,) = planning.show(
        world.context, OPERATOR, planning.page(world.context, OPERATOR).items[0].negotiation_id
    ).snapshot["jobs"]
    assert snapshot["job_id"] == job_id


def test_an_award_that_starts_just_later_moves(make_world: Callable[..., World]) -> None:
    world = make_world(price=evening_is_cheap, carbon=flat(0.0))
    with_cluster(world)
    job_id = submitted(world)
    start = NOON + hours(6)
    world.grids["live"].carbon = lambda _slug, at: 500.0 if 18 <= at.hour < 22 else 0.0
    world.at(start - timedelta(minutes=5, seconds=1))
    planning.replan(world.context, trigger="new_forecast")
    assert placed(world, job_id).start != start


def test_frozen_work_keeps_its_power_from_newcomers(world: World) -> None:
    with_cluster(world, max_power_kw=10.0)
    first = submitted(world, latest_finish=NOON + hours(2))
    world.at(NOON + timedelta(minutes=1))
    late = submitted(world, latest_finish=NOON + hours(4.5))
    assert placed(world, first).start == NOON
    assert placed(world, late).start == NOON + hours(2)
    assert planning.page(world.context, OPERATOR).items[0].scheduled == 2


# --- dependencies outside the plan ----------------------------------------------------------------


def test_jobs_behind_a_held_one_are_deferred_along_the_whole_chain(world: World) -> None:
    with_cluster(world)
    first = submitted(world, is_planned=False, earliest_start=NOON + hours(1))
    second = submitted(world, is_planned=False, depends_on=(first,))
    third = submitted(world, depends_on=(second,))
    controls.hold(world.context, OPERATOR, first, held=True)
    for job_id in (first, second, third):
        view = world.view(job_id)
        assert view.job.status is JobStatus.PENDING
        assert view.plan is not None
        assert view.plan.deferral is not None
    assert most_reserved_kw(world) == 0.0
    controls.hold(world.context, OPERATOR, first, held=False)
    assert placed(world, second).start >= placed(world, first).end
    assert placed(world, third).start >= placed(world, second).end


def test_jobs_behind_a_cancelled_one_are_refused_along_the_whole_chain(world: World) -> None:
    with_cluster(world)
    first = submitted(world, is_planned=False)
    second = submitted(world, is_planned=False, depends_on=(first,))
    third = submitted(world, depends_on=(second,))
    controls.cancel(world.context, OPERATOR, first)
    refusals = [world.view(job_id).plan.refusal for job_id in (second, third)]  # type: ignore[union-attr]
    assert [(r.rule, r.detail) for r in refusals if r] == [
        ("predecessor", f"it waits for {first}, which was cancelled"),
        ("predecessor", f"it waits for {second}, which this plan does not serve"),
    ]


def test_a_successor_waits_for_a_running_job_and_for_its_confirmation(world: World) -> None:
    with_cluster(world)
    first = submitted(world, is_planned=False, latest_finish=NOON + hours(2))
    second = submitted(world, depends_on=(first,))
    controls.confirm(world.context, OPERATOR, first, "started", at=NOON, energy_kwh=None)
    world.at(NOON + hours(1))
    planning.schedule_all(world.context, OPERATOR)
    assert placed(world, second).start >= NOON + hours(2)
    # It runs late: nobody said that it ended.
    world.at(NOON + hours(2.1))
    planning.schedule_all(world.context, OPERATOR)
    if world.view(second).job.status is JobStatus.PENDING:
        deferral = world.view(second).plan.deferral  # type: ignore[union-attr]
        assert deferral is not None
        assert deferral.reason == f"waits until {first} is confirmed to have run"
    controls.confirm(world.context, OPERATOR, first, "completed", at=None, energy_kwh=None)
    assert world.view(second).job.status is JobStatus.SCHEDULED


@pytest.mark.parametrize("kind", list(Flexibility))
def test_every_kind_is_planned_and_keeps_its_place_when_nothing_changes(
    world: World, kind: Flexibility
) -> None:
    with_cluster(world)
    job_id = submitted(world, flexibility=kind)
    first = world.view(job_id)
    assert first.job.status is JobStatus.SCHEDULED
    assert planning.schedule_all(world.context, OPERATOR).moved == 0
    again = world.view(job_id)
    assert first.plan is not None
    assert again.plan is not None
    assert again.plan.award is not None
    assert first.plan.award is not None
    assert again.plan.award.placement.segments == first.plan.award.placement.segments


# --- the loop's question --------------------------------------------------------------------------


def test_nothing_is_planned_when_nothing_calls_for_it(world: World) -> None:
    assert planning.replan_if_needed(world.context, QUIET) is None
    with_cluster(world)
    submitted(world)
    assert planning.replan_if_needed(world.context, QUIET) is None
    world.at(NOON + hours(5))
    later = submitted(world, earliest_start=NOON + hours(9))
    controls.hold(world.context, OPERATOR, later, held=True)
    assert planning.replan_if_needed(world.context, QUIET) is None


def test_news_call_for_a_plan_by_name(world: World) -> None:
    with_cluster(world)
    submitted(world)
    for report, trigger in (
        (RefreshReport(True, False, False), "new_forecast"),
        (RefreshReport(True, True, False), "new_prices"),
        (RefreshReport(False, False, True), "new_forecast"),
    ):
        run = planning.replan_if_needed(world.context, report)
        assert run is not None
        told = planning.show(world.context, OPERATOR, run.negotiation_id)
        assert told.summary.trigger == trigger


def test_a_job_put_back_by_somebody_who_then_died_is_planned_by_the_loop(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cluster(world)
    job_id = submitted(world)
    controls.cancel(world.context, OPERATOR, job_id)
    monkeypatch.setattr("services.acts.planning.replan_after", lambda *_a, **_k: None)
    controls.undo_cancel(world.context, OPERATOR, job_id)
    assert world.view(job_id).job.status is JobStatus.PENDING
    assert planning.replan_if_needed(world.context, QUIET) is not None
    assert world.view(job_id).job.status is JobStatus.SCHEDULED
