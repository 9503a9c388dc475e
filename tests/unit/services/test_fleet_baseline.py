"""First come first served within the same capacity, placed by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.domain.power_limit import PowerLimit
from models.domain.time import SLOT
from services.fleet_baseline import first_come_first_served
from tests.support.fleet import NOON, a_job, a_region, an_asset


def test_jobs_queue_for_room_in_order_of_arrival() -> None:
    # 100 kW of room; 60 kW for an hour each: the second waits for the first, the 40 kW one fits beside it.
    first = a_job("first", 60, power_kw=60.0)
    second = a_job("second", 60, power_kw=60.0, accepted_at=NOON + timedelta(minutes=1))
    small = a_job("small", 30, power_kw=40.0, accepted_at=NOON + timedelta(minutes=2))
    fleet = first_come_first_served([small, second, first], {"cluster-a": an_asset()}, {})
    assert fleet.starts == {
        "first": NOON,
        "second": NOON + 2 * SLOT,
        "small": NOON + SLOT,  # accepted at 12:02, so its first half-hour is 12:30
    }


def test_base_load_is_kept_free() -> None:
    asset = an_asset(base_load_kw=50.0)
    jobs = [a_job("a", power_kw=30.0), a_job("b", power_kw=30.0)]
    fleet = first_come_first_served(jobs, {"cluster-a": asset}, {})
    assert fleet.starts["b"] == NOON + 2 * SLOT


def test_a_gap_that_is_long_enough_is_used_and_a_shorter_one_is_not() -> None:
    # `late` is released at 13:30 and takes the whole asset; an hour fits before it, two hours do not.
    late = a_job("late", 60, power_kw=100.0, earliest_start=NOON + 3 * SLOT)
    long = a_job("long", 120, power_kw=10.0, earliest_start=NOON + 3 * SLOT + SLOT)
    fleet = first_come_first_served([long, late], {"cluster-a": an_asset()}, {})
    assert fleet.starts["late"] == NOON + 3 * SLOT
    assert fleet.starts["long"] == NOON + 5 * SLOT


def test_a_successor_starts_after_its_predecessor() -> None:
    before = a_job("before", 75)
    after = a_job("after", 30, depends_on=("before",))
    fleet = first_come_first_served([after, before], {"cluster-a": an_asset()}, {})
    assert fleet.starts["after"] == NOON + 3 * SLOT  # 13:15 is rounded up to 13:30


def test_cost_and_carbon_are_summed_over_all_jobs_at_the_meter() -> None:
    # Two jobs of 100 kW for half an hour, PUE 1.2: 60 kWh each, at 100 and at 300 g/kWh, at 0.10 and 0.30 GBP/kWh.
    jobs = [a_job("a", 30, power_kw=100.0), a_job("b", 30, power_kw=100.0)]
    signals = {"london": a_region(NOON, carbon=[100, 300], price=[0.1, 0.3])}
    fleet = first_come_first_served(jobs, {"cluster-a": an_asset(pue=1.2)}, signals)
    assert fleet.carbon_kg == pytest.approx(24.0)
    assert fleet.cost_gbp == pytest.approx(24.0)


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    jobs = [a_job("a", 30, power_kw=100.0), a_job("b", 30, power_kw=100.0)]
    signals = {"london": a_region(NOON, carbon=[100], price=[0.1])}
    fleet = first_come_first_served(jobs, {"cluster-a": an_asset()}, signals)
    assert fleet.carbon_kg is None
    assert fleet.cost_gbp is None


def test_it_knows_no_deadline_and_names_the_late() -> None:
    jobs = [
        a_job("a", 60, power_kw=100.0),
        a_job("b", 60, power_kw=100.0, latest_finish=NOON + 3 * SLOT),
    ]
    fleet = first_come_first_served(jobs, {"cluster-a": an_asset()}, {})
    assert fleet.late == ("b",)


def test_a_job_that_never_fits_or_has_no_asset_is_left_out_and_the_sum_unknown() -> None:
    jobs = [a_job("big", power_kw=101.0), a_job("lost", asset_id="gone"), a_job("fine")]
    signals = {"london": a_region(NOON, carbon=[1] * 4, price=[1] * 4)}
    fleet = first_come_first_served(jobs, {"cluster-a": an_asset()}, signals)
    assert sorted(fleet.left_out) == ["big", "lost"]
    assert set(fleet.starts) == {"fine"}
    assert fleet.carbon_kg is None


def test_a_cycle_is_left_out_rather_than_searched_for_ever() -> None:
    jobs = [a_job("a", depends_on=("b",)), a_job("b", depends_on=("a",))]
    fleet = first_come_first_served(jobs, {"cluster-a": an_asset()}, {})
    assert sorted(fleet.left_out) == ["a", "b"]


def test_a_varying_profile_is_slid_one_half_hour_at_a_time() -> None:
    # 80 kW held 12:30–13:00. Profile (20, 50): from 12:00 its 50 kW would meet the 80; from 12:30 its 20 fits.
    hold = a_job("hold", 30, power_kw=80.0, earliest_start=NOON + SLOT, accepted_at=NOON - SLOT)
    slides = a_job("slides", 60, power_kw=35.0, power_profile_kw=(20.0, 50.0), earliest_start=NOON)
    early = [hold, slides]
    fleet = first_come_first_served(early, {"cluster-a": an_asset()}, {})
    # `slides` is released first (12:00) and so is placed first; hold then waits for it.
    assert fleet.starts["slides"] == NOON
    assert fleet.starts["hold"] == NOON + 2 * SLOT


def test_a_varying_profile_waits_until_every_part_fits() -> None:
    first = a_job("first", 60, power_kw=70.0, accepted_at=NOON - SLOT, earliest_start=NOON)
    shaped = a_job("shaped", 60, power_profile_kw=(30.0, 50.0), power_kw=40.0)
    fleet = first_come_first_served([first, shaped], {"cluster-a": an_asset()}, {})
    # From 12:00: 30 fits beside 70, 50 does not. From 12:30: 30 fits beside 70, then 50 is alone.
    assert fleet.starts["shaped"] == NOON + SLOT


def test_a_limit_of_power_is_waited_out_by_whom_it_stops() -> None:
    # 40 kW from 13:00 to 14:00: two hours at 50 kW from noon would touch it, at 40 kW they do not mind.
    limit = PowerLimit(40.0, NOON + 2 * SLOT, NOON + 4 * SLOT)
    asset = an_asset(power_limits=(limit,))
    for power_kw, start in ((50.0, NOON + 4 * SLOT), (40.0, NOON)):
        job = a_job("a", 120, power_kw=power_kw)
        fleet = first_come_first_served([job], {"cluster-a": asset}, {})
        assert fleet.starts == {"a": start}
