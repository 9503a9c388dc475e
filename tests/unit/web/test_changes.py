"""What a plan changed, over REST and on the pages."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from models.domain.access import Caller, Role
from tests.support.changed import with_changes
from tests.support.edge import KEYS, bearer, client_of, names, whole_app
from tests.support.fake_services import FakeServices, filled

HTML = {"Accept": "text/html"}


@pytest.fixture
def changed(services: FakeServices) -> str:
    return with_changes(services)


def browser(services: FakeServices) -> FlaskClient:
    return whole_app(services).test_client()


def test_changes_are_listed_with_their_numbers_and_the_sums(
    services: FakeServices, changed: str
) -> None:
    told = client_of(services).get(f"/api/negotiations/{changed}/changes").json
    assert told["comparison"]["previous_id"] == "the-plan-before"
    assert told["comparison"]["counts"] == {"moved": 1, "refused": 1}
    totals = told["comparison"]["totals"]
    # 4.8 kg + 0.96 (forecast) - 1.36 (plan) - 2.4 (work) = 2.0 kg.
    parts = ("before", "because_the_forecast_changed", "because_the_plan_changed", "because_the_work_changed")  # fmt: skip
    assert sum(totals[part]["carbon_kg"] for part in parts) == pytest.approx(2.0)
    assert totals["after"]["carbon_kg"] == 2.0
    moved, refused = told["items"]
    assert moved["values"]["old_window_then"]["mean_carbon_g_per_kwh"] == pytest.approx(120.0)
    assert moved["values"]["old_window_now"]["mean_carbon_g_per_kwh"] == pytest.approx(168.0)
    assert (moved["values"]["better_by_gbp"], moved["values"]["churn_gbp"]) == (1.26, 0.1)
    assert moved["made_room_for"] == {"job_ids": ["pending-job"], "others": 2}
    assert (refused["kind"], refused["values"], refused["after"]) == ("refused", None, None)


def test_changes_come_in_pages_and_as_csv(services: FakeServices, changed: str) -> None:
    client = client_of(services)
    first = client.get(f"/api/negotiations/{changed}/changes?limit=1").json
    assert names(first["items"], "job_id") == ["scheduled-job"]
    rest = client.get(f"/api/negotiations/{changed}/changes?limit=1&cursor={first['next_cursor']}")
    assert names(rest.json["items"], "job_id") == ["refused-job"]
    assert rest.json["next_cursor"] is None
    rows = list(csv.DictReader(io.StringIO(client.get(f"/api/negotiations/{changed}/changes.csv").text)))  # fmt: skip
    assert [row["cause"] for row in rows] == ["carbon", "refused"]
    assert rows[0]["values.old_window_now.carbon_kg"] == "3.36"


def test_an_unknown_plan_and_a_wrong_page_size_are_refused(services: FakeServices) -> None:
    client = client_of(services)
    assert client.get("/api/negotiations/none/changes").status_code == 404
    one = services.negotiations_made[-1].negotiation_id
    assert client.get(f"/api/negotiations/{one}/changes?limit=0").status_code == 422


def test_others_see_the_sums_but_none_of_the_rows() -> None:
    services = filled(keys=KEYS, owner="ada")
    one = with_changes(services, owner="ada")
    told = client_of(services).get(
        f"/api/negotiations/{one}/changes", headers=bearer("stranger-key")
    )
    assert told.json["items"] == []
    assert told.json["comparison"]["counts"] == {"moved": 1, "refused": 1}
    page = browser(services)
    text = page.get(f"/plans/{one}", headers={**HTML, **bearer("stranger-key")}).text
    assert "None of your jobs changed." in text
    assert "Sample scheduled" not in text


def test_the_page_of_a_plan_says_what_changed_and_why(services: FakeServices, changed: str) -> None:
    text = browser(services).get(f"/plans/{changed}", headers=HTML).text
    assert "What changed and why" in text
    assert 'href="/plans/the-plan-before"' in text
    assert "A new carbon forecast." in text
    assert "1 moved and 1 refused." in text
    assert "Carbon in the old window rose from 120 g/kWh to 168 g/kWh." in text
    assert "The numbers behind each move" in text
    assert "1 job left out of the sums" in text
    assert "+£1.26" in text


def test_a_plan_that_changed_nothing_says_so(services: FakeServices) -> None:
    one = with_changes(services)
    services.changes_made = []
    summary = services.negotiations_made[-1]
    assert summary.comparison is not None
    services.negotiations_made[-1] = replace(
        summary, comparison=replace(summary.comparison, counts={})
    )
    text = browser(services).get(f"/plans/{one}", headers=HTML).text
    assert "Nothing moved: every job keeps the answer it had." in text
    services.negotiations_made[-1] = replace(summary, comparison=None)
    text = browser(services).get(f"/plans/{one}", headers=HTML).text
    assert "made before comparisons were kept" in text


def test_the_schedule_says_in_a_line_what_moved_and_leads_there(
    services: FakeServices, changed: str
) -> None:
    text = browser(services).get("/", headers=HTML).text
    assert "3 jobs moved" in text
    assert f'href="/plans/{changed}#changes"' in text


def test_the_page_of_a_job_tells_what_plans_did_with_it(
    services: FakeServices, changed: str
) -> None:
    text = browser(services).get("/jobs/scheduled-job", headers=HTML).text
    assert "What plans did with it" in text
    assert "Moved from" in text
    assert "Carbon in the old window rose" in text
    other = browser(services).get("/jobs/running-job", headers=HTML).text
    assert "No plan has given it a window or taken one away yet." in other


def test_the_grid_is_open_over_rest_as_its_page_is() -> None:
    services = filled(keys={"a-key": Caller("ada", Role.SUBMITTER, "key-1")}, owner="ada")
    client = client_of(services)
    for path in (
        "/api/regions",
        "/api/regions.csv",
        "/api/energy/current/london",
        "/api/energy/forecast/gb",
        "/api/energy/forecast/gb.csv",
    ):
        assert client.get(path).status_code == 200, path
    assert client.get("/api/statistics").status_code == 401
    assert browser(services).get("/grid", headers=HTML).status_code == 200
