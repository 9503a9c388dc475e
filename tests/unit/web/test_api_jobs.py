"""`/api/jobs` over fake services: submit, list, read, change, control."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from models.domain.job import JobStatus
from tests.support.edge import names, wrong_fields
from tests.support.fake_services import FakeServices

NEEDED = {
    "duration_hours": 2.5,
    "estimated_power_kw": 40,
    "latest_finish": "2026-11-22T09:00:00Z",
}
FULL = {
    **NEEDED,
    "job_id": "train-7",
    "job_name": "Train seven",
    "job_type": "training",
    "asset_id": "birch",
    "earliest_start": "2026-11-21T18:00:00+00:00",
    "allowed_regions": ["scotland", "london"],
    "flexibility_type": "deferrable",
    "priority": "high",
    "carbon_cap_g_per_kwh": 300,
    "max_price_per_kwh": 0.4,
    "depends_on": ["completed-job"],
    "min_run_slots": 2,
    "max_chunks": 4,
    "checkpoint_minutes": 7.5,
    "min_power_kw": 10,
    "power_levels": [[0, 0], [40, 1]],
    "data_gb": 12.5,
    "units_of_work": 1000,
    "min_saving_percent": 3,
    "workload": {"command": ["python", "train.py"]},
}


def test_three_fields_are_enough_for_a_job(client: FlaskClient) -> None:
    answer = client.post("/api/jobs", json=NEEDED)
    assert answer.status_code == 201
    job = answer.json
    assert answer.headers["Location"] == f"/api/jobs/{job['job_id']}"
    assert job["status"] == "pending"
    assert job["schedule"] is None
    assert client.get(answer.headers["Location"]).json == job


def test_a_job_reads_back_as_its_request(client: FlaskClient) -> None:
    job = client.post("/api/jobs", json=FULL).json
    expected = {**FULL, "earliest_start": "2026-11-21T18:00:00Z"}
    assert {name: job[name] for name in expected} == expected


def test_gpus_stand_in_for_a_power(client: FlaskClient) -> None:
    body = {"duration_hours": 1, "latest_finish": "2026-11-22T09:00:00Z", "gpu_model": "H100-SXM5", "gpu_count": 8}  # fmt: skip
    job = client.post("/api/jobs", json=body).json
    assert job["gpu_count"] == 8
    assert job["estimated_power_kw"] > 0


def test_a_planned_job_carries_slot_baseline_savings_and_reason(client: FlaskClient) -> None:
    job = client.get("/api/jobs/scheduled-job").json
    schedule, baseline, savings = job["schedule"], job["baseline"], job["savings"]
    assert set(schedule) == set(baseline)
    assert schedule["segments"] == [
        {"start_time": schedule["start_time"], "end_time": schedule["end_time"], "power_kw": job["estimated_power_kw"]}
    ]  # fmt: skip
    # Savings are the baseline minus the plan, and percent of the baseline.
    assert savings["carbon_kg"] == pytest.approx(baseline["carbon_kg"] - schedule["carbon_kg"])
    assert savings["cost_gbp"] == pytest.approx(baseline["cost_gbp"] - schedule["cost_gbp"])
    assert savings["carbon_percent"] == pytest.approx(100 * savings["carbon_kg"] / baseline["carbon_kg"])  # fmt: skip
    assert savings["carbon_kg_range"] is None
    assert "14 days" in savings["range_reason"]
    # g/kWh is kg over kWh times 1000.
    assert schedule["mean_carbon_g_per_kwh"] == pytest.approx(
        schedule["carbon_kg"] / schedule["energy_kwh"] * 1000
    )
    assert job["flexibility"] == {
        "value_gbp": None, "regime": None, "eligible": False, "reasons": ["not valued yet"],
    }  # fmt: skip
    assert job["why"]
    assert job["decision_id"]
    assert job["data_quality"] == "live"


def test_unknown_money_and_carbon_are_null_never_zero() -> None:
    from tests.support.edge import client_of
    from tests.support.fake_services import filled

    job = client_of(filled("empty")).get("/api/jobs/scheduled-job").json
    assert job["schedule"]["carbon_kg"] is None
    assert job["schedule"]["cost_gbp"] is None
    assert job["savings"]["carbon_kg"] is None
    assert job["data_quality"] == "none"


def test_a_refused_job_names_the_rule_and_the_change_in_the_words_of_a_request(
    client: FlaskClient,
) -> None:
    job = client.get("/api/jobs/refused-job").json
    assert job["status"] == "refused"
    assert job["refusal"]["rule"] == "max_price"
    assert job["smallest_relaxation"]["field"] == "max_price_per_kwh"
    assert job["smallest_relaxation"]["value"] == 0.31
    assert job["why"] == job["refusal"]["detail"]


def test_a_held_job_is_pending_with_the_reason(client: FlaskClient) -> None:
    job = client.get("/api/jobs/pending-job").json
    assert job["status"] == "pending"
    assert job["deferral"] == {"reason": "held until you release it", "earliest": None}
    assert job["is_held"] is True


# --- bad input -------------------------------------------------------------------------------------

WRONG: list[tuple[str, Any]] = [
    ("duration_hours", 0),
    ("duration_hours", -1),
    ("duration_hours", 337),
    ("duration_hours", "2"),
    ("duration_hours", True),
    ("duration_hours", None),
    ("duration_hours", [1]),
    ("duration_hours", 10**400),
    ("estimated_power_kw", 0),
    ("estimated_power_kw", 100_001),
    ("estimated_power_kw", 5e-324),
    ("estimated_power_kw", "ten"),
    ("latest_finish", "2026-11-22T09:00:00"),
    ("latest_finish", "2026-11-22T09:00"),
    ("latest_finish", "tomorrow"),
    ("latest_finish", "2026-02-30T09:00:00Z"),
    ("latest_finish", "2026-11-22"),
    ("latest_finish", 1795338000),
    ("latest_finish", None),
    ("latest_finish", "1999-01-01T00:00:00Z"),
    ("latest_finish", "9999-12-31T23:59:59-23:59"),
    ("earliest_start", "yesterday"),
    ("allowed_regions", ["atlantis"]),
    ("allowed_regions", "london"),
    ("allowed_regions", ["london", "london"]),
    ("allowed_regions", ["london"] * 19),
    ("flexibility_type", "rubber"),
    ("priority", "urgent"),
    ("job_name", "x" * 81),
    ("job_name", "bell\x07"),
    ("job_name", "nul\x00"),
    ("job_type", ""),
    ("job_id", "no spaces"),
    ("job_id", ""),
    ("job_id", "x" * 65),
    ("job_id", "verify"),
    ("job_id", "../etc"),
    ("asset_id", "a/b"),
    ("carbon_cap_g_per_kwh", -1),
    ("max_price_per_kwh", 101),
    ("min_saving_percent", 101),
    ("depends_on", ["a b"]),
    ("depends_on", ["a", "a"]),
    ("depends_on", [f"j{k}" for k in range(51)]),
    ("min_run_slots", 0),
    ("min_run_slots", 1.5),
    ("max_chunks", 9),
    ("checkpoint_minutes", -0.1),
    ("min_power_kw", -1),
    ("power_levels", [[10]]),
    ("power_levels", [[10, 2]]),
    ("power_profile_kw", [1] * 673),
    ("power_profile_kw", [-1]),
    ("data_gb", -1),
    ("units_of_work", 0),
    ("workload", "python"),
    ("workload", {"text": "x" * 20_000}),
    ("workload", {"text": "nul\x00"}),
    ("gpu_count", 0),
    ("gpu_count", 2.5),
    ("gpu_model", ""),
    ("not_a_field", 1),
    ("duration_hour", 1),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_field_is_named_with_value_range_and_cure(
    client: FlaskClient, services: FakeServices, name: str, value: Any
) -> None:
    before = len(services.jobs_by_id)
    answer = client.post("/api/jobs", json={**NEEDED, name: value})
    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    wrong = [e for e in answer.json["errors"] if e["field"].split(".")[0] == name]
    assert wrong, answer.json
    assert wrong[0]["message"]
    assert wrong[0]["allowed"]
    assert wrong[0]["cure"]
    assert len(services.jobs_by_id) == before


def test_a_text_that_is_too_long_is_called_so(client: FlaskClient) -> None:
    error = client.post("/api/jobs", json={**NEEDED, "job_name": "x" * 81}).json["errors"][0]
    assert error["message"] == "is too long"


def test_all_wrong_fields_are_named_at_once(client: FlaskClient) -> None:
    body = {"duration_hours": 0, "priority": "urgent", "allowed_regions": ["atlantis"], "colour": 1}
    answer = client.post("/api/jobs", json=body)
    assert wrong_fields(answer.json) == {
        "duration_hours", "priority", "allowed_regions.0", "colour", "latest_finish",
    }  # fmt: skip
    assert answer.json["detail"].startswith("5 fields are wrong")


def test_a_misspelt_field_gets_a_guess(client: FlaskClient) -> None:
    error = client.post("/api/jobs", json={**NEEDED, "latest_finsh": "x"}).json["errors"][0]
    assert error["cure"] == "did you mean latest_finish?"


def test_a_job_without_any_power_says_how_to_give_one(client: FlaskClient) -> None:
    body = {"duration_hours": 1, "latest_finish": "2026-11-22T09:00:00Z"}
    error = client.post("/api/jobs", json=body).json["errors"][0]
    assert error["field"] == "estimated_power_kw"
    assert "gpu_model" in error["cure"]


def test_a_window_shorter_than_the_job_is_refused_with_both_lengths(client: FlaskClient) -> None:
    body = {**NEEDED, "earliest_start": "2026-11-22T08:00:00Z"}
    problem = client.post("/api/jobs", json=body).json
    # 08:00 to 09:00 is one hour; the job takes two and a half.
    assert "1 h" in problem["errors"][0]["message"]
    assert "2.5 h" in problem["errors"][0]["message"]


def test_an_impossible_job_says_what_would_fit(client: FlaskClient) -> None:
    body = {**NEEDED, "latest_finish": "2026-11-21T16:00:00Z"}
    answer = client.post("/api/jobs", json=body)
    assert answer.status_code == 422
    assert answer.json["type"] == "/api/problems/infeasible"
    assert answer.json["nearest"]["latest_finish"].endswith("Z")


def test_the_same_id_twice_is_a_conflict(client: FlaskClient) -> None:
    assert client.post("/api/jobs", json={**NEEDED, "job_id": "one"}).status_code == 201
    answer = client.post("/api/jobs", json={**NEEDED, "job_id": "one"})
    assert answer.status_code == 409
    assert "'one'" in answer.json["detail"]


# --- lists -----------------------------------------------------------------------------------------


def test_pages_follow_each_other_without_gap_or_overlap(client: FlaskClient) -> None:
    seen: list[str] = []
    path = "/api/jobs?limit=3"
    for _ in range(4):
        answer = client.get(path)
        seen += names(answer.json["items"], "job_id")
        link = answer.headers.get("Link")
        if link is None:
            break
        assert link.endswith('; rel="next"')
        path = link[1 : link.index(">")]
        assert f"cursor={answer.json['next_cursor']}" in path
    assert answer.json["next_cursor"] is None
    assert sorted(seen) == sorted(f"{status}-job" for status in JobStatus)


def test_jobs_are_found_by_status_place_and_text(client: FlaskClient) -> None:
    def found(query: str) -> set[str]:
        return set(names(client.get(f"/api/jobs?{query}").json["items"], "job_id"))

    assert found("status=refused&status=failed") == {"refused-job", "failed-job"}
    assert found("q=CANCEL") == {"cancelled-job"}
    assert found("asset_id=cedar") == {"running-job", "cancelled-job"}
    assert found("region=south_wales&status=running") == {"running-job"}
    assert found("start_before=2026-11-21T15:00:00Z") == {"unconfirmed-job"}
    assert found("q=nothing-like-it") == set()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("limit=1.5", "limit"),
        ("limit=10&limit=20", "limit"),
        ("status=lost", "status.0"),
        ("colour=red", "colour"),
        ("region=atlantis", "region"),
        ("start_after=now", "start_after"),
        ("start_after=2026-11-21T15:00:00", "start_after"),
        ("q=", "q"),
        ("q=%00", "q"),
        ("asset_id=a%20b", "asset_id"),
        ("cursor=", "cursor"),
        ("cursor=not-a-cursor", "cursor"),
    ],
)
def test_a_wrong_query_is_answered_like_a_wrong_body(
    client: FlaskClient, query: str, field: str
) -> None:
    answer = client.get(f"/api/jobs?{query}")
    assert answer.status_code == 422
    assert wrong_fields(answer.json) == {field}


def test_a_plus_lost_in_a_query_is_understood(client: FlaskClient) -> None:
    assert client.get("/api/jobs?start_after=2026-11-21T15:00:00+01:00").status_code == 200


# --- change and control ----------------------------------------------------------------------------


def test_a_change_renames_to_the_words_of_the_program(
    client: FlaskClient, services: FakeServices
) -> None:
    answer = client.patch("/api/jobs/scheduled-job", json={"duration_hours": 1, "max_price_per_kwh": 0.5})  # fmt: skip
    assert answer.status_code == 200
    assert answer.json["duration_hours"] == 1
    assert services.jobs_by_id["scheduled-job"].max_price_gbp_per_kwh == 0.5


def test_null_takes_a_limit_away_but_not_a_needed_field(client: FlaskClient) -> None:
    assert client.patch("/api/jobs/refused-job", json={"max_price_per_kwh": None}).json["status"] == "scheduled"  # fmt: skip
    answer = client.patch("/api/jobs/refused-job", json={"duration_hours": None, "priority": None})
    assert wrong_fields(answer.json) == {"duration_hours", "priority"}


def test_a_change_of_nothing_is_refused(client: FlaskClient) -> None:
    assert client.patch("/api/jobs/refused-job", json={}).status_code == 422
    assert client.patch("/api/jobs/refused-job", json={"job_id": "other"}).status_code == 422


def test_a_started_job_cannot_change(client: FlaskClient) -> None:
    assert client.patch("/api/jobs/running-job", json={"priority": "low"}).status_code == 409


def test_deleting_cancels_and_keeps_the_record(client: FlaskClient) -> None:
    assert client.delete("/api/jobs/scheduled-job").json["status"] == "cancelled"
    assert client.get("/api/jobs/scheduled-job").json["status"] == "cancelled"
    assert client.post("/api/jobs/scheduled-job/cancel").json["status"] == "cancelled"


def test_a_job_can_be_pinned_run_held_and_released(client: FlaskClient) -> None:
    start = client.get("/api/jobs/scheduled-job").json["schedule"]["start_time"]
    assert client.post("/api/jobs/scheduled-job/pin").json["pinned_start"] == start
    later = {"start_time": "2026-11-21T20:00:00Z"}
    assert client.post("/api/jobs/scheduled-job/pin", json=later).json["schedule"]["start_time"] == later["start_time"]  # fmt: skip
    assert client.post("/api/jobs/scheduled-job/pin", json={"pinned": False}).json["pinned_start"] is None  # fmt: skip
    # 15:42 now, so the next half-hour is 16:00.
    assert client.post("/api/jobs/scheduled-job/run-now").json["schedule"]["start_time"] == "2026-11-21T16:00:00Z"  # fmt: skip
    assert client.post("/api/jobs/scheduled-job/hold", json={}).json["is_held"] is True
    assert client.post("/api/jobs/scheduled-job/hold", json={"held": False}).json["is_held"] is False  # fmt: skip


def test_what_really_happened_is_confirmed(client: FlaskClient) -> None:
    body = {"event": "completed", "at": "2026-11-21T10:30:00Z", "energy_kwh": 250.5}
    job = client.post("/api/jobs/unconfirmed-job/confirm", json=body).json
    assert (job["status"], job["ended_at"], job["measured_energy_kwh"]) == ("completed", body["at"], 250.5)  # fmt: skip
    assert client.post("/api/jobs/unconfirmed-job/confirm", json=body).status_code == 409


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("confirm", {"event": "exploded"}, "event"),
        ("confirm", {}, "event"),
        ("confirm", {"event": "started", "energy_kwh": -1}, "energy_kwh"),
        ("pin", {"start_time": "soon"}, "start_time"),
        ("pin", {"pinned": "yes"}, "pinned"),
        ("hold", {"held": 1}, "held"),
        ("run-now", {"when": "now"}, "when"),
        ("cancel", {"why": "x"}, "why"),
    ],
)
def test_a_wrong_field_of_a_control_is_named(
    client: FlaskClient, action: str, body: dict[str, Any], field: str
) -> None:
    answer = client.post(f"/api/jobs/scheduled-job/{action}", json=body)
    assert answer.status_code == 422
    assert wrong_fields(answer.json) == {field}


@pytest.mark.parametrize("job_id", ["nobody", "a%00b", "a%2Fb", "%20", "x" * 65, "..%2f..%2fetc"])
def test_an_unknown_job_is_404_on_every_path(client: FlaskClient, job_id: str) -> None:
    assert client.get(f"/api/jobs/{job_id}").status_code == 404
    assert client.get(f"/api/jobs/{job_id}/explain").status_code == 404
    assert client.post(f"/api/jobs/{job_id}/hold").status_code == 404
    assert client.delete(f"/api/jobs/{job_id}").status_code == 404


def test_an_explanation_tells_alternatives_and_what_would_flip_it(client: FlaskClient) -> None:
    told = client.get("/api/jobs/scheduled-job/explain").json
    chosen, second = told["chosen"], told["runner_up"]
    assert second["end_time"] <= chosen["start_time"] or second["start_time"] >= chosen["end_time"]
    assert told["flip"] == {"carbon_price_gbp_per_tonne": 967.0, "runner_up_wins": "below"}
    # The chosen start is the cheapest of the candidates: none has a negative extra cost.
    assert min(names(told["candidates"], "extra_gbp")) == 0.0
    assert len(told["candidates"]) == told["options_considered"]


def test_an_explanation_of_a_refusal_carries_the_checked_change(client: FlaskClient) -> None:
    told = client.get("/api/jobs/refused-job/explain").json
    assert told["chosen"] is None
    assert told["smallest_relaxation"]["field"] == "max_price_per_kwh"


def test_finished_work_is_explained_without_candidates(client: FlaskClient) -> None:
    assert client.get("/api/jobs/completed-job/explain").json["candidates"] == []


def test_the_end_of_a_runs_output_is_plain_text(
    client: FlaskClient, services: FakeServices
) -> None:
    job_id = client.post("/api/jobs", json=NEEDED).json["job_id"]
    assert client.get(f"/api/jobs/{job_id}/log").status_code == 404
    services.logs[job_id] = "epoch 1\n<b>\n"
    answer = client.get(f"/api/jobs/{job_id}/log")
    assert (answer.mimetype, answer.text) == ("text/plain", "epoch 1\n<b>\n")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
