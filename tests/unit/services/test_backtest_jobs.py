"""Jobs of a back-test: generated from a seed, or read from a trace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.domain.errors import InvalidRequest
from models.domain.time import LONDON, Horizon
from services.backtest_jobs import clusters, from_rows, generated

START = datetime(2026, 2, 2, tzinfo=UTC)
PERIOD = Horizon(START, 48 * 20)
PLACES = clusters([("london", 200.0), ("yorkshire", 60.0)], START)


def test_a_seed_always_gives_the_same_jobs_and_another_seed_others() -> None:
    assert generated(PERIOD, PLACES, 20, 1) == generated(PERIOD, PLACES, 20, 1)
    assert generated(PERIOD, PLACES, 20, 1) != generated(PERIOD, PLACES, 20, 2)


def test_generated_jobs_can_be_served_alone() -> None:
    jobs = generated(PERIOD, PLACES, 20, 3)
    rooms = {asset.asset_id: asset.room_kw for asset in PLACES}
    assert all(job.release + job.duration <= job.latest_finish for job in jobs)
    assert all(0 < job.power_kw <= rooms[job.asset_id] / 2 for job in jobs)
    assert all(job.baseline_start == job.release for job in jobs)
    assert len({job.job_id for job in jobs}) == len(jobs)


def test_about_as_many_arrive_as_asked_for_most_of_them_by_day() -> None:
    # 20 a day over 20 days: 400 expected, standard deviation 20; 300 of them between 07:00 and 19:00.
    jobs = generated(PERIOD, PLACES, 20, 4)
    assert 320 <= len(jobs) <= 480
    by_day = sum(7 <= job.release.astimezone(LONDON).hour < 19 for job in jobs)
    assert 0.65 <= by_day / len(jobs) <= 0.85


ROW = {
    "release": "2026-02-03T10:10:00Z", "latest_finish": "2026-02-04T08:00:00Z", "duration_hours": "1.5", "power_kw": "12",
}  # fmt: skip


def test_a_row_of_a_trace_becomes_a_job() -> None:
    (job,) = from_rows([ROW], PLACES)
    assert job.asset_id == "cluster-1"
    assert job.duration == timedelta(hours=1.5)
    assert job.power_kw == 12.0
    assert job.baseline_start == datetime(2026, 2, 3, 10, 30, tzinfo=UTC)
    assert job.allowed_regions == ("london", "yorkshire")


def test_a_job_too_large_for_its_cluster_has_no_run_on_arrival() -> None:
    (job,) = from_rows([{**ROW, "asset_id": "cluster-2", "power_kw": 61}], PLACES)
    assert job.baseline_start is None


@pytest.mark.parametrize(
    "change",
    [
        {"release": "2026-02-03T10:10:00"},
        {"release": ""},
        {"duration_hours": "x"},
        {"duration_hours": "0"},
        {"power_kw": None},
        {"power_kw": "-1"},
        {"asset_id": "elsewhere"},
        {"latest_finish": "2026-02-03T11:00:00Z"},
    ],
)
def test_a_wrong_row_is_named(change: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest, match="row 2 of the trace"):
        from_rows([ROW, {**ROW, **change}], PLACES)


def test_an_id_cannot_stand_twice() -> None:
    with pytest.raises(InvalidRequest, match="twice"):
        from_rows([{**ROW, "job_id": "a"}, {**ROW, "job_id": "a"}], PLACES)
