"""What would make an unserved job fit, with the smallest values worked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from models.domain.job import Flexibility, Job
from models.optimise.relaxation import Relaxed, longest_room_hours, relaxations
from models.optimise.table import PricedTable
from tests.support.fleet import a_job, an_asset
from tests.support.planning import a_table, at_slot, some_weights


def offers(
    job: Job, table: PricedTable, room: Sequence[Any] | None = None, **how: Any
) -> list[Any]:
    """Return (field, value) of every offer, smallest first."""
    return [(found.field, found.value) for found in found_for(job, table, room, **how)]


def found_for(
    job: Job, table: PricedTable, room: Sequence[Any] | None = None, **how: Any
) -> list[Relaxed]:
    left = table.room_kw if room is None else np.array([room], dtype=float)
    return relaxations(job, table, some_weights(), left, table.horizon.end, **how)


def flat(slots: int = 8, price: float = 0.2, carbon: float = 100.0) -> PricedTable:
    return a_table([price] * slots, [carbon] * slots)


def test_the_deadline_offered_is_the_first_at_which_the_run_fits() -> None:
    # 10 kW for an hour until 13:00; the first free hour is 13:30 to 14:30.
    job = a_job(minutes=60, latest_finish=at_slot(2))
    free = [0, 10, 0, 10, 10, 10, 10, 10]
    assert ("latest_finish", at_slot(5)) in offers(job, flat(), free)


def test_a_deadline_is_offered_to_the_minute() -> None:
    job = a_job(minutes=45, latest_finish=at_slot(1.5))
    assert offers(job, flat(), [0, 0, 10, 10, 0, 0, 0, 0]) == [("latest_finish", at_slot(3.5))]


def test_a_deadline_is_not_offered_beyond_the_latest_that_may_be() -> None:
    job = a_job(minutes=60, latest_finish=at_slot(2))
    left = np.array([[0, 0, 0, 0, 0, 10, 10, 10]], dtype=float)
    table = flat()
    assert relaxations(job, table, some_weights(), left, at_slot(6)) == []
    (found,) = relaxations(job, table, some_weights(), left, at_slot(7))
    assert found.value == at_slot(7)


def test_a_deadline_leaves_the_jobs_it_waits_for_time() -> None:
    job = a_job(minutes=30, latest_finish=at_slot(2))
    assert offers(job, flat(), [10] * 8, release=at_slot(4)) == [("latest_finish", at_slot(5))]


def test_the_carbon_cap_offered_is_the_cleanest_mean_rounded_up() -> None:
    # 40 minutes: (3·210 + 1·100) / 4 = 182.5 and (3·100 + 1·250.2) / 4 = 137.55 → 137.6 g/kWh.
    job = a_job(minutes=40, carbon_cap_g_per_kwh=90.0, latest_finish=at_slot(3))
    table = a_table([0.1] * 3, [210.0, 100.0, 250.2])
    assert offers(job, table) == [("carbon_cap_g_per_kwh", 137.6)]


def test_the_carbon_cap_is_taken_from_windows_with_room() -> None:
    job = a_job(minutes=30, carbon_cap_g_per_kwh=90.0, latest_finish=at_slot(3))
    table = a_table([0.1] * 3, [120.0, 100.0, 110.0])
    assert ("carbon_cap_g_per_kwh", 110.0) in offers(job, table, [10, 0, 10])


def test_the_price_cap_offered_is_the_cheapest_mean_rounded_up() -> None:
    # 40 minutes: (3·0.1 + 1·0.21111) / 4 = 0.1277775 → £0.1278/kWh.
    job = a_job(minutes=40, max_price_gbp_per_kwh=0.05, latest_finish=at_slot(2))
    assert offers(job, a_table([0.1, 0.21111], [0.0] * 2)) == [("max_price_per_kwh", 0.1278)]


def test_a_price_cap_below_zero_is_raised_towards_zero() -> None:
    job = a_job(minutes=30, max_price_gbp_per_kwh=-0.05, latest_finish=at_slot(2))
    assert offers(job, a_table([-0.02345, 0.1], [0.0] * 2)) == [("max_price_per_kwh", -0.0234)]


def test_two_caps_that_are_both_too_low_are_not_solved_by_raising_one() -> None:
    job = a_job(
        minutes=30,
        carbon_cap_g_per_kwh=50.0,
        max_price_gbp_per_kwh=0.05,
        latest_finish=at_slot(2),
    )
    assert offers(job, a_table([0.1] * 2, [100.0] * 2)) == []


def test_the_power_offered_is_the_most_that_fits_rounded_down() -> None:
    # The best hour until 14:00 has 6.78 kW free throughout.
    job = a_job(minutes=60, latest_finish=at_slot(4))
    assert offers(job, a_table([0.1] * 4, [0.0] * 4), [9, 6.78, 7, 3]) == [
        ("estimated_power_kw", 6.7)
    ]


def test_no_power_is_offered_below_the_least_the_job_named() -> None:
    table = a_table([0.1] * 2, [0.0] * 2)
    least = a_job(minutes=60, min_power_kw=5.0, latest_finish=at_slot(2))
    assert offers(least, table, [4, 4]) == []


def with_profile(*power_kw: float, minutes: float = 60.0, **changes: Any) -> Job:
    mean = sum(power_kw) / len(power_kw)
    return a_job(minutes=minutes, power_profile_kw=power_kw, power_kw=mean, **changes)


def test_a_profile_is_offered_scaled_down_as_a_whole() -> None:
    # 4 of 10 kW are free in the first half-hour and 4 of 5 in the second: 0.4 of everything.
    # An hour later 3 of 10 and 9 of 5: 0.3.
    job = with_profile(10.0, 5.0, latest_finish=at_slot(4))
    (found,) = found_for(job, flat(4), [4, 4, 3, 9])
    assert (found.field, found.value) == ("power_profile_kw", [4.0, 2.0])
    assert found.change == pytest.approx(0.6)
    assert found.options.hold(found.pick).start == 0


def pausing(**changes: Any) -> Job:
    return a_job(
        minutes=60, flexibility=Flexibility.INTERRUPTIBLE, checkpoint_minutes=0.0, **changes
    )


def test_a_job_that_may_pause_is_offered_the_half_hour_by_which_it_has_run_enough() -> None:
    # Free are the half-hours 0, 3 and 5; the second of them ends at slot 4.
    job = pausing(latest_finish=at_slot(2))
    free = [10, 0, 0, 10, 0, 10, 0, 0]
    assert ("latest_finish", at_slot(4)) in offers(job, flat(), free)


def test_a_job_that_may_pause_is_offered_the_mean_price_of_its_cheapest_half_hours() -> None:
    # £0.10 and £0.21 together are £0.155.
    table = a_table([0.3, 0.1, 0.5, 0.21], [0.0] * 4)
    job = pausing(latest_finish=at_slot(4), max_price_gbp_per_kwh=0.12)
    assert offers(job, table) == [("max_price_per_kwh", 0.155)]


def test_a_job_of_changing_power_is_offered_the_power_at_which_its_hour_of_work_fits() -> None:
    # 6, 3 and 3 kW are free in an hour and a half: 6 kWh as half-hours, one hour at 6 kW.
    job = a_job(minutes=60, flexibility=Flexibility.ELASTIC, latest_finish=at_slot(3))
    assert offers(job, flat(3), [6, 3, 3]) == [("estimated_power_kw", 6.0)]


def test_a_half_hour_without_power_in_a_profile_needs_no_room() -> None:
    job = with_profile(10.0, 0.0, 10.0, minutes=90, latest_finish=at_slot(3))
    assert offers(job, flat(3), [5, 0, 8]) == [("power_profile_kw", [5.0, 0.0, 5.0])]


def test_no_profile_is_offered_where_nothing_of_it_would_be_left() -> None:
    # 0.05 kW is less than the smallest power that is offered.
    job = with_profile(10.0, 5.0, latest_finish=at_slot(2))
    assert offers(job, flat(2), [0.05, 4]) == []


def test_a_job_that_may_not_wait_is_offered_the_deadline_of_its_run_on_arrival() -> None:
    job = a_job(minutes=60, flexibility=Flexibility.FIXED, latest_finish=at_slot(1))
    assert offers(job, flat(4), [10] * 4) == [("latest_finish", at_slot(2))]


def test_a_job_that_may_not_wait_is_offered_no_deadline_where_its_arrival_is_full() -> None:
    job = a_job(minutes=60, flexibility=Flexibility.FIXED, latest_finish=at_slot(1))
    assert "latest_finish" not in dict(offers(job, flat(4), [10, 5, 10, 10]))


def test_one_more_region_is_offered_where_its_owner_has_the_same_kind_of_cluster() -> None:
    assets = (
        an_asset(),
        an_asset("foreign", "yorkshire", owner="somebody"),
        an_asset("other", "south_scotland", asset_type="cpu"),
        an_asset("dear", "wales"),
        an_asset("same", "south_wales"),
    )
    table = a_table(
        {
            "london": [0.1],
            "yorkshire": [0.1],
            "south_scotland": [0.1],
            "wales": [0.4],
            "south_wales": [0.3],
        },
        {slug: [0.0] for slug in ("london", "yorkshire", "south_scotland", "wales", "south_wales")},
        assets,
        held_kw={"cluster-a": [100.0]},
    )
    job = a_job(minutes=30, latest_finish=at_slot(1))
    assert offers(job, table, None)[-1] == ("allowed_regions", ["london", "south_wales"])
    pinned = a_job(minutes=30, latest_finish=at_slot(1), pinned_asset_id="cluster-a")
    assert offers(pinned, table) == []


def test_letting_it_wait_is_offered_to_work_that_may_not() -> None:
    job = a_job(minutes=30, flexibility=Flexibility.FIXED, latest_finish=at_slot(3))
    free = [0, 10, 10]
    table = a_table([0.1] * 3, [0.0] * 3)
    assert offers(job, table, free) == [("flexibility_type", "deferrable")]
    # On a cluster where nothing may wait it would not help.
    strict = a_table([0.1] * 3, [0.0] * 3, [an_asset(is_deferrable=False)])
    assert offers(job, strict, free) == []


def test_offers_come_with_the_smallest_change_first() -> None:
    # Window of 1 h: 30 min later is a change of 0.5; a cap from 100 to 110 g/kWh is one of 0.1.
    job = a_job(minutes=60, carbon_cap_g_per_kwh=100.0, latest_finish=at_slot(2))
    table = a_table([0.1] * 4, [110.0, 110.0, 90.0, 90.0])
    found = found_for(job, table)
    assert [(o.field, o.change) for o in found] == [
        ("carbon_cap_g_per_kwh", pytest.approx(0.1)),
        ("latest_finish", pytest.approx(0.5)),
    ]


def test_nothing_is_offered_where_no_single_change_helps() -> None:
    assert offers(a_job(minutes=60, latest_finish=at_slot(2)), flat(2), [0, 0]) == []


def test_the_longest_free_stretch_is_told_in_hours() -> None:
    room = np.array([10.0, 9.0, 10.0, 10.0, 12.0, 0.0])
    assert longest_room_hours(room, 10.0) == 1.5
    assert longest_room_hours(room, 13.0) == 0.0
    assert longest_room_hours(room, 9.0) == 2.5
