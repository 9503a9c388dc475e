"""Keys, roles, sessions and the token in forms."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient

from models.domain.access import Caller, Role
from services.facade import Services
from tests.support.edge import KEYS, app_of, bare_app, bearer
from tests.support.fake_services import FakeServices, filled
from web import WebSettings, auth, create_bare
from web.csrf import csrf_token

ASSET = {"region": "london", "max_power_kw": 10}
JOB = {"duration_hours": 1, "estimated_power_kw": 1, "latest_finish": "2026-11-22T09:00:00Z"}


@pytest.fixture
def keyed() -> FakeServices:
    return filled(keys=KEYS, owner="ada")


def with_forms(services: Services, settings: WebSettings) -> Flask:
    """The API with a small sign-in form beside it, as the pages have one."""
    app = create_bare(services, settings)

    @app.get("/form")
    @auth.public
    def form() -> str:
        return csrf_token()

    @app.post("/sign-in")
    @auth.public
    def enter() -> str:
        return auth.sign_in(request.form["key"]).owner

    @app.post("/sign-out")
    def leave() -> Response:
        auth.sign_out()
        return Response("gone")

    @app.get("/who")
    def who() -> str:
        return f"{auth.current_caller().owner} by {auth.credential()}"

    return app


@pytest.fixture
def app(keyed: FakeServices) -> Flask:
    return app_of(with_forms, keyed)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def signed_in(client: FlaskClient, key: str = "operator-key") -> str:
    """Sign in as a browser does and return the token of the new session."""
    token = client.get("/form").text
    assert client.post("/sign-in", data={"key": key, "csrf_token": token}).status_code == 200
    return client.get("/form").text


def test_with_keys_a_request_without_one_gets_401(client: FlaskClient) -> None:
    answer = client.get("/api/jobs")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_both_headers_carry_a_key(client: FlaskClient) -> None:
    assert client.get("/who", headers=bearer("operator-key")).text == "ada by key"
    assert client.get("/who", headers={"X-API-Key": "stranger-key"}).text == "bob by key"
    assert client.get("/who", headers={"Authorization": "bearer operator-key"}).status_code == 200


@pytest.mark.parametrize("headers", [bearer("wrong"), {"X-API-Key": "wrong"}, {"Authorization": "Basic b3A6"}])  # fmt: skip
def test_a_wrong_key_gets_401(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.get("/api/jobs", headers=headers).status_code == 401


def test_a_key_is_refused_where_none_is_set_rather_than_ignored() -> None:
    client = bare_app(filled()).test_client()
    assert client.get("/api/jobs", headers=bearer("anything")).status_code == 401


def test_wrong_keys_are_counted_by_address(keyed: FakeServices) -> None:
    client = bare_app(keyed, failed_keys_per_minute=3).test_client()
    codes = [client.get("/api/jobs", headers=bearer(f"guess-{k}")).status_code for k in range(5)]
    assert codes == [401, 401, 401, 429, 429]
    assert client.get("/api/jobs", headers=bearer("operator-key")).status_code == 429
    elsewhere = {"REMOTE_ADDR": "10.0.0.9"}
    assert client.get("/api/jobs", headers=bearer("operator-key"), environ_base=elsewhere).status_code == 200  # fmt: skip


def test_best_window_and_the_description_are_open_to_anybody_who_gets_here(
    client: FlaskClient,
) -> None:
    query = "region=london&duration_hours=2&ready_by=2026-11-22T09:00:00Z"
    assert client.get(f"/api/best-window?{query}").status_code == 200
    assert client.get("/api/openapi.json").status_code == 200
    assert client.get("/health").status_code == 200
    assert client.get("/ready").status_code == 200


ROLES: list[tuple[str, str, Any, dict[str, int]]] = [
    ("GET", "/api/jobs", None, {"submitter": 200, "operator": 200, "auditor": 200}),
    ("GET", "/api/logs", None, {"submitter": 200, "operator": 200, "auditor": 200}),
    ("POST", "/api/jobs", JOB, {"submitter": 201, "operator": 201, "auditor": 403}),
    ("POST", "/api/assets", ASSET, {"submitter": 403, "operator": 201, "auditor": 403}),
    ("PATCH", "/api/assets/alder", {"pue": 1.1}, {"submitter": 403, "operator": 200, "auditor": 403}),
    ("DELETE", "/api/assets/birch", None, {"submitter": 403, "operator": 204, "auditor": 403}),
    ("POST", "/api/schedule-all", None, {"submitter": 403, "operator": 200, "auditor": 403}),
    ("POST", "/api/jobs/scheduled-job/schedule", None, {"submitter": 200, "operator": 200, "auditor": 403}),
    ("POST", "/api/jobs/scheduled-job/hold", None, {"submitter": 200, "operator": 200, "auditor": 403}),
    ("DELETE", "/api/jobs/scheduled-job", None, {"submitter": 200, "operator": 200, "auditor": 403}),
]  # fmt: skip


@pytest.mark.parametrize("role", ["submitter", "operator", "auditor"])
@pytest.mark.parametrize(("method", "path", "body", "expected"), ROLES)
def test_a_role_may_do_what_it_says(
    client: FlaskClient, method: str, path: str, body: Any, expected: dict[str, int], role: str
) -> None:
    answer = client.open(path, method=method, json=body, headers=bearer(f"{role}-key"))
    assert answer.status_code == expected[role], answer.text
    if answer.status_code == 403:
        assert role in answer.json["detail"]


def test_another_owners_job_does_not_exist(client: FlaskClient) -> None:
    assert client.get("/api/jobs/scheduled-job", headers=bearer("stranger-key")).status_code == 404
    assert client.get("/api/jobs", headers=bearer("stranger-key")).json["items"] == []


# --- sessions --------------------------------------------------------------------------------------


def test_signing_in_makes_a_session_and_signing_out_ends_it(client: FlaskClient) -> None:
    token = signed_in(client)
    assert client.get("/who").text == "ada by session"
    assert client.post("/sign-out", data={"csrf_token": token}).status_code == 200
    assert client.get("/who").status_code == 401


def test_the_cookie_is_kept_from_scripts_and_does_not_show_the_key(client: FlaskClient) -> None:
    signed_in(client)
    cookie = client.get_cookie("halfhour_session")
    assert cookie is not None
    assert cookie.http_only
    assert cookie.same_site == "Lax"
    assert "operator-key" not in cookie.value


def test_over_tls_the_cookie_is_secure(keyed: FakeServices) -> None:
    app = bare_app(keyed, https=True)
    assert app.config["SESSION_COOKIE_SECURE"] is True


def test_a_session_ends_with_its_key(client: FlaskClient, keyed: FakeServices) -> None:
    signed_in(client)
    keyed.revoke_key("key-2")
    assert client.get("/who").status_code == 401


def test_a_session_ends_by_time(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in(client)
    later = time.time() + 13 * 3600
    monkeypatch.setattr("web.auth.time.time", lambda: later)
    assert client.get("/who").status_code == 401


def test_a_forged_cookie_is_nobody(client: FlaskClient) -> None:
    client.set_cookie("halfhour_session", "eyJhIjoxfQ.aaaa.bbbb")
    assert client.get("/who").status_code == 401


def test_a_wrong_key_does_not_sign_in(client: FlaskClient) -> None:
    token = client.get("/form").text
    assert client.post("/sign-in", data={"key": "wrong", "csrf_token": token}).status_code == 401
    assert client.get("/who").status_code == 401


def test_signing_in_changes_the_token(client: FlaskClient) -> None:
    before = client.get("/form").text
    assert signed_in(client) != before


# --- the token in forms ----------------------------------------------------------------------------


def test_a_form_without_its_token_does_nothing(client: FlaskClient) -> None:
    client.get("/form")
    for data in ({"key": "operator-key"}, {"key": "operator-key", "csrf_token": "wrong"}):
        answer = client.post("/sign-in", data=data)
        assert answer.status_code == 403
        assert "expired" in answer.json["detail"]


def test_a_session_must_send_its_token_to_the_api_too(client: FlaskClient) -> None:
    token = signed_in(client)
    assert client.post("/api/schedule-all").status_code == 403
    assert client.post("/api/schedule-all", headers={"X-CSRF-Token": token}).status_code == 200
    assert client.get("/api/jobs").status_code == 200


def with_a_button(services: Services, settings: WebSettings) -> Flask:
    app = create_bare(services, settings)

    @app.post("/do")
    def do() -> str:
        return "done"

    @app.get("/token")
    def token() -> str:
        return csrf_token()

    return app


def test_in_the_open_mode_forms_need_the_token_and_the_api_does_not() -> None:
    client = app_of(with_a_button, filled()).test_client()
    assert client.post("/do").status_code == 403
    given = client.get("/token").text
    assert client.post("/do", data={"csrf_token": given}).text == "done"
    assert client.post("/api/schedule-all").status_code == 200


def test_the_open_mode_is_the_local_operator() -> None:
    assert Caller("local", Role.OPERATOR, None) == auth.OPEN_CALLER
