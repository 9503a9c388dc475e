"""What stands before every handler and on every answer."""

from __future__ import annotations

import io
import logging

import pytest
from flask.testing import FlaskClient

from tests.support.edge import KEYS, bearer, client_of
from tests.support.fake_services import FakeServices, filled
from web.security import CONTENT_SECURITY_POLICY


def test_every_answer_carries_the_strict_policy_and_its_companions(client: FlaskClient) -> None:
    for path in ("/api/jobs", "/health", "/api/nothing"):
        headers = client.get(path).headers
        assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert "Strict-Transport-Security" not in headers


def test_the_policy_is_the_one_of_the_house() -> None:
    assert CONTENT_SECURITY_POLICY == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def test_hsts_is_sent_only_over_tls(services: FakeServices) -> None:
    headers = client_of(services, https=True).get("/health").headers
    assert headers["Strict-Transport-Security"] == "max-age=31536000"


def test_private_answers_are_not_stored_unasked(client: FlaskClient) -> None:
    assert client.post("/api/schedule-all").headers["Cache-Control"] == "no-store"
    assert client.get("/api/jobs").headers["Cache-Control"] == "private, no-cache"


def test_a_request_keeps_a_sound_id_and_gets_one_otherwise(client: FlaskClient) -> None:
    assert (
        client.get("/health", headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    )
    for bad in ("two words", "x" * 65, "a\tb", ""):
        given = client.get("/health", headers={"X-Request-Id": bad}).headers["X-Request-Id"]
        assert given != bad
        assert len(given) == 32


# --- without keys: this machine only ---------------------------------------------------------------


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_without_keys_this_machine_is_served(client: FlaskClient, peer: str) -> None:
    assert client.get("/api/jobs", environ_base={"REMOTE_ADDR": peer}).status_code == 200


@pytest.mark.parametrize("peer", ["10.0.0.5", "192.168.1.9", "2001:db8::1", "", "::ffff:10.0.0.5"])
def test_without_keys_any_other_peer_gets_403_with_the_cure(client: FlaskClient, peer: str) -> None:
    for path in ("/api/jobs", "/api/best-window", "/ready", "/"):
        answer = client.get(path, environ_base={"REMOTE_ADDR": peer})
        assert answer.status_code == 403
        assert "flask keys create" in answer.json["detail"]


def test_a_request_that_a_proxy_passed_on_is_not_from_this_machine(client: FlaskClient) -> None:
    for header in ("X-Forwarded-For", "Forwarded"):
        assert client.get("/api/jobs", headers={header: "10.0.0.5"}).status_code == 403


def test_a_trusted_proxy_is_believed(services: FakeServices) -> None:
    client = client_of(services, trusted_proxies=1)
    said = {"X-Forwarded-For": "10.0.0.5"}
    assert client.get("/api/jobs", headers=said).status_code == 403
    services.secrets.update(KEYS)
    assert client.get("/api/assets", headers={**said, **bearer("operator-key")}).status_code == 200


def test_liveness_is_answered_to_every_peer(client: FlaskClient) -> None:
    assert client.get("/health", environ_base={"REMOTE_ADDR": "10.0.0.5"}).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "LOCALHOST", "127.0.0.2"])  # fmt: skip
def test_without_keys_loopback_names_are_answered(client: FlaskClient, host: str) -> None:
    assert client.get("/api/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:5000", "localhost.evil.example", "10.0.0.5"])  # fmt: skip
def test_a_foreign_name_rebound_to_this_address_gets_nowhere(
    client: FlaskClient, host: str
) -> None:
    answer = client.get("/api/jobs", headers={"Host": host})
    assert answer.status_code == 403
    assert "localhost" in answer.json["detail"]


