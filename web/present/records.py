"""Records of the decision log, its verification, and statistics as answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from models.domain.decision import PROFILE_NOTE, SealedRecord
from models.domain.ports import VerifyReport
from models.domain.time import format_utc
from services.types import DataLine, Statistics, Totals
from web.present.common import Json, loose, number
from web.present.grid import data_line


def record(found: SealedRecord) -> Json:
    """Return a record whole, `hash` included, so that a stranger can check it."""
    return cast("dict[str, Any]", json.loads(found.line))


def verification(found: VerifyReport) -> Json:
    """Return what a verification of the chain found."""
    return {
        "ok": found.ok,
        "records": found.records,
        "last_seq": found.last_seq,
        "last_hash": found.last_hash,
        "checked_at": format_utc(found.checked_at),
        "first_fault_seq": found.first_fault_seq,
        "fault": found.fault,
        "anchors_checked": found.anchors_checked,
        "files": list(found.files),
        "warnings": list(found.warnings),
        "command": "flask audit verify",
        "profile": PROFILE_NOTE,
    }


def readiness(state: Mapping[str, Any]) -> Json:
    """Return the state of everything a request needs."""
    shown = {
        name: data_line(value) if isinstance(value, DataLine) else value
        for name, value in state.items()
    }
    return {"status": "ready", **loose(shown)}


def statistics(found: Statistics) -> Json:
    """Return counts, sums, waits and refusals."""
    planned = found.planned
    baseline_carbon_kg = number(found.fleet_baseline_carbon_kg)
    baseline_cost_gbp = number(found.fleet_baseline_cost_gbp)
    age = found.data.carbon_age
    return {
        "counts": {str(status): count for status, count in found.counts.items()},
        "planned": _totals(planned),
        "confirmed": _totals(found.confirmed),
        "fleet_baseline": {
            "carbon_kg": baseline_carbon_kg,
            "cost_gbp": baseline_cost_gbp,
            "saved_carbon_kg": (
                None if baseline_carbon_kg is None else baseline_carbon_kg - planned.carbon_kg
            ),
            "saved_cost_gbp": (
                None if baseline_cost_gbp is None else baseline_cost_gbp - planned.cost_gbp
            ),
            "measured_against": "first come, first served within the same capacity",
        },
        "median_wait_hours": number(found.median_wait_hours),
        "refusals_by_rule": dict(found.refusals_by_rule),
        "data_age_minutes": None if age is None else age.total_seconds() / 60,
        "data": data_line(found.data),
    }


def _totals(found: Totals) -> Json:
    return {
        "jobs": found.jobs,
        "energy_kwh": found.energy_kwh,
        "carbon_kg": found.carbon_kg,
        "cost_gbp": found.cost_gbp,
        "saved_carbon_kg": found.saved_carbon_kg,
        "saved_cost_gbp": found.saved_cost_gbp,
        "baseline_carbon_kg": found.baseline_carbon_kg,
        "baseline_cost_gbp": found.baseline_cost_gbp,
        "unknown_jobs": found.unknown_jobs,
        "dirtier_jobs": found.dirtier_jobs,
        "measured_against": "run on arrival",
    }
