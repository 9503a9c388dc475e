"""The Schedule page's use case on a real database."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from models.domain.errors import InvalidRequest
from services import board, controls, lifecycle, outturn
from services.board import sentence
from tests.support.fleet import NOON
from tests.support.world import OPERATOR, STRANGER, World, hours, submitted, with_cluster


def test_an_empty_board_says_the_next_step(world: World) -> None:
    shown = board.show(world.context, OPERATOR)
    assert shown.sentence == "No cluster yet: add one, or load the demo."
    assert not shown.has_assets
    assert shown.region == "london"
    assert len(shown.rows) == 96


def test_the_board_shows_what_is_planned_and_where(world: World) -> None:
    with_cluster(world, asset_id="york", region="yorkshire")
    ids = [
        submitted(world, earliest_start=NOON + hours(h), latest_finish=NOON + hours(h + 2))
        for h in (5, 3)
    ]
    shown = board.show(world.context, OPERATOR)
    assert [view.job.job_id for view in shown.jobs] == ids[::-1]
    assert shown.sentence == "2 jobs planned; next starts 15:00."
    assert shown.region == "yorkshire"
    assert shown.regions == ("yorkshire", "london")
    assert shown.rows[0].carbon.value == 100.0
    assert shown.needs == ()
    assert board.show(world.context, STRANGER).jobs == ()


def test_another_region_can_be_drawn_and_an_unknown_one_not(world: World) -> None:
    shown = board.show(world.context, OPERATOR, region="wales")
    assert shown.region == "wales"
    assert "wales" in shown.regions
    with pytest.raises(InvalidRequest):
        board.show(world.context, OPERATOR, region="narnia")


def test_the_board_follows_time_and_what_users_say(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world, latest_finish=NOON + hours(2))
    world.at(NOON + hours(1))
    opened = board.show(world.context, OPERATOR)
    assert [need.kind for need in opened.needs] == ["confirm"]
    assert opened.sentence == "1 job planned; 1 needs you."
    controls.confirm(world.context, OPERATOR, job_id, "started", at=NOON, energy_kwh=None)
    running = board.show(world.context, OPERATOR)
    assert running.needs == ()
    assert running.sentence == "0 jobs planned; 1 runs now."
    controls.confirm(
        world.context, OPERATOR, job_id, "completed", at=NOON + hours(1), energy_kwh=None
    )
    world.at(NOON + hours(2.5))
    outturn.settle(world.context)
    done = board.show(world.context, OPERATOR)
    assert done.jobs == ()
    assert {line.kind for line in done.happenings} == {"ran", "outturn"}


def test_a_refused_and_an_unconfirmed_job_need_the_user(world: World) -> None:
    with_cluster(world)
    submitted(world, latest_finish=NOON + hours(2))
    submitted(world, estimated_power_kw=50.0, carbon_cap_g_per_kwh=20.0)
    world.at(NOON + hours(3))
    lifecycle.advance(world.context)
    shown = board.show(world.context, OPERATOR)
    assert [need.kind for need in shown.needs] == ["refused", "unconfirmed"]
    assert {line.kind for line in shown.happenings} >= {"refused", "unconfirmed"}


def test_old_data_and_an_unwritten_log_are_told(world: World) -> None:
    with_cluster(world)  # one record, which nobody has flushed
    world.grids["live"].is_down = True
    world.at(NOON + hours(5))
    shown = board.show(world.context, OPERATOR)
    assert [need.kind for need in shown.needs] == ["audit", "data"]


def test_a_simulated_grid_is_bannered_and_not_a_need(make_world: Callable[..., World]) -> None:
    world = make_world(mode="simulated")
    shown = board.show(world.context, OPERATOR)
    assert shown.data.is_simulated
    assert shown.needs == ()


def test_the_sentence_names_another_day() -> None:
    told = sentence(
        planned=1, running=2, next_start=NOON + hours(14), needs=0, has_assets=True, now=NOON
    )
    assert told == "1 job planned; 2 run now; next starts Sun 02:00."


def test_however_many_jobs_there_are_the_next_start_is_right_and_the_chart_bounded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cluster(world)
    for hour in (9, 7, 2, 5):
        submitted(
            world, earliest_start=NOON + hours(hour), latest_finish=NOON + hours(hour + 2),
            is_planned=hour == 5,
        )  # fmt: skip
    monkeypatch.setattr(board, "MOST_BARS", 2)
    shown = board.show(world.context, OPERATOR)
    assert len(shown.jobs) == 2
    assert shown.sentence == "4 jobs planned; next starts 14:00."
