"""The tariff client against recorded bodies, error bodies, paging, and late or partial publication."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import requests
import responses

from api_clients.octopus import OctopusAgileClient, published_until
from models.domain.errors import (
    SourceMalformed,
    SourceRejected,
    SourceTimeout,
    SourceUnavailable,
)
from models.domain.regions import PRICE_LETTERS, region_of_letter
from models.domain.signal import Quality
from models.domain.time import SLOT, at_london
from tests.standin.bridge import make_http
from tests.support.shared import shared_path

BASE = "https://octopus.example/v1"
RATES = re.compile(rf"{BASE}/products/[^/]+/electricity-tariffs/.*")
START = datetime(2023, 3, 20, tzinfo=UTC)
END = datetime(2023, 3, 22, tzinfo=UTC)


@pytest.fixture
def http(tmp_path, clock):
    made = make_http(tmp_path, clock)
    yield made
    made.close()


def listed(results: list[Any], following: str | None = None) -> dict[str, Any]:
    return {"count": len(results), "next": following, "previous": None, "results": results}


def product(code: str, **more: Any) -> dict[str, Any]:
    return {
        "code": code,
        "direction": "IMPORT",
        "brand": "OCTOPUS_ENERGY",
        "available_from": "2022-11-25T00:00:00Z",
        "available_to": None,
    } | more


def detail(code: str) -> dict[str, Any]:
    return {
        "code": code,
        "single_register_electricity_tariffs": {
            f"_{x}": {"direct_debit_monthly": {"code": f"E-1R-{code}-{x}"}} for x in PRICE_LETTERS
        },
    }


def rates(start: datetime, end: datetime, pence: float = 20.0) -> list[dict[str, Any]]:
    """Return half-hourly records, newest first."""
    count = (end - start) // SLOT
    return [
        {
            "value_exc_vat": pence,
            "value_inc_vat": pence * 1.05,
            "valid_from": f"{start + k * SLOT:%Y-%m-%dT%H:%M:%SZ}",
            "valid_to": f"{start + (k + 1) * SLOT:%Y-%m-%dT%H:%M:%SZ}",
            "payment_method": None,
        }
        for k in reversed(range(count))
    ]


def shop(mock: responses.RequestsMock, code: str = "AGILE-FLEX-22-11-25") -> None:
    mock.get(
        f"{BASE}/products/",
        json=listed([product(code), product("AGILE-OUTGOING-19", direction="EXPORT")]),
    )
    mock.get(f"{BASE}/products/{code}/", json=detail(code))


def calls_to(mock: responses.RequestsMock, part: str) -> list[str]:
    return [c.request.url for c in mock.calls if part in (c.request.url or "")]


def of(batch: Any, letter: str) -> Any:
    (found,) = [s for s in batch.series if s.region == region_of_letter(letter).slug]
    return found


def test_the_product_is_found_then_remembered_in_memory_and_on_disk(http, clock, mock) -> None:
    shop(mock)
    mock.get(RATES, json=listed(rates(START, datetime(2023, 3, 20, 23, tzinfo=UTC))))
    client = OctopusAgileClient(http, BASE)
    series = of(client.prices("C", START, END, clock.now()), "C")
    assert series.provenances[0].source == "Octopus Agile AGILE-FLEX-22-11-25"
    assert calls_to(mock, "/products/?")[0].endswith("?brand=OCTOPUS_ENERGY&is_variable=true")
    client.prices("C", START, END, clock.now())
    OctopusAgileClient(http, BASE).prices("C", START, END, clock.now())
    assert len(calls_to(mock, "/products/?")) == 1


def test_a_day_later_the_product_is_looked_for_again_and_an_old_one_serves_if_that_fails(
    http, clock, mock
) -> None:
    shop(mock)
    mock.get(RATES, json=listed(rates(START, END)))
    client = OctopusAgileClient(http, BASE)
    client.prices("C", START, END, clock.now())
    clock.instant += timedelta(hours=25)
    mock.replace(responses.GET, f"{BASE}/products/", status=500)
    batch = client.prices("C", START, END, clock.now())
    assert of(batch, "C").is_known.any()
    assert any("found 2023-03-20T10:05:00Z, is used because" in w for w in batch.warnings)


def test_a_withdrawn_product_is_replaced_by_the_one_that_followed(http, clock, mock) -> None:
    shop(mock)
    mock.get(RATES, json=listed(rates(START, END)))
    client = OctopusAgileClient(http, BASE)
    client.prices("C", START, END, clock.now())
    clock.instant += timedelta(hours=23)
    mock.replace(
        responses.GET,
        RATES,
        status=404,
        json={"detail": "No EnergyProduct matches the given query."},
    )
    mock.replace(responses.GET, f"{BASE}/products/", json=listed([product("AGILE-NEW")]))
    mock.get(f"{BASE}/products/AGILE-NEW/", json=detail("AGILE-NEW"))
    mock.get(
        re.compile(rf"{BASE}/products/AGILE-NEW/electricity.*"), json=listed(rates(START, END))
    )
    # `responses` answers with the first pattern that fits, so the old one is narrowed to the old product.
    mock.remove(responses.GET, RATES)
    mock.get(
        re.compile(rf"{BASE}/products/AGILE-FLEX.*/electricity.*"),
        status=404,
        json={"detail": "gone"},
    )
    batch = client.prices("C", START + SLOT, END + timedelta(days=1), clock.now())
    assert of(batch, "C").provenances[0].source == "Octopus Agile AGILE-NEW"


def test_a_product_named_in_the_settings_is_not_looked_for(http, clock, mock) -> None:
    mock.get(f"{BASE}/products/AGILE-24-10-01/", json=detail("AGILE-24-10-01"))
    mock.get(RATES, json=listed(rates(START, END)))
    client = OctopusAgileClient(http, BASE, "AGILE-24-10-01")
    client.prices("C", START, END, clock.now())
    assert calls_to(mock, "/products/?") == []


def test_products_on_a_second_page_are_found(http, clock, mock) -> None:
    second = f"{BASE}/products/?brand=OCTOPUS_ENERGY&is_variable=true&page=2"
    mock.get(second, json=listed([product("AGILE-FLEX-22-11-25")]), match_querystring=None)
    mock.get(
        f"{BASE}/products/",
        json=listed([product("VAR-22-11-01")], second),
        match=[
            responses.matchers.query_param_matcher(
                {"brand": "OCTOPUS_ENERGY", "is_variable": "true"}
            )
        ],
    )
    mock.get(f"{BASE}/products/AGILE-FLEX-22-11-25/", json=detail("AGILE-FLEX-22-11-25"))
    mock.get(RATES, json=listed(rates(START, END)))
    assert OctopusAgileClient(http, BASE).prices("C", START, END, clock.now()).series


def test_no_agile_product_on_sale_is_said_with_the_setting_that_helps(http, clock, mock) -> None:
    mock.get(f"{BASE}/products/", json=listed([product("VAR-22-11-01")]))
    with pytest.raises(SourceUnavailable, match="HALFHOUR_OCTOPUS_PRODUCT"):
        OctopusAgileClient(http, BASE).prices("C", START, END, clock.now())


def test_recorded_product_list_and_detail_lead_to_a_tariff_of_every_letter(
    http, clock, mock
) -> None:
    folder = "recorded_api/octopus"
    products = json.loads(shared_path(f"{folder}/products_list_2024-05-28.json").read_text())
    shown = json.loads(shared_path(f"{folder}/product_detail_AGILE-FLEX-22-11-25.json").read_text())
    clock.instant = datetime(2024, 5, 28, 9, tzinfo=UTC)
    mock.get(f"{BASE}/products/", json=products)
    # The detail on record is that of the product before; its shape is what counts here.
    mock.get(f"{BASE}/products/AGILE-24-04-03/", json=shown)
    body = json.loads(
        shared_path(f"{folder}/standard_unit_rates_AGILE-FLEX-22-11-25_2024-05-07.json").read_text()
    )
    mock.get(RATES, json=body)
    start = datetime(2024, 5, 7, 19, tzinfo=UTC)
    batch = OctopusAgileClient(http, BASE).prices(
        PRICE_LETTERS, start, start + timedelta(hours=3), clock.now()
    )
    assert len(batch.series) == 14
    # Newest first in the body: 21.47 at 19:30 … 17.42 at 21:30, ex VAT in pence; 19:00 is not there.
    known = {
        r.start.strftime("%H:%M"): r.value for r in of(batch, "J").rows() if r.value is not None
    }
    assert known == pytest.approx(
        {"19:30": 0.2147, "20:00": 0.1923, "20:30": 0.1742, "21:00": 0.1786, "21:30": 0.1742}
    )
    assert any("1 of 6 prices due are not there" in w for w in batch.warnings)


def test_one_request_a_letter_serves_28_days_and_tomorrow(http, clock, mock) -> None:
    shop(mock)
    mock.get(RATES, json=listed(rates(START, END)))
    client = OctopusAgileClient(http, BASE)
    client.prices(
        "CJ", clock.now() - timedelta(days=28), clock.now() + timedelta(days=14), clock.now()
    )
    (first, _) = calls_to(mock, "standard-unit-rates")
    assert first.endswith(
        "E-1R-AGILE-FLEX-22-11-25-C/standard-unit-rates/"
        "?period_from=2023-02-20T00%3A00%3A00Z&period_to=2023-03-22T00%3A00%3A00Z&page_size=1500"
    )


def test_pages_are_followed_on_the_same_host_only(http, clock, mock) -> None:
    shop(mock)
    middle = datetime(2023, 3, 20, 12, tzinfo=UTC)
    path = (
        f"{BASE}/products/AGILE-FLEX-22-11-25/electricity-tariffs/E-1R-AGILE-FLEX-22-11-25-C/second"
    )
    mock.get(path, json=listed(rates(START, middle, 11.0)))
    mock.get(RATES, json=listed(rates(middle, END, 22.0), path))
    series = of(OctopusAgileClient(http, BASE).prices("C", START, END, clock.now()), "C")
    assert (series.values[0], series.values[24]) == pytest.approx((0.11, 0.22))
    mock.replace(
        responses.GET, RATES, json=listed(rates(START, END), "https://evil.example/v1/second")
    )
    clock.instant += timedelta(days=2)
    with pytest.raises(SourceMalformed, match=r"another host \(evil.example\)"):
        OctopusAgileClient(http, BASE).prices("C", START, END + timedelta(days=9), clock.now())


def test_a_list_that_never_ends_is_given_up(http, clock, mock) -> None:
    shop(mock)
    loop = (
        f"{BASE}/products/AGILE-FLEX-22-11-25/electricity-tariffs/E-1R-AGILE-FLEX-22-11-25-C/loop"
    )
    mock.get(loop, json=listed(rates(START, END), loop))
    mock.get(RATES, json=listed(rates(START, END), loop))
    with pytest.raises(SourceMalformed, match="more than 40 pages"):
        OctopusAgileClient(http, BASE).prices("C", START, END, clock.now())


@pytest.mark.parametrize(
    ("day", "periods"),
    [(date(2026, 3, 28), 46), (date(2026, 10, 24), 50), (date(2026, 11, 20), 48)],
)
def test_a_clock_change_day_has_46_or_50_prices(http, clock, mock, day, periods) -> None:
    shop(mock)
    begin, end = at_london(day, 23), at_london(day + timedelta(days=1), 23)
    clock.instant = at_london(day, 17)
    mock.get(RATES, json=listed(rates(begin, end)))
    batch = OctopusAgileClient(http, BASE).prices("C", begin, end, clock.now())
    assert of(batch, "C").is_known.sum() == periods
    assert batch.warnings == ()


def test_complete_prices_are_asked_for_once_until_the_next_set_is_due(http, clock, mock) -> None:
    shop(mock)
    today = datetime(2023, 3, 20, 23, tzinfo=UTC)
    mock.get(RATES, json=listed(rates(START, today)))
    client = OctopusAgileClient(http, BASE)
    asked = []
    for hour, minute in ((10, 5), (15, 55), (16, 1), (16, 4), (16, 7)):
        clock.instant = datetime(2023, 3, 20, hour, minute, tzinfo=UTC)
        client.prices("C", START, END, clock.now())
        asked.append(len(calls_to(mock, "standard-unit-rates")))
    # Complete at 10:05, so nothing is asked at 15:55; due but absent from 16:00 on, then every five minutes.
    assert asked == [1, 1, 2, 2, 3]


def test_prices_that_come_late_are_found_on_a_later_question(http, clock, mock) -> None:
    shop(mock)
    today = datetime(2023, 3, 20, 23, tzinfo=UTC)
    mock.get(RATES, json=listed(rates(START, today)))
    client = OctopusAgileClient(http, BASE)
    clock.instant = datetime(2023, 3, 20, 17, tzinfo=UTC)
    late = client.prices("C", START, END, clock.now())
    assert of(late, "C").known_until() == today
    assert any(
        "48 of 94 prices due are not there, the first for 2023-03-20T23:00:00Z" in w
        for w in late.warnings
    )
    mock.replace(responses.GET, RATES, json=listed(rates(START, today + timedelta(days=1))))
    clock.instant += timedelta(minutes=10)
    batch = client.prices("C", START, END, clock.now())
    assert of(batch, "C").known_until() == today + timedelta(days=1)
    assert batch.warnings == ()


def test_a_partial_day_is_taken_said_and_asked_for_again(http, clock, mock) -> None:
    shop(mock)
    clock.instant = datetime(2023, 3, 20, 17, tzinfo=UTC)
    mock.get(RATES, json=listed(rates(START, datetime(2023, 3, 21, 9, tzinfo=UTC))))
    client = OctopusAgileClient(http, BASE)
    batch = client.prices("C", START, END, clock.now())
    assert of(batch, "C").known_until() == datetime(2023, 3, 21, 9, tzinfo=UTC)
    assert any("28 of 94 prices due are not there" in w for w in batch.warnings)
    clock.instant += timedelta(minutes=6)
    client.prices("C", START, END, clock.now())
    assert len(calls_to(mock, "standard-unit-rates")) == 2


def test_count_zero_before_publication_is_said_as_not_published(http, clock, mock) -> None:
    shop(mock)
    mock.get(RATES, json=listed([]))
    tomorrow = datetime(2023, 3, 20, 23, tzinfo=UTC)
    with pytest.raises(SourceUnavailable, match="not published yet"):
        OctopusAgileClient(http, BASE).prices("C", tomorrow, END, clock.now())


def test_negative_prices_are_kept_and_absurd_ones_dropped(http, clock, mock) -> None:
    shop(mock)
    rows = rates(START, START + 3 * SLOT, -11.3)
    rows[0]["value_exc_vat"] = 99_999.0
    mock.get(RATES, json=listed(rows))
    batch = OctopusAgileClient(http, BASE).prices("C", START, START + 3 * SLOT, clock.now())
    assert of(batch, "C").values == pytest.approx([-0.113, -0.113])
    assert batch.dropped_rows == 1


def test_letters_that_fail_are_left_out_with_a_warning(http, clock, mock) -> None:
    shop(mock)
    mock.get(re.compile(rf"{BASE}/.*-A/standard.*"), status=500, body="<html>Server Error</html>")
    mock.get(re.compile(rf"{BASE}/.*-B/standard.*"), json=listed([]))
    mock.get(re.compile(rf"{BASE}/.*-C/standard.*"), json=listed(rates(START, END)))
    batch = OctopusAgileClient(http, BASE).prices("ABC", START, END, clock.now())
    assert [s.region for s in batch.series] == ["london"]
    assert any(w.startswith("letter A failed: Octopus Agile answered 500") for w in batch.warnings)
    assert any(w.startswith("letter B failed") for w in batch.warnings)


def test_when_no_letter_works_the_first_error_is_raised(http, clock, mock) -> None:
    shop(mock)
    mock.get(RATES, status=500)
    with pytest.raises(SourceUnavailable, match="answered 500"):
        OctopusAgileClient(http, BASE).prices("AB", START, END, clock.now())


def test_after_two_timeouts_in_a_row_the_other_letters_are_not_asked(http, clock, mock) -> None:
    shop(mock)
    mock.get(RATES, body=requests.ReadTimeout("slow"))
    with pytest.raises(SourceTimeout):
        OctopusAgileClient(http, BASE).prices(PRICE_LETTERS, START, END, clock.now())
    # Two letters, each with one retry.
    assert len(calls_to(mock, "standard-unit-rates")) == 4


@pytest.mark.parametrize("case", range(9))
def test_every_recorded_error_body_becomes_an_error(http, clock, mock, case) -> None:
    cases = json.loads(shared_path("recorded_api/octopus/errors_observed.json").read_text())
    if case >= len(cases):
        pytest.skip(f"only {len(cases)} error bodies are on record")
    shown = cases[case]
    shop(mock)
    body = shown["body"] if isinstance(shown["body"], str) else json.dumps(shown["body"])
    mock.get(RATES, status=shown["status"], body=body, content_type=shown["content_type"])
    with pytest.raises(SourceUnavailable) as caught:
        OctopusAgileClient(http, BASE).prices("C", START, END, clock.now())
    if shown["status"] == 200:
        assert isinstance(caught.value, SourceMalformed)
        return
    assert isinstance(caught.value, SourceRejected)
    if shown["content_type"] == "application/json":
        said = next(iter(shown["body"].values()))
        assert (said if isinstance(said, str) else said[0])[:40] in str(caught.value)
    else:
        assert "<" not in str(caught.value)


def test_a_field_error_names_its_field(http, clock, mock) -> None:
    shop(mock)
    mock.get(RATES, status=400, json={"period_from": ["Enter a valid date/time."]})
    with pytest.raises(SourceRejected, match=r"period_from: Enter a valid date/time\."):
        OctopusAgileClient(http, BASE).prices("C", START, END, clock.now())


def test_quality_and_retrieval_time_follow_the_store(http, clock, mock) -> None:
    shop(mock)
    mock.get(RATES, json=listed(rates(START, datetime(2023, 3, 20, 23, tzinfo=UTC))))
    client = OctopusAgileClient(http, BASE)
    fetched = clock.now()
    client.prices("C", START, END, fetched)
    clock.instant += timedelta(hours=2)
    provenance = of(client.prices("C", START, END, clock.now()), "C").provenances[0]
    assert (provenance.quality, provenance.retrieved_at) == (Quality.CACHED, fetched)
    assert provenance.issued_at is None


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-03-28T15:59:59+00:00", "2026-03-28T23:00:00+00:00"),
        # 23:00 London on 29 March is 22:00Z: summer time has begun.
        ("2026-03-28T16:00:00+00:00", "2026-03-29T22:00:00+00:00"),
        ("2026-10-24T14:59:00+00:00", "2026-10-24T22:00:00+00:00"),
        ("2026-10-24T15:00:00+00:00", "2026-10-25T23:00:00+00:00"),
        ("2026-07-01T23:30:00+00:00", "2026-07-02T22:00:00+00:00"),
    ],
)
def test_what_is_due_follows_the_london_clock(now: str, until: str) -> None:
    assert published_until(datetime.fromisoformat(now)) == datetime.fromisoformat(until)
