"""Journeys over loopback HTTP with a file registry: our buyer and our seller, in one program and in two, per dialect."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from models.domain.access import Caller, Role
from models.domain.exchange import Message, MessageFilter
from models.domain.market import Contract, ContractState, Side
from services import market_news
from tests.support import beckn_schemas
from tests.support.beckn_nodes import Member, Peer, eventually, running, write_registry
from tests.support.exchange_table import ExchangeTable
from tests.support.running import in_hours

pytestmark = pytest.mark.e2e

LOCAL = Caller("local", Role.OPERATOR)
DIALECTS = ("lts", "rc1", "v1")
ORDER = ("select", "init", "confirm")
SCHEMAS = {"lts": beckn_schemas.LTS, "rc1": beckn_schemas.RC1, "v1": beckn_schemas.V1}


def cluster_and_job(app: Flask, name: str, *, has_job: bool = True) -> str:
    client = app.test_client()
    body: dict[str, Any] = {"asset_id": name, "region": "london", "max_power_kw": 200}
    assert client.post("/api/assets", json=body).status_code == 201
    if not has_job:
        return ""
    job = {
        "duration_hours": 1, "estimated_power_kw": 40, "latest_finish": in_hours(40),
        "earliest_start": in_hours(3), "job_name": "train",
    }  # fmt: skip
    made = client.post("/api/jobs", json=job)
    assert made.status_code == 201, made.text
    assert client.post("/api/schedule-all").status_code == 200
    return str(made.json["job_id"])  # type: ignore[index]


def found(app: Flask, kind: str = "compute_window") -> Any:
    market = app.extensions["services"].market
    soonest = datetime.now(UTC) + timedelta(hours=4)
    fitting = [
        w for w in market.found() if str(w.kind) == kind and w.duration_h == 2 and w.start > soonest
    ]
    return fitting[0] if fitting else None


def bought(app: Flask, transaction: str, state: ContractState) -> Contract | None:
    market = app.extensions["services"].market
    for held in market.contracts(LOCAL):
        if held.transaction_id == transaction and held.side is Side.BUYER and held.state is state:
            return held  # type: ignore[no-any-return]
    return None


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Flask, Flask]]:
    """A buyer and a seller, each with its own database."""
    buyer, seller = Member("buyer.example", ("BAP",)), Member("seller.example", ("BPP",))
    registry = tmp_path / "registry.json"
    write_registry(registry, buyer, seller)
    with (
        running(tmp_path / "buyer", buyer, registry) as one,
        running(tmp_path / "seller", seller, registry) as other,
    ):
        yield one, other


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Flask]:
    """One program that buys from itself."""
    member = Member("flex.example")
    registry = tmp_path / "registry.json"
    write_registry(registry, member)
    with running(tmp_path / "both", member, registry) as app:
        yield app


def journey(buyer: Flask, job_id: str, dialect: str) -> Contract:
    market = buyer.extensions["services"].market
    _, asked = market.discover(LOCAL, dialect=dialect)
    assert asked == 1
    window = eventually(lambda: found(buyer), 60)
    made = market.take(LOCAL, window.slot_id, job_id, dialect)
    return eventually(lambda: bought(buyer, made.transaction_id, ContractState.CONFIRMED), 60)


def messages_of(app: Flask, transaction: str, dialect: str) -> list[Message]:
    """Return the journal of a transaction; what this program sent fits the published schema of its dialect."""
    with app.extensions["services"].context.uow() as uow:
        messages = list(uow.exchange.messages(MessageFilter(transaction)))
    for one in messages:
        assert one.dialect == dialect
        # Of a catalogue the journal keeps only that it went; the peer that got it looks at it.
        if one.direction == "out" and one.action not in {"on_discover", "on_search"}:
            body = json.loads(one.body)
            assert beckn_schemas.problems(SCHEMAS[dialect], one.action, body) == [], one.action
        assert one.status == 200, one.action
    return messages


def noted(
    table: ExchangeTable, what: str, apps: tuple[Flask, Flask], held: Contract, came: str, begun: float
) -> None:  # fmt: skip
    """Write a row about a journey, with every message of it in the buyer's journal."""
    buyer, seller = apps
    messages = messages_of(buyer, held.transaction_id, held.dialect)
    if seller is not buyer:
        messages_of(seller, held.transaction_id, held.dialect)
    arrows = [f"{'→' if m.direction == 'out' else '←'} {m.action}" for m in messages]
    names = ("program A", "program B" if seller is not buyer else "program A")
    table.journeys.append(
        (what, held.dialect, *names, ", ".join(arrows), came, f"{time.monotonic() - begun:.1f}")
    )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_buyer_takes_another_partys_window_for_its_job(
    two: tuple[Flask, Flask], dialect: str, exchanges: ExchangeTable
) -> None:
    buyer, seller = two
    begun = time.monotonic()
    job_id = cluster_and_job(buyer, "mine")
    cluster_and_job(seller, "theirs", has_job=False)
    held = journey(buyer, job_id, dialect)
    (sold,) = seller.extensions["services"].market.contracts(LOCAL)
    assert (sold.state, sold.peer_id) == (ContractState.CONFIRMED, "buyer.example")
    assert sold.quantity_kw == pytest.approx(40.0)
    job = eventually(lambda: placed_inside(buyer, job_id, held), 30)
    assert job["schedule"]["asset_id"] == "mine"
    market = buyer.extensions["services"].market
    market.protocol.ask(held.contract_id, "status")
    market.cancel(LOCAL, held.contract_id)
    eventually(lambda: bought(buyer, held.transaction_id, ContractState.CANCELLED), 20)
    (sold,) = seller.extensions["services"].market.contracts(LOCAL)
    assert sold.state is ContractState.CANCELLED
    shown = buyer.test_client().get(f"/api/jobs/{job_id}").json
    assert shown is not None
    messages = market.contract(LOCAL, held.contract_id).messages
    said = [(m.direction, m.action) for m in messages if m.direction == "in"]
    asked = ["select", "init", "confirm", "status", "cancel"]
    assert said == [("in", f"on_{action}") for action in asked]
    came = (
        "job pinned into the window bought, 40 kW kept by the seller; then cancelled on both sides"
    )
    noted(exchanges, "select to cancel, room for compute", (buyer, seller), held, came, begun)


