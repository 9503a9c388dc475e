"""The shared HTTP client: retries, limits, freshness on the planning clock, what is kept and what is not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from responses.matchers import header_matcher

from api_clients.http import HttpClient, Limits
from api_clients.limits import Rate
from models.domain.errors import (
    SourceMalformed,
    SourceRejected,
    SourceTimeout,
    SourceUnavailable,
)
from models.domain.signal import Quality
from tests.support.fakes import FixedClock

BASE = "https://grid.example"
URL = f"{BASE}/now"
NOW = datetime(2023, 3, 20, 10, tzinfo=UTC)
SYSTEM_NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


class Time:
    """Monotonic time that only sleeping moves."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW, is_shifted=True)


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as active:
        yield active


def client(tmp_path: Path, clock: FixedClock, time: Time, **options: Any) -> HttpClient:
    defaults: dict[str, Any] = {
        "limits": Limits(max_retries=2, failures_to_open=3, cool_down_seconds=60.0),
        "rates": {"grid.example": Rate(1000.0, 1000)},
        "sleep": time.sleep,
        "monotonic": time,
        "system_now": lambda: SYSTEM_NOW,
        "uniform": lambda low, high: high,
    }
    return HttpClient(tmp_path, clock, "Halfhour/0.1 (+mail)", 3.0, 15.0, **(defaults | options))


def has_value(body: Any) -> int:
    if not isinstance(body, dict) or "value" not in body:
        raise SourceMalformed("no value in the body")
    return int(body["value"])


def ask(http: HttpClient, ttl: timedelta = timedelta(minutes=25), url: str = URL) -> Any:
    return http.get_json(url, service=BASE, source="Grid", check=has_value, ttl=ttl)


def test_the_client_says_who_it_is_and_what_it_wants(tmp_path, clock, time, mock) -> None:
    wanted = {"User-Agent": "Halfhour/0.1 (+mail)", "Accept": "application/json"}
    mock.get(URL, json={"value": 7}, match=[header_matcher(wanted)])
    answer = ask(client(tmp_path, clock, time))
    assert (answer.value, answer.quality, answer.fetched_at) == (7, Quality.LIVE, NOW)


def test_an_answer_is_fresh_for_its_ttl_of_planning_time(tmp_path, clock, time, mock) -> None:
    mock.get(URL, json={"value": 1})
    http = client(tmp_path, clock, time)
    ask(http)
    clock.instant = NOW + timedelta(minutes=24, seconds=59)
    kept = ask(http)
    assert (kept.quality, kept.fetched_at) == (Quality.CACHED, NOW)
    clock.instant = NOW + timedelta(minutes=25)
    assert ask(http).quality is Quality.LIVE
    assert len(mock.calls) == 2


def test_an_answer_from_the_future_of_a_clock_set_back_is_not_fresh(
    tmp_path, clock, time, mock
) -> None:
    mock.get(URL, json={"value": 1})
    http = client(tmp_path, clock, time)
    ask(http)
    clock.instant = NOW - timedelta(seconds=1)
    assert ask(http).quality is Quality.LIVE


def test_another_process_finds_the_answer_on_disk(tmp_path, clock, time, mock) -> None:
    mock.get(URL, json={"value": 5})
    first = client(tmp_path, clock, time)
    ask(first)
    first.close()
    again = ask(client(tmp_path, clock, time))
    assert (again.value, again.quality) == (5, Quality.CACHED)
    assert len(mock.calls) == 1


def test_the_ttl_may_depend_on_what_the_answer_says(tmp_path, clock, time, mock) -> None:
    mock.get(URL, json={"value": 2})
    http = client(tmp_path, clock, time)
    clock_minutes = {1: 0, 2: 0}

    def ttl(value: int) -> timedelta:
        clock_minutes[value] += 1
        return timedelta(minutes=10 * value)

    for minute in (0, 19, 20):
        clock.instant = NOW + timedelta(minutes=minute)
        http.get_json(URL, service=BASE, source="Grid", check=has_value, ttl=ttl)
    # Fresh for 20 minutes: asked at 0 and 20, kept at 19.
    assert len(mock.calls) == 2


