"""What needs the user: kinds, order, and words for checked relaxations."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from models.domain.job import JobStatus
from models.domain.plan import Deferral, Refusal, Relaxation
from models.domain.ports import JobPlan, JobView
from models.domain.signal import Quality
from services.board_needs import data_need, job_needs, relaxation_text
from services.lifecycle import VOID_REASON
from services.types import DataLine
from tests.support.fleet import NOON, a_job
from tests.support.stored import a_placement, an_award

HOUR = timedelta(hours=1)


def a_view(status: JobStatus, job_id: str = "a", **plan: object) -> JobView:
    answer = plan or {"award": an_award(job_id, a_placement(NOON))}
    reads = JobStatus.SCHEDULED if status is JobStatus.UNCONFIRMED else status
    return JobView(
        a_job(job_id, status=reads),
        JobPlan(job_id, "n", "d", NOON, **answer),  # type: ignore[arg-type]
        status,
    )


def a_refusal(relaxation: Relaxation | None = None) -> Refusal:
    return Refusal("a", "carbon_cap", "no window stays below 50 g/kWh", relaxation)


def a_relaxation(field: str, value: object) -> Relaxation:
    return Relaxation(field, value, NOON + 3 * HOUR, "cluster-a", 1.0, 2.0)


def test_a_refused_job_offers_the_nearest_thing_that_fits() -> None:
    nearest = a_relaxation("carbon_cap_g_per_kwh", 80.0)
    (need,) = job_needs([a_view(JobStatus.REFUSED, refusal=a_refusal(nearest))], NOON)
    assert need.kind == "refused"
    assert need.text == (
        "no window stays below 50 g/kWh. Nearest that fits: allow 80 g/kWh, from Sat 15:00."
    )
    assert need.actions[0] == ("allow 80 g/kWh", "relax:carbon_cap_g_per_kwh")


def test_a_refused_job_without_relaxation_can_be_opened_or_cancelled() -> None:
    (need,) = job_needs([a_view(JobStatus.REFUSED, refusal=a_refusal())], NOON)
    assert [kind for _, kind in need.actions] == ["open", "cancel"]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("latest_finish", "2026-11-22T09:00:00Z", "finish by Sun 09:00"),
        ("latest_finish", NOON, "finish by Sat 12:00"),
        ("allowed_regions", ["london", "wales"], "allow london, wales"),
        ("max_price_per_kwh", 0.25, "allow £0.25/kWh"),
        ("estimated_power_kw", 40.0, "use 40 kW"),
        ("power_profile_kw", [10.0, 4.5], "use at most 10 kW, in the same profile"),
        ("something_new", 3, "something_new 3"),
    ],
)
def test_relaxations_read_as_words(field: str, value: object, words: str) -> None:
    assert relaxation_text(a_relaxation(field, value)) == words


def test_an_open_window_asks_whether_it_started() -> None:
    (need,) = job_needs([a_view(JobStatus.SCHEDULED)], NOON + HOUR / 2)
    assert need.kind == "confirm"
    assert "window open, start not confirmed" in need.title
    assert [kind for _, kind in need.actions] == ["confirm:started", "confirm:did_not_run"]


def test_a_window_ahead_needs_nothing() -> None:
    assert job_needs([a_view(JobStatus.SCHEDULED)], NOON - HOUR) == ()


def test_running_work_past_its_window_asks_whether_it_finished() -> None:
    view = a_view(JobStatus.RUNNING)
    assert job_needs([view], NOON + HOUR / 2) == ()
    (need,) = job_needs([view], NOON + 2 * HOUR)
    assert [kind for _, kind in need.actions] == ["confirm:completed", "confirm:failed"]


def test_a_passed_window_asks_whether_it_ran() -> None:
    (need,) = job_needs([a_view(JobStatus.UNCONFIRMED)], NOON + 2 * HOUR)
    assert need.kind == "unconfirmed"
    assert ("It ran", "confirm:completed") in need.actions


def test_held_and_void_jobs_are_told_and_other_pending_ones_are_not() -> None:
    held = replace(
        a_view(JobStatus.PENDING), job=a_job("h", is_held=True, status=JobStatus.PENDING)
    )
    void = a_view(JobStatus.PENDING, "v", deferral=Deferral("v", VOID_REASON, None))
    later = a_view(
        JobStatus.PENDING, "l", deferral=Deferral("l", "waits for its predecessor", None)
    )
    new = JobView(a_job("n"), None, JobStatus.PENDING)
    needs = job_needs([held, later, void, new], NOON)
    assert [(need.kind, need.job_id) for need in needs] == [("void", "v"), ("held", "h")]


def test_each_job_is_told_once_and_the_urgent_first() -> None:
    refused = a_view(JobStatus.REFUSED, "r", refusal=replace(a_refusal(), job_id="r"))
    opened = a_view(JobStatus.SCHEDULED, "o")
    needs = job_needs([refused, opened, refused], NOON + HOUR / 2)
    assert [need.job_id for need in needs] == ["o", "r"]


def a_line(**changes: object) -> DataLine:
    line = DataLine(
        mode="live", quality=Quality.LIVE, carbon_issued_at=NOON, carbon_retrieved_at=NOON,
        carbon_age=timedelta(minutes=5), carbon_known_until=NOON, prices_known_until=NOON,
        prices_retrieved_at=NOON, text="", is_simulated=False, banner=None,
    )  # fmt: skip
    return replace(line, **changes)  # type: ignore[arg-type]


def test_data_up_to_three_hours_old_is_no_news() -> None:
    assert data_need(a_line(carbon_age=3 * HOUR)) is None


def test_older_and_missing_data_are_told() -> None:
    old = data_need(a_line(carbon_age=4 * HOUR))
    assert old is not None
    assert old.title == "The carbon forecast is 4 h old"
    missing = data_need(a_line(quality=Quality.NONE, carbon_age=None))
    assert missing is not None
    assert missing.title == "No carbon or price data"


def test_simulated_data_have_their_banner_instead() -> None:
    assert data_need(a_line(mode="simulated", carbon_age=9 * HOUR)) is None
