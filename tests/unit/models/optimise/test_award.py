"""Who gets which half-hours, in small cases worked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from models.domain.job import Flexibility, Job, Priority
from models.optimise import repair
from models.optimise.award import UNSERVED, award
from models.optimise.options import Incumbent, Weights
from models.optimise.table import PricedTable
from tests.support.fleet import a_job, an_asset
from tests.support.planning import a_table, at_slot, options_of, some_weights


def planned(
    jobs: Sequence[Job],
    table: PricedTable,
    weights: Weights | None = None,
    held: dict[str, Incumbent] | None = None,
) -> dict[str, tuple[str, int] | None]:
    """Return (asset, start) by job id, None where unserved."""
    options, links = options_of(jobs, table, weights or some_weights(), held)
    incumbents = {
        k: pick
        for k, mine in enumerate(options)
        if (present := (held or {}).get(mine.job.job_id)) is not None
        and (pick := mine.find(table.index[present.asset_id], present.start)) is not None
    }
    plan = award(options, table.room_kw, links, incumbents)
    return {
        mine.job.job_id: None
        if pick == UNSERVED
        else (table.assets[mine.asset_row[pick]].asset_id, int(mine.start[pick]))
        for mine, pick in zip(options, plan.choice, strict=True)
    }


def tight(price: Sequence[float], **changes: Any) -> PricedTable:
    """Return one 10 kW cluster: one job of 10 kW at a time."""
    return a_table(price, [0.0] * len(price), [an_asset(max_power_kw=10.0)], **changes)


def half_hour(job_id: str, until: float, **changes: Any) -> Job:
    return a_job(job_id, 30, latest_finish=at_slot(until), **changes)


def test_two_jobs_that_want_the_same_half_hour_share_the_two_best() -> None:
    plan = planned([half_hour("a", 3), half_hour("b", 3)], tight([0.3, 0.1, 0.2]))
    assert sorted(slot for _, slot in plan.values() if slot is not None) == [1, 2]  # type: ignore[misc]


def test_the_job_with_less_slack_gets_the_half_hour_both_can_use() -> None:
    plan = planned([half_hour("a", 3), half_hour("b", 1)], tight([0.1, 0.2, 0.3]))
    assert plan == {"a": ("cluster-a", 1), "b": ("cluster-a", 0)}


def test_work_that_may_not_wait_is_not_displaced_by_work_that_may() -> None:
    jobs = [half_hour("a", 2), half_hour("z", 2, flexibility=Flexibility.FIXED)]
    assert planned(jobs, tight([0.1, 0.9])) == {"a": ("cluster-a", 1), "z": ("cluster-a", 0)}


def test_of_jobs_that_do_not_all_fit_the_lightest_penalty_is_left_out() -> None:
    jobs = [
        half_hour("a", 1, priority=Priority.LOW),
        half_hour("b", 1, priority=Priority.CRITICAL),
        half_hour("c", 1, priority=Priority.NORMAL),
    ]
    assert planned(jobs, tight([0.1])) == {"a": None, "b": ("cluster-a", 0), "c": None}


def test_one_heavy_job_gives_way_to_two_that_weigh_more_together() -> None:
    # 10 kW for an hour weighs 10 kWh; two of 6 kW side by side do not fit; 5 + 5 kW at high priority weigh more.
    jobs = [
        a_job("big", 60, latest_finish=at_slot(2)),
        a_job("s1", 60, power_kw=5.0, priority=Priority.HIGH, latest_finish=at_slot(2)),
        a_job("s2", 60, power_kw=5.0, priority=Priority.HIGH, latest_finish=at_slot(2)),
    ]
    assert planned(jobs, tight([0.1, 0.1])) == {
        "big": None,
        "s1": ("cluster-a", 0),
        "s2": ("cluster-a", 0),
    }


def test_an_unserved_job_pushes_one_aside_that_can_go_elsewhere() -> None:
    # `a` has the cheap middle; `b` (an hour in 0–2) needs it. `a` can move to 2 or 3.
    jobs = [
        half_hour("a", 2, power_kw=10.0),
        a_job("b", 60, latest_finish=at_slot(3), power_kw=10.0),
    ]
    plan = planned(jobs, tight([0.5, 0.1, 0.5]))
    assert plan == {"a": ("cluster-a", 0), "b": ("cluster-a", 1)}


def test_nobody_is_left_out_to_make_others_cheaper() -> None:
    # Serving both costs 10 kW · 0.5 h · £50; leaving the tiny one out would cost £20 · 0.005 kWh · 1.
    tiny = half_hour("tiny", 1, power_kw=0.01, priority=Priority.LOW)
    big = a_job("big", 30, latest_finish=at_slot(2))
    plan = planned([tiny, big], tight([-50.0, 0.0]))
    assert None not in plan.values()


def test_a_job_keeps_its_half_hour_when_nothing_is_better() -> None:
    held = {"a": Incumbent("cluster-a", 2)}
    assert planned([half_hour("a", 4)], tight([0.1] * 4), held=held)["a"] == ("cluster-a", 2)


def test_a_job_moves_when_the_gain_exceeds_the_churn() -> None:
    # 5 kWh: moving from £0.20 to £0.19 gains £0.05; churn of £0.005/kWh costs £0.025.
    held = {"a": Incumbent("cluster-a", 0)}
    table = tight([0.20, 0.19])
    weights = some_weights(churn_gbp_per_kwh=0.005)
    assert planned([half_hour("a", 2)], table, weights, held)["a"] == ("cluster-a", 1)
    heavier = some_weights(churn_gbp_per_kwh=0.015)
    assert planned([half_hour("a", 2)], table, heavier, held)["a"] == ("cluster-a", 0)


def test_a_newcomer_does_not_throw_out_a_holder_of_equal_weight() -> None:
    held = {"z": Incumbent("cluster-a", 0)}
    jobs = [half_hour("a", 1), half_hour("z", 1)]
    assert planned(jobs, tight([0.1]), held=held) == {"a": None, "z": ("cluster-a", 0)}


def test_a_weightier_newcomer_does() -> None:
    held = {"z": Incumbent("cluster-a", 0)}
    jobs = [half_hour("a", 1, priority=Priority.HIGH), half_hour("z", 1)]
    assert planned(jobs, tight([0.1]), held=held) == {"a": ("cluster-a", 0), "z": None}


def test_a_holder_goes_back_to_arrival_when_waiting_no_longer_pays() -> None:
    jobs = [half_hour("a", 2, baseline_start=at_slot(0))]
    held = {"a": Incumbent("cluster-a", 1)}
    weights = some_weights(min_saving_percent=5.0)
    assert planned(jobs, tight([0.200, 0.195]), weights, held)["a"] == ("cluster-a", 0)
    assert planned(jobs, tight([0.200, 0.185]), weights, held)["a"] == ("cluster-a", 1)


def test_a_job_for_which_waiting_does_not_pay_waits_when_arrival_is_taken() -> None:
    jobs = [half_hour("a", 1), half_hour("b", 3, baseline_start=at_slot(0))]
    weights = some_weights(min_saving_percent=90.0)
    assert planned(jobs, tight([0.1, 0.3, 0.2]), weights)["b"] == ("cluster-a", 2)


def test_known_half_hours_are_used_before_unknown_ones_whatever_they_cost() -> None:
    nan = float("nan")
    jobs = [half_hour("a", 3)]
    assert planned(jobs, tight([0.9, nan, nan]))["a"] == ("cluster-a", 0)
    held = {"a": Incumbent("cluster-a", 2)}
    assert planned(jobs, tight([0.9, nan, nan]), held=held)["a"] == ("cluster-a", 0)


# --- dependencies ---------------------------------------------------------------------------------


def test_a_successor_starts_when_its_predecessor_has_ended() -> None:
    # 45 min from noon reserve until 13:00; the cheap 12:30 is not for the successor.
    jobs = [
        a_job("first", 45, latest_finish=at_slot(2)),
        a_job("second", 30, depends_on=("first",), latest_finish=at_slot(6)),
    ]
    table = a_table([0.3, 0.1, 0.3, 0.2, 0.3, 0.3], [0.0] * 6)
    assert planned(jobs, table) == {"first": ("cluster-a", 0), "second": ("cluster-a", 3)}


def test_a_predecessor_leaves_its_successor_time() -> None:
    # Alone, `first` would take the cheap 13:30; then `second` could not end by 14:00.
    jobs = [
        half_hour("first", 4),
        a_job("second", 60, depends_on=("first",), latest_finish=at_slot(4)),
    ]
    table = a_table([0.3, 0.2, 0.4, 0.1], [0.0] * 4)
    assert planned(jobs, table) == {"first": ("cluster-a", 1), "second": ("cluster-a", 2)}


def test_a_predecessor_is_served_late_rather_than_not_at_all() -> None:
    # Noon is full; at 12:30 `first` runs, though `second` must then be left out.
    jobs = [
        half_hour("first", 2),
        a_job("second", 30, depends_on=("first",), latest_finish=at_slot(2)),
    ]
    table = tight([0.1, 0.1], held_kw={"cluster-a": [10.0, 0.0]})
    assert planned(jobs, table) == {"first": ("cluster-a", 1), "second": None}


def test_a_hopeless_successor_does_not_take_its_predecessor_along() -> None:
    jobs = [
        a_job("first", 60, latest_finish=at_slot(4)),
        a_job("second", 60, depends_on=("first",), latest_finish=at_slot(3)),
    ]
    table = a_table([0.1] * 4, [0.0] * 4)
    assert planned(jobs, table) == {"first": ("cluster-a", 0), "second": None}


def test_a_successor_of_an_unserved_job_is_not_served() -> None:
    jobs = [
        a_job("first", 30, power_kw=50.0, latest_finish=at_slot(2)),
        half_hour("second", 4, depends_on=("first",)),
    ]
    assert planned(jobs, tight([0.1] * 4)) == {"first": None, "second": None}


def test_work_that_may_not_wait_follows_its_predecessor_at_once() -> None:
    jobs = [
        half_hour("first", 3),
        half_hour("second", 6, depends_on=("first",), flexibility=Flexibility.FIXED),
    ]
    table = a_table([0.3, 0.3, 0.1, 0.3, 0.1, 0.1], [0.0] * 6)
    assert planned(jobs, table) == {"first": ("cluster-a", 2), "second": ("cluster-a", 3)}


def test_the_search_for_room_says_when_it_stops_at_its_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = tight([0.1, 0.1])
    jobs = [half_hour(f"j{n}", 2) for n in range(6)]
    options, links = options_of(jobs, table, some_weights())
    assert not award(options, table.room_kw, links).is_cut_short
    monkeypatch.setattr(repair, "REPAIR_EFFORT", 2)
    plan = award(options, table.room_kw, links)
    assert plan.is_cut_short
    assert (plan.choice != UNSERVED).sum() == 2
