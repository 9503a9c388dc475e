"""What happened since yesterday."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from models.domain.job import JobStatus
from models.domain.plan import Refusal
from models.domain.ports import JobPlan, JobView
from services.board_news import happenings, since_yesterday
from tests.support.fleet import NOON, a_job
from tests.support.stored import a_placement, an_award

SINCE = NOON - timedelta(hours=36)
DAY = timedelta(days=1)


def a_view(status: JobStatus, job: dict[str, object] | None = None, **plan: object) -> JobView:
    answer = {"award": an_award("job-a", a_placement(NOON - timedelta(hours=3)))} | plan
    answer = {k: v for k, v in answer.items() if v is not None}
    return JobView(
        a_job("job-a", status=status, **(job or {})),
        JobPlan("job-a", "n", "d", NOON - timedelta(hours=1), **answer),  # type: ignore[arg-type]
        status,
    )


def test_yesterday_begins_at_london_midnight_also_in_summer_time() -> None:
    assert since_yesterday(NOON) == datetime(2026, 11, 20, tzinfo=UTC)
    assert since_yesterday(datetime(2026, 7, 2, 12, tzinfo=UTC)) == datetime(
        2026, 6, 30, 23, tzinfo=UTC
    )


def test_a_finished_run_is_told_at_its_end() -> None:
    ended = NOON - timedelta(hours=2)
    (line,) = happenings([a_view(JobStatus.COMPLETED, {"ended_at": ended})], SINCE, NOON)
    assert (line.kind, line.at, line.text) == ("ran", ended, "Ran Sat 09:00 on cluster-a.")


def test_what_ended_before_yesterday_is_not_told() -> None:
    old = a_view(JobStatus.COMPLETED, {"ended_at": NOON - 2 * DAY})
    assert happenings([old], SINCE, NOON) == ()


def test_a_move_is_told_with_its_reason() -> None:
    moved = a_view(
        JobStatus.SCHEDULED, moves=1, move_reason="new prices: from Sat 12:00 to Sat 23:30"
    )
    (line,) = happenings([moved], SINCE, NOON)
    assert line.kind == "moved"
    assert line.text == "Moved by new prices: from Sat 12:00 to Sat 23:30."


def test_refusals_failures_and_cancellations_are_told() -> None:
    refusal = Refusal("job-a", "power", "60 kW are free, 80 kW are needed", None)
    refused = a_view(JobStatus.REFUSED, award=None, refusal=refusal)
    failed = a_view(JobStatus.FAILED, {"ended_at": NOON})
    cancelled = a_view(JobStatus.CANCELLED, {"updated_at": NOON - DAY})
    lines = happenings([refused, _named(failed, "f"), _named(cancelled, "c")], SINCE, NOON)
    assert [(line.kind, line.job_id) for line in lines] == [
        ("failed", "f"),
        ("refused", "job-a"),
        ("cancelled", "c"),
    ]


def _named(view: JobView, job_id: str) -> JobView:
    return replace(view, job=replace(view.job, job_id=job_id))


def test_a_job_seen_twice_is_told_once() -> None:
    view = a_view(JobStatus.COMPLETED, {"ended_at": NOON})
    assert len(happenings([view, view], SINCE, NOON)) == 1


def test_only_the_newest_lines_are_kept() -> None:
    views = [
        _named(a_view(JobStatus.COMPLETED, {"ended_at": NOON - timedelta(minutes=n)}), str(n))
        for n in range(40)
    ]
    lines = happenings(views, SINCE, NOON)
    assert len(lines) == 30
    assert lines[0].job_id == "0"
