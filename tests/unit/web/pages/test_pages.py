"""Pages over fake services: they parse, call one use case and present; nothing is lost on the way."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time

import pytest
from flask.testing import FlaskClient

from models.domain.job import JobStatus
from models.domain.power_limit import WEEK
from tests.support.edge import KEYS, whole_app
from tests.support.fake_services import FakeServices, filled
from web.views.limit_views import limit_key

HTML = {"Accept": "text/html"}


@pytest.fixture
def browser(services: FakeServices) -> FlaskClient:
    """Return a client of the whole edge, pages included."""
    return whole(services)


def whole(services: FakeServices) -> FlaskClient:
    return whole_app(services).test_client()


def token(client: FlaskClient, path: str = "/") -> str:
    """Return the form token of a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path, headers=HTML).text)
    assert found is not None
    return found[1]


def post(client: FlaskClient, path: str, **fields: str):
    return client.post(path, data={"csrf_token": token(client), **fields}, headers=HTML)


@pytest.mark.parametrize("status", list(JobStatus))
def test_a_job_page_exists_for_every_state(browser: FlaskClient, status: JobStatus) -> None:
    answer = browser.get(f"/jobs/{status}-job", headers=HTML)
    assert answer.status_code == 200
    assert f"<h1>{status}-job</h1>" in answer.text or f"{status}" in answer.text
    assert 'class="state ' in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?region=yorkshire&hours=2&ready_by=",
        "/submit-job",
        "/jobs",
        "/jobs?status=refused&q=job&asset=",
        "/clusters",
        "/grid",
        "/grid?show=price&ahead=3",
        "/grid/london?days=7",
        "/beckn-slots",
        "/routines",
        "/notices",
        "/records",
        "/records?from=2026-11-01&to=2026-11-30&type=refusal",
        "/records?from=yesterday",
        "/sign-in",
    ],
)
def test_every_page_answers_with_the_data_line_and_the_attribution(
    browser: FlaskClient, path: str
) -> None:
    answer = browser.get(path, headers=HTML)
    assert answer.status_code == 200, answer.text
    assert 'class="dataline"' in answer.text
    assert "National Energy System Operator Carbon Intensity API (CC-BY 4.0)" in answer.text
    assert 'href="#main"' in answer.text


def test_no_page_carries_inline_style_or_script_or_a_forbidden_claim(browser: FlaskClient) -> None:
    for path in (
        "/",
        "/submit-job",
        "/jobs/scheduled-job",
        "/jobs/refused-job",
        "/records",
        "/grid",
    ):
        text = browser.get(path, headers=HTML).text
        assert " style=" not in text, path
        assert "<style" not in text, path
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"\son[a-z]+=", text), path
        for claim in ("avoided", "carbon neutral", "P444 compliant", "P415 price"):
            assert claim not in text.lower(), path


def test_the_dashboard_of_the_brief_leads_to_the_schedule(browser: FlaskClient) -> None:
    answer = browser.get("/dashboard", headers=HTML)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


def test_a_form_without_its_token_does_nothing(
    browser: FlaskClient, services: FakeServices
) -> None:
    answer = browser.post("/jobs/scheduled-job/act", data={"action": "cancel"}, headers=HTML)
    assert answer.status_code == 403
    assert services.jobs_by_id["scheduled-job"].status is not JobStatus.CANCELLED


@pytest.mark.parametrize(
    ("job_id", "action", "holds"),
    [
        ("scheduled-job", "pin", lambda job: job.pinned_start is not None),
        ("scheduled-job", "hold", lambda job: job.is_held),
        ("pending-job", "release", lambda job: not job.is_held),
        ("scheduled-job", "cancel", lambda job: job.status is JobStatus.CANCELLED),
        ("cancelled-job", "undo_cancel", lambda job: job.status is not JobStatus.CANCELLED),
    ],
)
def test_a_button_does_what_it_says_and_leads_back(
    browser: FlaskClient, services: FakeServices, job_id: str, action: str, holds
) -> None:
    answer = post(browser, f"/jobs/{job_id}/act", action=action)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/jobs/{job_id}")
    assert holds(services.jobs_by_id[job_id])


