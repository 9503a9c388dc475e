"""`POST /api/jobs/batch` with CSV: what a line may hold, and what is wrong with it, by line and column."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.edge import wrong_fields
from web.csv_jobs import COMMAND, HOLDS
from web.schemas.jobs import JobSubmission

HEAD = "job_id,duration_hours,estimated_power_kw,latest_finish"
BY = "2026-11-22T09:00:00Z"


def sent(client: FlaskClient, text: str | bytes) -> TestResponse:
    return client.post("/api/jobs/batch", data=text, content_type="text/csv; charset=utf-8")


def test_every_line_is_a_job(client: FlaskClient) -> None:
    answer = sent(
        client,
        "\ufeffjob_name,duration_hours,estimated_power_kw,latest_finish,allowed_regions,command,gpu_count\r\n"
        f'train,2.5,40,{BY},london|south_wales,"python train.py --name ""a b""",\r\n'
        "\r\n"
        f"eval,1,3,{BY},,,\r\n",
    )
    assert answer.status_code == 201, answer.text
    train, other = answer.json["items"]
    assert (train["job_name"], train["duration_hours"]) == ("train", 2.5)
    assert train["allowed_regions"] == ["london", "south_wales"]
    assert train["workload"] == {"command": ["python", "train.py", "--name", "a b"]}
    assert (other["job_name"], other["workload"]) == ("eval", None)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "lines.1"),
        (f"{HEAD}\n", "lines.1"),
        (f"{HEAD}\na,long,3,{BY}\n", "lines.2.duration_hours"),
        (f"{HEAD}\na,1_0,3,{BY}\n", "lines.2.duration_hours"),
        (f"{HEAD}\na,nan,3,{BY}\n", "lines.2.duration_hours"),
        (f"{HEAD}\na,1,3,{BY}\nb,1,3,yesterday\n", "lines.3.latest_finish"),
        (f"{HEAD}\na,1,3\n", "lines.2"),
        (f"{HEAD},priority\na,1,3,{BY},urgent\n", "lines.2.priority"),
        (f"{HEAD},workload\na,1,3,{BY},{{\n", "lines.2.workload"),
        (f"{HEAD},workload\na,1,3,{BY},{'[' * 5000}\n", "lines.2.workload"),
        (f"{HEAD},workload,command\na,1,3,{BY},[1],ls\n", "lines.2.workload"),
        (f"{HEAD},command\na,1,3,{BY},'open\n", "lines.2.command"),
        (f"{HEAD},colour\na,1,3,{BY},red\n", "lines.1.colour"),
        (f"{HEAD},job_id\na,1,3,{BY},b\n", "lines.1.job_id"),
        (f'{HEAD}\n"a,1,3,{BY}\n', "lines.2"),
        # A cell may hold line breaks: the second job ends on line 4.
        (f'job_name,{HEAD}\n"a\nb",a,1,3,{BY}\nb,b,0,3,{BY}\n', "lines.4.duration_hours"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_line_and_column(
    client: FlaskClient, text: str, field: str
) -> None:
    answer = sent(client, text)
    assert answer.status_code == 422, answer.text
    assert wrong_fields(answer.json) == {field}


def test_every_wrong_cell_is_told_at_once_and_nothing_is_stored(client: FlaskClient) -> None:
    before = len(client.get("/api/jobs").json["items"])
    answer = sent(client, f"{HEAD}\na,1,3,{BY}\nb,x,3,{BY}\nc,1,y,{BY}\n")
    assert wrong_fields(answer.json) == {"lines.3.duration_hours", "lines.4.estimated_power_kw"}
    assert "line 3, duration_hours" in answer.json["detail"]
    assert len(client.get("/api/jobs").json["items"]) == before


def test_what_is_no_text_is_refused(client: FlaskClient) -> None:
    answer = sent(client, f"{HEAD}\n".encode() + b"\xff\xfe")
    assert (answer.status_code, "UTF-8" in answer.json["detail"]) == (400, True)


def test_other_requests_take_no_table(client: FlaskClient) -> None:
    answer = client.post("/api/jobs", data=HEAD, content_type="text/csv")
    assert answer.status_code == 415


def test_the_description_names_both_kinds(client: FlaskClient) -> None:
    described = client.get("/api/openapi.json").json["paths"]["/api/jobs/batch"]["post"]
    assert set(described["requestBody"]["content"]) == {"application/json", "text/csv"}


def test_every_field_that_is_no_text_has_its_way_of_being_read() -> None:
    schema = JobSubmission.model_json_schema()
    assert set(HOLDS) <= {*JobSubmission.model_fields, COMMAND}
    for name, about in schema["properties"].items():
        kinds = {about.get("type"), *(one.get("type") for one in about.get("anyOf", ()))}
        if kinds & {"number", "integer", "array", "object", "boolean"}:
            assert name in HOLDS, name
