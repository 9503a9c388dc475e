"""A benchmark fails when a median misses its bar, not when one run of several does."""

from __future__ import annotations

from typing import Any, cast

import pytest

from benchmarks import planner, replay
from services.backtest_types import Planner

GOOD: dict[str, Any] = {
    "served": 5, "unserved": 0, "late": 0, "moves_per_job": 0.1, "frozen_moves": 0, "seconds": 1.0,
    "share_of_free_percent": 99.0, "share_of_clairvoyant_percent": 60.0, "carbon_saving_percent": 10.0,
    "cost_saving_percent": 9.0, "waited": 4, "dirtier": 1, "worse": 0, "worse_percent_of_gain": 1.0,
}  # fmt: skip


class Told:
    """Replays whose scores are given, one after another."""

    def __init__(self, *ours: dict[str, Any]) -> None:
        self.ours = list(ours)

    def scores(self, asked: replay.Question) -> dict[str, dict[str, Any]]:
        ours = {**GOOD, **(self.ours.pop(0) if self.ours else {})}
        return {Planner.FIRST_COME: GOOD, Planner.HALFHOUR: ours, Planner.FREE: GOOD, Planner.CLAIRVOYANT: ours}  # fmt: skip


def is_kept(*ours: dict[str, Any]) -> bool:
    told = cast(replay.Replays, Told(*ours))
    return replay.bars(told, ["2023-03"], range(len(ours)), 0.02)


def test_the_median_of_moves_and_savings_is_held_against_the_bars() -> None:
    assert is_kept({"moves_per_job": 0.9}, {}, {})
    assert not is_kept({"moves_per_job": 0.9}, {"moves_per_job": 0.4}, {})
    assert not is_kept({"share_of_free_percent": 97.0})


def test_one_move_inside_the_freeze_is_too_many_and_so_are_three_missed_jobs_in_a_thousand() -> (
    None
):
    assert not is_kept({"frozen_moves": 1}, {}, {})
    assert not is_kept({"late": 1}, {}, {})  # 1 of 15
    assert is_kept({"served": 999, "unserved": 1, "late": 1})
    assert not is_kept({"served": 998, "unserved": 2, "late": 1})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"worse": 1}, False),  # 1 of 4 that waited, with everything known
        ({"worse_percent_of_gain": 9.0}, False),
    ],
)
def test_whoever_pays_for_waiting_is_held_against_bars_of_their_own(
    change: dict[str, Any], expected: bool
) -> None:
    told = cast(replay.Replays, Told(*[change] * 20))
    assert replay.by_policy(told, "2023-03", [1]) is expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, False),
        ({"gap_percent": 3.6}, True),
        ({"seconds": 16.0}, True),
        ({"unserved": 1.0}, True),
    ],
)
def test_a_row_of_the_planner_misses_by_gap_time_or_anybody_unserved(
    change: dict[str, float], expected: bool
) -> None:
    found: dict[str, float | str] = {
        "gap_percent": 3.0,
        "seconds": 10.0,
        "unserved": 0.0,
        "rss_mb": 200.0,
        **change,
    }
    assert planner.misses("1000-tight", [found]) is expected
