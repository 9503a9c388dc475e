"""The New job form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from models.domain.job import Flexibility, Priority
from tests.support.fleet import an_asset
from web.pages.job_form import JobForm, JobRequest, is_started, job_form, query_of, read_job

NOW = datetime(2026, 11, 21, 10, 7, tzinfo=UTC)
RACK = an_asset("rack", "london")
GOOD = {
    "duration_hours": "4",
    "estimated_power_kw": "20",
    "latest_finish": "2026-11-22T09:00",
    "region": "yorkshire",
}


def opened(values: dict[str, Any], assets: tuple = (RACK,), *, is_fresh: bool = False) -> JobForm:
    return job_form(
        MultiDict(values), now=NOW, assets=assets, predecessors=(), default_region="london",
        may_add_cluster=True, is_fresh=is_fresh,
    )  # fmt: skip


def read(values: dict[str, Any], assets: tuple = (RACK,)) -> JobRequest:
    form = opened(values, assets)
    wanted = read_job(form, NOW)
    assert wanted is not None, form.errors
    return wanted


def errors(values: dict[str, Any], assets: tuple = (RACK,)) -> dict[str, str]:
    form = opened(values, assets)
    assert read_job(form, NOW) is None
    return form.errors


def test_three_answers_make_a_job() -> None:
    wanted = read(GOOD)
    draft = wanted.draft
    assert draft.duration == timedelta(hours=4)
    assert draft.estimated_power_kw == 20.0
    assert draft.latest_finish == datetime(2026, 11, 22, 9, tzinfo=UTC)
    assert draft.flexibility is Flexibility.DEFERRABLE
    assert wanted.new_cluster is None
    assert (wanted.repeat.copies, wanted.repeat.every, wanted.repeat.times) == (1, None, 1)


def test_a_fresh_form_fills_in_the_deadline_and_nothing_that_would_be_guessed() -> None:
    form = opened({}, is_fresh=True)
    assert form.values["latest_finish"] == "2026-11-22T09:00"
    assert form.values["duration_hours"] == ""
    assert not is_started(form)
    assert not form.has_limits


def test_without_a_cluster_one_is_made_with_the_power_of_the_job() -> None:
    wanted = read(GOOD, ())
    assert wanted.new_cluster is not None
    assert wanted.new_cluster.region == "yorkshire"
    assert wanted.new_cluster.max_power_kw == 20.0
    assert wanted.new_cluster.name == "My cluster"
    query = query_of(wanted)
    assert (query.region, query.power_kw) == ("yorkshire", 20.0)


def test_gpus_stand_in_for_power() -> None:
    values = {**GOOD, "estimated_power_kw": "", "gpu_model": "H100-SXM5", "gpu_count": "8"}
    wanted = read(values, ())
    assert wanted.draft.estimated_power_kw is None
    assert (wanted.draft.gpu_model, wanted.draft.gpu_count) == ("H100-SXM5", 8)
    assert wanted.new_cluster is not None
    # 8 × (75 + 625 × 0.85) W = 4.85 kW; GPUs are 5.6 of 10.2 kW: 8.834 kW.
    assert wanted.new_cluster.max_power_kw == pytest.approx(8.834, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"duration_hours": ""}, "duration_hours", "type its length"),
        ({"estimated_power_kw": ""}, "estimated_power_kw", "type it in kW, or choose a GPU"),
        ({"estimated_power_kw": "", "gpu_model": "L40S"}, "gpu_count", "how many L40S"),
        ({"estimated_power_kw": "", "gpu_count": "8"}, "gpu_model", "choose one"),
        ({"latest_finish": ""}, "latest_finish", "choose when"),
        ({"latest_finish": "2026-11-20T09:00"}, "latest_finish", "has passed"),
        ({"carbon_cap_g_per_kwh": "low"}, "carbon_cap_g_per_kwh", "not a number"),
        ({"copies": "500"}, "copies", "1 to 100"),
        ({"times": "5"}, "every", "choose how often"),
        ({"every": "hour"}, "every", "day, weekday or week"),
        ({"priority": "urgent"}, "priority", "cannot be chosen"),
    ],
)
def test_every_wrong_field_is_named_beside_itself(
    changes: dict[str, str], field: str, words: str
) -> None:
    found = errors({**GOOD, **changes})
    assert words in found[field]


def test_several_wrong_fields_are_named_at_once_in_the_order_of_the_form() -> None:
    form = opened({**GOOD, "latest_finish": "x", "duration_hours": "x"})
    assert read_job(form, NOW) is None
    assert list(form.errors) == ["duration_hours", "latest_finish"]


def test_limits_are_read_in_the_units_they_are_typed_in() -> None:
    values = {
        **GOOD,
        "max_price_p_per_kwh": "12.5",
        "min_saving_percent": "10",
        "priority": "high",
        "flexibility_type": "fixed",
        "earliest_start": "2026-11-21T20:00",
        "copies": "3",
        "every": "day",
        "times": "5",
        "depends_on": "job-x",
    }
    wanted = read(values)
    assert wanted.draft.max_price_gbp_per_kwh == pytest.approx(0.125)
    assert wanted.draft.min_saving_percent == 10
    assert wanted.draft.priority is Priority.HIGH
    assert wanted.draft.flexibility is Flexibility.FIXED
    assert wanted.draft.earliest_start == datetime(2026, 11, 21, 20, tzinfo=UTC)
    assert wanted.draft.depends_on == ("job-x",)
    assert (wanted.repeat.copies, wanted.repeat.every, wanted.repeat.times) == (3, "day", 5)
    assert opened(values).has_limits


def test_ticking_other_regions_keeps_the_clusters_own() -> None:
    form = opened(GOOD)
    form.form.lists["allowed_regions"] = ("yorkshire",)
    wanted = read_job(form, NOW)
    assert wanted is not None
    assert wanted.draft.allowed_regions == ("london", "yorkshire")
