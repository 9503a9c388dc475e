"""Routines become jobs 48 hours ahead, each occurrence once, until they are ended; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from models.domain.access import Caller, Role
from models.domain.errors import Conflict, Forbidden, InvalidRequest, NotFound
from models.domain.job import Priority
from models.domain.ports import JobFilter
from models.domain.routine import Every, Routine
from services import assets, routines
from services.routines import RoutineDraft
from storage.database import Database
from tests.support.fleet import NOON
from tests.support.world import (
    AUDITOR,
    OPERATOR,
    STRANGER,
    World,
    a_world,
    hours,
    submitted,
    with_cluster,
)

JOB = {
    "duration": hours(2),
    "estimated_power_kw": 10.0,
    "job_name": "nightly",
    "priority": Priority.HIGH,
    "allowed_regions": ("london",),
}


def a_draft(**changes: Any) -> RoutineDraft:
    return replace(RoutineDraft(Every.WEEKDAY, 18, 0, hours(14), JOB), **changes)


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    world = a_world(database, tmp_path)  # Saturday 21 November 2026, noon
    with_cluster(world)
    return world


def made(world: World, prefix: str) -> dict[str, datetime]:
    with world.context.uow() as uow:
        found = uow.jobs.page(JobFilter(owner="local"), world.clock.now(), limit=200).items
    return {v.job.job_id: v.job.earliest_start for v in found if v.job.job_id.startswith(prefix)}


def test_every_weekday_at_18_becomes_one_job_48_hours_ahead(world: World) -> None:
    routine = routines.create(world.context, OPERATOR, a_draft(routine_id="nightly"))
    # Monday 18:00 is 54 hours after Saturday noon.
    assert (routine.next_on, made(world, "nightly")) == (date(2026, 11, 23), {})
    world.clock.instant = NOON + hours(7)
    assert routines.extend(world.context) == 1
    assert routines.extend(world.context) == 0
    assert made(world, "nightly") == {
        "nightly-20261123": datetime(2026, 11, 23, 18, tzinfo=UTC),
    }
    with world.context.uow() as uow:
        job = uow.jobs.get("nightly-20261123")
        kept = uow.routines.get("nightly")
    assert job.latest_finish == datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert (job.priority, job.duration, job.job_name) == (Priority.HIGH, hours(2), "nightly 23 Nov")
    assert (kept.next_on, kept.handed_in, kept.last_error) == (date(2026, 11, 24), 1, None)


def test_a_week_of_weekdays_leaves_the_weekend_out(world: World) -> None:
    routines.create(world.context, OPERATOR, a_draft(routine_id="nightly"))
    for hour in range(0, 9 * 24, 5):
        world.clock.instant = NOON + hours(hour)
        routines.extend(world.context)
    # Nine days on, Monday 30 November noon: 48 hours ahead reach Tuesday 18:00.
    days = sorted(job_id.rpartition("-")[2] for job_id in made(world, "nightly"))
    assert days == [
        "20261123", "20261124", "20261125", "20261126", "20261127", "20261130", "20261201",
    ]  # fmt: skip


def test_copies_and_the_last_date_are_kept(world: World) -> None:
    draft = a_draft(
        routine_id="two", every=Every.DAY, copies=2, until=date(2026, 11, 22), first_on=None
    )
    routine = routines.create(world.context, OPERATOR, draft)
    assert sorted(made(world, "two")) == [
        "two-20261121-1", "two-20261121-2", "two-20261122-1", "two-20261122-2",
    ]  # fmt: skip
    assert (routine.is_live, routine.handed_in) == (False, 4)


def test_the_clock_of_london_is_meant_on_both_sides_of_a_change(world: World) -> None:
    # Clocks go forward on Sunday 28 March 2027: 18:00 is 18:00 UTC before and 17:00 UTC after.
    routine = Routine(
        "r", "local", Every.DAY, 18, 0, hours(14), 1, {"duration_hours": 2.0}, date(2027, 3, 27), None, NOON,
    )  # fmt: skip
    starts = [routine.start_on(date(2027, 3, 27)), routine.start_on(date(2027, 3, 28))]
    assert [start.astimezone(UTC).hour for start in starts] == [18, 17]


def test_a_weekly_one_keeps_its_weekday(world: World) -> None:
    friday = date(2026, 11, 27)
    routine = routines.create(
        world.context, OPERATOR, a_draft(every=Every.WEEK, first_on=friday, routine_id="w")
    )
    assert routine.next_on == friday
    assert routine.after(friday) == date(2026, 12, 4)


def test_an_ended_one_makes_no_more_jobs_and_keeps_those_it_made(world: World) -> None:
    routines.create(world.context, OPERATOR, a_draft(routine_id="daily", every=Every.DAY))
    before = made(world, "daily")
    assert before
    assert not routines.end(world.context, OPERATOR, "daily").is_live
    assert not routines.end(world.context, OPERATOR, "daily").is_live
    world.clock.instant = NOON + hours(48)
    assert routines.extend(world.context) == 0
    assert made(world, "daily") == before
    assert routines.page(world.context, OPERATOR) == ()


def test_a_crash_before_the_commit_neither_loses_nor_doubles_an_occurrence(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    routines.create(world.context, OPERATOR, a_draft(routine_id="nightly"))
    world.clock.instant = NOON + hours(7)

    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("storage.routines.SqlRoutineRepository.update", dies)
        with pytest.raises(KeyboardInterrupt):
            routines.extend(world.context)
    assert made(world, "nightly") == {}
    assert routines.extend(world.context) == 1
    assert len(made(world, "nightly")) == 1


def test_an_occurrence_that_is_refused_is_noted_and_the_next_one_is_tried(world: World) -> None:
    routines.create(world.context, OPERATOR, a_draft(routine_id="nightly"))
    assets.change(world.context, OPERATOR, "hall", {"max_power_kw": 5.0})
    world.clock.instant = NOON + hours(7)
    assert routines.extend(world.context) == 0
    kept = routines.get(world.context, OPERATOR, "nightly")
    assert kept.last_error is not None
    assert kept.last_error.startswith("2026-11-23: ")
    assert kept.next_on == date(2026, 11, 24)


def test_a_job_that_has_the_id_of_an_occurrence_stops_no_other_routine(world: World) -> None:
    routines.create(world.context, OPERATOR, a_draft(routine_id="a-nightly", copies=2))
    routines.create(world.context, OPERATOR, a_draft(routine_id="b-nightly"))
    submitted(world, job_id="a-nightly-20261123-2")
    world.clock.instant = NOON + hours(7)
    assert routines.extend(world.context) == 1
    assert list(made(world, "b-nightly")) == ["b-nightly-20261123"]
    taken = routines.get(world.context, OPERATOR, "a-nightly")
    assert list(made(world, "a-nightly")) == ["a-nightly-20261123-2"], "all or none"
    assert "a-nightly-20261123-2" in (taken.last_error or "")
    assert taken.next_on == date(2026, 11, 24)


def test_what_could_never_be_accepted_is_refused_at_once(world: World) -> None:
    with pytest.raises(InvalidRequest, match="100 kW"):
        routines.create(world.context, OPERATOR, a_draft(job={**JOB, "estimated_power_kw": 500.0}))
    hostile = {"command": ["true"], "env": {"LD_PRELOAD": "/tmp/x.so"}}
    with pytest.raises(InvalidRequest, match="makes the loader"):
        routines.create(world.context, OPERATOR, a_draft(job={**JOB, "workload": hostile}))
    with pytest.raises(InvalidRequest, match="finish_within_hours"):
        routines.create(world.context, OPERATOR, a_draft(window=hours(1)))
    with pytest.raises(InvalidRequest, match="until"):
        routines.create(world.context, OPERATOR, a_draft(until=date(2026, 11, 1)))
    assert routines.page(world.context, OPERATOR) == ()


def test_routines_are_their_owners(world: World) -> None:
    routines.create(world.context, OPERATOR, a_draft(routine_id="nightly"))
    with pytest.raises(Conflict):
        routines.create(world.context, OPERATOR, a_draft(routine_id="nightly"))
    with pytest.raises(Forbidden):
        routines.create(world.context, AUDITOR, a_draft())
    with pytest.raises(NotFound):
        routines.end(world.context, STRANGER, "nightly")
    stranger = Caller(STRANGER.owner, Role.SUBMITTER)
    assert routines.page(world.context, stranger) == ()


def test_an_occurrence_that_can_no_longer_be_finished_is_passed_over(world: World) -> None:
    routines.create(world.context, OPERATOR, a_draft(routine_id="daily", every=Every.DAY))
    world.clock.instant = NOON + timedelta(days=10)
    routines.extend(world.context)
    made_on = {job_id.rpartition("-")[2] for job_id in made(world, "daily")}
    # Away for ten days, back on 1 December at noon: even 30 November 18:00 had to be done by 08:00.
    assert made_on == {"20261121", "20261122", "20261201", "20261202"}
