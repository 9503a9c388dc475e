"""Jobs as answers: the request they came from, their status and what the planner last said."""

from __future__ import annotations

from models.domain.job import JobStatus
from models.domain.plan import Award, Deferral, Refusal, Relaxation
from models.domain.ports import JobView
from models.domain.time import format_utc
from web.json_text import json_safe
from web.present.common import HOUR, Json, loose, number, placement, savings, when
from web.problems import DRAFT_TO_REST

FLEXIBILITY_NOT_VALUED: Json = {
    "value_gbp": None,
    "regime": None,
    "eligible": False,
    "reasons": ["not valued yet"],
}
"""What is said about flexibility until a valuation exists."""


def job(view: JobView) -> Json:
    """Return a job: its request, its status and what the planner last answered."""
    plan = view.plan
    award = plan.award if plan else None
    refused = plan.refusal if plan and view.status is JobStatus.REFUSED else None
    return {
        **_job_request(view),
        "execution": execution(view),
        "not_handed_over": view.withheld,
        "status": str(view.status),
        **_job_award(award),
        "flexibility": FLEXIBILITY_NOT_VALUED if award else None,
        "why": why(view),
        "decision_id": plan.decision_id if plan else None,
        "negotiation_id": plan.negotiation_id if plan else None,
        "decided_at": when(plan.decided_at) if plan else None,
        "deferral": deferral(plan.deferral) if plan and plan.deferral else None,
        "refusal": refusal(refused) if refused else None,
        "smallest_relaxation": relaxation(refused.smallest_relaxation) if refused else None,
        "moves": plan.moves if plan else 0,
        "previous_start": when(plan.previous_start) if plan else None,
        "move_reason": plan.move_reason if plan else None,
        "signals_mode": plan.signals_mode if plan else None,
        "outturn": loose(plan.outturn) if plan and plan.outturn is not None else None,
        **_job_life(view),
    }


def _job_request(view: JobView) -> Json:
    found = view.job
    return {
        "job_id": found.job_id,
        "job_name": found.job_name,
        "job_type": found.job_type,
        "asset_id": found.asset_id,
        "duration_hours": found.duration / HOUR,
        "earliest_start": format_utc(found.earliest_start),
        "latest_finish": format_utc(found.latest_finish),
        "allowed_regions": list(found.allowed_regions),
        "flexibility_type": str(found.flexibility),
        "priority": str(found.priority),
        "estimated_power_kw": found.power_kw,
        "power_profile_kw": list(found.power_profile_kw),
        "gpu_model": found.gpu_model,
        "gpu_count": found.gpu_count,
        "carbon_cap_g_per_kwh": found.carbon_cap_g_per_kwh,
        "max_price_per_kwh": found.max_price_gbp_per_kwh,
        "min_saving_percent": found.min_saving_percent,
        "depends_on": list(found.depends_on),
        "min_run_slots": found.min_run_slots,
        "max_chunks": found.max_chunks,
        "checkpoint_minutes": found.checkpoint_minutes,
        "min_power_kw": found.min_power_kw,
        "power_levels": [list(level) for level in found.power_levels],
        "data_gb": found.data_gb,
        "units_of_work": found.units_of_work,
        "workload": dict(found.workload) if found.workload is not None else None,
    }


def _job_award(award: Award | None) -> Json:
    if award is None:
        return {
            "schedule": None,
            "baseline": None,
            "baseline_reason": None,
            "baseline_breaches": [],
            "savings": None,
            "data_quality": None,
            "is_frozen": False,
            "is_provisional": False,
        }
    base = award.baseline
    return {
        "schedule": placement(award.placement),
        "baseline": placement(base.placement) if base.placement else None,
        "baseline_reason": base.reason,
        "baseline_breaches": list(base.breaches),
        "savings": savings(award.savings),
        "data_quality": str(award.placement.data_quality),
        "is_frozen": award.is_frozen,
        "is_provisional": award.provisional,
    }


def _job_life(view: JobView) -> Json:
    found = view.job
    return {
        "owner": found.owner,
        "accepted_at": format_utc(found.accepted_at),
        "updated_at": when(found.updated_at),
        "is_held": found.is_held,
        "pinned_start": when(found.pinned_start),
        "pinned_asset_id": found.pinned_asset_id,
        "started_at": when(found.started_at),
        "ended_at": when(found.ended_at),
        "measured_energy_kwh": number(found.measured_energy_kwh),
        "is_demo": found.is_demo,
        "version": found.version,
    }


def execution(view: JobView) -> Json | None:
    """Return what became of a job at its executor; None where it was not handed over, and in lists."""
    found = view.hand_over
    if found is None:
        return None
    return {
        "hand_over_id": found.hand_over_id,
        "attempt": found.attempt,
        "executor": found.executor,
        "external_id": found.external_id,
        "stage": str(found.stage),
        "wanted": str(found.wanted),
        "state": None if found.state is None else str(found.state),
        "planned_start": when(found.begin),
        "begin_told": when(found.told_begin),
        "started_at": when(found.started_at),
        "ended_at": when(found.ended_at),
        "queueing_seconds": None if found.queueing is None else found.queueing.total_seconds(),
        "exit_code": found.exit_code,
        "reason": found.reason,
        "energy_it_kwh": number(found.energy_kwh),
        "energy_basis": "power x time"
        if found.energy_kwh is None
        else "accounting of the executor",
        "moves": found.moves,
        "tries": found.tries,
        "last_error": found.last_error,
    }


def why(view: JobView) -> str | None:
    """Return the one sentence about the present answer of the planner."""
    plan = view.plan
    if plan is None:
        return None
    if plan.award is not None:
        return plan.award.why
    if plan.refusal is not None:
        return plan.refusal.detail
    return plan.deferral.reason if plan.deferral is not None else None


def deferral(found: Deferral) -> Json:
    """Return why a job is left out for now."""
    return {"reason": found.reason, "earliest": when(found.earliest)}


def refusal(found: Refusal) -> Json:
    """Return why a job is not served, and what was checked to help."""
    return {
        "rule": found.rule,
        "detail": found.detail,
        "smallest_relaxation": relaxation(found.smallest_relaxation),
        "relaxations": [relaxation(one) for one in found.relaxations],
        "options_considered": found.options_considered,
        "tried": list(found.tried),
    }


def relaxation(found: Relaxation | None) -> Json | None:
    """Return a checked change of one field, in the names and units of a request."""
    if found is None:
        return None
    return {
        "field": DRAFT_TO_REST.get(found.field, found.field),
        "value": json_safe(found.value),
        "start_time": when(found.start),
        "asset_id": found.asset_id,
        "cost_gbp": number(found.cost_gbp),
        "carbon_kg": number(found.carbon_kg),
    }