FIND = {
    "lts": ("discover", {"intent": {"textSearch": "turn down"}}),
    "rc1": ("discover", {"text_search": "turn down"}),
    "v1": ("search", {"intent": {"item": {"descriptor": {"name": "turn down"}}}}),
}
"""How a buyer of its own making looks for a turn-down: action and message."""


def order_of(dialect: str, item: str) -> dict[str, Any]:
    """Return the message of an order for all of an item."""
    if dialect == "rc1":
        return {"order": {"beckn:orderItems": [{"beckn:orderedItem": item}]}}
    if dialect == "v1":
        return {"order": {"items": [{"id": item}]}}
    commitment = {
        "status": {"descriptor": {"code": "DRAFT"}},
        "resources": [{"id": item}],
        "offer": {"id": f"offer-{item}", "resourceIds": [item]},
    }
    return {"contract": {"commitments": [commitment]}}


def context_of(dialect: str, peer: Peer, to: Member, action: str, transaction: str) -> Any:
    """Return the context of a request in a dialect's own spelling."""
    context = peer.context(action, to, transactionId=transaction)
    if dialect == "lts":
        return context
    del context["networkId"]
    snake = {
        re.sub("([A-Z])", lambda m: f"_{m[0].lower()}", name): v for name, v in context.items()
    }
    more = {"version": "1.1.1"} if dialect == "v1" else {}
    return {**snake, "domain": "deg:flexibility", **more}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_buyer_of_its_own_making_takes_a_turn_down_and_the_sellers_job_moves(
    tmp_path: Path, dialect: str, exchanges: ExchangeTable
) -> None:
    node, peer = Member("flex.example"), Peer(Member("peer.example"))
    write_registry(tmp_path / "registry.json", node, peer.member)
    begun = time.monotonic()
    with running(tmp_path / "app", node, tmp_path / "registry.json") as app:
        peer.start()
        try:
            job_id = cluster_and_job(app, "theirs")
            client = app.test_client()
            before: Any = client.get(f"/api/jobs/{job_id}").json
            offers: Any = client.post("/api/beckn/search", json={"kind": "turn_down"}).json
            slot = offers["items"][0]
            transaction, find = str(uuid4()), FIND[dialect]
            steps = [find, *((step, order_of(dialect, slot["slot_id"])) for step in ORDER)]
            for action, message in steps:
                context = context_of(dialect, peer, node, action, transaction)
                taken = peer.post(node, {"context": context, "message": message})
                assert taken.status == 200, taken.body
                (answer,) = eventually(lambda a=action: peer.received(f"on_{a}"), 20)
                assert "error" not in answer, answer
                if action == find[0]:
                    assert slot["slot_id"] in json.dumps(answer)
                assert beckn_schemas.problems(SCHEMAS[dialect], f"on_{action}", answer) == []
            (sold,) = app.extensions["services"].market.contracts(LOCAL)
            assert (sold.state, sold.dialect) == (ContractState.CONFIRMED, dialect)
            after: Any = client.get(f"/api/jobs/{job_id}").json
            assert overlaps(before["schedule"], slot)
            assert not overlaps(after["schedule"], slot)
            assert max(sold.baseline_kw) == pytest.approx(sold.quantity_kw)
            messages = messages_of(app, transaction, dialect)
        finally:
            peer.stop()
    arrows = [f"{'→' if one.direction == 'out' else '←'} {one.action}" for one in messages]
    came = f"the job that drew {sold.quantity_kw:g} kW in the window moved out of it; its baseline is kept with the contract"
    took = f"{time.monotonic() - begun:.1f}"
    exchanges.journeys.append(
        ("discover to confirm, turn-down", dialect, "a peer of its own making", "program A",
         ", ".join(arrows), came, took)
    )  # fmt: skip


