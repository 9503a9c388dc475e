"""The worker loop: one holder works, and a step that fails stops no other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from models.domain.job import JobStatus
from services import audit_view, lifecycle, planning
from services.loop import Loop
from services.signals import RefreshReport
from tests.support.fleet import NOON
from tests.support.world import World, submitted, with_cluster


def loop_of(world: World, holder: str = "one") -> Loop:
    return Loop(world.context, holder, pause_seconds=0.01, lease_seconds=60.0)


def test_a_round_plans_what_was_submitted_and_writes_the_log(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world, is_planned=False)
    assert world.view(job_id).plan is None
    tick = loop_of(world).tick()
    assert tick.is_holder
    assert tick.failed == {}
    assert list(tick.done) == [
        "refresh", "confirm", "advance", "market", "routines", "replan", "hand_over", "notices", "settle", "flush", "prune"
    ]  # fmt: skip
    assert world.view(job_id).status is JobStatus.SCHEDULED
    with world.context.uow() as work:
        assert work.decisions.flushed_seq() == work.decisions.head()[0] > 0


def test_only_the_holder_of_the_lease_works(world: World) -> None:
    first, second = loop_of(world, "one"), loop_of(world, "two")
    assert first.tick().is_holder
    assert not second.tick().is_holder
    stop = threading.Event()
    stop.set()
    first.run(stop)  # gives the lease back
    assert second.tick().is_holder


def test_a_step_that_fails_is_named_and_the_others_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Any) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(lifecycle, "advance", broken)
    tick = loop_of(world).tick()
    assert tick.failed == {"advance": "RuntimeError: out of order"}
    assert list(tick.done) == [
        "refresh", "confirm", "market", "routines", "replan", "hand_over", "notices", "settle", "flush", "prune"
    ]  # fmt: skip
    assert "step 'advance' of the loop failed" in caplog.text


def test_news_that_could_not_be_planned_with_are_kept_for_the_next_round(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[RefreshReport] = []

    def fails_once(_: Any, report: RefreshReport) -> None:
        seen.append(report)
        if len(seen) == 1:
            raise RuntimeError("busy")

    monkeypatch.setattr(planning, "replan_if_needed", fails_once)
    loop = loop_of(world)
    world.clock.instant = NOON + timedelta(minutes=35)
    for _ in range(3):
        loop.tick()
    # The third round has no news and the plan did not change: nobody is asked.
    assert [report.carbon_updated for report in seen] == [True, True]


def test_a_round_without_news_plans_only_after_something_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(
        planning, "replan_if_needed", lambda _, report: asked.append(report.has_news)
    )
    loop = loop_of(world)
    for _ in range(3):
        loop.tick()
    before = len(asked)
    with world.context.uow(write=True) as uow:
        uow.plans.bump()
        uow.commit()
    loop.tick()
    loop.tick()
    assert asked[before:] == [False]


def test_a_lease_lost_in_the_middle_ends_the_round(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steal(_: Any) -> None:
        leases = world.context.leases
        token = leases.acquire("loop", "one", 60.0)
        assert token is not None
        leases.release("loop", "one", token)
        assert leases.acquire("loop", "thief", 60.0) is not None

    monkeypatch.setattr(lifecycle, "advance", steal)
    tick = loop_of(world).tick()
    assert list(tick.done) == ["refresh", "confirm", "advance"]


def test_it_runs_until_told_to_stop_whatever_happens(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[int] = []
    stop = threading.Event()

    def count(_: Any) -> None:
        rounds.append(1)
        if len(rounds) == 3:
            stop.set()
        raise RuntimeError("always")

    monkeypatch.setattr(audit_view, "flush", count)
    loop_of(world).run(stop)
    assert len(rounds) == 3
    assert world.context.leases.holder("loop") is None


def test_void_simulated_plans_are_planned_anew_when_a_provider_answers(
    make_world: Callable[..., World],
) -> None:
    world = make_world(mode="auto")
    with_cluster(world)
    job_id = submitted(world, earliest_start=NOON + timedelta(hours=5))
    before = world.view(job_id).plan
    assert before is not None
    assert before.signals_mode == "simulated"
    world.grids["live"].is_down = False
    world.clock.instant = NOON + timedelta(minutes=35)
    assert loop_of(world).tick().failed == {}
    after = world.view(job_id).plan
    assert after is not None
    assert after.signals_mode == "live"


def test_the_lease_is_given_back_only_by_its_holder(world: World) -> None:
    loop_of(world, "one").tick()
    loop_of(world, "two").release()
    assert world.context.leases.holder("loop") == "one"
    loop_of(world, "one").release()
    assert world.context.leases.holder("loop") is None


def test_a_refused_job_whose_last_start_has_passed_is_not_planned_again(world: World) -> None:
    with_cluster(world)
    refused = submitted(world, carbon_cap_g_per_kwh=0.0, latest_finish=NOON + timedelta(hours=6))
    after = submitted(world, depends_on=(refused,), latest_finish=NOON + timedelta(hours=30))
    assert world.view(refused).status is world.view(after).status is JobStatus.REFUSED
    news = RefreshReport(carbon_updated=True, prices_updated=False, mode_changed=False)

    world.at(NOON + timedelta(hours=7))
    run = planning.replan_if_needed(world.context, news)
    assert run is not None
    assert run.refused == 1  # the one that waits for it; its own refusal is final
    assert world.view(after).status is JobStatus.REFUSED

    world.at(NOON + timedelta(hours=31))
    assert planning.replan_if_needed(world.context, news) is None
