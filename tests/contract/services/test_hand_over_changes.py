"""What executors were given stays what is to run: changed work, changed executors, second thoughts; on both databases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from models.domain.errors import ExecutorFailed
from models.domain.execution import ExecutionState, Stage
from models.domain.job import Flexibility, JobStatus
from models.domain.time import SLOT
from services import amend, assets, controls, hand_over
from storage.database import Database
from tests.support.fake_executor import FakeExecutor
from tests.support.fleet import NOON
from tests.support.hall import MINUTE, WORK, Hall, later
from tests.support.world import OPERATOR, hours, placed


@pytest.fixture
def hall(database: Database, tmp_path: Path) -> Hall:
    return Hall(database, tmp_path)


def commands(hall: Hall) -> list[tuple[str, str]]:
    """Return what each run of the cluster would start, and where it stands, oldest first."""
    return [(run.order.workload.command[-1], str(run.state)) for run in hall.executor.runs.values()]


def test_work_that_was_changed_after_it_was_handed_over_is_handed_over_anew(hall: Hall) -> None:
    job_id = later(hall)
    hall.tick()
    amend.change(
        hall.context, OPERATOR, job_id, {"workload": {**WORK, "command": ["python", "other.py"]}}
    )
    for _ in range(3):
        hall.tick()
    assert commands(hall) == [("train.py", "cancelled"), ("other.py", "queued")]
    assert (hall.stored(job_id).attempt, hall.status(job_id)) == (2, JobStatus.SCHEDULED)


def test_work_that_became_longer_than_its_limit_is_handed_over_with_a_longer_one(
    hall: Hall,
) -> None:
    job_id = later(hall)  # an hour: its limit is two
    hall.tick()
    assert hall.executor.the_run().order.time_limit == hours(2)
    amend.change(hall.context, OPERATOR, job_id, {"duration": hours(3)})
    for _ in range(3):
        hall.tick()
    limits = [run.order.time_limit for run in hall.executor.runs.values()]
    assert limits == [hours(2), hours(6)]


def test_work_that_became_a_little_longer_keeps_its_place(hall: Hall) -> None:
    job_id = later(hall)
    hall.tick()
    amend.change(hall.context, OPERATOR, job_id, {"duration": hours(1.5)})  # 2 h are 4/3 of it
    for _ in range(3):
        hall.tick()
    assert len(hall.executor.runs) == 1


def test_a_limit_that_was_asked_for_is_kept(hall: Hall) -> None:
    job_id = later(hall, workload={**WORK, "resources": {"time_limit_minutes": 60}})
    hall.tick()
    amend.change(hall.context, OPERATOR, job_id, {"duration": hours(2)})
    for _ in range(3):
        hall.tick()
    assert len(hall.executor.runs) == 1


def test_work_of_a_cluster_that_changed_its_executor_goes_to_the_new_one(hall: Hall) -> None:
    work = {"command": ["python", "train.py"]}
    assets.change(hall.context, OPERATOR, "hall", {"executor": "slurm"})
    job_id = later(hall, workload=work)
    hall.tick()
    other = FakeExecutor(hall.world.clock.now, name="webhook")
    executors = {"slurm": hall.executor, "webhook": other}
    hall.world = replace(hall.world, context=replace(hall.context, executors=executors))
    assets.change(hall.context, OPERATOR, "hall", {"executor": "webhook"})
    for _ in range(3):
        hall.tick()
    assert hall.executor.the_run().state is ExecutionState.CANCELLED
    assert other.the_run().begin == placed(hall.world, job_id).start


def test_second_thoughts_before_the_cancellation_was_confirmed_are_not_cancelled(
    hall: Hall,
) -> None:
    job_id = later(hall)
    hall.tick()
    controls.cancel(hall.context, OPERATOR, job_id)
    hand_over.follow(hall.context)  # the executor is told, and has not been asked since
    controls.undo_cancel(hall.context, OPERATOR, job_id)
    for _ in range(3):
        hall.tick()
    assert hall.status(job_id) is JobStatus.SCHEDULED
    assert [state for _, state in commands(hall)] == ["cancelled", "queued"]


def test_work_that_can_no_longer_run_in_time_does_not_stay_at_its_executor(hall: Hall) -> None:
    job_id = later(hall)  # an hour, done by midnight
    hall.tick()
    controls.hold(hall.context, OPERATOR, job_id, held=True)
    hall.tick()
    assert hall.executor.the_run().state is ExecutionState.HELD
    hall.at(NOON + hours(11) + MINUTE)
    hall.tick()
    assert hall.executor.the_run().state is ExecutionState.CANCELLED
    assert hall.stored(job_id).stage is Stage.ENDED


def test_a_dry_run_that_nobody_confirmed_is_not_kept_open(hall: Hall) -> None:
    hall.executor.is_real = hall.executor.reports = False
    job_id = later(hall)
    hall.tick()
    hall.at(placed(hall.world, job_id).end + MINUTE)
    assert hall.status(job_id) is JobStatus.UNCONFIRMED
    assert hall.stored(job_id).stage is Stage.ENDED


def test_a_run_that_paused_by_going_back_to_the_queue_goes_on_and_keeps_its_start(
    hall: Hall,
) -> None:
    job_id = later(
        hall,
        flexibility=Flexibility.INTERRUPTIBLE,
        duration=hours(1),
        min_run_slots=1,
        max_chunks=2,
    )
    hall.tick()
    start = placed(hall.world, job_id).start
    run = hall.executor.start(at=start)
    hall.world.at(start + MINUTE)
    hand_over.confirm(hall.context)
    _lay_out(hall, job_id, (0, 2))  # half an hour, half an hour's break, half an hour
    hall.world.at(start + SLOT + MINUTE)
    hand_over.follow(hall.context)
    assert hall.executor.calls[-1] == "suspend"
    run.state, run.started_at = ExecutionState.HELD, None  # as Slurm shows a job that was requeued
    hand_over.confirm(hall.context)
    hall.world.at(start + 2 * SLOT + MINUTE)
    hand_over.follow(hall.context)
    assert hall.executor.calls[-1] == "resume"
    run.started_at = start + 2 * SLOT + MINUTE
    hand_over.confirm(hall.context)
    assert hall.stored(job_id).started_at == start


def _lay_out(hall: Hall, job_id: str, slots: tuple[int, ...]) -> None:
    """Lay a job's award over some half-hours from its start."""
    plan = hall.world.view(job_id).plan
    assert plan is not None
    assert plan.award is not None
    placed_now = plan.award.placement
    first, start = placed_now.segments[0], placed_now.start
    parts = tuple(replace(first, start=start + n * SLOT, end=start + (n + 1) * SLOT) for n in slots)
    moved = replace(placed_now, segments=parts, end=parts[-1].end)
    with hall.context.uow(write=True) as uow:
        uow.plans.put([replace(plan, award=replace(plan.award, placement=moved))])
        uow.plans.bump()
        uow.commit()


