"""Negotiations, certificates, explanations and best windows as answers."""

from __future__ import annotations

from collections.abc import Iterable

from models.domain.plan import Blocked, Certificate, NegotiationSummary
from models.domain.time import format_utc
from services.types import BestWindow, Candidate, JobDetail, NegotiationView, PlanRun
from web.present.common import HOUR, Json, loose, number, placement, savings, when
from web.present.jobs import deferral, refusal, relaxation, why


def explanation(detail: JobDetail, candidates: Iterable[Candidate]) -> Json:
    """Return why a job stands where it stands, and what would change that."""
    view = detail.view
    plan = view.plan
    award = plan.award if plan else None
    told = award.explanation if award else None
    refused = plan.refusal if plan else None
    return {
        "job_id": view.job.job_id,
        "status": str(view.status),
        "why": why(view),
        "decision_id": plan.decision_id if plan else None,
        "negotiation_id": plan.negotiation_id if plan else None,
        "chosen": placement(award.placement) if award else None,
        "runner_up": placement(told.runner_up) if told and told.runner_up else None,
        "baseline": (
            placement(award.baseline.placement) if award and award.baseline.placement else None
        ),
        "savings": savings(award.savings) if award else None,
        "carbon_price_gbp_per_tonne": detail.value_of_carbon_gbp_per_tonne,
        "flip": (
            {
                "carbon_price_gbp_per_tonne": told.flip_carbon_gbp_per_tonne,
                "runner_up_wins": told.flip_direction,
            }
            if told and told.flip_carbon_gbp_per_tonne is not None
            else None
        ),
        "blocked": [_blocked(one) for one in told.blocked] if told else [],
        "options_considered": (
            told.options_considered if told else refused.options_considered if refused else 0
        ),
        "options_digest": told.options_digest if told else None,
        "best_options": [placement(one) for one in told.best_options] if told else [],
        "latest_start": when(told.latest_start) if told else None,
        "waits_only_if_pays": told.waits_only_if_pays if told else False,
        "deferral": deferral(plan.deferral) if plan and plan.deferral else None,
        "refusal": refusal(refused) if refused else None,
        "smallest_relaxation": relaxation(refused.smallest_relaxation) if refused else None,
        "freeze_at": when(detail.freeze_at),
        "may_still_move": detail.may_still_move,
        "how_sure": detail.how_sure,
        "candidates": [_candidate(one) for one in candidates],
    }


def _blocked(found: Blocked) -> Json:
    return {
        "rule": found.rule,
        "count": found.count,
        "best_start": format_utc(found.best_start),
        "best_asset_id": found.best_asset_id,
        "better_by_gbp": number(found.better_by_gbp),
        "held_by": list(found.held_by),
    }


def _candidate(found: Candidate) -> Json:
    place = found.placement
    return {
        "asset_id": place.asset_id,
        "region": place.region,
        "start_time": format_utc(place.start),
        "end_time": format_utc(place.end),
        "carbon_kg": number(place.carbon_kg),
        "cost_gbp": number(place.cost_gbp),
        "objective_gbp": number(place.objective_gbp),
        "data_quality": str(place.data_quality),
        "feasible": found.feasible,
        "rule": found.rule,
        "extra_gbp": number(found.extra_gbp),
        "held_by": list(found.held_by),
    }


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
        "notes": list(found.notes),
    }


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
