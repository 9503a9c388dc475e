"""Our executor against a real slurmctld, slurmd and munge on loopback."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from executors.slurm import SlurmExecutor
from models.domain.errors import ExecutorFailed
from models.domain.execution import OVER, ExecutionReport, ExecutionState, WorkOrder
from models.domain.workload import read_workload
from tests.support.slurm import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

_numbers = count(1)
SECOND = timedelta(seconds=1)


def now() -> datetime:
    return datetime.now(UTC)


def an_order(begin: datetime | None, **workload: Any) -> WorkOrder:
    raw = {"command": ["true"], **workload}
    if "script" in workload:
        del raw["command"]
    run = f"{next(_numbers):032x}"
    half_hour = timedelta(minutes=30)
    return WorkOrder(run, "job-a", "local", read_workload(raw), begin, half_hour, 2 * half_hour)


def seen(executor: SlurmExecutor, order: WorkOrder, external_id: str | None) -> ExecutionReport:
    (report,) = executor.find({order.hand_over_id: external_id})[order.hand_over_id]
    return report


def until(
    executor: SlurmExecutor, order: WorkOrder, is_right: Callable[[ExecutionReport], bool]
) -> ExecutionReport:
    give_up_at = time.monotonic() + 30
    while True:
        report = seen(executor, order, None)
        if is_right(report):
            return report
        assert time.monotonic() < give_up_at, report
        time.sleep(0.2)


@pytest.fixture
def slurm(slurm_cluster: Cluster) -> SlurmExecutor:
    slurm_cluster.clear()
    return slurm_cluster.executor(TRAIN_TOKEN="s3cret-value")


def test_a_job_starts_at_its_begin_time_and_is_found_by_our_id(slurm: SlurmExecutor) -> None:
    begin = (now() + 4 * SECOND).replace(microsecond=0)
    order = an_order(begin, command=["sh", "-c", "echo ran; exit 3"])
    external_id = slurm.hand_over(order)
    waiting = seen(slurm, order, None)
    assert (waiting.state, waiting.external_id) == (ExecutionState.QUEUED, external_id)
    ended = until(slurm, order, lambda report: report.state in OVER)
    assert ended.state is ExecutionState.FAILED
    assert ended.exit_code == 3
    assert ended.started_at is not None
    assert begin <= ended.started_at <= begin + 8 * SECOND
    assert slurm.log_tail(order.hand_over_id, external_id) == "ran\n"


def test_a_held_job_waits_until_it_is_given_a_begin_time(slurm: SlurmExecutor) -> None:
    order = an_order(None)
    external_id = slurm.hand_over(order)
    assert seen(slurm, order, external_id).state is ExecutionState.HELD
    slurm.move(external_id, now() + SECOND)
    assert until(slurm, order, lambda r: r.state in OVER).state is ExecutionState.COMPLETED


def test_a_waiting_job_is_moved_later_and_earlier_and_held(
    slurm: SlurmExecutor, slurm_cluster: Cluster
) -> None:
    order = an_order((now() + timedelta(hours=1)).replace(microsecond=0))
    external_id = slurm.hand_over(order)
    later = (now() + timedelta(hours=3)).replace(microsecond=0)
    slurm.move(external_id, later)
    shown = slurm_cluster.say("scontrol", "show", "job", external_id)
    assert f"EligibleTime={later:%Y-%m-%dT%H:%M:%S}" in shown
    slurm.hold(external_id)
    slurm.hold(external_id)
    assert seen(slurm, order, external_id).state is ExecutionState.HELD
    slurm.move(external_id, now())
    ended = until(slurm, order, lambda r: r.state in OVER)
    assert ended.state is ExecutionState.COMPLETED


def test_begin_times_mean_the_same_in_another_time_zone(slurm_cluster: Cluster) -> None:
    tokyo = slurm_cluster.executor("Asia/Tokyo")
    begin = (now() + timedelta(hours=2)).replace(microsecond=0)
    external_id = tokyo.hand_over(an_order(begin))
    shown = slurm_cluster.say("scontrol", "show", "job", external_id)  # prints UTC
    assert f"EligibleTime={begin:%Y-%m-%dT%H:%M:%S}" in shown
    tokyo.cancel(external_id)


def test_cancelling_ends_a_running_job_and_withdrawing_leaves_it_alone(
    slurm: SlurmExecutor,
) -> None:
    order = an_order(now(), command=["sh", "-c", "echo on; sleep 60"])
    external_id = slurm.hand_over(order)
    until(slurm, order, lambda _: slurm.log_tail(order.hand_over_id, external_id) == "on\n")
    slurm.cancel(external_id, only_waiting=True)
    assert seen(slurm, order, external_id).state is ExecutionState.RUNNING
    slurm.cancel(external_id)
    ended = until(slurm, order, lambda r: r.state in OVER)
    assert ended.state is ExecutionState.CANCELLED
    assert ended.started_at is not None
    slurm.cancel(external_id)  # again: no harm


def test_withdrawing_takes_a_waiting_job_off(slurm: SlurmExecutor) -> None:
    order = an_order(now() + timedelta(hours=1))
    external_id = slurm.hand_over(order)
    slurm.cancel(external_id, only_waiting=True)
    ended = until(slurm, order, lambda r: r.state in OVER)
    assert (ended.state, ended.started_at) == (ExecutionState.CANCELLED, None)


def test_a_running_job_is_suspended_and_resumed(slurm: SlurmExecutor) -> None:
    order = an_order(now(), command=["sleep", "2"])
    external_id = slurm.hand_over(order)
    until(slurm, order, lambda r: r.state is ExecutionState.RUNNING)
    slurm.suspend(external_id)
    assert until(slurm, order, lambda r: r.state is ExecutionState.SUSPENDED)
    slurm.resume(external_id)
    assert until(slurm, order, lambda r: r.state in OVER).state is ExecutionState.COMPLETED


def test_a_job_that_pauses_by_requeue_is_held_in_the_queue_until_it_goes_on(
    slurm: SlurmExecutor,
) -> None:
    settings = replace(slurm._settings, pause_by="requeue")
    executor = SlurmExecutor(settings, slurm._run, slurm._secret)
    order = replace(an_order(now(), command=["sleep", "60"]), is_interruptible=True)
    external_id = executor.hand_over(order)
    running = until(executor, order, lambda r: r.state is ExecutionState.RUNNING)
    executor.suspend(external_id)
    held = until(executor, order, lambda r: r.state is ExecutionState.HELD)
    assert held.external_id == running.external_id
    executor.resume(external_id)
    # Slurm waits two minutes before it starts a requeued job again, so this one is only seen to wait for that.
    until(executor, order, lambda r: r.state is ExecutionState.QUEUED)
    executor.cancel(external_id)
    ended = until(executor, order, lambda r: r.state in OVER)
    assert ended.state is ExecutionState.CANCELLED


def test_copies_are_an_array_with_one_report(slurm: SlurmExecutor, slurm_cluster: Cluster) -> None:
    order = an_order(now(), script='echo "task $SLURM_ARRAY_TASK_ID"', copies=3)
    slurm.hand_over(order)
    ended = until(slurm, order, lambda r: r.state in OVER)
    assert ended.state is ExecutionState.COMPLETED
    said = [(slurm_cluster.runs / f"{order.hand_over_id}.{n}.log").read_text() for n in range(3)]
    assert said == ["task 0\n", "task 1\n", "task 2\n"]


def test_arguments_reach_the_program_as_they_were_written(slurm: SlurmExecutor) -> None:
    odd = ["$(id)", "`id`", "a b", "'", '"', "*", "; true", "\\", "é", "--export=ALL", ""]
    show = "import sys; print(ascii(sys.argv[1:]))"
    order = an_order(now(), command=["python3", "-c", show, *odd], env={"X": "$(id) 'a' \"b\""})
    external_id = slurm.hand_over(order)
    assert until(slurm, order, lambda r: r.state in OVER).state is ExecutionState.COMPLETED
    assert slurm.log_tail(order.hand_over_id, external_id) == ascii(odd) + "\n"


def test_a_script_runs_by_its_own_first_line_and_cannot_end_its_quotation(
    slurm: SlurmExecutor,
) -> None:
    text = "#!/usr/bin/env python3\nimport os\nprint('EOF', os.environ['X'], os.getcwd())\nEOF = 1"
    order = an_order(now(), script=text, env={"X": "$HOME"}, working_dir="/tmp")
    external_id = slurm.hand_over(order)
    assert until(slurm, order, lambda r: r.state in OVER).state is ExecutionState.COMPLETED
    assert slurm.log_tail(order.hand_over_id, external_id) == "EOF $HOME /tmp\n"


def test_a_secret_reaches_the_work_and_nothing_else(
    slurm: SlurmExecutor, slurm_cluster: Cluster
) -> None:
    env = {"TOKEN_FOR_HUB": {"from_env": "TRAIN_TOKEN"}}
    order = an_order(now() + 2 * SECOND, command=["sh", "-c", "echo ${#TOKEN_FOR_HUB}"], env=env)
    external_id = slurm.hand_over(order)
    told = slurm_cluster.say("scontrol", "--details", "show", "job", external_id)
    told += slurm_cluster.say("scontrol", "write", "batch_script", external_id, "-")
    assert "s3cret-value" not in told
    until(slurm, order, lambda r: r.state in OVER)
    assert slurm.log_tail(order.hand_over_id, external_id) == "12\n"  # s3cret-value has 12 letters


def test_a_secret_that_may_not_be_passed_on_is_refused_before_anything_is_submitted(
    slurm: SlurmExecutor,
) -> None:
    order = an_order(now(), env={"A": {"from_env": "OTHER"}})
    assert [error.field for error in slurm.check(order.workload, "local")] == [
        "workload.env.A.from_env"
    ]
    with pytest.raises(ExecutorFailed) as caught:
        slurm.hand_over(order)
    assert caught.value.is_final
    assert slurm.find({order.hand_over_id: None}) == {order.hand_over_id: ()}


def test_what_was_handed_over_twice_by_a_fault_starts_once(slurm: SlurmExecutor) -> None:
    order = an_order(now() + 2 * SECOND, command=["sh", "-c", "echo once"])
    first, second = slurm.hand_over(order), slurm.hand_over(order)

    def both() -> tuple[ExecutionReport, ...]:
        return slurm.find({order.hand_over_id: first})[order.hand_over_id]

    assert {report.external_id for report in both()} == {first, second}
    give_up_at = time.monotonic() + 30
    while not all(report.state in OVER for report in both()):
        assert time.monotonic() < give_up_at
        time.sleep(0.2)
    assert (slurm.log_tail(order.hand_over_id, first) or "").count("once") == 1
    assert both()[0].state is ExecutionState.COMPLETED, "the one that ran counts"


def test_a_partition_that_does_not_exist_is_a_final_refusal(slurm: SlurmExecutor) -> None:
    with pytest.raises(ExecutorFailed) as caught:
        slurm.hand_over(an_order(None, resources={"partition": "nope"}))
    assert caught.value.is_final
    assert not caught.value.may_have_acted
    assert "partition" in str(caught.value)


def test_while_the_controller_is_away_nothing_is_claimed_and_jobs_survive_it(
    slurm: SlurmExecutor, slurm_cluster: Cluster
) -> None:
    order = an_order(now() + timedelta(hours=1))
    external_id = slurm.hand_over(order)
    slurm_cluster.stop_control()
    try:
        with pytest.raises(ExecutorFailed) as caught:
            slurm.find({order.hand_over_id: external_id})
        assert not caught.value.is_final
    finally:
        slurm_cluster.start_control()
    assert until(slurm, order, lambda r: r.state is ExecutionState.QUEUED)
    slurm.cancel(external_id)


def test_a_run_the_queue_has_forgotten_is_told_by_its_own_notes(slurm: SlurmExecutor) -> None:
    order = an_order(now(), command=["sh", "-c", "exit 7"])
    external_id = slurm.hand_over(order)
    known = until(slurm, order, lambda r: r.state in OVER)
    forgetful = SlurmExecutor(
        replace(slurm._settings, accounting="off"),
        lambda command, **_kinds: type(slurm._run(["squeue", "--version"]))(0, "", ""),
        lambda _owner, _name: None,
    )
    report = seen(forgetful, order, external_id)
    assert (report.state, report.exit_code) == (ExecutionState.FAILED, 7)
    assert (report.source, report.external_id) == ("notes of the run", external_id)
    assert report.started_at is not None
    assert known.started_at is not None
    assert abs(report.started_at - known.started_at) <= 2 * SECOND
