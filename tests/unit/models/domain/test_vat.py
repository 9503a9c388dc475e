"""The VAT table on both sides of each of its dates."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from models.domain.errors import InvalidRequest
from models.domain.vat import add_vat, vat_rate


@pytest.mark.parametrize(
    ("instant", "rate"),
    [
        ("2020-01-01T00:00:00+00:00", "0.05"),
        ("2026-09-30T22:30:00+00:00", "0.05"),
        # Midnight in London at the start of 1 October is 23:00Z: summer time still holds.
        ("2026-09-30T23:00:00+00:00", "0"),
        # 28 March 2027 brings summer time, so the last half-hour of 31 March starts at 22:30Z.
        ("2027-03-31T22:30:00+00:00", "0"),
        ("2027-03-31T23:00:00+00:00", "0.05"),
        ("2030-01-01T00:00:00+00:00", "0.05"),
    ],
)
def test_domestic_vat_is_five_percent_but_for_the_winter_without(instant: str, rate: str) -> None:
    assert vat_rate(datetime.fromisoformat(instant)) == Decimal(rate)


@pytest.mark.parametrize("year", [2020, 2026, 2027])
def test_business_vat_is_twenty_percent_throughout(year: int) -> None:
    assert vat_rate(datetime(year, 12, 1, tzinfo=UTC), "business") == Decimal("0.20")


def test_an_instant_with_another_offset_is_the_same_instant() -> None:
    assert vat_rate(datetime(2026, 10, 1, 0, 0, tzinfo=ZoneInfo("Europe/London"))) == 0


def test_vat_is_added_exactly_and_makes_negative_prices_more_negative() -> None:
    when = datetime(2023, 3, 20, tzinfo=UTC)
    assert add_vat(Decimal("17.42"), when) == Decimal("18.2910")
    assert add_vat(Decimal("-6.00"), when) == Decimal("-6.3000")


def test_an_unknown_class_and_a_naive_time_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="domestic, business"):
        vat_rate(datetime(2026, 1, 1, tzinfo=UTC), "charity")
    with pytest.raises(InvalidRequest, match="no offset"):
        vat_rate(datetime(2026, 1, 1))  # noqa: DTZ001  the naive time is the point
