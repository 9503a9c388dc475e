"""What was done to a job, in words a person would use."""

from __future__ import annotations

from tests.unit.web.views.samples import NOW
from web.views.job_facts import control_lines


def told(action: str, **detail: object) -> str:
    (line,) = control_lines([{"action": action, "by": "local", "at": NOW, "detail": detail}], NOW)
    return line.detail


def test_what_was_left_open_is_left_out() -> None:
    assert told("confirm", event="completed", at=None, energy_kwh="23.500000") == (
        "it finished, 23.5 kWh"
    )
    assert told("confirm", event="did_not_run", at=None, energy_kwh=None) == "it did not run"
    assert told("pin", start_time=None, asset_id=None) == ""


def test_instants_are_london_times() -> None:
    assert told("pin", start_time="2026-11-22T01:30:00.000Z", asset_id="hall") == (
        "at tomorrow 01:30, on hall"
    )


def test_a_limit_that_was_taken_away_is_said() -> None:
    assert told("change", carbon_cap_g_per_kwh=None, priority="low") == (
        "no carbon cap g per kwh, priority low"
    )
