"""The replayed grid: what is visible at an instant, units, stand-ins, and errors that name row and column."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_clients.replay import LEAKS, NATIONAL, ReplayGrid
from models.domain.errors import SourceMalformed, SourceUnavailable
from models.domain.signal import Quality, SignalSeries, ValueKind
from models.domain.time import SLOT, format_utc

T0 = datetime(2023, 3, 20, 10, tzinfo=UTC)
COLUMNS = ("signal", "region", "start", "end", "value", "unit", "kind", "issued_at")


def row(k: int, value: Any, **more: Any) -> dict[str, Any]:
    start = T0 + k * SLOT
    return {
        "signal": "carbon",
        "region": "gb",
        "start": format_utc(start),
        "end": format_utc(start + SLOT),
        "value": value,
        "unit": "gCO2/kWh",
        "kind": "forecast",
        "issued_at": format_utc(T0),
    } | more


def price(k: int, value: Any, **more: Any) -> dict[str, Any]:
    return row(k, value, signal="price", unit="p/kWh", kind="tariff", issued_at="") | more


def grid(folder: Path, *rows: dict[str, Any], columns: tuple[str, ...] = COLUMNS) -> ReplayGrid:
    with (folder / "signals.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return ReplayGrid(folder)


def of(batch: Any, region: str) -> SignalSeries:
    (found,) = [s for s in batch.series if s.region == region]
    return found


def test_a_forecast_is_visible_from_its_issue_on_and_a_newer_issue_replaces_it(tmp_path) -> None:
    later = format_utc(T0 + SLOT)
    replay = grid(tmp_path, row(1, 100), row(2, 110), row(1, 90, issued_at=later))
    with pytest.raises(SourceUnavailable, match="shows no carbon"):
        replay.forecast(T0 - timedelta(seconds=1))
    first = of(replay.forecast(T0), "gb")
    assert first.horizon.start == T0
    np.testing.assert_array_equal(first.values, [np.nan, 100.0, 110.0])
    second = of(replay.forecast(T0 + SLOT), "gb")
    np.testing.assert_array_equal(second.values, [90.0, 110.0])
    assert [second.at(k).provenance.issued_at for k in (0, 1)] == [T0 + SLOT, T0]


def test_a_forecast_without_issue_time_appears_48_hours_ahead_and_says_that_it_leaks(
    tmp_path,
) -> None:
    replay = grid(tmp_path, row(96, 100, issued_at=""), row(97, 110, issued_at=""))
    with pytest.raises(SourceUnavailable):
        replay.forecast(T0 - SLOT)
    # At T0 the half-hour 48 h on is just visible but outside the 96 slots from now; half an hour later it is inside.
    seen = of(replay.forecast(T0 + SLOT), "gb")
    assert seen.at(95).value == 100.0
    provenance = seen.at(95).provenance
    assert (provenance.note, provenance.issued_at) == (LEAKS, None)


def test_an_actual_is_visible_once_its_half_hour_has_ended(tmp_path) -> None:
    rows = [row(k, 100 + k, kind="actual", issued_at="") for k in range(4)]
    replay = grid(tmp_path, *rows)
    seen = of(replay.history(T0, T0 + 4 * SLOT, T0 + 2 * SLOT + timedelta(minutes=29)), "gb")
    np.testing.assert_array_equal(seen.values, [100.0, 101.0])
    assert seen.at(0).provenance.kind is ValueKind.ACTUAL


def test_an_actual_published_late_is_not_seen_before(tmp_path) -> None:
    replay = grid(tmp_path, row(0, 100, kind="actual", issued_at=format_utc(T0 + 3 * SLOT)))
    with pytest.raises(SourceUnavailable):
        replay.history(T0, T0 + SLOT, T0 + 2 * SLOT)
    assert of(replay.history(T0, T0 + SLOT, T0 + 3 * SLOT), "gb").at(0).value == 100.0


def test_history_takes_the_last_forecast_where_there_is_no_actual(tmp_path) -> None:
    replay = grid(tmp_path, row(0, 100, kind="actual", issued_at=""), row(0, 80), row(1, 81))
    seen = of(replay.history(T0, T0 + 2 * SLOT, T0 + 2 * SLOT), "gb")
    assert seen.values.tolist() == [100.0, 81.0]
    assert [seen.at(k).provenance.kind for k in (0, 1)] == [ValueKind.ACTUAL, ValueKind.FORECAST]


def test_a_tariff_without_issue_time_appears_at_16_london_before_its_set_begins(tmp_path) -> None:
    # The set from 23:00 London on the 20th (26 half-hours after 10:00Z) is out at 16:00Z on the 20th; London is on GMT.
    replay = grid(tmp_path, price(25, 20), price(26, 10), price(73, 11), price(74, 12))
    end = T0 + 96 * SLOT
    before = of(
        replay.prices("J", T0, end, datetime(2023, 3, 20, 15, 59, tzinfo=UTC)), "south_east_england"
    )
    assert before.known_until() == T0 + 26 * SLOT
    after = of(
        replay.prices("J", T0, end, datetime(2023, 3, 20, 16, 0, tzinfo=UTC)), "south_east_england"
    )
    assert after.known_until() == T0 + 74 * SLOT
    assert after.at(26).value == pytest.approx(0.10)


def test_a_tariff_with_issue_time_goes_by_it(tmp_path) -> None:
    replay = grid(tmp_path, price(0, 20, issued_at=format_utc(T0 + SLOT)))
    with pytest.raises(SourceUnavailable):
        replay.prices("J", T0, T0 + SLOT, T0)
    assert of(replay.prices("J", T0, T0 + SLOT, T0 + SLOT), "south_east_england").at(
        0
    ).value == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [
        ("p/kWh", -7.5, -0.075),
        ("GBP/kWh", 0.21, 0.21),
        ("GBP/MWh", 85, 0.085),
        # 21 p with 5 % VAT are 20 p without.
        ("p/kWh inc VAT", 21.0, 0.20),
        ("p/kWh_inc_vat", 21.0, 0.20),
        ("p/kWh ex VAT", 21.0, 0.21),
    ],
)
def test_prices_are_read_in_every_unit_and_leave_ex_vat(tmp_path, unit, value, expected) -> None:
    replay = grid(tmp_path, price(0, value, unit=unit))
    assert of(replay.prices("C", T0, T0 + SLOT, T0), "london").at(0).value == pytest.approx(
        expected
    )


def test_regions_without_carbon_rows_take_the_national_value_and_say_so(tmp_path) -> None:
    batch = grid(tmp_path, row(0, 100), row(0, 40, region="north_scotland")).forecast(T0)
    assert len(batch.series) == 18
    assert of(batch, "london").at(0).value == 100.0
    assert of(batch, "london").at(0).provenance.note == NATIONAL
    assert of(batch, "north_scotland").at(0).value == 40.0
    assert of(batch, "gb").at(0).provenance.note == ""


def test_a_region_with_rows_of_its_own_is_not_filled_from_the_nation(tmp_path) -> None:
    batch = grid(tmp_path, row(0, 100), row(1, 40, region="london")).forecast(T0)
    np.testing.assert_array_equal(of(batch, "london").values, [np.nan, 40.0])


def test_without_national_rows_the_batch_lacks_the_other_regions(tmp_path) -> None:
    batch = grid(tmp_path, row(0, 40, region="london")).forecast(T0)
    assert [s.region for s in batch.series] == ["london"]


def test_a_price_of_one_region_serves_no_other_but_a_national_one_serves_all(tmp_path) -> None:
    own = grid(tmp_path, price(0, 20, region="south_east_england"))
    assert [s.region for s in own.prices("CJ", T0, T0 + SLOT, T0).series] == ["south_east_england"]
    shared = grid(tmp_path, price(0, 20), price(0, 30, region="J"))
    batch = shared.prices("CJ", T0, T0 + SLOT, T0)
    assert (of(batch, "london").at(0).value, of(batch, "south_east_england").at(0).value) == (
        0.2,
        0.3,
    )


def test_rows_longer_than_a_half_hour_are_spread(tmp_path) -> None:
    hour = row(0, 100, end=format_utc(T0 + 2 * SLOT))
    assert of(grid(tmp_path, hour).forecast(T0), "gb").values.tolist() == [100.0, 100.0]


def test_gaps_and_absurd_values_are_counted_and_other_signals_named(tmp_path) -> None:
    replay = grid(
        tmp_path,
        row(0, 100),
        row(1, ""),
        row(2, 0),
        row(3, 2856),
        row(4, 1, signal="grid_stress", unit="1"),
        row(5, 90, kind="estimate"),
    )
    batch = replay.forecast(T0)
    assert of(batch, "gb").values.tolist() == [100.0]
    assert batch.dropped_rows == 3
    said = " | ".join(batch.warnings)
    assert "1 rows of other signals" in said
    assert "1 rows of other kinds" in said


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"region": "atlantis"}, ["row 2", "column region", "atlantis"]),
        ({"unit": "lb/MWh"}, ["row 2", "column unit", "lb/MWh"]),
        ({"kind": "guess"}, ["row 2", "column kind", "guess"]),
        ({"start": "2023-03-20T10:00:00"}, ["row 2", "column start", "offset"]),
        ({"start": "2023-03-20T10:10:00Z"}, ["row 2", "column start", "half-hour"]),
        ({"end": "2023-03-20T10:00:00Z"}, ["row 2", "column end"]),
        ({"issued_at": "yesterday"}, ["row 2", "column issued_at", "yesterday"]),
        ({"value": "many"}, ["row 2", "column value", "many"]),
        ({"value": "inf"}, ["row 2", "column value", "finite"]),
        ({"start": ""}, ["row 2", "column start"]),
        ({"signal": ""}, ["row 2", "column signal"]),
    ],
)
def test_a_wrong_cell_stops_the_reading_with_its_row_and_column(tmp_path, change, names) -> None:
    with pytest.raises(SourceMalformed) as caught:
        grid(tmp_path, row(0, 100), row(1, 100) | change)
    assert all(name in str(caught.value) for name in names), str(caught.value)


def test_a_missing_column_an_empty_file_and_an_empty_folder_are_named(tmp_path) -> None:
    with pytest.raises(SourceUnavailable, match=r"neither signals.parquet nor signals.csv"):
        ReplayGrid(tmp_path)
    with pytest.raises(SourceMalformed, match="no column unit"):
        grid(tmp_path, row(0, 1), columns=tuple(c for c in COLUMNS if c != "unit"))
    with pytest.raises(SourceMalformed, match="no rows"):
        grid(tmp_path)


def test_issued_at_may_be_left_out_as_a_column(tmp_path) -> None:
    replay = grid(tmp_path, row(0, 100), columns=COLUMNS[:-1])
    assert of(replay.forecast(T0), "gb").at(0).provenance.note == LEAKS


def parquet(folder: Path, rows: list[dict[str, Any]], zone: str | None = "UTC") -> ReplayGrid:
    def instants(name: str) -> pa.Array:
        cells = [datetime.fromisoformat(r[name]) if r[name] else None for r in rows]
        return pa.array([c and c.replace(tzinfo=None) for c in cells], pa.timestamp("us")).cast(
            pa.timestamp("us", tz=zone)
        )

    arrays = {
        name: instants(name)
        if name in ("start", "end", "issued_at")
        else pa.array([r[name] for r in rows])
        for name in COLUMNS
    }
    pyarrow.parquet.write_table(pa.table(arrays), folder / "signals.parquet")
    return ReplayGrid(folder)


def test_parquet_and_csv_say_the_same_and_parquet_comes_first(tmp_path) -> None:
    rows = [row(0, 100.0), row(1, 90.0, issued_at=""), price(0, 20.0)]
    from_csv = grid(tmp_path, *rows)
    from_parquet = parquet(tmp_path, rows)
    assert from_parquet.name == "replay of signals.parquet"
    for replay in (from_csv, from_parquet):
        assert of(replay.forecast(T0), "gb").values.tolist() == [100.0, 90.0]
        assert of(replay.prices("A", T0, T0 + SLOT, T0), "east_england").at(
            0
        ).value == pytest.approx(0.2)


def test_parquet_times_without_a_zone_are_refused(tmp_path) -> None:
    with pytest.raises(SourceMalformed, match="no time zone"):
        parquet(tmp_path, [row(0, 100.0)], zone=None)


def test_every_value_is_labelled_replayed_with_the_digest_of_the_file(tmp_path) -> None:
    series = of(grid(tmp_path, row(0, 100)).forecast(T0), "gb")
    (provenance,) = series.provenances_used()
    assert provenance.quality is Quality.REPLAYED
    assert provenance.retrieved_at == T0
    assert len(provenance.sha256) == 64


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 8), st.integers(-6, 8), st.integers(6, 600)),
        min_size=1,
        max_size=30,
    ),
    st.integers(-6, 8),
)
def test_at_any_time_the_newest_visible_issue_of_each_half_hour_is_told(
    tmp_path, issues: list[tuple[int, int, int]], at: int
) -> None:
    unique = {(k, issue): value for k, issue, value in issues}
    rows = [row(k, v, issued_at=format_utc(T0 + issue * SLOT)) for (k, issue), v in unique.items()]
    now = T0 + at * SLOT
    replay = grid(tmp_path, *rows)
    expected = {}
    for (k, issue), value in sorted(unique.items(), key=lambda item: item[0][1]):
        if issue <= at and k >= at:
            expected[T0 + k * SLOT] = float(value)
    if not expected:
        with pytest.raises(SourceUnavailable):
            replay.forecast(now)
        return
    seen = of(replay.forecast(now), "gb")
    assert {r.start: r.value for r in seen.rows() if r.value is not None} == expected
