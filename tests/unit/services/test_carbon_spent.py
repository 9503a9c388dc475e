"""Planned carbon of work that has run, by London day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from services.carbon_spent import kg_by_day, spent_kg_by_day
from tests.support.stored import a_placement

TODAY, TOMORROW = date(2026, 7, 1), date(2026, 7, 2)
BEFORE_MIDNIGHT = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
"""23:30 in London on 1 July."""


def a_run(start: datetime, minutes: float, carbon_kg: float | None):
    return replace(a_placement(start, minutes), carbon_kg=carbon_kg)


def test_a_run_over_a_london_midnight_counts_on_each_day_by_its_energy() -> None:
    # 30 of 120 minutes lie before midnight in London.
    found = kg_by_day(a_run(BEFORE_MIDNIGHT, 120, 8.0))
    assert found == {TODAY: pytest.approx(2.0), TOMORROW: pytest.approx(6.0)}


def test_only_the_half_hours_before_an_instant_count_where_one_is_given() -> None:
    run = a_run(BEFORE_MIDNIGHT, 120, 8.0)
    until = BEFORE_MIDNIGHT + timedelta(minutes=60)
    assert kg_by_day(run, until=until) == {TODAY: pytest.approx(2.0), TOMORROW: pytest.approx(2.0)}
    assert kg_by_day(run, until=BEFORE_MIDNIGHT) == {}


def test_a_run_of_unknown_carbon_counts_nothing() -> None:
    assert kg_by_day(a_run(BEFORE_MIDNIGHT, 60, None)) == {}


def test_ended_runs_count_whole_and_frozen_ones_up_to_the_horizon() -> None:
    ended = a_run(BEFORE_MIDNIGHT - timedelta(hours=8), 60, 1.0)
    frozen = a_run(BEFORE_MIDNIGHT - timedelta(hours=1), 120, 4.0)
    # Half of the frozen run's first hour has passed: a quarter of its 4 kg.
    found = spent_kg_by_day([ended], [frozen], BEFORE_MIDNIGHT - timedelta(minutes=30))
    assert found == {TODAY: pytest.approx(2.0)}
