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


def test_jobs_that_emitted_more_are_told_in_plain_words_beside_the_plan_that_knew_everything() -> (
    None
):
    ours = {**SCORE, "worse": 40, "worse_percent_of_gain": 4.26}
    ideal = {**SCORE, "planner": "clairvoyant", "waited": 527, "dirtier": 77, "worse": 2}
    (shown,) = backtest_views([a_result(scores=[ours, ideal])], NOW)
    # 97 of 395 is 24.6 %, 77 of 527 is 14.6 %, 40 of 395 is 10.1 %.
    assert "Of the 395 jobs that waited, 97 (25 %) emitted more than on arrival" in shown.waiting
    assert "everything known has 77 (15 %)" in shown.waiting
    assert "£2,667/t some grams are traded for money" in shown.waiting
    assert "40 (10 %) came out worse" in shown.waiting
    assert "lost 4.3 % of what the others gained" in shown.waiting
    assert [row.worse for row in shown.rows] == ["40 of 395", "2 of 527"]


def test_a_result_stored_before_that_was_counted_still_reads() -> None:
    (shown,) = backtest_views([a_result()], NOW)
    assert shown.rows[0].worse == "–"
    assert "97 (25 %) emitted more" in shown.waiting
    assert "worse" not in shown.waiting
    assert backtest_views([a_result(scores=[])], NOW)[0].waiting == ""


def test_a_page_shows_the_newest_of_many() -> None:
    assert len(backtest_views([a_result()] * (MOST_RESULTS + 3), NOW)) == MOST_RESULTS
