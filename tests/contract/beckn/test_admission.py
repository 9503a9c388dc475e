"""Who is let in: signatures, gateways, allowances and clocks, on a real node without a network."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from beckn import keys, signing
from beckn.admission import is_local, trade_problem
from beckn.registry import FRESH_SECONDS
from models.domain.errors import SourceUnavailable
from services.protocol import Reply
from storage.database import Database
from tests.support.beckn_desk import (
    Desk,
    Lane,
    Market,
    Members,
    Party,
    code_of,
    context,
    desk,
    post,
)
from tests.support.world import a_world


def discovery(market: Market, sender: Party, **changes: Any) -> dict[str, Any]:
    head = context(market.sold, "discover", sender, market.seller_party, **changes)
    return {"context": head, "message": {"intent": {}}}


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("http://127.0.0.1:5000/beckn", True),
        ("http://127.8.9.1/beckn", True),
        ("http://[::1]:5000/beckn", True),
        ("http://localhost:5000/beckn", True),
        ("https://127.0.0.1.evil.example/beckn", False),
        ("https://127.evil.example/beckn", False),
        ("https://localhost.evil.example/beckn", False),
        ("https://flex.example/beckn", False),
        ("https://[not-an-address/beckn", False),
        ("", False),
    ],
)
def test_this_machine_is_told_by_its_address_and_not_by_the_look_of_a_name(
    url: str, is_here: bool
) -> None:
    assert is_local(url) is is_here


def test_simulated_data_are_not_traded_with_a_name_that_looks_like_this_machine(
    sqlite_database: Database,
    tmp_path: Path,
) -> None:
    simulated = a_world(sqlite_database, tmp_path / "logs", mode="simulated").context
    assert trade_problem(simulated, "http://127.0.0.1:1/beckn") is None
    for url in ("https://127.0.0.1.evil.example/beckn", "https://flex.example/beckn"):
        problem = trade_problem(simulated, url)
        assert problem is not None
        assert "simulated" in problem


def test_a_nack_is_signed_and_chained_to_what_it_refuses(market: Market) -> None:
    body = discovery(market, market.peer, ttl="PT1S", timestamp="2020-01-01T00:00:00Z")
    raw = json.dumps(body).encode()
    now = int(market.sold.context.system_now().timestamp())
    header = market.peer.signer.header(raw, now)
    reply = market.seller.receive("discover", raw, [("Authorization", header)], "127.0.0.1")
    assert (reply.status, code_of(reply)) == (400, "CTX_TTL_EXPIRED")
    sent = signing.parse_header(header).signature
    given = signing.parse_header(reply.headers["Signature"])
    public = keys.public_key(market.seller_party.public)
    signing.verify(given, reply.body, public, request_signature=sent)
    unsigned = market.seller.receive("discover", raw, [], "127.0.0.1")
    given = signing.parse_header(unsigned.headers["Signature"])
    assert not given.is_chained
    signing.verify(given, unsigned.body, public)


def test_a_gateway_signs_too_and_its_failure_is_told_to_it(market: Market) -> None:
    gateway = Party("gateway.example", ("BG",))
    market.members.records += gateway.records()
    raw = json.dumps(discovery(market, market.peer)).encode()
    now = int(market.sold.context.system_now().timestamp())

    def sent(*given: str, body: bytes = raw) -> Any:
        more = [("X-Gateway-Authorization", one) for one in given]
        return post(market.sold, market.seller, market.peer, "discover", body, *more)

    good = gateway.signer.header(raw, now)
    for given, code in [
        ((gateway.signer.header(b"other", now),), "AUT_SIGNATURE_INVALID"),
        ((market.peer.signer.header(raw, now),), "AUT_UNAUTHORIZED_ACTION"),  # no gateway
        ((gateway.signer.header(raw, now - 7200),), "AUT_SIGNATURE_INVALID"),
        ((Party("gone.example", ("BG",)).signer.header(raw, now),), "AUT_KEY_NOT_FOUND"),
        ((good, good), "AUT_SIGNATURE_INVALID"),
        (("nonsense",), "AUT_SIGNATURE_INVALID"),
    ]:
        reply = sent(*given)
        assert (reply.status, code_of(reply)) == (401, code), given
        assert "Proxy-Authenticate" in reply.headers
        assert "WWW-Authenticate" not in reply.headers
    assert sent(good).status == 200
    unsigned = market.seller.receive(
        "discover", raw, [("X-Gateway-Authorization", good)], "127.0.0.1"
    )
    assert code_of(unsigned) == "AUT_SIGNATURE_MISSING"  # a gateway does not speak for a buyer
    assert "WWW-Authenticate" in unsigned.headers


def sent_from(address: str, market: Market, node: Desk, sender: Party) -> Reply:
    raw = json.dumps(discovery(market, market.peer)).encode()
    header = sender.signer.header(raw, int(market.sold.context.system_now().timestamp()))
    return node.receive("discover", raw, [("Authorization", header)], address)


def test_nobody_uses_up_the_allowance_of_another_by_naming_it(market: Market) -> None:
    # 6 a minute: one message at once, the next 10 s later.
    node = desk(market.sold, market.seller_party, Lane(), Members(market.members.records),
                messages_per_minute=6)  # fmt: skip
    forger = replace(market.peer)  # the same name with another key
    for k in range(5):
        assert code_of(sent_from(f"10.0.0.{k}", market, node, forger)) == "AUT_SIGNATURE_INVALID"
    assert sent_from("10.1.0.1", market, node, market.peer).status == 200
    again = sent_from("10.1.0.2", market, node, market.peer)
    assert (again.status, code_of(again)) == (429, "AUT_RATE_LIMITED")
    assert int(again.headers["Retry-After"]) > 0


def test_processes_share_one_allowance_for_a_signer_and_one_for_an_address(market: Market) -> None:
    # 120 a minute: 20 at once, settled after each; two processes on one database take turns.
    members, party = Members(market.members.records), market.seller_party
    one, other = (
        desk(market.sold, party, Lane(), members, messages_per_minute=120) for _ in range(2)
    )
    taken = [
        sent_from(f"10.0.0.{k}", market, one if k % 2 else other, market.peer).status
        for k in range(40)
    ]
    # Each may be one step (1 message) ahead of what the other told; what is refilled meanwhile is 2 a second.
    assert 20 <= taken.count(200) <= 20 + 2 + 4
    assert set(taken[30:]) == {429}
    unsigned = [("Authorization", "Signature nonsense")]
    statuses = [
        (one if k % 2 else other).receive("discover", b"{}", unsigned, "10.9.9.9").status
        for k in range(40)
    ]
    assert set(statuses[30:]) == {429}


def test_wrong_signatures_do_not_flood_the_registry_and_a_new_key_is_found_soon(
    market: Market,
) -> None:
    moment = [0.0]
    registry = market.seller._admission._registry
    registry._monotonic = lambda: moment[0]
    forger = replace(market.peer)
    for _ in range(20):
        post(market.sold, market.seller, forger, "discover", discovery(market, market.peer))
    assert market.members.asked == 1
    market.members.records = [
        replace(one, signing_public_key=forger.public)
        if one.subscriber_id == market.peer.name
        else one
        for one in market.members.records
    ]
    moment[0] = FRESH_SECONDS
    reply = post(market.sold, market.seller, forger, "discover", discovery(market, market.peer))
    assert reply.status == 200
    assert market.members.asked == 2


def test_a_member_of_no_network_is_not_a_member_of_ours(market: Market) -> None:
    for networks, status in [((), 401), (("other/net",), 401), (None, 200)]:
        market.members.records = [
            replace(one, network_ids=networks) for one in market.members.records
        ]
        market.seller._admission._registry._kept.clear()
        reply = post(
            market.sold, market.seller, market.peer, "discover", discovery(market, market.peer)
        )
        assert reply.status == status


def test_a_registry_that_is_down_is_no_verdict_on_the_sender(market: Market) -> None:
    market.members.is_down = True
    reply = post(
        market.sold, market.seller, market.peer, "discover", discovery(market, market.peer)
    )
    assert (reply.status, code_of(reply)) == (500, "NET_INTERNAL_ERROR")


@pytest.mark.parametrize("name", ["message_id", "transaction_id", "bap_id"])
@pytest.mark.parametrize("text", ["a\x00b", "a\nb", "\ud800"])
def test_names_that_no_log_and_no_database_can_hold_are_refused(
    market: Market, name: str, text: str
) -> None:
    head = context(market.sold, "discover", market.peer, market.seller_party, "rc1", **{name: text})
    reply = post(
        market.sold, market.seller, market.peer, "discover", {"context": head, "message": {}}
    )
    assert (reply.status, code_of(reply)) == (400, "CTX_INVALID_FIELD")


def test_a_refused_callback_is_logged_under_the_seller_it_claims_to_be_from(market: Market) -> None:
    head = context(
        market.bought,
        "on_status",
        market.buyer_party,
        market.peer,
        timestamp="2020-01-01T00:00:00Z",
    )
    post(market.bought, market.buyer, market.peer, "on_status", {"context": head, "message": {}})
    (record,) = market.bought.records("exchange")
    assert '"counterparty":"peer.example"' in record.line


def test_a_message_that_cannot_be_stored_is_refused_in_its_dialect(market: Market) -> None:
    def busy(_: object) -> Any:
        raise SourceUnavailable("the database is busy", source="database")

    market.seller._journal._write = busy
    for dialect in ("lts", "v1"):
        action = "search" if dialect == "v1" else "discover"
        head = context(market.sold, action, market.peer, market.seller_party, dialect)
        body = {"context": head, "message": {"intent": {}}}
        reply = post(market.sold, market.seller, market.peer, action, body)
        assert reply.status == 500
        said = json.loads(reply.body)["message"]
        assert "NACK" in {said.get("status"), said.get("ack", {}).get("status")}
        assert "database" not in reply.body.decode()
