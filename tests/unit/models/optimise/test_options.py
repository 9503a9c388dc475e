"""Every option of a job: bounds, prices, caps, candidates, waiting, churn and ties, with numbers worked by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from models.domain.job import Flexibility, Job, Priority
from models.optimise.options import (
    Closed,
    Incumbent,
    JobOptions,
    Weights,
    build_options,
    candidate_assets,
)
from tests.support.fleet import NOON, a_job, an_asset
from tests.support.planning import a_table, at_slot, every_option, some_weights


def options(
    job: Job,
    price: Any = (0.1,) * 12,
    carbon: Any = (100.0,) * 12,
    *,
    assets: Any = None,
    weights: Weights | None = None,
    first_open: int = 0,
    **how: Any,
) -> JobOptions:
    table = a_table(price, carbon, assets, first_open=first_open)
    return build_options(job, table, weights or some_weights(), **how)


def starts(mine: JobOptions) -> list[int]:
    return sorted(set(mine.start.tolist()))


# --- bounds ---------------------------------------------------------------------------------------


def test_starts_run_from_the_release_to_the_last_one_that_meets_the_deadline() -> None:
    job = a_job(minutes=60, earliest_start=at_slot(2), latest_finish=at_slot(6))
    assert starts(options(job)) == [2, 3, 4]


def test_a_release_between_half_hours_waits_for_the_next_one() -> None:
    job = a_job(minutes=30, earliest_start=NOON + timedelta(minutes=1), latest_finish=at_slot(3))
    assert starts(options(job)) == [1, 2]


def test_nothing_starts_before_the_first_open_half_hour_or_before_acceptance() -> None:
    job = a_job(minutes=30, earliest_start=NOON - timedelta(hours=9), latest_finish=at_slot(4))
    assert starts(options(job, first_open=2)) == [2, 3]
    late = a_job(minutes=30, accepted_at=at_slot(3), latest_finish=at_slot(5))
    assert starts(options(late)) == [3, 4]


def test_the_exact_end_counts_not_the_end_of_its_half_hour() -> None:
    # 45 min from 13:00 end at 13:45, exactly in time, though the run reserves power until 14:00.
    job = a_job(minutes=45, latest_finish=at_slot(3.5))
    mine = options(job)
    assert starts(mine) == [0, 1, 2]
    assert mine.slots == 2
    one_second_less = a_job(minutes=45, latest_finish=at_slot(3.5) - timedelta(seconds=1))
    assert starts(options(one_second_less)) == [0, 1]


def test_a_window_too_short_for_the_run_has_no_option() -> None:
    mine = options(a_job(minutes=60, earliest_start=at_slot(1.1), latest_finish=at_slot(3)))
    assert mine.count == 0
    assert mine.slack < 0
    assert mine.lower_bound_gbp == mine.unserved_gbp
    assert mine.best_rank_gbp == np.inf


def test_a_pinned_start_is_the_only_one() -> None:
    job = a_job(minutes=30, pinned_start=at_slot(3))
    assert starts(options(job)) == [3]
    assert options(a_job(minutes=30, pinned_start=at_slot(3)), first_open=4).count == 0


def test_a_pinned_asset_is_the_only_one() -> None:
    assets = (an_asset(), an_asset("cluster-b"))
    mine = options(a_job(minutes=30, pinned_asset_id="cluster-b"), assets=assets)
    assert set(mine.asset_row.tolist()) == {1}


def test_work_that_may_not_wait_has_only_its_first_start() -> None:
    fixed = a_job(minutes=30, earliest_start=at_slot(2), flexibility=Flexibility.FIXED)
    assert starts(options(fixed)) == [2]
    assert options(fixed).runs_on_arrival
    not_here = (an_asset(is_deferrable=False),)
    assert starts(options(a_job(minutes=30), assets=not_here)) == [0]


def test_work_that_may_not_wait_starts_as_soon_as_one_it_waits_for_has_ended() -> None:
    job = a_job(minutes=30, flexibility=Flexibility.FIXED, latest_finish=at_slot(4))
    mine = options(job, (0.4, 0.3, 0.2, 0.1), (0.0,) * 4, follows=True)
    assert mine.start[mine.ranking].tolist() == [0, 1, 2, 3]


# --- price ----------------------------------------------------------------------------------------


def test_cost_carbon_and_objective_are_summed_at_the_meter() -> None:
    # 10 kW · 1.5 (PUE) for 1 h in halves: 7.5 kWh at £0.10 and 200 g, 7.5 kWh at £0.30 and 100 g.
    mine = options(
        a_job(minutes=60, latest_finish=at_slot(2)),
        (0.10, 0.30),
        (200.0, 100.0),
        assets=(an_asset(pue=1.5),),
        weights=some_weights(kappa_gbp_per_kg=2.0),
    )
    assert mine.energy_kwh.tolist() == [15.0]
    assert mine.cost_gbp == pytest.approx([3.0])
    assert mine.carbon_kg == pytest.approx([2.25])
    assert mine.objective_gbp == pytest.approx([3.0 + 2.0 * 2.25])
    # £20/kWh · 15 kWh · 2 (normal priority).
    assert mine.unserved_gbp == pytest.approx(600.0)


def test_a_part_used_half_hour_is_billed_by_its_minutes_and_reserved_whole() -> None:
    # 40 min of 12 kW: 6 kWh, then 10 of 30 minutes: 2 kWh.
    mine = options(a_job(minutes=40, power_kw=12.0), (0.5, 0.1, 0.1, 0.1), (0.0,) * 4)
    assert mine.cost_gbp[0] == pytest.approx(6 * 0.5 + 2 * 0.1)
    assert mine.power_kw.tolist() == [12.0, 12.0]


def test_a_profile_is_priced_half_hour_by_half_hour() -> None:
    job = a_job(minutes=60, power_kw=6.0, power_profile_kw=(10.0, 2.0), latest_finish=at_slot(3))
    mine = options(job, (0.1, 0.2, 0.3), (0.0,) * 3)
    assert mine.cost_gbp == pytest.approx([5 * 0.1 + 1 * 0.2, 5 * 0.2 + 1 * 0.3])


@pytest.mark.parametrize(
    ("priority", "gbp_per_hour"),
    [
        (Priority.LOW, 0.05),
        (Priority.NORMAL, 0.10),
        (Priority.HIGH, 0.20),
        (Priority.CRITICAL, 0.40),
    ],
)
def test_waiting_costs_by_hours_energy_and_priority(
    priority: Priority, gbp_per_hour: float
) -> None:
    # £0.01 per kWh and hour · 10 kWh = £0.10/h at normal priority; the run on arrival starts at 13:00.
    mine = options(
        a_job(
            minutes=60,
            priority=priority,
            earliest_start=at_slot(2),
            baseline_start=at_slot(2),
            latest_finish=at_slot(6),
        ),
        weights=some_weights(delay_gbp_per_kwh_hour=0.01),
    )
    assert mine.delay_gbp == pytest.approx([0.0, 0.5 * gbp_per_hour, 1.0 * gbp_per_hour])


def test_waiting_is_counted_from_the_run_on_arrival_even_when_that_has_passed() -> None:
    mine = options(
        a_job(minutes=60, baseline_start=NOON - timedelta(hours=2), latest_finish=at_slot(2)),
        weights=some_weights(delay_gbp_per_kwh_hour=0.01),
    )
    assert mine.delay_gbp == pytest.approx([2 * 0.10])


def test_moving_away_from_the_award_held_now_costs_churn() -> None:
    mine = options(
        a_job(minutes=60, latest_finish=at_slot(4)),
        weights=some_weights(churn_gbp_per_kwh=0.005),
        incumbent=Incumbent("cluster-a", 1),
    )
    assert mine.churn_gbp == pytest.approx([0.05, 0.0, 0.05])
    assert mine.start[mine.ranking].tolist() == [1, 0, 2]


# --- caps -----------------------------------------------------------------------------------------


def test_caps_are_energy_weighted_means_over_the_run() -> None:
    # Full half-hour at 100 g and 10 minutes (a third) at 200 g: (3·100 + 1·200) / 4 = 125 g/kWh.
    job = a_job(minutes=40, carbon_cap_g_per_kwh=125.0, latest_finish=at_slot(3))
    mine = options(job, (0.1,) * 3, (100.0, 200.0, 100.0))
    # The other way round: (3·200 + 1·100) / 4 = 175 g/kWh.
    assert list(every_option(mine)) == [("OPEN", 0), ("CARBON_CAP", 1)]
    tighter = a_job(minutes=40, carbon_cap_g_per_kwh=124.9, latest_finish=at_slot(3))
    assert options(tighter, (0.1,) * 3, (100.0, 200.0, 100.0)).closed[0] == Closed.CARBON_CAP


def test_a_price_cap_below_zero_means_being_paid_at_least_that() -> None:
    job = a_job(minutes=30, max_price_gbp_per_kwh=-0.02, latest_finish=at_slot(3))
    mine = options(job, (-0.01, -0.02, -0.03), (0.0,) * 3)
    assert list(every_option(mine)) == [("MAX_PRICE", 0), ("OPEN", 1), ("OPEN", 2)]


def test_pue_does_not_change_a_mean() -> None:
    job = a_job(minutes=30, carbon_cap_g_per_kwh=100.0, latest_finish=at_slot(1))
    mine = options(job, (0.1,), (100.0,), assets=(an_asset(pue=1.7),))
    assert mine.closed.tolist() == [Closed.OPEN]


def test_more_power_than_the_asset_offers_closes_every_window_there() -> None:
    assets = (an_asset(max_power_kw=12.0, base_load_kw=3.0), an_asset("cluster-b"))
    mine = options(a_job(minutes=30, latest_finish=at_slot(1)), assets=assets)
    assert mine.closed.tolist() == [Closed.POWER, Closed.OPEN]


# --- where ----------------------------------------------------------------------------------------


def names(job: Job, *assets: Any) -> list[str]:
    return [asset.asset_id for asset in candidate_assets(job, tuple(assets))]


def test_a_job_may_use_its_own_asset_and_its_owners_of_the_same_type_in_allowed_regions() -> None:
    assets = (
        an_asset(),
        an_asset("same", "south_wales"),
        an_asset("elsewhere", "yorkshire"),
        an_asset("foreign", "south_wales", owner="somebody"),
        an_asset("other-type", "south_wales", asset_type="cpu"),
        an_asset("gone", "south_wales", deleted_at=NOON),
    )
    job = a_job(allowed_regions=("london", "south_wales"))
    assert names(job, *assets) == ["cluster-a", "same"]


def test_its_own_asset_is_no_candidate_where_its_region_is_not_allowed() -> None:
    job = a_job(allowed_regions=("south_wales",))
    assert names(job, an_asset(), an_asset("same", "south_wales")) == ["same"]


def test_an_aggregate_admits_what_is_registered_on_it_or_inside_it() -> None:
    assets = (
        an_asset(),
        an_asset("w", "wales"),
        an_asset("s", "south_wales"),
        an_asset("gb", "gb"),
    )
    assert names(a_job(allowed_regions=("wales",)), *assets) == ["w", "s"]
    assert names(a_job(allowed_regions=("gb",)), *assets) == ["cluster-a", "w", "s", "gb"]
    assert names(a_job(allowed_regions=("south_wales",)), *assets) == ["s"]


def test_a_job_whose_own_asset_is_gone_has_nowhere_to_run() -> None:
    assert names(a_job(asset_id="cluster-z"), an_asset()) == []
    mine = options(a_job(asset_id="cluster-z"))
    assert (mine.count, mine.candidate_rows) == (0, ())


# --- order ----------------------------------------------------------------------------------------


def test_ties_go_to_the_earliest_start_then_the_region_then_the_asset() -> None:
    assets = (
        an_asset("z", "london"),
        an_asset("cluster-a", "south_wales"),
        an_asset("y", "london"),
    )
    mine = options(
        a_job(minutes=30, allowed_regions=("gb",), latest_finish=at_slot(2)),
        assets=assets,
    )
    order = [("cluster-a", "y", "z")[mine.asset_row[k]] for k in mine.ranking]
    assert order == ["y", "z", "cluster-a"] * 2
    assert mine.start[mine.ranking].tolist() == [0, 0, 0, 1, 1, 1]


def test_the_least_objective_comes_first() -> None:
    mine = options(a_job(minutes=30, latest_finish=at_slot(4)), (0.3, 0.1, 0.4, 0.2), (0.0,) * 4)
    assert mine.start[mine.ranking].tolist() == [1, 3, 0, 2]


def test_known_half_hours_come_before_half_known_before_unknown_ones() -> None:
    nan = float("nan")
    job = a_job(minutes=30, latest_finish=at_slot(6))
    mine = options(job, (0.9, 0.8, 0.1, nan, nan, nan), (300.0, 300.0, nan, nan, nan, nan))
    # Both known: the cheaper first. One known: next. Nothing known: the last start first, provisional.
    assert mine.start[mine.ranking].tolist() == [1, 0, 2, 5, 4, 3]
    assert mine.tier.tolist() == [0, 0, 1, 2, 2, 2]


def test_where_nothing_is_known_the_last_start_that_meets_the_deadline_is_taken() -> None:
    nan = float("nan")
    job = a_job(minutes=45, latest_finish=at_slot(7.5))
    mine = options(job, (nan,) * 12, (nan,) * 12)
    assert mine.start[mine.ranking[0]] == 6
    assert np.isnan(mine.cost_gbp).all()


def test_an_unknown_mean_breaks_no_cap_but_a_known_one_does() -> None:
    nan = float("nan")
    job = a_job(minutes=30, carbon_cap_g_per_kwh=50.0, latest_finish=at_slot(2))
    assert list(every_option(options(job, (0.1, 0.1), (100.0, nan)))) == [
        ("CARBON_CAP", 0),
        ("OPEN", 1),
    ]


def test_starts_that_leave_a_successor_no_time_come_last() -> None:
    job = a_job(minutes=30, latest_finish=at_slot(4))
    mine = options(job, (0.4, 0.3, 0.2, 0.1), (0.0,) * 4, latest_finish=at_slot(2))
    assert mine.start[mine.ranking].tolist() == [1, 0, 3, 2]
    assert mine.slack == 1


# --- waiting only if it pays ----------------------------------------------------------------------


def waiting(price: Any, percent: float = 5.0, **changes: Any) -> JobOptions:
    job = a_job(minutes=30, baseline_start=NOON, latest_finish=at_slot(len(price)), **changes)
    return options(
        job, price, (0.0,) * len(price), weights=some_weights(min_saving_percent=percent)
    )


def test_a_job_waits_where_the_best_window_saves_at_least_the_threshold() -> None:
    # £0.20 → £0.19 saves exactly 5 %.
    mine = waiting((0.20, 0.19))
    assert mine.start[mine.ranking[0]] == 1
    assert not mine.waits_only_if_pays


def test_a_job_runs_on_arrival_where_the_best_window_saves_less() -> None:
    mine = waiting((0.20, 0.1901))
    assert mine.start[mine.ranking].tolist() == [0, 1]
    assert mine.waits_only_if_pays
    assert mine.runs_on_arrival


def test_a_jobs_own_threshold_beats_the_policys() -> None:
    assert not waiting((0.20, 0.1999), min_saving_percent=0.0).waits_only_if_pays
    assert waiting((0.20, 0.11), min_saving_percent=50.0).waits_only_if_pays
    assert not waiting((0.20, 0.10), min_saving_percent=50.0).waits_only_if_pays


def test_a_saving_on_a_negative_baseline_is_a_share_of_its_size() -> None:
    # Being paid £0.20/kWh on arrival: 5 % more is £0.21.
    assert waiting((-0.20, -0.2099)).waits_only_if_pays
    assert not waiting((-0.20, -0.2101)).waits_only_if_pays


def test_a_run_on_arrival_that_has_passed_is_not_replaced_by_starting_now() -> None:
    # Saving 0 % against a cheap noon must not start the job at the dear 12:30.
    job = a_job(minutes=30, baseline_start=NOON, latest_finish=at_slot(4))
    mine = options(
        job,
        (0.20, 0.90, 0.90, 0.20),
        (0.0,) * 4,
        weights=some_weights(min_saving_percent=5.0),
        first_open=1,
    )
    assert mine.start[mine.ranking[0]] == 3
    assert not mine.runs_on_arrival


def test_a_run_on_arrival_that_a_cap_closes_is_not_taken() -> None:
    mine = waiting((0.20, 0.1999), max_price_gbp_per_kwh=0.1999)
    assert mine.start[mine.open_ranking].tolist() == [1]
    assert not mine.waits_only_if_pays


def test_waiting_is_not_questioned_where_the_run_on_arrival_is_not_known() -> None:
    nan = float("nan")
    assert not waiting((nan, 0.19, 0.18)).waits_only_if_pays


def test_churn_stands_on_both_sides_of_the_comparison() -> None:
    # Held now: 12:30 at £0.19 of £0.20, 5 %. Going back to arrival would cost churn as well.
    job = a_job(minutes=30, baseline_start=NOON, latest_finish=at_slot(2))
    heavy = some_weights(min_saving_percent=5.0, churn_gbp_per_kwh=0.005)
    held = options(
        job, (0.20, 0.19), (0.0, 0.0), weights=heavy, incumbent=Incumbent("cluster-a", 1)
    )
    assert held.start[held.ranking[0]] == 1
    # Held now: the arrival. Moving costs half the saving: 0.19 + 0.005 saves 2.5 %.
    stays = options(
        job, (0.20, 0.19), (0.0, 0.0), weights=heavy, incumbent=Incumbent("cluster-a", 0)
    )
    assert stays.start[stays.ranking[0]] == 0


def test_the_lower_bound_is_the_least_open_objective_or_staying_unserved() -> None:
    job = a_job(minutes=30, max_price_gbp_per_kwh=0.3, latest_finish=at_slot(3))
    # 5 kWh at £0.3, £0.2 and £0.4 (closed): the bound is 5 · 0.2.
    assert options(job, (0.3, 0.2, 0.4), (0.0,) * 3).lower_bound_gbp == pytest.approx(1.0)
    closed = a_job(minutes=30, max_price_gbp_per_kwh=0.1, latest_finish=at_slot(3))
    # £20 · 5 kWh · 2.
    assert options(closed, (0.3, 0.2, 0.4), (0.0,) * 3).lower_bound_gbp == pytest.approx(200.0)


@pytest.mark.parametrize(
    ("priority", "factor"),
    [(Priority.LOW, 1), (Priority.NORMAL, 2), (Priority.HIGH, 4), (Priority.CRITICAL, 8)],
)
def test_staying_unserved_costs_by_energy_and_priority_whatever_carbon_is_worth(
    priority: Priority, factor: int
) -> None:
    for kappa in (0.0, 10.0):
        mine = options(
            a_job(minutes=60, priority=priority),
            weights=some_weights(kappa_gbp_per_kg=kappa),
            assets=(an_asset(pue=1.5),),
        )
        assert mine.unserved_gbp == pytest.approx(20.0 * 15.0 * factor)


def test_an_option_is_found_by_place_and_start() -> None:
    mine = options(a_job(minutes=30, latest_finish=at_slot(3)))
    assert mine.find(0, 2) == 2
    assert mine.find(0, 3) is None
    assert mine.find(1, 2) is None
