"""HTTP to other participants of a network, guarded: the address that was checked is the one connected to.

Public https only, unless loopback is allowed for tests and demonstrations; no redirects, short timeouts, a cap on
the answer. Every address a name resolves to must be public, so that a name cannot lead into our own network.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from models.domain.errors import SourceRejected, SourceTimeout, SourceUnavailable
from models.domain.peers import PeerAnswer

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 10.0
"""Longest wait for a connection, and for the whole of the answer, however small its pieces are. [s]"""

KEEP_SECONDS, MOST_IDLE = 5.0, 32
"""How long after its address was checked a connection may be used again, and how many are kept. [s]"""

MOST_ANSWER_BYTES = 2_097_152
"""Largest answer read. [B]"""

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 addresses in IPv6 ones, which a translator leads back. Source: RFC 6052."""

QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)
"""Option by which what arrives is acknowledged at once, where the system has it."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> Sequence[str]:
    """Return every address of a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def address_problem(text: str, *, allow_loopback: bool) -> str | None:
    """Return why an address must not be connected to, or None.

    Args:
        text: An IPv4 or IPv6 address.
        allow_loopback: Whether this machine itself may be reached.
    """
    address: Address = ipaddress.ip_address(text.split("%", 1)[0])
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if mapped is None and address in NAT64:
        mapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    address = mapped or address
    if address.is_loopback:
        return None if allow_loopback else "it is this machine"
    if not address.is_global or address.is_multicast:
        return "it is not a public address"
    return None


