"""Answers of the API as lines for a terminal, made from real presenters."""

from __future__ import annotations

from flask.testing import FlaskClient

from client import shown
from tests.support.edge import client_of
from tests.support.fake_services import filled


def api() -> FlaskClient:
    return client_of(filled())


def test_every_job_is_shown_with_its_status() -> None:
    jobs = api().get("/api/jobs?limit=200").json["items"]
    lines = shown.table(jobs)
    assert lines[0].startswith("JOB")
    assert len(lines) == 1 + len(jobs)
    for job in jobs:
        assert shown.job_lines(job)[0] == f"{job['job_id']}  {job['job_name']}: {job['status']}"


def test_every_explanation_can_be_shown() -> None:
    client = api()
    for job in client.get("/api/jobs?limit=200").json["items"]:
        told = client.get(f"/api/jobs/{job['job_id']}/explain").json
        assert shown.explained(told)[0] == f"{job['job_id']}: {job['status']}"


def test_a_refused_job_says_what_would_let_it_in() -> None:
    client = api()
    (job, *_) = client.get("/api/jobs?status=refused").json["items"]
    told = client.get(f"/api/jobs/{job['job_id']}/explain").json
    assert any("It fits with" in line for line in shown.explained(told)) == bool(
        told["smallest_relaxation"]
    )


def test_a_best_window_names_start_and_end() -> None:
    told = api().get("/api/best-window?region=london&duration_hours=2").json
    assert shown.window_lines(told)[0].startswith("Start ")


def test_a_run_at_its_executor_is_told_in_lines() -> None:
    job = {
        "job_id": "a", "job_name": "train", "status": "completed", "why": None, "schedule": None, "savings": None,
        "not_handed_over": None,
        "execution": {
            "executor": "slurm", "external_id": "4711", "state": "completed", "stage": "ended", "reason": "",
            "started_at": "2026-11-22T03:30:04Z", "queueing_seconds": 4.0, "ended_at": "2026-11-22T04:00:00Z",
            "exit_code": 0, "last_error": None,
        },
    }  # fmt: skip
    assert shown.job_lines(job) == [
        "a  train: completed",
        "  at slurm 4711: completed",
        "  started Sun 22 Nov 03:30, 4 s after its planned start",
        "  ended Sun 22 Nov 04:00, exit code 0",
    ]
