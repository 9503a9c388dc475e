"""Carbon lands on the London day of its half-hour, to the minute, also when the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from models.domain.time import Horizon
from models.optimise.budget import (
    Days,
    FixedRun,
    carbon_by_day,
    committed_by_day,
    kg_by_slot,
    london_days,
)
from models.optimise.options import build_options
from tests.support.fleet import a_job, an_asset
from tests.support.planning import a_table, some_weights

EVE = datetime(2026, 11, 21, 23, tzinfo=UTC)
"""An hour before a London midnight in winter."""


def a_night_job(minutes: float = 75.0, **changes: object):
    return a_job(
        minutes=minutes,
        power_kw=10.0,
        earliest_start=EVE,
        accepted_at=EVE,
        latest_finish=EVE + timedelta(days=1),
        **changes,
    )


@pytest.mark.parametrize(
    ("midnight_utc", "whole_day", "slots"),
    [
        (datetime(2026, 3, 29, 0, tzinfo=UTC), date(2026, 3, 29), 46),
        (datetime(2026, 10, 24, 23, tzinfo=UTC), date(2026, 10, 25), 50),
        (datetime(2026, 6, 30, 23, tzinfo=UTC), date(2026, 7, 1), 48),
    ],
)
def test_a_london_day_has_46_48_or_50_half_hours(
    midnight_utc: datetime, whole_day: date, slots: int
) -> None:
    # Four half-hours of the day before, the whole day, and the rest of eighty after it.
    days = london_days(Horizon(midnight_utc - timedelta(hours=2), 80))
    assert days.dates[1] == whole_day
    assert np.bincount(days.of_slot).tolist() == [4, slots, 80 - 4 - slots]


def test_a_run_over_midnight_counts_on_both_days_and_the_last_half_hour_by_its_minutes() -> None:
    # 75 min at 10 kW are 5, 5 and 2.5 kWh. At 100, 200, 400, 800, 1000 g from 23:00:
    #   start 23:00: 0.5 + 1.0 kg before midnight, 2.5 × 0.4 = 1.0 kg after it
    #   start 23:30: 1.0 kg before, 5 × 0.4 + 2.5 × 0.8 = 4.0 kg after
    #   start 00:00: nothing before, 5 × 0.4 + 5 × 0.8 + 2.5 × 1.0 = 8.5 kg after
    table = a_table([0.1] * 5, [100.0, 200.0, 400.0, 800.0, 1000.0], start=EVE)
    options = build_options(a_night_job(), table, some_weights())
    found = carbon_by_day(options, table, london_days(table.horizon))
    assert found == pytest.approx(np.array([[1.5, 1.0], [1.0, 4.0], [0.0, 8.5]]))
    assert found.sum(axis=1) == pytest.approx(options.carbon_kg)


def test_an_option_elsewhere_counts_its_site_and_its_transfer_on_the_days_of_the_run() -> None:
    # PUE 1.25: 6.25, 6.25 and 3.125 kWh = 15.625. The transfer of 100 GB × 0.1 = 10 kWh adds 64 %:
    # 12.5 kWh × 100 g = 1.25 kg × 1.64 = 2.05 kg; 3.125 × 0.4 = 1.25 kg × 1.64 = 2.05 kg.
    assets = (an_asset(), an_asset("cluster-b", "south_wales", pue=1.25))
    carbon = {"london": [300.0] * 3, "south_wales": [100.0, 100.0, 400.0]}
    table = a_table([0.1] * 3, carbon, assets, start=EVE)
    job = a_night_job(data_gb=100.0, allowed_regions=("london", "south_wales"))
    options = build_options(job, table, some_weights(transfer_kwh_per_gb=0.1))
    away = options.find(1, 0)
    assert away is not None
    found = carbon_by_day(options, table, london_days(table.horizon))[away]
    assert found == pytest.approx([2.05, 2.05])
    slots, kg = kg_by_slot(options, away, table)
    assert slots.tolist() == [0, 1, 2]
    assert kg == pytest.approx([1.025, 1.025, 2.05])
    assert found.sum() == pytest.approx(options.carbon_kg[away])


def test_unknown_carbon_counts_nothing() -> None:
    table = a_table([0.1] * 4, [100.0, float("nan"), 400.0, 400.0], start=EVE)
    options = build_options(a_night_job(60.0), table, some_weights())
    found = carbon_by_day(options, table, london_days(table.horizon))
    assert found == pytest.approx(np.array([[0.5, 0.0], [0.0, 2.0], [0.0, 4.0]]))


def test_frozen_work_counts_what_lies_within_the_horizon() -> None:
    table = a_table([0.1] * 4, [100.0, 200.0, 400.0, 800.0], start=EVE)
    runs = [
        # Began two half-hours ago: 5 kWh × 0.1 and 2.5 kWh (half of the last) × 0.2 kg are left.
        FixedRun("cluster-a", -2, (10.0,) * 4, last_share=0.5),
        # 10 kWh before midnight is 23:30: 10 × 0.2 = 2 kg; after it 10 × 0.4 + 10 × 0.8, cut at the end: 12 kg.
        FixedRun("cluster-a", 1, (20.0,) * 9),
        FixedRun("gone", 0, (20.0,)),
    ]
    assert committed_by_day(runs, table) == pytest.approx([0.5 + 0.5 + 2.0, 12.0])


def test_frozen_work_counts_its_transfer_in_proportion() -> None:
    # 10 kWh of run and 5 kWh of transfer: half as much again.
    table = a_table([0.1] * 4, [100.0, 100.0, 400.0, 400.0], start=EVE)
    run = FixedRun("cluster-a", 1, (10.0, 10.0), transfer_kwh=5.0)
    assert committed_by_day([run], table) == pytest.approx([0.75, 3.0])


def test_values_by_date_line_up_with_the_days_of_the_horizon() -> None:
    days = Days((date(2026, 11, 21), date(2026, 11, 22)), np.array([0, 1]))
    known = {date(2026, 11, 22): 3.0, date(2026, 11, 1): 9.0}
    assert days.array(known).tolist() == [0.0, 3.0]
