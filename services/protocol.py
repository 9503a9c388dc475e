"""What the market's protocol does for the edges; implemented by the `beckn` room and bound by `wiring.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from models.domain.market import Contract, Window


@dataclass(frozen=True)
class Reply:
    """The synchronous answer to a message."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Identity:
    """Who we are on the network, without the secret."""

    subscriber_id: str
    url: str
    key_id: str
    public_key: str
    network_id: str


class MarketProtocol(Protocol):
    """The participant."""

    @property
    def identity(self) -> Identity | None:
        """Who we are; None where no key is set, and then nothing is sent or received."""

    def catalogue(self, dialect: str, windows: Sequence[Window]) -> Mapping[str, Any]:
        """Return windows in a dialect's own shape (`lts | rc1 | v1`). Raises `InvalidRequest` for another one."""

    def receive(
        self, action: str, raw: bytes, headers: Sequence[tuple[str, str]], address: str
    ) -> Reply:
        """Take or refuse a message."""

    def discover(
        self, text: str = "", expression: str = "", dialect: str = "lts"
    ) -> tuple[str, int]:
        """Ask every seller in the registry; return the transaction and how many were asked."""

    def found(self) -> tuple[Window, ...]:
        """Return windows that others offer."""

    def take_window(
        self, slot_id: str, job_id: str | None, dialect: str = "lts", seller: str = ""
    ) -> Contract:
        """Begin the journey from select to confirm over a found window; returns the contract as requested."""

    def ask(self, contract_id: str, action: str) -> Contract:
        """Send `status` or `cancel` for a contract we bought."""

    def drain(self, limit: int = 100) -> int:
        """Do what is due now; return how much that was."""

    def tidy(self) -> int:
        """End what sellers never answered; return how much that was."""

    def wake(self) -> None:
        """Make a thread of this process do what is due, soon."""

    def close(self) -> None:
        """Stop that thread."""
