"""A job that our own code fails on: the others are planned, it is refused and told, the operator is told, no loop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from agents import job_agent
from agents.faults import JobFault, PolicyVeto
from models.domain.errors import PlanningFailed
from models.domain.job import Job, JobStatus
from models.domain.plan import NegotiationStatus
from services import amend, health, negotiating, planning, what_if
from services.signals import RefreshReport
from tests.support.world import OPERATOR, World, submitted, with_cluster

QUIET = RefreshReport(False, False, False)


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Make pricing fail for some jobs; returns the list of the tries."""
    real = job_agent.priced

    def poison(*wrong: str) -> list[str]:
        tries: list[str] = []

        def build(job: Job, *rest: Any, **named: Any) -> Any:
            if job.job_id in wrong:
                tries.append(job.job_id)
                raise ZeroDivisionError("no energy")
            return real(job, *rest, **named)

        monkeypatch.setattr(job_agent, "priced", build)
        return tries

    return poison


def test_the_others_are_planned_and_the_job_is_refused_with_what_to_do(
    world: World, poisoned: Callable[..., list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    with_cluster(world)
    good, bad = (submitted(world, is_planned=False) for _ in range(2))
    waits = submitted(world, is_planned=False, depends_on=(bad,))
    poisoned(bad)
    with caplog.at_level(logging.ERROR, "services.negotiating"):
        run = planning.schedule_all(world.context, OPERATOR)
    assert (run.finished, run.scheduled, run.refused) == (True, 1, 2)
    assert world.view(good).job.status is JobStatus.SCHEDULED
    plan = world.view(bad).plan
    assert plan is not None
    assert plan.refusal is not None
    assert plan.refusal.rule == "internal"
    assert "change the job or ask for a plan again" in plan.refusal.detail
    follower = world.view(waits).plan
    assert follower is not None
    assert follower.refusal is not None
    assert follower.refusal.rule == "predecessor"
    (told,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert bad in told.getMessage()
    assert told.exc_info is not None
    assert isinstance(told.exc_info[1], JobFault)
    assert isinstance(told.exc_info[1].__cause__, ZeroDivisionError)
    assert health.ready(world.context)["planner"] == {"faulty_jobs": 1}


def test_it_is_not_tried_again_by_itself_but_when_asked_or_changed(
    world: World, poisoned: Callable[..., list[str]]
) -> None:
    with_cluster(world)
    bad = submitted(world, is_planned=False)
    tries = poisoned(bad)
    world.clock.instant += timedelta(minutes=1)
    planning.schedule_all(world.context, OPERATOR)
    assert len(tries) == 1
    assert planning.replan_if_needed(world.context, QUIET) is None
    planning.replan(world.context, trigger="new_forecast")
    assert len(tries) == 1
    planning.schedule(world.context, OPERATOR, bad)
    assert len(tries) == 2
    world.clock.instant += timedelta(minutes=1)
    amend.change(world.context, OPERATOR, bad, {"job_name": "mended"})
    assert len(tries) == 3
    poisoned()
    planning.schedule(world.context, OPERATOR, bad)
    assert world.view(bad).job.status is JobStatus.SCHEDULED
    assert health.ready(world.context)["planner"] == {"faulty_jobs": 0}


def test_a_veto_that_names_a_job_leaves_only_that_job_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cluster(world)
    good, bad = (submitted(world, is_planned=False) for _ in range(2))
    real = negotiating.negotiate

    def vetoed(situation: Any) -> Any:
        if any(job.job_id == bad for job in situation.jobs):
            raise PolicyVeto("deadline: would end late", bad)
        return real(situation)

    monkeypatch.setattr(negotiating, "negotiate", vetoed)
    assert planning.schedule_all(world.context, OPERATOR).scheduled == 1
    assert world.view(good).job.status is JobStatus.SCHEDULED
    assert world.view(bad).job.status is JobStatus.REFUSED


def test_where_very_many_jobs_fail_the_planner_itself_is_at_fault_and_nothing_is_written(
    world: World, poisoned: Callable[..., list[str]]
) -> None:
    with_cluster(world)
    jobs = [submitted(world, is_planned=False) for _ in range(negotiating.MOST_FAULTS + 1)]
    tries = poisoned(*jobs)
    with pytest.raises(PlanningFailed):
        planning.schedule_all(world.context, OPERATOR)
    assert len(tries) == negotiating.MOST_FAULTS + 1
    (summary,) = planning.page(world.context, OPERATOR).items
    assert summary.status is NegotiationStatus.FAILED
    assert all(world.view(job_id).plan is None for job_id in jobs)


def test_a_what_if_leaves_the_job_out_and_names_it(
    world: World, poisoned: Callable[..., list[str]]
) -> None:
    with_cluster(world)
    good, bad = (submitted(world, is_planned=False) for _ in range(2))
    tries = poisoned(bad)
    found = what_if.what_if(world.context, OPERATOR, 245.0)
    rows = {row.job_id: row for row in found.jobs}
    assert rows[good].status == "scheduled"
    assert rows[bad].status == "refused"
    refusal = rows[bad].refusal
    assert refusal is not None
    assert refusal.rule == "internal"
    assert found.totals.jobs == 1
    points = what_if.trade_off(world.context, OPERATOR, 245.0).points
    assert [point.totals.jobs for point in points] == [1] * len(points)
    # Once a plan has left the job out, it is not tried again for an answer that commits nothing.
    world.clock.instant += timedelta(minutes=1)
    planning.schedule_all(world.context, OPERATOR)
    tries.clear()
    what_if.what_if(world.context, OPERATOR, 500.0)
    assert tries == []


def test_a_fault_of_no_single_job_is_one_sentence_and_what_was_accepted_stands(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cluster(world)
    job_id = submitted(world, is_planned=False)

    def broken(_situation: Any) -> Any:
        raise RuntimeError("2e-05 kW beyond the room")

    monkeypatch.setattr(negotiating, "negotiate", broken)
    with pytest.raises(PlanningFailed, match="a fault of the planner's own"):
        what_if.what_if(world.context, OPERATOR, 245.0)
    assert planning.replan_after(world.context, trigger="submit") is None
    assert world.view(job_id).job.status is JobStatus.PENDING
