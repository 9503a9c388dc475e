"""Bands and legends."""

from __future__ import annotations

import pytest

from web.views import bands


@pytest.mark.parametrize(
    ("price", "band"),
    [(-0.01, 0), (0.0, 1), (0.149, 1), (0.15, 2), (0.249, 2), (0.25, 3), (0.35, 4), (None, None)],
)
def test_a_price_is_judged_against_its_reference(price: float | None, band: int | None) -> None:
    # Reference 20 p: low below 15 p, usual below 25 p, high below 35 p.
    assert bands.price_band(price, 0.20) == band


def test_without_a_reference_no_price_has_a_band() -> None:
    assert bands.price_band(0.2, None) is None
    assert bands.price_band(0.2, -0.01) == 2
    assert bands.price_legend(None) == ()


def test_the_reference_is_the_mean_of_what_is_known() -> None:
    assert bands.reference_price([0.1, None, 0.3]) == pytest.approx(0.2)
    assert bands.reference_price([None]) is None


def test_the_carbon_legend_of_2026_has_the_words_and_limits_of_that_year() -> None:
    assert [(e.word, e.span) for e in bands.carbon_legend(2026)] == [
        ("very low", "0–24"),
        ("low", "25–89"),
        ("moderate", "90–169"),
        ("high", "170–230"),
        ("very high", "over 230"),
    ]


def test_the_price_legend_names_its_ranges_in_pence() -> None:
    assert [e.span for e in bands.price_legend(0.20)] == [
        "below 0",
        "0–15",
        "15–25",
        "25–35",
        "over 35",
    ]
