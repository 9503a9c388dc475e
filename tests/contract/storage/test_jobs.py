"""What every `JobRepository` does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from models.domain.errors import Conflict, NotFound
from models.domain.job import Flexibility, Job, JobControls, JobStatus, Priority
from models.domain.ports import JobFilter
from storage.unit_of_work import SqlUnitOfWorkFactory
from tests.support.fleet import NOON, a_job, an_asset
from tests.support.stored import a_placement, a_plan, a_refused_plan

HOUR = timedelta(hours=1)


def a_full_job() -> Job:
    return a_job(
        "full",
        minutes=95.5,
        job_type="training",
        flexibility=Flexibility.INTERRUPTIBLE,
        priority=Priority.CRITICAL,
        power_profile_kw=(1.0, 0.1 + 0.2, 3.0, 2.0),
        power_levels=((1.0, 0.25), (2.0, 1.0)),
        allowed_regions=("london", "scotland"),
        depends_on=("first", "second"),
        carbon_cap_g_per_kwh=123.456,
        workload={"command": ["run", 1], "env": {"A": None}, "$odd": (1, 2)},
        baseline_start=NOON + timedelta(microseconds=7),
        pinned_start=NOON + HOUR,
        pinned_asset_id="cluster-a",
        is_held=True,
    )


@pytest.fixture
def fleet(units: SqlUnitOfWorkFactory) -> SqlUnitOfWorkFactory:
    with units(write=True) as unit:
        unit.assets.add(an_asset("cluster-a"))
        unit.assets.add(an_asset("cluster-w", "south_wales"))
        unit.commit()
    return units


def put(fleet: SqlUnitOfWorkFactory, *jobs: Job, plans=()) -> None:
    with fleet(write=True) as unit:
        for job in jobs:
            unit.jobs.add(job)
        unit.plans.put(plans)
        unit.commit()


def ids(page) -> list[str]:
    return [view.job.job_id for view in page.items]


def test_a_job_reads_back_as_it_was_stored(fleet: SqlUnitOfWorkFactory) -> None:
    put(fleet, a_full_job())
    with fleet() as unit:
        assert unit.jobs.get("full") == a_full_job()
        assert unit.jobs.many(["full", "absent", "full"]) == {"full": a_full_job()}
        view = unit.jobs.view("full", NOON, "local")
        assert (view.job, view.plan, view.status) == (a_full_job(), None, JobStatus.PENDING)


def test_another_owners_job_is_not_found(fleet: SqlUnitOfWorkFactory) -> None:
    put(fleet, a_job())
    with fleet() as unit:
        for read in (
            lambda: unit.jobs.get("job-a", "another"),
            lambda: unit.jobs.view("job-a", NOON, "another"),
            lambda: unit.jobs.get("absent"),
            lambda: unit.jobs.view("absent", NOON),
        ):
            with pytest.raises(NotFound):
                read()


def test_an_id_is_used_once_and_the_unit_of_work_survives_the_refusal(
    fleet: SqlUnitOfWorkFactory,
) -> None:
    put(fleet, a_job())
    with fleet(write=True) as unit:
        with pytest.raises(Conflict, match="exists already"):
            unit.jobs.add(a_job(job_name="the second"))
        unit.jobs.add(a_job("job-b"))
        unit.commit()
    with fleet() as unit:
        assert unit.jobs.get("job-a") == a_job()
        assert unit.jobs.get("job-b") == a_job("job-b")


def test_a_job_on_an_asset_nobody_has_is_a_conflict(fleet: SqlUnitOfWorkFactory) -> None:
    with fleet(write=True) as unit, pytest.raises(Conflict):  # noqa: PT012 - commit may be what checks
        unit.jobs.add(a_job(asset_id="nowhere"))
        unit.commit()


def test_a_change_needs_the_next_version_and_is_noted(fleet: SqlUnitOfWorkFactory) -> None:
    put(fleet, a_job())
    held = a_job(is_held=True, version=2)
    released = a_job(is_held=False, version=3)
    hold = JobControls("hold", NOON, "local", {"why": "maintenance"})
    release = JobControls("release", NOON + HOUR, "local")
    with fleet(write=True) as unit:
        unit.jobs.update(held, hold)
        with pytest.raises(Conflict, match="at version 2"):
            unit.jobs.update(replace(held, job_name="late"))
        unit.jobs.update(released, release)
        with pytest.raises(NotFound):
            unit.jobs.update(a_job("absent", version=2))
        unit.commit()
    with fleet() as unit:
        assert unit.jobs.get("job-a") == released
        assert unit.jobs.controls("job-a") == (hold, release)
        assert unit.jobs.controls("absent") == ()


def test_pages_go_by_acceptance_then_id_in_both_directions(fleet: SqlUnitOfWorkFactory) -> None:
    # Three accepted at one instant, two at a later one: ids break the tie.
    put(fleet, *(a_job(f"job-{k}") for k in (2, 0, 1)))
    put(fleet, *(a_job(f"late-{k}", accepted_at=NOON + HOUR) for k in (1, 0)))
    expected = ["job-0", "job-1", "job-2", "late-0", "late-1"]
    with fleet() as unit:
        for newest_first in (False, True):
            seen: list[str] = []
            cursor = None
            while True:
                page = unit.jobs.page(
                    JobFilter(), NOON, cursor=cursor, limit=2, newest_first=newest_first
                )
                seen += ids(page)
                cursor = page.next_cursor
                if cursor is None:
                    break
            assert seen == (expected[::-1] if newest_first else expected)


def test_a_page_joins_each_job_with_its_plan(fleet: SqlUnitOfWorkFactory) -> None:
    award, refusal = a_plan("job-a"), a_refused_plan("job-b")
    put(fleet, a_job("job-a"), a_job("job-b"), a_job("job-c"), plans=[award, refusal])
    with fleet() as unit:
        page = unit.jobs.page(JobFilter(), NOON)
        assert [view.plan for view in page.items] == [None, refusal, award]


def test_an_award_whose_end_has_passed_reads_unconfirmed_and_a_running_job_does_not(
    fleet: SqlUnitOfWorkFactory,
) -> None:
    # Both awards run 12:00 to 13:00.
    put(
        fleet,
        a_job("waits", status=JobStatus.SCHEDULED),
        a_job("runs", status=JobStatus.RUNNING),
        a_job("new"),
        plans=[a_plan("waits"), a_plan("runs")],
    )
    end = NOON + HOUR
    before = end - timedelta(microseconds=1)
    with fleet() as unit:
        assert unit.jobs.view("waits", before).status is JobStatus.SCHEDULED
        assert unit.jobs.view("waits", end).status is JobStatus.UNCONFIRMED
        assert unit.jobs.view("runs", end).status is JobStatus.RUNNING

        def with_status(now, *statuses):
            return ids(unit.jobs.page(JobFilter(statuses=frozenset(statuses)), now))

        assert with_status(before, JobStatus.SCHEDULED) == ["waits"]
        assert with_status(before, JobStatus.UNCONFIRMED) == []
        assert with_status(end, JobStatus.SCHEDULED) == []
        assert with_status(end, JobStatus.UNCONFIRMED) == ["waits"]
        assert with_status(end, JobStatus.UNCONFIRMED, JobStatus.RUNNING) == ["waits", "runs"]
        assert with_status(end, JobStatus.SCHEDULED, JobStatus.PENDING) == ["new"]

        counts = unit.jobs.counts(None, end)
        assert {status: n for status, n in counts.items() if n} == {
            JobStatus.UNCONFIRMED: 1,
            JobStatus.RUNNING: 1,
            JobStatus.PENDING: 1,
        }
        assert unit.jobs.counts("local", before)[JobStatus.SCHEDULED] == 1
        assert sum(unit.jobs.counts("another", before).values()) == 0


def test_a_scheduled_job_without_a_stored_plan_reads_scheduled(
    fleet: SqlUnitOfWorkFactory,
) -> None:
    put(fleet, a_job(status=JobStatus.SCHEDULED))
    with fleet() as unit:
        page = unit.jobs.page(JobFilter(statuses=frozenset({JobStatus.SCHEDULED})), NOON)
        assert ids(page) == ["job-a"]
        assert unit.jobs.counts(None, NOON)[JobStatus.SCHEDULED] == 1


def test_lists_filter_by_owner_place_text_and_planned_start(fleet: SqlUnitOfWorkFactory) -> None:
    # `moved` belongs to the London cluster and is awarded the Welsh one.
    put(
        fleet,
        a_job("moved", job_name="Nightly ÉTUDE 100%"),
        a_job("stays", job_name="nightly_etude 1000"),
        a_job("other", owner="another", asset_id="cluster-w"),
        plans=[
            a_plan("moved", a_placement(NOON + HOUR, 60, 10, "cluster-w", "south_wales")),
            a_plan("stays", a_placement(NOON + 2 * HOUR)),
        ],
    )

    with fleet() as unit:

        def found(**wanted) -> list[str]:
            return sorted(ids(unit.jobs.page(JobFilter(**wanted), NOON)))

        assert found(owner="another") == ["other"]
        assert found(region="south_wales") == ["moved", "other"]
        assert found(region="london") == ["stays"]
        assert found(asset_id="cluster-w") == ["moved", "other"]
        assert found(text="NIGHTLY") == ["moved", "stays"]
        assert found(text="étude") == ["moved"]
        assert found(text="100%") == ["moved"], "a percent sign is only a percent sign"
        assert found(text="y_e") == ["stays"], "an underscore is only an underscore"
        assert found(text="OTHER") == ["other"], "ids are searched too"
        assert found(start_after=NOON + 2 * HOUR) == ["stays"]
        assert found(start_before=NOON + 2 * HOUR) == ["moved"]
        assert found(text="nightly", region="london", owner="local") == ["stays"]


def test_open_jobs_are_those_a_planner_must_consider(fleet: SqlUnitOfWorkFactory) -> None:
    put(fleet, *(a_job(str(status), status=status) for status in JobStatus))
    with fleet() as unit:
        assert {job.status for job in unit.jobs.open_jobs()} == {
            JobStatus.PENDING,
            JobStatus.SCHEDULED,
            JobStatus.REFUSED,
            JobStatus.RUNNING,
        }


def test_due_jobs_have_started_by_now(fleet: SqlUnitOfWorkFactory) -> None:
    put(
        fleet,
        a_job("now", status=JobStatus.SCHEDULED),
        a_job("later", status=JobStatus.SCHEDULED),
        a_job("runs", status=JobStatus.RUNNING),
        a_job("done", status=JobStatus.COMPLETED),
        plans=[
            a_plan("now"),
            a_plan("later", a_placement(NOON + HOUR)),
            a_plan("runs", a_placement(NOON - HOUR)),
            a_plan("done", a_placement(NOON - HOUR)),
        ],
    )
    with fleet() as unit:
        assert [view.job.job_id for view in unit.jobs.due(NOON)] == ["runs", "now"]
        assert [view.job.job_id for view in unit.jobs.due(NOON + HOUR)] == ["runs", "now", "later"]


def test_successors_follow_a_change_of_dependencies(fleet: SqlUnitOfWorkFactory) -> None:
    put(fleet, a_job("first"), a_job("second", depends_on=("first", "other")))
    with fleet(write=True) as unit:
        assert [job.job_id for job in unit.jobs.successors("first")] == ["second"]
        unit.jobs.update(a_job("second", depends_on=("other",), version=2))
        assert unit.jobs.successors("first") == ()
        assert [job.job_id for job in unit.jobs.successors("other")] == ["second"]


def test_removing_the_demo_cancels_its_open_jobs_and_retires_its_assets(
    fleet: SqlUnitOfWorkFactory,
) -> None:
    with fleet(write=True) as unit:
        unit.assets.add(an_asset("demo-1", is_demo=True))
        unit.jobs.add(a_job("mine"))
        unit.jobs.add(
            a_job("demo-open", asset_id="demo-1", is_demo=True, status=JobStatus.SCHEDULED)
        )
        unit.jobs.add(
            a_job("demo-done", asset_id="demo-1", is_demo=True, status=JobStatus.COMPLETED)
        )
        unit.plans.put([a_plan("demo-open", a_placement(asset_id="demo-1"))])
        unit.commit()
    with fleet(write=True) as unit:
        assert unit.jobs.delete_demo() == 2  # one job, one asset
        assert unit.jobs.delete_demo() == 0
        unit.commit()
    with fleet() as unit:
        assert unit.jobs.get("mine").status is JobStatus.PENDING
        assert unit.jobs.get("demo-open").status is JobStatus.CANCELLED
        assert [control.action for control in unit.jobs.controls("demo-open")] == ["cancel"]
        assert unit.jobs.get("demo-done").status is JobStatus.COMPLETED
        assert [asset.asset_id for asset in unit.assets.all_live()] == ["cluster-a", "cluster-w"]
        assert "demo-open" not in unit.plans.current(), "it holds no power any more"
