"""Builds audit drafts: what was known, what could be chosen, what was chosen and why.

Quantities become decimal strings here; nothing with a float reaches the chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time
from typing import Any
from uuid import UUID

from agents.policy import Policy
from agents.view import Outcome
from models.domain.decision import (
    DecisionDraft,
    EventType,
    canonical_json,
    decimal_text,
    millisecond_utc,
)
from models.domain.job import Job
from models.domain.plan import Award, Certificate, Placement, Refusal
from models.domain.signal import Provenance, RegionSignals
from models.domain.time import Horizon

PLANNER = {"kind": "agent", "name": "scheduler", "version": "1", "model": None}
"""Actor of everything a negotiation decides."""

MARGINAL_LOW_G = 0.0
MARGINAL_HIGH_G = 426.0
"""Scenario band of marginal intensity, not data: 0 and 394 × 1.08 g/kWh. Source: domain reference 7.2. [g/kWh]"""


def person(name: str) -> dict[str, Any]:
    """Return the actor of something a caller did."""
    return {"kind": "human", "name": name, "version": None, "model": None}


def rule(name: str) -> dict[str, Any]:
    """Return the actor of something a fixed rule did."""
    return {"kind": "rule", "name": name, "version": "1", "model": None}


def award_draft(
    award: Award,
    job: Job,
    outcome: Outcome,
    inputs: Sequence[Mapping[str, Any]],
    policy: Policy,
    trigger: str,
    event_id: UUID,
    clock_utc: datetime | None,
) -> DecisionDraft:
    """Return the record of one award."""
    options = _options(award)
    body = {
        "actor": PLANNER,
        "trigger": trigger,
        "inputs": list(inputs),
        "options": options,
        "options_count": award.explanation.options_considered,
        "options_sha256": award.explanation.options_digest,
        "selected": {
            "option_id": "chosen",
            "rule": "least objective that fits (least slack first)",
            "weights": weights(policy),
            "rationale": award.why,
        },
        "trade_offs": _trade_offs(award),
        "constraints": constraints(job, award),
        "approval": None,
        "assumptions_id": policy.assumptions_id,
        "data_quality": str(award.placement.data_quality),
        "provisional": award.provisional,
    }
    return DecisionDraft(
        event_type=EventType.DECISION,
        body=body,
        event_id=event_id,
        job_id=job.job_id,
        owner=job.owner,
        negotiation_id=str(outcome.negotiation_id),
        first_slot=award.placement.start,
        clock_utc=clock_utc,
    )


def refusal_draft(
    refusal: Refusal,
    job: Job,
    outcome: Outcome,
    inputs: Sequence[Mapping[str, Any]],
    policy: Policy,
    trigger: str,
    event_id: UUID,
    clock_utc: datetime | None,
) -> DecisionDraft:
    """Return the record of one refusal; nothing was booked."""
    body = {
        "actor": PLANNER,
        "trigger": trigger,
        "inputs": list(inputs),
        "options": [],
        "options_count": refusal.options_considered,
        "selected": {
            "option_id": None,
            "rule": refusal.rule,
            "weights": weights(policy),
            "rationale": refusal.detail,
        },
        "relaxations": [
            {"field": r.field, "value": _plain(r.value), "start": millisecond_utc(r.start)}
            for r in refusal.relaxations
        ],
        "tried": list(refusal.tried),
        "trade_offs": [],
        "constraints": constraints(job, None),
        "approval": None,
        "assumptions_id": policy.assumptions_id,
    }
    return DecisionDraft(
        event_type=EventType.REFUSAL,
        body=body,
        event_id=event_id,
        job_id=job.job_id,
        owner=job.owner,
        negotiation_id=str(outcome.negotiation_id),
        first_slot=job.release,
        clock_utc=clock_utc,
    )


def negotiation_draft(
    outcome: Outcome,
    messages: Sequence[Mapping[str, Any]],
    inputs: Sequence[Mapping[str, Any]],
    policy: Policy,
    trigger: str,
    changed: Iterable[str],
    unchanged: Sequence[Award],
    clock_utc: datetime | None,
) -> DecisionDraft:
    """Return the record of a whole negotiation: messages by digest, certificate, unchanged awards by digest."""
    lines = sorted(
        f"{a.job_id}|{a.placement.asset_id}|{millisecond_utc(a.placement.start)}" for a in unchanged
    )
    ids = sorted(changed)
    said = canonical_json({"messages": plain(messages)})
    body = {
        "actor": PLANNER,
        "trigger": trigger,
        "inputs": list(inputs),
        "selected": {
            "option_id": None,
            "rule": "negotiation by prices",
            "weights": weights(policy),
            "rationale": f"{len(outcome.awards)} awarded, {len(outcome.refusals)} refused, "
            f"{len(outcome.deferrals)} deferred",
        },
        "certificate": certificate(outcome.certificate),
        "messages_count": len(messages),
        "messages_sha256": hashlib.sha256(said.encode()).hexdigest(),
        # Ids stay out: a negotiation is the fleet's, and its record is read by every owner in it.
        "changed_count": len(ids),
        "changed_sha256": hashlib.sha256("\n".join(ids).encode()).hexdigest(),
        "unchanged_count": len(lines),
        "unchanged_sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        "assumptions_id": policy.assumptions_id,
        "data_quality": str(outcome.data_quality),
    }
    return DecisionDraft(
        event_type=EventType.NEGOTIATION,
        body=body,
        negotiation_id=str(outcome.negotiation_id),
        clock_utc=clock_utc,
    )


def event_draft(
    event_type: EventType,
    actor: Mapping[str, Any],
    what: Mapping[str, Any],
    *,
    job: Job | None = None,
    owner: str | None = None,
    ref: UUID | None = None,
    first_slot: datetime | None = None,
    clock_utc: datetime | None = None,
) -> DecisionDraft:
    """Return the record of anything else: an outcome, a correction, a change of configuration."""
    return DecisionDraft(
        event_type=event_type,
        body={"actor": dict(actor), **plain(what)},
        job_id=job.job_id if job else None,
        owner=job.owner if job else owner,
        ref=ref,
        first_slot=first_slot,
        clock_utc=clock_utc,
    )


def inputs_of(
    signals: Mapping[str, RegionSignals], horizon: Horizon, now: datetime
) -> dict[str, tuple[dict[str, Any], ...]]:
    """Return, per region, the sources of its signals as records."""
    found: dict[str, tuple[dict[str, Any], ...]] = {}
    for slug, known in signals.items():
        rows = []
        for series in (known.carbon, known.price):
            until = series.known_until()
            rows += [
                _input(f"{series.name}:{slug}", p, now, horizon, series.digest(), until)
                for p in series.provenances_used()
            ]
        found[slug] = tuple(rows)
    return found


def _input(
    name: str,
    p: Provenance,
    now: datetime,
    horizon: Horizon,
    digest: str,
    until: datetime | None,
) -> dict[str, Any]:
    return {
        "name": name,
        "source": p.source,
        "endpoint": p.endpoint,
        "kind": str(p.kind),
        "issued_at": millisecond_utc(p.issued_at) if p.issued_at else None,
        "retrieved_at": millisecond_utc(p.retrieved_at),
        "valid_from": millisecond_utc(horizon.start),
        "valid_to": millisecond_utc(until or horizon.end),
        "sha256": p.sha256 or digest,
        "series_sha256": digest,
        "quality": str(p.quality),
        "age_s": max(0, int((now - p.retrieved_at).total_seconds())),
        "note": p.note,
    }


def weights(policy: Policy) -> dict[str, str | None]:
    """Return the policy's weights as decimal strings."""
    return {
        "carbon_price_gbp_per_tonne": decimal_text(policy.carbon_price_gbp_per_tonne, 2),
        "delay_gbp_per_kwh_hour": decimal_text(policy.delay_gbp_per_kwh_hour, 6),
        "min_saving_percent": decimal_text(policy.min_saving_percent, 2),
        "unserved_gbp_per_kwh": decimal_text(policy.unserved_gbp_per_kwh, 2),
        "churn_gbp_per_kwh": decimal_text(policy.churn_gbp_per_kwh, 4),
        "transfer_kwh_per_gb": decimal_text(policy.transfer_kwh_per_gb, 6),
        "transfer_gbit_per_s": decimal_text(policy.transfer_gbit_per_s, 6),
        "carbon_budget_kg_per_day": decimal_text(policy.carbon_budget_kg_per_day, 3),
        "planning_effort": decimal_text(policy.planning_effort, 2),
    }


