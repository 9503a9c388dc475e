"""What only a real connection shows: refused bodies, many clients at once, keys and sessions."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.support.running import closing_app, in_hours, served

pytestmark = pytest.mark.e2e


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    with closing_app(tmp_path) as made:
        yield made


@pytest.fixture
def port(app: Flask) -> Iterator[int]:
    with served(app) as number:
        yield number


def send(
    port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, Any, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    raw = None if body is None else json.dumps(body).encode()
    given = {"Content-Type": "application/json", **(headers or {})} if raw else headers or {}
    connection.request(method, path, raw, given)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text) if text else None, answer.headers


@pytest.mark.parametrize("size", [2_000_000, 15_000_000])
def test_a_client_that_sends_too_much_still_reads_its_413(port: int, size: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/api/jobs", b"x" * size, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["title"] == "Body too large"
    connection.close()
    assert send(port, "GET", "/health")[0] == 200


def test_a_chunked_body_without_end_is_refused_with_413(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    chunks = (b"x" * 65_536 for _ in range(40))
    connection.request("POST", "/api/jobs", chunks, {"Content-Type": "application/json"}, encode_chunked=True)  # fmt: skip
    assert connection.getresponse().status == 413
    connection.close()


def test_a_raw_nul_and_a_bad_request_line_do_no_harm(port: int) -> None:
    for raw in (b"GET /api/jobs/\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x00\x01\x02\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
            line.sendall(raw)
            line.shutdown(socket.SHUT_WR)
            line.recv(4096)
    assert send(port, "GET", "/health")[0] == 200


def test_many_clients_with_one_key_make_one_job(port: int) -> None:
    assert send(port, "POST", "/api/assets", {"region": "london", "max_power_kw": 50})[0] == 201
    body = {"duration_hours": 1, "estimated_power_kw": 5, "latest_finish": in_hours(12)}

    def submit(_: int) -> tuple[int, Any, Any]:
        return send(port, "POST", "/api/jobs", body, {"Idempotency-Key": "once"})

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(submit, range(32)))
    assert {status for status, _, _ in answers} <= {201, 409}
    assert len({job["job_id"] for status, job, _ in answers if status == 201}) == 1
    assert len(send(port, "GET", "/api/jobs")[1]["items"]) == 1


def test_many_clients_at_once_lose_no_job_and_double_book_nothing(port: int) -> None:
    assert send(port, "POST", "/api/assets", {"asset_id": "a", "region": "london", "max_power_kw": 50})[0] == 201  # fmt: skip
    body = {"duration_hours": 1, "estimated_power_kw": 20, "latest_finish": in_hours(20)}

    def submit_and_plan(number: int) -> tuple[int, int]:
        accepted = send(port, "POST", "/api/jobs", {**body, "job_id": f"job-{number}"})[0]
        return accepted, send(port, "POST", "/api/schedule-all")[0]

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(submit_and_plan, range(16)))
    assert {accepted for accepted, _ in codes} == {201}
    assert {planned for _, planned in codes} <= {200, 202, 409}
    assert send(port, "POST", "/api/schedule-all")[0] == 200
    jobs = send(port, "GET", "/api/jobs?limit=200")[1]["items"]
    assert {job["job_id"] for job in jobs} == {f"job-{number}" for number in range(16)}
    held: dict[str, float] = {}
    for job in jobs:
        assert job["status"] == "scheduled"
        # One hour is two half-hours; both starts are in the segment's own times.
        start = job["schedule"]["start_time"]
        held[start] = held.get(start, 0.0) + 20
    assert max(held.values()) <= 50


def test_with_keys_roles_hold_over_http(tmp_path: Path) -> None:
    keys = "ada:operator:operator-secret,ada:submitter:submitter-secret,eve:auditor:auditor-secret"
    with closing_app(tmp_path, HALFHOUR_API_KEYS=keys) as app, served(app) as port:
        asset = {"region": "london", "max_power_kw": 5}
        assert send(port, "GET", "/api/jobs")[0] == 401
        assert send(port, "POST", "/api/assets", asset, {"X-API-Key": "submitter-secret"})[0] == 403
        operator = {"Authorization": "Bearer operator-secret"}
        assert send(port, "POST", "/api/assets", asset, operator)[0] == 201
        assert send(port, "GET", "/api/logs", headers={"X-API-Key": "auditor-secret"})[0] == 200
        assert send(port, "GET", "/health")[0] == 200


def test_another_site_and_another_name_get_nowhere(port: int) -> None:
    assert send(port, "POST", "/api/schedule-all", headers={"Origin": "https://evil.example"})[0] == 403  # fmt: skip
    assert send(port, "GET", "/api/jobs", headers={"Host": "evil.example"})[0] == 403
