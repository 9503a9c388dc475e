"""Participants for tests over loopback: the real app with an identity, and a hand-made peer that signs by itself."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from api_clients.peer_http import PeerHttp
from beckn import keys, signing
from models.domain.peers import PeerAnswer
from tests.support.app_process import free_port
from tests.support.running import closing_app

NETWORK = "example.org/gb-flex"


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """Write no access log."""


@dataclass
class Member:
    """A name, a key and an address, as the registry has them."""

    name: str
    kinds: tuple[str, ...] = ("BAP", "BPP")
    port: int = field(default_factory=free_port)
    seed: str = ""
    public: str = ""
    key_id: str = "k1"

    def __post_init__(self) -> None:
        self.seed, self.public = keys.generate()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/beckn"

    @property
    def signer(self) -> signing.Signer:
        return signing.Signer(self.name, self.key_id, keys.private_key(self.seed))

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "subscriber_id": self.name,
                "url": self.url,
                "type": kind,
                "key_id": self.key_id,
                "signing_public_key": self.public,
                "valid_from": "2020-01-01T00:00:00Z",
                "valid_until": "2090-01-01T00:00:00Z",
                "status": "SUBSCRIBED",
                "network_ids": [NETWORK],
            }
            for kind in self.kinds
        ]


def settings_of(member: Member, registry: Path) -> dict[str, str]:
    """Return the environment of a participant."""
    return {
        "HALFHOUR_BECKN_SUBSCRIBER_ID": member.name,
        "HALFHOUR_BECKN_SUBSCRIBER_URL": member.url,
        "HALFHOUR_BECKN_KEY_ID": member.key_id,
        "HALFHOUR_BECKN_PRIVATE_KEY": member.seed,
        "HALFHOUR_BECKN_NETWORK_ID": NETWORK,
        "HALFHOUR_BECKN_REGISTRY_FILE": str(registry),
        "HALFHOUR_BECKN_ALLOW_LOOPBACK": "1",
    }


def write_registry(path: Path, *members: Member) -> None:
    """Write the registry file."""
    rows = [row for member in members for row in member.rows()]
    path.write_text(json.dumps(rows), encoding="utf-8")


@contextmanager
def running(folder: Path, member: Member, registry: Path) -> Iterator[Flask]:
    """Serve the real app as a participant."""
    with ExitStack() as stack:
        app = stack.enter_context(closing_app(folder, **settings_of(member, registry)))
        server = make_server("127.0.0.1", member.port, app, threaded=True, request_handler=_Quiet)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield app
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class Peer:
    """A hand-made participant: sends what a test wants, answers as a test wants, keeps what it was sent."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.got: list[tuple[str, dict[str, Any], dict[str, str], bytes]] = []
        self.answers: Callable[[int], tuple[int, bytes]] = lambda _: (200, b"")
        self.sent: dict[str, str] = {}
        self._server: http.server.ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Peer:
        peer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                body = json.loads(raw)
                peer.got.append((self.path, body, dict(self.headers.items()), raw))
                status, answer = peer.answers(len(peer.got))
                answer = answer or ack(body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                del format, args

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.member.port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None

    def context(self, action: str, to: Member, **changes: Any) -> dict[str, Any]:
        """Return the context of a request in the current dialect."""
        context = {
            "networkId": NETWORK,
            "version": "2.0.0",
            "action": action,
            "bapId": self.member.name,
            "bapUri": self.member.url,
            "bppId": to.name,
            "bppUri": to.url,
            "transactionId": str(uuid4()),
            "messageId": str(uuid4()),
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "ttl": "PT60S",
        }
        context.update(changes)
        return {name: value for name, value in context.items() if value is not None}

    def post(
        self,
        to: Member,
        message: dict[str, Any] | bytes,
        *,
        action: str | None = None,
        signer: signing.Signer | None = None,
        sign_other: bytes | None = None,
        header: str | None = None,
        request_signature: str | None = None,
        seconds_ago: int = 0,
    ) -> PeerAnswer:
        """Sign a message and send it, so many seconds later."""
        raw = message if isinstance(message, bytes) else json.dumps(message).encode()
        name = action or str(json.loads(raw)["context"]["action"])
        now = int(datetime.now(UTC).timestamp()) - seconds_ago
        made = header or (signer or self.member.signer).header(
            raw if sign_other is None else sign_other, now, request_signature=request_signature
        )
        headers = {"Content-Type": "application/json"}
        if made != "none":
            headers["Authorization"] = made
            if isinstance(message, dict):
                ident = message["context"].get("messageId") or message["context"].get("message_id")
                self.sent[str(ident)] = made.rsplit('signature="', 1)[-1].rstrip('"')
        return PeerHttp(allow_loopback=True).post(f"{to.url}/{name}", raw, headers)

    def received(self, action: str) -> list[dict[str, Any]]:
        """Return the callbacks of an action, in the order in which they came."""
        return [body for path, body, _, _ in self.got if path.endswith(f"/{action}")]


def ack(body: dict[str, Any]) -> bytes:
    """Return an ACK in the dialect of a message."""
    context = body["context"]
    if "messageId" in context:
        return json.dumps(
            {"message": {"status": "ACK", "messageId": context["messageId"]}}
        ).encode()
    return b'{"message":{"ack":{"status":"ACK"}}}'


def eventually(answer: Callable[[], Any], seconds: float) -> Any:
    """Return the first answer that is neither None nor empty, asked again and again."""
    give_up_at = time.monotonic() + seconds
    while True:
        found = answer()
        if found:
            return found
        assert time.monotonic() < give_up_at, f"nothing within {seconds:g} s"
        time.sleep(0.05)
