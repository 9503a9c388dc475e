"""Ports towards other participants of a network: sending bytes to them, and what came back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class PeerAnswer:
    """What a peer answered."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""


class PeerTransport(Protocol):
    """Sends one HTTP request to a peer; nothing is followed, and nothing is sent to an address that is not public."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> PeerAnswer:
        """Send bytes as they are.

        Raises:
            SourceRejected: If the address must not be reached from here.
            SourceTimeout: If there is no answer in time.
            SourceUnavailable: If no connection comes about, or the answer is too large.
        """

    def get(self, url: str, headers: Mapping[str, str]) -> PeerAnswer:
        """Fetch a document. Raises as `post`."""
