"""What work outside a negotiation takes of each day's budget."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from agents.carbon_budget import committed_kg
from agents.view import Held
from models.optimise.budget import london_days
from tests.support.fleet import NOON
from tests.support.planning import a_situation, a_table, at_slot


def test_frozen_work_and_work_that_has_run_are_added_by_day() -> None:
    # Noon to the next noon at 100 g. Frozen: 20 kW from 23:30 for 75 min, the last half-hour used by half:
    # 10 kWh today, 10 + 5 kWh tomorrow; its transfer of 5 kWh adds a fifth. Earlier today 3 kg were planned.
    held = Held("frozen", "cluster-a", 23, (20.0, 20.0, 20.0), at_slot(25.5), transfer_kwh=5.0)
    price, carbon = [0.1] * 48, [100.0] * 48
    today = date(2026, 11, 21)
    situation = a_situation([], price, carbon, held=(held,), spent_kg_by_day={today: 3.0})
    table = a_table(price, carbon)
    days = london_days(table.horizon)
    assert days.dates == (today, today + timedelta(days=1))
    assert committed_kg(situation, table, days) == pytest.approx([3.0 + 1.2, 1.8])
    assert committed_kg(a_situation([], price, carbon), table, days).tolist() == [0.0, 0.0]
    assert table.horizon.start == NOON
