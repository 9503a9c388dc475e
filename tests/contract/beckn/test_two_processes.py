"""Two web processes on one database: one journal, one outbox, one allowance for each sender."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from models.domain.peers import PeerAnswer
from tests.support.beckn_desk import Desk, Market, Party, code_of, context, desk, post, settle
from tests.support.world import with_cluster


@pytest.fixture
def processes(market: Market) -> tuple[Desk, Desk]:
    with_cluster(market.sold)
    other = desk(market.sold, market.seller_party, market.lane, market.members)
    return market.seller, other


def discovery(market: Market, sender: Party, **changes: Any) -> dict[str, Any]:
    head = context(market.sold, "discover", sender, market.seller_party, **changes)
    return {"context": head, "message": {"intent": {}}}


def ack(_url: str, body: bytes) -> PeerAnswer:
    ident = json.loads(body)["context"]["messageId"]
    said = {"message": {"status": "ACK", "messageId": ident}}
    return PeerAnswer(200, json.dumps(said).encode())


def called_back(market: Market) -> Counter[str]:
    sent = [body["context"] for url, body in market.lane.sent if url.endswith("/on_discover")]
    return Counter(str(head["messageId"]) for head in sent)


def test_what_one_process_took_is_known_to_the_other(
    market: Market, processes: tuple[Desk, Desk]
) -> None:
    one, other = processes
    market.lane.meddle = ack
    body = discovery(market, market.peer)
    first = post(market.sold, one, market.peer, "discover", body)
    again = post(market.sold, other, market.peer, "discover", body)
    assert (first.status, again.status) == (200, 200)
    assert first.body == again.body
    changed = {**body, "message": {"intent": {"textSearch": "turn down"}}}
    refused = post(market.sold, other, market.peer, "discover", changed)
    assert (refused.status, code_of(refused)) == (400, "CTX_MESSAGE_ID_DUPLICATE")
    settle(one, other)
    assert called_back(market) == {body["context"]["messageId"]: 1}


def test_processes_that_drain_one_outbox_at_the_same_time_send_nothing_twice(
    market: Market, processes: tuple[Desk, Desk]
) -> None:
    one, other = processes
    done_meanwhile: list[int] = []

    def ack_while_the_other_drains(url: str, body: bytes) -> PeerAnswer:
        market.lane.meddle = ack
        done_meanwhile.append(other.drain(7))
        return ack(url, body)

    wanted = []
    for k in range(20):
        body = discovery(market, market.peer)
        wanted.append(body["context"]["messageId"])
        taken = post(market.sold, processes[k % 2], market.peer, "discover", body)
        assert taken.status == 200
    market.lane.meddle = ack_while_the_other_drains
    assert one.drain(7) == 7
    assert done_meanwhile == [7]
    settle(*processes)
    assert called_back(market) == dict.fromkeys(wanted, 1)
