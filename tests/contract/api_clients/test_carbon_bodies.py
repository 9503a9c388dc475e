"""The carbon client against recorded bodies, error bodies, and the faults the service has shown."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses

from api_clients.carbon_intensity import CarbonIntensityClient
from models.domain.errors import (
    SourceMalformed,
    SourceRejected,
    SourceTimeout,
    SourceUnavailable,
)
from models.domain.regions import REGIONS
from models.domain.signal import Quality, ValueKind
from models.domain.time import SLOT
from tests.standin.bridge import make_http
from tests.support.shared import shared_path

BASE = "https://carbon.example"
NATIONAL = re.compile(rf"{BASE}/intensity/.*")
REGIONAL = re.compile(rf"{BASE}/regional/intensity/.*")
GENERATION = f"{BASE}/generation"


@pytest.fixture
def client(tmp_path, clock, mock) -> CarbonIntensityClient:
    return CarbonIntensityClient(make_http(tmp_path, clock), f"{BASE}/")


def recorded(name: str, folder: str = "data/recorded_api/carbon_intensity") -> Any:
    return json.loads(shared_path(f"{folder}/{name}").read_text())


def text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%MZ}"


def national(start: datetime, *forecasts: float | None, actual: float | None = None) -> Any:
    rows = []
    for k, forecast in enumerate(forecasts):
        begin = start + k * SLOT
        intensity = {"forecast": forecast, "actual": actual, "index": "moderate"}
        rows.append({"from": text(begin), "to": text(begin + SLOT), "intensity": intensity})
    return {"data": rows}


def regional(start: datetime, slots: int, value: float = 120, names: tuple[str, ...] = ()) -> Any:
    shown = names or tuple("GB" if r.slug == "gb" else r.name for r in REGIONS.values())
    mix = [{"fuel": "gas", "perc": 60}, {"fuel": "wind", "perc": 40}]
    return {
        "data": [
            {
                "from": text(start + k * SLOT),
                "to": text(start + (k + 1) * SLOT),
                "regions": [
                    {
                        "regionid": 3,
                        "shortname": n,
                        "intensity": {"forecast": value},
                        "generationmix": mix,
                    }
                    for n in shown
                ],
            }
            for k in range(slots)
        ]
    }


def of(batch: Any, region: str) -> Any:
    (found,) = [s for s in batch.series if s.region == region]
    return found


FIRST = datetime(2023, 3, 20, 10, tzinfo=UTC)


def test_questions_within_a_half_hour_share_one_address_a_minute_past_the_boundary(
    client, clock, mock
) -> None:
    mock.get(NATIONAL, json=national(FIRST, *[100.0] * 96))
    mock.get(REGIONAL, json=regional(FIRST, 96))
    client.forecast(clock.now())
    clock.instant += timedelta(minutes=20)
    batch = client.forecast(clock.now())
    assert [c.request.url for c in mock.calls] == [
        f"{BASE}/regional/intensity/2023-03-20T10:01Z/fw48h",
        f"{BASE}/intensity/2023-03-20T10:01Z/fw48h",
    ]
    provenance = of(batch, "london").provenances[0]
    assert provenance.quality is Quality.CACHED
    assert provenance.retrieved_at == FIRST + timedelta(minutes=5)
    assert provenance.issued_at is None


def test_gb_comes_from_the_national_path_and_its_gaps_from_the_regional_one(
    client, clock, mock
) -> None:
    mock.get(NATIONAL, json=national(FIRST, 100, 2856, None, 103))
    mock.get(REGIONAL, json=regional(FIRST, 4, 120))
    batch = client.forecast(clock.now())
    gb = of(batch, "gb")
    assert gb.values.tolist() == [100.0, 120.0, 120.0, 103.0]
    assert gb.at(0).provenance.endpoint == "/intensity/{from}/fw48h"
    assert gb.at(1).provenance.endpoint == "/regional/intensity/{from}/fw48h"
    assert batch.dropped_rows == 1
    assert gb.p5 is None
    assert gb.p95 is None


def test_the_period_before_the_current_one_is_dropped(client, clock, mock) -> None:
    # What an exact boundary would return: the half-hour that ends there comes first.
    mock.get(NATIONAL, json=national(FIRST - SLOT, 90, 100, 110))
    mock.get(REGIONAL, json=regional(FIRST - SLOT, 3))
    assert of(client.forecast(clock.now()), "gb").values.tolist() == [100.0, 110.0]


def test_a_horizon_shorter_than_asked_is_taken_and_said(client, clock, mock) -> None:
    mock.get(NATIONAL, json=national(FIRST, *[100.0] * 28))
    mock.get(REGIONAL, json=regional(FIRST, 28))
    batch = client.forecast(clock.now())
    assert of(batch, "london").horizon.slots == 28
    assert "the forecast ends at 2023-03-21T00:00:00Z: 28 of 96 half-hours" in batch.warnings


def test_missing_regions_are_said(client, clock, mock) -> None:
    mock.get(NATIONAL, json=national(FIRST, 100))
    mock.get(REGIONAL, json=regional(FIRST, 1, names=("London", "South Wales")))
    batch = client.forecast(clock.now())
    assert {s.region for s in batch.series} == {"london", "south_wales", "gb"}
    assert any(
        w.startswith("no forecast for north_scotland, south_scotland") for w in batch.warnings
    )


@pytest.mark.parametrize("status", [500, 503])
def test_without_the_regional_path_the_nation_is_told_with_the_latest_mix(
    client, clock, mock, status
) -> None:
    mock.get(NATIONAL, json=national(FIRST, 100, 101))
    mock.get(
        REGIONAL,
        status=status,
        json={"error": {"code": "500", "message": "Requested resource not found."}},
    )
    # The latest mix may be that of the half-hour before.
    mix = [{"fuel": "wind", "perc": 55.5}, {"fuel": "gas", "perc": 44.5}]
    item = {"from": text(FIRST - SLOT), "to": text(FIRST), "generationmix": mix}
    mock.get(GENERATION, json={"data": item})
    batch = client.forecast(clock.now())
    assert [s.region for s in batch.series] == ["gb"]
    (shown,) = batch.mixes
    assert shown.at(FIRST - SLOT) == {"wind": 55.5, "gas": 44.5}
    assert any("/regional/intensity/{from}/fw48h failed" in w for w in batch.warnings)


def test_without_the_national_path_gb_comes_from_the_regional_one(client, clock, mock) -> None:
    mock.get(NATIONAL, status=500)
    mock.get(REGIONAL, json=regional(FIRST, 3, 120))
    batch = client.forecast(clock.now())
    assert of(batch, "gb").values.tolist() == [120.0] * 3
    assert len(batch.series) == 18
    assert any("/intensity/{from}/fw48h failed" in w for w in batch.warnings)


@pytest.mark.parametrize(
    "body", ["{}", '{"data":[]}', "<html>down</html>", '{"data":[{"from":"x"}]}']
)
def test_a_200_with_nothing_usable_is_malformed_and_never_stored(
    client, clock, mock, tmp_path, body
) -> None:
    mock.get(NATIONAL, body=body)
    mock.get(REGIONAL, body=body)
    with pytest.raises(SourceMalformed):
        client.forecast(clock.now())
    mock.replace(responses.GET, NATIONAL, json=national(FIRST, 100))
    mock.replace(responses.GET, REGIONAL, json=regional(FIRST, 1))
    assert of(client.forecast(clock.now()), "gb").values.tolist() == [100.0]


def test_nothing_but_the_past_is_no_forecast(client, clock, mock) -> None:
    mock.get(NATIONAL, json=national(FIRST - 4 * SLOT, 100, 100))
    mock.get(REGIONAL, json=regional(FIRST - 4 * SLOT, 2))
    with pytest.raises(SourceUnavailable, match="no forecast from 2023-03-20T10:00:00Z on"):
        client.forecast(clock.now())


def test_a_service_that_does_not_answer_in_time_is_a_timeout(client, clock, mock) -> None:
    import requests

    mock.get(re.compile(f"{BASE}/.*"), body=requests.ReadTimeout("slow"))
    with pytest.raises(SourceTimeout, match="NESO Carbon Intensity API did not answer in time"):
        client.forecast(clock.now())


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("error_400_bad_region_id.json", 400),
        ("error_400_invalid_date.json", 400),
        ("error_400_invalid_datetime.json", 400),
        ("error_400_invalid_path.json", 400),
        ("error_400_no_postcode_match.json", 400),
        ("error_400_range_too_long.json", 400),
        ("error_500_outage_2025-01-13.json", 500),
    ],
)
def test_every_recorded_error_body_becomes_an_error_that_quotes_it(
    client, clock, mock, name, status
) -> None:
    body = recorded(name, "recorded_api/carbon_intensity")
    mock.get(re.compile(f"{BASE}/.*"), json=body, status=status)
    with pytest.raises(SourceUnavailable) as caught:
        client.forecast(clock.now())
    assert isinstance(caught.value, SourceRejected) == (status == 400)
    assert body["error"]["message"][:60] in str(caught.value)


def test_history_asks_on_fixed_chunks_and_closed_ones_only_once(client, clock, mock) -> None:
    def answer(request: Any) -> Any:
        begin, until = (
            datetime.strptime(part, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
            for part in request.url.rsplit("/", 2)[1:]
        )
        begin -= timedelta(minutes=1)
        count = (until - begin) // SLOT
        body = (
            regional(begin, count)
            if "/regional/" in request.url
            else national(begin, *[100.0] * count, actual=90)
        )
        return 200, {}, json.dumps(body)

    mock.add_callback(responses.GET, re.compile(f"{BASE}/.*"), callback=answer)
    now = clock.now()
    batch = client.history(now - timedelta(days=2), now, now)
    gb, london = of(batch, "gb"), of(batch, "london")
    assert gb.horizon.slots == 96
    assert set(gb.values) == {90.0}
    assert {p.kind for p in gb.provenances_used()} == {ValueKind.ACTUAL}
    assert set(london.values) == {120.0}
    asked = [c.request.url.removeprefix(BASE) for c in mock.calls]
    # 2023-03-16 is a multiple of 14 days after 1970-01-01 (19,432 = 14 × 1,388).
    assert asked == [
        "/intensity/2023-03-16T00:01Z/2023-03-20T10:00Z",
        "/regional/intensity/2023-03-18T00:01Z/2023-03-19T00:00Z",
        "/regional/intensity/2023-03-19T00:01Z/2023-03-20T00:00Z",
        "/regional/intensity/2023-03-20T00:01Z/2023-03-20T10:00Z",
    ]
    clock.instant += timedelta(minutes=30)
    client.history(now - timedelta(days=2), clock.now(), clock.now())
    # Two days ended more than six hours ago; only the two open ranges are asked again.
    assert [c.request.url.removeprefix(BASE) for c in mock.calls][4:] == [
        "/intensity/2023-03-16T00:01Z/2023-03-20T10:30Z",
        "/regional/intensity/2023-03-20T00:01Z/2023-03-20T10:30Z",
    ]


def test_a_null_or_zero_actual_falls_back_to_the_last_forecast_and_is_labelled_so(
    client, clock, mock
) -> None:
    body = national(FIRST - 3 * SLOT, 100, 101, 102, actual=90)
    body["data"][1]["intensity"]["actual"] = 0
    body["data"][2]["intensity"]["actual"] = None
    mock.get(NATIONAL, json=body)
    mock.get(REGIONAL, json=regional(FIRST - 3 * SLOT, 3))
    batch = client.history(FIRST - 3 * SLOT, FIRST, clock.now())
    gb = of(batch, "gb")
    assert gb.values.tolist() == [90.0, 101.0, 102.0]
    assert [gb.at(k).provenance.kind.value for k in range(3)] == ["actual", "forecast", "forecast"]
    assert batch.dropped_rows == 1


def test_one_failed_chunk_leaves_the_others(client, clock, mock) -> None:
    mock.get(re.compile(rf"{BASE}/regional/.*/2023-03-20T00:00Z"), status=500)
    mock.get(NATIONAL, status=500)
    mock.get(re.compile(rf"{BASE}/regional/.*/2023-03-20T10:00Z"), json=regional(FIRST - SLOT, 1))
    batch = client.history(FIRST - timedelta(days=1), FIRST, clock.now())
    assert of(batch, "london").is_known.sum() == 1
    assert len([w for w in batch.warnings if "failed" in w]) == 2


def test_recorded_regional_bodies_of_two_days_are_read_whole(client, clock, mock) -> None:
    mock.get(NATIONAL, json=recorded("intensity_2020-01-01_2020-01-02.json"))
    mock.get(REGIONAL, json=recorded("regional_intensity_2020-01-01_2020-01-02.json"))
    clock.instant = datetime(2020, 1, 3, 12, tzinfo=UTC)
    start = datetime(2020, 1, 1, tzinfo=UTC)
    batch = client.history(start, start + timedelta(days=2), clock.now())
    assert {s.region for s in batch.series} == set(REGIONS)
    # The body holds 96 periods selected by their end: the first begins at 23:30 the day before, the last at 23:00.
    assert all(s.is_known.sum() == 95 for s in batch.series)
    body = recorded("regional_intensity_2020-01-01_2020-01-02.json")
    by_name = {r["shortname"]: r["intensity"]["forecast"] for r in body["data"][10]["regions"]}
    begins = datetime.strptime(body["data"][10]["from"], "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
    wales = of(batch, "south_wales")
    assert wales.at(wales.horizon.index_of(begins)).value == by_name["South Wales"]


def test_the_region_of_a_postcode_goes_by_its_name_although_the_id_is_off_by_one(
    client, mock
) -> None:
    body = recorded("regional_postcode_EC1V_2021-07-23.json", "recorded_api/carbon_intensity")
    assert body["data"][0]["regionid"] == 12
    mock.get(f"{BASE}/regional/postcode/EC1V", json=body)
    assert client.region_of_postcode("EC1V") == "london"
