"""Sentences: London time, signs, significant figures, and no promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agents.wording import award_sentence, money_text, price_text, significant, when
from models.domain.plan import Baseline, Explanation, Placement, Savings
from models.domain.signal import Quality
from tests.support.fleet import NOON
from tests.support.stored import a_placement

NOTHING = Savings(None, None, None, None)


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (datetime(2026, 11, 22, 2, 30, tzinfo=UTC), "Sun 02:30"),
        (datetime(2026, 7, 5, 2, 30, tzinfo=UTC), "Sun 03:30"),
        # The clocks go back on 25 October 2026 at 01:00 UTC: the hour from 01:00 happens twice.
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "Sun 01:30 BST"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "Sun 01:30 GMT"),
        (datetime(2026, 10, 24, 23, 30, tzinfo=UTC), "Sun 00:30 BST"),
        (datetime(2026, 10, 25, 23, 30, tzinfo=UTC), "Sun 23:30 GMT"),
        # They go forward on 29 March 2026 at 01:00 UTC.
        (datetime(2026, 3, 29, 0, 30, tzinfo=UTC), "Sun 00:30 GMT"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "Sun 02:00 BST"),
        (datetime(2026, 3, 28, 23, 30, tzinfo=UTC), "Sat 23:30"),
    ],
)
def test_a_time_names_its_offset_only_on_days_when_clocks_change(
    instant: datetime, text: str
) -> None:
    assert when(instant) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (6.894, "6.89"),
        (0.000123456, "0.000123"),
        (0.00001, "0.00001"),
        (-12.0, "-12"),
        (999.6, "1,000"),
        (1234.0, "1,230"),
        (123456.0, "123,000"),
        (0.5, "0.5"),
        (99.96, "100"),
    ],
)
def test_numbers_have_three_significant_figures_and_no_exponent(value: float, text: str) -> None:
    assert significant(value) == text


@pytest.mark.parametrize(
    ("gbp", "text"),
    [(1234.5, "£1,234.50"), (-0.128, "−£0.13"), (-0.004, "£0.00"), (0.0, "£0.00"), (-0.0, "£0.00")],
)
def test_money_has_pence_and_its_sign_in_front(gbp: float, text: str) -> None:
    assert money_text(gbp) == text


def test_a_negative_price_says_who_pays() -> None:
    assert price_text(0.2451) == "24.5 p/kWh"
    assert price_text(-0.084) == "paid 8.4 p/kWh"


def an_explanation(runner_up: Placement | None = None, **changes: Any) -> Explanation:
    return replace(Explanation(runner_up, 1, (), (), None, None, "0" * 64), **changes)


def placed(hours_on: float = 0.0, objective: float | None = 5.0, **changes: Any) -> Placement:
    return replace(
        a_placement(NOON + timedelta(hours=hours_on)), objective_gbp=objective, **changes
    )


def test_a_sentence_says_when_where_at_what_and_against_what() -> None:
    told = award_sentence(
        placed(13.5, 3.0),
        Baseline(placed(0.0)),
        Savings(1.2345, 50.0, 2.5, 40.0),
        an_explanation(placed(15.0, 3.126)),
    )
    assert told == (
        "Starts Sun 01:30 on cluster-a (London): 125 g/kWh and 25.0 p/kWh; £2.50 less and 1.23 kg CO2 "
        "less than on arrival; the runner-up, Sun 03:00 on cluster-a, is £0.13 worse by the policy's weights."
    )


def test_a_loss_is_called_more() -> None:
    told = award_sentence(
        placed(13.5), Baseline(placed(0.0)), Savings(-1.2, -50.0, 2.5, 40.0), an_explanation()
    )
    assert "£2.50 less and 1.2 kg CO2 more than on arrival" in told
    assert told.endswith("; no other window is free that does not overlap it.")


def test_the_run_on_arrival_is_called_that() -> None:
    told = award_sentence(
        placed(), Baseline(placed()), Savings(0.0, 0.0, 0.0, 0.0), an_explanation()
    )
    assert "; this is the run on arrival;" in told


def test_a_job_that_does_not_wait_says_why_and_what_waiting_would_bring() -> None:
    told = award_sentence(
        placed(objective=5.0),
        Baseline(placed()),
        Savings(0.0, 0.0, 0.0, 0.0),
        an_explanation(placed(9.0, 4.9), waits_only_if_pays=True),
    )
    assert ", because waiting would save too little" in told
    assert "; Sat 21:00 on cluster-a would be £0.10 better by the policy's weights." in told


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"is_pinned": True}, "because it is pinned there"),
        ({"must_run": True}, "on arrival, because it may not wait"),
    ],
)
def test_a_job_without_a_choice_says_so(how: dict[str, bool], words: str) -> None:
    assert words in award_sentence(placed(), Baseline(None), NOTHING, an_explanation(), **how)


def test_a_provisional_start_says_that_nothing_is_known() -> None:
    nothing = placed(
        9.0,
        None,
        carbon_kg=None,
        cost_gbp=None,
        mean_carbon_g_per_kwh=None,
        mean_price_gbp_per_kwh=None,
        data_quality=Quality.NONE,
    )
    told = award_sentence(nothing, Baseline(None), NOTHING, an_explanation())
    assert told == (
        "Starts Sat 21:00 on cluster-a (London): no carbon or price is known yet, so this is the last start "
        "that meets the deadline; it improves as soon as data arrive."
    )


def test_no_sentence_claims_that_carbon_was_avoided() -> None:
    told = award_sentence(
        placed(13.5, mean_price_gbp_per_kwh=-0.03),
        Baseline(placed(0.0)),
        Savings(1.2, 50.0, 2.5, 40.0),
        an_explanation(placed(15.0, 6.0)),
    )
    assert "avoid" not in told
    assert "paid 3.0 p/kWh" in told


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((30.0, 3.0, 1.5), "; of that, moving its data there takes 30 kWh, £3.00 and 1.5 kg CO2;"),
        ((30.0, None, 1.5), "; of that, moving its data there takes 30 kWh and 1.5 kg CO2;"),
        ((30.0, None, None), "; of that, moving its data there takes 30 kWh;"),
    ],
)
def test_a_run_elsewhere_says_what_moving_its_data_takes(
    parts: tuple[float, float | None, float | None], words: str
) -> None:
    kwh, gbp, kg = parts
    moved = placed(13.5, 3.0, transfer_kwh=kwh, transfer_cost_gbp=gbp, transfer_carbon_kg=kg)
    told = award_sentence(moved, Baseline(placed()), NOTHING, an_explanation(placed(15.0, 3.126)))
    assert words in told
    stays = award_sentence(placed(13.5), Baseline(placed()), NOTHING, an_explanation())
    assert "data" not in stays
