"""The five words of the carbon index."""

from __future__ import annotations

import csv
from itertools import pairwise

import pytest

from models.domain.bands import BAND_TOPS, band_word, carbon_band
from tests.support.shared import shared_path


@pytest.mark.parametrize(
    ("grams", "word"),
    [
        (-3.0, "very low"), (0, "very low"), (24.4, "very low"), (24.5, "low"), (89, "low"),
        (90, "moderate"), (169, "moderate"), (170, "high"), (230, "high"), (231, "very high"),
    ],
)  # fmt: skip
def test_the_limits_of_2026_are_those_of_the_table(grams: float, word: str) -> None:
    assert band_word(carbon_band(grams, 2026)) == word


def test_the_bands_tighten_every_year() -> None:
    assert [carbon_band(85.0, year) for year in (2017, 2026, 2027, 2030)] == [0, 1, 2, 2]
    years = sorted(BAND_TOPS)
    for before, after in pairwise(years):
        assert all(new < old for old, new in zip(BAND_TOPS[before], BAND_TOPS[after], strict=True))


def test_years_outside_the_table_take_the_nearest() -> None:
    assert carbon_band(85.0, 2001) == carbon_band(85.0, 2017)
    assert carbon_band(85.0, 2050) == carbon_band(85.0, 2030)


def test_no_band_is_unknown() -> None:
    assert band_word(None) == "unknown"


def test_every_year_is_as_the_reference_has_it() -> None:
    text = shared_path("domain/index_bands.csv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in text if not line.startswith("#"))
    names = ("very_low_max", "low_max", "moderate_max", "high_max")
    assert {int(r["year"]): tuple(int(r[n]) for n in names) for r in rows} == dict(BAND_TOPS)
