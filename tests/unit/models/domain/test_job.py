"""What a job's energy and reservation are, slot by slot."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.job import DELAY_FACTOR, UNSERVED_FACTOR, Job, Priority

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def a_job(minutes: float = 60.0, power_kw: float = 10.0) -> Job:
    return Job(
        job_id="j",
        owner="local",
        job_name="a job",
        asset_id="a",
        duration=timedelta(minutes=minutes),
        power_kw=power_kw,
        earliest_start=NOW,
        latest_finish=NOW + timedelta(days=1),
        allowed_regions=("london",),
        accepted_at=NOW,
    )


def test_a_part_used_slot_reserves_full_power_and_is_billed_by_its_minutes() -> None:
    # 75 minutes at 10 kW: 5 + 5 + 10 kW * 15 min = 2.5 kWh; three slots hold 10 kW each.
    job = a_job(75)
    assert job.slots == 3
    assert job.slot_power_kw() == (10.0, 10.0, 10.0)
    assert job.slot_energy_kwh() == pytest.approx((5.0, 5.0, 2.5))
    assert job.it_energy_kwh == pytest.approx(12.5)


def test_a_profile_gives_each_slot_its_own_power() -> None:
    # 45 minutes: 20 kW for 30 min is 10 kWh, then 4 kW for 15 min is 1 kWh.
    job = replace(a_job(45), power_profile_kw=(20.0, 4.0))
    assert job.slot_energy_kwh() == pytest.approx((10.0, 1.0))


@given(st.integers(1, 60 * 24 * 14), st.floats(0.1, 5000.0))
def test_energy_is_power_times_exact_duration(minutes: int, power_kw: float) -> None:
    assert a_job(minutes, power_kw).it_energy_kwh == pytest.approx(power_kw * minutes / 60.0)


def test_an_earliest_start_in_the_past_means_on_acceptance() -> None:
    job = replace(a_job(), earliest_start=NOW - timedelta(hours=2))
    assert job.release == NOW
    later = replace(a_job(), earliest_start=NOW + timedelta(hours=2))
    assert later.release == NOW + timedelta(hours=2)


def test_a_higher_priority_weighs_more_in_waiting_and_in_refusal() -> None:
    order = list(Priority)
    assert [DELAY_FACTOR[p] for p in order] == [0.5, 1.0, 2.0, 4.0]
    assert [UNSERVED_FACTOR[p] for p in order] == [1.0, 2.0, 4.0, 8.0]