def test_with_keys_any_name_is_answered_unless_names_are_set() -> None:
    services = filled(keys=KEYS, owner="ada")
    headers = {"Host": "plan.example", **bearer("operator-key")}
    assert client_of(services).get("/api/jobs", headers=headers).status_code == 200
    strict = client_of(services, allowed_hosts=("other.example",))
    assert strict.get("/api/jobs", headers=headers).status_code == 403
    assert strict.get("/api/jobs", headers={**headers, "Host": "other.example"}).status_code == 200


# --- other sites -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "https://localhost"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_cannot_post_to_loopback(
    client: FlaskClient, services: FakeServices, headers: dict[str, str]
) -> None:
    before = len(services.negotiations_made)
    answer = client.post("/api/schedule-all", headers=headers)
    assert answer.status_code == 403
    assert "another site" in answer.json["detail"]
    assert len(services.negotiations_made) == before


def test_our_own_page_and_programs_may_post(client: FlaskClient) -> None:
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/api/schedule-all", headers=own).status_code == 200
    assert client.post("/api/schedule-all").status_code == 200


def test_a_request_with_a_key_needs_no_origin() -> None:
    client = client_of(filled(keys=KEYS, owner="ada"))
    headers = {**bearer("operator-key"), "Origin": "https://notebook.example"}
    assert client.post("/api/schedule-all", headers=headers).status_code == 200


# --- size and rate ---------------------------------------------------------------------------------


def test_a_large_body_is_read_to_its_end_and_refused_with_413(services: FakeServices) -> None:
    client = client_of(services, max_body_bytes=1024)
    body = io.BytesIO(b"x" * 300_000)
    answer = client.post(
        "/api/jobs", input_stream=body, headers={"Content-Length": "300000"}, content_type="application/json"
    )  # fmt: skip
    assert answer.status_code == 413
    assert answer.json["detail"] == "the body is larger than 1,024 bytes; send less at once"
    assert body.tell() == 300_000


def test_no_more_of_a_refused_body_is_read_than_said(services: FakeServices) -> None:
    client = client_of(services, max_body_bytes=1024, drain_bytes=100_000)
    body = io.BytesIO(b"x" * 300_000)
    answer = client.post("/api/jobs", input_stream=body, headers={"Content-Length": "300000"})
    assert answer.status_code == 413
    assert body.tell() == 100_000


def test_a_large_body_without_a_length_is_refused_too(services: FakeServices) -> None:
    client = client_of(services, max_body_bytes=1024)
    answer = client.post(
        "/api/jobs",
        input_stream=io.BytesIO(b"x" * 50_000),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert answer.status_code == 413


def test_too_many_requests_are_answered_429_with_a_time(services: FakeServices) -> None:
    client = client_of(services, rate_limit_per_minute=2)
    assert [client.get("/api/jobs").status_code for _ in range(3)] == [200, 200, 429]
    refused = client.get("/api/jobs")
    assert refused.headers["Retry-After"] == "30"
    assert refused.json["title"] == "Too many requests"
    assert client.get("/health").status_code == 200


def test_each_key_has_its_own_allowance() -> None:
    client = client_of(filled(keys=KEYS, owner="ada"), rate_limit_per_minute=1)
    assert client.get("/api/jobs", headers=bearer("operator-key")).status_code == 200
    assert client.get("/api/jobs", headers=bearer("operator-key")).status_code == 429
    assert client.get("/api/jobs", headers=bearer("stranger-key")).status_code == 200


def test_our_own_mistake_is_a_500_that_names_the_request_and_hides_the_rest(
    client: FlaskClient, services: FakeServices, caplog: pytest.LogCaptureFixture
) -> None:
    services.fail_with = RuntimeError("secret detail")
    with caplog.at_level(logging.ERROR):
        answer = client.get("/api/statistics", headers={"X-Request-Id": "find-me"})
    assert answer.status_code == 500
    assert answer.mimetype == "application/problem+json"
    assert "find-me" in answer.json["detail"]
    assert "secret detail" not in answer.text
    assert "find-me" in caplog.text
    assert "secret detail" in caplog.text