@pytest.mark.parametrize("body", ["{}", "[]", '{"data":[]}', "<html>down</html>", ""])
def test_a_200_with_a_bad_body_is_a_fault_and_the_last_good_body_stays(
    tmp_path, clock, time, mock, body
) -> None:
    mock.get(URL, json={"value": 9})
    http = client(tmp_path, clock, time)
    ask(http)
    mock.replace(responses.GET, URL, body=body)
    clock.instant = NOW + timedelta(hours=1)
    with pytest.raises(SourceMalformed) as caught:
        ask(http)
    assert caught.value.source == "Grid"
    last = http.last_good(URL, has_value)
    assert last is not None
    assert (last.value, last.fetched_at) == (9, NOW)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_fault_is_retried_with_growing_jitter(
    tmp_path, clock, time, mock, status
) -> None:
    mock.get(URL, status=status)
    mock.get(URL, status=status)
    mock.get(URL, json={"value": 3})
    assert ask(client(tmp_path, clock, time)).value == 3
    # Full jitter at its most: 0.5 s doubled each time.
    assert time.waits == [0.5, 1.0]


def test_jitter_is_drawn_from_nothing_to_the_cap(tmp_path, clock, time, mock) -> None:
    asked = []
    mock.get(URL, status=500)
    limits = Limits(max_retries=3, backoff_base_seconds=8.0, backoff_cap_seconds=20.0)
    http = client(
        tmp_path,
        clock,
        time,
        limits=limits,
        uniform=lambda low, high: asked.append((low, high)) or 0.0,
    )
    with pytest.raises(SourceUnavailable):
        ask(http)
    # The fourth failure ends it: no draw for a retry that will not come is used, but three waits are taken.
    assert asked[:3] == [(0.0, 8.0), (0.0, 16.0), (0.0, 20.0)]
    assert len(time.waits) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 301])
def test_other_refusals_are_final_and_quote_the_provider(
    tmp_path, clock, time, mock, status
) -> None:
    mock.get(
        URL, status=status, json={"error": {"code": "x", "message": "Please enter a valid path"}}
    )
    with pytest.raises(SourceRejected, match="Please enter a valid path"):
        ask(client(tmp_path, clock, time))
    assert len(mock.calls) == 1


def test_retry_after_is_waited_for(tmp_path, clock, time, mock) -> None:
    mock.get(URL, status=429, headers={"Retry-After": "7"})
    mock.get(URL, json={"value": 3})
    ask(client(tmp_path, clock, time))
    assert time.waits == [7.0]


def test_a_retry_after_beyond_the_cap_ends_the_attempt_and_is_passed_on(
    tmp_path, clock, time, mock
) -> None:
    mock.get(URL, status=503, headers={"Retry-After": "3600"})
    with pytest.raises(SourceUnavailable) as caught:
        ask(client(tmp_path, clock, time))
    assert caught.value.retry_after_seconds == 3600
    assert time.waits == []


@pytest.mark.parametrize(
    ("thrown", "expected"),
    [
        (requests.ConnectTimeout("slow"), SourceTimeout),
        (requests.ReadTimeout("slow"), SourceTimeout),
        (requests.ConnectionError("HTTPSConnectionPool: Read timed out."), SourceTimeout),
        (requests.ConnectionError("refused"), SourceUnavailable),
        (requests.exceptions.ChunkedEncodingError("cut"), SourceUnavailable),
    ],
)
def test_library_errors_become_ours_after_the_retries(
    tmp_path, clock, time, mock, thrown, expected
) -> None:
    mock.get(URL, body=thrown)
    with pytest.raises(expected) as caught:
        ask(client(tmp_path, clock, time))
    assert type(caught.value) is expected
    assert len(mock.calls) == 3


def test_the_circuit_opens_turns_requests_away_and_lets_one_through_later(
    tmp_path, clock, time, mock
) -> None:
    mock.get(URL, status=500)
    http = client(tmp_path, clock, time)
    for _ in range(3):
        with pytest.raises(SourceUnavailable):
            ask(http)
    sent = len(mock.calls)
    with pytest.raises(SourceRejected) as caught:
        ask(http)
    assert caught.value.retry_after_seconds == 60
    assert len(mock.calls) == sent
    time.seconds += 60.0
    mock.replace(responses.GET, URL, json={"value": 4})
    assert ask(http).value == 4


