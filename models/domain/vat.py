"""VAT on electricity in Great Britain, as a table of dated rates.

Values are stored ex VAT; this table is applied when a price is shown or reported, because the rate a provider prints
into old records changes with the day one asks.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from models.domain.errors import FieldError, InvalidRequest
from models.domain.time import as_utc


class CustomerClass(StrEnum):
    """Whose VAT rate applies."""

    DOMESTIC = "domestic"
    BUSINESS = "business"


class VatRate(NamedTuple):
    """A rate and the instant from which it holds."""

    start: datetime
    rate: Decimal
    """Share of the ex-VAT price, e.g. 0.05. [1]"""


_EVER = datetime.min.replace(tzinfo=UTC)

VAT_RATES: dict[CustomerClass, tuple[VatRate, ...]] = {
    CustomerClass.DOMESTIC: (
        VatRate(_EVER, Decimal("0.05")),
        VatRate(datetime(2026, 9, 30, 23, tzinfo=UTC), Decimal("0.00")),
        VatRate(datetime(2027, 3, 31, 23, tzinfo=UTC), Decimal("0.05")),
    ),
    CustomerClass.BUSINESS: (VatRate(_EVER, Decimal("0.20")),),
}
"""Rates by customer class, oldest first. [1]

Source: Octopus Energy unit rates, in which half-hours from 2026-09-30T23:00Z (midnight in London) have equal values with
and without VAT; the zero rate is due to end with 31 March 2027 London time. Business supply is standard-rated.
"""


def vat_rate(instant: datetime, customer_class: str = CustomerClass.DOMESTIC) -> Decimal:
    """Return the VAT rate on electricity used at an instant. [1]

    Args:
        instant: Aware instant of use (the start of the half-hour).
        customer_class: `domestic` or `business`.

    Raises:
        InvalidRequest: If the class is unknown or the instant has no offset.
    """
    try:
        rates = VAT_RATES[CustomerClass(customer_class)]
    except ValueError as error:
        allowed = ", ".join(CustomerClass)
        raise InvalidRequest(
            f"{customer_class!r} is not a customer class; use {allowed}",
            (FieldError("customer_class", "unknown class", customer_class, allowed),),
        ) from error
    when = as_utc(instant)
    for step, following in pairwise(rates):
        if step.start <= when < following.start:
            return step.rate
    return rates[-1].rate


def add_vat(
    price_ex_vat: Decimal, instant: datetime, customer_class: str = CustomerClass.DOMESTIC
) -> Decimal:
    """Return a price with VAT, in the unit of the price given."""
    return price_ex_vat * (1 + vat_rate(instant, customer_class))
