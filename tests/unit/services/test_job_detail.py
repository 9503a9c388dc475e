"""What may still move a job, and how sure its figures are, in one sentence each."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from models.domain.job import JobStatus
from models.domain.plan import Deferral, Refusal
from models.domain.ports import JobPlan, JobView
from models.domain.signal import Quality
from services.job_detail import how_sure, may_still_move
from tests.support.fleet import NOON, a_job
from tests.support.stored import a_placement, an_award

HOUR = timedelta(hours=1)
START = NOON + 6 * HOUR
FREEZE = START - timedelta(minutes=5)


def a_view(status: JobStatus = JobStatus.SCHEDULED, *, job: Any = None, **plan: Any) -> JobView:
    answer = plan or {"award": an_award("job-a", a_placement(START))}
    return JobView(
        a_job("job-a", **(job or {})), JobPlan("job-a", "n", "d", NOON, **answer), status
    )


def told(view: JobView, now: datetime = NOON) -> str:
    return may_still_move(view, FREEZE if view.plan and view.plan.award else None, now)


def test_an_award_moves_until_it_freezes() -> None:
    assert told(a_view()).startswith("Until Sat 17:55 a new carbon forecast or other work may move")
    assert told(a_view(), FREEZE) == "It no longer moves: Sat 18:00 is too close."
    assert told(a_view(), START).startswith("Its window is open")


def test_an_award_on_estimated_prices_may_move_when_they_are_published() -> None:
    award = an_award("job-a", replace(a_placement(START), estimated_share=0.5))
    assert "published prices" in told(a_view(award=award))


def test_a_pinned_award_is_moved_by_its_user_only() -> None:
    assert told(a_view(job={"pinned_start": START})).startswith("You pinned it")


def test_a_job_cancelled_while_held_is_over() -> None:
    view = a_view(JobStatus.CANCELLED, job={"is_held": True}, deferral=Deferral("job-a", "x", None))
    assert told(view).startswith("It is over")


def test_a_provisional_award_waits_for_data() -> None:
    award = an_award("job-a", a_placement(START), provisional=True)
    assert "as soon as carbon or prices arrive" in told(a_view(award=award))


@pytest.mark.parametrize(
    ("status", "start"),
    [
        (JobStatus.RUNNING, "It has started"),
        (JobStatus.COMPLETED, "It is over"),
        (JobStatus.CANCELLED, "It is over"),
        (JobStatus.UNCONFIRMED, "Its window has passed"),
    ],
)
def test_what_has_begun_or_ended_does_not_move(status: JobStatus, start: str) -> None:
    assert told(a_view(status)).startswith(start)


def test_a_refused_job_is_tried_until_its_last_start() -> None:
    refused = a_view(JobStatus.REFUSED, refusal=Refusal("job-a", "power", "no room", None))
    # An hour's job due at noon tomorrow starts at 11:00 at the latest.
    assert told(refused).endswith("until its last start, Sun 11:00.")
    assert "can no longer be planned" in told(refused, NOON + 24 * HOUR)


def test_held_deferred_and_new_jobs_say_what_they_wait_for() -> None:
    assert told(a_view(job={"is_held": True})).startswith("It is held")
    deferred = a_view(JobStatus.PENDING, deferral=Deferral("job-a", "its predecessor runs", None))
    assert told(deferred) == "It waits: its predecessor runs."
    new = JobView(a_job("job-a"), None, JobStatus.PENDING)
    assert told(new) == "It is not planned yet; the next plan decides."


def test_how_sure_names_quality_estimates_and_errors() -> None:
    award = an_award("job-a", replace(a_placement(START), estimated_share=0.25))
    statistics = {"by_lead": [{"mae": 12.0}, {"mae": 19.6}]}
    assert how_sure(award, statistics) == (
        "Planned on live carbon and prices; 25% of its half-hours rest on an own estimate; carbon forecasts were off "
        "by up to 20 g/kWh on average; no range is given (needs 14 days of archived forecasts)."
    )


def test_how_sure_gives_the_reason_where_no_statistics_exist() -> None:
    award = an_award("job-a", replace(a_placement(START), data_quality=Quality.SIMULATED))
    text = how_sure(award, {"reason": "regions have no metered actuals", "days": 0})
    assert "never enter statements" in text
    assert "the error to expect is not known (regions have no metered actuals)" in text
