"""Recorded files become a replay folder that the replayed grid reads."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet
import pytest

from api_clients.replay import LEAKS, ReplayGrid
from models.domain.time import SLOT
from scripts.make_replay import main

T0 = datetime(2023, 3, 20, 10, tzinfo=UTC)
UTC_TIME = pa.timestamp("us", tz="UTC")


@pytest.fixture
def inputs(tmp_path):
    starts = pa.array([T0 + k * SLOT for k in range(4)], UTC_TIME)
    national = {
        "ts_utc": starts,
        "forecast_gco2_kwh": [100.0, 0.0, 102.0, 103.0],
        "actual_gco2_kwh": [90.0, 91.0, None, 93.0],
    }
    pyarrow.parquet.write_table(pa.table(national), tmp_path / "national.parquet")
    issue = {
        "issue_slot_utc": pa.array([T0] * 2, UTC_TIME),
        "ts_utc": starts[2:],
        "forecast_gco2_kwh": [120, 130],
    }
    pyarrow.parquet.write_table(pa.table(issue), tmp_path / "issues.parquet")
    regional = {
        "ts_utc": starts[:2],
        "shortname": ["North Wales & Merseyside", "GB"],
        "forecast_gco2_kwh": [0.0, 0.0],
    }
    pyarrow.parquet.write_table(pa.table(regional), tmp_path / "regional.parquet")
    prices = {"ts_utc": starts, "price_p_kwh_inc_vat": [21.0, -10.5, 31.5, 42.0]}
    pyarrow.parquet.write_table(pa.table(prices), tmp_path / "prices.parquet")
    return tmp_path


def test_forecasts_issues_actuals_and_prices_are_told_again(inputs, capsys) -> None:
    arguments = ["--carbon", inputs / "national.parquet", "--issues", inputs / "issues.parquet"]
    arguments += ["--regional", inputs / "regional.parquet", "--prices", inputs / "prices.parquet"]
    assert main([str(a) for a in [*arguments, "--out", inputs / "out"]]) == 0
    # 3 forecasts and 3 actuals of the nation (a zero and a null are left out), 2 issued, 1 regional, 4 prices.
    assert "13 rows" in capsys.readouterr().out
    replay = ReplayGrid(inputs / "out")
    gb = next(s for s in replay.forecast(T0).series if s.region == "gb")
    known = {r.start: (r.value, r.provenance.note) for r in gb.rows() if r.value is not None}
    assert known == {
        T0: (100.0, LEAKS),
        T0 + 2 * SLOT: (120.0, ""),
        T0 + 3 * SLOT: (130.0, ""),
    }
    wales = next(s for s in replay.forecast(T0).series if s.region == "north_wales_and_merseyside")
    assert wales.values.tolist() == [0.0]
    # VAT of 5 % is taken out; the price stands for every region.
    prices = replay.prices("CJ", T0, T0 + 4 * SLOT, T0)
    for series in prices.series:
        assert series.values == pytest.approx([0.20, -0.10, 0.30, 0.40])


def test_a_price_may_be_given_to_one_region_and_a_span_of_days_cut_out(inputs, capsys) -> None:
    arguments = ["--prices", str(inputs / "prices.parquet"), "--price-region", "south_east_england"]
    main(
        [
            *arguments,
            "--prices-ex-vat",
            "--from",
            "2023-03-20",
            "--to",
            "2023-03-21",
            "--out",
            str(inputs),
        ]
    )
    (series,) = ReplayGrid(inputs).prices("CJ", T0, T0 + SLOT, T0).series
    assert (series.region, series.values[0]) == ("south_east_england", pytest.approx(0.21))
    with pytest.raises(SystemExit):
        main([*arguments, "--from", "2024-01-01", "--out", str(inputs)])
    assert "no rows" in capsys.readouterr().err
