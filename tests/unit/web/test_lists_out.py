"""CSV and calendar beside JSON."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from tests.support.edge import names
from tests.support.fake_services import FakeServices
from web.csvout import cell, csv_text

LISTS = [
    "assets", "jobs", "negotiations", "regions", "logs", "energy/forecast/london", "beckn/contracts",
]  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_every_list_comes_as_csv_by_suffix_and_by_accept(client: FlaskClient, name: str) -> None:
    by_suffix = client.get(f"/api/{name}.csv")
    by_accept = client.get(f"/api/{name}", headers={"Accept": "text/csv"})
    assert by_suffix.status_code == by_accept.status_code == 200
    assert by_suffix.mimetype == by_accept.mimetype == "text/csv"
    assert by_suffix.data == by_accept.data
    rows = list(csv.DictReader(io.StringIO(by_suffix.get_data(as_text=True), newline="")))
    assert len(rows) == len(client.get(f"/api/{name}").json["items"])


def test_json_is_what_everybody_else_gets(client: FlaskClient) -> None:
    for accept in ("*/*", "application/json", "text/csv;q=0.5, application/json", "image/png", ""):
        assert client.get("/api/jobs", headers={"Accept": accept}).mimetype == "application/json"


def test_a_csv_row_says_what_the_json_says(client: FlaskClient) -> None:
    job = client.get("/api/jobs/scheduled-job").json
    text = client.get("/api/jobs.csv?q=scheduled-job").get_data(as_text=True)
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert float(row["schedule.carbon_kg"]) == job["schedule"]["carbon_kg"]
    assert row["schedule.start_time"] == job["schedule"]["start_time"]
    assert row["carbon_cap_g_per_kwh"] == ""
    assert row["why"] == job["why"]


def test_pages_of_csv_follow_each_other_too(client: FlaskClient) -> None:
    link = client.get("/api/jobs.csv?limit=5").headers["Link"]
    assert link.startswith("</api/jobs.csv?limit=5&cursor=")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"])
def test_text_that_looks_like_a_formula_is_defused(text: str) -> None:
    assert cell(text) == "'" + text


def test_numbers_stay_numbers() -> None:
    assert [cell(v) for v in (-1.5, 0, True, None, ["a"], {"b": 1})] == ["-1.5", "0", "true", "", '["a"]', '{"b":1}']  # fmt: skip


def test_lines_end_as_the_standard_says_and_quotes_are_doubled() -> None:
    text = csv_text(("a", "b.c"), [{"a": 'say "x", y', "b": {"c": "l1\nl2"}}, {"a": 1}])
    assert text == 'a,b.c\r\n"say ""x"", y","l1\nl2"\r\n1,\r\n'


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r")), min_size=1
    )
)
def test_any_text_survives_but_for_the_apostrophe(texts: list[str]) -> None:
    written = csv_text(("a", "b"), [{"a": text, "b": 1} for text in texts])
    rows = list(csv.reader(io.StringIO(written, newline="")))[1:]
    assert [row[0].removeprefix("'") for row in rows] == [text.removeprefix("'") for text in texts]


def test_planned_and_running_jobs_are_in_the_calendar(client: FlaskClient) -> None:
    answer = client.get("/api/jobs.ics")
    assert answer.mimetype == "text/calendar"
    events = {str(event["uid"]): event for event in Calendar.from_ical(answer.data).walk("VEVENT")}
    assert set(events) == {"scheduled-job@halfhour", "running-job@halfhour"}
    event = events["scheduled-job@halfhour"]
    schedule = client.get("/api/jobs/scheduled-job").json["schedule"]
    assert event.decoded("dtstart") == datetime.fromisoformat(schedule["start_time"])
    assert event.decoded("dtend") == datetime.fromisoformat(schedule["end_time"])
    assert event.decoded("dtstamp") == datetime(2026, 11, 21, 15, 42, tzinfo=UTC)
    assert "North Scotland" in str(event["location"])


def test_a_moved_job_keeps_its_uid_and_raises_its_sequence(
    client: FlaskClient, services: FakeServices
) -> None:
    from dataclasses import replace

    def event() -> tuple[str, int, datetime]:
        found = next(
            e for e in Calendar.from_ical(client.get("/api/jobs.ics").data).walk("VEVENT")
            if "scheduled" in e["uid"]
        )  # fmt: skip
        return str(found["uid"]), int(found["sequence"]), found.decoded("dtstart")

    before = event()
    plan = services.plans["scheduled-job"]
    assert plan.award is not None
    place = plan.award.placement
    later = replace(
        place, start=place.start + timedelta(hours=1), end=place.end + timedelta(hours=1)
    )
    services.plans["scheduled-job"] = replace(
        plan, moves=1, award=replace(plan.award, placement=later)
    )
    after = event()
    assert after == (before[0], 1, before[2] + timedelta(hours=1))


def test_the_calendar_holds_only_the_callers_jobs() -> None:
    from tests.support.edge import KEYS, bearer, client_of
    from tests.support.fake_services import filled

    client = client_of(filled(keys=KEYS, owner="ada"))
    theirs = client.get("/api/jobs.ics", headers=bearer("stranger-key"))
    assert Calendar.from_ical(theirs.data).walk("VEVENT") == []
    assert names(client.get("/api/jobs", headers=bearer("stranger-key")).json["items"], "job_id") == []  # fmt: skip
