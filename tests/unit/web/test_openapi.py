"""The description of the API tells the truth about the routes and about real answers."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import RootModel

from tests.support.changed import with_changes
from tests.support.edge import bare_app
from tests.support.fake_services import FakeServices, filled
from web.openapi import describe
from web.operation import ATTRIBUTE
from web.schemas.records import ProblemOut

JOB = {"duration_hours": 1, "estimated_power_kw": 5, "latest_finish": "2026-11-22T09:00:00Z"}
BEST = "/api/best-window?region=london&duration_hours=2&ready_by=2026-11-22T09:00:00Z"

CONTRACT = "3f1c2d7e-8f1c-4c37-9a56-1f7a6f3b9c01"

CALLS: list[tuple[str, str, Any]] = [
    ("POST", "/api/assets", {"region": "gb", "max_power_kw": 5}),
    ("GET", "/api/assets", None),
    ("GET", "/api/assets/alder", None),
    ("PATCH", "/api/assets/alder", {"pue": 1.3}),
    ("POST", "/api/jobs", JOB),
    ("GET", "/api/jobs", None),
    ("GET", "/api/jobs/refused-job", None),
    ("GET", "/api/jobs/pending-job", None),
    ("PATCH", "/api/jobs/scheduled-job", {"priority": "low"}),
    ("DELETE", "/api/jobs/scheduled-job", None),
    ("GET", "/api/jobs/scheduled-job/explain", None),
    (
        "GET",
        "/api/jobs/scheduled-job/explain?start_time=2026-11-21T20:00:00Z&sort=start&limit=3",
        None,
    ),
    ("GET", "/api/jobs/refused-job/explain", None),
    ("GET", "/api/jobs/completed-job/explain", None),
    ("POST", "/api/jobs/scheduled-job/schedule", None),
    ("POST", "/api/jobs/scheduled-job/cancel", None),
    ("POST", "/api/jobs/scheduled-job/run-now", None),
    ("POST", "/api/jobs/scheduled-job/pin", None),
    ("POST", "/api/jobs/scheduled-job/hold", None),
    ("POST", "/api/jobs/running-job/confirm", {"event": "completed"}),
    ("POST", "/api/schedule-all", None),
    ("POST", "/api/what-if", {"carbon_price_gbp_per_tonne": 245}),
    ("POST", "/api/what-if/points", {}),
    ("POST", "/api/beckn/search", {"region": "london", "kind": "turn_down"}),
    ("POST", "/api/beckn/confirm", {"slot_id": "turn_down-london-1600"}),
    ("GET", "/api/beckn/contracts", None),
    ("GET", f"/api/beckn/contracts/{CONTRACT}", None),
    ("POST", f"/api/beckn/contracts/{CONTRACT}/cancel", None),
    ("GET", "/api/negotiations", None),
    ("GET", BEST, None),
    ("POST", "/api/quote", JOB),
    ("GET", "/api/energy/current/london", None),
    ("GET", "/api/energy/forecast/gb", None),
    ("GET", "/api/regions", None),
    ("GET", "/api/statistics", None),
    ("GET", "/api/logs", None),
    ("GET", "/api/logs/refused-job", None),
    ("GET", "/api/logs/verify", None),
    ("GET", "/health", None),
    ("GET", "/ready", None),
]


@pytest.fixture
def app(services: FakeServices) -> Flask:
    return bare_app(services)


def model_of(app: Flask, method: str, path: str, status: int) -> Any:
    """Return the model an operation says its answer has."""
    adapter = app.url_map.bind("localhost")
    endpoint, _ = adapter.match(path.split("?")[0], method=method)
    return getattr(app.view_functions[endpoint], ATTRIBUTE).answers[status]


@cache
def read_only(mode: str) -> Flask:
    """Return an app that many tests look at."""
    return bare_app(filled(mode))


@pytest.mark.parametrize("mode", ["live", "simulated", "stale", "empty"])
@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_real_answers_are_what_the_models_say(mode: str, method: str, path: str, body: Any) -> None:
    app = read_only(mode) if method == "GET" else bare_app(filled(mode))
    answer = app.test_client().open(path, method=method, json=body)
    assert answer.status_code in {200, 201}, answer.text
    model = model_of(app, method, path, answer.status_code)
    shown = model.model_validate(answer.json)
    # Nothing is left out either: every field of the model (of several, of the one that fits) is there.
    one = shown.root if isinstance(shown, RootModel) else shown
    assert set(type(one).model_fields) <= set(answer.json)


def test_a_negotiation_is_what_its_model_says(app: Flask, services: FakeServices) -> None:
    one = services.negotiations_made[0].negotiation_id
    path = f"/api/negotiations/{one}"
    model_of(app, "GET", path, 200).model_validate(app.test_client().get(path).json)


def test_what_a_plan_changed_is_what_its_model_says(app: Flask, services: FakeServices) -> None:
    one = with_changes(services)
    path = f"/api/negotiations/{one}/changes"
    answer = app.test_client().get(path).json
    shown = model_of(app, "GET", path, 200).model_validate(answer)
    assert shown.comparison is not None
    assert {item.kind for item in shown.items} == {"moved", "refused"}


def test_every_problem_is_what_its_model_says(app: Flask) -> None:
    client = app.test_client()
    for answer in (client.get("/api/nothing"), client.post("/api/jobs", json={}), client.put("/api/jobs")):  # fmt: skip
        problem = ProblemOut.model_validate(answer.json)
        assert problem.status == answer.status_code


def test_every_route_of_the_api_is_described(app: Flask) -> None:
    described = {
        (method.upper(), path) for path, methods in describe(app)["paths"].items() for method in methods
    }  # fmt: skip
    wanted = {
        ("POST", "/api/assets"), ("GET", "/api/assets"), ("GET", "/api/assets/{asset_id}"),
        ("PATCH", "/api/assets/{asset_id}"), ("DELETE", "/api/assets/{asset_id}"),
        ("POST", "/api/jobs"), ("GET", "/api/jobs"), ("GET", "/api/jobs/{job_id}"),
        ("PATCH", "/api/jobs/{job_id}"), ("DELETE", "/api/jobs/{job_id}"),
        *(("POST", f"/api/jobs/{{job_id}}/{act}") for act in ("schedule", "cancel", "run-now", "pin", "hold", "confirm")),
        ("POST", "/api/beckn/search"), ("POST", "/api/beckn/confirm"), ("GET", "/api/beckn/contracts"),
        ("GET", "/api/beckn/contracts/{contract_id}"), ("POST", "/api/beckn/contracts/{contract_id}/cancel"),
        ("POST", "/api/schedule-all"), ("POST", "/api/what-if"), ("POST", "/api/what-if/points"),
        ("GET", "/api/negotiations"), ("GET", "/api/negotiations/{negotiation_id}"),
        ("GET", "/api/negotiations/{negotiation_id}/changes"),
        ("GET", "/api/jobs/{job_id}/explain"), ("GET", "/api/best-window"), ("POST", "/api/quote"),
        ("GET", "/api/energy/current/{region}"), ("GET", "/api/energy/forecast/{region}"), ("GET", "/api/regions"),
        ("GET", "/api/statistics"), ("GET", "/api/logs"), ("GET", "/api/logs/{job_id}"), ("GET", "/api/logs/verify"),
        ("GET", "/api/jobs.ics"), ("GET", "/api/jobs/{job_id}/log"), ("POST", "/api/jobs/batch"),
        ("GET", "/api/notices"), ("GET", "/api/notices.ics"), ("POST", "/api/routines"), ("GET", "/api/routines"),
        ("GET", "/api/routines/{routine_id}"), ("DELETE", "/api/routines/{routine_id}"),
        ("GET", "/health"), ("GET", "/ready"), ("GET", "/metrics"),
    }  # fmt: skip
    csv_twins = {(m, p) for m, p in described if p.endswith(".csv")}
    assert described - csv_twins == wanted
    assert len(csv_twins) == 9


def test_the_document_is_openapi_3_1_and_whole(app: Flask) -> None:
    answer = app.test_client().get("/api/openapi.json")
    document = answer.json
    assert document["openapi"] == "3.1.0"
    schemas = document["components"]["schemas"]
    references = {part.split('"')[0] for part in json.dumps(document).split('"$ref": "')[1:]}
    assert references <= {f"#/components/schemas/{name}" for name in schemas}
    ids = [op["operationId"] for methods in document["paths"].values() for op in methods.values()]
    assert len(ids) == len(set(ids))


def test_the_range_of_a_field_is_in_the_description(app: Flask) -> None:
    field = describe(app)["components"]["schemas"]["JobSubmission"]["properties"]["duration_hours"]
    assert (field["minimum"], field["maximum"], field["x-unit"]) == (0.0166, 336, "h")


def test_the_description_can_be_switched_off(services: FakeServices) -> None:
    client: FlaskClient = bare_app(services, api_docs=False).test_client()
    assert client.get("/api/openapi.json").status_code == 404
    assert client.get("/api/docs").status_code == 404