# --- executors that are told and cannot be asked ----------------------------------------------------


@pytest.fixture
def deaf(hall: Hall) -> Hall:
    hall.executor.reports, hall.executor.is_idempotent = False, True
    return hall


def test_work_cancelled_after_an_unanswered_call_is_taken_off_where_it_may_be(deaf: Hall) -> None:
    job_id = later(deaf)
    deaf.executor.fails_with = ExecutorFailed("no answer", may_have_acted=True)
    deaf.tick()
    controls.cancel(deaf.context, OPERATOR, job_id)
    deaf.world.at(NOON + MINUTE)
    deaf.tick()
    assert deaf.executor.calls == ["hand_over", "cancel"]
    assert deaf.stored(job_id).stage is Stage.INTENDED, "nobody has answered yet"
    deaf.executor.fails_with = ExecutorFailed("it answered 404", is_final=True)
    deaf.world.at(NOON + 5 * MINUTE)
    deaf.tick()
    assert deaf.stored(job_id).stage is Stage.DROPPED


def test_a_receiver_that_will_not_cancel_is_not_asked_for_ever(deaf: Hall) -> None:
    job_id = later(deaf)
    deaf.tick()
    controls.cancel(deaf.context, OPERATOR, job_id)
    deaf.executor.fails_with = ExecutorFailed("it answered 404", is_final=True)
    deaf.tick()
    deaf.world.at(NOON + hours(1))
    deaf.tick()
    assert deaf.executor.calls.count("cancel") == 1
    stored = deaf.stored(job_id)
    assert (stored.stage, stored.last_error) == (Stage.ENDED, "it answered 404")


def test_changed_work_reaches_a_receiver_that_cannot_be_asked(deaf: Hall) -> None:
    job_id = later(deaf)
    deaf.tick()
    amend.change(
        deaf.context, OPERATOR, job_id, {"workload": {**WORK, "command": ["python", "other.py"]}}
    )
    for _ in range(3):
        deaf.tick()
    assert [command for command, _ in commands(deaf)] == ["train.py", "other.py"]
    assert deaf.executor.calls == ["hand_over", "withdraw", "hand_over"]
