"""The main job over the API of the real app: register, submit, plan, read why, control, find it in the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from models.domain.decision import GENESIS_HASH, record_hash
from tests.support.running import closing_app, in_hours
from web.schemas.answers import (
    BestWindowOut,
    JobOut,
    NegotiationDetailOut,
    PlanRunOut,
    QuoteOut,
)
from web.schemas.explain import ExplanationOut

pytestmark = pytest.mark.e2e


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    with closing_app(tmp_path) as app:
        yield app.test_client()


def asset(client: FlaskClient, asset_id: str = "alder", **fields: Any) -> None:
    body = {"asset_id": asset_id, "region": "london", "max_power_kw": 100, **fields}
    assert client.post("/api/assets", json=body).status_code == 201


def job(client: FlaskClient, job_id: str, **fields: Any) -> Any:
    body = {
        "job_id": job_id, "duration_hours": 2, "estimated_power_kw": 40, "latest_finish": in_hours(20), **fields,
    }  # fmt: skip
    answer = client.post("/api/jobs", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json


def plan(client: FlaskClient) -> Any:
    answer = client.post("/api/schedule-all")
    assert answer.status_code == 200, answer.text
    PlanRunOut.model_validate(answer.json)
    return answer.json


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_submitted_job_is_planned_within_its_window_and_explained(client: FlaskClient) -> None:
    asset(client, pue=1.5)
    accepted = job(client, "train")
    run = plan(client)
    assert (run["scheduled"], run["refused"], run["deferred"]) == (1, 0, 0)
    planned = client.get("/api/jobs/train").json
    JobOut.model_validate(planned)
    schedule = planned["schedule"]
    assert planned["status"] == "scheduled"
    assert planned["data_quality"] == "simulated"
    assert instant(accepted["accepted_at"]) <= instant(schedule["start_time"])
    assert instant(schedule["end_time"]) <= instant(planned["latest_finish"])
    assert instant(schedule["end_time"]) - instant(schedule["start_time"]) == timedelta(hours=2)
    # 40 kW of IT for 2 h at PUE 1.5 is 120 kWh at the meter.
    assert schedule["energy_kwh"] == pytest.approx(120)
    told = client.get("/api/jobs/train/explain").json
    ExplanationOut.model_validate(told)
    assert told["chosen"] == schedule
    best = min(c["objective_gbp"] for c in told["candidates"] if c["feasible"])
    assert schedule["objective_gbp"] == pytest.approx(best) or "%" in planned["why"]
    one = client.get(f"/api/negotiations/{run['negotiation_id']}").json
    NegotiationDetailOut.model_validate(one)
    assert one["messages"]


def test_capacity_is_shared_and_never_exceeded(client: FlaskClient) -> None:
    asset(client)
    for number in range(6):
        job(client, f"job-{number}", estimated_power_kw=60)
    plan(client)
    held: dict[datetime, float] = {}
    for found in client.get("/api/jobs").json["items"]:
        if found["schedule"] is None:
            continue
        for part in found["schedule"]["segments"]:
            start, end = instant(part["start_time"]), instant(part["end_time"])
            while start < end:
                held[start] = held.get(start, 0.0) + part["power_kw"]
                start += timedelta(minutes=30)
    assert held
    assert max(held.values()) <= 100


def test_a_refusal_is_an_answer_and_its_relaxation_works(client: FlaskClient) -> None:
    asset(client)
    job(client, "cheap", max_price_per_kwh=-5)
    assert plan(client)["refused"] == 1
    refused = client.get("/api/jobs/cheap").json
    assert refused["status"] == "refused"
    assert refused["refusal"]["rule"] == "max_price"
    easier = refused["smallest_relaxation"]
    changed = client.patch("/api/jobs/cheap", json={easier["field"]: easier["value"]})
    assert changed.status_code == 200, changed.text
    assert changed.json["status"] == "scheduled"


def test_a_job_is_held_released_pinned_run_confirmed_and_counted(client: FlaskClient) -> None:
    asset(client)
    # Not in the next half-hour: just before it begins the job would be frozen already.
    job(client, "one", earliest_start=in_hours(2))
    plan(client)
    held = client.post("/api/jobs/one/hold").json
    assert (held["status"], held["is_held"], held["schedule"]) == ("pending", True, None)
    released = client.post("/api/jobs/one/hold", json={"held": False}).json
    assert (released["status"], released["is_held"]) == ("scheduled", False)
    pinned = client.post("/api/jobs/one/pin").json
    assert pinned["pinned_start"] == pinned["schedule"]["start_time"]
    now = client.post("/api/jobs/one/run-now").json
    assert instant(now["schedule"]["start_time"]) <= instant(in_hours(2.5))
    assert client.post("/api/jobs/one/cancel").json["status"] == "cancelled"
    assert client.delete("/api/jobs/one").json["status"] == "cancelled"
    assert client.get("/api/statistics").json["counts"]["cancelled"] == 1


def test_every_decision_is_in_the_log_as_one_chain(client: FlaskClient) -> None:
    asset(client)
    job(client, "one")
    plan(client)
    records = client.get("/api/logs?limit=200").json["items"][::-1]
    previous = GENESIS_HASH
    for seq, record in enumerate(records, start=1):
        assert record["seq"] == seq
        assert record["prev_hash"] == previous
        assert record_hash(record) == record["hash"]
        previous = record["hash"]
    decision = client.get("/api/jobs/one").json["decision_id"]
    assert decision in {record["event_id"] for record in client.get("/api/logs/one").json["items"]}
    assert client.get("/api/logs/verify").json["ok"] is True


def test_a_best_window_needs_no_set_up(client: FlaskClient) -> None:
    query = {"region": "yorkshire", "duration_hours": 3, "ready_by": in_hours(24), "power_kw": 10}
    answer = client.get("/api/best-window", query_string=query)
    assert answer.status_code == 200, answer.text
    found = answer.json
    BestWindowOut.model_validate(found)
    assert instant(found["end_time"]) <= instant(query["ready_by"])
    assert found["best"]["energy_kwh"] == pytest.approx(30)
    # The best window is no worse than starting now.
    assert found["best"]["objective_gbp"] <= found["on_arrival"]["objective_gbp"] + 1e-9


def test_an_asset_with_frozen_work_stays_and_ids_are_taken_once(client: FlaskClient) -> None:
    asset(client)
    assert client.post("/api/assets", json={"asset_id": "alder", "region": "gb", "max_power_kw": 1}).status_code == 409  # fmt: skip
    job(client, "one")
    again = {
        "job_id": "one",
        "duration_hours": 1,
        "estimated_power_kw": 1,
        "latest_finish": in_hours(9),
    }
    assert client.post("/api/jobs", json=again).status_code == 409


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"latest_finish": "2020-01-01T00:00:00Z"}, "latest_finish"),
        ({"estimated_power_kw": 101}, "estimated_power_kw"),
        ({"asset_id": "nowhere"}, "asset_id"),
        ({"depends_on": ["nobody"]}, "depends_on.0"),
        ({"allowed_regions": ["wales"]}, "allowed_regions"),
        ({"duration_hours": 30}, "latest_finish"),
        ({"power_profile_kw": [1, 2, 3]}, "power_profile_kw"),
        ({"gpu_model": "Abacus", "gpu_count": 8, "estimated_power_kw": None}, "gpu_model"),
    ],
)
def test_what_is_impossible_by_itself_is_named_with_its_cure(
    client: FlaskClient, change: dict[str, Any], field: str
) -> None:
    asset(client)
    body = {"duration_hours": 2, "estimated_power_kw": 40, "latest_finish": in_hours(20), **change}
    answer = client.post("/api/jobs", json=body)
    assert answer.status_code in {404, 422}, answer.text
    if answer.status_code == 422:
        wrong = {error["field"]: error for error in answer.json["errors"]}
        assert field in wrong
        assert wrong[field]["allowed"] or wrong[field]["cure"]


def test_the_same_kwh_are_counted_in_csv_and_json(client: FlaskClient) -> None:
    asset(client)
    job(client, "one")
    plan(client)
    line = client.get("/api/jobs.csv").get_data(as_text=True).splitlines()[1]
    assert json.dumps(client.get("/api/jobs/one").json["schedule"]["energy_kwh"]) in line
    assert b"UID:one@halfhour" in client.get("/api/jobs.ics").data


def test_any_instant_may_be_asked_about(client: FlaskClient) -> None:
    asset(client)
    asset(client, "birch", region="yorkshire")
    accepted = job(client, "train", asset_id="alder")
    plan(client)
    chosen = client.get("/api/jobs/train/explain").json["chosen"]["start_time"]

    def why(start: str, **more: str) -> Any:
        asked = {"start_time": start, **more}
        answer = client.get("/api/jobs/train/explain", query_string=asked)
        assert answer.status_code == 200, answer.text
        ExplanationOut.model_validate(answer.json)
        told = answer.json["why_not"]
        assert told["sentence"].endswith(".")
        return told

    assert why(chosen)["verdict"] == "chosen"
    assert why("2026-01-01T00:00:00Z")["verdict"] == "past"
    late = why(accepted["latest_finish"])
    assert late["verdict"] == "late"
    assert late["numbers"]["late_minutes"] > 0
    assert why(chosen, asset_id="birch")["verdict"] == "region"
    other = why(in_hours(17))
    assert other["verdict"] in {"dearer", "same", "better"}
    found = other["candidate"]
    assert other["against_chosen"]["objective_gbp"] == pytest.approx(found["extra_gbp"])
    wrong = client.get(
        "/api/jobs/train/explain", query_string={"start_time": chosen, "asset_id": "none"}
    )
    assert wrong.status_code == 422
    assert [one["field"] for one in wrong.json["errors"]] == ["asset_id"]


def test_windows_come_in_pages_that_together_are_all_of_them(client: FlaskClient) -> None:
    asset(client)
    job(client, "train")
    plan(client)
    whole = client.get("/api/jobs/train/explain?sort=cost&limit=500").json
    costs = [one["cost_gbp"] for one in whole["candidates"]]
    assert costs == sorted(costs)
    assert len(costs) == whole["candidates_total"]
    path = "/api/jobs/train/explain?sort=cost&limit=10"
    seen: list[Any] = []
    while path:
        answer = client.get(path)
        seen += answer.json["candidates"]
        assert ("Link" in answer.headers) == (answer.json["next_cursor"] is not None)
        path = answer.headers["Link"].split(">")[0].lstrip("<") if "Link" in answer.headers else ""
    assert seen == whole["candidates"]


def test_a_quote_is_what_planning_then_does_and_stores_nothing(client: FlaskClient) -> None:
    asset(client)
    job(client, "other", estimated_power_kw=80)
    plan(client)
    # A quote leaves others where they are; so does planning where they are pinned, whatever the hour.
    assert client.post("/api/jobs/other/pin").status_code == 200
    wanted = {
        "duration_hours": 3,
        "estimated_power_kw": 40,
        "latest_finish": in_hours(20),
    }
    quoted = client.post("/api/quote", json=wanted)
    assert quoted.status_code == 200, quoted.text
    QuoteOut.model_validate(quoted.json)
    assert [one["job_id"] for one in client.get("/api/jobs").json["items"]] == ["other"]
    job(client, "mine", **wanted)
    plan(client)
    made = client.get("/api/jobs/mine").json["schedule"]
    assert made["start_time"] == quoted.json["schedule"]["start_time"]
    assert made["cost_gbp"] == pytest.approx(quoted.json["schedule"]["cost_gbp"])
