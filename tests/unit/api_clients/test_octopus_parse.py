"""The tariff parsers: product choice, tariff codes, rates by half-hour, clock-change days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_clients.octopus_parse import (
    TARIFF_CODE,
    Rate,
    choose_agile,
    parse_letters,
    parse_products,
    parse_rates,
    parse_tariffs,
    prices_by_slot,
)
from models.domain.errors import SourceMalformed
from models.domain.time import SLOT, Horizon, at_london

NOW = datetime(2026, 10, 5, tzinfo=UTC)


def product(code: str, since: str = "2024-10-01T00:00:00+01:00", **more: Any) -> dict[str, Any]:
    return {
        "code": code,
        "direction": "IMPORT",
        "brand": "OCTOPUS_ENERGY",
        "available_from": since,
        "available_to": None,
    } | more


def listed(*results: Any, count: int | None = None) -> dict[str, Any]:
    return {
        "count": len(results) if count is None else count,
        "next": None,
        "previous": None,
        "results": list(results),
    }


def rate(begin: datetime, end: datetime | None, pence: float, method: str | None = None) -> Rate:
    return Rate(value_exc_vat=pence, valid_from=begin, valid_to=end, payment_method=method)


def test_the_newest_agile_import_product_on_sale_is_chosen() -> None:
    products, _ = parse_products(
        listed(
            product(
                "AGILE-24-04-03",
                "2024-04-03T00:00:00+01:00",
                available_to="2024-10-01T00:00:00+01:00",
            ),
            product("AGILE-23-12-06", "2023-12-06T00:00:00Z"),
            product("AGILE-24-10-01"),
            product("AGILE-BB-25-01-01", "2025-01-01T00:00:00Z", brand="BULB"),
            product("AGILE-OUTGOING-25-05-13", "2025-05-13T00:00:00Z", direction="EXPORT"),
            product("COSY-26-01-01", "2026-01-01T00:00:00Z"),
            product("AGILE-27-01-01", "2027-01-01T00:00:00Z"),
        )
    )
    chosen = choose_agile(products, NOW)
    assert chosen is not None
    assert chosen.code == "AGILE-24-10-01"


def test_without_an_agile_product_nothing_is_chosen() -> None:
    products, _ = parse_products(listed(product("VAR-22-11-01")))
    assert choose_agile(products, NOW) is None


def test_a_product_list_of_another_shape_is_refused() -> None:
    for body in ({}, {"detail": "x"}, [], {"count": 1, "results": [{"name": "x"}]}):
        with pytest.raises(SourceMalformed):
            parse_products(body)


@pytest.mark.parametrize(
    ("code", "product_code", "letter"),
    [
        ("E-1R-AGILE-FLEX-22-11-25-C", "AGILE-FLEX-22-11-25", "C"),
        ("E-1R-AGILE-24-10-01-P", "AGILE-24-10-01", "P"),
    ],
)
def test_the_product_part_of_a_tariff_code_has_hyphens(
    code: str, product_code: str, letter: str
) -> None:
    match = TARIFF_CODE.match(code)
    assert match is not None
    assert (match[3], match[4]) == (product_code, letter)


@pytest.mark.parametrize(
    "code", ["E-1R-AGILE-24-10-01-I", "E-1R-AGILE-24-10-01-O", "X-1R-A-C", "E-1R-A-Q"]
)
def test_letters_that_do_not_exist_make_no_tariff_code(code: str) -> None:
    assert TARIFF_CODE.match(code) is None


@pytest.mark.parametrize("payment", ["direct_debit_monthly", "varying", "porob"])
def test_the_tariff_code_is_found_under_any_payment_key(payment: str) -> None:
    body = {
        "single_register_electricity_tariffs": {
            "_C": {payment: {"code": "E-1R-AGILE-24-10-01-C"}},
            "_A": {},
        }
    }
    assert parse_tariffs(body) == {"C": "E-1R-AGILE-24-10-01-C"}


def test_a_product_without_electricity_tariffs_is_refused() -> None:
    for body in (
        {},
        [],
        {"single_register_electricity_tariffs": {}},
        {"single_register_electricity_tariffs": None},
    ):
        with pytest.raises(SourceMalformed):
            parse_tariffs(body)


def test_bad_and_absurd_rates_are_dropped_and_negative_ones_kept() -> None:
    begin = "2024-05-07T21:30:00Z"
    rows = [
        {"value_exc_vat": v, "valid_from": begin, "valid_to": None} for v in (-11.3, 99_999.0, "x")
    ]
    page = parse_rates(listed(*rows, {"valid_from": begin}))
    assert [r.value_exc_vat for r in page.rates] == [-11.3]
    assert page.dropped_rows == 3


def test_a_page_of_nothing_but_bad_rates_is_refused() -> None:
    with pytest.raises(SourceMalformed):
        parse_rates(listed({"value_exc_vat": None}))


def test_an_empty_page_is_read_as_empty() -> None:
    assert parse_rates(listed()).rates == ()


def test_prices_leave_ex_vat_in_pounds_and_newest_first_does_not_matter() -> None:
    horizon = Horizon(datetime(2024, 5, 7, 21, tzinfo=UTC), 2)
    first, second = horizon.starts()
    rates = [rate(second, second + SLOT, 17.42), rate(first, second, -3.0)]
    assert prices_by_slot(rates, horizon) == pytest.approx({first: -0.03, second: 0.1742})


def test_a_record_that_begins_before_the_range_is_clipped() -> None:
    horizon = Horizon(datetime(2024, 5, 7, 0, 0, tzinfo=UTC), 4)
    long = rate(horizon.start - timedelta(hours=3), horizon.start + SLOT, 7.0)
    assert set(prices_by_slot([long], horizon)) == {horizon.start}


def test_an_open_ended_record_holds_to_the_end_and_a_later_one_takes_over() -> None:
    horizon = Horizon(datetime(2024, 5, 7, tzinfo=UTC), 4)
    rates = [rate(horizon.start_of(2), None, 20.0), rate(horizon.start - 48 * SLOT, None, 10.0)]
    assert list(prices_by_slot(rates, horizon).values()) == pytest.approx([0.1, 0.1, 0.2, 0.2])


def test_a_half_hour_is_priced_only_if_it_lies_inside_a_record() -> None:
    horizon = Horizon(datetime(2024, 5, 7, tzinfo=UTC), 3)
    part = rate(
        horizon.start + timedelta(minutes=10), horizon.start_of(3) - timedelta(minutes=1), 9.0
    )
    assert set(prices_by_slot([part], horizon)) == {horizon.start_of(1)}


def test_the_direct_debit_rate_is_taken_where_payment_methods_differ() -> None:
    horizon = Horizon(datetime(2024, 5, 7, tzinfo=UTC), 1)
    since = horizon.start - SLOT
    rates = [rate(since, None, 45.0, "DIRECT_DEBIT"), rate(since, None, 50.0, "NON_DIRECT_DEBIT")]
    assert list(prices_by_slot(rates, horizon).values()) == pytest.approx([0.45])


@pytest.mark.parametrize(
    ("day", "periods"), [(date(2026, 3, 28), 46), (date(2026, 10, 24), 50), (date(2026, 7, 1), 48)]
)
def test_a_price_day_over_a_clock_change_has_46_or_50_half_hours(day: date, periods: int) -> None:
    # The set runs 23:00 to 23:00 London, so the one that begins on the eve holds the change.
    begin, end = at_london(day, 23), at_london(day + timedelta(days=1), 23)
    starts = [begin + k * SLOT for k in range((end - begin) // SLOT)]
    known = prices_by_slot(
        [rate(s, s + SLOT, float(k)) for k, s in enumerate(starts)], Horizon(begin, len(starts))
    )
    assert len(known) == periods
    assert list(known.values()) == pytest.approx([k / 100 for k in range(periods)])


def test_supply_points_give_letters_and_an_unknown_postcode_none() -> None:
    assert parse_letters(listed({"group_id": "_C"})) == ("C",)
    assert parse_letters(listed({"group_id": "_E"}, {"group_id": "_D"})) == ("D", "E")
    assert parse_letters(listed()) == ()


@given(
    st.lists(st.tuples(st.integers(-5, 30), st.integers(1, 12), st.floats(-50, 100)), max_size=25),
    st.integers(1, 24),
)
def test_each_half_hour_has_the_price_of_the_latest_record_that_holds(
    records: list[tuple[int, int, float]], slots: int
) -> None:
    horizon = Horizon(datetime(2024, 5, 7, tzinfo=UTC), slots)
    unique = {begin: (begin, length, pence) for begin, length, pence in records}
    rates = [rate(horizon.start_of(b), horizon.start_of(b + n), p) for b, n, p in unique.values()]
    known = prices_by_slot(rates, horizon)
    for k in range(slots):
        holding = [(b, p) for b, n, p in unique.values() if b <= k < b + n]
        expected = max(holding)[1] / 100 if holding else None
        assert known.get(horizon.start_of(k)) == (
            None if expected is None else pytest.approx(expected)
        )


@given(
    st.recursive(
        st.none() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["count", "next", "results", "value_exc_vat", "valid_from", "valid_to", "code"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
def test_no_json_makes_the_parsers_fail_otherwise_than_as_malformed(body: Any) -> None:
    for parse in (parse_rates, parse_products, parse_tariffs, parse_letters):
        try:
            parse(body)
        except SourceMalformed:
            continue