def test_an_unknown_action_is_answered_in_words(browser: FlaskClient) -> None:
    post(browser, "/jobs/scheduled-job/act", action="explode")
    assert "is not something that can be done to a job" in browser.get("/jobs/scheduled-job").text


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_no_form_leads_to_another_site(browser: FlaskClient, wanted: str) -> None:
    answer = post(browser, "/theme", theme="dark", next=wanted)
    assert answer.headers["Location"] == "/"


def test_the_theme_is_kept_in_a_cookie_and_rendered_at_once(browser: FlaskClient) -> None:
    answer = post(browser, "/theme", theme="dark", next="/grid?show=price")
    assert answer.headers["Location"] == "/grid?show=price"
    assert '<html lang="en-GB" data-theme="dark">' in browser.get("/", headers=HTML).text
    post(browser, "/theme", theme="purple")
    assert 'data-theme="dark"' in browser.get("/", headers=HTML).text


def test_a_wrong_new_job_is_answered_422_and_keeps_what_was_typed(browser: FlaskClient) -> None:
    answer = post(browser, "/submit-job", duration_hours="soon <b>", latest_finish="")
    assert answer.status_code == 422
    assert "soon &lt;b&gt;" in answer.text
    assert 'id="errors"' in answer.text


def test_a_good_new_job_leads_to_its_page(browser: FlaskClient, services: FakeServices) -> None:
    before = set(services.jobs_by_id)
    ready = services.now.replace(day=services.now.day + 1).strftime("%Y-%m-%dT09:00")
    answer = post(
        browser, "/submit-job", duration_hours="2", estimated_power_kw="5", latest_finish=ready,
        flexibility_type="deferrable",
    )  # fmt: skip
    (made,) = set(services.jobs_by_id) - before
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/jobs/{made}")


def test_partials_are_parts_and_the_same_address_works_without_htmx(browser: FlaskClient) -> None:
    part = browser.get("/best-window?hours=2", headers={**HTML, "HX-Request": "true"})
    assert part.status_code == 200
    assert "<html" not in part.text
    plain = browser.get("/best-window?hours=2", headers=HTML)
    assert plain.headers["Location"] == "/?hours=2#best-window"


def test_the_statement_as_csv_quotes_what_a_spreadsheet_would_run(
    services: FakeServices,
) -> None:
    from dataclasses import replace

    job = services.jobs_by_id["completed-job"]
    services.jobs_by_id["completed-job"] = replace(job, job_name="=cmd()")
    answer = whole(services).get("/records/statement.csv?from=2026-01-01&to=2026-12-31")
    assert answer.mimetype == "text/csv"
    lines = answer.text.splitlines()
    assert lines[0].startswith("job_id,job_name,stage")
    assert not any(re.search(r"(^|,)=cmd", line) for line in lines)


def test_a_visitor_sees_the_grid_and_is_asked_to_sign_in_for_jobs() -> None:
    client = whole(filled(keys=KEYS))
    home = client.get("/", headers=HTML)
    assert home.status_code == 200
    assert "Sign in to see and plan jobs" in home.text
    assert "New job" not in home.text
    assert client.get("/grid", headers=HTML).status_code == 200
    jobs = client.get("/jobs", headers=HTML)
    assert jobs.status_code == 401
    assert "/sign-in?next=/jobs" in jobs.text


def test_what_is_not_there_is_said_in_the_layout(browser: FlaskClient) -> None:
    for path in ("/jobs/no-such-job", "/plans/no-such-plan", "/grid/atlantis", "/nowhere"):
        answer = browser.get(path, headers=HTML)
        assert answer.status_code == 404, path
        assert "Not found" in answer.text
        assert 'class="dataline"' in answer.text