def certificate(proof: Certificate) -> dict[str, Any]:
    """Return a certificate as decimal strings."""
    return {
        "objective_gbp": decimal_text(proof.objective_gbp, 6),
        "lower_bound_gbp": decimal_text(proof.lower_bound_gbp, 6),
        "gap_gbp": decimal_text(proof.gap_gbp, 6),
        "gap_percent": decimal_text(proof.gap_percent, 4),
        "gap_served_percent": decimal_text(proof.gap_served_percent, 4),
        "served_gbp": decimal_text(proof.served_gbp, 6),
        "unserved_gbp": decimal_text(proof.unserved_gbp, 6),
        "rounds": proof.rounds,
        "seconds": decimal_text(proof.seconds, 3),
        "method": str(proof.method),
        "heuristic": proof.heuristic,
        "carbon_by_day": _carbon_by_day(proof),
        "notes": list(proof.notes),
    }


def _carbon_by_day(proof: Certificate) -> list[dict[str, str | None]]:
    """Return budget, planned carbon and multiplier of each London day with a carbon budget."""
    planned = dict(proof.carbon_kg_by_day)
    price = dict(proof.carbon_gbp_per_tonne_by_day)
    return [
        {
            "date": day.isoformat(),
            "budget_kg": decimal_text(budget_kg, 3),
            "planned_kg": decimal_text(planned.get(day), 3),
            "carbon_price_gbp_per_tonne": decimal_text(price.get(day), 2),
        }
        for day, budget_kg in proof.carbon_budget_kg_by_day
    ]


