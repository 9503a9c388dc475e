"""The Job page's use case on a real database."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from models.domain.errors import NotFound
from services import assets, controls, job_detail, planning
from tests.support.fake_executor import FakeExecutor
from tests.support.fleet import NOON
from tests.support.world import (
    AUDITOR,
    OPERATOR,
    STRANGER,
    World,
    hours,
    placed,
    submitted,
    with_cluster,
)


def test_a_planned_job_comes_with_its_cluster_negotiation_and_record(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world, earliest_start=NOON + hours(3))
    detail = job_detail.show(world.context, OPERATOR, job_id)
    assert detail.asset is not None
    assert detail.asset.asset_id == "hall"
    assert detail.negotiation is not None
    assert detail.record_line is not None
    assert json.loads(detail.record_line)["job_id"] == job_id
    assert detail.freeze_at is not None
    assert detail.view.plan is not None
    assert detail.view.plan.award is not None
    lead = detail.view.plan.award.placement.start - detail.freeze_at
    assert lead.total_seconds() == 300
    assert detail.may_still_move.startswith("Until ")
    assert "live carbon" in detail.how_sure
    assert detail.value_of_carbon_gbp_per_tonne == pytest.approx(2667.0)


def test_a_job_without_plan_has_neither_record_nor_freeze(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world, is_planned=False)
    detail = job_detail.show(world.context, OPERATOR, job_id)
    assert detail.negotiation is None
    assert detail.record_line is None
    assert detail.freeze_at is None
    assert detail.how_sure == ""


def test_what_came_before_and_after_is_shown_with_what_users_did(world: World) -> None:
    with_cluster(world)
    first = submitted(world, is_planned=False, job_name="prepare")
    second = submitted(world, depends_on=(first,), job_name="train")
    controls.hold(world.context, OPERATOR, second, held=True)
    detail = job_detail.show(world.context, OPERATOR, second)
    assert [view.job.job_id for view in detail.predecessors] == [first]
    assert [control["action"] for control in detail.controls] == ["hold"]
    earlier = job_detail.show(world.context, OPERATOR, first)
    assert [view.job.job_id for view in earlier.successors] == [second]


def test_a_job_that_others_with_a_fixed_place_wait_for_says_that_it_no_longer_moves(
    world: World,
) -> None:
    # The last one is frozen an hour ahead, because an executor starts it; the two before it are not, each by itself.
    world.context = replace(world.context, executors={"slurm": FakeExecutor(world.clock.now)})
    with_cluster(world)
    with_cluster(world, asset_id="yard", region="yorkshire", executor="slurm")
    soon = {"duration": hours(0.5), "latest_finish": NOON + hours(2), "is_planned": False}
    first = submitted(world, job_name="fetch", asset_id="hall", **soon)
    second = submitted(world, job_name="prepare", asset_id="hall", depends_on=(first,), **soon)
    last = submitted(world, job_name="train", depends_on=(second,), asset_id="yard", **soon)
    planning.schedule_all(world.context, OPERATOR)
    world.clock.instant = placed(world, last).start - hours(1)
    told = [
        job_detail.show(world.context, OPERATOR, job_id).may_still_move
        for job_id in (first, second)
    ]
    assert placed(world, second).start > world.clock.instant + hours(0.1)
    assert told[1] == "It no longer moves: train waits for it, and its own place stands."
    assert told[0] in {told[1], "Its window is open, so nothing moves it any more; say whether it started."}  # fmt: skip


def test_a_retired_cluster_leaves_the_page_without_one(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world, earliest_start=NOON + hours(3))
    assets.delete(world.context, OPERATOR, "hall")
    assert job_detail.show(world.context, OPERATOR, job_id).asset is None


def test_strangers_do_not_see_it_and_auditors_do(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world)
    with pytest.raises(NotFound):
        job_detail.show(world.context, STRANGER, job_id)
    assert job_detail.show(world.context, AUDITOR, job_id).view.job.job_id == job_id