def overlaps(run: Any, slot: Any) -> bool:
    """Return whether a run and a window share time."""
    return bool(run["start_time"] < slot["end_time"] and slot["start_time"] < run["end_time"])


def placed_inside(app: Flask, job_id: str, held: Contract) -> dict[str, Any] | None:
    job: Any = app.test_client().get(f"/api/jobs/{job_id}").json
    schedule = job.get("schedule")
    start = held.window.start.strftime("%Y-%m-%dT%H:%M:%SZ")
    end = held.window.end.strftime("%Y-%m-%dT%H:%M:%SZ")
    if schedule and start <= schedule["start_time"] and schedule["end_time"] <= end:
        return job  # type: ignore[no-any-return]
    return None


@pytest.mark.parametrize("dialect", DIALECTS)
def test_one_program_completes_the_journey_with_itself(
    alone: Flask, dialect: str, exchanges: ExchangeTable
) -> None:
    begun = time.monotonic()
    job_id = cluster_and_job(alone, "hall")
    held = journey(alone, job_id, dialect)
    assert eventually(lambda: placed_inside(alone, job_id, held), 30)
    sides = {c.side: c for c in alone.extensions["services"].market.contracts(LOCAL)}
    assert sides[Side.SELLER].job_id == job_id
    assert held.window.is_simulated
    came = "job pinned into the window; both contracts confirmed, watermarked as simulated"
    noted(exchanges, "select to confirm, with itself", (alone, alone), held, came, begun)


def test_the_rest_conveniences_and_the_page_show_the_same_contract(alone: Flask) -> None:
    job_id = cluster_and_job(alone, "hall")
    client = alone.test_client()
    items: Any = client.post("/api/beckn/search", json={"kind": "compute_window"}).json
    soonest = in_hours(4)
    slot = next(i for i in items["items"] if i["duration_h"] == 2 and i["start_time"] > soonest)
    assert slot["watermark"]
    for dialect, key in [("lts", "catalogs"), ("rc1", "catalogs"), ("v1", "catalog")]:
        assert key in client.post(f"/api/beckn/search?dialect={dialect}", json={}).json  # type: ignore[operator]
    first: Any = client.post("/api/beckn/search?dialect=lts", json={"limit": 3})
    onward = first.headers["Link"].split(">")[0].lstrip("<")
    second: Any = client.post(onward, json={"limit": 3})
    ids = [{one["id"] for one in page.json["catalogs"][0]["resources"]} for page in (first, second)]
    assert [len(some) for some in ids] == [3, 3]
    assert not ids[0] & ids[1]
    wrong = client.post("/api/beckn/confirm", json={"slot_id": slot["slot_id"]})
    assert wrong.status_code == 422
    made: Any = client.post(
        "/api/beckn/confirm", json={"slot_id": slot["slot_id"], "job_id": job_id}
    ).json
    assert made["status"] == "confirmed"
    job: Any = client.get(f"/api/jobs/{job_id}").json
    assert slot["start_time"] <= job["schedule"]["start_time"] < slot["end_time"]
    again = client.post("/api/beckn/confirm", json={"slot_id": slot["slot_id"], "job_id": job_id})
    assert again.status_code == 409
    log = json.dumps(client.get("/api/logs?limit=200").json)
    assert made["contract_id"] in log


