"""Read the bodies of the Octopus REST API: lists, product details, unit rates, supply points.

Prices leave here ex VAT and in GBP/kWh; the VAT the provider prints changes with the day one asks and is not read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from models.domain.errors import SourceMalformed
from models.domain.regions import PRICE_LETTERS
from models.domain.time import SLOT, Horizon, as_utc

TARIFF_CODE = re.compile(r"^(E|G)-(1R|2R)-(.+)-([A-HJ-NP])$")
"""Fuel, registers, product (hyphens and all) and region letter of a tariff code."""

ABSURD_P_PER_KWH = 500.0
"""A rate beyond this, either way, is a fault: Agile is capped at 100 p. Negative prices are real. [p/kWh]"""

M = TypeVar("M", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ListBody(_Part):
    """The envelope of every list."""

    count: int = Field(ge=0)
    next: str | None = None
    results: tuple[Any, ...]


class Product(_Part):
    """One product of the list."""

    code: str
    direction: str | None = None
    brand: str | None = None
    available_from: AwareDatetime
    available_to: AwareDatetime | None = None


class Rate(_Part):
    """One unit rate, as long as it holds; `valid_to` null means it is still in force."""

    value_exc_vat: float
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None = None
    payment_method: str | None = None


@dataclass(frozen=True)
class RatePage:
    """One page of unit rates."""

    rates: tuple[Rate, ...]
    count: int
    """Records in all pages, as the provider says."""
    next: str | None
    dropped_rows: int


def parse_list(body: Any) -> ListBody:
    """Read a list envelope.

    Raises:
        SourceMalformed: If the body is not one.
    """
    try:
        return ListBody.model_validate(body)
    except ValidationError as error:
        raise SourceMalformed("the tariff service sent a body that is not a list") from error


def parse_products(body: Any) -> tuple[tuple[Product, ...], str | None]:
    """Read one page of products; return them and the address of the next page. Bad rows are left out."""
    page = parse_list(body)
    products, _ = _rows(page.results, Product)
    if page.results and not products:
        raise SourceMalformed("the tariff service sent products of an unknown shape")
    return products, page.next


def choose_agile(products: Iterable[Product], now: datetime) -> Product | None:
    """Return the Agile import product on sale at `now` that came last, or None.

    Export products, other brands' copies and withdrawn products are passed over.
    """
    on_sale = [
        p
        for p in products
        if p.code.startswith("AGILE-")
        and p.direction == "IMPORT"
        and p.brand == "OCTOPUS_ENERGY"
        and p.available_from <= now
        and (p.available_to is None or p.available_to > now)
    ]
    return max(on_sale, key=lambda p: (p.available_from, p.code), default=None)


def parse_tariffs(body: Any) -> dict[str, str]:
    """Read a product detail; return the single-register electricity tariff code by region letter.

    The payment key below each region varies by product, so every one is looked at.

    Raises:
        SourceMalformed: If no tariff code is found.
    """
    regions = body.get("single_register_electricity_tariffs") if isinstance(body, dict) else None
    found: dict[str, str] = {}
    for payments in regions.values() if isinstance(regions, dict) else ():
        for tariff in payments.values() if isinstance(payments, dict) else ():
            code = tariff.get("code") if isinstance(tariff, dict) else None
            match = TARIFF_CODE.match(code) if isinstance(code, str) else None
            if match and match[1] == "E" and match[2] == "1R":
                found.setdefault(match[4], match[0])
    if not found:
        raise SourceMalformed("the tariff service sent a product without electricity tariffs")
    return found


def parse_rates(body: Any) -> RatePage:
    """Read one page of unit rates; bad and absurd rows are dropped and counted.

    Raises:
        SourceMalformed: If the body is not a list or every row is bad.
    """
    page = parse_list(body)
    rates, bad = _rows(page.results, Rate)
    good = tuple(
        r
        for r in rates
        if math.isfinite(r.value_exc_vat) and abs(r.value_exc_vat) <= ABSURD_P_PER_KWH
    )
    bad += len(rates) - len(good)
    if page.results and not good:
        raise SourceMalformed(f"the tariff service sent {bad} rates, none of them usable")
    return RatePage(good, page.count, page.next, bad)


def prices_by_slot(rates: Iterable[Rate], horizon: Horizon) -> dict[datetime, float]:
    """Return the price ex VAT of each half-hour that lies inside a record. [GBP/kWh]

    A record may span many half-hours, reach over the edges of the horizon or be open-ended; of two that hold at
    once the one that began later counts. Rates for other payment methods than direct debit are left out.
    """
    known: dict[datetime, float] = {}
    for rate in sorted(rates, key=lambda r: r.valid_from):
        if rate.payment_method not in (None, "DIRECT_DEBIT"):
            continue
        first = max(0, horizon.first_index_from(rate.valid_from))
        until = horizon.slots
        if rate.valid_to is not None:
            until = min(until, (as_utc(rate.valid_to) - horizon.start) // SLOT)
        for index in range(first, until):
            known[horizon.start_of(index)] = rate.value_exc_vat / 100.0
    return known


def parse_letters(body: Any) -> tuple[str, ...]:
    """Read a grid-supply-point lookup; return the region letters found (none for an unknown postcode)."""
    groups = (r.get("group_id") for r in parse_list(body).results if isinstance(r, dict))
    letters = {str(group).removeprefix("_") for group in groups}
    return tuple(sorted(letters & set(PRICE_LETTERS)))


def wanted_letters(letters: Collection[str]) -> tuple[str, ...]:
    """Return the letters asked for, once each and in order."""
    return tuple(letter for letter in PRICE_LETTERS if letter in letters)


def _rows(results: Iterable[Any], model: type[M]) -> tuple[tuple[M, ...], int]:
    good: list[M] = []
    bad = 0
    for row in results:
        try:
            good.append(model.model_validate(row))
        except ValidationError:
            bad += 1
    return tuple(good), bad
