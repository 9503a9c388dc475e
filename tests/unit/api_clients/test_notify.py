"""Notices on their way out: what is sent, how it is signed, and what counts as arrived."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import requests
import responses

from api_clients.notify import SOURCE, WebhookNotifier
from api_clients.signed_post import SignedPost
from models.domain.errors import SourceUnavailable
from models.domain.notice import Notice, NoticeKind
from models.domain.signature import signature

URL = "https://chat.example.org/hook"
SECRET = "0123456789abcdef"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOTICE = Notice("ab12", "k", NoticeKind.MOVED, "ada", "job-a", "It moved.", NOON, start=NOON)


def a_notifier() -> WebhookNotifier:
    times = (1.0, 1.0)
    return WebhookNotifier(
        SignedPost(SOURCE, URL, SECRET, requests.Session(), times, system_now=lambda: NOON)
    )


@responses.activate
def test_a_notice_is_sent_signed_and_twice_under_one_key() -> None:
    responses.post(URL, status=204)
    notifier = a_notifier()
    notifier.send(NOTICE)
    notifier.send(NOTICE)
    first, second = (call.request for call in responses.calls)
    assert json.loads(first.body) == {
        "notice_id": "ab12", "kind": "moved", "owner": "ada", "job_id": "job-a", "text": "It moved.",
        "start_time": "2026-11-21T12:00:00Z", "created_at": "2026-11-21T12:00:00Z",
    }  # fmt: skip
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"] == "ab12"
    # 2026-11-21T12:00:00Z is 1795262400 s after 1970.
    assert first.headers["Halfhour-Signature"] == signature(SECRET, 1_795_262_400, first.body)


@pytest.mark.parametrize("status", [302, 400, 404, 500])
@responses.activate
def test_any_other_answer_means_that_it_did_not_arrive(status: int) -> None:
    responses.post(URL, status=status, headers={"Location": "https://elsewhere.example.org"})
    with pytest.raises(SourceUnavailable, match=str(status)):
        a_notifier().send(NOTICE)
    assert len(responses.calls) == 1, "redirects are not followed"


@responses.activate
def test_silence_means_that_it_did_not_arrive_and_tells_no_secret() -> None:
    responses.post(URL, body=requests.ConnectionError("no"))
    with pytest.raises(SourceUnavailable) as caught:
        a_notifier().send(NOTICE)
    assert SECRET not in str(caught.value)