class PeerHttp:
    """`PeerTransport` over sockets."""

    def __init__(
        self,
        *,
        allow_loopback: bool = False,
        user_agent: str = "halfhour",
        find: Resolve = resolve,
    ) -> None:
        """Set what may be reached.

        Args:
            allow_loopback: Also plain http to this machine, for tests and demonstrations.
            user_agent: How we name ourselves.
            find: Resolves names.
        """
        self._allow_loopback = allow_loopback
        self._user_agent = user_agent
        self._resolve = find
        self._tls = ssl.create_default_context()
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str], list[_Line]] = {}

    def __del__(self) -> None:
        """Close what is idle."""
        for lines in getattr(self, "_idle", {}).values():
            for line in lines:
                line.shut()

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> PeerAnswer:
        """Send bytes as they are."""
        return self._send("POST", url, body, headers)

    def get(self, url: str, headers: Mapping[str, str]) -> PeerAnswer:
        """Fetch a document."""
        return self._send("GET", url, None, headers)

    def _send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> PeerAnswer:
        parts = urlsplit(url)
        place = (parts.scheme, parts.netloc)
        idle = self._idle_to(place)
        if idle is not None:
            try:
                return self._exchange(idle, place, method, parts, body, headers)
            except (ConnectionError, http.client.BadStatusLine):
                # The peer closed it while it was idle; the same message may be sent twice without harm.
                idle.shut()
        host, port, address = self._checked(parts)
        line = self._connected(parts.scheme, host, port, address)
        try:
            return self._exchange(line, place, method, parts, body, headers)
        except (ConnectionError, http.client.BadStatusLine) as error:
            raise SourceUnavailable(
                f"no answer from {host}: {type(error).__name__}", source=host
            ) from error

    def _exchange(
        self,
        line: _Line,
        place: tuple[str, str],
        method: str,
        parts: SplitResult,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> PeerAnswer:
        """Send a request and read its answer, until the time for both is over."""
        host = parts.hostname or ""
        target = parts.path or "/"
        if parts.query:
            target += f"?{parts.query}"
        is_kept = False
        try:
            line.hurried.until(time.monotonic() + TOTAL_SECONDS)
            line.connection.request(
                method, target, body, {"User-Agent": self._user_agent, **headers}
            )
            answer = line.connection.getresponse()
            content = answer.read(MOST_ANSWER_BYTES + 1)
            found = {name.lower(): value for name, value in answer.getheaders()}
            is_kept = answer.isclosed() and not answer.will_close
        except TimeoutError as error:
            raise SourceTimeout(f"{host} did not answer in time", source=host) from error
        except (ConnectionError, http.client.BadStatusLine):
            raise
        except (OSError, http.client.HTTPException) as error:
            raise SourceUnavailable(
                f"no answer from {host}: {type(error).__name__}", source=host
            ) from error
        finally:
            if is_kept:
                self._keep(place, line)
            else:
                line.shut()
        if len(content) > MOST_ANSWER_BYTES:
            raise SourceUnavailable(f"the answer of {host} is too large", source=host)
        return PeerAnswer(answer.status, content, found)

    # --- lines that are kept for a moment -----------------------------------------------------

    def _idle_to(self, place: tuple[str, str]) -> _Line | None:
        """Return a line whose address was checked a moment ago, or None."""
        now = time.monotonic()
        with self._lock:
            late = [line for lines in self._idle.values() for line in lines if line.until <= now]
            self._idle = {
                name: left
                for name, lines in self._idle.items()
                if (left := [line for line in lines if line.until > now])
            }
            lines = self._idle.get(place, [])
            found = lines.pop() if lines else None
        for line in late:
            line.shut()
        return found

    def _keep(self, place: tuple[str, str], line: _Line) -> None:
        with self._lock:
            if sum(map(len, self._idle.values())) < MOST_IDLE and line.until > time.monotonic():
                self._idle.setdefault(place, []).append(line)
                return
        line.shut()

    def _checked(self, parts: SplitResult) -> tuple[str, int, str]:
        """Return host, port and the one checked address to connect to."""
        try:
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise SourceRejected(f"not an address: {parts.netloc[:80]}", source="peer") from error
        if not host or parts.username or parts.password or parts.scheme not in {"http", "https"}:
            raise SourceRejected("only plain https addresses are called", source="peer")
        port = port or (443 if parts.scheme == "https" else 80)
        try:
            addresses = self._resolve(host, port)
        except OSError as error:
            raise SourceUnavailable(f"the name {host} is not known", source=host) from error
        if not addresses:
            raise SourceUnavailable(f"the name {host} has no address", source=host)
        for one in addresses:
            problem = address_problem(one, allow_loopback=self._allow_loopback)
            if problem is not None:
                raise SourceRejected(f"{host} must not be called: {problem}", source=host)
        if parts.scheme == "http" and not all(
            ipaddress.ip_address(a).is_loopback for a in addresses
        ):
            raise SourceRejected(f"{host} is called over https only", source=host)
        return host, port, addresses[0]

    def _connected(self, scheme: str, host: str, port: int, address: str) -> _Line:
        """Connect to the checked address; the name goes into the Host header and the TLS handshake."""
        try:
            plain = socket.create_connection((address, port), CONNECT_SECONDS)
            plain.settimeout(TOTAL_SECONDS)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if scheme == "https":
                plain = self._tls.wrap_socket(plain, server_hostname=host)
        except TimeoutError as error:
            raise SourceTimeout(f"{host} did not take a connection in time", source=host) from error
        except OSError as error:
            raise SourceUnavailable(
                f"no connection to {host}: {type(error).__name__}", source=host
            ) from error
        hurried = _Hurried(plain)
        connection = http.client.HTTPConnection(host, port)
        connection.sock = hurried
        # Never let the library connect by itself: it would not ask whether the address may be reached.
        connection.auto_open = 0
        return _Line(connection, hurried, time.monotonic() + KEEP_SECONDS)


@dataclass(frozen=True)
class _Line:
    """A connection to an address that was checked, and until when it may be used again."""

    connection: http.client.HTTPConnection
    hurried: _Hurried
    until: float

    def shut(self) -> None:
        self.connection.close()
        self.hurried.shut()


class _Hurried:
    """A socket that is read until a deadline: who sends byte by byte gets no more time for it."""

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain
        self._deadline = 0.0

    def until(self, deadline: float) -> None:
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._plain.settimeout(self._left())
        self._plain.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        del mode
        return io.BufferedReader(_Pieces(self))

    def recv_into(self, buffer: memoryview) -> int:
        self._plain.settimeout(self._left())
        if QUICK_ACK is not None:
            # Peers that send head and body apart would wait 40 ms for our acknowledgement in between.
            self._plain.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)
        return self._plain.recv_into(buffer)

    def close(self) -> None:
        """Do nothing: `http.client` lets go of a connection before it has read the answer."""

    def shut(self) -> None:
        self._plain.close()

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0.0:
            raise TimeoutError("the time for the whole of the answer is over")
        return left


class _Pieces(io.RawIOBase):
    """The answer as it comes."""

    def __init__(self, hurried: _Hurried) -> None:
        super().__init__()
        self._hurried = hurried

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._hurried.recv_into(buffer)
