"""The market without an identity on a network: catalogues can be written, nothing is sent or received."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from beckn import wire
from beckn.dialects import CODECS
from beckn.faults import Refused
from beckn.model import Dialect, Party
from beckn.refused_ids import dialect_of, readable_ids
from models.domain.errors import HalfhourError, InvalidRequest
from models.domain.market import Contract, Window
from services.protocol import Identity, Reply

NOWHERE = Party("not-connected", "https://not-connected.invalid/beckn")
"""Who a catalogue names as its seller where no identity is set."""


def written(dialect: str, windows: Sequence[Window], party: Party = NOWHERE) -> Mapping[str, Any]:
    """Return windows in a dialect's own shape.

    Raises:
        InvalidRequest: If the dialect is not spoken here.
    """
    if dialect not in set(Dialect):
        raise InvalidRequest(f"{dialect[:20]!r} is not a dialect; use lts, rc1 or v1")
    return CODECS[Dialect(dialect)].catalog(windows, party, None)


class Unconnected:
    """`MarketProtocol` without an identity: catalogues can be written, nothing is sent or received."""

    identity: Identity | None = None

    def catalogue(self, dialect: str, windows: Sequence[Window]) -> Mapping[str, Any]:
        """Return windows in a dialect's own shape."""
        return written(dialect, windows)

    def receive(
        self, action: str, raw: bytes, headers: Sequence[tuple[str, str]], address: str
    ) -> Reply:
        """Refuse everything."""
        del action, headers, address
        ids = readable_ids(raw)
        refused = Refused("NET_INTERNAL_ERROR", "this installation is not connected to a network")
        body = CODECS[dialect_of(ids)].nack(ids.get("message_id", ""), refused)
        return Reply(503, wire.serialise(body), {"Content-Type": "application/json"})

    def discover(
        self, text: str = "", expression: str = "", dialect: str = "lts"
    ) -> tuple[str, int]:
        """Refuse."""
        del text, expression, dialect
        raise _not_connected()

    def found(self) -> tuple[Window, ...]:
        """Return nothing."""
        return ()

    def take_window(
        self, slot_id: str, job_id: str | None, dialect: str = "lts", seller: str = ""
    ) -> Contract:
        """Refuse."""
        del slot_id, job_id, dialect, seller
        raise _not_connected()

    def ask(self, contract_id: str, action: str) -> Contract:
        """Refuse."""
        del contract_id, action
        raise _not_connected()

    def drain(self, limit: int = 100) -> int:
        """Do nothing."""
        del limit
        return 0

    def tidy(self) -> int:
        """Do nothing."""
        return 0

    def wake(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def _not_connected() -> HalfhourError:
    return InvalidRequest(
        "this installation is not connected to a network; set HALFHOUR_BECKN_SUBSCRIBER_ID and the settings beside it"
    )
