"""Protocol version 2.0.0, release candidate 1, in the words of the compute-energy and demand-flexibility profiles.

There is no schema behind those profiles, only samples, and these do not fit the schema of the core they build on.
What is written fits the core, with the profiles' words in the attributes; what is read may be either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from beckn.dialects.base import (
    CATALOG_NAME,
    STATE_WORDS,
    expression_in,
    fault_in,
    intent_of,
    validity,
)
from beckn.dialects.rc1_read import event_in, ordered, price_of, windows_in
from beckn.dialects.rc1_write import (
    CORE_CONTEXT,
    UNKNOWN,
    descriptor,
    item_of,
    named_order,
    offer_of,
    order_of,
    support_of,
)
from beckn.faults import Refused
from beckn.model import (
    Ask,
    Change,
    Discover,
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
    order_object,
    power_kw,
    text,
)
from models.domain.market import Window, WindowKind
from models.domain.time import format_utc

FLEX_DOMAIN = "demand-flexibility"
ENERGY_DOMAIN = "compute-energy"
"""What the two profiles call their domains, in part."""


class Rc1Codec:
    """Codec of 2.0.0-rc1."""

    def ask(self, action: str, message: Mapping[str, Any]) -> Ask:
        """Return what a buyer asks."""
        if action == "discover":
            expression = expression_in(message.get("filters"), "$.message.filters.type")
            return Discover(text=text(message.get("text_search")), expression=expression)
        if action in {"select", "init", "confirm"}:
            return ordered(order_object(message, "order"))
        if action in {"status", "cancel", "track"}:
            name = inside(message, "order", "beckn:id") or message.get("order_id")
            return Reference(need(name, "order id", "$.message.order"))
        if action == "update":
            held = order_object(message, "order")
            delivery = first(inside(held, "beckn:fulfillment", "beckn:deliveryAttributes"))
            return Change(
                need(held.get("beckn:id"), "beckn:id", "$.message.order['beckn:id']"),
                quantity_kw=power_kw(
                    delivery.get("beckn:computeLoad"), delivery.get("beckn:computeLoadUnit")
                ),
                response=text(inside(delivery, "beckn:flexibilityAction", "actionType")),
            )
        name = text(message.get("ref_id")) or text(message.get("refId")) or text(message.get("id"))
        return Reference(name)

    def catalog(
        self, windows: Sequence[Window], seller: Party, envelope: Envelope | None
    ) -> dict[str, Any]:
        """Return the message that answers a discovery, of the kinds the asked profile knows."""
        domain = envelope.domain if envelope is not None else ""
        if FLEX_DOMAIN in domain:
            windows = [window for window in windows if window.kind is not WindowKind.COMPUTE]
        elif ENERGY_DOMAIN in domain:
            windows = [window for window in windows if window.kind is WindowKind.COMPUTE]
        if not windows:
            return {"catalogs": []}
        begin, end = validity(windows)
        catalog = {
            "@context": CORE_CONTEXT,
            "@type": "beckn:Catalog",
            "beckn:id": f"catalog-{seller.subscriber_id}",
            "beckn:descriptor": descriptor(CATALOG_NAME),
            "beckn:bppId": seller.subscriber_id,
            "beckn:bppUri": seller.url,
            "beckn:validity": {
                "@type": "beckn:TimePeriod",
                "schema:startDate": begin,
                "schema:endDate": end,
            },
            "beckn:providerId": seller.subscriber_id,
            "beckn:items": [item_of(window, seller) for window in windows],
            "beckn:offers": [offer_of(window, seller) for window in windows],
        }
        return {"catalogs": [catalog]}

    def contract(self, action: str, shown: Shown) -> dict[str, Any]:
        """Return the message of a callback about a contract."""
        del action
        return {"order": order_of(shown)}

    def minor(
        self, action: str, order_id: str, shown: Shown | None, seller: Party
    ) -> dict[str, Any]:
        """Return the message that answers track, support or rating."""
        if action == "on_track":
            return {"order": named_order(order_id, seller) if shown is None else order_of(shown)}
        if action == "on_support":
            return {"support": support_of(seller.subscriber_id, url=seller.url)}
        return {"received": True}

    def failed(self, action: str, echo: Mapping[str, Any]) -> dict[str, Any]:
        """Return the message of a callback that carries an error."""
        if action == "on_discover":
            return {"catalogs": []}
        if action == "on_support":
            return {"support": support_of(UNKNOWN)}
        if action == "on_rating":
            return {"received": False}
        held = first(echo.get("order"))
        name = text(held.get("beckn:id")) or text(echo.get("order_id"))
        return {"order": named_order(name, None, held)}

    def error(self, refused: Refused) -> dict[str, Any]:
        """Return an error object."""
        found = {"code": refused.code, "message": str(refused)}
        return {**found, "paths": refused.path} if refused.path else found

    def ack(self, message_id: str, transaction_id: str, now: datetime) -> dict[str, Any]:
        """Return the body that accepts a message: in the form of the schema and in that of the sandbox."""
        del message_id
        return {
            "transaction_id": transaction_id,
            "timestamp": format_utc(now.replace(microsecond=0)),
            "ack_status": "ACK",
            "message": {"ack": {"status": "ACK"}},
        }

    def nack(self, message_id: str, refused: Refused) -> dict[str, Any]:
        """Return the body that refuses a message."""
        del message_id
        return {
            "ack_status": "NACK",
            "message": {"ack": {"status": "NACK"}},
            "error": self.error(refused),
        }

    def search(self, text: str, expression: str) -> dict[str, Any]:
        """Return the message of our own discovery."""
        return intent_of(text, expression, "text_search")

    def order(self, action: str, shown: Shown) -> dict[str, Any]:
        """Return the message of our own request."""
        if action in {"status", "cancel", "track"}:
            held = shown.contract
            return {"order": {"beckn:id": held.external_id or held.contract_id}}
        return {"order": order_of(shown)}

    def told(self, action: str, message: Mapping[str, Any], error: Any) -> Told:
        """Return what a callback says."""
        code_said, words = fault_in(error)
        if action == "on_discover":
            return Told(windows=windows_in(message), error_code=code_said, error_message=words)
        held = first(message.get("order"))
        line = first(held.get("beckn:orderItems"))
        code = text(held.get("beckn:orderStatus"))
        price = first(inside(line, "beckn:acceptedOffer", "beckn:price"))
        capacity = first(inside(line, "beckn:orderItemAttributes", "beckn:capacityParameters"))
        return Told(
            order_id=text(held.get("beckn:id")),
            state=STATE_WORDS.get(code.upper(), ""),
            item_id=text(line.get("beckn:orderedItem")),
            quantity_kw=power_kw(capacity.get("reservedCapacity"), capacity.get("capacityUnit")),
            price_gbp_per_kwh=price_of(price),
            event=event_in(held),
            error_code=code_said,
            error_message=words,
        )

    def is_accepted(self, body: Mapping[str, Any]) -> bool:
        """Return whether a synchronous answer is an ACK, in either of the two forms."""
        return "ACK" in {body.get("ack_status"), inside(body, "message", "ack", "status")}
