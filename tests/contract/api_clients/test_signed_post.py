"""Signed messages over real sockets to receivers that answer badly: every wait ends, and every fault is `SourceUnavailable`."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import requests

from api_clients import signed_post
from api_clients.signed_post import SignedPost
from models.domain.errors import SourceTimeout, SourceUnavailable

SECRET = "0123456789abcdef"


@contextmanager
def receiver(talk: Callable[[socket.socket], None]) -> Iterator[SignedPost]:
    """Listen on a free port, let each connection be answered by `talk`, and give who sends there."""
    door = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):  # closed at the end of the test
            connection, _ = door.accept()
            with connection:
                connection.recv(65_536)
                talk(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    session = requests.Session()
    session.trust_env = False
    url = f"http://127.0.0.1:{door.getsockname()[1]}/hook?token=in-the-address"
    yield SignedPost("webhook", url, SECRET, session, (1.0, 1.0))
    door.close()
    thread.join(timeout=10)


def says(*parts: bytes) -> Callable[[socket.socket], None]:
    """Return a receiver that says this and hangs up."""

    def talk(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)

    return talk


def test_an_answer_is_read_as_far_as_anybody_needs() -> None:
    body = b"x" * 100_000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    with receiver(says(head, body)) as post:
        reply = post(b"{}", "k")
    assert (reply.status, len(reply.body)) == (200, 65_536)


def test_an_answer_that_trickles_in_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signed_post, "LONGEST_SECONDS", 0.5)

    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        with suppress(OSError):
            for _ in range(200):
                connection.sendall(b".")
                time.sleep(0.05)

    began = time.monotonic()
    with receiver(trickle) as post:
        with pytest.raises(SourceTimeout, match=r"0\.5 s"):
            post(b"{}", "k")
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "parts",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"cut off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"zz\r\nnot a chunk"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n", b"nope"),
        (b"not even HTTP\r\n\r\n",),
        (b"",),
    ],
    ids=["cut", "chunks", "gzip", "noise", "silence"],
)
def test_a_broken_answer_is_no_answer_and_tells_no_secret(parts: tuple[bytes, ...]) -> None:
    with receiver(says(*parts)) as post, pytest.raises(SourceUnavailable) as caught:
        post(b"{}", "k")
    assert SECRET not in str(caught.value)
    assert "in-the-address" not in str(caught.value)
