"""The outbox under failure: what fails takes nothing with it, who is slow holds up nobody else, and nothing is sent too late."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from beckn import keys, signing
from beckn.seller import Seller
from models.domain.errors import SourceTimeout, SourceUnavailable
from models.domain.exchange import Work, WorkKind
from models.domain.peers import PeerAnswer
from services import market_deals
from services.market_windows import catalogue
from tests.support.beckn_desk import Market, Party, context, later, order, post, settle
from tests.support.world import NOON, with_cluster


def discover(market: Market, sender: Party) -> str:
    head = context(market.sold, "discover", sender, market.seller_party)
    body = {"context": head, "message": {"intent": {}}}
    assert post(market.sold, market.seller, sender, "discover", body).status == 200
    return str(head["messageId"])


def another(market: Market, name: str) -> Party:
    party = Party(name)
    market.members.records += party.records()
    return party


def ack(_url: str, body: bytes) -> PeerAnswer:
    ident = json.loads(body)["context"]["messageId"]
    said = {"message": {"status": "ACK", "messageId": ident}}
    return PeerAnswer(200, json.dumps(said).encode())


def nack(code: str, status: int = 400) -> PeerAnswer:
    said = {
        "message": {"status": "NACK", "messageId": "x", "error": {"code": code, "message": "no"}}
    }
    return PeerAnswer(status, json.dumps(said).encode())


def state(market: Market) -> list[tuple[str, int]]:
    from sqlalchemy import text

    with market.sold.context.uow() as uow:
        rows = uow.exchange._tx.rows(text("SELECT state, attempts FROM exchange_work ORDER BY seq"))  # type: ignore[attr-defined]
    return [(row.state, row.attempts) for row in rows]


def test_work_our_own_code_fails_on_takes_no_other_with_it(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cluster(market.sold)
    market.lane.meddle = ack
    idents = [discover(market, market.peer) for _ in range(3)]
    whole = market.seller._seller.callback

    def callback(request: Any) -> bytes:
        if request.message_id == idents[1]:
            raise RuntimeError("a mistake of ours")
        return whole(request)

    monkeypatch.setattr(market.seller._seller, "callback", callback)
    settle(market.seller)
    assert state(market) == [("done", 1), ("waiting", 1), ("done", 1)]
    for _ in range(6):
        later(market.sold, 60)
        settle(market.seller)
    assert state(market)[1] == ("failed", 6)
    assert [body["context"]["messageId"] for _, body in market.lane.sent] == [idents[0], idents[2]]
    assert "our own code failed on it" in market.sold.records("exchange")[0].line


def test_a_silent_peer_holds_up_nobody_else_and_is_left_alone_for_a_while(market: Market) -> None:
    with_cluster(market.sold)
    slow = another(market, "slow.example")
    moment = [0.0]
    market.seller._outbox._monotonic = lambda: moment[0]

    def meddle(url: str, body: bytes) -> PeerAnswer:
        if "slow.example" in url:
            moment[0] += 10.0
            raise SourceTimeout("slow.example did not answer in time", source="slow.example")
        return ack(url, body)

    market.lane.meddle = meddle
    for _ in range(10):
        discover(market, slow)
    wanted = discover(market, market.peer)
    settle(market.seller)
    asked = [url for url, _ in market.lane.sent if "slow.example" in url]
    assert len(asked) == 1
    assert wanted in [body["context"]["messageId"] for _, body in market.lane.sent]
    # It was tried once; the nine behind it have lost no attempt, and go out when it answers again.
    assert sorted(state(market)) == [("done", 1)] + [("waiting", 0)] * 9 + [("waiting", 1)]
    market.lane.meddle = ack
    moment[0] += 60.0
    later(market.sold, 60)
    settle(market.seller)
    assert {one for one, _ in state(market)} == {"done"}


@pytest.mark.parametrize("answer", [nack("NET_OVERLOADED", 429), nack("NET_INTERNAL_ERROR"),
                                    nack("AUT_KEY_NOT_FOUND", 401), nack("SCH_X", 503)])  # fmt: skip
def test_a_passing_refusal_is_tried_again_and_given_up_with_a_record(
    market: Market, answer: PeerAnswer
) -> None:
    with_cluster(market.sold)
    answers = [answer]
    market.lane.meddle = lambda url, body: answers.pop() if answers else ack(url, body)
    discover(market, market.peer)
    settle(market.seller)
    assert state(market) == [("waiting", 1)]
    later(market.sold, 3)
    settle(market.seller)
    assert state(market) == [("done", 2)]
    market.lane.meddle = lambda _url, _body: answer
    discover(market, market.peer)
    for _ in range(6):
        settle(market.seller)
        later(market.sold, 70)
    assert state(market)[1] == ("failed", 6)
    assert '"event":"given_up"' in market.sold.records("exchange")[0].line


@pytest.mark.parametrize("code", ["SCH_SCHEMA_VALIDATION_FAILED", "CTX_INVALID_FIELD", "NET_NOT_IMPLEMENTED"])  # fmt: skip
def test_a_final_refusal_is_not_tried_again_and_is_in_the_log(market: Market, code: str) -> None:
    with_cluster(market.sold)
    market.lane.meddle = lambda _url, _body: nack(code)
    discover(market, market.peer)
    settle(market.seller)
    assert state(market) == [("failed", 0)]
    assert code in market.sold.records("exchange")[0].line


def test_an_answer_sent_again_carries_the_time_of_sending_and_a_signature_over_it(
    market: Market,
) -> None:
    """Its ttl counts from its timestamp: with the first one the peer would have to refuse it for good."""
    with_cluster(market.sold)
    window = next(
        w for w in catalogue(market.sold.context).windows if w.start >= NOON + timedelta(hours=4)
    )
    head = context(market.sold, "select", market.peer, market.seller_party, ttl="PT30S")
    raw = json.dumps({"context": head, "message": order(window.slot_id, 10.0)}).encode()
    now = int(market.sold.context.system_now().timestamp())
    header = market.peer.signer.header(raw, now)
    assert market.seller.receive("select", raw, [("Authorization", header)], "x").status == 200
    headers: list[tuple[bytes, str]] = []
    real = market.lane.post

    def watched(url: str, body: bytes, given: Any) -> PeerAnswer:
        headers.append((body, given["Authorization"]))
        return real(url, body, given)

    market.lane.post = watched  # type: ignore[method-assign]
    market.lane.meddle = lambda _url, _body: PeerAnswer(503, b"")
    settle(market.seller)
    later(market.sold, 45)
    market.lane.meddle = ack
    settle(market.seller)
    first, second = (json.loads(body) for body, _ in headers)
    assert first["message"] == second["message"]
    assert first["context"]["timestamp"] == "2026-11-21T12:00:00Z"
    assert second["context"]["timestamp"] == "2026-11-21T12:00:45Z"
    assert first["context"]["messageId"] == second["context"]["messageId"] == head["messageId"]
    body, given = headers[1]
    signing.verify(
        signing.parse_header(given), body, keys.public_key(market.seller_party.public),
        request_signature=signing.parse_header(header).signature,
    )  # fmt: skip


def test_what_waits_is_not_sent_beyond_this_machine_once_the_clock_was_shifted(
    market: Market,
) -> None:
    with_cluster(market.sold)
    discover(market, market.peer)
    market.sold.clock.is_shifted = True
    settle(market.seller)
    assert market.lane.sent == []
    assert "shifted clock" in market.sold.records("exchange")[0].line


def test_work_that_somebody_else_took_meanwhile_is_left_to_him(market: Market) -> None:
    uow_of = market.sold.context.uow
    with uow_of(write=True) as uow:
        uow.exchange.add(
            Work(WorkKind.SEND, "p", "https://p", "on_status", str(uuid4()), "m", "lts",
                 NOON, NOON, NOON + timedelta(minutes=10), b"{}")
        )  # fmt: skip
        uow.commit()
    until = NOON + timedelta(seconds=90)
    with uow_of(write=True) as uow:
        (mine,) = uow.exchange.take(NOON, until, 10)
        assert uow.exchange.take(NOON, until, 10) == ()
        uow.commit()
    later_on = NOON + timedelta(seconds=91)
    with uow_of(write=True) as uow:
        (other,) = uow.exchange.take(later_on, later_on + timedelta(seconds=90), 10)
        uow.exchange.update_all([replace(mine, state="failed")], until)
        uow.exchange.update_all([replace(other, state="done")], later_on + timedelta(seconds=90))
        uow.commit()
    assert state(market) == [("done", 0)]


def test_a_database_that_is_busy_is_no_answer_to_an_order(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cluster(market.sold)
    window = next(
        w for w in catalogue(market.sold.context).windows if w.start >= NOON + timedelta(hours=4)
    )
    head = context(market.sold, "init", market.peer, market.seller_party)
    body = {"context": head, "message": order(window.slot_id, 10.0)}
    assert post(market.sold, market.seller, market.peer, "init", body).status == 200
    market.lane.meddle = ack
    with monkeypatch.context() as patch:

        def busy(*_: Any) -> Any:
            raise SourceUnavailable("the database is busy", source="database")

        patch.setattr(market_deals, "_hold", busy)
        settle(market.seller)
    assert market.lane.sent == []
    later(market.sold, 3)
    settle(market.seller)
    (sent,) = (body for _, body in market.lane.sent)
    assert "error" not in sent
    assert sent["message"]["contract"]["contractAttributes"]["state"] == "held"


def test_a_discovery_is_answered_alike_by_the_process_that_took_it_and_by_another(
    market: Market,
) -> None:
    # The first has the question in memory, as read at the door; the second reads it in the journal again.
    with_cluster(market.sold)
    discover(market, market.buyer_party)
    with market.sold.context.uow() as uow:
        (request,) = uow.exchange.message_of([1]).values()
    took_it, other = market.seller._seller, Seller(market.sold.context, market.seller._party)
    one, two = took_it.callback(request), other.callback(request)
    assert one == two
    said = json.loads(one.body)
    assert said["context"]["action"] == "on_discover"
    assert said["context"]["messageId"] == request.message_id
    assert said["message"]["catalogs"][0]["resources"]
    assert one.digest == signing.digest(one.body)


def test_windows_beyond_the_first_hundred_are_reached_with_a_filter(market: Market) -> None:
    # An empty cluster offers more than 100 windows in 48 hours, and at most five lengths begin together.
    with_cluster(market.sold)
    offered = {window.slot_id for window in catalogue(market.sold.context).windows}
    starts = {f"{w.start:%Y-%m-%dT%H:%M:%SZ}" for w in catalogue(market.sold.context).windows}
    assert len(offered) > 100
    asked = [""] + [
        f"$.resources[?(@.resourceAttributes.timeWindow.start == '{start}')]" for start in starts
    ]
    for expression in asked:
        head = context(market.sold, "discover", market.peer, market.seller_party)
        filters = {"filters": {"type": "jsonpath", "expression": expression}}
        body = {"context": head, "message": {"intent": filters if expression else {}}}
        assert post(market.sold, market.seller, market.peer, "discover", body).status == 200
    market.lane.meddle = ack
    settle(market.seller)
    found = [
        {one["id"] for catalog in body["message"]["catalogs"] for one in catalog["resources"]}
        for _, body in market.lane.sent
    ]
    assert len(found) == len(asked)
    assert sorted(map(len, found))[-1] == 100
    assert set().union(*found) == offered
