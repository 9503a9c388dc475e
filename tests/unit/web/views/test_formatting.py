"""Numbers as pages print them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from web.views import formatting as f


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.01234, "0.0123"),
        (9.996, "10.0"),
        (99.96, "100"),
        (12345.0, "12,300"),
        (-4.567, "−4.57"),
        (float("nan"), "unknown"),
    ],
)
def test_figures_keep_three_significant_digits(value: float, text: str) -> None:
    assert f.figures(value) == text


@pytest.mark.parametrize(
    ("kg", "text"),
    [(None, "unknown"), (0.0, "0 kg"), (0.0424, "42 g"), (61.2, "61.2 kg"), (12_345.0, "12.3 t")],
)
def test_carbon_is_printed_with_a_fitting_unit(kg: float | None, text: str) -> None:
    assert f.kilograms(kg) == text


@pytest.mark.parametrize(
    ("gbp", "text"),
    [
        (None, "unknown"),
        (0.0, "£0.00"),
        (0.042, "4.2p"),
        (0.0001, "less than 0.1p"),
        (3.214, "£3.21"),
        (-21.3, "−£21.30"),
        (123.4, "£123"),
        (4567.0, "£4,570"),
    ],
)
def test_money_is_printed_in_pounds_or_pence(gbp: float | None, text: str) -> None:
    assert f.pounds(gbp) == text


@pytest.mark.parametrize(
    ("gbp", "text"),
    [
        (-0.084, "paid 8.40 p/kWh"),
        (0.1151, "11.5 p/kWh"),
        (0.0031, "0.3 p/kWh"),
        (-0.0001, "0.0 p/kWh"),
        (None, "unknown"),
    ],
)
def test_a_negative_price_says_who_pays(gbp: float | None, text: str) -> None:
    assert f.pence_per_kwh(gbp) == text


def test_a_saving_carries_its_sign_in_a_word() -> None:
    assert f.carbon_against(40.1) == "40.1 kg less"
    assert f.carbon_against(-1.37) == "1.37 kg more"
    assert f.carbon_against(0.0) == "the same"
    assert f.carbon_against(None) == "unknown"
    assert f.money_against(-0.32) == "32p more"


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(minutes=30), "30 min"),
        (timedelta(hours=4), "4 h"),
        (timedelta(hours=1, minutes=30), "1 h 30 min"),
        (timedelta(days=2, hours=3, minutes=10), "2 days 3 h"),
        (timedelta(seconds=20), "under a minute"),
        (None, "unknown"),
    ],
)
def test_lengths_are_printed_in_words(span: timedelta | None, text: str) -> None:
    assert f.length(span) == text


def test_no_wait_is_called_none() -> None:
    assert f.waiting(timedelta(0)) == "none"
    assert f.waiting(timedelta(hours=9)) == "9 h"


def test_a_share_is_never_rounded_to_all_or_nothing() -> None:
    assert [f.share(v) for v in (0.0, 0.004, 0.5, 0.996, 1.0)] == [
        "0 %",
        "under 1 %",
        "50 %",
        "over 99 %",
        "100 %",
    ]


def test_counts_agree_with_their_noun() -> None:
    assert [f.count(n, "job") for n in (0, 1, 1200)] == ["no jobs", "1 job", "1,200 jobs"]
    assert f.sentence_list(["a", "b", "c"]) == "a, b and c"


def test_power_and_energy_take_a_fitting_unit() -> None:
    assert [f.kilowatts(v) for v in (0.25, 20.0, 8.826, 1500.0)] == [
        "250 W",
        "20 kW",
        "8.83 kW",
        "1.5 MW",
    ]
    assert f.kilowatt_hours(12_000.0) == "12 MWh"
    assert f.carbon_value(2666.67) == "£2,667/t"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "unknown"), (0.0, "0 %"), (3.8e-9, "less than 0.001 %"), (0.0071, "0.0071 %"), (1.5, "1.5 %")],
)  # fmt: skip
def test_percentages_do_not_print_the_noise_of_rounding(value: float | None, text: str) -> None:
    assert f.percent(value) == text
