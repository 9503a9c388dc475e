"""Views of an explanation: the chart of starts, the answer to "why not?", and scarce half-hours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.domain.time import SLOT
from services.explain_types import Candidate, Difference, Shadow, WhyNot
from tests.unit.web.views.samples import NOW, placement
from web.views.scarce import HEIGHT, scarce_view, scarce_views
from web.views.slot_chart import LEAST_HEIGHT, PLOT_HEIGHT, slot_chart
from web.views.why_not import why_not_view


def worth(slots: int, gbp: float | None, *, feasible: bool = True) -> Candidate:
    placed = replace(placement(NOW + slots * SLOT), objective_gbp=gbp)
    return Candidate(placed, feasible, None if feasible else "power", None)


def test_columns_grow_with_what_a_start_costs_above_the_least() -> None:
    starts = [worth(0, 5.0), worth(1, 3.0), worth(2, 4.0, feasible=False)]
    chart = slot_chart(starts, starts[1].placement, "Rack", NOW)
    assert chart is not None
    # £3 is the least and £5 the most; £4 lies half-way between.
    half = LEAST_HEIGHT + 0.5 * (PLOT_HEIGHT - LEAST_HEIGHT)
    assert [c.height for c in chart.columns] == pytest.approx([PLOT_HEIGHT, LEAST_HEIGHT, half])
    assert [c.css for c in chart.columns] == ["free", "chosen", "closed"]
    assert {c.y + c.height for c in chart.columns} == {chart.base_y}
    assert chart.columns[2].title.endswith("closed, £1.00 above the least")
    assert "3 starts, 1 of them closed" in chart.description


def test_starts_of_equal_worth_have_equal_columns() -> None:
    chart = slot_chart([worth(0, 2.0), worth(1, 2.0)], None, "Rack", NOW)
    assert chart is not None
    assert [c.height for c in chart.columns] == [LEAST_HEIGHT, LEAST_HEIGHT]


def test_nothing_is_drawn_where_worth_is_unknown() -> None:
    assert slot_chart([worth(0, None), worth(1, None)], None, "Rack", NOW) is None
    assert slot_chart([worth(0, 1.0)], None, "Rack", NOW) is None


def answered(candidate: Candidate | None, verdict: str = "dearer") -> WhyNot:
    against = Difference(1.5, 2.0, -0.25, -0.6, 0.1) if candidate else None
    return WhyNot(NOW, NOW, "rack", verdict, "A sentence.", candidate, against)


def test_an_answer_shows_differences_and_may_be_taken() -> None:
    shown = why_not_view(answered(worth(0, 3.0)))
    figures = dict(shown.figures)
    assert figures["Cost"].endswith("£2.00 more than the present plan")
    assert "less than the present plan" in figures["Carbon"]
    assert figures["By the policy's weights"] == "£1.50 worse"
    assert shown.value == "2026-11-21T12:00:00Z rack"


def test_a_full_window_shows_who_holds_it_and_cannot_be_taken() -> None:
    full = replace(
        worth(0, 3.0, feasible=False),
        held_by=("job-a", "job-b"),
        held_by_own_jobs=5,
        held_by_others=1,
        shadow=Shadow(0.02, 0.04, 0.3),
    )
    shown = why_not_view(answered(full, "power"))
    assert (shown.value, shown.holders) == ("", ("job-a", "job-b"))
    assert shown.more_holders == "3 more of your jobs and 1 job of another owner"
    told = dict(shown.figures)["Price of its scarce power"]
    assert told == "30p for the run; 2.00 p/kWh on average, 4.00 p/kWh at most"


def test_an_answer_without_a_window_is_a_sentence_only() -> None:
    shown = why_not_view(answered(None, "late"))
    assert (shown.sentence, shown.figures, shown.value) == ("A sentence.", (), "")


def test_scarce_half_hours_are_told_as_stretches() -> None:
    prices = np.array([0.0, 0.02, 0.04, 0.0, 0.01])
    shown = scarce_view("Rack", NOW, prices, NOW)
    assert shown is not None
    assert shown.title == "3 scarce half-hours, up to 4.00 p/kWh"
    assert len(shown.lines) == 2
    assert shown.lines[0].endswith("up to 4.00 p/kWh")
    assert shown.lines[1].endswith("up to 1.00 p/kWh")
    assert [bar.height for bar in shown.bars] == pytest.approx([HEIGHT / 2, HEIGHT, HEIGHT / 4])
    assert scarce_view("Rack", NOW, np.zeros(3), NOW) is None


def test_only_named_clusters_are_shown() -> None:
    prices = {"a": (NOW, np.array([0.1])), "b": (NOW, np.array([0.1]))}
    assert [one.name for one in scarce_views(prices, {"b": "Birch"}, NOW)] == ["Birch"]
