"""What time does to awards: passed windows, running work, and plans that were only simulated."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from models.domain.job import JobStatus
from services import controls, lifecycle
from services.lifecycle import VOID_REASON, Passage
from tests.support.fleet import NOON
from tests.support.world import OPERATOR, World, hours, submitted, with_cluster


def a_job_from_noon(world: World) -> str:
    """Submit a job that must run from 12:00 to 14:00."""
    with_cluster(world)
    return submitted(world, latest_finish=NOON + hours(2))


def test_nothing_happens_before_a_window_has_passed(world: World) -> None:
    job_id = a_job_from_noon(world)
    world.clock.instant = NOON + hours(1)
    assert lifecycle.advance(world.context) == Passage(0, 0)
    view = world.view(job_id)
    assert view.job.status is JobStatus.SCHEDULED
    assert lifecycle.is_open(view, NOON + hours(1))
    assert not lifecycle.is_open(view, NOON + hours(2))
    assert not lifecycle.is_open(view, NOON - hours(1))


def test_a_window_that_passed_unsaid_is_unconfirmed_recorded_and_gives_its_power_back(
    world: World,
) -> None:
    job_id = a_job_from_noon(world)
    decision_id = world.view(job_id).plan.decision_id  # type: ignore[union-attr]
    world.clock.instant = NOON + hours(2)
    assert lifecycle.advance(world.context).unconfirmed == 1
    assert world.view(job_id).job.status is JobStatus.UNCONFIRMED
    with world.context.uow() as uow:
        assert uow.plans.current() == {}
    (record,) = world.records("outcome")
    told = json.loads(record.line)
    assert told["outcome"]["event"] == "unconfirmed"
    assert told["ref"] == decision_id
    assert told["job_id"] == job_id
    assert told["settlement_period"] == 25  # 12:00 in winter is period 25


def test_a_second_pass_changes_nothing(world: World) -> None:
    a_job_from_noon(world)
    world.clock.instant = NOON + hours(2)
    lifecycle.advance(world.context)
    assert lifecycle.advance(world.context).changed == 0
    assert len(world.records("outcome")) == 1


def test_two_processes_close_a_window_once(world: World) -> None:
    with_cluster(world)
    for _ in range(4):
        submitted(world, latest_finish=NOON + hours(2), is_planned=False)
    submitted(world, latest_finish=NOON + hours(2))
    world.clock.instant = NOON + hours(3)
    with ThreadPoolExecutor(2) as pool:
        passes = list(pool.map(lambda _: lifecycle.advance(world.context), range(2)))
    assert sum(p.unconfirmed for p in passes) == 5
    assert len(world.records("outcome")) == 5


def test_a_running_job_stays_running_beyond_its_window(world: World) -> None:
    job_id = a_job_from_noon(world)
    controls.confirm(world.context, OPERATOR, job_id, "started", at=NOON, energy_kwh=None)
    world.clock.instant = NOON + hours(5)
    assert lifecycle.advance(world.context).changed == 0
    assert world.view(job_id).status is JobStatus.RUNNING


def test_simulated_awards_are_void_once_live_data_arrive_and_are_planned_anew(
    make_world: Callable[..., World],
) -> None:
    world = make_world(mode="auto")
    with_cluster(world)
    begun = submitted(world, latest_finish=NOON + hours(2))
    waiting = submitted(world, earliest_start=NOON + hours(4))
    assert world.view(waiting).plan.signals_mode == "simulated"  # type: ignore[union-attr]
    world.at(NOON + hours(1))
    assert lifecycle.advance(world.context).voided == 0  # still simulated
    world.grids["live"].is_down = False
    world.at(NOON + hours(1.5))
    assert world.context.signals.mode == "live"
    assert lifecycle.advance(world.context).voided == 1
    again = world.view(waiting)
    assert again.status is JobStatus.SCHEDULED
    assert again.plan is not None
    assert again.plan.signals_mode == "live"
    # The one whose window is open keeps it: it may be running.
    assert world.view(begun).plan.signals_mode == "simulated"  # type: ignore[union-attr]
    (record,) = world.records("outcome")
    told = json.loads(record.line)
    assert told["outcome"]["event"] == "void"
    assert told["outcome"]["text"] == VOID_REASON
    assert lifecycle.advance(world.context).changed == 0


def test_replayed_and_live_awards_are_not_void(make_world: Callable[..., World]) -> None:
    world = make_world(mode="live")
    with_cluster(world)
    submitted(world, earliest_start=NOON + hours(4))
    assert lifecycle.advance(world.context).changed == 0
    assert lifecycle.advance(world.context).changed == 0
