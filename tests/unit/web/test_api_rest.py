"""Assets, planning, grid, records and health over fake services."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from models.domain.decision import record_hash
from models.domain.errors import AuditBroken, Conflict, SourceUnavailable, StalePlan
from models.domain.regions import REGIONS
from tests.support.edge import client_of, names, wrong_fields
from tests.support.fake_services import FakeServices, filled

ASSET = {"region": "london", "max_power_kw": 50}


# --- assets ----------------------------------------------------------------------------------------


def test_region_and_power_are_enough_for_an_asset(client: FlaskClient) -> None:
    answer = client.post("/api/assets", json=ASSET)
    assert answer.status_code == 201
    assert client.get(answer.headers["Location"]).json == answer.json
    assert answer.json["flexibility_type"] == "deferrable"
    assert answer.json["pue"] == 1.0


def test_an_asset_reads_back_as_its_request(client: FlaskClient) -> None:
    body = {
        **ASSET, "asset_id": "dgx-1", "name": "DGX one", "asset_type": "gpu_cluster", "pue": 1.15, "base_load_kw": 5,
        "flexibility_type": "fixed", "is_deferrable": False, "gpu_model": "A100", "gpu_count": 8, "embodied_g_per_kwh": 20,
    }  # fmt: skip
    made = client.post("/api/assets", json=body).json
    assert {name: made[name] for name in body} == body


ONCE = {"max_power_kw": 0, "start": "2026-11-23T08:00:00Z", "end": "2026-11-23T12:00:00Z"}
PEAK = {
    "max_power_kw": 20,
    "from_time": "16:00",
    "to_time": "19:00",
    "days": ["mon", "fri"],
    "reason": "contracted",
}


def test_limits_of_power_read_back_as_sent_and_are_replaced_as_a_whole(client: FlaskClient) -> None:
    made = client.post(
        "/api/assets", json={**ASSET, "asset_id": "dgx", "power_limits": [ONCE, PEAK]}
    )
    assert made.status_code == 201
    once, peak = made.json["power_limits"]
    assert {name: once[name] for name in ONCE} == ONCE
    assert (once["from_time"], once["to_time"], once["days"], once["reason"]) == (
        None,
        None,
        [],
        "",
    )
    assert {name: peak[name] for name in PEAK} == PEAK
    assert (peak["start"], peak["end"]) == (None, None)
    kept = client.patch("/api/assets/dgx", json={"max_power_kw": 60}).json
    assert kept["power_limits"] == [once, peak]
    fewer = client.patch("/api/assets/dgx", json={"power_limits": [PEAK]}).json
    assert fewer["power_limits"] == [peak]
    assert client.patch("/api/assets/dgx", json={"power_limits": []}).json["power_limits"] == []
    assert client.patch("/api/assets/dgx", json={"power_limits": None}).status_code == 422


def test_limits_of_power_stand_in_the_list_as_csv_too(client: FlaskClient) -> None:
    client.post("/api/assets", json={**ASSET, "asset_id": "dgx", "power_limits": [PEAK]})
    rows = list(csv.DictReader(client.get("/api/assets.csv").text.splitlines()))
    (mine,) = [row for row in rows if row["asset_id"] == "dgx"]
    assert json.loads(mine["power_limits"])[0]["from_time"] == "16:00"


@pytest.mark.parametrize(
    ("limit", "field", "says"),
    [
        ({**PEAK, "max_power_kw": -1}, "power_limits.0.max_power_kw", "0 to 100000"),
        ({"from_time": "16:00", "to_time": "19:00"}, "power_limits.0.max_power_kw", "0 to 100000"),
        ({**PEAK, "from_time": "4 pm"}, "power_limits.0.from_time", "a London time"),
        ({**PEAK, "to_time": "24:00"}, "power_limits.0.to_time", "a London time"),
        ({**PEAK, "to_time": None}, "power_limits.0.to_time", "a London time"),
        ({**PEAK, "days": ["montag"]}, "power_limits.0.days.0", "mon, tue"),
        ({**PEAK, "days": ["mon", "mon"]}, "power_limits.0.days", "each of mon to sun once"),
        ({**ONCE, "end": ONCE["start"]}, "power_limits.0.end", "a time after start"),
        ({**ONCE, "start": "2026-11-23T08:00:00"}, "power_limits.0.start", "with an offset"),
        ({"max_power_kw": 1, "start": ONCE["start"]}, "power_limits.0.end", "a time"),
        ({**ONCE, "form_time": "16:00"}, "power_limits.0.form_time", "from_time"),
        ("16:00", "power_limits.0", "max_power_kw"),
    ],
)
def test_a_limit_that_makes_no_sense_is_named_with_what_is_allowed(
    client: FlaskClient, limit: Any, field: str, says: str
) -> None:
    answer = client.post("/api/assets", json={**ASSET, "power_limits": [limit]})
    assert answer.status_code == 422
    (error,) = answer.json["errors"]
    assert error["field"] == field
    assert says in error["allowed"]
    assert error["cure"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"region": "atlantis"}, "region"),
        ({"region": None}, "region"),
        ({"max_power_kw": 0}, "max_power_kw"),
        ({"max_power_kw": "50"}, "max_power_kw"),
        ({"pue": 0.9}, "pue"),
        ({"pue": 3.1}, "pue"),
        ({"base_load_kw": 50}, "base_load_kw"),
        ({"base_load_kw": -1}, "base_load_kw"),
        ({"asset_id": "-x"}, "asset_id"),
        ({"asset_type": "a/b"}, "asset_type"),
        ({"is_deferrable": "true"}, "is_deferrable"),
        ({"gpu_count": 0}, "gpu_count"),
        ({"owner": "me"}, "owner"),
        ({"tariff": "agile"}, "tariff"),
    ],
)
def test_a_wrong_field_of_an_asset_is_named(
    client: FlaskClient, change: dict[str, Any], field: str
) -> None:
    answer = client.post("/api/assets", json={**ASSET, **change})
    assert answer.status_code == 422
    assert wrong_fields(answer.json) == {field}


def test_assets_change_list_and_retire(client: FlaskClient) -> None:
    assert client.patch("/api/assets/birch", json={"max_power_kw": 99, "gpu_model": None}).json["max_power_kw"] == 99  # fmt: skip
    assert client.patch("/api/assets/birch", json={"pue": None}).status_code == 422
    assert client.patch("/api/assets/birch", json={}).status_code == 422
    assert names(client.get("/api/assets?region=south_wales").json["items"], "asset_id") == ["cedar"]  # fmt: skip
    assert client.delete("/api/assets/birch").status_code == 204
    assert client.get("/api/assets/birch").status_code == 404
    assert client.delete("/api/assets/cedar").status_code == 409


def test_the_same_asset_twice_is_a_conflict(client: FlaskClient) -> None:
    assert client.post("/api/assets", json={**ASSET, "asset_id": "alder"}).status_code == 409


# --- planning --------------------------------------------------------------------------------------


def test_planning_answers_with_counts_and_certificate(client: FlaskClient) -> None:
    for path in ("/api/schedule-all", "/api/jobs/scheduled-job/schedule"):
        answer = client.post(path)
        assert answer.status_code == 200
        # scheduled-job and the unconfirmed one hold awards, one is refused, one held.
        assert (answer.json["scheduled"], answer.json["refused"], answer.json["deferred"]) == (
            2,
            1,
            1,
        )
        certificate = answer.json["certificate"]
        assert certificate["gap_gbp"] == 0.0
        assert certificate["gap_percent"] is None
        assert {"objective_gbp", "lower_bound_gbp", "rounds", "method", "seconds"} <= set(
            certificate
        )
        assert client.get(f"/api/negotiations/{answer.json['negotiation_id']}").json["status"] == "committed"  # fmt: skip


def test_long_planning_is_answered_202_with_where_to_look(services: FakeServices) -> None:
    services.slow_planning = True
    client = client_of(services)
    answer = client.post("/api/schedule-all")
    assert answer.status_code == 202
    assert answer.headers["Retry-After"] == "2"
    followed = client.get(answer.headers["Location"]).json
    assert (followed["negotiation_id"], followed["status"]) == (answer.json["negotiation_id"], "running")  # fmt: skip


def test_negotiations_are_listed_newest_first_and_shown_with_messages(client: FlaskClient) -> None:
    newest = client.post("/api/schedule-all").json["negotiation_id"]
    listed = client.get("/api/negotiations?limit=1").json
    assert names(listed["items"], "negotiation_id") == [newest]
    shown = client.get(f"/api/negotiations/{newest}").json
    assert shown["messages"][0]["kind"] == "policy_published"
    assert set(shown["plan"]) == {"jobs", "assets", "policy", "signals"}
    assert client.get("/api/negotiations/none").status_code == 404


BEST = "region=london&duration_hours=2&ready_by=2026-11-22T09:00:00Z"


def test_a_best_window_needs_no_set_up_and_says_when_it_is_per_kw(client: FlaskClient) -> None:
    one = client.get(f"/api/best-window?{BEST}").json
    assert one["is_per_kw"] is True
    assert one["power_kw"] == 1.0
    ten = client.get(f"/api/best-window?{BEST}&power_kw=10").json
    assert ten["is_per_kw"] is False
    assert ten["start_time"] == one["start_time"]
    assert ten["best"]["cost_gbp"] == pytest.approx(10 * one["best"]["cost_gbp"])
    assert one["sbatch_line"].startswith("sbatch --begin=")


def test_a_best_window_is_for_tomorrow_nine_in_london_unless_asked_otherwise(
    client: FlaskClient,
) -> None:
    short = client.get("/api/best-window?region=london&duration_hours=2").json
    assert short["ready_by"] == "2026-11-22T09:00:00Z"  # London is on UTC in November
    asked = client.get("/api/best-window?region=london&duration_hours=2&ready_by=2026-11-22T18:30Z")
    assert asked.json["ready_by"] == "2026-11-22T18:30:00Z"  # seconds may be left out


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("duration_hours=2&ready_by=2026-11-22T09:00:00Z", "region"),
        ("region=mars&duration_hours=2&ready_by=2026-11-22T09:00:00Z", "region"),
        ("region=london&ready_by=2026-11-22T09:00:00Z", "duration_hours"),
        ("region=london&duration_hours=0&ready_by=2026-11-22T09:00:00Z", "duration_hours"),
        ("region=london&duration_hours=nan&ready_by=2026-11-22T09:00:00Z", "duration_hours"),
        ("region=london&duration_hours=inf&ready_by=2026-11-22T09:00:00Z", "duration_hours"),
        ("region=london&duration_hours=1e999&ready_by=2026-11-22T09:00:00Z", "duration_hours"),
        ("region=london&duration_hours=2&ready_by=", "ready_by"),
        ("region=london&duration_hours=2&ready_by=2026-11-22T09:00", "ready_by"),
        ("region=london&duration_hours=2&ready_by=09:00", "ready_by"),
        ("region=london&duration_hours=2&ready_by=2026-11-21T16:00:00Z", "ready_by"),
        (BEST + "&power_kw=0", "power_kw"),
        (BEST + "&asset_id=alder", "asset_id"),
    ],
)
def test_a_wrong_question_is_answered_with_the_field(
    client: FlaskClient, query: str, field: str
) -> None:
    answer = client.get(f"/api/best-window?{query}")
    assert answer.status_code == 422
    assert wrong_fields(answer.json) == {field}


# --- grid ------------------------------------------------------------------------------------------


def test_the_present_half_hour_is_the_first_of_the_forecast(client: FlaskClient) -> None:
    now = client.get("/api/energy/current/london").json
    ahead = client.get("/api/energy/forecast/london").json
    assert ahead["items"][0] == now
    assert len(ahead["items"]) == 96
    assert now["carbon"]["unit"] == "gCO2/kWh"
    assert now["carbon"]["p5"] < now["carbon"]["value"] < now["carbon"]["p95"]
    assert now["price"]["gbp_per_kwh"] == now["price"]["value"]
    assert len(client.get("/api/energy/forecast/london?hours=2").json["items"]) == 4


def test_without_data_a_half_hour_is_null_with_quality_none() -> None:
    row = client_of(filled("empty")).get("/api/energy/current/london").json
    assert row["carbon"]["value"] is None
    assert row["carbon"]["quality"] == "none"
    assert row["price"]["gbp_per_kwh"] is None


def test_an_unknown_region_lists_the_known_ones(client: FlaskClient) -> None:
    for path in ("current", "forecast"):
        answer = client.get(f"/api/energy/{path}/atlantis")
        assert answer.status_code == 422
        assert "north_scotland" in answer.json["errors"][0]["allowed"]
    assert wrong_fields(client.get("/api/energy/forecast/london?hours=0").json) == {"hours"}


def test_all_regions_are_listed_with_their_half_hour(client: FlaskClient) -> None:
    found = client.get("/api/regions").json["items"]
    assert names(found, "region") == list(REGIONS)
    assert found[12]["price_letters"] == ["C"]


# --- records ---------------------------------------------------------------------------------------


def test_statistics_count_jobs_by_status_and_say_what_savings_are_measured_against(
    client: FlaskClient,
) -> None:
    found = client.get("/api/statistics").json
    assert found["counts"] == dict.fromkeys(
        ("pending", "scheduled", "running", "completed", "failed", "cancelled", "refused", "unconfirmed"), 1
    )  # fmt: skip
    assert found["refusals_by_rule"] == {"max_price": 1}
    assert "same capacity" in found["fleet_baseline"]["measured_against"]
    # Issued 15:30, looked at 15:42.
    assert found["data_age_minutes"] == 12.0


def test_a_record_is_given_whole_so_that_its_hash_can_be_checked(client: FlaskClient) -> None:
    for record in client.get("/api/logs").json["items"]:
        assert record_hash(record) == record["hash"]


def test_records_are_found_by_job_and_kind(client: FlaskClient) -> None:
    mine = client.get("/api/logs/refused-job").json["items"]
    assert set(names(mine, "job_id")) == {"refused-job"}
    assert client.get("/api/logs?job_id=refused-job").json["items"] == mine
    kinds = client.get("/api/logs?event_type=negotiation&event_type=refusal").json["items"]
    assert set(names(kinds, "event_type")) == {"negotiation", "refusal"}
    assert client.get("/api/logs/nobody").status_code == 404
    assert wrong_fields(client.get("/api/logs?event_type=party").json) == {"event_type.0"}


def test_the_chain_is_verified_on_request(client: FlaskClient) -> None:
    report = client.get("/api/logs/verify?fresh=true").json
    assert report["ok"] is True
    assert report["last_seq"] == report["records"]
    assert wrong_fields(client.get("/api/logs/verify?fresh=maybe").json) == {"fresh"}


# --- health and errors -----------------------------------------------------------------------------


def test_liveness_touches_nothing_and_readiness_tells_the_state(
    client: FlaskClient, services: FakeServices
) -> None:
    assert client.get("/health").json == {"status": "ok", "version": "0.1.0"}
    state = client.get("/ready").json
    assert state["status"] == "ready"
    assert state["database"] == "ok"
    assert state["data"]["text"].startswith("Carbon: issued 15:30")


@pytest.mark.parametrize(
    ("error", "status", "slug", "retry_after"),
    [
        (
            SourceUnavailable("no carbon yet", retry_after_seconds=90),
            503,
            "source-unavailable",
            "90",
        ),
        (SourceUnavailable("no carbon yet"), 503, "source-unavailable", "60"),
        (AuditBroken("the log differs"), 503, "audit-broken", None),
        (StalePlan("somebody was first"), 409, "stale-plan", "1"),
        (Conflict("it is frozen"), 409, "conflict", None),
    ],
)
def test_an_error_of_a_use_case_becomes_its_problem(
    client: FlaskClient,
    services: FakeServices,
    error: Exception,
    status: int,
    slug: str,
    retry_after: str | None,
) -> None:
    services.fail_with = error
    answer = client.get("/api/statistics")
    assert answer.status_code == status
    assert answer.json["type"] == f"/api/problems/{slug}"
    assert answer.json["detail"] == str(error)
    assert answer.json["instance"] == "/api/statistics"
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    assert answer.headers.get("Retry-After") == retry_after


@pytest.mark.parametrize(
    ("raw", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b'{"region": "london", "region": "gb", "max_power_kw": 1}', "application/json", 400),
        (b'{"region": "london", "max_power_kw": NaN}', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 50_000, "application/json", 400),
        (b'{"region": "london", "max_power_kw": 1e999}', "application/json", 422),
        (b"[]", "application/json", 422),
        (b'"text"', "application/json", 422),
        (b"null", "application/json", 422),
        (b"region=london", "application/x-www-form-urlencoded", 415),
        (b"--x--", "multipart/form-data", 415),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b"{}", "application/json; charset=utf-16", 415),
        (json.dumps(ASSET).encode(), "application/json; charset=utf-8", 201),
    ],
)
def test_a_body_is_json_or_refused(
    client: FlaskClient, raw: bytes, content_type: str, status: int
) -> None:
    answer = client.post("/api/assets", data=raw, content_type=content_type)
    assert answer.status_code == status, answer.text


def test_a_wrong_method_is_405_with_the_right_ones(client: FlaskClient) -> None:
    answer = client.put("/api/jobs")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) == {"GET", "HEAD", "OPTIONS", "POST"}  # fmt: skip
    assert answer.json["type"] == "/api/problems/method-not-allowed"


@pytest.mark.parametrize("path", ["/api/nothing", "/api/beckn/nothing", "/api/jobs/", "/api"])
def test_an_unknown_path_is_a_404_problem(client: FlaskClient, path: str) -> None:
    answer = client.post(path, json={})
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"


def test_what_the_client_has_already_is_not_sent_again(client: FlaskClient) -> None:
    first = client.get("/api/jobs/scheduled-job")
    etag = first.headers["ETag"]
    again = client.get("/api/jobs/scheduled-job", headers={"If-None-Match": etag})
    assert again.status_code == 304
    assert again.data == b""
    client.post("/api/jobs/scheduled-job/hold")
    assert client.get("/api/jobs/scheduled-job", headers={"If-None-Match": etag}).status_code == 200
