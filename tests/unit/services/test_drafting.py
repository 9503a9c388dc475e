"""From a draft to a job: defaults, checks that name field and cure, and the run on arrival."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from models.domain.errors import Infeasible, InvalidRequest
from models.domain.gpu import gpu_power_kw
from models.domain.job import Flexibility, Job
from models.domain.power_limit import PowerLimit
from services.drafting import job_of, power_of, run_on_arrival
from services.types import JobDraft
from tests.support.fleet import NOON, a_job, an_asset

ID = UUID("12345678-1234-4234-8234-123456789abc")


def a_draft(**changes: Any) -> JobDraft:
    plain = JobDraft(
        duration=timedelta(hours=1),
        latest_finish=NOON + timedelta(hours=8),
        estimated_power_kw=10.0,
    )
    return replace(plain, **changes)


def made(
    draft: JobDraft,
    *assets: Any,
    now: datetime = NOON,
    before: dict[str, Job] | None = None,
) -> Job:
    every = assets or (an_asset(),)
    return job_of(draft, "local", every[0], every, before or {}, now, ID)


def wrong_fields(draft: JobDraft, *assets: Any, **how: Any) -> dict[str, Any]:
    """Return (value, allowed) by field of what is refused."""
    with pytest.raises(InvalidRequest) as caught:
        made(draft, *assets, **how)
    assert all(error.cure for error in caught.value.fields)
    return {error.field: (error.value, error.allowed) for error in caught.value.fields}


def test_what_is_not_said_has_a_sensible_default() -> None:
    job = made(a_draft(), an_asset(region="yorkshire", flexibility_type=Flexibility.FIXED))
    assert (job.job_id, job.job_name) == ("job-123456781234", "job-123456781234")
    assert job.allowed_regions == ("yorkshire",)
    assert job.flexibility is Flexibility.FIXED
    assert (job.earliest_start, job.accepted_at, job.baseline_start) == (NOON, NOON, NOON)


def test_an_earliest_start_in_the_past_means_now() -> None:
    job = made(a_draft(earliest_start=NOON - timedelta(days=2)))
    assert job.earliest_start == NOON


def test_regions_and_predecessors_are_named_once() -> None:
    job = made(
        a_draft(allowed_regions=("wales", "london", "wales"), depends_on=("a", "a")),
        before={"a": a_job("a")},
    )
    assert job.allowed_regions == ("wales", "london")
    assert job.depends_on == ("a",)


# --- power ----------------------------------------------------------------------------------------


def test_power_is_taken_as_given_or_from_a_profile_or_from_gpus() -> None:
    assert power_of(a_draft()).power_kw == 10.0
    profile = a_draft(estimated_power_kw=None, power_profile_kw=(4.0, 8.0))
    assert power_of(profile).power_kw == 6.0
    gpus = a_draft(estimated_power_kw=None, gpu_model="H100-PCIe", gpu_count=8)
    assert power_of(gpus).power_kw == gpu_power_kw("H100-PCIe", 8)[0]
    assert power_of(gpus).note


def test_a_job_without_any_power_is_refused_with_both_ways_to_give_it() -> None:
    with pytest.raises(InvalidRequest) as caught:
        made(a_draft(estimated_power_kw=None, gpu_model="H100-PCIe"))
    (error,) = caught.value.fields
    assert error.field == "estimated_power_kw"
    assert error.cure == "send estimated_power_kw, or gpu_model and gpu_count"


def test_more_power_than_any_candidate_offers_can_never_be_planned() -> None:
    with pytest.raises(Infeasible) as caught:
        made(a_draft(estimated_power_kw=91.0), an_asset(base_load_kw=10.0))
    assert caught.value.nearest == {"estimated_power_kw": 90.0}
    wide = a_draft(estimated_power_kw=91.0, allowed_regions=("gb",))
    job = made(wide, an_asset(base_load_kw=10.0), an_asset("b", "wales", max_power_kw=95.0))
    # It fits elsewhere, but not on arrival: that is on its own cluster.
    assert job.baseline_start is None
    assert job.baseline_reason == "it needs 91 kW and cluster-a offers 90 kW"


def test_the_peak_of_a_profile_is_what_must_fit() -> None:
    draft = a_draft(estimated_power_kw=None, power_profile_kw=(101.0, 1.0))
    with pytest.raises(Infeasible):
        made(draft)


# --- time -----------------------------------------------------------------------------------------


def test_the_run_on_arrival_starts_on_the_next_half_hour() -> None:
    job = made(a_draft(earliest_start=NOON + timedelta(minutes=31)))
    assert job.baseline_start == NOON + timedelta(hours=1)


def test_a_run_on_arrival_is_looked_for_on_its_own_cluster_even_outside_its_regions() -> None:
    job = made(a_draft(allowed_regions=("wales",)), an_asset(), an_asset("b", "wales"))
    assert job.baseline_start == NOON
    assert job.allowed_regions == ("wales",)


def test_there_is_no_run_on_arrival_that_would_be_late() -> None:
    job = a_job(minutes=60, latest_finish=NOON + timedelta(minutes=59))
    assert run_on_arrival(job, an_asset()) == (
        None,
        "started on arrival it would miss its deadline",
    )


def test_a_run_that_fits_to_the_minute_is_taken() -> None:
    job = made(a_draft(latest_finish=NOON + timedelta(hours=1)))
    assert job.baseline_start == NOON


def test_a_window_too_short_by_itself_is_refused_with_the_first_finish_that_would_do() -> None:
    # Released at 12:10 it starts at 12:30 and ends at 13:30.
    draft = a_draft(latest_finish=NOON + timedelta(minutes=89))
    with pytest.raises(Infeasible) as caught:
        made(draft, now=NOON + timedelta(minutes=10))
    assert caught.value.nearest == {"latest_finish": "2026-11-21T13:30:00Z"}
    job = made(
        a_draft(latest_finish=NOON + timedelta(minutes=90)), now=NOON + timedelta(minutes=10)
    )
    assert job.baseline_start == NOON + timedelta(minutes=30)


def test_a_deadline_that_has_passed_is_refused() -> None:
    fields = wrong_fields(a_draft(latest_finish=NOON))
    assert fields == {"latest_finish": ("2026-11-21T12:00:00Z", "after 2026-11-21T12:00:00Z")}


def test_a_deadline_further_ahead_than_plans_are_made_is_refused() -> None:
    late = NOON + timedelta(days=14)
    assert made(a_draft(latest_finish=late)).latest_finish == late
    fields = wrong_fields(a_draft(latest_finish=late + timedelta(seconds=1)))
    assert fields["latest_finish"][1] == "at most 2026-12-05T12:00:00Z"


# --- the rest -------------------------------------------------------------------------------------


def test_every_wrong_field_is_named_at_once() -> None:
    fields = wrong_fields(
        a_draft(
            allowed_regions=("london", "atlantis"),
            depends_on=("nobody",),
            power_profile_kw=(1.0, 2.0, 3.0),
        )
    )
    assert set(fields) == {"allowed_regions.1", "depends_on.0", "power_profile_kw"}
    assert fields["power_profile_kw"][1] == "exactly 2 values"


def test_chunks_longer_than_the_run_are_refused_where_there_are_chunks() -> None:
    draft = a_draft(min_run_slots=3, flexibility=Flexibility.INTERRUPTIBLE)
    assert wrong_fields(draft) == {"min_run_slots": (3, "1 to 2")}
    assert made(a_draft(min_run_slots=3, flexibility=Flexibility.DEFERRABLE)).min_run_slots == 3


def test_a_least_power_above_the_full_power_is_refused() -> None:
    assert wrong_fields(a_draft(min_power_kw=11.0)) == {"min_power_kw": (11.0, "0 to 10 kW")}


def test_regions_without_a_cluster_of_the_owner_are_refused_with_where_there_are_some() -> None:
    with pytest.raises(Infeasible) as caught:
        made(a_draft(allowed_regions=("yorkshire",)), an_asset(), an_asset("b", "wales"))
    (error,) = caught.value.fields
    assert (error.field, error.allowed) == ("allowed_regions", "london, wales")
    assert caught.value.nearest == {"allowed_regions": ["london"]}


def test_clusters_of_another_type_do_not_count() -> None:
    other = an_asset("b", "wales", asset_type="cpu")
    with pytest.raises(Infeasible, match="no cluster of type gpu_cluster"):
        made(a_draft(allowed_regions=("wales",)), an_asset(), other)


def test_the_run_on_arrival_waits_for_the_end_of_a_limit_of_power() -> None:
    # 5 kW until 13:10, so 10 kW for an hour begin at 13:30.
    limit = PowerLimit(5.0, NOON - timedelta(hours=1), NOON + timedelta(minutes=70))
    asset = an_asset(power_limits=(limit,))
    job = a_job(minutes=60, latest_finish=NOON + timedelta(hours=3))
    assert run_on_arrival(job, asset) == (NOON + timedelta(minutes=90), None)
    tight = a_job(minutes=60, latest_finish=NOON + timedelta(minutes=149))
    start, reason = run_on_arrival(tight, asset)
    assert start is None
    assert reason == (
        "the limits of power of cluster-a leave it no start on arrival that meets its deadline"
    )


def test_a_job_that_bends_has_no_power_for_each_half_hour() -> None:
    for kind in (Flexibility.INTERRUPTIBLE, Flexibility.ELASTIC):
        wrong = wrong_fields(
            a_draft(estimated_power_kw=None, power_profile_kw=(20.0, 1.0), flexibility=kind)
        )
        assert set(wrong) == {"power_profile_kw"}


def test_levels_name_each_power_once_within_full_power_and_do_some_work() -> None:
    wrong = wrong_fields(
        a_draft(
            flexibility=Flexibility.ELASTIC,
            power_levels=((0.0, 0.0), (5.0, 0.5), (5.0, 0.6), (12.0, 1.0), (8.0, 0.0)),
        )
    )
    assert set(wrong) == {f"power_levels.{place}" for place in (0, 2, 3, 4)}
    assert wrong["power_levels.3"][0] == [12.0, 1.0]


def test_a_least_power_above_every_level_leaves_none() -> None:
    wrong = wrong_fields(
        a_draft(flexibility=Flexibility.ELASTIC, power_levels=((5.0, 0.5),), min_power_kw=6.0)
    )
    assert wrong == {"min_power_kw": (6.0, "at most 5 kW")}


def test_rates_are_kept_in_millionths_so_that_three_thirds_are_a_whole() -> None:
    job = made(a_draft(flexibility=Flexibility.ELASTIC, power_levels=((1.0, 1 / 3), (10.0, 0.9))))
    assert job.power_levels == ((1.0, 0.333334), (10.0, 0.9))
