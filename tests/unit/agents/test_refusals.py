"""Why a job is refused: the rule, its number, and offers that were checked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from agents.refusals import NOT_TRIED
from agents.scheduler import negotiate
from agents.view import Held
from models.domain.job import Flexibility, Job
from models.domain.plan import Refusal
from models.domain.power_limit import PowerLimit
from tests.support.fleet import NOON, a_job, an_asset
from tests.support.planning import a_policy, a_situation, at_slot


def refusals(
    jobs: Sequence[Job], price: Any, carbon: Any, assets: Any = None, **changes: Any
) -> dict[str, Refusal]:
    outcome = negotiate(a_situation(jobs, price, carbon, assets, **changes))
    return {refusal.job_id: refusal for refusal in outcome.refusals}


def refusal(job: Job, price: Any, carbon: Any, assets: Any = None, **changes: Any) -> Refusal:
    return refusals([job], price, carbon, assets, **changes)[job.job_id]


def offered(told: Refusal) -> list[tuple[str, Any]]:
    return [(offer.field, offer.value) for offer in told.relaxations]


def test_a_carbon_cap_below_every_window_is_named_with_the_cleanest() -> None:
    job = a_job(minutes=30, carbon_cap_g_per_kwh=90.0, latest_finish=at_slot(3))
    told = refusal(job, [0.1] * 3, [120.0, 100.5, 110.0])
    assert told.rule == "carbon_cap"
    assert told.detail == "the cleanest window averages 100.5 g/kWh and the cap is 90 g/kWh"
    assert told.smallest_relaxation is not None
    assert offered(told) == [("carbon_cap_g_per_kwh", 100.5)]
    assert told.smallest_relaxation.start == at_slot(1)
    assert told.smallest_relaxation.cost_gbp == 0.5
    assert told.options_considered == 3
    assert "a higher carbon cap" in told.tried


def test_a_carbon_cap_of_nothing_is_still_a_cap() -> None:
    job = a_job(minutes=30, carbon_cap_g_per_kwh=0.0, latest_finish=at_slot(1))
    told = refusal(job, [0.1], [5.0])
    assert told.detail == "the cleanest window averages 5.0 g/kWh and the cap is 0 g/kWh"


def test_a_price_cap_below_every_window_is_named_with_the_cheapest() -> None:
    job = a_job(minutes=30, max_price_gbp_per_kwh=0.05, latest_finish=at_slot(2))
    told = refusal(job, [0.1234, 0.2], [0.0, 0.0])
    assert told.rule == "max_price"
    assert told.detail == "the cheapest window averages £0.1234/kWh and the cap is £0.05/kWh"
    assert offered(told) == [("max_price_per_kwh", 0.1234)]


def test_caps_that_exclude_each_other_are_both_named() -> None:
    # The clean half-hour is dear and the cheap one dirty: each cap alone could be kept.
    job = a_job(
        minutes=30,
        carbon_cap_g_per_kwh=100.0,
        max_price_gbp_per_kwh=0.2,
        latest_finish=at_slot(2),
    )
    told = refusal(job, [0.3, 0.1], [50.0, 150.0])
    assert told.rule == "max_price"
    assert told.detail == (
        "no window keeps both the carbon cap of 100 g/kWh and the price cap of £0.2/kWh: the cleanest window "
        "averages 50.0 g/kWh, the cheapest window averages £0.1000/kWh, but never one both"
    )
    assert set(offered(told)) == {("carbon_cap_g_per_kwh", 150.0), ("max_price_per_kwh", 0.3)}


def test_more_power_than_its_clusters_offer_is_refused_with_both_numbers() -> None:
    told = refusal(a_job(power_kw=120.0), [0.1] * 48, [0.0] * 48)
    assert told.rule == "power"
    assert told.detail == "it needs 120 kW and its clusters offer 100 kW"
    assert offered(told) == [("estimated_power_kw", 100.0)]


def test_a_full_window_is_refused_with_what_is_free() -> None:
    busy = a_job("busy", 120, power_kw=96.0, flexibility=Flexibility.FIXED)
    late = a_job("late", 60, latest_finish=at_slot(3))
    told = refusals([busy, late], [0.1] * 8, [0.0] * 8)["late"]
    assert told.rule == "power"
    assert told.detail == (
        "it needs 10 kW and cluster-a has at most 4 kW free in any half-hour of its window"
    )
    # 4 of 10 kW is a change of 0.6; the first free hour ends at 15:00, a change of 1.5 h in 1.5 h.
    assert offered(told)[0] == ("estimated_power_kw", 4.0)
    assert ("latest_finish", "2026-11-21T15:00:00Z") in offered(told)


def test_a_window_with_too_short_gaps_is_refused_with_the_longest() -> None:
    busy = a_job(
        "busy", 30, power_kw=96.0, earliest_start=at_slot(1), flexibility=Flexibility.FIXED
    )
    late = a_job("late", 60, latest_finish=at_slot(3))
    told = refusals([busy, late], [0.1] * 8, [0.0] * 8)["late"]
    assert told.detail == (
        "it needs 10 kW for 1 h and cluster-a has that free for at most 0.5 h at a stretch in its window"
    )


def test_an_uneven_profile_is_told_as_one() -> None:
    # 10 kW then 2 kW for 40 min; at noon only 1 kW is free half an hour later, at 12:30 only 1 kW at first.
    busy = a_job(
        "busy", 30, power_kw=99.0, earliest_start=at_slot(1), flexibility=Flexibility.FIXED
    )
    job = a_job(
        "late",
        40,
        power_profile_kw=(10.0, 2.0),
        power_kw=6.0,
        latest_finish=NOON + timedelta(minutes=70),
    )
    told = refusals([busy, job], [0.1] * 8, [0.0] * 8)["late"]
    assert told.detail == (
        "its power profile of up to 10 kW over 0.667 h fits nowhere on cluster-a in its window"
    )


def test_a_deadline_that_cannot_be_met_any_more_is_named() -> None:
    job = a_job(minutes=90, latest_finish=at_slot(4))
    told = refusal(job, [0.1] * 48, [0.0] * 48, now=at_slot(1.5))
    assert told.rule == "deadline"
    assert (
        told.detail
        == "a run of 1.5 h cannot start before Sat 13:00 and so cannot finish by Sat 14:00"
    )
    assert offered(told)[0] == ("latest_finish", "2026-11-21T14:30:00Z")


def test_a_pinned_start_that_has_passed_is_named() -> None:
    job = a_job(minutes=30, pinned_start=NOON)
    told = refusal(job, [0.1] * 48, [0.0] * 48, now=at_slot(1))
    assert told.rule == "pinned"
    assert told.detail == "the pinned start Sat 12:00 is no longer possible"


def test_a_cluster_that_is_gone_is_named() -> None:
    told = refusal(a_job(asset_id="gone"), [0.1] * 4, [0.0] * 4)
    assert (told.rule, told.detail) == ("asset", "cluster gone no longer exists")


def test_regions_without_a_cluster_are_named() -> None:
    told = refusal(a_job(allowed_regions=("wales", "yorkshire")), [0.1] * 48, [0.0] * 48)
    assert told.rule == "region"
    assert (
        told.detail
        == "no cluster of this owner and type is in an allowed region (wales, yorkshire)"
    )
    assert offered(told) == [("allowed_regions", ["wales", "yorkshire", "london"])]


def test_the_successor_of_a_refused_job_is_refused_for_that_without_offers() -> None:
    jobs = [a_job("first", power_kw=120.0), a_job("second", depends_on=("first",))]
    told = refusals(jobs, [0.1] * 48, [0.0] * 48)["second"]
    assert (told.rule, told.smallest_relaxation) == ("predecessor", None)
    assert told.detail == "it waits for first, which this plan does not serve"


def test_a_successor_whose_predecessor_ends_too_late_is_told_when() -> None:
    # The cluster is full until 13:00, so `first` ends at 13:30 and 30 min are too long until 13:30.
    busy = a_job("busy", 60, power_kw=96.0, flexibility=Flexibility.FIXED)
    jobs = [
        busy,
        a_job("first", 30, latest_finish=at_slot(6)),
        a_job("second", 30, depends_on=("first",), latest_finish=at_slot(3)),
    ]
    told = refusals(jobs, [0.1] * 8, [0.0] * 8)["second"]
    assert told.rule == "predecessor"
    assert told.detail == "it waits for first until Sat 13:30, too late to finish by Sat 13:30"


def test_no_deadline_is_offered_that_could_not_be_sent() -> None:
    # Plans reach 14 days ahead of the moment of sending; the last half-hour before that is not offered.
    slots = 48 * 15
    held = [96.0] * (48 * 14 - 2) + [0.0] * (slots - 48 * 14 + 2)
    work = Held("busy", "cluster-a", 0, tuple(held), at_slot(slots))
    job = a_job(minutes=30, latest_finish=at_slot(4))
    told = refusal(job, np.full(slots, 0.1), np.zeros(slots), held=(work,), now=NOON)
    assert offered(told) == [
        ("estimated_power_kw", 4.0),
        ("latest_finish", (NOON + timedelta(days=14, minutes=-30)).strftime("%Y-%m-%dT%H:%M:%SZ")),
    ]
    work = Held("busy", "cluster-a", 0, (96.0, *held[:-1]), at_slot(slots))
    told = refusal(job, np.full(slots, 0.1), np.zeros(slots), held=(work,), now=NOON)
    assert [field for field, _ in offered(told)] == ["estimated_power_kw"]


# --- limits of power, and data to move -------------------------------------------------------------


def test_limits_of_power_that_close_every_window_are_named_with_their_reason() -> None:
    limit = PowerLimit(5.0, at_slot(1), at_slot(3), reason="maintenance")
    job = a_job(minutes=60, latest_finish=at_slot(3))
    told = refusal(job, [0.1] * 8, [100.0] * 8, [an_asset(power_limits=(limit,))])
    assert told.rule == "power"
    assert told.detail == (
        "it needs 10 kW, and in every window a limit of power (maintenance) leaves less, down to 5 kW"
    )
    # A deadline at 14:30 leaves the hour after the maintenance; half the power fits beside it.
    assert ("latest_finish", "2026-11-21T14:30:00Z") in offered(told)
    assert ("estimated_power_kw", 5.0) in offered(told)


def test_a_limit_that_is_over_or_leaves_enough_is_not_named() -> None:
    limits = (
        PowerLimit(5.0, at_slot(-9), at_slot(-1), reason="rewiring last week"),
        PowerLimit(60.0, at_slot(0), at_slot(3), reason="contracted peak"),
        PowerLimit(5.0, at_slot(1), at_slot(3), reason="maintenance"),
        PowerLimit(0.0, at_slot(6), at_slot(7), reason="after the deadline"),
    )
    job = a_job(minutes=60, latest_finish=at_slot(3))
    told = refusal(job, [0.1] * 8, [100.0] * 8, [an_asset(power_limits=limits)])
    assert "a limit of power (maintenance) leaves less" in told.detail


def test_the_half_hour_that_a_deadline_ends_inside_counts_as_free() -> None:
    # Chunks of an hour before 13:45, while 12:30 to 13:00 is taken: free are 12:00, 13:00 and the part of 13:30.
    busy = a_job(
        "busy", 30, power_kw=96.0, earliest_start=at_slot(1), flexibility=Flexibility.FIXED
    )
    late = a_job(
        "late",
        75,
        latest_finish=at_slot(3.5),
        flexibility=Flexibility.INTERRUPTIBLE,
        min_run_slots=2,
    )
    told = refusals([busy, late], [0.1] * 8, [0.0] * 8)["late"]
    assert told.rule == "power"
    assert told.detail == (
        "it needs 10 kW in 3 half-hours or more, in chunks of at least 2, and cluster-a has that free in 3 "
        "half-hours of its window"
    )


def test_a_cap_under_which_no_run_was_found_is_not_said_to_have_none() -> None:
    job = a_job(
        minutes=60,
        latest_finish=at_slot(4),
        carbon_cap_g_per_kwh=90.0,
        flexibility=Flexibility.INTERRUPTIBLE,
    )
    told = refusal(job, [0.1] * 4, [100.0] * 4)
    assert (told.rule, told.detail) == (
        "carbon_cap",
        "no run of it was found that averages 90 g/kWh or less, which is its cap",
    )


def test_more_power_than_the_cluster_has_is_not_blamed_on_its_limits() -> None:
    limit = PowerLimit(5.0, at_slot(1), at_slot(3), reason="maintenance")
    told = refusal(a_job(power_kw=101.0), [0.1] * 8, [100.0] * 8, [an_asset(power_limits=(limit,))])
    assert told.detail == "it needs 101 kW and its clusters offer 100 kW"


def test_data_that_arrive_too_late_refuse_a_job_and_a_later_deadline_helps() -> None:
    # 900 GB at 1 Gbit/s are 7,200 s, two hours: the run may start at 14:00 and end at 15:00.
    assets = (an_asset(), an_asset("cluster-b", "south_wales"))
    job = a_job(
        minutes=60, data_gb=900.0, allowed_regions=("south_wales",), latest_finish=at_slot(5)
    )
    policy = a_policy(transfer_kwh_per_gb=0.01, transfer_gbit_per_s=1.0)
    told = refusal(job, [0.1] * 12, [100.0] * 12, assets, policy=policy)
    assert told.rule == "transfer"
    assert told.detail == "its 900 GB of data would reach cluster-b too late to finish by Sat 14:30"
    assert ("latest_finish", "2026-11-21T15:00:00Z") in offered(told)


def test_beyond_its_effort_a_plan_looks_for_changes_for_the_weightiest_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agents.refusals.MOST_EFFORT", 1)
    cap: dict[str, Any] = {"minutes": 30, "carbon_cap_g_per_kwh": 90.0, "latest_finish": at_slot(3)}
    jobs = [a_job("light", power_kw=1.0, **cap), a_job("heavy", power_kw=5.0, **cap)]
    told = refusals(jobs, [0.1] * 3, [120.0, 100.5, 110.0])
    assert offered(told["heavy"]) == [("carbon_cap_g_per_kwh", 100.5)]
    assert (offered(told["light"]), told["light"].tried) == ([], ())
    assert told["light"].detail == told["heavy"].detail + NOT_TRIED


def test_a_job_that_would_take_too_much_effort_leaves_the_light_ones_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agents.refusals.MOST_EFFORT", 5)
    cap: dict[str, Any] = {"minutes": 30, "carbon_cap_g_per_kwh": 90.0, "latest_finish": at_slot(3)}
    heavy = a_job("heavy", power_kw=5.0, flexibility=Flexibility.ELASTIC, **cap)
    told = refusals([heavy, a_job("light", power_kw=1.0, **cap)], [0.1] * 3, [120.0, 100.5, 110.0])
    assert offered(told["heavy"]) == []
    assert offered(told["light"]) == [("carbon_cap_g_per_kwh", 100.5)]
