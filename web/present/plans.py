"""Negotiations, certificates, quotes and best windows as answers."""

from __future__ import annotations

from datetime import datetime

from models.domain.plan import Certificate, NegotiationSummary
from models.domain.time import format_utc
from services.types import BestWindow, Estimate, NegotiationView, PlanRun
from web.present.common import HOUR, Json, hours, loose, number, placement, savings, when
from web.present.jobs import refusal, relaxation


def certificate(found: Certificate | None) -> Json | None:
    """Return what is proven about a plan."""
    if found is None:
        return None
    return {
        "objective_gbp": number(found.objective_gbp),
        "lower_bound_gbp": number(found.lower_bound_gbp),
        "gap_gbp": number(found.gap_gbp),
        "gap_percent": number(found.gap_percent),
        "gap_served_percent": number(found.gap_served_percent),
        "served_gbp": number(found.served_gbp),
        "unserved_gbp": number(found.unserved_gbp),
        "delay_gbp": number(found.delay_gbp),
        "churn_gbp": number(found.churn_gbp),
        "rounds": found.rounds,
        "seconds": found.seconds,
        "method": str(found.method),
        "heuristic": found.heuristic,
        "carbon_by_day": _carbon_by_day(found),
        "notes": list(found.notes),
    }


def _carbon_by_day(found: Certificate) -> list[Json]:
    planned = dict(found.carbon_kg_by_day)
    price = dict(found.carbon_gbp_per_tonne_by_day)
    return [
        {
            "date": day.isoformat(),
            "budget_kg": number(budget_kg),
            "planned_kg": number(planned.get(day)),
            "carbon_price_gbp_per_tonne": number(price.get(day)),
        }
        for day, budget_kg in found.carbon_budget_kg_by_day
    ]


def plan_run(run: PlanRun) -> Json:
    """Return the answer of `schedule` and `schedule-all`."""
    return {
        "negotiation_id": run.negotiation_id,
        "scheduled": run.scheduled,
        "refused": run.refused,
        "deferred": run.deferred,
        "moved": run.moved,
        "certificate": certificate(run.certificate),
    }


def negotiation(found: NegotiationSummary) -> Json:
    """Return one negotiation as listed."""
    return {
        "negotiation_id": found.negotiation_id,
        "status": str(found.status),
        "trigger": found.trigger,
        "started_at": format_utc(found.started_at),
        "finished_at": when(found.finished_at),
        "scheduled": found.scheduled,
        "refused": found.refused,
        "deferred": found.deferred,
        "moved": found.moved,
        "data_quality": str(found.data_quality),
        "certificate": certificate(found.certificate),
        "error": found.error,
    }


def negotiation_detail(found: NegotiationView) -> Json:
    """Return one negotiation with what was said and the plan it ended in."""
    return {
        **negotiation(found.summary),
        "messages": [loose(message) for message in found.messages],
        "plan": loose(found.snapshot),
    }


def best_window(found: BestWindow) -> Json:
    """Return a good start time for work that is not even submitted."""
    return {
        "region": found.region,
        "asked_at": format_utc(found.asked_at),
        "ready_by": format_utc(found.ready_by),
        "duration_hours": found.duration / HOUR,
        "power_kw": found.power_kw,
        "is_per_kw": found.is_per_kw,
        "start_time": format_utc(found.best.start),
        "end_time": format_utc(found.best.end),
        "best": placement(found.best),
        "runner_up": placement(found.runner_up) if found.runner_up else None,
        "on_arrival": placement(found.on_arrival) if found.on_arrival else None,
        "savings": savings(found.savings),
        "why": found.why,
        "carbon_price_gbp_per_tonne": found.carbon_price_gbp_per_tonne,
        "data_quality": str(found.data_quality),
        "price_note": found.price_note,
        "error_note": found.error_note,
        "latest_start": format_utc(found.late_latest_start),
        "sbatch_line": found.sbatch_line,
        "at_line": found.at_line,
    }


def quote(found: Estimate, asked_at: datetime) -> Json:
    """Return what the planner would do with a job now; nothing was stored."""
    refused = found.refusal
    return {
        "asked_at": format_utc(asked_at),
        "asset_id": found.asset_id,
        "estimated_power_kw": found.power_kw,
        "power_note": found.power_note,
        "schedule": placement(found.placement) if found.placement else None,
        "baseline": placement(found.baseline) if found.baseline else None,
        "runner_up": placement(found.runner_up) if found.runner_up else None,
        "savings": savings(found.savings) if found.savings else None,
        "wait_hours": hours(found.wait),
        "why": found.why,
        "refusal": refusal(refused) if refused else None,
        "smallest_relaxation": relaxation(refused.smallest_relaxation) if refused else None,
        "data_quality": str(found.placement.data_quality) if found.placement else None,
    }
