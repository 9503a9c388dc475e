"""Registries: a file, a lookup service, a directory, and the memory in front of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from beckn.faults import Refused
from beckn.registry import (
    FRESH_SECONDS,
    CachedRegistry,
    DediRegistry,
    FileRegistry,
    LookupRegistry,
    Record,
)
from models.domain.errors import SourceMalformed, SourceUnavailable
from models.domain.peers import PeerAnswer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ROW = {
    "subscriber_id": "grid.example",
    "url": "https://grid.example/beckn/",
    "type": "BPP",
    "key_id": "k1",
    "signing_public_key": "AAAA",
    "valid_from": "2026-01-01T00:00:00Z",
    "valid_until": "2027-01-01T00:00:00Z",
    "status": "SUBSCRIBED",
    "network_ids": ["example.org/gb"],
}


class Recorded:
    """A transport that answers from a table and remembers what it was asked."""

    def __init__(self, answer: PeerAnswer) -> None:
        self.answer = answer
        self.asked: list[tuple[str, bytes]] = []

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> PeerAnswer:
        del headers
        self.asked.append((url, body))
        return self.answer

    def get(self, url: str, headers: Mapping[str, str]) -> PeerAnswer:
        del headers
        self.asked.append((url, b""))
        return self.answer


def written(folder: Path, rows: object) -> Path:
    path = folder / "registry.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    registry = FileRegistry(written(tmp_path, [ROW]))
    (found,) = registry.keys("grid.example", "k1")
    assert (found.url, found.network_ids) == ("https://grid.example/beckn", ("example.org/gb",))
    assert registry.keys("grid.example", "k2") == ()
    written(tmp_path, [ROW, {**ROW, "key_id": "k2"}, {**ROW, "subscriber_id": "b", "type": "BAP"}])
    assert len(registry.keys("grid.example", "k2")) == 1
    assert [one.subscriber_id for one in registry.participants("BAP")] == ["b"]


def test_a_file_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable):
        FileRegistry(tmp_path / "none.json").participants("BPP")
    bad = {key: value for key, value in ROW.items() if key != "signing_public_key"}
    registry = FileRegistry(written(tmp_path, [bad]))
    with pytest.raises(SourceMalformed, match="signing_public_key"):
        registry.participants("BPP")


def test_a_lookup_asks_by_subscriber_and_key_and_trusts_only_what_was_asked_for() -> None:
    other = {**ROW, "subscriber_id": "somebody.else"}
    renamed = {**ROW, "unique_key_id": ROW["key_id"]}
    del renamed["key_id"]
    body = json.dumps([other, renamed, {"subscriber_id": "broken"}]).encode()
    transport = Recorded(PeerAnswer(200, body))
    (found,) = LookupRegistry("https://registry.example/", transport).keys("grid.example", "k1")
    assert found.subscriber_id == "grid.example"
    url, sent = transport.asked[0]
    assert url == "https://registry.example/lookup"
    assert json.loads(sent) == {"subscriber_id": "grid.example", "key_id": "k1"}


def test_a_directory_names_subscriber_scope_and_key_in_the_path() -> None:
    details = {key: ROW[key] for key in ("subscriber_id", "url", "type", "signing_public_key")}
    body = {"message": "ok", "data": {"details": details, "network_memberships": ["n/1"]}}
    transport = Recorded(PeerAnswer(200, json.dumps(body).encode()))
    (found,) = DediRegistry("https://dedi.example", "subscribers", transport).keys(
        "grid.example", "k/1"
    )
    assert transport.asked[0][0] == "https://dedi.example/lookup/grid.example/subscribers/k%2F1"
    assert (found.key_id, found.network_ids) == ("k/1", ("n/1",))
    assert found.problem(NOW) is None


def test_a_key_that_a_directory_does_not_have_any_more_is_no_key() -> None:
    for status in (404, 410):
        transport = Recorded(PeerAnswer(status, b""))
        assert DediRegistry("https://d.example", "s", transport).keys("a", "b") == ()


def test_a_failing_registry_is_not_an_absent_key() -> None:
    transport = Recorded(PeerAnswer(500, b""))
    with pytest.raises(SourceUnavailable):
        LookupRegistry("https://r.example", transport).keys("a", "b")


class Counting:
    """A registry that counts its questions."""

    def __init__(self, *records: Record) -> None:
        self.records = records
        self.asked = 0

    def keys(self, subscriber_id: str, key_id: str) -> tuple[Record, ...]:
        self.asked += 1
        return tuple(
            r for r in self.records if (r.subscriber_id, r.key_id) == (subscriber_id, key_id)
        )

    def participants(self, role: str) -> tuple[Record, ...]:
        return tuple(r for r in self.records if r.type == role)


def test_answers_are_kept_for_minutes_and_absent_keys_for_half_of_one() -> None:
    seconds = [0.0]
    inner = Counting(Record("a", "https://a", "BAP", "k", "AAAA"))
    cached = CachedRegistry(inner, lambda: seconds[0])
    for moment, key, asked in [
        (0, "k", 1),
        (299, "k", 1),
        (299, "x", 2),
        (328, "x", 2),
        (330, "x", 3),
    ]:
        seconds[0] = moment
        cached.keys("a", key)
        assert inner.asked == asked
    cached.keys("a", "k", fresh=True)
    assert inner.asked == 4
    cached.keys("a", "k", fresh=True)
    assert inner.asked == 4  # asked just now: a flood of bad signatures is not passed on
    seconds[0] += FRESH_SECONDS
    cached.keys("a", "k", fresh=True)
    assert inner.asked == 5


def test_a_signer_needs_a_live_key_in_the_right_role() -> None:
    old = Record("a", "https://a", "BAP", "old", "AAAA", valid_until=NOW)
    gone = Record("a", "https://a", "BAP", "gone", "AAAA", status="UNSUBSCRIBED")
    live = Record("a", "https://a", "BAP", "live", "AAAA")
    cached = CachedRegistry(Counting(old, gone, live))
    assert cached.signer("a", "live", "BAP", NOW) == live
    for key, role, code in [
        ("old", "BAP", "AUT_KEY_EXPIRED_OR_REVOKED"),
        ("gone", "BAP", "AUT_KEY_EXPIRED_OR_REVOKED"),
        ("none", "BAP", "AUT_KEY_NOT_FOUND"),
        ("live", "BPP", "AUT_UNAUTHORIZED_ACTION"),
    ]:
        with pytest.raises(Refused) as refused:
            cached.signer("a", key, role, NOW)
        assert refused.value.code == code
