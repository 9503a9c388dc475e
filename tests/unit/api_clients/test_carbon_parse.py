"""The carbon parser: three envelopes, and every fault of the service that has been seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_clients.carbon_parse import parse_carbon, slug_of_shortname
from models.domain.errors import SourceMalformed
from models.domain.regions import REGIONS

START = datetime(2026, 5, 6, tzinfo=UTC)


def text(start: datetime) -> str:
    return f"{start:%Y-%m-%dT%H:%MZ}"


def row(k: int, **intensity: Any) -> dict[str, Any]:
    start = START + k * timedelta(minutes=30)
    return {
        "from": text(start),
        "to": text(start + timedelta(minutes=30)),
        "intensity": {"index": "low", **intensity},
    }


def period(k: int, *regions: tuple[str, Any]) -> dict[str, Any]:
    start = START + k * timedelta(minutes=30)
    return {
        "from": text(start),
        "to": text(start + timedelta(minutes=30)),
        "regions": [
            {"regionid": 99, "shortname": name, "intensity": {"forecast": value, "index": "low"}}
            for name, value in regions
        ],
    }


def at(k: int) -> datetime:
    return START + k * timedelta(minutes=30)


def test_the_national_envelope_gives_forecast_and_actual() -> None:
    table = parse_carbon(
        {"data": [row(0, forecast=97, actual=87), row(1, forecast=95, actual=None)]}
    )
    assert table.forecasts("gb") == {at(0): 97.0, at(1): 95.0}
    assert table.actuals("gb") == {at(0): 87.0}


def test_the_period_keyed_envelope_goes_by_short_name_and_not_by_id() -> None:
    table = parse_carbon({"data": [period(0, ("London", 172), ("North Wales & Merseyside", 80))]})
    assert table.forecasts("london") == {at(0): 172.0}
    assert table.forecasts("north_wales_and_merseyside") == {at(0): 80.0}


@pytest.mark.parametrize("as_list", [True, False])
def test_the_region_keyed_envelope_may_be_a_list_or_an_object(as_list: bool) -> None:
    region = {"regionid": 12, "shortname": "London", "data": [row(0, forecast=107)]}
    table = parse_carbon({"data": [region] if as_list else region})
    assert table.forecasts("london") == {at(0): 107.0}


@pytest.mark.parametrize("as_list", [True, False])
def test_the_national_mix_may_be_a_list_or_an_object(as_list: bool) -> None:
    mix = [{"fuel": "wind", "perc": 40}, {"fuel": "storage", "perc": 1.5}]
    item = {"from": text(at(0)), "to": text(at(1)), "generationmix": mix}
    table = parse_carbon({"data": [item] if as_list else item})
    # An unknown fuel is kept as it is called.
    assert table.mixes("gb") == {at(0): {"wind": 40.0, "storage": 1.5}}


@pytest.mark.parametrize(
    "name",
    ["North Wales & Merseyside", "North Wales and Merseyside", "north wales  &  merseyside"],
)
def test_both_spellings_of_region_six_are_understood(name: str) -> None:
    assert slug_of_shortname(name) == "north_wales_and_merseyside"


def test_all_eighteen_regions_have_a_short_name() -> None:
    names = {r.slug: "GB" if r.slug == "gb" else r.name for r in REGIONS.values()}
    assert {slug_of_shortname(name) for name in names.values()} == set(REGIONS)
    assert slug_of_shortname(None) is None
    assert slug_of_shortname("Atlantis") is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        "data",
        {"data": None},
        {"data": []},
        {"data": {}},
        {"data": "x"},
        {"data": [{}]},
        {"data": [{"Biomass": 120, "Coal": 937}]},
        {"error": {"code": "400 Bad Request", "message": "Please enter a valid path"}},
        {"data": {"regionid": 13, "shortname": "London", "data": []}},
        {"data": [{"from": "2026-05-06T00:00Z", "to": "2026-05-06T00:30Z", "regions": []}]},
        {"data": [{"from": "yesterday", "to": "today", "intensity": {"forecast": 1}}]},
    ],
)
def test_anything_else_is_refused_loudly(body: Any) -> None:
    with pytest.raises(SourceMalformed):
        parse_carbon(body)


@pytest.mark.parametrize("absurd", [2856, 601, 0, 4.9, -3])
def test_absurd_national_values_are_missing_and_counted(absurd: float) -> None:
    table = parse_carbon(
        {"data": [row(0, forecast=absurd, actual=62), row(1, forecast=70, actual=absurd)]}
    )
    assert table.forecasts("gb") == {at(1): 70.0}
    assert table.actuals("gb") == {at(0): 62.0}
    assert table.dropped_rows == 2


def test_the_gb_entry_of_a_regional_body_is_held_to_the_national_bounds() -> None:
    table = parse_carbon({"data": [period(0, ("GB", 0), ("North Scotland", 0))]})
    assert table.forecasts("gb") == {}
    assert table.forecasts("north_scotland") == {at(0): 0.0}


def test_regional_zero_is_real_small_negatives_count_as_zero_and_the_rest_is_missing() -> None:
    body = {
        "data": [period(k, ("North Scotland", v)) for k, v in enumerate([0, -20, -21, 900, 901])]
    }
    table = parse_carbon(body)
    assert table.forecasts("north_scotland") == {at(0): 0.0, at(1): 0.0, at(3): 900.0}
    assert table.dropped_rows == 2


def test_null_is_missing_and_not_an_error() -> None:
    table = parse_carbon({"data": [row(0, forecast=None, actual=None), row(1, forecast=50)]})
    assert table.forecasts("gb") == {at(1): 50.0}
    assert table.dropped_rows == 0


def test_of_duplicates_the_last_wins_and_it_is_said() -> None:
    table = parse_carbon({"data": [row(0, forecast=100), row(0, forecast=120)]})
    assert table.forecasts("gb") == {at(0): 120.0}
    assert "1 half-hours were sent twice; the last one counts" in table.warnings


def test_jumps_between_neighbours_are_kept_and_reported() -> None:
    table = parse_carbon(
        {"data": [row(0, forecast=100), row(1, forecast=251), row(2, forecast=101)]}
    )
    # 151 up counts, 150 down does not.
    assert table.forecasts("gb")[at(1)] == 251.0
    assert [w for w in table.warnings if w.startswith("gb: 1 jumps above 150 g/kWh")]


def test_one_bad_row_is_dropped_and_counted() -> None:
    rows = [
        row(0, forecast=100),
        {"from": "x", "to": "y", "intensity": {}},
        row(2, forecast="many"),
    ]
    table = parse_carbon({"data": [*rows, 7]})
    assert table.forecasts("gb") == {at(0): 100.0}
    assert table.dropped_rows == 3


def test_a_period_off_the_half_hour_is_dropped_and_a_long_one_is_spread() -> None:
    shifted = {**row(0, forecast=90), "from": "2026-05-06T00:10Z", "to": "2026-05-06T00:40Z"}
    hour = {**row(2, forecast=80), "to": text(at(4))}
    table = parse_carbon({"data": [shifted, hour]})
    assert table.forecasts("gb") == {at(2): 80.0, at(3): 80.0}
    assert table.dropped_rows == 1


def test_unknown_regions_are_left_out_by_name() -> None:
    table = parse_carbon({"data": [period(0, ("London", 100), ("Atlantis", 3))]})
    assert set(table.points) == {"london"}
    assert "unknown regions were left out: Atlantis" in table.warnings


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["data", "regions", "shortname", "intensity", "from", "to", "generationmix"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=25,
    )
)
def test_no_json_makes_the_parser_fail_otherwise_than_as_malformed(body: Any) -> None:
    try:
        table = parse_carbon(body)
    except SourceMalformed:
        return
    assert any(table.points.values())


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.none() | st.floats(-100, 3000)), min_size=1, max_size=40
    )
)
def test_whatever_is_sent_only_plausible_values_leave(rows: list[tuple[int, float | None]]) -> None:
    body = {"data": [period(k, ("London", value)) for k, value in rows]}
    try:
        table = parse_carbon(body)
    except SourceMalformed:
        assert not any(v is not None and -20 <= v <= 900 for v in dict(rows).values())
        return
    kept = table.forecasts("london")
    assert all(0.0 <= value <= 900.0 for value in kept.values())
    # The last row of a half-hour wins, also where it is null or absurd: then the value is missing.
    last = dict(rows)
    assert kept == {
        at(k): max(0.0, v) for k, v in last.items() if v is not None and -20 <= v <= 900
    }
