"""The frozen view of a plan behind `/plans/<id>`: what was decided, for which work, on which signals."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from agents.policy import Policy
from agents.view import Outcome, Situation
from models.domain.job import Job
from models.domain.plan import Award, Certificate, Placement
from models.domain.signal import RegionSignals
from models.domain.time import Horizon, format_utc
from services.asset_room import AssetRoom
from services.negotiation_log import untouched
from services.situation import Facts

SERIES_SLOTS = 192
"""How many half-hours of each region's signals are kept in a snapshot (four days)."""


def of(
    outcome: Outcome,
    facts: Facts,
    policy: Policy,
    facing: Situation,
    now: datetime,
) -> dict[str, Any]:
    """Return jobs, assets, room, policy and signals of a plan as JSON-like values (floats allowed).

    Args:
        outcome: What was decided.
        facts: What was read.
        policy: What the operator wants.
        facing: What was planned.
        now: Planning clock.
    """
    signals = facing.signals
    names = {job.job_id: job.job_name for job in facts.jobs}
    jobs: list[dict[str, Any]] = [
        {
            "job_id": award.job_id,
            "job_name": names.get(award.job_id, award.job_id),
            "status": "scheduled",
            "schedule": placement(award.placement),
            "baseline": placement(award.baseline.placement) if award.baseline.placement else None,
            "why": award.why,
            "churn_gbp": award.churn_gbp,
            "saves_too_little": award.explanation.waits_only_if_pays,
        }
        for award in outcome.awards
    ]
    jobs += [
        {
            "job_id": job.job_id,
            "job_name": job.job_name,
            "status": str(job.status),
            "schedule": placement(award.placement),
            "baseline": placement(award.baseline.placement) if award.baseline.placement else None,
            "why": award.why,
        }
        for job, award in frozen_work(outcome, facts)
    ]
    jobs += [
        {
            "job_id": refusal.job_id,
            "job_name": names.get(refusal.job_id, refusal.job_id),
            "status": "refused",
            "schedule": None,
            "baseline": None,
            "why": refusal.detail,
        }
        for refusal in outcome.refusals
    ]
    jobs += [
        {
            "job_id": deferral.job_id,
            "job_name": names.get(deferral.job_id, deferral.job_id),
            "status": "pending",
            "schedule": None,
            "baseline": None,
            "why": deferral.reason,
        }
        for deferral in outcome.deferrals
    ]
    return {
        "planned_at": format_utc(now),
        "jobs": jobs,
        "assets": [
            {
                "asset_id": asset.asset_id,
                "name": asset.label,
                "region": asset.region,
                "max_power_kw": asset.max_power_kw,
                "room_kw": asset.room_kw,
            }
            for asset in facts.assets
        ],
        "room": _room(facing, now),
        "carbon_budget": _budget(outcome.certificate),
        "policy": {
            "carbon_price_gbp_per_tonne": policy.carbon_price_gbp_per_tonne,
            "min_saving_percent": policy.min_saving_percent,
            "weight_deadline": policy.weight_deadline,
            "unserved_gbp_per_kwh": policy.unserved_gbp_per_kwh,
        },
        "signals": {slug: _series(known, now) for slug, known in sorted(signals.items())},
        "shadow_prices": _shadow_prices(outcome, signals, now),
    }


CHANGED_MEANWHILE = "it changed while this plan was made; the next one answers it"
"""Why a job that was planned is not in a committed plan."""


def without(view: dict[str, Any], late: Collection[str], facts: Facts) -> dict[str, Any]:
    """Return a view that says of some jobs that they were not answered, with the window they still hold, if any.

    Args:
        view: See `of`.
        late: Jobs that changed while the plan was made.
        facts: What was read before.
    """
    held = {
        job_id: placement(plan.award.placement)
        for job_id, plan in facts.plans.items()
        if job_id in late and plan.award is not None
    }
    jobs = [
        {
            **job,
            "status": "scheduled" if job["job_id"] in held else "pending",
            "schedule": held.get(job["job_id"]),
            "why": CHANGED_MEANWHILE,
        }
        if job["job_id"] in late
        else job
        for job in view["jobs"]
    ]
    return {**view, "jobs": jobs}