def metrics(placed: Placement) -> dict[str, Any]:
    """Return what an option costs; marginal figures are a scenario band, not data."""
    energy = placed.energy_kwh
    return {
        "energy_kwh": decimal_text(energy, 3),
        "cost_gbp": decimal_text(placed.cost_gbp, 4),
        "transfer_kwh": decimal_text(placed.transfer_kwh, 3),
        "transfer_cost_gbp": decimal_text(placed.transfer_cost_gbp, 4),
        "transfer_co2_kg": decimal_text(placed.transfer_carbon_kg, 4),
        "co2_avg_kg": decimal_text(placed.carbon_kg, 4),
        "co2_marginal_low_kg": decimal_text(energy * MARGINAL_LOW_G / 1000.0, 4),
        "co2_marginal_high_kg": decimal_text(energy * MARGINAL_HIGH_G / 1000.0, 4),
        "delay_gbp": decimal_text(placed.delay_gbp, 4),
        "objective_gbp": decimal_text(placed.objective_gbp, 4),
        "flex_value_gbp": None,
        "sla_risk": None,
        "estimated_share": decimal_text(placed.estimated_share, 4),
    }


def _option(option_id: str, placed: Placement, reasons: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "id": option_id,
        "description": f"{placed.asset_id} from {millisecond_utc(placed.start)}",
        "asset_id": placed.asset_id,
        "region": placed.region,
        "start": millisecond_utc(placed.start),
        "end": millisecond_utc(placed.end),
        "feasible": not reasons,
        "reasons": list(reasons),
        "metrics": metrics(placed),
    }


def _options(award: Award) -> list[dict[str, Any]]:
    """Return the winner, the runner-up, the run on arrival and the best few others."""
    rows = [_option("chosen", award.placement)]
    second = award.explanation.runner_up
    if second is not None:
        rows.append(_option("runner_up", second))
    arrival = award.baseline.placement
    if arrival is not None:
        rows.append(_option("on_arrival", arrival, award.baseline.breaches))
    told = {(p.asset_id, p.start) for p in (award.placement, second) if p is not None}
    for n, placed in enumerate(award.explanation.best_options, 1):
        if (placed.asset_id, placed.start) not in told:
            rows.append(_option(f"option_{n}", placed))
    return rows


def _trade_offs(award: Award) -> list[dict[str, Any]]:
    """Return what was given up against the best written option on each metric."""
    known = [award.placement, *award.explanation.best_options]
    arrival = award.baseline.placement
    if arrival is not None:
        known.append(arrival)
    rows = []
    for name, unit in (("cost_gbp", "GBP"), ("carbon_kg", "kg"), ("delay_gbp", "GBP")):
        values = [v for p in known if (v := getattr(p, name)) is not None]
        mine = getattr(award.placement, name)
        if mine is None or not values:
            continue
        rows.append(
            {
                "metric": name,
                "unit": unit,
                "chosen": decimal_text(mine, 4),
                "best": decimal_text(min(values), 4),
                "given_up": decimal_text(mine - min(values), 4),
            }
        )
    return rows


def constraints(job: Job, award: Award | None) -> list[dict[str, Any]]:
    """Return the hard limits a job was planned under."""
    rows: list[dict[str, Any]] = [
        {"name": "deadline", "value": millisecond_utc(job.latest_finish)},
        {"name": "release", "value": millisecond_utc(job.release)},
        {"name": "regions", "value": ",".join(job.allowed_regions)},
        {"name": "power_kw", "value": decimal_text(max(job.slot_power_kw()), 3)},
    ]
    if job.carbon_cap_g_per_kwh is not None:
        rows.append(
            {"name": "carbon_cap_g_per_kwh", "value": decimal_text(job.carbon_cap_g_per_kwh, 3)}
        )
    if job.max_price_gbp_per_kwh is not None:
        rows.append(
            {"name": "max_price_gbp_per_kwh", "value": decimal_text(job.max_price_gbp_per_kwh, 5)}
        )
    if job.depends_on:
        rows.append({"name": "after", "value": ",".join(job.depends_on)})
    if job.pinned_start is not None:
        rows.append({"name": "pinned_start", "value": millisecond_utc(job.pinned_start)})
    if award is not None:
        rows.extend(
            {"name": f"blocked_by_{b.rule}", "value": str(b.count)}
            for b in award.explanation.blocked
        )
    return rows


def plain(value: Any) -> Any:
    """Return a JSON-like value with floats as decimal strings and instants as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return decimal_text(value, 6)
    if isinstance(value, datetime):
        return millisecond_utc(value)
    if isinstance(value, time):
        return value.isoformat(timespec="minutes")
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return str(value)
