"""The Grid pages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.domain.regions import REGIONS
from services.types import RegionNow
from tests.unit.web.views.samples import NOW, rows
from web.views.curves import curve_chart, nice_step
from web.views.grid_views import grid_view, region_view


def now_of(slug: str, carbon: float | None, price: float | None) -> RegionNow:
    (row,) = rows([carbon], [price])
    return RegionNow(
        slug, row, None if carbon is None else 1, "unknown" if carbon is None else "low"
    )


def test_tiles_stand_where_their_region_lies_and_aggregates_only_in_the_list() -> None:
    found = grid_view(
        [now_of("london", 50.0, 0.2), now_of("gb", 60.0, 0.2)],
        rows([100.0] * 2, [0.2, 0.4]),
        at=NOW, now=NOW, shows="carbon",
    )  # fmt: skip
    (tile,) = found.tiles
    london = REGIONS["london"]
    assert (tile.column, tile.row) == (london.tile_column, london.tile_row)
    assert (tile.css, tile.value, tile.word) == ("carbon-1", "50", "low")
    assert [t.slug for t in found.aggregates] == ["gb"]


def test_price_tiles_are_judged_against_the_country_over_two_days() -> None:
    # Mean of 20 p and 40 p is 30 p; 20 p is below three quarters of it.
    found = grid_view(
        [now_of("london", 50.0, 0.2)], rows([100.0] * 2, [0.2, 0.4]), at=NOW, now=NOW, shows="price"
    )
    assert (found.tiles[0].css, found.tiles[0].word) == ("price-1", "low")
    assert "30.0 p/kWh" in found.note


def test_an_unknown_region_is_marked_unknown_and_never_zero() -> None:
    found = grid_view([now_of("london", None, None)], (), at=NOW, now=NOW, shows="carbon")
    assert (found.tiles[0].css, found.tiles[0].value) == ("unknown", "?")
    assert found.tiles[0].carbon == "unknown"
    assert found.sentence == "Nothing is known of this half-hour yet."


@pytest.mark.parametrize(("span", "step"), [(300.0, 100.0), (40.0, 10.0), (4.0, 1.0), (0.0, 1.0)])
def test_scales_have_round_steps(span: float, step: float) -> None:
    assert nice_step(span) == step


def test_curves_break_where_nothing_is_known_and_dot_where_we_estimate() -> None:
    found = curve_chart(
        rows([100.0, None, 120.0, 130.0], [0.1, 0.1, 0.2, 0.2], estimates_from=2),
        now=NOW, region="london",
    )  # fmt: skip
    assert found is not None
    carbon, price = found.curves
    assert carbon.path.count("M") == 2
    assert price.path.count("M") == 1
    assert price.estimate_path.count("M") == 1
    assert curve_chart(rows([None], [None]), now=NOW, region="london") is None


def test_a_region_tells_its_extremes_and_why_no_error_is_known() -> None:
    found = region_view(
        "london",
        rows([100.0, 40.0], [0.1, -0.02]),
        (),
        {"reason": "regions have no metered actuals; ask for gb", "days": 0},
        now=NOW,
        history_days=3,
    )
    assert found.extremes[0].startswith("Cleanest today 12:30 (40 g/kWh)")
    assert "paid 2.00 p/kWh" in found.extremes[1]
    assert found.error_text == "Not known: regions have no metered actuals."
    assert found.history is None


def test_a_region_page_survives_missing_values() -> None:
    found = region_view("gb", rows([None], [None]), (), {}, now=NOW, history_days=1)
    assert found.now_carbon == "unknown"
    assert found.forecast is None


def test_estimates_that_differ_only_in_their_count_are_one_source() -> None:
    both = list(rows([1.0, 1.0], [0.1, 0.1], estimates_from=0))
    noted = []
    for n, row in zip((3, 4), both, strict=True):
        assert row.price.provenance is not None
        source = replace(row.price.provenance, note=f"mean of 28 days, n = {n}")
        noted.append(replace(row, price=replace(row.price, provenance=source)))
    found = region_view("london", noted, (), {}, now=NOW, history_days=1)
    assert sum("mean of 28 days" in line for line in found.sources) == 1