def _room(facing: Situation, now: datetime) -> dict[str, Any]:
    """Return limits and what contracts keep, per asset that has any, from the present half-hour on."""
    ahead = facing.horizon
    skip = max(0, ahead.index_of(now))
    ahead = Horizon(ahead.start_of(skip), ahead.slots - skip)
    held = [replace(work, first_slot=work.first_slot - skip) for work in facing.held]
    found = {
        asset.asset_id: AssetRoom.of(asset, ahead, held).to_view()
        for asset in sorted(facing.assets, key=lambda asset: asset.asset_id)
    }
    return {asset_id: view for asset_id, view in found.items() if view}


def _budget(proof: Certificate) -> list[dict[str, Any]]:
    """Return what each London day with a carbon budget may emit and does; empty where there is none."""
    planned = dict(proof.carbon_kg_by_day)
    return [
        {"date": day.isoformat(), "budget_kg": kg, "planned_kg": planned[day]}
        for day, kg in proof.carbon_budget_kg_by_day
        if day in planned
    ]


def _shadow_prices(
    outcome: Outcome, signals: Mapping[str, RegionSignals], now: datetime
) -> dict[str, Any]:
    """Return the prices of scarce half-hours per asset, from now to the last one above 0; assets without are left out."""
    if not signals:
        return {}
    horizon = next(iter(signals.values())).horizon
    first = max(0, horizon.index_of(now))
    found = {}
    for asset_id, prices in sorted(outcome.shadow_gbp_per_kwh.items()):
        scarce = np.flatnonzero(prices[first:] > 0.0)
        if scarce.size:
            span = slice(first, first + int(scarce[-1]) + 1)
            found[asset_id] = {
                "start_time": format_utc(horizon.start_of(first)),
                "gbp_per_kwh": [round(float(value), 6) for value in prices[span]],
            }
    return found


def frozen_work(outcome: Outcome, facts: Facts) -> list[tuple[Job, Award]]:
    """Return frozen and running jobs with the awards they keep: part of the plan, not of the negotiation."""
    by_id = {job.job_id: job for job in facts.jobs}
    return [
        (by_id[job_id], plan.award)
        for job_id in untouched(outcome, facts)
        if (plan := facts.plans[job_id]).award is not None
    ]


def placement(placed: Placement) -> dict[str, Any]:
    """Return a placement as JSON-like values."""
    return {
        "asset_id": placed.asset_id,
        "region": placed.region,
        "start_time": format_utc(placed.start),
        "end_time": format_utc(placed.end),
        "segments": [
            {
                "start_time": format_utc(segment.start),
                "end_time": format_utc(segment.end),
                "power_kw": segment.power_kw,
            }
            for segment in placed.segments
        ],
        "energy_kwh": placed.energy_kwh,
        "carbon_kg": placed.carbon_kg,
        "cost_gbp": placed.cost_gbp,
        "transfer_kwh": placed.transfer_kwh,
        "transfer_cost_gbp": placed.transfer_cost_gbp,
        "transfer_carbon_kg": placed.transfer_carbon_kg,
        "mean_carbon_g_per_kwh": placed.mean_carbon_g_per_kwh,
        "mean_price_gbp_per_kwh": placed.mean_price_gbp_per_kwh,
        "estimated_share": placed.estimated_share,
        "delay_gbp": placed.delay_gbp,
        "data_quality": str(placed.data_quality),
    }


def _series(known: RegionSignals, now: datetime) -> dict[str, Any]:
    first = max(0, known.horizon.index_of(now))
    span = slice(first, first + SERIES_SLOTS)
    return {
        "start_time": format_utc(known.horizon.start_of(first)),
        "carbon_g_per_kwh": [_number(v) for v in known.carbon.values[span]],
        "price_gbp_per_kwh": [_number(v) for v in known.price.values[span]],
        "carbon_known_until": _instant(known.carbon.known_until()),
        "prices_known_until": _instant(known.price.known_until()),
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)


def _instant(value: datetime | None) -> str | None:
    return None if value is None else format_utc(value)
