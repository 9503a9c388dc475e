"""Accepting jobs on a real database: stored, recorded and owned before anything else; estimates store nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from models.domain.errors import Conflict, Forbidden, InvalidRequest, NotFound
from models.domain.job import JobStatus
from models.domain.ports import JobFilter
from services import amend, assets, best_window, controls, explain, submit
from services.types import AssetDraft, BestWindowQuery, JobDraft, Repeat
from tests.support.fleet import NOON
from tests.support.world import (
    AUDITOR,
    OPERATOR,
    STRANGER,
    SUBMITTER,
    World,
    flat,
    hours,
    placed,
    submitted,
    with_cluster,
)


def evening_is_cheap(_slug: str, at: datetime) -> float:
    return 0.10 if 18 <= at.hour < 22 else 0.30


@pytest.fixture
def evening(make_world: Callable[..., World]) -> World:
    world = make_world(price=evening_is_cheap, carbon=flat(0.0))
    with_cluster(world)
    return world


def a_draft(**changes: Any) -> JobDraft:
    plain = JobDraft(
        duration=hours(2), latest_finish=NOON + hours(24), estimated_power_kw=10.0, job_name="train"
    )
    return replace(plain, **changes)


# --- accepting ------------------------------------------------------------------------------------


def test_a_job_is_stored_and_recorded_before_it_is_planned(evening: World) -> None:
    view = submit.submit(evening.context, SUBMITTER, a_draft(job_name="secret model"))
    assert (view.status, view.plan) == (JobStatus.PENDING, None)
    (record, *_) = [r for r in evening.records("input_snapshot") if r.job_id == view.job.job_id]
    told = json.loads(record.line)["accepted"]
    assert told["on_arrival"] == "2026-11-21T12:00:00.000Z"
    assert told["power_kw"] == "10.000000"
    assert "secret" not in record.line


def test_an_id_is_taken_once(evening: World) -> None:
    submit.submit(evening.context, OPERATOR, a_draft(job_id="mine"))
    with pytest.raises(Conflict, match="mine"):
        submit.submit(evening.context, OPERATOR, a_draft(job_id="mine"))


def test_a_request_made_again_under_its_key_does_not_become_a_second_job(evening: World) -> None:
    first = submit.submit(evening.context, SUBMITTER, a_draft(idempotency_key="k-1")).job.job_id
    with pytest.raises(Conflict, match=first):
        submit.submit(evening.context, SUBMITTER, a_draft(idempotency_key="k-1"))
    other = submit.submit(evening.context, SUBMITTER, a_draft(idempotency_key="k-2")).job.job_id
    assert other != first


def test_of_several_jobs_all_or_none_are_accepted(evening: World) -> None:
    # The third daily repeat lies beyond 14 days.
    with pytest.raises(InvalidRequest):
        submit.submit_and_plan(
            evening.context,
            OPERATOR,
            a_draft(latest_finish=NOON + hours(24 * 12)),
            Repeat(every="day", times=4),
        )
    with evening.context.uow() as uow:
        assert uow.jobs.open_jobs() == ()
    assert evening.records("input_snapshot") == []


def test_an_auditor_submits_nothing(evening: World) -> None:
    with pytest.raises(Forbidden, match="auditor"):
        submit.submit(evening.context, AUDITOR, a_draft())


def test_a_predecessor_must_be_ones_own(evening: World) -> None:
    first = submitted(evening)
    view = submit.submit(evening.context, OPERATOR, a_draft(depends_on=(first,)))
    assert view.job.depends_on == (first,)
    assets.create(evening.context, STRANGER, AssetDraft(region="london", max_power_kw=10.0))
    with pytest.raises(InvalidRequest) as caught:
        submit.submit(evening.context, STRANGER, a_draft(depends_on=(first,)))
    assert caught.value.fields[0].field == "depends_on.0"


def test_which_cluster_is_found_or_asked_for(evening: World) -> None:
    assert submit.submit(evening.context, OPERATOR, a_draft()).job.asset_id == "hall"
    with_cluster(evening, asset_id="north", region="yorkshire")
    # The last used one.
    assert submit.submit(evening.context, OPERATOR, a_draft()).job.asset_id == "hall"
    with pytest.raises(InvalidRequest) as caught:
        submit.submit(evening.context, OPERATOR, a_draft(asset_id="south"))
    assert caught.value.fields[0].allowed == "hall, north"
    with pytest.raises(InvalidRequest, match="no cluster is registered yet"):
        submit.submit(evening.context, STRANGER, a_draft())


def test_one_of_several_unused_clusters_must_be_named(world: World) -> None:
    with_cluster(world, asset_id="a")
    with_cluster(world, asset_id="b")
    with pytest.raises(InvalidRequest, match="which cluster is this job for") as caught:
        submit.submit(world.context, OPERATOR, a_draft())
    assert caught.value.fields[0].allowed == "a, b"


# --- estimating -----------------------------------------------------------------------------------


def test_an_estimate_says_what_planning_then_does_and_stores_nothing(evening: World) -> None:
    told = submit.estimate(evening.context, OPERATOR, a_draft())
    assert told.placement is not None
    assert told.placement.start == NOON + hours(6)
    assert told.wait == hours(6)
    assert told.savings is not None
    # 20 kWh at £0.30 on arrival and £0.10 in the evening.
    assert told.savings.cost_gbp == pytest.approx(4.0)
    assert told.runner_up is not None
    assert told.runner_up.start == NOON + hours(8)
    with evening.context.uow() as uow:
        assert uow.jobs.open_jobs() == ()
    job_id = submitted(evening)
    assert placed(evening, job_id) == told.placement


def test_an_estimate_sees_the_power_that_others_hold(evening: World) -> None:
    submitted(evening, estimated_power_kw=95.0)
    told = submit.estimate(evening.context, OPERATOR, a_draft())
    assert told.placement is not None
    assert told.placement.start == NOON + hours(8)


def test_an_estimate_waits_for_the_job_it_comes_after(evening: World) -> None:
    first = submitted(evening)
    told = submit.estimate(evening.context, OPERATOR, a_draft(depends_on=(first,)))
    assert told.placement is not None
    assert told.placement.start == placed(evening, first).end


def test_an_estimate_of_what_does_not_fit_is_a_refusal_with_offers(evening: World) -> None:
    told = submit.estimate(evening.context, OPERATOR, a_draft(max_price_gbp_per_kwh=0.05))
    assert told.placement is None
    assert told.refusal is not None
    assert told.refusal.rule == "max_price"
    offer = told.refusal.smallest_relaxation
    assert offer is not None
    assert (offer.field, offer.value) == ("max_price_per_kwh", 0.1)
    job_id = submitted(evening, max_price_gbp_per_kwh=offer.value)
    assert placed(evening, job_id).start == offer.start


def test_the_offer_of_a_refusal_can_be_taken_with_one_change(evening: World) -> None:
    # From 13:00 to 17:00 the cluster is full but for 5 kW; the job should run from 13:00 to 15:30.
    soon = NOON + hours(1)
    submitted(
        evening,
        estimated_power_kw=95.0,
        duration=hours(4),
        earliest_start=soon,
        latest_finish=NOON + hours(5),
    )
    late = submitted(evening, earliest_start=soon, latest_finish=NOON + hours(3.5))
    plan = evening.view(late).plan
    assert plan is not None
    assert plan.refusal is not None
    for offer in plan.refusal.relaxations:
        changes: dict[str, Any] = {
            "latest_finish": {"latest_finish": NOON + hours(7)},
            "estimated_power_kw": {"estimated_power_kw": offer.value},
        }[offer.field]
        view = amend.change(evening.context, OPERATOR, late, changes)
        assert view.job.status is JobStatus.SCHEDULED
        undo = {"latest_finish": NOON + hours(3.5), "estimated_power_kw": 10.0}
        assert amend.change(evening.context, OPERATOR, late, undo).job.status is JobStatus.REFUSED


# --- reading --------------------------------------------------------------------------------------


def test_jobs_are_read_by_their_owner_and_by_auditors(evening: World) -> None:
    job_id = submitted(evening)
    assert submit.get(evening.context, AUDITOR, job_id).job.job_id == job_id
    with pytest.raises(NotFound):
        submit.get(evening.context, STRANGER, job_id)
    wanted = JobFilter()
    for caller, count in ((OPERATOR, 1), (STRANGER, 0), (AUDITOR, 1)):
        found = submit.page(
            evening.context, caller, wanted, cursor=None, limit=10, newest_first=True
        )
        assert len(found.items) == count
    # Asking for another owner's does not help.
    theirs = JobFilter(owner="local")
    found = submit.page(evening.context, STRANGER, theirs, cursor=None, limit=10, newest_first=True)
    assert found.items == ()


def test_jobs_that_have_ended_are_no_predecessors(evening: World) -> None:
    first, second = submitted(evening), submitted(evening)
    controls.cancel(evening.context, OPERATOR, first)
    found = submit.possible_predecessors(evening.context, OPERATOR)
    assert [job.job_id for job in found] == [second]


# --- other starts ---------------------------------------------------------------------------------


def test_every_other_start_is_shown_with_its_price_and_what_closes_it(evening: World) -> None:
    submitted(evening, estimated_power_kw=95.0, latest_finish=NOON + hours(2))
    job_id = submitted(evening, latest_finish=NOON + hours(9), max_price_gbp_per_kwh=0.2)
    found = {c.placement.start: c for c in explain.candidates(evening.context, OPERATOR, job_id)}
    assert len(found) == 15
    chosen = found[NOON + hours(6)]
    assert (chosen.feasible, chosen.rule) == (True, None)
    assert chosen.extra_gbp == pytest.approx(0.0)
    # 17:00: half of it at £0.30, half at £0.10, just within £0.20; waiting an hour less.
    assert found[NOON + hours(5)].feasible
    # Leaving the window it has counts £0.02/kWh.
    assert found[NOON + hours(5)].extra_gbp == pytest.approx(2.0 - 20 * (0.2 / 72) + 0.4)
    assert (found[NOON].feasible, found[NOON].rule) == (False, "max_price")


def test_a_job_that_has_started_has_no_other_starts(evening: World) -> None:
    job_id = submitted(evening, latest_finish=NOON + hours(2))
    controls.confirm(evening.context, OPERATOR, job_id, "started", at=NOON, energy_kwh=None)
    with pytest.raises(Conflict, match="running"):
        explain.candidates(evening.context, OPERATOR, job_id)


# --- best window ----------------------------------------------------------------------------------


def test_anybody_gets_a_best_window_without_a_cluster(make_world: Callable[..., World]) -> None:
    world = make_world(price=evening_is_cheap, carbon=flat(0.0))
    told = best_window.answer(
        world.context, BestWindowQuery("london", hours(2), NOON + hours(11), power_kw=50.0)
    )
    assert told.best.start == NOON + hours(6)
    assert told.best.cost_gbp == pytest.approx(10.0)
    assert told.savings.cost_gbp == pytest.approx(20.0)
    assert told.sbatch_line == "sbatch --begin=2026-11-21T18:00:00"
    assert told.at_line == "at -t 202611211800"
    assert told.late_latest_start == NOON + hours(9)
    assert "place" not in told.why
    assert told.why.startswith("Starts Sat 18:00 (London): ")
    assert "the runner-up, Sat 20:00, is" in told.why


def test_without_power_a_best_window_is_per_kilowatt(evening: World) -> None:
    told = best_window.answer(
        evening.context, BestWindowQuery("london", hours(1), NOON + hours(11))
    )
    assert told.is_per_kw
    assert told.best.energy_kwh == pytest.approx(1.0)


def test_a_cluster_of_any_name_does_not_disturb_a_best_window(evening: World) -> None:
    with_cluster(evening, asset_id="here")
    submitted(evening, asset_id="here", estimated_power_kw=100.0)
    told = best_window.answer(
        evening.context, BestWindowQuery("london", hours(2), NOON + hours(11), power_kw=100.0)
    )
    assert told.best.start == NOON + hours(6)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (BestWindowQuery("london", hours(2), NOON + hours(1.9)), "ready_by"),
        (BestWindowQuery("london", hours(2), NOON + timedelta(days=14, seconds=1)), "ready_by"),
        (BestWindowQuery("atlantis", hours(2), NOON + hours(9)), "region"),
    ],
)
def test_a_best_window_that_cannot_be_is_refused_by_field(
    world: World, query: BestWindowQuery, field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        best_window.answer(world.context, query)
    assert caught.value.fields[0].field == field
