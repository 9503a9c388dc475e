"""Participants without a network: nodes on scripted worlds that hand each other messages by a call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from beckn import keys, signing
from beckn.node import Node
from beckn.registry import CachedRegistry, Record
from models.domain.errors import SourceUnavailable
from models.domain.peers import PeerAnswer
from models.domain.time import format_utc
from services.protocol import Identity, Reply
from tests.support.world import World

NETWORK = "example.org/gb-flex"


@dataclass
class Party:
    """A name, an address and a key."""

    name: str
    roles: tuple[str, ...] = ("BAP", "BPP")
    key_id: str = "k1"
    url: str = ""
    seed: str = ""
    public: str = ""

    def __post_init__(self) -> None:
        self.seed, self.public = keys.generate()
        self.url = self.url or f"https://{self.name}/beckn"

    @property
    def signer(self) -> signing.Signer:
        return signing.Signer(self.name, self.key_id, keys.private_key(self.seed))

    def records(self) -> list[Record]:
        return [
            Record(self.name, self.url, role, self.key_id, self.public, network_ids=(NETWORK,))
            for role in self.roles
        ]


@dataclass
class Members:
    """A registry that a test fills, and how often a key was asked for."""

    records: list[Record] = field(default_factory=list)
    asked: int = 0
    is_down: bool = False

    def keys(self, subscriber_id: str, key_id: str) -> tuple[Record, ...]:
        self.asked += 1
        if self.is_down:
            raise SourceUnavailable("the registry is down", source="registry")
        wanted = (subscriber_id, key_id)
        return tuple(one for one in self.records if (one.subscriber_id, one.key_id) == wanted)

    def participants(self, role: str) -> tuple[Record, ...]:
        return tuple(one for one in self.records if one.type == role)


class Lane:
    """Carries messages to the node at an address; `meddle` may answer, fail or look at each before."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.meddle: Callable[[str, bytes], PeerAnswer | None] = lambda _url, _body: None

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> PeerAnswer:
        self.sent.append((url, json.loads(body)))
        found = self.meddle(url, body)
        if found is not None:
            return found
        base, action = url.rsplit("/", 1)
        node = self.nodes.get(base)
        if node is None:
            raise SourceUnavailable(f"nobody is at {base}", source=base)
        reply = node.receive(action, body, list(headers.items()), "127.0.0.1")
        return PeerAnswer(
            reply.status, reply.body, {name.lower(): value for name, value in reply.headers.items()}
        )

    def get(self, url: str, headers: Mapping[str, str]) -> PeerAnswer:
        del url, headers
        return PeerAnswer(404, b"")

    def actions(self, name: str) -> list[str]:
        """Return what was sent to an address of this party, in order."""
        return [url.rsplit("/", 1)[1] for url, _ in self.sent if f"//{name}/" in url]


class Desk(Node):
    """A node whose outbox a test works off itself."""

    def wake(self) -> None:
        """Start nothing."""


def desk(world: World, party: Party, lane: Lane, members: Members, **changes: Any) -> Desk:
    """Return a node on a world, at its address in the lane and in the registry."""
    identity = Identity(party.name, party.url, party.key_id, party.public, NETWORK)
    members.records += party.records()
    made = Desk(
        world.context, party.signer, identity, CachedRegistry(members), lane,
        **{"messages_per_minute": 0, **changes},
    )  # fmt: skip
    lane.nodes[party.url] = made
    return made


def settle(*nodes: Node, rounds: int = 60) -> None:
    """Work off every outbox until nothing is due anywhere."""
    for _ in range(rounds):
        if not sum(node.drain() for node in nodes):
            return
    raise AssertionError(f"still busy after {rounds} rounds")


def context(
    world: World, action: str, sender: Party, to: Party, dialect: str = "lts", **changes: Any
) -> dict[str, Any]:
    """Return the context of a request from a buyer."""
    fields = {
        "bap_id": sender.name, "bap_uri": sender.url, "bpp_id": to.name, "bpp_uri": to.url,
        "transaction_id": str(uuid4()), "message_id": str(uuid4()),
        "action": action, "timestamp": format_utc(world.context.system_now()), "ttl": "PT60S",
        "version": "1.1.1" if dialect == "v1" else "2.0.0",
        **changes,
    }  # fmt: skip
    return {_camel(name) if dialect == "lts" else name: value for name, value in fields.items()}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def order(item: str, kw: float | None) -> dict[str, Any]:
    """Return the message of an order in the current line."""
    resource: dict[str, Any] = {"id": item}
    if kw is not None:
        resource["quantity"] = {"unitCode": "kW", "unitQuantity": kw}
    commitment = {
        "status": {"descriptor": {"code": "DRAFT"}},
        "resources": [resource],
        "offer": {"id": f"offer-{item}", "resourceIds": [item]},
    }
    return {"contract": {"commitments": [commitment]}}


def post(
    world: World,
    node: Node,
    sender: Party,
    action: str,
    body: Mapping[str, Any] | bytes,
    *more: tuple[str, str],
) -> Reply:
    """Sign a message and hand it to a node."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    header = sender.signer.header(raw, int(world.context.system_now().timestamp()))
    return node.receive(action, raw, [("Authorization", header), *more], "127.0.0.1")


def code_of(reply: Reply) -> str:
    """Return the error code of a NACK, in whichever place its dialect has it; empty for an ACK."""
    body = json.loads(reply.body)
    error = body.get("error") or (body.get("message") or {}).get("error") or {}
    return str(error.get("code", ""))


def later(world: World, seconds: float) -> None:
    """Let planning and system time go on."""
    world.clock.instant += timedelta(seconds=seconds)


def with_hold(world: World, seconds: float) -> World:
    """Return the world with another hold time."""
    settings = replace(world.context.settings, hold_seconds=seconds)
    return replace(world, context=replace(world.context, settings=settings))


class Market:
    """A seller (the program), a buyer (the program too), a stranger with a key, and what lies between them."""

    def __init__(self, sold: World, bought: World) -> None:
        self.lane, self.members = Lane(), Members()
        self.sold, self.bought = sold, bought
        self.seller_party = Party("seller.example", ("BPP",))
        self.buyer_party = Party("buyer.example", ("BAP",))
        self.peer = Party("peer.example")
        self.members.records += self.peer.records()
        self.seller: Desk = desk(sold, self.seller_party, self.lane, self.members)
        self.buyer: Desk = desk(bought, self.buyer_party, self.lane, self.members)
