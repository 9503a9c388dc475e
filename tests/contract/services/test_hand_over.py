"""Hand-over: exactly once, following the plan, and the truth of what became of it; on both databases."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from models.domain.access import Caller, Role
from models.domain.errors import AuditBroken, ExecutorFailed, InvalidRequest, NotFound
from models.domain.execution import ExecutionState, Stage, Wanted
from models.domain.job import JobStatus
from models.domain.time import SLOT
from services import (
    controls,
    executions,
    executor_turn,
    hand_over,
    intents,
    job_detail,
    outturn,
    planning,
)
from storage.database import Database
from tests.support.fake_executor import PowerCut
from tests.support.fleet import NOON
from tests.support.hall import MINUTE, WORK, Hall, later
from tests.support.world import (
    OPERATOR,
    hours,
    placed,
    submitted,
    with_settings,
)


@pytest.fixture
def hall(database: Database, tmp_path: Path) -> Hall:
    return Hall(database, tmp_path)


# --- out ------------------------------------------------------------------------------------------


def test_planned_work_is_handed_over_with_its_planned_start_as_begin_time(hall: Hall) -> None:
    job_id = later(hall)
    hall.tick()
    run = hall.executor.the_run()
    assert run.begin == placed(hall.world, job_id).start == NOON + hours(6)
    stored = hall.stored(job_id)
    assert (stored.stage, stored.external_id, stored.is_told) == (Stage.HANDED, "1", True)
    assert hall.events() == ["intended", "handed_over"]


def test_saying_it_again_changes_nothing(hall: Hall) -> None:
    later(hall)
    for _ in range(4):
        hall.tick()
    assert hall.executor.calls == ["hand_over"]


def test_work_without_a_workload_is_nobodys_business(hall: Hall) -> None:
    submitted(hall.world)
    hall.tick()
    assert hall.executor.calls == []


def test_an_intent_is_stored_and_in_the_audit_file_before_anything_is_said(
    hall: Hall, tmp_path: Path
) -> None:
    later(hall)
    seen: list[str] = []
    plain = hall.executor.hand_over

    def look(order: Any) -> str:
        seen.extend(
            json.loads(line)["hand_over"]["hand_over_id"]
            for path in tmp_path.rglob("*.jsonl")
            for line in path.read_text().splitlines()
            if "hand_over" in json.loads(line)
        )
        with hall.context.uow() as uow:
            assert uow.hand_overs.get(order.hand_over_id).called_at is not None
        return plain(order)

    hall.executor.hand_over = look  # type: ignore[method-assign]
    hall.tick()
    assert seen == [hall.executor.the_run().order.hand_over_id]


def test_while_the_audit_log_is_broken_nothing_is_said(hall: Hall) -> None:
    later(hall)

    class Broken:
        def flush(self, _uow: Any) -> int:
            raise AuditBroken("it differs")

    context = replace(hall.context, audit=Broken())
    hand_over.follow(context)
    assert hall.executor.calls == []
    hand_over.follow(hall.context)
    assert hall.executor.calls == ["hand_over"]


def test_a_new_plan_moves_the_begin_time_at_the_executor(hall: Hall) -> None:
    job_id = later(hall)
    hall.tick()
    controls.pin(
        hall.context, OPERATOR, job_id, start_time=NOON + hours(8), asset_id=None, pinned=True
    )
    hall.tick()
    assert hall.executor.the_run().begin == NOON + hours(8)
    assert hall.stored(job_id).moves == 1
    assert hall.executor.calls == ["hand_over", "move"]


def test_held_work_is_held_at_the_executor_and_released_to_a_new_begin_time(hall: Hall) -> None:
    job_id = later(hall)
    hall.tick()
    controls.hold(hall.context, OPERATOR, job_id, held=True)
    hall.tick()
    assert hall.executor.the_run().state is ExecutionState.HELD
    controls.hold(hall.context, OPERATOR, job_id, held=False)
    hall.tick()
    assert hall.executor.the_run().state is ExecutionState.QUEUED
    assert len(hall.executor.runs) == 1


def test_cancelled_work_is_taken_off_and_work_nobody_had_is_dropped(hall: Hall) -> None:
    handed = later(hall)
    hall.tick()
    dropped = later(hall)
    intents.note(hall.context)
    for job_id in (handed, dropped):
        controls.cancel(hall.context, OPERATOR, job_id)
    hall.tick()
    hall.tick()
    assert hall.executor.calls == ["hand_over", "cancel"]
    assert hall.stored(handed).stage is Stage.ENDED
    assert hall.stored(dropped).stage is Stage.DROPPED


def test_work_cancelled_and_taken_back_is_handed_over_as_a_new_attempt(hall: Hall) -> None:
    job_id = later(hall)
    hall.tick()
    controls.cancel(hall.context, OPERATOR, job_id)
    hall.tick()
    hall.tick()
    controls.undo_cancel(hall.context, OPERATOR, job_id)
    hall.tick()
    assert hall.stored(job_id).attempt == 2
    assert [run.state for run in hall.executor.runs.values()] == [
        ExecutionState.CANCELLED,
        ExecutionState.QUEUED,
    ]


def test_handed_over_work_stops_moving_an_hour_before_its_start(hall: Hall) -> None:
    job_id = later(hall)
    hall.tick()
    leads = {"freeze": NOON + hours(5)}
    hall.at(leads["freeze"] - MINUTE)
    hall.world.grids["live"].carbon = lambda _slug, at: 100.0 if at >= NOON + hours(9) else 400.0
    hall.world.at(leads["freeze"])
    planning.schedule_all(hall.context, OPERATOR)
    assert placed(hall.world, job_id).start == NOON + hours(6)


# --- never simulated, never with a shifted clock ---------------------------------------------------


def test_a_plan_on_simulated_signals_never_reaches_a_real_executor(
    database: Database, tmp_path: Path
) -> None:
    hall = Hall(database, tmp_path, mode="simulated")
    job_id = later(hall)
    hall.tick()
    assert hall.executor.calls == []
    from services.submit import get

    view = get(hall.context, OPERATOR, job_id)
    assert view.withheld is not None
    assert "simulated" in view.withheld


def test_a_dry_run_may_be_given_anything(database: Database, tmp_path: Path) -> None:
    hall = Hall(database, tmp_path, mode="simulated")
    hall.executor.is_real = hall.executor.reports = False
    later(hall)
    hall.tick()
    assert hall.executor.calls == ["hand_over"]


def test_a_shifted_clock_bars_executors(hall: Hall) -> None:
    job_id = later(hall)
    hall.world.clock.is_shifted = True  # type: ignore[misc]
    hall.tick()
    assert hall.executor.calls == []
    from services.submit import get

    assert "clock" in (get(hall.context, OPERATOR, job_id).withheld or "")


def test_an_executor_that_is_not_switched_on_is_refused_with_the_cure(hall: Hall) -> None:
    with pytest.raises(InvalidRequest) as caught:
        later(hall, workload={**WORK, "executor": "webhook"})
    (error,) = caught.value.fields
    assert (error.field, error.allowed) == ("workload.executor", "slurm")
    assert "HALFHOUR_EXECUTORS" in (error.cure or "")


# --- crashes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["before", "after"])
def test_after_a_crash_around_the_call_the_work_is_there_once(hall: Hall, moment: str) -> None:
    job_id = later(hall)
    hall.executor.dies = moment
    with pytest.raises(PowerCut):
        hall.tick()
    assert hall.stored(job_id).stage is Stage.INTENDED
    hall.tick()
    if moment == "before":
        assert hall.executor.runs == {}, "the call may still show its effect"
        hall.at(NOON + MINUTE)
    assert len(hall.executor.runs) == 1
    stored = hall.stored(job_id)
    assert (stored.stage, stored.called_at) == (Stage.HANDED, None)
    hall.tick()
    assert hall.executor.calls.count("hand_over") == 1


def test_after_a_crash_and_a_move_the_work_gets_the_new_begin_time(hall: Hall) -> None:
    job_id = later(hall)
    hall.executor.dies = "after"
    with pytest.raises(PowerCut):
        hall.tick()
    controls.pin(
        hall.context, OPERATOR, job_id, start_time=NOON + hours(7), asset_id=None, pinned=True
    )
    hall.tick()
    hall.tick()
    assert hall.executor.the_run().begin == NOON + hours(7)


def test_work_that_was_there_twice_is_taken_off_once(hall: Hall) -> None:
    later(hall)
    hall.tick()
    hall.executor.hand_over(hall.executor.the_run().order)
    hall.tick()
    states = [run.state for run in hall.executor.runs.values()]
    assert states == [ExecutionState.QUEUED, ExecutionState.CANCELLED]


def test_work_the_executor_lost_before_its_start_is_handed_over_again(hall: Hall) -> None:
    job_id = later(hall)
    hall.tick()
    hall.executor.forget()
    hall.tick()
    assert hall.executor.calls.count("hand_over") == 1
    hall.at(NOON + MINUTE)
    hall.tick()
    assert hall.executor.calls.count("hand_over") == 2
    assert hall.stored(job_id).attempt == 1, "under the same id, which starts once"


def test_work_the_executor_lost_after_its_start_is_never_started_again(hall: Hall) -> None:
    job_id = later(hall)
    hall.tick()
    hall.executor.start(at=NOON + hours(6))
    hall.at(NOON + hours(6) + MINUTE)
    assert hall.status(job_id) is JobStatus.RUNNING
    hall.executor.forget()
    hall.tick()
    hall.at(NOON + hours(6) + 3 * MINUTE)
    assert hall.stored(job_id).stage is Stage.LOST
    assert hall.status(job_id) is JobStatus.UNCONFIRMED
    hall.at(NOON + hours(8))
    assert hall.executor.calls == ["hand_over"]


def test_while_another_process_has_the_lease_nothing_is_said(hall: Hall) -> None:
    later(hall)
    other = with_settings(hall.context, holder="other")
    token = other.leases.acquire(executor_turn.HAND_OVER_LEASE, "other", 60.0)
    assert token is not None
    hall.tick()
    assert hall.executor.calls == []
    other.leases.release(executor_turn.HAND_OVER_LEASE, "other", token)
    hall.tick()
    assert hall.executor.calls == ["hand_over"]


# --- calls that fail ------------------------------------------------------------------------------


def test_a_call_that_failed_is_made_again_after_a_pause(hall: Hall) -> None:
    job_id = later(hall)
    hall.executor.fails_with = ExecutorFailed("no route to host")
    hall.tick()
    hall.tick()
    assert hall.executor.calls == ["hand_over"]
    stored = hall.stored(job_id)
    assert (stored.tries, stored.last_error, stored.called_at) == (1, "no route to host", None)
    hall.executor.fails_with = None
    hall.at(NOON + MINUTE)
    assert hall.executor.calls == ["hand_over", "hand_over"]
    assert hall.stored(job_id).last_error is None
    assert len(hall.executor.runs) == 1


def test_an_unanswered_call_is_not_repeated_before_its_effect_would_show(hall: Hall) -> None:
    later(hall)
    hall.executor.fails_with = ExecutorFailed("timed out", may_have_acted=True)
    hall.tick()
    hall.executor.fails_with = None
    hall.at(NOON + 20 * timedelta(seconds=1))
    assert hall.executor.calls == ["hand_over"]
    hall.at(NOON + 40 * timedelta(seconds=1))
    assert len(hall.executor.runs) == 1


def test_work_an_executor_refuses_for_good_fails_and_says_why(hall: Hall) -> None:
    job_id = later(hall)
    hall.executor.fails_with = ExecutorFailed("invalid partition: nope", is_final=True)
    hall.tick()
    assert hall.status(job_id) is JobStatus.FAILED
    assert hall.stored(job_id).last_error == "invalid partition: nope"
    with hall.context.uow() as uow:
        assert uow.plans.reserved(NOON, NOON + hours(24)) == {}, "its power is given back"
    hall.executor.fails_with = None
    hall.at(NOON + hours(1))
    assert hall.executor.runs == {}


# --- truth ----------------------------------------------------------------------------------------


def test_a_run_is_confirmed_at_its_real_times_with_its_queueing_delay(hall: Hall) -> None:
    job_id = later(hall)
    hall.tick()
    begin = NOON + hours(6)
    hall.executor.start(at=begin + 90 * timedelta(seconds=1))
    hall.at(begin + 2 * MINUTE)
    assert hall.status(job_id) is JobStatus.RUNNING
    assert hall.stored(job_id).queueing == timedelta(seconds=90)
    hall.executor.end(after=timedelta(minutes=50))
    hall.at(begin + hours(1))
    job = hall.world.view(job_id).job
    assert job.status is JobStatus.COMPLETED
    assert job.started_at == begin + timedelta(seconds=90)
    assert job.ended_at == begin + timedelta(seconds=90, minutes=50)
    assert job.measured_energy_kwh is None
    assert hall.events() == ["intended", "handed_over", "started", "completed"]


def test_a_run_that_began_and_ended_in_the_same_second_lasted_one(hall: Hall) -> None:
    job_id = later(hall)
    hall.tick()
    begin = NOON + hours(6)
    hall.executor.start(at=begin)
    hall.executor.end(after=timedelta(0))
    hall.at(begin + 2 * MINUTE)
    view = hall.world.view(job_id)
    assert (view.job.started_at, view.job.ended_at) == (begin, begin + timedelta(seconds=1))
    # What it used is counted by those times, not by the window it had.
    assert outturn.run_end(view) == view.job.ended_at


def test_a_run_that_ended_while_nobody_looked_is_confirmed_later(hall: Hall) -> None:
    job_id = later(hall)
    hall.tick()
    hall.executor.start(at=NOON + hours(6))
    hall.executor.end(after=hours(1))
    hall.at(NOON + hours(20))
    job = hall.world.view(job_id).job
    assert (job.status, job.started_at) == (JobStatus.COMPLETED, NOON + hours(6))


def test_energy_of_the_accounting_counts_at_the_meter(database: Database, tmp_path: Path) -> None:
    hall = Hall(database, tmp_path)
    from services import assets

    assets.change(hall.context, OPERATOR, "hall", {"pue": 1.5})
    job_id = later(hall)
    hall.tick()
    hall.executor.start(at=NOON + hours(6))
    hall.executor.end(after=hours(1)).energy_kwh = 8.0
    hall.at(NOON + hours(7))
    # 8 kWh at the machines with a PUE of 1.5 are 12 kWh at the meter.
    assert hall.world.view(job_id).job.measured_energy_kwh == pytest.approx(12.0)


def test_a_failed_run_is_planned_and_started_again_up_to_its_attempts(hall: Hall) -> None:
    job_id = later(hall, workload={**WORK, "max_attempts": 2})
    for attempt in (1, 2):
        hall.tick()
        begin = placed(hall.world, job_id).start
        hall.executor.start(at=begin)
        hall.executor.end(3, after=10 * MINUTE)
        hall.at(begin + 20 * MINUTE)
        assert hall.stored(job_id).attempt == attempt + (attempt == 1)
    assert hall.status(job_id) is JobStatus.FAILED
    assert len(hall.executor.runs) == 2
    with hall.context.uow() as uow:
        assert [one.exit_code for one in uow.hand_overs.of_job(job_id)] == [3, 3]


def test_after_a_failure_it_waits_and_twice_as_long_after_the_next(hall: Hall) -> None:
    work = {**WORK, "max_attempts": 4, "retry_pause_minutes": 20}
    job_id = later(hall, latest_finish=NOON + hours(20), workload=work)
    hall.tick()
    for pause in (20, 40, 80):
        begin = placed(hall.world, job_id).start
        hall.executor.start(at=begin)
        hall.executor.end(3, after=10 * MINUTE)
        failed = begin + 12 * MINUTE
        hall.at(failed)
        assert hall.world.view(job_id).job.earliest_start == failed + pause * MINUTE
        assert placed(hall.world, job_id).start >= failed + pause * MINUTE


def test_a_pause_gives_way_to_the_deadline(hall: Hall) -> None:
    # It fails at 18:12 and has to be done by 20:00: for an hour's work the last start is 19:00.
    work = {**WORK, "max_attempts": 2, "retry_pause_minutes": 300}
    job_id = later(hall, latest_finish=NOON + hours(8), workload=work)
    hall.tick()
    begin = placed(hall.world, job_id).start
    hall.executor.start(at=begin)
    hall.executor.end(3, after=10 * MINUTE)
    hall.at(begin + 12 * MINUTE)
    assert placed(hall.world, job_id).start == NOON + hours(7)


def test_a_failed_run_is_not_repeated_where_its_deadline_could_not_be_met(hall: Hall) -> None:
    job_id = later(hall, latest_finish=NOON + hours(7.5), workload={**WORK, "max_attempts": 5})
    hall.tick()
    hall.executor.start(at=NOON + hours(6))
    hall.executor.end(1, after=50 * MINUTE)
    hall.at(NOON + hours(7))
    assert hall.status(job_id) is JobStatus.FAILED
    assert len(hall.executor.runs) == 1


def test_work_somebody_took_off_at_the_executor_is_cancelled_here(hall: Hall) -> None:
    job_id = later(hall)
    hall.tick()
    hall.executor.cancel("1")
    hall.tick()
    assert hall.status(job_id) is JobStatus.CANCELLED


def test_an_overrun_keeps_its_power_and_moves_what_comes_next(hall: Hall) -> None:
    first = later(hall, estimated_power_kw=80.0)
    hall.tick()
    second = later(hall, estimated_power_kw=80.0, earliest_start=NOON + hours(7.5))
    hall.tick()
    begin = NOON + hours(6)
    assert (placed(hall.world, first).start, placed(hall.world, second).start) == (
        begin,
        begin + hours(1.5),
    )
    hall.executor.start("1", at=begin)
    hall.at(begin + hours(1) + 2 * MINUTE)
    assert hall.status(first) is JobStatus.RUNNING
    assert _held(hall)[begin + hours(1)] == 80.0, "it keeps its power for another half-hour"
    assert placed(hall.world, second).start == begin + hours(1.5)
    hall.at(begin + hours(1) + 20 * MINUTE)
    assert _held(hall)[begin + hours(1.5)] == 80.0, "and for one more"
    moved = placed(hall.world, second).start
    assert moved >= begin + hours(2), "though it was too near its start to move"
    assert hall.executor.runs["2"].begin == moved
    assert max(_held(hall).values()) <= 100.0
    assert placed(hall.world, first).end == begin + hours(1), "what was planned stays on record"


def _held(hall: Hall) -> dict[Any, float]:
    with hall.context.uow() as uow:
        return uow.plans.reserved(NOON, NOON + hours(24))["hall"]


def test_work_no_executor_started_in_its_window_is_planned_again(hall: Hall) -> None:
    job_id = later(hall)
    hall.tick()
    hall.at(NOON + hours(7) + MINUTE)
    hall.tick()
    assert hall.status(job_id) is JobStatus.SCHEDULED
    assert hall.executor.the_run().begin == placed(hall.world, job_id).start > NOON + hours(7)


def test_while_the_executor_is_away_nothing_is_claimed_about_a_passed_window(hall: Hall) -> None:
    job_id = later(hall)
    hall.tick()
    hall.executor.is_away = True
    hall.at(NOON + hours(7) + MINUTE)
    assert hall.status(job_id) is JobStatus.UNCONFIRMED
    hall.executor.is_away = False
    hall.executor.start(at=NOON + hours(6))
    hall.executor.end(after=hours(1))
    hall.tick()
    assert hall.status(job_id) is JobStatus.COMPLETED


def test_work_that_can_no_longer_meet_its_deadline_is_taken_off(hall: Hall) -> None:
    job_id = later(hall, latest_finish=NOON + hours(7))
    hall.tick()
    hall.at(NOON + hours(7) + MINUTE)
    hall.tick()
    assert hall.executor.the_run().state is ExecutionState.CANCELLED
    assert hall.status(job_id) is JobStatus.FAILED


def test_a_run_the_executor_started_before_the_move_reached_it_is_the_truth(hall: Hall) -> None:
    job_id = later(hall)
    hall.tick()
    hall.executor.is_away = True
    controls.pin(
        hall.context, OPERATOR, job_id, start_time=NOON + hours(9), asset_id=None, pinned=True
    )
    hall.tick()
    hall.executor.is_away = False
    hall.executor.start(at=NOON + hours(6))
    hall.at(NOON + hours(6) + MINUTE)
    assert hall.status(job_id) is JobStatus.RUNNING
    with hall.context.uow() as uow:
        held = uow.plans.reserved(NOON, NOON + hours(12))["hall"]
    assert held == {NOON + hours(6): 10.0, NOON + hours(6.5): 10.0}, "power is held where it runs"


def test_the_chain_verifies_after_all_this(hall: Hall) -> None:
    later(hall)
    hall.tick()
    hall.executor.start(at=NOON + hours(6))
    hall.executor.end(after=hours(1))
    hall.at(NOON + hours(7))
    hall.context.audit.flush(hall.context.uow)
    assert hall.context.audit.verify(hall.context.uow).ok


def test_what_stands_in_the_environment_is_in_no_record(hall: Hall) -> None:
    work = {**WORK, "env": {"NOTE": "words-of-mine"}, "script": "echo words-of-mine"}
    del work["command"]
    job_id = later(hall, workload=work)
    hall.tick()
    from services import amend

    amend.change(hall.context, OPERATOR, job_id, {"workload": {**work, "copies": 2}})
    with hall.context.uow() as uow:
        lines = [record.line for record in uow.decisions.after(0, 1000)]
    assert lines
    assert not [line for line in lines if "words-of-mine" in line]


def test_interruptible_work_pauses_between_its_chunks(hall: Hall) -> None:
    from models.domain.job import Flexibility
    from models.domain.plan import Segment

    job_id = later(hall)
    view = hall.world.view(job_id)
    assert view.plan is not None
    assert view.plan.award is not None
    start = view.plan.award.placement.start
    parts = (Segment(start, start + SLOT, 10.0), Segment(start + 2 * SLOT, start + 3 * SLOT, 10.0))
    chunked = replace(view.plan.award.placement, segments=parts, end=start + 3 * SLOT)
    plan = replace(view.plan, award=replace(view.plan.award, placement=chunked))
    job = replace(view.job, flexibility=Flexibility.INTERRUPTIBLE)
    wishes = [intents.chunk_wish(job, plan, start + n * SLOT + MINUTE) for n in range(-1, 4)]
    assert wishes == [None, Wanted.RUN, Wanted.SUSPEND, Wanted.RUN, None]
    assert intents.chunk_wish(view.job, plan, start + SLOT + MINUTE) is None


def test_the_end_of_the_output_is_shown_to_whom_the_job_belongs(hall: Hall) -> None:
    job_id = later(hall)
    with pytest.raises(NotFound, match="was not handed"):
        executions.log_tail(hall.context, OPERATOR, job_id)
    hall.tick()
    with pytest.raises(NotFound, match="keeps no output"):
        executions.log_tail(hall.context, OPERATOR, job_id)
    hall.executor.start(at=NOON + hours(6))
    hall.at(NOON + hours(6.1))
    hall.executor.output[hall.stored(job_id).hand_over_id] = "epoch 1\n"
    assert executions.log_tail(hall.context, OPERATOR, job_id) == "epoch 1\n"
    assert job_detail.show(hall.context, OPERATOR, job_id).log_tail == "epoch 1\n"
    stranger = Caller("somebody-else", Role.SUBMITTER)
    with pytest.raises(NotFound):
        executions.log_tail(hall.context, stranger, job_id)
