"""What a buyer is told unasked: carbon that rose, power that is gone, contracts that ended; and what it does about it."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from models.domain.exchange import ContractFilter
from models.domain.market import Contract, ContractState, Side, Window, WindowKind
from models.domain.peers import PeerAnswer
from services import assets, market_watch
from services.market_windows import catalogue
from tests.support import beckn_schemas
from tests.support.beckn_desk import Market, Party, context, later, order, post, settle
from tests.support.world import NOON, OPERATOR, hours, placed, submitted, with_cluster


def the(market: Market, side: Side) -> Contract:
    world = market.bought if side is Side.BUYER else market.sold
    with world.context.uow() as uow:
        (one,) = uow.market.find(ContractFilter(side=side))
    return one


def bought(market: Market, dialect: str) -> str:
    """Have the buyer take four hours from 20:00 for a job of 40 kW."""
    with_cluster(market.sold)
    with_cluster(market.bought)
    job_id = submitted(market.bought, earliest_start=NOON + hours(2), estimated_power_kw=40.0)
    market.buyer.discover(dialect=dialect)
    settle(market.buyer, market.seller)
    window = next(
        w for w in market.buyer.found() if w.duration_h == 4 and w.start == NOON + hours(8)
    )
    market.buyer.take_window(window.slot_id, job_id, dialect)
    settle(market.buyer, market.seller)
    assert the(market, Side.BUYER).state is ContractState.CONFIRMED
    return job_id


@pytest.mark.parametrize("dialect", ["lts", "rc1", "v1"])
def test_a_carbon_spike_of_a_sold_window_is_told_once_and_the_buyer_plans_anew(
    market: Market, dialect: str
) -> None:
    job_id = bought(market, dialect)
    assert placed(market.bought, job_id).start >= NOON + hours(8)
    for grams, news in ((115.0, 0), (130.0, 1), (131.0, 0)):
        market.sold.grids["live"].carbon = lambda _place, _at, value=grams: value
        for world in (market.sold, market.bought):
            later(world, 60)
        market.sold.at(market.sold.clock.now())
        before = len(market.lane.actions("buyer.example"))
        market_watch.advance(market.sold.context)
        market.seller.drain()
        told = market.lane.actions("buyer.example")[before:]
        assert told == ["on_update"] * news, grams
    # 100 g were sold and 130 g are told: above 1.2 times. The buyer leaves, and the seller agrees.
    settle(market.buyer, market.seller)
    assert the(market, Side.BUYER).state is ContractState.CANCELLED
    assert the(market, Side.SELLER).state is ContractState.CANCELLED
    assert market.bought.view(job_id).job.pinned_start is None
    assert placed(market.bought, job_id).start < NOON + hours(8)
    assert any(
        "carbon rose from 100 to 130" in step.what for step in the(market, Side.SELLER).history
    )
    assert any("left the window" in step.what for step in the(market, Side.BUYER).history)


def test_a_cluster_too_small_for_what_was_sold_is_told_and_the_buyer_leaves(
    market: Market,
) -> None:
    job_id = bought(market, "lts")
    assets.change(market.sold.context, OPERATOR, "hall", {"max_power_kw": 30.0})
    assert market_watch.advance(market.sold.context) == 1
    assert the(market, Side.SELLER).quantity_kw == pytest.approx(30.0)
    settle(market.buyer, market.seller)
    assert (
        the(market, Side.BUYER).state is the(market, Side.SELLER).state is ContractState.CANCELLED
    )
    assert market.bought.view(job_id).job.pinned_start is None


def ack(_url: str, body: bytes) -> PeerAnswer:
    ident = json.loads(body)["context"]["messageId"]
    return PeerAnswer(200, json.dumps({"message": {"status": "ACK", "messageId": ident}}).encode())


def sold_to(market: Market, peer: Party, window: Window, kw: float, *steps: str) -> str:
    """Have a stranger go through some steps; return the transaction."""
    transaction = str(uuid4())
    market.lane.meddle = ack
    for action in steps:
        head = context(market.sold, action, peer, market.seller_party, transaction_id=transaction)
        body = {"context": head, "message": order(window.slot_id, kw)}
        assert post(market.sold, market.seller, peer, action, body).status == 200
        settle(market.seller)
    return transaction


def a_window(market: Market) -> Window:
    return next(
        w
        for w in catalogue(market.sold.context).windows
        if w.kind is WindowKind.COMPUTE and w.duration_h == 2 and w.start == NOON + hours(8)
    )


def news(market: Market) -> list[dict[str, Any]]:
    return [body for url, body in market.lane.sent if url.endswith("/on_update")]


def contract_of(market: Market, transaction: str) -> Contract:
    with market.sold.context.uow() as uow:
        held = uow.market.of_transaction(Side.SELLER, "peer.example", transaction)
    assert held is not None
    return held


def test_who_came_first_keeps_what_a_smaller_cluster_can_give(market: Market) -> None:
    with_cluster(market.sold, pue=1.25)
    window = a_window(market)  # 100 kW of machines are 125 kW at the meter
    first = sold_to(market, market.peer, window, 50.0, "init", "confirm")
    later(market.sold, 1)
    second = sold_to(market, market.peer, window, 50.0, "init", "confirm")
    later(market.sold, 1)
    third = sold_to(market, market.peer, window, 25.0, "init", "confirm")
    assets.change(market.sold.context, OPERATOR, "hall", {"max_power_kw": 60.0})
    assert market_watch.advance(market.sold.context) == 2
    # 60 kW of machines: 40 for the first (50 kW at the meter), 20 for the second (25 kW), none for the third.
    states = {name: contract_of(market, name) for name in (first, second, third)}
    assert [states[name].quantity_kw for name in (first, second)] == [50.0, 25.0]
    assert states[third].state is ContractState.CANCELLED
    with market.sold.context.uow() as uow:
        kept = {c.slot_start: 0.0 for c in uow.market.claims(NOON)}
        for claim in uow.market.claims(NOON):
            kept[claim.slot_start] += claim.power_kw
    assert list(kept.values()) == pytest.approx([60.0] * 4)
    assert market_watch.advance(market.sold.context) == 0  # told once
    settle(market.seller)
    told = {body["context"]["transactionId"]: body for body in news(market)}
    assert set(told) == {second, third}
    for body in told.values():
        assert beckn_schemas.problems(beckn_schemas.LTS, "on_update", body) == []
    resource = told[second]["message"]["contract"]["commitments"][0]["resources"][0]
    assert resource["quantity"]["unitQuantity"] == 25.0
    assert told[third]["message"]["contract"]["status"]["code"] == "CANCELLED"


def test_a_hold_that_ran_out_and_a_cluster_that_was_removed_are_told(market: Market) -> None:
    with_cluster(market.sold)
    window = a_window(market)
    held = sold_to(market, market.peer, window, 10.0, "init")
    bound = sold_to(market, market.peer, window, 10.0, "init", "confirm")
    later(market.sold, 601)
    market_watch.advance(market.sold.context)
    settle(market.seller)
    assert contract_of(market, held).state is ContractState.EXPIRED
    assert [body["context"]["transactionId"] for body in news(market)] == [held]
    assets.delete(market.sold.context, OPERATOR, "hall")
    market_watch.advance(market.sold.context)
    settle(market.seller)
    assert contract_of(market, bound).state is ContractState.CANCELLED
    assert [body["context"]["transactionId"] for body in news(market)] == [held, bound]
    assert news(market)[1]["message"]["contract"]["contractAttributes"]["notice"] == (
        "its cluster was removed"
    )


def test_news_are_tried_again_and_come_after_the_answers_they_follow(market: Market) -> None:
    with_cluster(market.sold)
    transaction = sold_to(market, market.peer, a_window(market), 10.0, "init", "confirm")
    market.lane.meddle = lambda _url, _body: PeerAnswer(503, b"")
    head = context(
        market.sold, "status", market.peer, market.seller_party, transaction_id=transaction
    )
    held = contract_of(market, transaction)
    body = {"context": head, "message": {"contract": {"id": held.external_id}}}
    assert post(market.sold, market.seller, market.peer, "status", body).status == 200
    settle(market.seller)
    market.sold.grids["live"].carbon = lambda _place, _at: 300.0
    later(market.sold, 1)
    market.sold.at(market.sold.clock.now())
    assert market_watch.advance(market.sold.context) == 1
    settle(market.seller)
    assert news(market) == []  # the status asked for before has not arrived
    market.lane.meddle = ack
    market.lane.sent.clear()
    later(market.sold, 5)
    settle(market.seller)
    assert market.lane.actions("peer.example") == ["on_status", "on_update"]
    (told,) = news(market)
    attributes = told["message"]["contract"]["contractAttributes"]
    assert attributes["carbonIntensityChange"]["previousValue"] == 100.0
    assert attributes["carbonIntensityChange"]["currentValue"] == 300.0
    assert beckn_schemas.problems(beckn_schemas.LTS, "on_update", told) == []
    assert told["context"]["messageId"] != head["messageId"]
