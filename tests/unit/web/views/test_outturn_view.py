"""How a run turned out, also when it lost."""

from __future__ import annotations

from tests.unit.web.views.samples import NOW
from web.views.outturn_view import outturn_view

STORED = {
    "status": "completed",
    "final": True,
    "computed_at": "2026-11-21T11:00:00Z",
    "basis": "confirmed times",
    "run": {"start": "", "end": "", "energy_kwh": 80.0, "carbon_kg": 9.0, "cost_gbp": 16.0},
    "baseline": {"start": "", "end": "", "energy_kwh": 80.0, "carbon_kg": 8.0, "cost_gbp": 18.0},
    "energy_is_measured": False,
    "forecast_carbon_kg": 7.5,
    "forecast_cost_gbp": 16.0,
    "saved_carbon_kg": -1.0,
    "saved_cost_gbp": 2.0,
    "lost": ["carbon"],
    "data_quality": "live",
    "carbon_note": "latest regional estimate, not metered",
    "text": "It cost less and emitted more.",
}


def test_a_run_that_lost_says_so() -> None:
    found = outturn_view(STORED, NOW)
    assert found.has_lost
    carbon, cost = found.rows
    assert (carbon.forecast, carbon.outturn, carbon.arrival) == ("7.50 kg", "9.00 kg", "8.00 kg")
    assert carbon.against_arrival == "1.00 kg more"
    assert carbon.has_lost
    assert cost.against_arrival == "£2.00 less"
    assert not cost.has_lost
    assert "not measured" in found.notes[0]


def test_only_a_confirmed_run_counts() -> None:
    assert outturn_view(STORED, NOW).counts.startswith("Confirmed")
    assert outturn_view({**STORED, "status": "unconfirmed"}, NOW).counts.startswith("Not confirmed")


def test_unknown_parts_stay_unknown() -> None:
    found = outturn_view({**STORED, "baseline": None, "saved_carbon_kg": None, "lost": []}, NOW)
    assert found.rows[0].arrival == "unknown"
    assert found.rows[0].against_arrival == "unknown"
