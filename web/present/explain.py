"""Explanations as answers: why a job stands where it stands, its windows, and why not another one."""

from __future__ import annotations

from models.domain.plan import Blocked
from models.domain.time import format_utc
from services.explain_types import (
    Account,
    Candidate,
    CheckedRelaxation,
    Difference,
    Scarcity,
    Shadow,
    WhyNot,
)
from services.types import JobDetail
from web.json_text import json_safe
from web.present.common import Json, number, placement, savings, when
from web.present.jobs import deferral, refusal, relaxation, why
from web.problems import DRAFT_TO_REST


def explanation(detail: JobDetail, account: Account) -> Json:
    """Return why a job stands where it stands, and what would change that."""
    view = detail.view
    plan = view.plan
    award = plan.award if plan else None
    return {
        "job_id": view.job.job_id,
        "status": str(view.status),
        "asked_at": format_utc(account.asked_at),
        "why": why(view),
        "decision_id": plan.decision_id if plan else None,
        "negotiation_id": plan.negotiation_id if plan else None,
        "chosen": placement(award.placement) if award else None,
        "baseline": (
            placement(award.baseline.placement) if award and award.baseline.placement else None
        ),
        "savings": savings(award.savings) if award else None,
        "carbon_price_gbp_per_tonne": detail.value_of_carbon_gbp_per_tonne,
        **_alternatives(detail),
        "deferral": deferral(plan.deferral) if plan and plan.deferral else None,
        **_refused(detail),
        "relaxations": [_checked(one) for one in account.relaxations],
        "freeze_at": when(detail.freeze_at),
        "may_still_move": detail.may_still_move,
        "how_sure": detail.how_sure,
        "data_quality": str(award.placement.data_quality) if award else None,
        "scarcity": scarcity(account.scarcity),
        "why_not": why_not(account.why_not) if account.why_not else None,
        **_windows(account),
    }


def _alternatives(detail: JobDetail) -> Json:
    """Return what the decision looked at, as it was recorded then."""
    plan = detail.view.plan
    told = plan.award.explanation if plan and plan.award else None
    considered = plan.refusal.options_considered if plan and plan.refusal else 0
    flip = told.flip_carbon_gbp_per_tonne if told else None
    return {
        "runner_up": placement(told.runner_up) if told and told.runner_up else None,
        "flip": (
            {"carbon_price_gbp_per_tonne": flip, "runner_up_wins": told.flip_direction}
            if told and flip is not None
            else None
        ),
        "blocked": [_blocked(one) for one in told.blocked] if told else [],
        "options_considered": told.options_considered if told else considered,
        "options_digest": told.options_digest if told else None,
        "best_options": [placement(one) for one in told.best_options] if told else [],
        "latest_start": when(told.latest_start) if told else None,
        "waits_only_if_pays": told.waits_only_if_pays if told else False,
    }


def _refused(detail: JobDetail) -> Json:
    plan = detail.view.plan
    refused = plan.refusal if plan else None
    return {
        "refusal": refusal(refused) if refused else None,
        "smallest_relaxation": relaxation(refused.smallest_relaxation) if refused else None,
    }


def _windows(account: Account) -> Json:
    found = account.windows
    return {
        "candidates": [candidate(one) for one in found.items] if found else [],
        "candidates_total": found.total if found else 0,
        "candidates_open": found.open_windows if found else 0,
        "next_cursor": found.next_cursor if found else None,
    }


def candidate(found: Candidate) -> Json:
    """Return one window with its costs, what closes it, who holds its power and at what price."""
    place = found.placement
    return {
        "asset_id": place.asset_id,
        "region": place.region,
        "start_time": format_utc(place.start),
        "end_time": format_utc(place.end),
        "energy_kwh": place.energy_kwh,
        "carbon_kg": number(place.carbon_kg),
        "cost_gbp": number(place.cost_gbp),
        "delay_gbp": number(place.delay_gbp),
        "objective_gbp": number(place.objective_gbp),
        "mean_carbon_g_per_kwh": number(place.mean_carbon_g_per_kwh),
        "mean_price_gbp_per_kwh": number(place.mean_price_gbp_per_kwh),
        "estimated_share": place.estimated_share,
        "data_quality": str(place.data_quality),
        "feasible": found.feasible,
        "rule": found.rule,
        "extra_gbp": number(found.extra_gbp),
        "held_by": list(found.held_by),
        "held_by_own_jobs": found.held_by_own_jobs,
        "held_by_others": found.held_by_others,
        "shadow": _shadow(found.shadow) if found.shadow else None,
    }


def _shadow(found: Shadow) -> Json:
    return {
        "mean_gbp_per_kwh": found.mean_gbp_per_kwh,
        "highest_gbp_per_kwh": found.highest_gbp_per_kwh,
        "run_gbp": found.run_gbp,
    }


def scarcity(found: Scarcity) -> Json:
    """Return which plan is in force, and in words where its power is scarce."""
    return {
        "negotiation_id": found.negotiation_id,
        "planned_at": when(found.planned_at),
        "note": found.note,
    }


def why_not(found: WhyNot) -> Json:
    """Return why a job does not run at an instant somebody named."""
    return {
        "asked_start_time": format_utc(found.asked_start),
        "start_time": format_utc(found.start),
        "asset_id": found.asset_id,
        "verdict": found.verdict,
        "sentence": found.sentence,
        "numbers": {name: number(value) for name, value in found.numbers.items()},
        "against_chosen": _difference(found.against) if found.against else None,
        "candidate": candidate(found.candidate) if found.candidate else None,
    }


def _difference(found: Difference) -> Json:
    return {
        "objective_gbp": number(found.objective_gbp),
        "cost_gbp": number(found.cost_gbp),
        "carbon_kg": number(found.carbon_kg),
        "carbon_gbp": number(found.carbon_gbp),
        "delay_gbp": number(found.delay_gbp),
        "moving_gbp": number(found.moving_gbp),
    }


def _checked(found: CheckedRelaxation) -> Json:
    return {
        "field": DRAFT_TO_REST.get(found.field, found.field),
        "value": json_safe(found.value),
        "placement": placement(found.placement) if found.placement else None,
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
