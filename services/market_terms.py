"""What a counterparty asks for, and the contract it comes to: window, quantity and price, checked against the offer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from models.domain.market import (
    Contract,
    ContractState,
    DealRefused,
    DealRule,
    Side,
    Window,
    WindowKind,
)
from services.context import Context
from services.market_windows import DEFAULT_HOURS, LONGEST_HOURS, Catalogue, catalogue

PRICE_TOLERANCE_GBP = 0.01
"""How far a counterparty's total may differ from ours by rounding. [GBP]"""

WHOLE_KW = 0.002
"""How far a quantity may differ from the whole of a window by rounding. [kW]"""


@dataclass(frozen=True)
class Terms:
    """What a counterparty asks for."""

    slot_id: str
    transaction_id: str
    message_id: str
    peer_id: str = ""
    quantity_kw: float | None = None
    price_gbp_per_kwh: float | None = None
    value_gbp: float | None = None
    currency: str = "GBP"
    job_id: str | None = None
    job_owner: str | None = None
    """Whose job `job_id` must be; None: anybody's."""
    external_id: str = ""
    dialect: str = ""


def offered(context: Context, slot_id: str, *, besides: str = "") -> tuple[Window, Catalogue]:
    """Return a window as it is on offer now, and the catalogue it stands in.

    Raises:
        DealRefused: If it is not on offer (any more).
    """
    for hours in (DEFAULT_HOURS, LONGEST_HOURS):
        board = catalogue(context, hours, besides=besides)
        found = board.find(slot_id)
        if found is not None:
            return found, board
    raise DealRefused(DealRule.NOT_FOUND, "this window is not on offer (any more)")


def quote_ends_at(context: Context, held: Contract) -> datetime:
    """Return until when a quote is honoured, in system time: as long as capacity would be kept."""
    return held.updated_at + timedelta(seconds=context.settings.hold_seconds)


def drafted(context: Context, terms: Terms, window: Window, held: Contract | None) -> Contract:
    """Return the contract as quoted now.

    Raises:
        DealRefused: If quantity or price are not those of the offer.
    """
    price = window.price_gbp_per_kwh
    assert price is not None, "windows without a price are not offered"
    is_quoted = held is not None and held.window.slot_id == window.slot_id
    if held is not None and is_quoted:
        price = held.price_gbp_per_kwh
    quantity = _quantity_kw(terms, window, held.quantity_kw if held and is_quoted else None)
    check_price(terms, price, quantity, window)
    # The contract shows what was agreed, also where the catalogue asks another price by now.
    window = replace(window, price_gbp_per_kwh=price)
    now = context.system_now()
    job_id = terms.job_id if window.kind is WindowKind.COMPUTE else None
    if held is not None:
        return replace(
            held, window=window, quantity_kw=quantity, price_gbp_per_kwh=price, job_id=job_id,
            external_id=terms.external_id or held.external_id, updated_at=now,
            version=held.version + 1,
        )  # fmt: skip
    name = str(context.new_id())
    made = Contract(
        contract_id=name,
        side=Side.SELLER,
        state=ContractState.QUOTED,
        window=window,
        quantity_kw=quantity,
        price_gbp_per_kwh=price,
        transaction_id=terms.transaction_id,
        created_at=now,
        updated_at=now,
        peer_id=terms.peer_id,
        external_id=terms.external_id or name,
        dialect=terms.dialect,
        owner=window.owner,
        job_id=job_id,
    )
    made = made.moved(ContractState.QUOTED, now, "quoted", message_id=terms.message_id)
    return replace(made, version=1)


def _quantity_kw(terms: Terms, window: Window, quoted_kw: float | None) -> float:
    """Return the power that is agreed: what is asked for, else what was quoted, else all of it. [kW]"""
    asked = quoted_kw if terms.quantity_kw is None else terms.quantity_kw
    if asked is None:
        return window.capacity_kw
    if not 0.0 < asked <= window.capacity_kw + WHOLE_KW:
        raise DealRefused(
            DealRule.QUANTITY,
            f"{asked:g} kW were asked for and {window.capacity_kw:g} kW are left: "
            "choose a window with more power, or ask for less",
        )
    if window.kind is WindowKind.COMPUTE:
        return min(asked, window.capacity_kw)
    if asked < window.capacity_kw - WHOLE_KW:
        # Whole jobs move: a part would cost the plan as much as all of it.
        raise DealRefused(
            DealRule.QUANTITY,
            f"flexibility is sold whole: ask for {window.capacity_kw:g} kW, not {asked:g} kW",
        )
    return window.capacity_kw


def check_price(terms: Terms, price: float, quantity_kw: float, window: Window) -> None:
    """Refuse a price that is neither the quoted one nor, as a total, that of the offer in the catalogue.

    Raises:
        DealRefused: With the price as it is.
    """
    if terms.currency != "GBP":
        raise DealRefused(DealRule.PRICE, "prices are in GBP")
    asked = terms.price_gbp_per_kwh
    if asked is not None and abs(asked - price) > 1e-4:
        raise DealRefused(DealRule.PRICE, f"the price is {price:.6f} GBP per kWh, not {asked:.6f}")
    if terms.value_gbp is None:
        return
    totals = [price * kw * window.duration_h for kw in (quantity_kw, window.capacity_kw)]
    if all(abs(terms.value_gbp - one) > PRICE_TOLERANCE_GBP + 1e-3 * abs(one) for one in totals):
        raise DealRefused(
            DealRule.PRICE, f"the price of {quantity_kw:g} kW is {totals[0]:.4f} GBP in all"
        )
