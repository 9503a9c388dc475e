"""Buying from somebody who may lie, be late, or fall silent: two real nodes, and what is said between them bent by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from beckn.dialects import CODECS
from beckn.model import Dialect
from models.domain.errors import Conflict, InvalidRequest, NotFound
from models.domain.exchange import ContractFilter, Message, MessageFilter
from models.domain.job import JobStatus
from models.domain.market import Contract, ContractState, DealRefused, Side, Window, WindowKind
from models.domain.peers import PeerAnswer
from services import controls
from tests.support.beckn_desk import Market, later, settle
from tests.support.deals import a_window
from tests.support.world import NOON, OPERATOR, World, hours, placed, submitted, with_cluster

LTS = Dialect.LTS


def offered(market: Market, start_in: float = 8, length: float = 4) -> Window:
    """Have the buyer find what the seller offers, and return one window of it."""
    with_cluster(market.sold)
    with_cluster(market.bought)
    market.buyer.discover()
    settle(market.buyer, market.seller)
    return next(
        w
        for w in market.buyer.found()
        if w.kind is WindowKind.COMPUTE
        and w.duration_h == length
        and w.start == NOON + hours(start_in)
    )


def a_job(world: World) -> str:
    return submitted(world, earliest_start=NOON + hours(2), estimated_power_kw=40.0)


def held_by(market: Market, world: World, side: Side) -> Contract:
    with world.context.uow() as uow:
        (one,) = uow.market.find(ContractFilter(side=side))
    return one


def mine(market: Market) -> Contract:
    return held_by(market, market.bought, Side.BUYER)


def theirs(market: Market) -> Contract:
    return held_by(market, market.sold, Side.SELLER)


def run(market: Market) -> None:
    settle(market.buyer, market.seller)


def bent(market: Market, action: str, **changes: Any) -> None:
    """Let the seller write another contract into one callback than it has."""
    codec = CODECS[LTS]
    whole = type(codec).contract

    def contract(self: Any, name: str, shown: Any) -> dict[str, Any]:
        if name == action:
            shown = replace(shown, contract=replace(shown.contract, **changes))
        return whole(self, name, shown)

    market.lane.bent = pytest.MonkeyPatch()  # type: ignore[attr-defined]
    market.lane.bent.setattr(type(codec), "contract", contract)  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def straight(market: Market) -> Any:
    yield
    patch = getattr(market.lane, "bent", None)
    if patch is not None:
        patch.undo()


def test_a_journey_binds_both_sides_and_pins_the_job_in_one_step(market: Market) -> None:
    window = offered(market)
    job_id = a_job(market.bought)
    market.buyer.take_window(window.slot_id, job_id)
    run(market)
    bought, sold = mine(market), theirs(market)
    assert (bought.state, sold.state) == (ContractState.CONFIRMED, ContractState.CONFIRMED)
    assert sold.quantity_kw == bought.quantity_kw == pytest.approx(40.0)
    assert len(bought.moves) == 1
    start = placed(market.bought, job_id).start
    assert window.start <= start == bought.moves[0].to_start
    assert market.bought.view(job_id).job.pinned_start == start
    with market.bought.context.uow() as uow:
        messages = uow.exchange.messages(MessageFilter(bought.transaction_id))
    # Every message stands in the journal with how it was answered, asked and told.
    assert [(m.direction, m.action, m.status) for m in messages] == [
        (direction, f"{prefix}{step}", 200)
        for step in ("select", "init", "confirm")
        for direction, prefix in (("out", ""), ("in", "on_"))
    ]
    assert all(m.answer for m in messages)


@pytest.mark.parametrize("action", ["on_select", "on_init", "on_confirm"])
@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"quantity_kw": 10.0}, "10 kW of the 40 kW"),
        ({"price_gbp_per_kwh": 0.5}, "above the 0.2000 agreed"),
        ({"window": a_window()}, "another window"),
    ],
)
def test_terms_other_than_asked_for_are_not_taken_at_any_step(
    market: Market, action: str, changes: dict[str, Any], word: str
) -> None:
    window = offered(market)
    job_id = a_job(market.bought)
    before = placed(market.bought, job_id)
    bent(market, action, **changes)
    market.buyer.take_window(window.slot_id, job_id)
    run(market)
    failed = mine(market)
    assert failed.state is ContractState.FAILED
    assert word in failed.error
    assert placed(market.bought, job_id) == before
    # What the seller kept or promised is given back to it.
    if action != "on_select":
        assert theirs(market).state is ContractState.CANCELLED


def test_one_job_is_not_bought_two_windows(market: Market) -> None:
    window = offered(market)
    other = next(
        w for w in market.buyer.found() if w.duration_h == 4 and w.start == NOON + hours(14)
    )
    job_id = a_job(market.bought)
    market.buyer.take_window(window.slot_id, job_id)
    with pytest.raises(Conflict, match="bound by contract"):
        market.buyer.take_window(other.slot_id, job_id)
    run(market)
    with pytest.raises(Conflict, match="bound by contract"):
        market.buyer.take_window(other.slot_id, job_id)


def test_a_window_of_the_same_name_from_somebody_else_is_not_taken_by_mistake(
    market: Market,
) -> None:
    window = offered(market)
    job_id = a_job(market.bought)
    squatted = replace(window, peer_id="aaa.example", price_gbp_per_kwh=0.01)
    with market.bought.context.uow(write=True) as uow:
        uow.market.keep_found([squatted], NOON)
        uow.commit()
    with pytest.raises(Conflict, match=r"aaa\.example, seller\.example"):
        market.buyer.take_window(window.slot_id, job_id)
    made = market.buyer.take_window(window.slot_id, job_id, seller="seller.example")
    assert made.peer_id == "seller.example"
    with pytest.raises(NotFound):
        market.buyer.take_window(window.slot_id, job_id, seller="nobody.example")


def test_windows_that_no_job_could_use_are_neither_kept_nor_bought(market: Market) -> None:
    with_cluster(market.bought)
    job_id = a_job(market.bought)
    far = NOON + timedelta(days=400)
    windows = [
        a_window(WindowKind.TURN_DOWN),
        a_window(slot_id="far", start=far, end=far + hours(2)),
        a_window(slot_id="none", capacity_kw=0.0),
        a_window(slot_id="less", capacity_kw=-5.0),
    ]
    from beckn.model import Party

    message = CODECS[LTS].catalog(windows, Party("seller.example", "https://s"), None)
    body = json.dumps({"context": {}, "message": message}).encode()
    received = Message("in", "seller.example", "on_discover", "t", "m", NOON, "lts", body)
    market.buyer._outbox._follower.take_callback(received)
    assert [w.kind for w in market.buyer.found()] == [WindowKind.TURN_DOWN]
    with pytest.raises(InvalidRequest, match="only windows of compute"):
        market.buyer.take_window(windows[0].slot_id, job_id)


def test_a_seller_that_answers_after_we_gave_up_is_asked_to_cancel(market: Market) -> None:
    window = offered(market)
    job_id = a_job(market.bought)
    market.buyer.take_window(window.slot_id, job_id)
    market.lane.meddle = lambda url, _: (
        PeerAnswer(503, b"") if url.endswith("/on_confirm") else None
    )
    run(market)
    assert theirs(market).state is ContractState.CONFIRMED
    assert mine(market).state is ContractState.HELD
    # The buyer hears nothing for six minutes, gives up, and says so.
    assert market.buyer.tidy() == 0
    later(market.bought, 360)
    later(market.sold, 360)
    assert market.buyer.tidy() == 1
    assert mine(market).state is ContractState.FAILED
    market.lane.meddle = lambda _url, _body: None
    run(market)
    assert theirs(market).state is ContractState.CANCELLED
    assert mine(market).state is ContractState.FAILED
    with market.sold.context.uow() as uow:
        assert uow.market.claims(NOON) == ()


def test_a_request_that_is_not_taken_ends_its_contract_at_once_with_the_reason(
    market: Market,
) -> None:
    window = offered(market)
    job_id = a_job(market.bought)
    market.members.records = [
        replace(one, status="UNSUBSCRIBED")
        if (one.subscriber_id, one.type) == ("buyer.example", "BAP")
        else one
        for one in market.members.records
    ]
    market.seller._admission._registry._kept.clear()
    market.buyer.take_window(window.slot_id, job_id)
    run(market)
    failed = mine(market)
    assert failed.state is ContractState.FAILED
    assert "AUT_KEY_EXPIRED_OR_REVOKED" in failed.error


def test_a_request_that_will_not_be_answered_ends_its_contract_at_once(market: Market) -> None:
    window = offered(market)
    said = {
        "message": {
            "status": "ACK", "messageId": "x",
            "error": {"code": "BIZ_ITEM_NOT_FOUND", "message": "closed today"},
        }
    }  # fmt: skip
    market.lane.meddle = lambda url, _: (
        PeerAnswer(202, json.dumps(said).encode()) if url.endswith("/select") else None
    )
    market.buyer.take_window(window.slot_id, a_job(market.bought))
    run(market)
    assert mine(market).state is ContractState.FAILED
    assert "closed today" in mine(market).error


def confirmed(market: Market) -> tuple[str, Contract]:
    window = offered(market)
    job_id = a_job(market.bought)
    market.buyer.take_window(window.slot_id, job_id)
    run(market)
    return job_id, mine(market)


def test_a_window_whose_job_was_cancelled_is_given_back_to_its_seller(market: Market) -> None:
    job_id, held = confirmed(market)
    controls.cancel(market.bought.context, OPERATOR, job_id)
    assert market.bought.view(job_id).status is JobStatus.CANCELLED
    assert market.buyer.tidy() == 1
    assert market.buyer.tidy() == 0  # asked once
    assert mine(market).state is ContractState.CONFIRMED  # until the seller agrees
    run(market)
    assert mine(market).state is theirs(market).state is ContractState.CANCELLED
    assert held.state is ContractState.CONFIRMED
    with pytest.raises(DealRefused, match="cancelled already"):
        market.buyer.ask(held.contract_id, "cancel")


def test_what_is_called_delivered_before_its_window_is_over_stays_bought(market: Market) -> None:
    job_id, held = confirmed(market)
    pinned = market.bought.view(job_id).job.pinned_start
    bent(market, "on_status", state=ContractState.COMPLETE)
    market.buyer.ask(held.contract_id, "status")
    run(market)
    assert mine(market).state is ContractState.CONFIRMED
    assert "before its window is over" in mine(market).history[-1].what
    assert market.bought.view(job_id).job.pinned_start == pinned
    later(market.bought, 24 * 3600)
    later(market.sold, 24 * 3600)
    market.buyer.ask(held.contract_id, "status")
    run(market)
    assert mine(market).state is ContractState.COMPLETE


def test_an_error_in_an_answer_about_status_does_not_end_a_contract(market: Market) -> None:
    _, held = confirmed(market)
    with market.sold.context.uow(write=True) as uow:
        sold = uow.market.of_transaction(Side.SELLER, "buyer.example", held.transaction_id)
        assert sold is not None
        uow.market.put(replace(sold, peer_id="somebody.else", version=sold.version + 1))
        uow.commit()
    market.buyer.ask(held.contract_id, "status")
    run(market)
    assert mine(market).state is ContractState.CONFIRMED
    assert "BIZ_ORDER_NOT_FOUND" in mine(market).history[-1].what


def test_a_job_that_no_longer_fits_when_the_seller_confirms_gives_the_window_back(
    market: Market,
) -> None:
    window = offered(market)
    job_id = a_job(market.bought)
    market.buyer.take_window(window.slot_id, job_id)
    while mine(market).state is not ContractState.HELD:
        market.buyer.drain()
        market.seller.drain()
    controls.cancel(market.bought.context, OPERATOR, job_id)
    run(market)
    assert mine(market).state is theirs(market).state is ContractState.CANCELLED


@pytest.mark.parametrize("dialect", ["rc1", "v1"])
def test_an_answer_in_another_dialect_than_its_request_is_an_answer_to_nothing(
    market: Market, dialect: str
) -> None:
    """Otherwise a seller could leave out the chain to the request that the current line demands."""
    window = offered(market)
    market.buyer.take_window(window.slot_id, a_job(market.bought))
    market.buyer.drain()
    asked = next(body for url, body in market.lane.sent if url.endswith("/select"))
    from tests.support.beckn_desk import code_of, context, post

    head = context(
        market.bought, "on_select", market.buyer_party, market.seller_party, dialect,
        transaction_id=asked["context"]["transactionId"],
        message_id=asked["context"]["messageId"],
    )  # fmt: skip
    message = CODECS[Dialect(dialect)].contract("on_select", _shown(market))
    reply = post(
        market.bought, market.buyer, market.seller_party, "on_select",
        {"context": head, "message": message},
    )  # fmt: skip
    assert code_of(reply) in {"CTX_TRANSACTION_ID_UNKNOWN", "30000"}
    assert mine(market).state is ContractState.REQUESTED


def _shown(market: Market) -> Any:
    from beckn.model import Party, Shown

    return Shown(mine(market), Party("seller.example", "https://seller.example/beckn"))