def test_our_own_mistake_is_shown_in_the_layout_too(
    services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(services, "board", broken)
    monkeypatch.setattr(services, "data_line", broken)
    answer = whole(services).get("/", headers=HTML)
    assert answer.status_code == 500
    assert "report it with the request id" in answer.text
    assert "Grid data: state unknown" in answer.text


def test_own_scripts_stay_below_forty_kilobytes() -> None:
    from web.factory import ROOT

    assert sum(path.stat().st_size for path in (ROOT / "static/js").glob("*.js")) <= 40_960


def test_a_cluster_made_on_the_way_is_kept_when_the_job_is_refused_after_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from models.domain.errors import FieldError, InvalidRequest

    services = FakeServices()

    def refuse(*_: object, **__: object) -> None:
        raise InvalidRequest("no", (FieldError("latest_finish", "is too near"),))

    monkeypatch.setattr(services, "submit_and_plan", refuse)
    client = whole(services)
    ready = services.now.replace(day=services.now.day + 1).strftime("%Y-%m-%dT09:00")
    fields = {
        "duration_hours": "2",
        "estimated_power_kw": "5",
        "latest_finish": ready,
        "region": "london",
    }
    for _ in range(2):
        answer = post(client, "/submit-job", **fields)
        assert answer.status_code == 422
        assert "Is too near" in answer.text
    assert len(services.assets_by_id) == 1


def test_why_not_is_asked_and_answered_without_scripts(browser: FlaskClient) -> None:
    text = browser.get("/jobs/scheduled-job/slots", headers=HTML).text
    assert 'id="why-not"' in text
    assert "It is too late." not in text
    asked = "/jobs/scheduled-job/slots?start=2026-12-30T09:00&cluster=alder"
    answer = browser.get(asked, headers=HTML)
    assert answer.status_code == 200
    assert "It is too late." in answer.text
    assert 'value="2026-12-30T09:00"' in answer.text


def test_a_question_that_cannot_be_read_is_marked_in_its_field(browser: FlaskClient) -> None:
    asked = "/jobs/scheduled-job/slots?start=soon&cluster=alder"
    text = browser.get(asked, headers=HTML).text
    assert "“soon” is not a date and time" in text
    text = browser.get(
        asked.replace("soon", "2026-11-22T09:00").replace("alder", "<b>"), headers=HTML
    ).text
    assert "there is no “&lt;b&gt;”" in text


def test_a_cluster_page_shows_its_scarce_half_hours(browser: FlaskClient) -> None:
    text = browser.get("/clusters/alder", headers=HTML).text
    assert "2 scarce half-hours, up to 4.00 p/kWh" in text


def test_limits_of_a_clusters_power_are_added_shown_and_removed() -> None:
    services = filled()
    client = whole(services)
    daily = {
        "kind": "daily", "daily_kw": "20", "daily_from": "16:00", "daily_to": "19:00",
        "daily_days": "mon,tue,wed,thu,fri", "daily_reason": "contracted peak",
    }  # fmt: skip
    once = {
        "kind": "once", "once_kw": "0", "once_start": "2026-11-28T08:00", "once_end": "2026-11-28T12:00",
        "once_reason": "",
    }  # fmt: skip
    for fields in (daily, once):
        assert post(client, "/clusters/birch/limits", **fields).status_code == 303
    peak, maintenance = services.assets_by_id["birch"].power_limits
    assert (peak.from_time, peak.to_time, peak.days) == (time(16), time(19), WEEK[:5])
    assert maintenance.start == datetime(2026, 11, 28, 8, tzinfo=UTC)
    shown = client.get("/clusters/birch", headers=HTML).text
    assert "At most 20 kW Monday to Friday from 16:00 to 19:00 London time" in shown
    assert "No power from Sat 28 Nov 08:00 to Sat 28 Nov 12:00" in shown
    gone = {"key": limit_key(peak)}
    assert post(client, "/clusters/birch/limits/remove", **gone).status_code == 303
    assert services.assets_by_id["birch"].power_limits == (maintenance,)
    assert post(client, "/clusters/birch/limits/remove", **gone).status_code == 303
    assert "taken away already" in client.get("/clusters/birch", headers=HTML).text


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"kind": "once", "once_kw": "x"}, "Most power: “x” is not a number"),
        ({"kind": "once", "once_kw": "1", "once_start": "2026-11-28T12:00", "once_end": "2026-11-28T12:00"}, "Is not after start"),
        ({"kind": "once", "once_kw": "1", "once_start": "2026-11-20T12:00", "once_end": "2026-11-20T13:00"}, "has passed"),
        ({"kind": "daily", "daily_kw": "1", "daily_from": "teatime", "daily_to": "19:00"}, "From: “teatime” is not a time of day"),
        ({"kind": "daily", "daily_kw": "1", "daily_from": "16:00", "daily_to": "19:00", "daily_days": "someday"}, "Days: choose one of the list"),
    ],
)  # fmt: skip
def test_a_limit_that_cannot_be_read_keeps_what_was_typed(
    fields: dict[str, str], says: str
) -> None:
    services = filled()
    answer = post(whole(services), "/clusters/birch/limits", **fields)
    assert answer.status_code == 422
    assert says in answer.text
    typed = next(text for name, text in fields.items() if name.endswith("_kw"))
    assert f'value="{typed}"' in answer.text
    assert services.assets_by_id["birch"].power_limits == ()