def test_the_page_browses_takes_and_shows_a_contract_with_its_messages(alone: Flask) -> None:
    job_id = cluster_and_job(alone, "hall")
    client = alone.test_client()
    page = client.get("/beckn-slots?region=london&kind=compute_window&hours=24")
    assert page.status_code == 200
    assert "Windows in London over its carbon and price" in page.text
    held = journey(alone, job_id, "lts")
    listed = client.get("/beckn-slots").text
    assert held.contract_id in listed
    shown = client.get(f"/beckn-slots/contracts/{held.contract_id}").text
    for word in ("on_confirm", "capacity is kept for us", "not computed"):
        assert word in shown
    assert client.get("/beckn-slots/contracts/nothing").status_code == 404


def test_the_commands_make_keys_say_who_we_are_and_search(alone: Flask) -> None:
    cluster_and_job(alone, "hall")
    run = alone.test_cli_runner()
    made = run.invoke(args=["beckn", "keygen"]).output
    assert "HALFHOUR_BECKN_PRIVATE_KEY=" in made
    told = json.loads(run.invoke(args=["beckn", "whoami"]).output)
    assert told["subscriber_id"] == "flex.example"
    assert told["signing_public_key"] not in made
    found_here = run.invoke(args=["beckn", "search", "--region", "london"]).output
    assert "SIMULATED" in found_here
    on_net = run.invoke(args=["beckn", "search", "--network", "--wait", "4"]).output
    assert "1 sellers asked" in on_net
    soonest = in_hours(4)
    lines = [one for one in on_net.splitlines() if one.startswith("cw-") and "-4 " in one]
    line = next(one for one in lines if one.split()[3] > soonest)
    jobs: Any = alone.test_client().get("/api/jobs").json
    slot, job_id = line.split()[0], jobs["items"][0]["job_id"]
    done = run.invoke(args=["beckn", "journey", slot, "--job", job_id])
    assert done.exit_code == 0, done.output
    assert "confirmed" in done.output


@pytest.mark.parametrize("dialect", DIALECTS)
def test_news_of_a_carbon_spike_leaves_the_window_and_plans_the_job_anew(
    two: tuple[Flask, Flask], dialect: str, exchanges: ExchangeTable
) -> None:
    buyer, seller = two
    begun = time.monotonic()
    job_id = cluster_and_job(buyer, "mine")
    cluster_and_job(seller, "theirs", has_job=False)
    held = journey(buyer, job_id, dialect)
    eventually(lambda: placed_inside(buyer, job_id, held), 30)
    ours = seller.extensions["services"]
    carbon = held.window.mean_carbon_g_per_kwh or 0.0

    def tell(factor: float) -> None:
        (sold,) = ours.market.contracts(LOCAL)
        event = {
            "event_id": str(uuid4()), "event_type": "carbon_spike", "message": "the forecast rose",
            "carbon_g_per_kwh": carbon * factor, "previous_carbon_g_per_kwh": carbon,
        }  # fmt: skip
        with ours.context.uow(write=True) as uow:
            market_news.tell(ours.context, uow, sold, event)
            uow.commit()
        ours.market.protocol.wake()

    def updates() -> list[Message]:
        with buyer.extensions["services"].context.uow() as uow:
            found = uow.exchange.messages(MessageFilter(held.transaction_id))
        return [one for one in found if one.action == "on_update"]

    tell(1.1)  # less than the 1.2 at which a buyer leaves
    eventually(updates, 20)
    assert bought(buyer, held.transaction_id, ContractState.CONFIRMED)
    tell(2.0)
    assert eventually(lambda: bought(buyer, held.transaction_id, ContractState.CANCELLED), 20)
    assert len(updates()) == 2
    job: Any = buyer.test_client().get(f"/api/jobs/{job_id}").json
    assert job["status"] in {"scheduled", "pending"}
    assert job["pinned_start"] is None
    (sold,) = ours.market.contracts(LOCAL)
    assert (sold.state, sold.transaction_id) == (ContractState.CANCELLED, held.transaction_id)
    came = "at 1.1 times its carbon the window stays bought; at 2 times it is cancelled and the job planned anew"
    noted(exchanges, "select to confirm, then grid events", (buyer, seller), held, came, begun)
