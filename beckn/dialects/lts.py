"""Protocol version 2.0.0, long-term support (file of July 2026): strict in what it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from beckn.dialects.base import (
    CATALOG_NAME,
    STATE_WORDS,
    fault_in,
    intent_of,
    validity,
)
from beckn.dialects.lts_read import (
    changed,
    discovered,
    echoed,
    event_in,
    is_uuid,
    ordered,
    quantity_kw,
    windows_in,
)
from beckn.dialects.lts_write import contract_object, is_running, offer_of, own_context, resource
from beckn.faults import Refused
from beckn.model import (
    Ask,
    Envelope,
    Party,
    Reference,
    Shown,
    Told,
)
from beckn.reading import (
    first,
    inside,
    need,
    number,
    objects,
    order_object,
    text,
)
from models.domain.market import (
    Window,
)


class LtsCodec:
    """Codec of 2.0.0 LTS."""

    # --- what buyers ask ----------------------------------------------------------------------

    def ask(self, action: str, message: Mapping[str, Any]) -> Ask:
        """Return what a buyer asks."""
        if action == "discover":
            return discovered(message)
        if action in {"select", "init", "confirm"}:
            return ordered(order_object(message, "contract"))
        if action in {"status", "cancel"}:
            held = order_object(message, "contract")
            return Reference(need(held.get("id"), "contract.id", "$.message.contract.id"))
        if action == "update":
            return changed(order_object(message, "contract"))
        if action == "track":
            return Reference(text(inside(message, "tracking", "contract", "id")))
        if action == "rate":
            inputs = objects(message.get("ratingInputs"))
            if not inputs:
                raise Refused(
                    "SCH_REQUIRED_FIELD_MISSING",
                    "ratingInputs is missing",
                    "$.message.ratingInputs",
                )
            return Reference(text(inside(inputs[0], "target", "id")))
        support = order_object(message, "support")
        return Reference(text(support.get("orderId")))

    # --- what we answer -----------------------------------------------------------------------

    def catalog(
        self, windows: Sequence[Window], seller: Party, envelope: Envelope | None
    ) -> dict[str, Any]:
        """Return the message that answers a discovery."""
        del envelope
        if not windows:
            return {"catalogs": []}
        begin, end = validity(windows)
        catalog = {
            "id": f"catalog-{seller.subscriber_id}",
            "bppId": seller.subscriber_id,
            "bppUri": seller.url,
            "descriptor": {"name": CATALOG_NAME},
            "provider": {"id": seller.subscriber_id, "descriptor": {"name": seller.subscriber_id}},
            "validity": {"startDate": begin, "endDate": end},
            "resources": [resource(window, seller) for window in windows],
            "offers": [offer_of(window) for window in windows],
        }
        return {"catalogs": [catalog]}

    def contract(self, action: str, shown: Shown) -> dict[str, Any]:
        """Return the message of a callback about a contract."""
        del action
        return {"contract": contract_object(shown)}

    def minor(
        self, action: str, order_id: str, shown: Shown | None, seller: Party
    ) -> dict[str, Any]:
        """Return the message that answers track, support or rate."""
        if action == "on_track":
            tracking: dict[str, Any] = {
                "url": f"{seller.url}/status",
                "status": "ACTIVE" if is_running(shown) else "INACTIVE",
            }
            if shown is not None:
                tracking["contract"] = contract_object(shown)
            return {"tracking": tracking}
        if action == "on_support":
            channel = {
                "@context": own_context(seller, "SupportChannel"),
                "@type": "SupportChannel",
                "url": seller.url,
            }
            return {"support": {"orderId": order_id, "channels": [channel]}}
        return {"ratings": [{"target": {"id": order_id}, "range": {}}]}

    def failed(self, action: str, echo: Mapping[str, Any]) -> dict[str, Any]:
        """Return the message of a callback that carries an error."""
        if action == "on_discover":
            return {"catalogs": []}
        if action in {"on_track", "on_support", "on_rate"}:
            return {"ratings": []} if action == "on_rate" else dict(echo)
        return {"contract": echoed(first(echo.get("contract")))}

    def error(self, refused: Refused) -> dict[str, Any]:
        """Return an error object."""
        found: dict[str, Any] = {"code": refused.code, "message": str(refused)}
        if refused.path:
            found["details"] = {"path": refused.path}
        return found

    def ack(self, message_id: str, transaction_id: str, now: datetime) -> dict[str, Any]:
        """Return the body that accepts a message."""
        del transaction_id, now
        return {"message": {"status": "ACK", "messageId": message_id}}

    def nack(self, message_id: str, refused: Refused) -> dict[str, Any]:
        """Return the body that refuses a message; an unreadable id is replaced, for the schema demands one."""
        return {
            "message": {
                "status": "NACK",
                "messageId": message_id if is_uuid(message_id) else str(uuid4()),
                "error": self.error(refused),
            }
        }

    # --- what we ask --------------------------------------------------------------------------

    def search(self, text: str, expression: str) -> dict[str, Any]:
        """Return the message of our own discovery."""
        return {"intent": intent_of(text, expression, "textSearch")}

    def order(self, action: str, shown: Shown) -> dict[str, Any]:
        """Return the message of our own request about a contract."""
        del action
        return {"contract": contract_object(shown)}

    # --- what we are told ---------------------------------------------------------------------

    def told(self, action: str, message: Mapping[str, Any], error: Any) -> Told:
        """Return what a callback says."""
        code_said, words = fault_in(error)
        if action == "on_discover":
            return Told(windows=windows_in(message), error_code=code_said, error_message=words)
        held = first(message.get("contract"))
        commitment = first(held.get("commitments"))
        item = first(commitment.get("resources"))
        code = text(inside(held, "status", "code"))
        return Told(
            order_id=text(held.get("id")),
            state=STATE_WORDS.get(code.upper(), ""),
            item_id=text(item.get("id")),
            quantity_kw=quantity_kw(item),
            price_gbp_per_kwh=number(inside(held, "contractAttributes", "pricePerKwh", "value")),
            event=event_in(first(held.get("contractAttributes"))),
            error_code=code_said,
            error_message=words,
        )

    def is_accepted(self, body: Mapping[str, Any]) -> bool:
        """Return whether a synchronous answer is an ACK."""
        return (inside(body, "message", "status") or body.get("status")) == "ACK"