def test_a_routine_is_listed_and_ended_and_a_stranger_to_it_is_told(
    browser: FlaskClient, services: FakeServices
) -> None:
    from datetime import timedelta

    from models.domain.routine import Every
    from services.routines import RoutineDraft
    from web.auth import OPEN_CALLER

    job = {"duration": timedelta(hours=2), "job_name": "<b>night</b>"}
    draft = RoutineDraft(Every.DAY, 18, 0, timedelta(hours=4), job, routine_id="nightly")
    services.create_routine(OPEN_CALLER, draft)
    shown = browser.get("/routines", headers=HTML).text
    assert "&lt;b&gt;night&lt;/b&gt;" in shown
    assert "every day from 18:00" in shown
    answer = post(browser, "/routines/nightly/end")
    assert (answer.status_code, answer.location) == (303, "/routines")
    assert "No routine yet" in browser.get("/routines", headers=HTML).text
    post(browser, "/routines/nobody/end")
    assert "There is no routine" in browser.get("/routines", headers=HTML).text


def test_notices_are_listed_by_pages(browser: FlaskClient, services: FakeServices) -> None:
    from models.domain.notice import Notice, NoticeKind

    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    services.told.extend(
        Notice(f"n{n:02d}", f"k{n}", NoticeKind.MOVED, "local", "job-a", f"Text {n}.", noon)
        for n in range(30)
    )
    first = browser.get("/notices", headers=HTML).text
    assert first.count("<strong>Moved.</strong>") == 25
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    assert browser.get(older[1].replace("&amp;", "&"), headers=HTML).text.count("Moved.") == 5


def test_a_curve_that_takes_long_is_filled_by_the_page_itself_and_by_a_link(
    services: FakeServices,
) -> None:
    services.slow_points = [0.0, 10_000.0]
    client = whole(services)
    page = client.get("/what-if?carbon_price=245", headers=HTML).text
    assert "Planned 3 of 5 values." in page
    assert 'hx-get="/what-if/points?carbon_price=245" hx-trigger="load"' in page
    part = client.get("/what-if/points?carbon_price=245", headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert "Planned 4 of 5 values." in part
    followed = client.get("/what-if/points?carbon_price=245", headers=HTML, follow_redirects=True)
    assert "Carbon against cost" in followed.text
    assert "not planned yet" not in followed.text


def test_a_point_that_cannot_be_planned_says_why(browser: FlaskClient) -> None:
    part = browser.get("/what-if/points?carbon_price=much", headers={"HX-Request": "true"}).text
    assert "Value of carbon" in part
    assert "Look again" in part
