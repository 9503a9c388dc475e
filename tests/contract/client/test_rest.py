"""The client against servers that are not Halfhour, or fail in the middle: a sentence, never a traceback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from client.rest import Refused, Rest


@contextmanager
def server(said: bytes) -> Iterator[str]:
    """Answer one request with some bytes and hang up; gives the address."""
    door = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):  # closed at the end of the test
            connection, _ = door.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(said)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{door.getsockname()[1]}"
    door.close()
    thread.join(timeout=10)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "something else"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n{", "does not answer"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>", "502"),
        (b"HTTP/1.1 302 Found\r\nLocation: https://x.example.org\r\nContent-Length: 0\r\n\r\n", "302"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer"),
        (b"", "does not answer"),
    ],
    ids=["page", "cut", "gateway", "redirect", "other protocol", "silence"],
)  # fmt: skip
def test_what_is_no_answer_of_ours_is_refused_in_a_sentence(said: bytes, sentence: str) -> None:
    with server(said) as url, pytest.raises(Refused, match=sentence):
        Rest(url, None).get("jobs")
