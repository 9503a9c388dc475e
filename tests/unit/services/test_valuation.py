"""Valuing segments on signals: by the minutes of each half-hour, unknown stays unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.plan import Segment
from models.domain.signal import (
    Provenance,
    Quality,
    RegionSignals,
    SignalName,
    SignalSeries,
    ValueKind,
)
from models.domain.time import SLOT
from services.valuation import (
    job_segments,
    meter_factor,
    placement,
    savings,
    slot_energy_kwh,
    value,
    with_transfer,
)
from tests.support.fleet import a_job, a_region, an_asset

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAN = float("nan")


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def test_energy_is_at_the_meter_and_by_the_minutes_of_each_half_hour() -> None:
    # 10 kW IT at PUE 1.2 from 12:15 to 13:10: 15, 30 and 10 minutes of 12 kW: 3, 6 and 2 kWh.
    energy = slot_energy_kwh([Segment(at(15), at(70), 10.0)], 1.2)
    assert energy == {
        START: pytest.approx(3.0),
        START + SLOT: pytest.approx(6.0),
        START + 2 * SLOT: pytest.approx(2.0),
    }


def test_carbon_and_cost_weigh_each_half_hour_by_its_energy() -> None:
    # 75 min at 10 kW: 5, 5 and 2.5 kWh. Carbon 5*100 + 5*200 + 2.5*40 = 1,600 g; mean 128 g/kWh.
    # Cost 5*0.10 + 5*0.20 + 2.5*(-0.04) = 1.40 GBP; mean 0.112 GBP/kWh.
    signals = a_region(START, carbon=[100, 200, 40], price=[0.10, 0.20, -0.04])
    worth = value([Segment(at(0), at(75), 10.0)], 1.0, signals)
    assert worth.energy_kwh == pytest.approx(12.5)
    assert worth.carbon_kg == pytest.approx(1.6)
    assert worth.cost_gbp == pytest.approx(1.40)
    assert worth.mean_carbon_g_per_kwh == pytest.approx(128.0)
    assert worth.mean_price_gbp_per_kwh == pytest.approx(0.112)
    assert worth.estimated_share == 0.0
    assert worth.quality is Quality.LIVE


def test_an_unknown_half_hour_makes_that_sum_unknown_and_leaves_the_other() -> None:
    signals = a_region(START, carbon=[100, NAN], price=[0.1, 0.1])
    worth = value([Segment(at(0), at(60), 1.0)], 1.0, signals)
    assert worth.carbon_kg is None
    assert worth.mean_carbon_g_per_kwh is None
    assert worth.cost_gbp == pytest.approx(0.1)
    assert worth.quality is Quality.NONE


def test_work_outside_the_horizon_is_unknown() -> None:
    signals = a_region(START, carbon=[100], price=[0.1])
    worth = value([Segment(at(-30), at(30), 1.0)], 1.0, signals)
    assert worth.carbon_kg is None
    assert worth.cost_gbp is None


def test_the_estimated_share_counts_half_hours_with_an_own_estimate() -> None:
    estimate = Provenance("own estimate", "", ValueKind.ESTIMATE, Quality.ESTIMATED, None, START)
    known = a_region(START, carbon=[100] * 4, price=[0.1, NAN, NAN, NAN])
    price = known.price.filled_from(
        SignalSeries.of(SignalName.PRICE, "london", known.horizon, [0.2] * 4, estimate)
    )
    signals = RegionSignals("london", known.horizon, known.carbon, price)
    # Four half-hours touched (the last by ten minutes), three of them with an estimated price.
    worth = value([Segment(at(0), at(100), 6.0)], 1.0, signals)
    assert worth.estimated_share == pytest.approx(0.75)
    assert worth.quality is Quality.ESTIMATED


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(1, 300), st.floats(0.1, 100.0)),
        min_size=1, max_size=5,
    ),
    st.floats(1.0, 2.0),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_the_value_is_the_integral_over_minutes(
    pieces: list[tuple[int, int, float]], pue: float, seed: int
) -> None:
    # Independent method: add up minute by minute.
    rng = np.random.default_rng(seed)
    carbon, price = rng.uniform(0, 400, 30), rng.uniform(-0.1, 1.0, 30)
    segments = [Segment(at(a), at(a + length), kw) for a, length, kw in pieces]
    grams = pounds = 0.0
    for begin, length, kw in pieces:
        for minute in range(begin, begin + length):
            grams += kw * pue / 60.0 * carbon[minute // 30]
            pounds += kw * pue / 60.0 * price[minute // 30]
    worth = value(segments, pue, a_region(START, carbon=list(carbon), price=list(price)))
    assert worth.carbon_kg == pytest.approx(grams / 1000.0)
    assert worth.cost_gbp == pytest.approx(pounds)


def test_a_run_keeps_its_exact_duration_and_merges_equal_power() -> None:
    job = a_job(minutes=75, power_kw=10.0)
    assert job_segments(job, START) == (Segment(at(0), at(75), 10.0),)
    profiled = a_job(minutes=75, power_profile_kw=(10.0, 10.0, 4.0))
    assert job_segments(profiled, START) == (
        Segment(at(0), at(60), 10.0),
        Segment(at(60), at(75), 4.0),
    )


def test_a_placement_carries_its_value_and_gives_back_its_pue() -> None:
    signals = a_region(START, carbon=[100, 100, 100], price=[0.1, 0.1, 0.1])
    job, asset = a_job(minutes=75, power_kw=10.0), an_asset(pue=1.3)
    placed = placement(asset, job_segments(job, START), signals)
    assert placed.start == START
    assert placed.end == at(75)
    assert placed.energy_kwh == pytest.approx(12.5 * 1.3)
    assert placed.carbon_kg == pytest.approx(1.625)
    assert meter_factor(placed) == pytest.approx(1.3)


def test_savings_are_baseline_minus_plan_and_may_be_negative() -> None:
    saved = savings(2.0, 1.0, 1.5, 1.2)
    assert saved.carbon_kg == pytest.approx(0.5)
    assert saved.carbon_percent == pytest.approx(25.0)
    assert saved.cost_gbp == pytest.approx(-0.2)
    assert saved.cost_percent == pytest.approx(-20.0)
    assert saved.carbon_kg_range is None
    assert saved.measured_against == "run on arrival"


def test_a_saving_against_a_negative_bill_is_a_share_of_its_size() -> None:
    # On arrival one is paid 1.00, by the plan 1.50: 0.50 better, half of the baseline's size.
    assert savings(None, -1.0, 1.0, -1.5).cost_percent == pytest.approx(50.0)


def test_savings_against_the_unknown_or_against_zero_are_unknown() -> None:
    saved = savings(None, 0.0, 1.0, 1.0)
    assert saved.carbon_kg is None
    assert saved.cost_gbp == pytest.approx(-1.0)
    assert saved.cost_percent is None


def test_no_segments_are_worth_nothing() -> None:
    worth = value([], 1.0, a_region(START, carbon=[1.0], price=[1.0]))
    assert worth.energy_kwh == 0.0
    assert worth.mean_carbon_g_per_kwh is None


def test_a_transfer_adds_its_energy_at_the_means_of_the_run() -> None:
    # 10 kW for an hour at 100 and 300 g, £0.10 and £0.30: 10 kWh, 2 kg, £2; 5 kWh more at 200 g and £0.20.
    signals = a_region(START, carbon=[100.0, 300.0], price=[0.1, 0.3])
    run = value([Segment(START, at(60), 10.0)], 1.0, signals)
    moved = with_transfer(run, 5.0)
    assert (moved.carbon_kg, moved.cost_gbp) == pytest.approx((3.0, 3.0))
    assert moved.energy_kwh == run.energy_kwh
    assert moved.mean_price_gbp_per_kwh == run.mean_price_gbp_per_kwh
    assert with_transfer(run, 0.0) is run


def test_a_transfer_of_a_run_on_unknown_half_hours_is_unknown() -> None:
    signals = a_region(START, carbon=[NAN], price=[0.1])
    moved = with_transfer(value([Segment(START, at(30), 10.0)], 1.0, signals), 5.0)
    assert moved.carbon_kg is None
    assert moved.cost_gbp == pytest.approx(1.0)
