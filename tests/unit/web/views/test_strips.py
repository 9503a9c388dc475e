"""Strips: runs of one band."""

from __future__ import annotations

from tests.unit.web.views.samples import NOW, rows
from web.views.strips import carbon_strip, price_strip
from web.views.timeline import TimeAxis


def test_neighbours_of_one_band_are_one_run() -> None:
    # 2026: low up to 89, moderate up to 169.
    found = carbon_strip(TimeAxis(NOW, 4, 400.0), rows([50, 80, 120, 60], [0.1] * 4))
    assert [(r.css, r.x, r.width, r.text) for r in found.runs] == [
        ("carbon-1", 0.0, 200.0, "low 50–80"),
        ("carbon-2", 200.0, 100.0, "moderate 120"),
        ("carbon-1", 300.0, 100.0, "low 60"),
    ]


def test_a_label_that_does_not_fit_is_left_out_and_stays_in_the_title() -> None:
    found = carbon_strip(TimeAxis(NOW, 2, 30.0), rows([50, 120], [0.1] * 2))
    assert [r.text for r in found.runs] == ["", ""]
    assert found.runs[0].title == "12:00 to 12:30: low, 50 g/kWh"


def test_unknown_half_hours_are_a_run_of_their_own() -> None:
    found = carbon_strip(TimeAxis(NOW, 3, 300.0), rows([50, None, 60], [0.1] * 3))
    assert [r.css for r in found.runs] == ["carbon-1", "unknown", "carbon-1"]
    assert found.runs[1].text == "unknown"


def test_own_estimates_begin_a_new_run_and_are_marked() -> None:
    found = price_strip(
        TimeAxis(NOW, 4, 400.0), rows([50] * 4, [0.2, 0.2, 0.2, 0.2], estimates_from=2)
    )
    assert [(r.x, r.is_estimate) for r in found.runs] == [(0.0, False), (200.0, True)]
    assert found.estimate_x == 200.0
    assert "our estimate" in found.runs[1].title


def test_negative_prices_have_their_own_band_and_sign() -> None:
    found = price_strip(TimeAxis(NOW, 2, 200.0), rows([50, 50], [-0.084, 0.3]))
    assert found.runs[0].css == "price-0"
    assert found.runs[0].text == "negative −8"
    assert "paid 8.40 p/kWh" in found.runs[0].title
