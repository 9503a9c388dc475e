"""Why a message is refused: one code per layer, its HTTP status, and its number in the older dialect.

Layers are checked in order (context, signature, schema, policy, business); the first that fails answers.
Source: BECKN-005 for the numbers; the error codes of protocol version 2.0.0.
"""

from __future__ import annotations

from models.domain.errors import ProtocolError

_STATUS_BY_PREFIX = {"CTX": 400, "AUT": 401, "SCH": 400, "POL": 403, "BIZ": 400, "NET": 500}

_STATUS_BY_CODE = {
    "AUT_RATE_LIMITED": 429,
    "NET_NOT_IMPLEMENTED": 400,
    "NET_OVERLOADED": 429,
    "SCH_TOO_LARGE": 400,
}

_NUMBERS = {
    "BIZ_PROVIDER_NOT_FOUND": "30001",
    "BIZ_ITEM_NOT_FOUND": "30004",
    "BIZ_OFFER_NOT_FOUND": "30006",
    "BIZ_FULFILLMENT_UNAVAILABLE": "30009",
    "BIZ_ORDER_NOT_FOUND": "30010",
    "BIZ_UPDATE_INCONSISTENT": "30012",
    "NET_NOT_IMPLEMENTED": "40001",
    "BIZ_QUANTITY_UNAVAILABLE": "40002",
    "BIZ_QUOTE_EXPIRED_OR_CHANGED": "40003",
    "BIZ_PRICE_MISMATCH": "40003",
    "POL_CANCELLATION_NOT_ALLOWED": "50001",
    "POL_UPDATE_NOT_ALLOWED": "50002",
}
"""Number in BECKN-005 by code; anything else is 30000 (the request is invalid), 40000 (business) or 50000 (policy)."""

_FALLBACK = {"BIZ": "40000", "POL": "50000"}


class Refused(ProtocolError):
    """A message that is answered with a NACK, or a request that is answered with an error in its callback."""

    def __init__(
        self,
        code: str,
        message: str,
        path: str = "",
        *,
        retry_after: int = 0,
        of_gateway: bool = False,
    ) -> None:
        """Store what was wrong.

        Args:
            code: Error code of protocol version 2, e.g. `CTX_TTL_EXPIRED`.
            message: One sentence for the counterparty; nothing internal.
            path: Where in the message, as JSONPath.
            retry_after: When to try again, where that helps. [s]
            of_gateway: The gateway's signature is at fault, not the sender's.
        """
        super().__init__(message)
        self.code = code
        self.path = path
        self.retry_after = retry_after
        self.of_gateway = of_gateway

    @property
    def status(self) -> int:
        """Return the HTTP status of the NACK."""
        return _STATUS_BY_CODE.get(self.code, _STATUS_BY_PREFIX[self.code[:3]])

    @property
    def number(self) -> str:
        """Return the number that version 1 has for it."""
        return _NUMBERS.get(self.code, _FALLBACK.get(self.code[:3], "30000"))
