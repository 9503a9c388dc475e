"""CSV rows of records."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from audit.csv_rows import COLUMNS, CsvFile, row, safe_cell
from tests.support.fake_decisions import FakeOutbox


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1-1", "'+1-1"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),
        ("-12.50", "-12.50"),  # a plain negative number stays a number
        ("-12.50x", "'-12.50x"),
        ("-", "'-"),
        (7, "7"),
        (None, ""),
        ("night – cheaper", "night – cheaper"),
    ],
)
def test_no_cell_can_be_taken_for_a_formula(value: object, cell: str) -> None:
    assert safe_cell(value) == cell


def test_a_decision_is_one_row_with_the_selected_options_numbers(tmp_path: Path) -> None:
    outbox = FakeOutbox()
    outbox.record(2)
    with CsvFile(tmp_path / "d.csv") as rows:
        for sealed in outbox.state.records:
            rows.add(json.loads(sealed.line))
    with (tmp_path / "d.csv").open(encoding="utf-8", newline="") as handle:
        read = list(csv.DictReader(handle))
    assert [line["event_type"] for line in read] == ["segment_start", "decision", "decision"]
    first = read[1]
    assert (first["seq"], first["job_id"], first["selected_option"]) == ("2", "job-1", "night")
    assert (first["cost_gbp"], first["carbon_kg"], first["energy_kwh"]) == ("-0.35", "2.9", "")
    assert (first["options"], first["settlement_period"]) == ("2", "35")
    assert first["rationale"] == "£ № 1"
    assert first["hash"] == outbox.state.records[1].hash
    assert read[0]["selected_option"] == ""


def test_a_record_of_another_shape_still_gives_a_row() -> None:
    cells = row({"seq": 1, "selected": "defer", "options": "none", "actor": None})
    assert len(cells) == len(COLUMNS)
    assert cells[0] == "1"
