"""Generated requests against the description of the API: no 500, no undeclared status, answers as described."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.running import closing_app, in_hours

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with closing_app(tmp_path_factory.mktemp("schemathesis")) as made:
        client = made.test_client()
        client.post("/api/assets", json={"asset_id": "a", "region": "london", "max_power_kw": 50})
        for job_id in ("b", "c"):
            client.post(
                "/api/jobs",
                json={
                    "job_id": job_id,
                    "duration_hours": 1,
                    "estimated_power_kw": 5,
                    "latest_finish": in_hours(20),
                },
            )
        client.post("/api/schedule-all")
        yield made


@pytest.fixture(scope="module")
def described(app: Flask) -> Any:
    def from_this_machine(environ: dict[str, Any], start_response: Any) -> Any:
        return app({**environ, "REMOTE_ADDR": "127.0.0.1"}, start_response)

    return schemathesis.openapi.from_wsgi("/api/openapi.json", from_this_machine)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_generated_request_breaks_the_api(described: Any, mode: GenerationMode) -> None:
    seen: Counter[int] = Counter()
    operations = [found.ok() for found in described.get_all_operations()]
    assert len(operations) > 30
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not _takes_anything(operation):
            continue

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=10,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        def holds(case: Any) -> None:
            if seen.total() % 2 and mode is GenerationMode.POSITIVE:
                _aim(case)
            answer = case.call()
            seen[answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)

        holds()
    # The run means something: requests were served, and wrong ones refused.
    assert seen[200 if mode is GenerationMode.POSITIVE else 422] > 10
    assert seen.total() > 100


def _aim(case: Any) -> None:
    """Make a request with generated ids one about things that exist."""
    for name, known in (("asset_id", "a"), ("job_id", "b")):
        if name in case.path_parameters:
            case.path_parameters[name] = known


def _takes_anything(operation: Any) -> bool:
    return bool(operation.query or operation.path_parameters or operation.body)


FUZZED = [
    b"",
    b"\x00",
    b"null",
    b"[]",
    b"{",
    b"[" * 100_000,
    b'{"a":1,"a":2}',
    b'{"job_id":"\\u0000"}',
    b"\xff\xfe\x00",
    b'{"duration_hours":1e400,"estimated_power_kw":-0.0,"latest_finish":"2026-13-01T00:00:00Z"}',
    json.dumps({"workload": {"x": [[[[[[[[[[{}]]]]]]]]]]}}).encode(),
    b'{"power_levels":[[1,2,3]],"allowed_regions":[null],"depends_on":[{}]}',
    b'{"duration_hours":' + b"9" * 5000 + b"}",
]


@pytest.mark.parametrize("body", FUZZED)
def test_no_fuzzed_body_breaks_any_operation_that_takes_one(app: Flask, body: bytes) -> None:
    client = app.test_client()
    for path, methods in client.get("/api/openapi.json").json["paths"].items():
        for method in methods:
            if method not in {"post", "patch"}:
                continue
            where = path.replace("{asset_id}", "a").replace("{job_id}", "b")
            for content_type in ("application/json", "text/plain", "multipart/form-data", ""):
                answer = client.open(
                    where, method=method.upper(), data=body, content_type=content_type
                )
                assert answer.status_code < 500, (method, where, content_type, answer.text)
