"""POST /api/what-if over fake services: exactly one way to name a value of carbon."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.edge import KEYS, bearer, client_of, names, wrong_fields
from tests.support.fake_services import filled


def test_a_value_answers_totals_jobs_and_certificate(client: FlaskClient) -> None:
    answer = client.post("/api/what-if", json={"carbon_price_gbp_per_tonne": 245})
    assert answer.status_code == 200
    found = answer.json
    assert found["carbon_price_gbp_per_tonne"] == 245
    planned = [job["schedule"] for job in found["jobs"] if job["schedule"]]
    assert found["totals"]["jobs"] == len(planned)
    assert found["totals"]["cost_gbp"] == pytest.approx(sum(place["cost_gbp"] for place in planned))
    assert found["totals"]["carbon_kg"] == pytest.approx(
        sum(place["carbon_kg"] for place in planned)
    )
    assert "scheduled-job" in names(found["jobs"], "job_id")
    assert found["certificate"]["gap_percent"] == 0


def test_weights_mean_their_value(client: FlaskClient) -> None:
    # 0.6 / 0.3 · 0.20 / 0.15 = 2.667 GBP/kg.
    answer = client.post("/api/what-if", json={"weights": {"carbon": 0.6, "cost": 0.3}})
    assert answer.json["carbon_price_gbp_per_tonne"] == pytest.approx(2666.667, abs=0.001)
    all_carbon = client.post("/api/what-if", json={"weights": {"carbon": 1, "cost": 0}})
    assert all_carbon.json["carbon_price_gbp_per_tonne"] == 10_000


def test_a_difference_is_the_what_if_less_the_present_plan(client: FlaskClient) -> None:
    found = client.post("/api/what-if", json={"carbon_price_gbp_per_tonne": 0}).json
    compared = [job for job in found["jobs"] if job["schedule"] and job["current"]]
    assert compared
    for job in compared:
        for name in ("carbon_kg", "cost_gbp"):
            wanted = job["schedule"][name] - job["current"][name]
            assert job["difference"][name] == pytest.approx(wanted)
        moved = job["schedule"]["start_time"] != job["current"]["start_time"]
        assert job["changed"] is moved
        assert (job["difference"]["start_hours"] != 0) is moved


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "carbon_price_gbp_per_tonne"),
        ({"carbon_price_gbp_per_tonne": None}, "carbon_price_gbp_per_tonne"),
        ({"weights": None}, "carbon_price_gbp_per_tonne"),
        ({"carbon_price_gbp_per_tonne": -1}, "carbon_price_gbp_per_tonne"),
        ({"carbon_price_gbp_per_tonne": 10_001}, "carbon_price_gbp_per_tonne"),
        ({"carbon_price_gbp_per_tonne": "245"}, "carbon_price_gbp_per_tonne"),
        ({"carbon_price_gbp_per_tonne": True}, "carbon_price_gbp_per_tonne"),
        ({"carbon_price_gbp_per_tonne": 1, "weights": {"carbon": 1, "cost": 1}}, "weights"),
        ({"weights": {"carbon": 0, "cost": 0}}, "weights"),
        ({"weights": {"carbon": 0.5}}, "weights.cost"),
        ({"weights": {"carbon": 1.1, "cost": 0.5}}, "weights.carbon"),
        ({"weights": {"carbon": 0.5, "cost": -0.5}}, "weights.cost"),
        ({"weights": {"carbon": 0.5, "cost": 0.5, "deadline": 0.1}}, "weights.deadline"),
        ({"weights": [0.6, 0.3]}, "weights"),
        ({"carbon_price": 245}, "carbon_price"),
    ],
)
def test_neither_both_and_out_of_range_are_422(
    client: FlaskClient, body: dict[str, Any], field: str
) -> None:
    answer = client.post("/api/what-if", json=body)
    assert answer.status_code == 422, answer.text
    assert field in wrong_fields(answer.json)
    assert all(error["cure"] for error in answer.json["errors"])


def test_an_auditor_may_ask_and_nobody_without_a_key() -> None:
    keyed = client_of(filled(keys=KEYS))
    body = {"carbon_price_gbp_per_tonne": 245}
    assert keyed.post("/api/what-if", json=body).status_code == 401
    assert keyed.post("/api/what-if", json=body, headers=bearer("auditor-key")).status_code == 200


def test_points_hold_the_current_value_and_say_what_is_on_the_curve(client: FlaskClient) -> None:
    answer = client.post("/api/what-if/points", json={})
    assert answer.status_code == 200
    points = answer.json["points"]
    prices = [point["carbon_price_gbp_per_tonne"] for point in points]
    assert prices == sorted(prices)
    assert len(points) == 5
    assert sum(point["is_current"] for point in points) == 1
    assert all(point["on_curve"] is (point["fault"] is None) for point in points)
    assert answer.json["unplanned_gbp_per_tonne"] == []


def test_points_that_take_long_come_one_an_answer() -> None:
    services = filled()
    services.slow_points = [0.0, 245.0]
    with client_of(services) as slow:
        left = [
            slow.post("/api/what-if/points", json={}).json["unplanned_gbp_per_tonne"]
            for _ in range(2)
        ]
    assert left == [[245.0], []]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"carbon_price_gbp_per_tonne": 10_001}, "carbon_price_gbp_per_tonne"),
        ({"weights": {"carbon": 1, "cost": 1}}, "weights"),
    ],
)
def test_points_at_an_impossible_value_are_422(
    client: FlaskClient, body: dict[str, Any], field: str
) -> None:
    answer = client.post("/api/what-if/points", json=body)
    assert answer.status_code == 422
    assert field in wrong_fields(answer.json)
