"""Journeys over loopback HTTP with a file registry: our buyer and our seller, in one program and in two, per dialect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from models.domain.access import Caller, Role
from models.domain.exchange import Message
from models.domain.market import Contract, ContractState, Side
from tests.support.beckn_nodes import Member, eventually, running, write_registry
from tests.support.running import in_hours

pytestmark = pytest.mark.e2e

LOCAL = Caller("local", Role.OPERATOR)
DIALECTS = ("lts", "rc1", "v1")


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


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_buyer_takes_another_partys_window_for_its_job(
    two: tuple[Flask, Flask], dialect: str
) -> None:
    buyer, seller = two
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


def placed_inside(app: Flask, job_id: str, held: Contract) -> dict[str, Any] | None:
    job: Any = app.test_client().get(f"/api/jobs/{job_id}").json
    schedule = job.get("schedule")
    start = held.window.start.strftime("%Y-%m-%dT%H:%M:%SZ")
    end = held.window.end.strftime("%Y-%m-%dT%H:%M:%SZ")
    if schedule and start <= schedule["start_time"] and schedule["end_time"] <= end:
        return job  # type: ignore[no-any-return]
    return None


@pytest.mark.parametrize("dialect", DIALECTS)
def test_one_program_completes_the_journey_with_itself(alone: Flask, dialect: str) -> None:
    job_id = cluster_and_job(alone, "hall")
    held = journey(alone, job_id, dialect)
    assert eventually(lambda: placed_inside(alone, job_id, held), 30)
    sides = {c.side: c for c in alone.extensions["services"].market.contracts(LOCAL)}
    assert sides[Side.SELLER].job_id == job_id
    assert held.window.is_simulated


def test_the_rest_conveniences_and_the_page_show_the_same_contract(alone: Flask) -> None:
    job_id = cluster_and_job(alone, "hall")
    client = alone.test_client()
    items: Any = client.post("/api/beckn/search", json={"kind": "compute_window"}).json
    soonest = in_hours(4)
    slot = next(i for i in items["items"] if i["duration_h"] == 2 and i["start_time"] > soonest)
    assert slot["watermark"]
    for dialect, key in [("lts", "catalogs"), ("rc1", "catalogs"), ("v1", "catalog")]:
        assert key in client.post(f"/api/beckn/search?dialect={dialect}", json={}).json  # type: ignore[operator]
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


def test_news_of_a_carbon_spike_leaves_the_window_and_plans_the_job_anew(
    two: tuple[Flask, Flask],
) -> None:
    buyer, seller = two
    job_id = cluster_and_job(buyer, "mine")
    cluster_and_job(seller, "theirs", has_job=False)
    held = journey(buyer, job_id, "lts")
    eventually(lambda: placed_inside(buyer, job_id, held), 30)
    node = buyer.extensions["services"].market.protocol
    for factor, state in ((1.1, ContractState.CONFIRMED), (2.0, ContractState.CANCELLED)):
        attributes = {
            "@context": "https://seller.example/c", "@type": "GridEvent",
            "gridEventAlert": {"eventId": f"e{factor}", "eventType": "carbon_spike", "message": ""},
            "carbonIntensityChange": {
                "currentValue": (held.window.mean_carbon_g_per_kwh or 0.0) * factor
            },
        }  # fmt: skip
        body = {"context": {}, "message": {"contract": {"contractAttributes": attributes}}}
        received = Message(
            "in", held.peer_id, "on_update", held.transaction_id, f"m{factor}",
            datetime.now(UTC), "lts", json.dumps(body).encode(),
        )  # fmt: skip
        node._outbox._follower.take_callback(received)
        assert eventually(lambda state=state: bought(buyer, held.transaction_id, state), 20)
    job: Any = buyer.test_client().get(f"/api/jobs/{job_id}").json
    assert job["status"] in {"scheduled", "pending"}
    (sold,) = eventually(
        lambda: [
            c
            for c in seller.extensions["services"].market.contracts(LOCAL)
            if c.state is ContractState.CANCELLED
        ],
        20,
    )
    assert sold.transaction_id == held.transaction_id
