"""Protocol version 1.1: orders, tags that hold only text, prices as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from beckn.dialects.base import (
    CATALOG_NAME,
    CONTRACT_CODES,
    PERFORMANCE_CODES,
    STATE_WORDS,
    fault_in,
    name_of,
    read_window,
    short_of,
)
from beckn.faults import Refused
from beckn.model import (
    Ask,
    Change,
    Discover,
    Envelope,
    GridEvent,
    Order,
    Party,
    Reference,
    Shown,
    Told,
)
from beckn.reading import (
    first,
    inside,
    instant,
    need,
    number,
    objects,
    order_object,
    power_kw,
    text,
)
from models.domain.market import P415_REASON, WATERMARK, ContractState, Window, WindowKind
from models.domain.regions import REGIONS
from models.domain.time import format_utc

GROUP = "compute_flexibility"
"""Code of our tag group."""

EVENT_GROUP = "grid_event"
"""Code of the tag group that tells of the grid."""


class V1Codec:
    """Codec of 1.1.0 and 1.1.1."""

    def ask(self, action: str, message: Mapping[str, Any]) -> Ask:
        """Return what a buyer asks."""
        if action == "search":
            return _discover(first(message.get("intent")))
        if action in {"select", "init", "confirm"}:
            return _order(order_object(message, "order"))
        if action in {"status", "cancel", "track"}:
            path = "$.message.order_id"
            name = need(message.get("order_id"), "order_id", path)
            return Reference(name, text(message.get("cancellation_reason_id")))
        if action == "update":
            held = order_object(message, "order")
            return Change(
                text(held.get("id")),
                quantity_kw=_selected(first(held.get("items"))),
                response=text(inside(held, "fulfillments", "state", "descriptor", "code")),
            )
        if action == "rating":
            return Reference(text(inside(message, "ratings", "id")))
        name = text(inside(message, "support", "ref_id")) or text(message.get("ref_id"))
        return Reference(name)

    def catalog(
        self, windows: Sequence[Window], seller: Party, envelope: Envelope | None
    ) -> dict[str, Any]:
        """Return the message that answers a search."""
        del envelope
        regions = sorted({window.region for window in windows})
        provider: dict[str, Any] = {
            "id": seller.subscriber_id,
            "descriptor": {"name": seller.subscriber_id},
            "categories": [
                {"id": str(kind), "descriptor": {"code": str(kind)}} for kind in WindowKind
            ],
            "locations": [
                {"id": slug, "descriptor": {"name": REGIONS[slug].name}} for slug in regions
            ],
            "fulfillments": [{"id": "1", "type": "DIGITAL"}],
            "items": [_item(window) for window in windows],
        }
        return {"catalog": {"descriptor": {"name": CATALOG_NAME}, "providers": [provider]}}

    def contract(self, action: str, shown: Shown) -> dict[str, Any]:
        """Return the message of a callback about a contract."""
        del action
        return {"order": _order_object(shown)}

    def minor(
        self, action: str, order_id: str, shown: Shown | None, seller: Party
    ) -> dict[str, Any]:
        """Return the message that answers track, support or rating."""
        if action == "on_track":
            running = shown is not None and shown.contract.state is ContractState.RUNNING
            status = "active" if running else "inactive"
            return {"tracking": {"id": order_id, "url": f"{seller.url}/status", "status": status}}
        if action == "on_support":
            return {"support": {"ref_id": order_id, "url": seller.url}}
        return {}

    def failed(self, action: str, echo: Mapping[str, Any]) -> dict[str, Any]:
        """Return the message of a callback that carries an error."""
        if action == "on_search":
            return {"catalog": {}}
        if action == "on_track":
            return {"tracking": {"status": "inactive"}}
        if action in {"on_support", "on_rating"}:
            return {}
        held = first(echo.get("order"))
        name = text(echo.get("order_id")) or text(held.get("id"))
        return {"order": {"id": name} if name else {}}

    def error(self, refused: Refused) -> dict[str, Any]:
        """Return an error object."""
        found = {"code": refused.number, "message": f"{refused.code}: {refused}"}
        return {**found, "paths": refused.path} if refused.path else found

    def ack(self, message_id: str, transaction_id: str, now: datetime) -> dict[str, Any]:
        """Return the body that accepts a message."""
        del message_id, transaction_id, now
        return {"message": {"ack": {"status": "ACK"}}}

    def nack(self, message_id: str, refused: Refused) -> dict[str, Any]:
        """Return the body that refuses a message."""
        del message_id
        return {"message": {"ack": {"status": "NACK"}}, "error": self.error(refused)}

    def search(self, text: str, expression: str) -> dict[str, Any]:
        """Return the message of our own search; this dialect has no filters."""
        del expression
        return {"intent": {"item": {"descriptor": {"name": text}}} if text else {}}

    def order(self, action: str, shown: Shown) -> dict[str, Any]:
        """Return the message of our own request."""
        held = shown.contract
        name = held.external_id or held.contract_id
        if action in {"status", "cancel", "track"}:
            return {"order_id": name}
        order = _order_object(shown)
        if not held.external_id:
            order.pop("id", None)
        return (
            {"update_target": "items", "order": order} if action == "update" else {"order": order}
        )

    def told(self, action: str, message: Mapping[str, Any], error: Any) -> Told:
        """Return what a callback says."""
        code_said, words = fault_in(error)
        if action == "on_search":
            return Told(
                windows=_windows(first(message.get("catalog"))),
                error_code=code_said,
                error_message=words,
            )
        held = first(message.get("order"))
        item = first(held.get("items"))
        tags = _tags(item)
        state = text(inside(held, "fulfillments", "state", "descriptor", "code"))
        code = text(held.get("status")) or ("DRAFT" if state in {"QUOTED", "INITIALIZED"} else "")
        return Told(
            order_id=text(held.get("id")),
            state=STATE_WORDS.get(code.upper(), ""),
            item_id=text(item.get("id")),
            quantity_kw=_selected(item),
            price_gbp_per_kwh=number(tags.get("price_gbp_per_kwh")),
            event=_event(held),
            error_code=code_said,
            error_message=words,
        )

    def is_accepted(self, body: Mapping[str, Any]) -> bool:
        """Return whether a synchronous answer is an ACK."""
        return bool(inside(body, "message", "ack", "status") == "ACK")


def _price(value_gbp: float) -> dict[str, str]:
    return {"currency": "GBP", "value": f"{value_gbp:.4f}"}


def _measure(power: float) -> dict[str, Any]:
    return {"measure": {"value": f"{power:.3f}", "unit": "kW"}}


def _tag(code: str, value: str) -> dict[str, Any]:
    return {"descriptor": {"code": code}, "value": value}


def _tag_group(window: Window) -> dict[str, Any]:
    carbon = window.mean_carbon_g_per_kwh
    values = {
        "kind": str(window.kind),
        "window_start": format_utc(window.start),
        "window_end": format_utc(window.end),
        "power_kw": f"{window.capacity_kw:.3f}",
        "region_code": window.region,
        "direction": str(window.kind),
        "carbon_gco2_per_kwh": "" if carbon is None else f"{carbon:.1f}",
        "price_gbp_per_kwh": f"{window.price_gbp_per_kwh or 0.0:.6f}",
        "data_quality": str(window.quality),
        "p415_value_gbp": f"null: {P415_REASON}",
        "watermark": WATERMARK if window.is_simulated else "",
    }
    return {
        "display": True,
        "descriptor": {"code": GROUP, "name": "Compute flexibility"},
        "list": [_tag(code, value) for code, value in values.items() if value],
    }


def _item(window: Window) -> dict[str, Any]:
    return {
        "id": window.slot_id,
        "descriptor": {"name": name_of(window), "short_desc": short_of(window)},
        "price": _price(window.energy_kwh * (window.price_gbp_per_kwh or 0.0)),
        "quantity": {"available": _measure(window.capacity_kw)},
        "category_ids": [str(window.kind)],
        "fulfillment_ids": ["1"],
        "location_ids": [window.region],
        "time": {"range": {"start": format_utc(window.start), "end": format_utc(window.end)}},
        "tags": [_tag_group(window)],
    }


def _event_group(event: GridEvent) -> dict[str, Any]:
    values = {
        "event_id": event.event_id,
        "event_type": event.event_type,
        "message": event.message,
        "carbon_gco2_per_kwh": _figure(event.carbon_g_per_kwh),
        "previous_carbon_gco2_per_kwh": _figure(event.previous_carbon_g_per_kwh),
    }
    return {
        "display": True,
        "descriptor": {"code": EVENT_GROUP, "name": "Grid event"},
        "list": [_tag(code, value) for code, value in values.items() if value],
    }


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _order_object(shown: Shown) -> dict[str, Any]:
    held = shown.contract
    status = CONTRACT_CODES[held.state][2]
    state = PERFORMANCE_CODES.get(held.state) or CONTRACT_CODES[held.state][1]
    item = _item(held.window)
    item["price"] = _price(held.value_gbp)
    item["quantity"]["selected"] = _measure(held.quantity_kw)
    if held.job_id:
        item["tags"][0]["list"].append(_tag("workload_id", held.job_id))
    if held.delivered_kwh is not None:
        delivered = f"{held.delivered_kwh:.3f}"
        item["tags"][0]["list"].append(_tag("delivered_kwh_as_planned", delivered))
    order: dict[str, Any] = {
        "id": held.external_id or held.contract_id,
        "type": "DEFAULT" if status else "DRAFT",
        "provider": {"id": shown.seller.subscriber_id},
        "items": [item],
        "fulfillments": [
            {
                "id": "1",
                "type": "DIGITAL",
                "state": {"descriptor": {"code": state}},
                "stops": [
                    {"type": "start", "time": {"timestamp": format_utc(held.window.start)}},
                    {"type": "end", "time": {"timestamp": format_utc(held.window.end)}},
                ],
            }
        ],
        "quote": {"price": _price(held.value_gbp)},
    }
    if status:
        order["status"] = status
    if shown.event is not None:
        order["tags"] = [_event_group(shown.event)]
    if held.state is ContractState.HELD and held.held_until is not None:
        left = max(int((held.held_until - held.updated_at).total_seconds()), 0)
        order["quote"]["ttl"] = f"PT{left}S"
    return order


# --- reading ----------------------------------------------------------------------------------


def _tags(item: Mapping[str, Any]) -> dict[str, str]:
    """Return our tag group of an item by code."""
    found: dict[str, str] = {}
    for group in objects(item.get("tags")):
        if inside(group, "descriptor", "code") != GROUP:
            continue
        for entry in objects(group.get("list")):
            found[text(inside(entry, "descriptor", "code"))] = text(entry.get("value"))
    return found


def _discover(intent: Mapping[str, Any]) -> Discover:
    item = first(intent.get("item"))
    tags = {**_tags(intent), **_tags(item)}
    words = text(inside(item, "descriptor", "name")) or text(inside(intent, "descriptor", "name"))
    return Discover(
        text=words,
        min_power_kw=number(tags.get("min_power_kw") or tags.get("power_kw")),
        region=tags.get("region_code", ""),
        kind=tags.get("kind", "") or text(inside(intent, "category", "descriptor", "code")),
    )


def _selected(item: Mapping[str, Any]) -> float | None:
    measure = first(inside(item, "quantity", "selected", "measure"))
    if text(measure.get("unit")).upper() not in {"KW", "MW", "W", "GW"}:
        return None
    return power_kw(measure.get("value"), measure.get("unit"))


def _order(held: Mapping[str, Any]) -> Order:
    items = objects(held.get("items"))
    if not items:
        raise Refused("SCH_REQUIRED_FIELD_MISSING", "an order has items", "$.message.order.items")
    price = first(inside(held, "quote", "price"))
    tags = _tags(items[0])
    return Order(
        item_id=need(items[0].get("id"), "items[0].id", "$.message.order.items[0].id"),
        order_id=text(held.get("id")),
        quantity_kw=_selected(items[0]),
        value_gbp=number(price.get("value")),
        currency=text(price.get("currency")) or "GBP",
        job_id=tags.get("workload_id") or None,
    )


def _event(held: Mapping[str, Any]) -> GridEvent | None:
    for group in objects(held.get("tags")):
        if inside(group, "descriptor", "code") != EVENT_GROUP:
            continue
        values = {
            text(inside(entry, "descriptor", "code")): text(entry.get("value"))
            for entry in objects(group.get("list"))
        }
        return GridEvent(
            values.get("event_id", ""),
            values.get("event_type", ""),
            values.get("message", ""),
            number(values.get("carbon_gco2_per_kwh")),
            number(values.get("price_gbp_per_kwh")),
        )
    return None


def _windows(catalog: Mapping[str, Any]) -> tuple[Window, ...]:
    found = []
    for provider in objects(catalog.get("providers")):
        for item in objects(provider.get("items")):
            window = _window(item, text(provider.get("id")))
            if window is not None:
                found.append(window)
    return tuple(found)


def _window(item: Mapping[str, Any], peer_id: str) -> Window | None:
    tags = _tags(item)
    return read_window(
        text(item.get("id")),
        tags.get("kind", ""),
        tags.get("region_code", ""),
        (instant(tags.get("window_start")), instant(tags.get("window_end"))),
        number(tags.get("power_kw")),
        number(tags.get("price_gbp_per_kwh")),
        number(tags.get("carbon_gco2_per_kwh")),
        tags.get("data_quality", ""),
        peer_id,
    )
