"""What-if on the real app: REST and page, nothing committed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.support.running import closing_app, in_hours
from web.schemas.what_if import WhatIfOut

pytestmark = pytest.mark.e2e


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    with closing_app(tmp_path) as app:
        test_client = app.test_client()
        asset = {"asset_id": "alder", "region": "london", "max_power_kw": 100}
        assert test_client.post("/api/assets", json=asset).status_code == 201
        for number in range(4):
            job = {
                "job_id": f"train-{number}", "duration_hours": 2, "estimated_power_kw": 40,
                "latest_finish": in_hours(30),
            }  # fmt: skip
            assert test_client.post("/api/jobs", json=job).status_code == 201
        assert test_client.post("/api/schedule-all").status_code == 200
        yield test_client


def test_a_what_if_answers_and_leaves_plans_and_log_alone(client: FlaskClient) -> None:
    before = [client.get(f"/api/jobs/train-{k}").json for k in range(4)]
    records = client.get("/api/logs").json
    talks = client.get("/api/negotiations").json
    answers = {}
    for price in (0, 10_000):
        answer = client.post("/api/what-if", json={"carbon_price_gbp_per_tonne": price})
        assert answer.status_code == 200, answer.text
        WhatIfOut.model_validate(answer.json)
        answers[price] = answer.json["totals"]
    assert answers[10_000]["carbon_kg"] <= answers[0]["carbon_kg"] + 1e-6
    assert [client.get(f"/api/jobs/train-{k}").json for k in range(4)] == before
    assert client.get("/api/logs").json == records
    assert client.get("/api/negotiations").json == talks


def test_weights_and_their_value_give_the_same_plan(client: FlaskClient) -> None:
    # κ = 0.3 / 0.6 · 0.20 / 0.15 = 0.6667 GBP/kg.
    by_weights = client.post("/api/what-if", json={"weights": {"carbon": 0.3, "cost": 0.6}}).json
    assert by_weights["carbon_price_gbp_per_tonne"] == pytest.approx(2000 / 3)
    price = by_weights["carbon_price_gbp_per_tonne"]
    by_value = client.post("/api/what-if", json={"carbon_price_gbp_per_tonne": price}).json
    assert by_value["totals"] == by_weights["totals"]
    assert by_value["jobs"] == by_weights["jobs"]


def test_the_page_works_without_scripts_and_as_a_part(client: FlaskClient) -> None:
    page = client.get("/what-if?carbon_price=0")
    assert page.status_code == 200
    assert "At £0/t" in page.text
    assert "<svg" in page.text
    assert "Carbon against cost" in page.text
    part = client.get("/what-if/plan?carbon_price=245", headers={"HX-Request": "true"})
    assert part.status_code == 200
    assert "<html" not in part.text
    assert "At £245/t" in part.text
    whole = client.get("/what-if/plan?carbon_price=245")
    assert whole.status_code == 302
    assert whole.headers["Location"].endswith("/what-if?carbon_price=245")


@pytest.mark.parametrize("typed", ["-1", "10001", "many", "1e3", "nan"])
def test_a_value_that_cannot_be_is_told_on_the_page(client: FlaskClient, typed: str) -> None:
    page = client.get("/what-if", query_string={"carbon_price": typed})
    assert page.status_code == 200
    assert "That cannot be planned" in page.text


def test_a_new_installation_has_nothing_to_plan(tmp_path: Path) -> None:
    with closing_app(tmp_path / "new") as app:
        assert "Nothing to plan" in app.test_client().get("/what-if").text
