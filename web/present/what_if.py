"""A what-if as an answer."""

from __future__ import annotations

from models.domain.time import format_utc
from services.trade_off import Sums, TradeOff
from services.what_if import JobDifference, WhatIf
from web.present.common import HOUR, Json, number, placement
from web.present.jobs import deferral, refusal
from web.present.plans import certificate


def what_if(found: WhatIf) -> Json:
    """Return what another value of carbon would give."""
    return {
        "asked_at": format_utc(found.asked_at),
        "carbon_price_gbp_per_tonne": found.carbon_price_gbp_per_tonne,
        "current_carbon_price_gbp_per_tonne": found.current_carbon_price_gbp_per_tonne,
        "totals": _sums(found.totals),
        "current": _sums(found.current),
        "jobs": [_job(row) for row in found.jobs],
        "frozen": found.frozen,
        "certificate": certificate(found.certificate),
    }


def trade_off(found: TradeOff) -> Json:
    """Return carbon against cost at several values of carbon."""
    return {
        "points": [
            {
                "carbon_price_gbp_per_tonne": point.carbon_price_gbp_per_tonne,
                "totals": _sums(point.totals),
                "is_current": point.is_current,
                "is_asked": point.is_asked,
                "on_curve": not point.fault,
                "fault": point.fault or None,
            }
            for point in found.points
        ],
        "unplanned_gbp_per_tonne": list(found.unplanned_gbp_per_tonne),
    }


def _sums(sums: Sums) -> Json:
    return {
        "jobs": sums.jobs,
        "energy_kwh": sums.energy_kwh,
        "carbon_kg": number(sums.carbon_kg),
        "cost_gbp": number(sums.cost_gbp),
        "delay_gbp": number(sums.delay_gbp),
        "unknown_jobs": sums.unknown_jobs,
    }


def _job(row: JobDifference) -> Json:
    return {
        "job_id": row.job_id,
        "job_name": row.job_name,
        "status": row.status,
        "changed": row.is_changed,
        "schedule": placement(row.planned) if row.planned else None,
        "current": placement(row.current) if row.current else None,
        "difference": {
            "carbon_kg": number(row.carbon_kg),
            "cost_gbp": number(row.cost_gbp),
            "start_hours": None if row.later_by is None else row.later_by / HOUR,
        },
        "refusal": refusal(row.refusal) if row.refusal else None,
        "deferral": deferral(row.deferral) if row.deferral else None,
    }
