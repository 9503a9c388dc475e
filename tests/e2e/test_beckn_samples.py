"""Every official sample, sent over HTTP by a registered peer: accepted and answered in its own dialect."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.test_beckn_journeys import SCHEMAS
from tests.support import beckn_schemas
from tests.support.beckn_nodes import Member, Peer, eventually, running, write_registry
from tests.support.exchange_table import ExchangeTable
from tests.support.shared import shared_path

pytestmark = pytest.mark.e2e


@pytest.fixture
def net(tmp_path: Path) -> Iterator[tuple[Member, Peer]]:
    node, peer = Member("flex.example"), Peer(Member("peer.example"))
    registry = tmp_path / "registry.json"
    write_registry(registry, node, peer.member)
    with running(tmp_path / "app", node, registry):
        peer.start()
        yield node, peer
        peer.stop()


def addressed(sample: dict[str, Any], node: Member, peer: Peer) -> dict[str, Any]:
    """Return a sample as this peer would send it now: only names, addresses, ids and times are changed."""
    context = dict(sample["context"])
    camel = "messageId" in context

    def put(snake: str, value: str) -> None:
        head, *rest = snake.split("_")
        context[head + "".join(p.capitalize() for p in rest) if camel else snake] = value

    put("bap_id", peer.member.name)
    put("bap_uri", peer.member.url)
    if context["action"] not in {"discover", "search"}:
        put("bpp_id", node.name)
        put("bpp_uri", node.url)
    put("transaction_id", str(uuid4()))
    put("message_id", str(uuid4()))
    if camel:
        context.pop("networkId", None)
    context["timestamp"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**sample, "context": context}


def is_accepted(body: dict[str, Any]) -> bool:
    message = body["message"]
    return "ACK" in {message.get("status"), (message.get("ack") or {}).get("status")}


def test_every_official_request_is_accepted_and_answered_in_its_dialect(
    net: tuple[Member, Peer], exchanges: ExchangeTable
) -> None:
    node, peer = net
    expected = {}
    for path in sorted(shared_path("beckn/samples").rglob("*.json")):
        sample = json.loads(path.read_text(encoding="utf-8"))
        action = sample["context"]["action"]
        if action.startswith(("on_", "catalog/")):
            continue
        message = addressed(sample, node, peer)
        answer = peer.post(node, message)
        assert (answer.status, is_accepted(json.loads(answer.body))) == (200, True), path
        context = message["context"]
        ident = context.get("messageId") or context["message_id"]
        expected[ident] = (f"on_{action}", "messageId" in context, context["version"], path.name)
    # 5 + 6 of the current line, 8 + 4 of rc1 and 6 + 10 of version 1: a folder that went missing would tell here.
    assert len(expected) == 39

    def answers() -> dict[str, dict[str, Any]]:
        found = {}
        for _, body, _, _ in list(peer.got):
            context = body["context"]
            found[context.get("messageId") or context["message_id"]] = body
        return found

    eventually(lambda: set(expected) <= set(answers()), 60)
    counts: Counter[str] = Counter()
    for ident, (action, camel, version, name) in expected.items():
        body = answers()[ident]
        context = body["context"]
        assert context["action"] == action, name
        assert ("messageId" in context) is camel, name
        assert context["version"] == version, name
        dialect = "lts" if camel else "v1" if version.startswith("1.") else "rc1"
        assert beckn_schemas.problems(SCHEMAS[dialect], action, body) == [], name
        counts[dialect] += 1
    for dialect, count in counts.items():
        exchanges.samples.append((dialect, str(count), str(count), str(count)))
