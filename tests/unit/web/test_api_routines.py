"""`/api/routines` and `/api/jobs/batch`: what a request may say, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.edge import wrong_fields
from tests.support.fake_services import FakeServices
from web.schemas.routines import RoutineList, RoutineOut

JOB = {"duration_hours": 2.5, "estimated_power_kw": 40}
ROUTINE = {"every": "weekday", "start": "18:00", "finish_within_hours": 14, "job": JOB}
ONE = {**JOB, "latest_finish": "2026-11-22T09:00:00Z"}


def test_a_routine_is_made_listed_shown_and_ended(client: FlaskClient) -> None:
    made = client.post("/api/routines", json={**ROUTINE, "until": "2026-12-31", "copies": 2})
    assert made.status_code == 201
    RoutineOut.model_validate(made.json)
    where = made.headers["Location"]
    assert client.get(where).json == made.json
    assert (made.json["start"], made.json["until"], made.json["job"]["duration_hours"]) == (
        "18:00", "2026-12-31", 2.5,
    )  # fmt: skip
    RoutineList.model_validate(client.get("/api/routines").json)
    assert client.delete(where).json["is_live"] is False
    assert client.get("/api/routines").json["items"] == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"every": "fortnight"}, "every"),
        ({"start": "25:00"}, "start"),
        ({"start": "6pm"}, "start"),
        ({"until": "2026-02-30"}, "until"),
        ({"finish_within_hours": 0}, "finish_within_hours"),
        ({"copies": 101}, "copies"),
        ({"job": {"duration_hours": 1, "latest_finish": "2026-11-22T09:00:00Z"}}, "job.latest_finish"),
        ({"job": {**JOB, "workload": {"command": ["a\nb"]}}}, "job.workload.command.0"),
        ({"routine_id": "x" * 41}, "routine_id"),
        ({"nonsense": 1}, "nonsense"),
    ],
)  # fmt: skip
def test_a_wrong_routine_names_the_field(
    client: FlaskClient, changes: dict[str, Any], field: str
) -> None:
    answer = client.post("/api/routines", json={**ROUTINE, **changes})
    assert answer.status_code == 422
    assert field in wrong_fields(answer.json)


def test_several_jobs_are_accepted_in_their_order(
    client: FlaskClient, services: FakeServices
) -> None:
    before = len(services.jobs_by_id)
    answer = client.post(
        "/api/jobs/batch", json={"jobs": [{**ONE, "job_id": f"b{n}"} for n in (2, 1)]}
    )
    assert answer.status_code == 201
    assert [job["job_id"] for job in answer.json["items"]] == ["b2", "b1"]
    assert len(services.jobs_by_id) == before + 2


def test_of_several_jobs_the_wrong_one_is_named(client: FlaskClient) -> None:
    late = {**ONE, "earliest_start": "2026-11-22T08:00:00Z"}
    answer = client.post("/api/jobs/batch", json={"jobs": [ONE, late, {**ONE, "copies": 1}]})
    assert wrong_fields(answer.json) == {"jobs.2.copies"}
    assert wrong_fields(client.post("/api/jobs/batch", json={"jobs": [ONE, late]}).json) == {
        "jobs.1.latest_finish"
    }
    assert client.post("/api/jobs/batch", json={"jobs": []}).status_code == 422
