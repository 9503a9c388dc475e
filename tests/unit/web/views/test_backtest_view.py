"""Stored back-tests as tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from web.views.backtest_view import MOST_RESULTS, backtest_views

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

SCORE = {
    "planner": "halfhour", "served": 9, "unserved": 1, "late": 2, "compared_jobs": 8, "carbon_saving_percent": 11.42,
    "cost_saving_percent": -3.0, "share_of_clairvoyant_percent": None, "peak_kw": 199.7, "moves_per_job": 0.1716,
    "waited": 395, "dirtier": 97,
}  # fmt: skip


def a_result(**changes: Any) -> dict[str, Any]:
    return {
        "backtest_id": "4cbca6f89fbf", "made_at": "2026-11-21T10:00:00Z", "source": "replay of signals.csv",
        "is_simulated": False, "forecast": "computed", "label": "own estimates", "start": "2026-03-01T00:00:00Z",
        "end": "2026-03-31T00:00:00Z", "jobs": 10, "carbon_price_gbp_per_tonne": 2667.0,
        "assets": [{"asset_id": "cluster-1", "region": "london", "power_kw": 200.0}], "scores": [SCORE], **changes,
    }  # fmt: skip


def test_a_planner_reads_in_words_and_figures() -> None:
    (shown,) = backtest_views([a_result()], NOW)
    (row,) = shown.rows
    assert row.is_ours
    assert (row.served, row.missed) == ("9", "3")
    assert (row.carbon, row.cost, row.of_ideal) == ("11 %", "−3.0 %", "–")
    assert row.dirtier == "97 of 395"
    assert shown.compared == "8 jobs"
    assert "London 200 kW" in shown.basis


@pytest.mark.parametrize(
    "change", [{"is_simulated": True}, {"forecast": "last_kept"}, {"forecast": "perfect"}]
)
def test_results_that_flatter_are_marked(change: dict[str, Any]) -> None:
    assert not backtest_views([a_result()], NOW)[0].is_caution
    assert backtest_views([a_result(**change)], NOW)[0].is_caution


def test_a_page_shows_the_newest_of_many() -> None:
    assert len(backtest_views([a_result()] * (MOST_RESULTS + 3), NOW)) == MOST_RESULTS
