"""The signed webhook: what is sent, how it is signed, and what its answers mean."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
import requests
import responses

from api_clients.signed_post import SignedPost
from executors.webhook import WebhookExecutor
from models.domain.errors import ExecutorFailed
from models.domain.execution import WorkOrder
from models.domain.signature import signature
from models.domain.workload import read_workload

URL = "https://runner.example.org/hook"
SECRET = "0123456789abcdef"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_webhook() -> WebhookExecutor:
    times = (1.0, 1.0)
    return WebhookExecutor(
        SignedPost("webhook", URL, SECRET, requests.Session(), times, system_now=lambda: NOON)
    )


def an_order() -> WorkOrder:
    work = read_workload(
        {
            "command": ["run"],
            "env": {"A": "1", "TOKEN": {"from_env": "HUB"}},
            "resources": {"gpus": 2},
        }
    )
    return WorkOrder("ab12", "job-a", "local", work, NOON, HOUR, 2 * HOUR)


@responses.activate
def test_work_is_sent_signed_with_references_in_place_of_secrets() -> None:
    responses.post(URL, json={"external_id": "run-7"})
    assert a_webhook().hand_over(an_order()) == "run-7"
    request = responses.calls[0].request
    body = request.body
    assert isinstance(body, bytes)
    said = json.loads(body)
    assert (said["event"], said["run_id"], said["begin"]) == (
        "hand_over", "ab12", "2026-11-21T12:00:00Z",
    )  # fmt: skip
    assert said["workload"]["env"] == {"A": "1", "TOKEN": {"from_env": "HUB"}}
    assert said["workload"]["resources"] == {"gpus": 2}
    # 2026-11-21T12:00:00Z is 1795262400 s after 1970.
    text = b"1795262400." + body
    digest = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
    assert request.headers["Halfhour-Signature"] == f"t=1795262400,v1={digest}"


def test_a_signature_depends_on_body_time_and_secret() -> None:
    plain = signature("s" * 16, 1, b"x")
    others = {
        signature("t" * 16, 1, b"x"),
        signature("s" * 16, 2, b"x"),
        signature("s" * 16, 1, b"y"),
    }
    assert plain not in others
    assert len(others) == 3


@responses.activate
def test_a_message_that_is_sent_again_has_the_same_key_and_another_message_another() -> None:
    responses.post(URL, json={})
    hook = a_webhook()
    assert hook.hand_over(an_order()) == "ab12"
    hook.hand_over(an_order())
    hook.move("ab12", NOON + HOUR)
    hook.cancel("ab12", only_waiting=True)
    keys = [call.request.headers["Idempotency-Key"] for call in responses.calls]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("status", "is_final"), [(400, True), (401, True), (302, False), (429, False), (500, False), (503, False)]
)  # fmt: skip
@responses.activate
def test_a_refusal_is_final_and_a_fault_of_the_receiver_is_not(status: int, is_final: bool) -> None:
    responses.post(URL, status=status, headers={"Location": "https://elsewhere.example.org"})
    with pytest.raises(ExecutorFailed) as caught:
        a_webhook().hand_over(an_order())
    assert caught.value.is_final is is_final
    assert len(responses.calls) == 1, "redirects are not followed"


@responses.activate
def test_silence_may_have_had_an_effect() -> None:
    responses.post(URL, body=requests.ConnectionError("no"))
    with pytest.raises(ExecutorFailed) as caught:
        a_webhook().hand_over(an_order())
    assert caught.value.may_have_acted
    assert SECRET not in str(caught.value)


@responses.activate
def test_an_odd_answer_is_taken_as_heard_under_our_own_id() -> None:
    for text in ("ok", "[]", '{"external_id": 7}', '{"external_id": "a\\nb"}'):
        responses.reset()
        responses.post(URL, body=text)
        assert a_webhook().hand_over(an_order()) == "ab12"


@responses.activate
def test_a_run_that_is_moved_there_and_back_again_is_told_every_time() -> None:
    responses.post(URL, json={})
    hook = a_webhook()
    for begin in (NOON, NOON + HOUR, NOON):
        hook.move("ab12", begin)
    keys = {call.request.headers["Idempotency-Key"] for call in responses.calls}
    assert len(keys) == 3, "a receiver that acts on a key once must not miss the way back"
