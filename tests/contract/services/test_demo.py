"""The demo: three clusters and 24 jobs, loaded and removed by one call each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from models.domain.errors import Conflict, Forbidden
from models.domain.job import FINAL_STATUSES, JobStatus
from models.domain.ports import JobFilter, JobView
from models.domain.time import SLOT
from services import assets, demo, statement
from services.holding import every_page
from tests.support.fleet import NOON
from tests.support.world import OPERATOR, SUBMITTER, World, hours, submitted


def all_jobs(world: World) -> list[JobView]:
    with world.context.uow() as uow:
        return every_page(uow, JobFilter(), world.clock.now())


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    # Scotland is clean, London is not, and the later in each third of a day the dirtier.
    def carbon(slug: str, at: datetime) -> float:
        base = {"south_scotland": 40.0, "yorkshire": 130.0}.get(slug, 160.0)
        return base + 3.0 * ((at - NOON) // SLOT % 16)

    return make_world(mode="simulated", carbon=carbon)


def test_the_demo_has_three_clusters_and_24_jobs_and_one_refusal_that_can_be_cured(
    world: World,
) -> None:
    run = demo.load(world.context, OPERATOR)
    assert run.finished
    clusters = assets.page(world.context, OPERATOR).items
    assert len(clusters) == 3
    assert len({c.region for c in clusters}) == 3
    assert all(c.is_demo for c in clusters)
    views = all_jobs(world)
    assert len(views) == 24
    assert all(view.job.is_demo for view in views)
    refused = [v for v in views if v.status is JobStatus.REFUSED]
    assert [v.job.job_name for v in refused] == ["image-gen-marketing-set"]
    assert refused[0].plan is not None
    refusal = refused[0].plan.refusal
    assert refusal is not None
    assert refusal.rule == "carbon_cap"
    assert refusal.smallest_relaxation is not None
    assert (run.scheduled, run.refused) == (23, 1)


def test_the_tight_job_has_little_room_to_move(world: World) -> None:
    demo.load(world.context, OPERATOR)
    (tight,) = [v for v in all_jobs(world) if v.job.job_name == "fraud-model-refresh"]
    slack = tight.job.latest_finish - NOON - tight.job.duration
    assert slack <= hours(1)
    assert tight.status is JobStatus.SCHEDULED


def test_loading_twice_conflicts_and_loading_after_removal_works(world: World) -> None:
    demo.load(world.context, OPERATOR)
    with pytest.raises(Conflict):
        demo.load(world.context, OPERATOR)
    assert demo.clear(world.context, OPERATOR) == 27
    assert assets.page(world.context, OPERATOR).items == ()
    assert all(v.job.status in FINAL_STATUSES for v in all_jobs(world))
    assert demo.load(world.context, OPERATOR).scheduled == 23


def test_removing_what_is_not_there_changes_nothing(world: World) -> None:
    assert demo.clear(world.context, OPERATOR) == 0
    assert world.records("config_change") == []


def test_only_operators_load_and_remove_it(world: World) -> None:
    with pytest.raises(Forbidden):
        demo.load(world.context, SUBMITTER)
    with pytest.raises(Forbidden):
        demo.clear(world.context, SUBMITTER)


def test_frozen_work_of_others_keeps_the_demo_from_being_removed(world: World) -> None:
    demo.load(world.context, OPERATOR)
    scottish = next(
        a for a in assets.page(world.context, OPERATOR).items if a.region == "south_scotland"
    )
    submitted(
        world, asset_id=scottish.asset_id, latest_finish=NOON + hours(2), job_name="real work"
    )
    with pytest.raises(Conflict, match="real work"):
        demo.clear(world.context, OPERATOR)


def test_on_live_signals_the_demo_never_enters_a_statement(
    make_world: Callable[..., World],
) -> None:
    world = make_world(mode="live")
    demo.load(world.context, OPERATOR)
    today = NOON.date()
    told = statement.show(world.context, OPERATOR, today, today)
    assert told.rows == ()
    assert "demo jobs left out" in told.method
