"""Which part of running work may still move."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agents.policy import Policy
from models.domain.job import Flexibility, Job, JobStatus
from models.domain.market import Claim
from models.domain.plan import Segment
from services.started_work import started_of, started_work
from tests.support.fleet import NOON, a_job
from tests.support.planning import at_slot
from tests.support.stored import a_placement, a_plan

LEADS = {"cluster-a": timedelta(minutes=5)}


def stretch(first: float, end: float) -> Segment:
    return Segment(at_slot(first), at_slot(end), 10.0)


RUN = (stretch(0, 4), stretch(8, 10))


def running(**changes: Any) -> Job:
    job = a_job(
        minutes=180.0, flexibility=Flexibility.INTERRUPTIBLE, min_run_slots=2, status=JobStatus.RUNNING,
        started_at=NOON + timedelta(minutes=3),
    )  # fmt: skip
    return replace(job, **changes)


PLACED = replace(a_placement(), segments=RUN, end=at_slot(10))


def told(job: Job, hours: float, **leads: timedelta) -> Any:
    plan = a_plan(placement=PLACED)
    return started_of(job, plan, NOON + timedelta(hours=hours), {**LEADS, **leads}, ())


def test_the_minimum_run_of_the_chunk_that_has_begun_stays() -> None:
    # Ten past twelve: half-hours 0 and 1 belong to the minimum run, all later ones may move from one o'clock on.
    found = told(running(), 1 / 6)
    assert found.fixed == (stretch(0, 2),)
    assert found.rest == (stretch(2, 4), stretch(8, 10))
    assert (found.free_from, found.latest_end) == (at_slot(2), running().latest_finish)


def test_half_hours_that_begin_within_the_freeze_stay() -> None:
    # Ten past one: half-hour 2 has begun, 3 begins at 13:30.
    assert told(running(), 7 / 6).fixed == (stretch(0, 3),)
    # Handed to an executor an hour counts: up to 14:10, so that half-hour 3 stays too.
    found = told(running(), 7 / 6, **{"job job-a": timedelta(hours=1)})
    assert (found.fixed, found.rest, found.free_from) == (
        (stretch(0, 4),),
        (stretch(8, 10),),
        at_slot(5),
    )


def test_a_chunk_about_to_begin_keeps_its_minimum_run_and_then_nothing_is_left() -> None:
    assert told(running(), 3.95) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"status": JobStatus.SCHEDULED},
        {"flexibility": Flexibility.DEFERRABLE},
        {"pinned_start": NOON},
        {"started_at": at_slot(1)},
    ],
)
def test_only_interruptible_work_that_runs_as_planned_may_move(changes: dict[str, Any]) -> None:
    assert told(running(**changes), 1 / 6) is None


def test_work_handed_to_an_executor_restarts_no_oftener_than_it_was_told() -> None:
    assert told(running(max_chunks=8), 1 / 6).job.max_chunks == 8
    handed_over = running(max_chunks=8, workload={"executor": "slurm", "command": ["true"]})
    assert told(handed_over, 1 / 6).job.max_chunks == 2


def test_what_others_count_on_stays() -> None:
    job, plan = running(), a_plan(placement=PLACED)
    follower = a_job("b", depends_on=("job-a",))
    given: dict[str, Any] = {
        "plans": {"job-a": plan}, "claims": (), "frozen": (job,), "leads": LEADS,
        "now": NOON + timedelta(minutes=10), "faulty": (),
    }  # fmt: skip
    (free,) = started_work(Policy(1.0), jobs=(job,), **given)
    assert free.latest_end == job.latest_finish
    (awaited,) = started_work(Policy(1.0), jobs=(job, follower), **given)
    assert awaited.latest_end == at_slot(10)
    claim = Claim("c", "cluster-a", NOON, job_id="job-a")
    assert started_work(Policy(1.0), jobs=(job,), **{**given, "claims": (claim,)}) == ()
    assert started_work(Policy(1.0), jobs=(job,), **{**given, "faulty": ("job-a",)}) == ()
    budget = Policy(1.0, carbon_budget_kg_per_day=5.0)
    assert started_work(budget, jobs=(job,), **given) == ()