def test_an_open_circuit_of_one_service_leaves_another_alone(tmp_path, clock, time, mock) -> None:
    mock.get(URL, status=500)
    mock.get("https://grid.example/other/x", json={"value": 4})
    http = client(tmp_path, clock, time)
    for _ in range(3):
        with pytest.raises(SourceUnavailable):
            ask(http)
    other = http.get_json(
        "https://grid.example/other/x",
        service="https://grid.example/other",
        source="Other",
        check=has_value,
        ttl=timedelta(0),
    )
    assert other.value == 4


def test_a_fresh_answer_is_served_while_the_circuit_is_open(tmp_path, clock, time, mock) -> None:
    mock.get(URL, json={"value": 1})
    mock.get(f"{BASE}/broken", status=500)
    http = client(tmp_path, clock, time)
    ask(http)
    for _ in range(3):
        with pytest.raises(SourceUnavailable):
            ask(http, url=f"{BASE}/broken")
    assert ask(http).quality is Quality.CACHED


def test_requests_to_one_host_are_spaced_by_its_rate(tmp_path, clock, time, mock) -> None:
    mock.get(URL, json={"value": 1})
    http = client(tmp_path, clock, time, rates={"grid.example": Rate(0.5, 1)})
    for _ in range(3):
        ask(http, ttl=timedelta(0))
    assert time.waits == pytest.approx([2.0, 2.0])


def test_loopback_is_not_limited(tmp_path, clock, time, mock) -> None:
    url = "http://127.0.0.1:8100/carbon/intensity"
    mock.get(url, json={"value": 1})
    http = client(tmp_path, clock, time, rates={})
    for _ in range(5):
        http.get_json(
            url,
            service="http://127.0.0.1:8100/carbon",
            source="G",
            check=has_value,
            ttl=timedelta(0),
        )
    assert time.waits == []


def test_a_body_above_the_limit_is_refused_before_it_is_read_whole(
    tmp_path, clock, time, mock
) -> None:
    mock.get(URL, body=b'{"value": 1, "pad": "' + b"x" * 200_000 + b'"}')
    limits = Limits(max_body_bytes=100_000)
    with pytest.raises(SourceMalformed, match="more than 100000 bytes"):
        ask(client(tmp_path, clock, time, limits=limits))


def test_every_answer_is_archived_with_both_times_good_or_not(tmp_path, clock, time, mock) -> None:
    mock.get(URL, json={"value": 1})
    http = client(tmp_path, clock, time)
    ask(http)
    mock.replace(responses.GET, URL, body="{}")
    with pytest.raises(SourceMalformed):
        ask(http, ttl=timedelta(0))
    with gzip.open(tmp_path / "archive" / "2026-11-21.jsonl.gz", "rt", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    assert [line["is_good"] for line in lines] == [True, False]
    assert json.loads(lines[0]["body"]) == {"value": 1}
    assert lines[0]["fetched_at"] == "2023-03-20T10:00:00Z"
    assert lines[0]["received_at"] == "2026-11-21T09:30:00Z"


def test_archives_older_than_the_retention_are_dropped(tmp_path, clock, time, mock) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    # 30 days before 21 November is 22 October: that file stays, the one before goes.
    for day in ("2026-10-21", "2026-10-22"):
        (folder / f"{day}.jsonl.gz").write_bytes(b"")
    mock.get(URL, json={"value": 1})
    ask(client(tmp_path, clock, time, archive_retention_days=30))
    assert sorted(p.name for p in folder.iterdir()) == [
        "2026-10-22.jsonl.gz",
        "2026-11-21.jsonl.gz",
    ]


def test_no_archive_is_written_where_retention_is_none(tmp_path, clock, time, mock) -> None:
    mock.get(URL, json={"value": 1})
    ask(client(tmp_path, clock, time, archive_retention_days=0))
    assert not (tmp_path / "archive").exists()


def test_notes_survive_and_a_broken_one_is_ignored(tmp_path, clock, time) -> None:
    http = client(tmp_path, clock, time)
    http.notes.write("product", {"code": "AGILE-1"})
    assert client(tmp_path, clock, time).notes.read("product") == {"code": "AGILE-1"}
    (note,) = (tmp_path / "notes").iterdir()
    note.write_text("{broken")
    assert http.notes.read("product") is None
