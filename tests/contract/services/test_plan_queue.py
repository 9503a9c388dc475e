"""Who asks for a plan while one waits for its turn gets that one, and never one that began before the question."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from models.domain.errors import Conflict
from models.domain.plan import NegotiationStatus
from services import plan_turn, planning
from services.plan_queue import SEVERAL, PlanQueue
from services.plan_turn import PLAN_LEASE
from services.types import PlanRun
from tests.support.world import OPERATOR, World, submitted, with_cluster, with_settings

CROWD = 6


def in_threads(count: int, work: Callable[[], PlanRun]) -> tuple[list[PlanRun], Callable[[], None]]:
    """Start the same work several times at once; give where results come to, and what waits for the end."""
    runs: list[PlanRun] = []
    threads = [threading.Thread(target=lambda: runs.append(work())) for _ in range(count)]
    for thread in threads:
        thread.start()

    def join() -> None:
        for thread in threads:
            thread.join(timeout=60)
            assert not thread.is_alive()

    return runs, join


def wait_for(is_so: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> PlanQueue:
    queue = PlanQueue()
    monkeypatch.setattr(planning, "_queue", queue)
    return queue


def waiting(queue: PlanQueue) -> int:
    return sum(ticket.waiting for ticket in queue._tickets)


def test_a_crowd_behind_a_planner_makes_one_plan_that_knows_all_they_knew(
    world: World, queue: PlanQueue
) -> None:
    with_cluster(world)
    world = replace(world, context=replace(world.context, new_id=uuid4))
    leases = world.context.leases
    token = leases.acquire(PLAN_LEASE, "somebody else", 60.0)
    assert token is not None
    runs, join = in_threads(CROWD, lambda: planning.schedule_all(world.context, OPERATOR))
    wait_for(lambda: waiting(queue) == CROWD)
    job_id = submitted(world, is_planned=False)
    leases.release(PLAN_LEASE, "somebody else", token)
    join()
    assert len(runs) == CROWD
    assert {run.negotiation_id for run in runs} == {runs[0].negotiation_id}
    assert all(run.finished and run.scheduled == 1 for run in runs)
    plan = world.view(job_id).plan
    assert plan is not None
    assert plan.award is not None
    later = planning.schedule_all(world.context, OPERATOR)
    assert later.negotiation_id != runs[0].negotiation_id


def test_a_plan_that_has_begun_is_joined_by_nobody(world: World, queue: PlanQueue) -> None:
    first, is_new = queue.join(world.context, "schedule", uuid4)
    assert is_new
    assert queue.join(world.context, "schedule", uuid4) == (first, False)
    mine, is_new = queue.join(world.context, "control", uuid4)
    assert is_new, "what somebody asked for tries every job again, so it is a plan of its own"
    assert queue.join(world.context, "cancel", uuid4) == (mine, False)
    assert mine.trigger == SEVERAL
    assert queue.join(world.context, "schedule_all", uuid4) == (first, False)
    assert first.trigger == "schedule_all"
    assert queue.join(replace(world.context), "schedule", uuid4)[1], "another application"
    queue.begun(first)
    second, is_new = queue.join(world.context, "schedule", uuid4)
    assert is_new
    assert second is not first


def test_what_goes_wrong_is_told_to_everybody_who_waits(
    world: World, queue: PlanQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_turn, "LOCK_WAIT_SECONDS", 0.5)
    with_cluster(world)
    world.context.leases.acquire(PLAN_LEASE, "somebody else", 60.0)
    context = replace(world.context, new_id=uuid4)
    told: list[Exception] = []

    def ask() -> PlanRun:
        try:
            return planning.schedule_all(context, OPERATOR)
        except Conflict as error:
            told.append(error)
            return PlanRun(str(UUID(int=0)), finished=False)

    _, join = in_threads(3, ask)
    join()
    assert len(told) == 3
    assert queue._tickets == []


def test_nobody_waits_longer_than_they_said(world: World, queue: PlanQueue) -> None:
    ticket, _ = queue.join(world.context, "schedule", uuid4)
    run = queue.wait(ticket, 0.01)
    assert (run.finished, run.negotiation_id) == (False, str(ticket.negotiation_id))
    assert not queue.end(ticket, error=Conflict("late")), "nobody waits any more"


def test_only_some_of_a_crowd_wait_and_the_others_are_told_where_to_look(
    world: World, queue: PlanQueue
) -> None:
    with_cluster(world)
    context = with_settings(replace(world.context, new_id=uuid4), plan_waiters=2)
    token = context.leases.acquire(PLAN_LEASE, "somebody else", 60.0)
    assert token is not None
    runs, join = in_threads(CROWD, lambda: planning.schedule_all(context, OPERATOR))
    wait_for(lambda: len(runs) == CROWD - 2)
    assert not any(run.finished for run in runs)
    found = planning.show(context, OPERATOR, runs[0].negotiation_id)
    assert found.summary.status is NegotiationStatus.RUNNING
    context.leases.release(PLAN_LEASE, "somebody else", token)
    join()
    assert sum(run.finished for run in runs) == 2
    assert {run.negotiation_id for run in runs} == {runs[0].negotiation_id}
    assert planning.schedule_all(context, OPERATOR).finished, "nobody waits any more"
