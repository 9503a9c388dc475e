"""The guard before every call to a peer: which addresses may be reached."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from api_clients import peer_http
from api_clients.peer_http import MOST_ANSWER_BYTES, PeerHttp, address_problem
from models.domain.errors import SourceRejected, SourceTimeout, SourceUnavailable


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "100.64.0.1",
     "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "2002:0a00:0001::",
     "64:ff9b::169.254.169.254", "64:ff9b::10.0.0.1"],
)  # fmt: skip
def test_addresses_that_are_not_public_are_never_called(address: str) -> None:
    assert address_problem(address, allow_loopback=True) is not None


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_called_only_where_that_is_allowed(address: str) -> None:
    assert address_problem(address, allow_loopback=True) is None
    assert address_problem(address, allow_loopback=False) == "it is this machine"


def test_public_addresses_may_be_called() -> None:
    for address in ("1.1.1.1", "2606:4700::1111"):
        assert address_problem(address, allow_loopback=False) is None


def resolving(*addresses: str) -> PeerHttp:
    def find(host: str, port: int) -> Sequence[str]:
        del host, port
        return addresses

    return PeerHttp(allow_loopback=True, find=find)


@pytest.mark.parametrize(
    "url",
    ["ftp://peer.example/x", "https://user:secret@peer.example/", "http:///x", "https://peer.example:x/"],
)  # fmt: skip
def test_only_plain_web_addresses_are_called(url: str) -> None:
    with pytest.raises(SourceRejected):
        resolving("1.1.1.1").post(url, b"{}", {})


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(SourceRejected, match="not a public address"):
        resolving("1.1.1.1", "10.0.0.1").post("https://peer.example/", b"{}", {})


def test_a_public_peer_is_called_over_https_only() -> None:
    with pytest.raises(SourceRejected, match="https only"):
        resolving("1.1.1.1").post("http://peer.example/", b"{}", {})


class Answers(http.server.BaseHTTPRequestHandler):
    """Redirects, an endless answer, and an echo."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.lines += 1  # type: ignore[attr-defined]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/")
            body = b""
        else:
            self.send_response(200)
        if self.path == "/slow":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(1000):
                self.wfile.write(b"x")
                if self.server.over.wait(0.02):  # type: ignore[attr-defined]
                    break
            return
        if self.path == "/large":
            body = b"x" * (MOST_ANSWER_BYTES + 1)
        if self.path == "/rude":
            self.close_connection = True  # without a word
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args


class Served:
    server: http.server.ThreadingHTTPServer


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as listening:
        listening.lines = 0  # type: ignore[attr-defined]
        listening.over = threading.Event()  # type: ignore[attr-defined]
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        Served.server = listening
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.over.set()  # type: ignore[attr-defined]
        listening.shutdown()
        thread.join()


def test_bytes_arrive_as_they_were_sent_and_redirects_are_not_followed(server: str) -> None:
    transport = PeerHttp(allow_loopback=True)
    assert transport.post(f"{server}/echo", b'{"a": 1}\n', {}).body == b'{"a": 1}\n'
    assert transport.post(f"{server}/moved", b"{}", {}).status == 302
    with pytest.raises(SourceUnavailable, match="too large"):
        transport.post(f"{server}/large", b"{}", {})
    with pytest.raises(SourceRejected):
        PeerHttp().post(f"{server}/echo", b"{}", {})


def test_a_connection_is_used_again_for_a_moment_and_never_after_its_address_could_have_changed(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def find(host: str, port: int) -> Sequence[str]:
        del port
        asked.append(host)
        return ("127.0.0.1",)

    transport = PeerHttp(allow_loopback=True, find=find)
    for _ in range(3):
        assert transport.post(f"{server}/echo", b"{}", {}).status == 200
    assert (len(asked), Served.server.lines) == (1, 1)  # type: ignore[attr-defined]
    # One that the peer closed without a word is replaced, and the message arrives.
    assert transport.post(f"{server}/rude", b"{}", {}).status == 200
    assert transport.post(f"{server}/echo", b"again", {}).body == b"again"
    assert len(asked) == 2
    monkeypatch.setattr(peer_http, "KEEP_SECONDS", 0.0)
    late = PeerHttp(allow_loopback=True, find=find)
    for _ in range(2):
        late.post(f"{server}/echo", b"{}", {})
    assert len(asked) == 4
    assert transport.post(f"{server}/moved", b"{}", {}).status == 302


def test_an_answer_that_comes_byte_by_byte_is_not_waited_for(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_http, "TOTAL_SECONDS", 0.2)
    # 1,000 bytes, one each 20 ms: every piece comes in time, all of them would take 20 s.
    begun = time.monotonic()
    with pytest.raises(SourceTimeout, match="in time"):
        PeerHttp(allow_loopback=True).post(f"{server}/slow", b"{}", {})
    assert time.monotonic() - begun < 5.0


def test_a_peer_that_is_down_is_unavailable() -> None:
    with pytest.raises(SourceUnavailable):
        PeerHttp(allow_loopback=True).post("http://127.0.0.1:9/", b"{}", {})
