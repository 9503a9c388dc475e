"""What goes wrong between participants, and what comes of it: refused by its layer, kept in the log, the plan untouched."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from beckn import keys, signing
from models.domain.market import ContractState
from tests.e2e.test_beckn_journeys import LOCAL, cluster_and_job
from tests.support import beckn_schemas
from tests.support.beckn_nodes import Member, Peer, eventually, running, write_registry
from tests.support.exchange_table import ExchangeTable

pytestmark = pytest.mark.e2e


class Net:
    """The program, a hand-made peer, and an outsider with a key of its own."""

    def __init__(self, app: Flask, node: Member, peer: Peer, registry: Path) -> None:
        self.app, self.node, self.peer, self.registry = app, node, peer, registry

    def version(self) -> int:
        with self.app.extensions["services"].context.uow() as uow:
            return int(uow.plans.version())

    def plan(self) -> tuple[int, Any]:
        """Return the version of the plan in force, and when and where each job runs in it."""
        jobs: Any = self.app.test_client().get("/api/jobs").json
        return self.version(), [(one["job_id"], one["schedule"]) for one in jobs["items"]]

    def logged(self, message: dict[str, Any], event: str) -> bool:
        """Return whether the audit log has an event of a message, by its id."""
        ident = message["context"]["messageId"]
        with self.app.extensions["services"].context.uow() as uow:
            found = uow.decisions.page(event_types=("exchange",), limit=200).items
        entries = [one for record in found for one in json.loads(record.line)["exchange"]]
        return any((one["message_id"], one["event"]) == (ident, event) for one in entries)

    def log(self) -> str:
        with self.app.extensions["services"].context.uow() as uow:
            found = uow.decisions.page(event_types=("exchange",), limit=200).items
        return "\n".join(record.line for record in found)

    def discover(self, action: str = "discover", **changes: Any) -> dict[str, Any]:
        context = self.peer.context(action, self.node, **changes)
        return {"context": context, "message": {"intent": {}}}

    def order(self, action: str, item: str, kw: float = 20, **changes: Any) -> dict[str, Any]:
        commitment = {
            "status": {"descriptor": {"code": "DRAFT"}},
            "resources": [{"id": item, "quantity": {"unitCode": "kW", "unitQuantity": kw}}],
            "offer": {"id": f"offer-{item}", "resourceIds": [item]},
        }
        context = self.peer.context(action, self.node, **changes)
        return {"context": context, "message": {"contract": {"commitments": [commitment]}}}

    def callback(self, action: str, count: int = 1) -> dict[str, Any]:
        got = eventually(lambda: self.peer.received(action)[count - 1 :], 20)
        return got[0]  # type: ignore[no-any-return]

    def a_window(self) -> str:
        message = self.discover()
        assert self.peer.post(self.node, message).status == 200
        resources = self.callback("on_discover")["message"]["catalogs"][0]["resources"]
        return next(
            str(one["id"]) for one in resources if one["resourceAttributes"]["durationHours"] == 2
        )


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    folder = tmp_path_factory.mktemp("beckn")
    node, peer = Member("flex.example"), Peer(Member("peer.example"))
    registry = folder / "registry.json"
    write_registry(registry, node, peer.member)
    with running(folder / "app", node, registry) as app:
        cluster_and_job(app, "hall")
        peer.start()
        yield Net(app, node, peer, registry)
        peer.stop()


@pytest.fixture(autouse=True)
def clean(net: Net) -> None:
    net.peer.got.clear()
    net.peer.answers = lambda _: (200, b"")


Spoil = Callable[[Net], dict[str, Any]]


def outsider() -> signing.Signer:
    return signing.Signer("peer.example", "k1", keys.private_key(keys.generate()[0]))


REFUSALS: list[tuple[str, Spoil, dict[str, Any], int, str]] = [
    ("tampered body", lambda n: n.discover(), {"sign_other": b"{}"}, 401, "AUT_SIGNATURE_INVALID"),
    ("not signed", lambda n: n.discover(), {"header": "none"}, 401, "AUT_SIGNATURE_MISSING"),
    ("wrong key", lambda n: n.discover(), {"signer": outsider()}, 401, "AUT_SIGNATURE_INVALID"),
    ("unknown key", lambda n: n.discover(),
     {"signer": signing.Signer("peer.example", "k9", outsider().key)}, 401, "AUT_KEY_NOT_FOUND"),
    ("somebody else's name", lambda n: n.discover(bapId="other.example"), {}, 401,
     "AUT_UNAUTHORIZED_ACTION"),
    ("expired", lambda n: n.discover(timestamp="2026-01-01T00:00:00Z"), {}, 400, "CTX_TTL_EXPIRED"),
    ("from the future", lambda n: n.discover(timestamp="2090-01-01T00:00:00Z"), {}, 400,
     "CTX_INVALID_FIELD"),
    ("callback elsewhere", lambda n: n.discover(bapUri="http://169.254.169.254/"), {}, 400,
     "CTX_INVALID_FIELD"),
    ("for another seller", lambda n: n.discover(bppId="other.example"), {}, 400, "CTX_INVALID_FIELD"),
    ("another network", lambda n: n.discover(networkId="x/y"), {}, 400, "CTX_INVALID_FIELD"),
    ("another version", lambda n: n.discover(version="3.0.0"), {}, 400, "CTX_VERSION_UNSUPPORTED"),
    ("no transaction", lambda n: n.discover(transactionId=None), {}, 400, "CTX_MISSING_FIELD"),
    ("no UUID", lambda n: n.discover(messageId="abc"), {}, 400, "CTX_INVALID_FIELD"),
    ("another action", lambda n: n.discover(action="select"), {"action": "discover"}, 400,
     "CTX_ACTION_MISMATCH"),
    ("unknown action", lambda n: n.discover(action="steal"), {}, 400, "NET_NOT_IMPLEMENTED"),
    ("bad filter", lambda n: {**n.discover(), "message": {"intent": {"filters": {
        "type": "jsonpath", "expression": "$[?(__import__('os'))]"}}}}, {}, 400, "SCH_INVALID_JSONPATH"),
    ("no contract", lambda n: {**n.discover(action="select"), "message": {}}, {}, 400,
     "SCH_REQUIRED_FIELD_MISSING"),
    ("signed 11 minutes ago: a message somebody kept", lambda n: n.discover(), {"seconds_ago": 660},
     401, "AUT_SIGNATURE_INVALID"),
    ("unknown transaction", lambda n: {"context": n.peer.context(
        "on_status", n.node, bapId=n.node.name, bapUri=n.node.url, bppId="peer.example",
        bppUri=n.peer.member.url), "message": {}}, {}, 400, "CTX_TRANSACTION_ID_UNKNOWN"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "spoil", "how", "status", "code"), REFUSALS, ids=[row[0] for row in REFUSALS]
)
def test_a_message_that_must_not_be_taken_is_refused_logged_and_changes_nothing(
    net: Net,
    name: str,
    spoil: Spoil,
    how: dict[str, Any],
    status: int,
    code: str,
    exchanges: ExchangeTable,
) -> None:
    before = net.plan()
    message = spoil(net)
    answer = net.peer.post(net.node, message, **how)
    body = json.loads(answer.body)
    assert (answer.status, body["message"]["status"]) == (status, "NACK")
    assert body["message"]["error"]["code"] == code
    assert beckn_schemas.answer_problems("NackBadRequest", body) == []
    assert net.plan() == before
    assert net.peer.got == []
    ident = message["context"].get("messageId")
    assert code in net.log()
    assert ident is None or ident in net.log()
    exchanges.faults.append((name, f"{answer.status} NACK `{code}`", "nothing is sent to anybody"))


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"context":1,"context":2}', b"[" * 100_000])
def test_bytes_that_are_no_message_are_refused(net: Net, raw: bytes) -> None:
    answer = net.peer.post(net.node, raw, action="discover", header="none")
    assert answer.status == 400
    assert json.loads(answer.body)["message"]["status"] == "NACK"


def test_an_ack_is_signed_over_its_body_and_chained_to_the_request(net: Net) -> None:
    message = net.discover()
    answer = net.peer.post(net.node, message)
    header = signing.parse_header(answer.headers["signature"])
    sent = net.peer.sent[message["context"]["messageId"]]
    signing.verify(header, answer.body, keys.public_key(net.node.public), request_signature=sent)
    net.callback("on_discover")
    _, body, headers, raw = net.peer.got[0]
    given = signing.parse_header(headers["Authorization"])
    signing.verify(given, raw, keys.public_key(net.node.public), request_signature=sent)
    assert body["context"]["messageId"] == message["context"]["messageId"]
    assert beckn_schemas.problems(beckn_schemas.LTS, "on_discover", body) == []
    for one in body["message"]["catalogs"][0]["resources"]:
        assert one["resourceAttributes"]["capacityKw"] > 0


def test_a_replay_is_answered_as_before_without_effect_and_another_body_is_refused(
    net: Net, exchanges: ExchangeTable
) -> None:
    item = net.a_window()
    message = net.order("init", item)
    raw = json.dumps(message).encode()
    first = net.peer.post(net.node, raw, action="init")
    net.callback("on_init")
    before = net.plan()
    again = net.peer.post(net.node, raw, action="init")
    assert again.body == first.body
    assert eventually(lambda: net.logged(message, "repeated"), 5)
    other = {**message, "message": net.order("init", item, kw=5)["message"]}
    refused = net.peer.post(net.node, other)
    assert json.loads(refused.body)["message"]["error"]["code"] == "CTX_MESSAGE_ID_DUPLICATE"
    assert net.plan() == before
    assert net.logged(other, "refused")
    assert len(net.peer.received("on_init")) == 1
    exchanges.faults += [
        ("duplicate: the same `init` twice", f"{again.status} ACK, the same bytes as the first", "one hold, one callback"),
        ("replay: a known id with another body", f"{refused.status} NACK `CTX_MESSAGE_ID_DUPLICATE`", "no callback"),
    ]  # fmt: skip


def test_a_whole_order_is_answered_in_order_and_a_second_confirm_is_refused(
    net: Net, exchanges: ExchangeTable
) -> None:
    item = net.a_window()
    transaction = str(uuid4())
    for action in ("select", "init", "confirm"):
        net.peer.post(net.node, net.order(action, item, transactionId=transaction))
        answer = net.callback(f"on_{action}")
        assert "error" not in answer, answer
        assert beckn_schemas.problems(beckn_schemas.LTS, f"on_{action}", answer) == []
    assert answer["message"]["contract"]["status"]["code"] == "ACTIVE"
    before = net.plan()
    second = net.order("confirm", item, transactionId=transaction)
    net.peer.post(net.node, second)
    refused = net.callback("on_confirm", 2)
    assert refused["error"]["code"] == "BIZ_ALREADY_CONFIRMED"
    assert beckn_schemas.problems(beckn_schemas.LTS, "on_confirm", refused) == []
    stranger = net.order("cancel", item)
    stranger["message"]["contract"]["id"] = str(uuid4())
    net.peer.post(net.node, stranger)
    assert net.callback("on_cancel")["error"]["code"] == "BIZ_ORDER_NOT_FOUND"
    assert net.plan() == before
    for message in (second, stranger):
        assert eventually(lambda m=message: net.logged(m, "sent"), 10)
    exchanges.faults += [
        ("a second confirm", "ACK", "`on_confirm` with `BIZ_ALREADY_CONFIRMED`"),
        ("cancel of a contract that is not the buyer's", "ACK", "`on_cancel` with `BIZ_ORDER_NOT_FOUND`"),
    ]  # fmt: skip


def test_confirm_before_init_is_out_of_order(net: Net, exchanges: ExchangeTable) -> None:
    item = net.a_window()
    transaction = str(uuid4())
    net.peer.post(net.node, net.order("select", item, transactionId=transaction))
    net.callback("on_select")
    before = net.plan()
    early = net.order("confirm", item, transactionId=transaction)
    net.peer.post(net.node, early)
    assert net.callback("on_confirm")["error"]["code"] == "BIZ_INVALID_STATE_TRANSITION"
    assert net.plan() == before
    assert eventually(lambda: net.logged(early, "sent"), 10)
    exchanges.faults.append(
        ("out of order: confirm before init", "ACK", "`on_confirm` with `BIZ_INVALID_STATE_TRANSITION`")
    )  # fmt: skip


def test_unknown_items_and_too_much_power_are_business_errors_in_the_callback(
    net: Net, exchanges: ExchangeTable
) -> None:
    item = net.a_window()
    before = net.plan()
    for what, wanted, kw, code in [
        ("unknown window", "cw-000000000000-20260101T0000Z-2", 5, "BIZ_ITEM_NOT_FOUND"),
        ("more power than there is", item, 9_999, "BIZ_QUANTITY_UNAVAILABLE"),
    ]:
        net.peer.got.clear()
        message = net.order("init", wanted, kw)
        assert net.peer.post(net.node, message).status == 200
        assert net.callback("on_init")["error"]["code"] == code
        assert net.plan() == before
        assert eventually(lambda m=message: net.logged(m, "sent"), 10)
        exchanges.faults.append((what, "ACK", f"`on_init` with `{code}`"))


def test_capacity_that_went_to_a_job_meanwhile_is_an_error_at_confirm(
    net: Net, exchanges: ExchangeTable
) -> None:
    item = net.a_window()
    transaction = str(uuid4())
    net.peer.post(net.node, net.order("init", item, 100, transactionId=transaction))
    net.callback("on_init")
    client = net.app.test_client()
    assert client.patch("/api/assets/hall", json={"max_power_kw": 90}).status_code == 200
    before = net.plan()
    confirm = net.order("confirm", item, 100, transactionId=transaction)
    net.peer.post(net.node, confirm)
    code = net.callback("on_confirm")["error"]["code"]
    assert code.startswith("BIZ_")
    # The plan made with what is given back may have a new number; every job runs where it did.
    assert net.plan()[1] == before[1]
    assert eventually(lambda: net.logged(confirm, "sent"), 10)
    with net.app.extensions["services"].context.uow() as uow:
        from models.domain.market import Side

        held = uow.market.of_transaction(Side.SELLER, "peer.example", transaction)
    assert held is not None
    assert held.state is ContractState.CANCELLED
    exchanges.faults.append(
        ("capacity gone at confirm: the cluster became smaller after init", "ACK",
         f"`on_confirm` with `{code}`; the hold is given back")
    )  # fmt: skip
    assert client.patch("/api/assets/hall", json={"max_power_kw": 200}).status_code == 200


def test_a_peer_that_is_down_or_fails_gets_its_callback_later_and_in_order(
    net: Net, exchanges: ExchangeTable
) -> None:
    before = net.plan()
    net.peer.answers = lambda count: (500, b"oops") if count <= 1 else (200, b"")
    message = net.discover()
    net.peer.post(net.node, message)
    eventually(lambda: len(net.peer.received("on_discover")) >= 2, 20)
    net.peer.stop()
    later = net.discover()
    net.peer.post(net.node, later)
    eventually(lambda: net.app.extensions["services"].market.lag().waiting, 10)
    net.peer.start()
    ident = later["context"]["messageId"]
    eventually(
        lambda: [m for m in net.peer.received("on_discover") if m["context"]["messageId"] == ident],
        20,
    )
    assert net.plan() == before
    for one in (message, later):
        assert eventually(lambda m=one: net.logged(m, "sent"), 10)
    exchanges.faults += [
        ("the peer answers a callback with 500", "ACK", "sent again 2 s later with a new timestamp, and taken"),
        ("peer down when its callback is due", "ACK", "sent again when it is back, and taken"),
    ]  # fmt: skip


def test_a_peer_that_refuses_a_callback_is_not_asked_again(
    net: Net, exchanges: ExchangeTable
) -> None:
    before = net.plan()
    nack = b'{"message":{"status":"NACK","messageId":"x","error":{"code":"SCH_X","message":"no"}}}'
    net.peer.answers = lambda _: (400, nack)
    message = net.discover()
    net.peer.post(net.node, message)
    assert eventually(lambda: net.logged(message, "given_up"), 10)
    assert len(net.peer.received("on_discover")) == 1
    assert "refused it with 400" in net.log()
    assert net.plan() == before
    exchanges.faults.append(("the peer answers a callback with NACK", "ACK", "given up, not sent again"))  # fmt: skip


def test_a_rotated_key_is_found_and_the_old_one_is_refused(net: Net) -> None:
    old = net.peer.member.signer
    net.peer.member.key_id = "k2"
    net.peer.member.seed, net.peer.member.public = keys.generate()
    write_registry(net.registry, net.node, net.peer.member)
    assert net.peer.post(net.node, net.discover()).status == 200
    net.callback("on_discover")
    net.app.extensions["services"].market.protocol._admission._registry._kept.clear()
    refused = net.peer.post(net.node, net.discover(), signer=old)
    assert json.loads(refused.body)["message"]["error"]["code"] == "AUT_KEY_NOT_FOUND"


def test_the_log_is_whole_after_all_of_it(net: Net) -> None:
    report = net.app.extensions["services"].verify_log(fresh=True)
    assert report.ok, report.fault
    assert LOCAL.owner == "local"
