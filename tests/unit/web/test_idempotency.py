"""One effect for one `Idempotency-Key`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient

from models.domain.ports import StoredResponse
from tests.support.edge import KEYS, bearer, client_of, wrong_fields
from tests.support.fake_services import FakeServices, filled

JOB = {"duration_hours": 1, "estimated_power_kw": 5, "latest_finish": "2026-11-22T09:00:00Z"}


def post(client: FlaskClient, key: str, body: dict[str, Any] = JOB, path: str = "/api/jobs") -> Any:
    return client.post(path, json=body, headers={"Idempotency-Key": key})


def test_the_second_request_gets_the_answer_of_the_first(
    client: FlaskClient, services: FakeServices
) -> None:
    first = post(client, "k1")
    count = len(services.jobs_by_id)
    second = post(client, "k1")
    assert (second.status_code, second.json) == (201, first.json)
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert second.mimetype == "application/json"
    assert len(services.jobs_by_id) == count


def test_without_a_key_each_request_has_its_effect(client: FlaskClient) -> None:
    ids = {client.post("/api/jobs", json=JOB).json["job_id"] for _ in range(2)}
    assert len(ids) == 2


def test_the_same_key_with_another_body_is_refused(client: FlaskClient) -> None:
    post(client, "k1")
    answer = post(client, "k1", {**JOB, "duration_hours": 2})
    assert answer.status_code == 422
    assert wrong_fields(answer.json) == {"Idempotency-Key"}


def test_the_same_key_on_another_path_is_another_request(client: FlaskClient) -> None:
    assert post(client, "k1").status_code == 201
    assert client.post("/api/schedule-all", headers={"Idempotency-Key": "k1"}).status_code == 200


def test_a_request_still_being_worked_on_is_a_conflict(
    client: FlaskClient, services: FakeServices
) -> None:
    post(client, "k1")
    place = ("local", "POST /api/jobs", "k1")
    stored = services.idempotent[place]
    services.idempotent[place] = StoredResponse(stored.request_sha256, None, "")
    assert post(client, "k1").status_code == 409


def test_a_request_that_failed_frees_its_key(client: FlaskClient, services: FakeServices) -> None:
    assert post(client, "k1", {**JOB, "duration_hours": 0}).status_code == 422
    assert services.idempotent == {}
    assert post(client, "k1").status_code == 201


def test_owners_do_not_see_each_others_keys() -> None:
    services = filled(keys=KEYS, owner="ada")
    client = client_of(services)
    for secret in ("operator-key", "stranger-key"):
        headers = {**bearer(secret), "Idempotency-Key": "k1"}
        answer = client.post("/api/schedule-all", headers=headers)
        assert "Idempotent-Replayed" not in answer.headers


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "two words", "n\u00e4"])
def test_an_unusable_key_is_named(client: FlaskClient, key: str) -> None:
    answer = post(client, key)
    assert answer.status_code == 422
    assert wrong_fields(answer.json) == {"Idempotency-Key"}


def test_many_at_once_make_one_job(services: FakeServices) -> None:
    app = client_of(services).application
    before = len(services.jobs_by_id)
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: post(app.test_client(), "k1").status_code, range(16)))
    assert set(codes) <= {201, 409}
    assert len(services.jobs_by_id) == before + 1
