"""A plan as it was agreed: certificate, awards, refusals, conversation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from models.domain.plan import Certificate, NegotiationStatus
from models.domain.regions import REGIONS
from services.scarcity import prices_of
from services.types import NegotiationView
from web.views.conversation import Line, conversation
from web.views.formatting import (
    carbon_against,
    carbon_value,
    count,
    figures,
    is_nothing,
    kilograms,
    kilowatts,
    money_against,
    percent,
    pounds,
)
from web.views.refusal import as_instant
from web.views.scarce import ScarceView, scarce_views
from web.views.stamps import Stamp, dated, span
from web.views.triggers import TRIGGER_WORDS

STATUS_WORDS = {
    NegotiationStatus.RUNNING: "still negotiating",
    NegotiationStatus.COMMITTED: "agreed and booked",
    NegotiationStatus.ABANDONED: "abandoned; nothing was written",
    NegotiationStatus.FAILED: "failed; nothing was written",
}
"""How a negotiation stands, in words."""

OVER = 1e-6
"""Share of a budget that counts as rounding."""


@dataclass(frozen=True, slots=True)
class PlanJob:
    """One job of the plan."""

    job_id: str
    name: str
    status: str
    when: tuple[Stamp, Stamp] | None
    where: str
    cost: str
    carbon: str
    cost_against: str
    carbon_against: str
    why: str


@dataclass(frozen=True, slots=True)
class BudgetDay:
    """The carbon budget of one London day."""

    day: str
    planned: str
    budget: str
    use: str
    is_over: bool
    price: str
    """What the plan pays for carbon on that day on top of its value: the multiplier of the budget."""


@dataclass(frozen=True, slots=True)
class PlanView:
    """Everything the page places."""

    negotiation_id: str
    at: Stamp
    status: str
    is_running: bool
    trigger: str
    counts: str
    quality: str
    error: str
    certificate: tuple[tuple[str, str], ...]
    proof: str
    notes: tuple[str, ...]
    budget: tuple[BudgetDay, ...]
    carbon_value: str
    jobs: tuple[PlanJob, ...]
    clusters: tuple[str, ...]
    talk: tuple[Line, ...]
    is_simulated: bool
    scarce: tuple[ScarceView, ...]


def _difference(before: Any, after: Any, name: str) -> float | None:
    if not before or not after or before.get(name) is None or after.get(name) is None:
        return None
    return float(before[name]) - float(after[name])


def _job(entry: Mapping[str, Any], now: datetime) -> PlanJob:
    placed, arrival = entry.get("schedule"), entry.get("baseline")
    start = as_instant(placed.get("start_time")) if placed else None
    end = as_instant(placed.get("end_time")) if placed else None
    region = placed.get("region", "") if placed else ""
    return PlanJob(
        job_id=str(entry.get("job_id", "")),
        name=str(entry.get("job_name", "")),
        status={"scheduled": "planned", "pending": "waits"}.get(str(entry.get("status")), str(entry.get("status"))),
        when=span(start, end, now) if start and end else None,
        where=f"{placed['asset_id']}, {REGIONS[region].name if region in REGIONS else region}" if placed else "",
        cost=pounds(placed.get("cost_gbp")) if placed else "",
        carbon=kilograms(placed.get("carbon_kg")) if placed else "",
        cost_against=money_against(_difference(arrival, placed, "cost_gbp")) if placed else "",
        carbon_against=carbon_against(_difference(arrival, placed, "carbon_kg")) if placed else "",
        why=str(entry.get("why", "")),
    )  # fmt: skip


def certificate_rows(certificate: Certificate) -> tuple[tuple[str, str], ...]:
    """Return a certificate as labelled lines."""
    gap = "not stated while a job is unserved" if certificate.gap_percent is None else percent(certificate.gap_percent)  # fmt: skip
    rows = [
        ("Objective", pounds(certificate.objective_gbp)),
        ("Proven lower bound", pounds(certificate.lower_bound_gbp)),
        ("Gap", f"{pounds(certificate.gap_gbp)}, {gap}"),
    ]
    if certificate.gap_percent is None and certificate.gap_served_percent is not None:
        rows.append(("Gap of what is served", percent(certificate.gap_served_percent)))
    if certificate.unserved_gbp:
        rows.append(("Counted for unserved jobs", pounds(certificate.unserved_gbp)))
    if certificate.delay_gbp:
        rows.append(("Counted for waiting", pounds(certificate.delay_gbp)))
    if certificate.churn_gbp:
        rows.append(("Counted for moving", pounds(certificate.churn_gbp)))
    method = f"{certificate.method}{', heuristic' if certificate.heuristic else ''}"
    rows.append(
        (
            "Method",
            f"{method}, {count(certificate.rounds, 'round')}, {figures(certificate.seconds, 2)} s",
        )
    )
    return tuple(rows)  # fmt: skip


def _proof(certificate: Certificate) -> str:
    if certificate.gap_percent is not None and is_nothing(certificate.gap_percent):
        return "No plan for the same work, signals and policy is better than this one; the bound is proven, not estimated."
    if certificate.gap_percent is not None:
        return (
            f"No plan for the same work, signals and policy can be more than {percent(certificate.gap_percent)} better "
            "than this one; the bound is proven, not estimated."
        )
    return "At least one job is unserved, so the gap counts its penalty and is not stated as a percentage."


def budget_days(certificate: Certificate) -> tuple[BudgetDay, ...]:
    """Return the days on which the plan emits anything or pays for its budget, with what they leave of it."""
    planned = dict(certificate.carbon_kg_by_day)
    price = dict(certificate.carbon_gbp_per_tonne_by_day)
    return tuple(
        BudgetDay(
            day=f"{day:%a} {day.day} {day:%b}",
            planned=kilograms(planned.get(day, 0.0)),
            budget=kilograms(budget_kg),
            use=percent(100.0 * planned.get(day, 0.0) / budget_kg) if budget_kg > 0.0 else "–",
            is_over=_is_over(planned.get(day, 0.0), budget_kg),
            price=_budget_price(price.get(day), _is_over(planned.get(day, 0.0), budget_kg)),
        )
        for day, budget_kg in certificate.carbon_budget_kg_by_day
        if planned.get(day) or price.get(day)
    )


def _is_over(planned_kg: float, budget_kg: float) -> bool:
    return planned_kg > budget_kg * (1.0 + OVER)


def _budget_price(gbp_per_tonne: float | None, is_over: bool) -> str:
    """Return what a tonne more would be worth, where that is known."""
    if gbp_per_tonne is None:
        return "none keeps it" if is_over else "above every charge tried"
    return carbon_value(gbp_per_tonne) if gbp_per_tonne else "nothing"


def plan_view(found: NegotiationView, now: datetime) -> PlanView:
    """Return a plan ready to place."""
    summary, snapshot = found.summary, found.snapshot
    certificate = summary.certificate
    kappa = (snapshot.get("policy") or {}).get("carbon_price_gbp_per_tonne")
    clusters = tuple(
        f"{a.get('name') or a.get('asset_id')}: {REGIONS[a['region']].name}, {kilowatts(a.get('room_kw'))} for jobs"
        for a in snapshot.get("assets", ())
        if a.get("region") in REGIONS
    )
    names = {a["asset_id"]: a.get("name") or a["asset_id"] for a in snapshot.get("assets", ())}
    jobs = sorted(
        (_job(entry, now) for entry in snapshot.get("jobs", ())),
        key=lambda j: (j.when is None, j.when[0].iso if j.when else "", j.job_id),
    )
    took = (summary.finished_at or summary.started_at) - summary.started_at
    moved = f", {summary.moved} moved" if summary.moved else ""
    return PlanView(
        negotiation_id=summary.negotiation_id,
        at=dated(summary.started_at, now),
        status=STATUS_WORDS[summary.status],
        is_running=summary.status is NegotiationStatus.RUNNING and took < timedelta(hours=1),
        trigger=TRIGGER_WORDS.get(summary.trigger, summary.trigger.replace("_", " ")),
        counts=f"{summary.scheduled} planned, {summary.refused} refused, {summary.deferred} waiting{moved}",
        quality=str(summary.data_quality),
        error=summary.error or "",
        certificate=certificate_rows(certificate) if certificate else (),
        proof=_proof(certificate) if certificate else "",
        notes=tuple(note[0].upper() + note[1:] for note in certificate.notes)
        if certificate
        else (),
        budget=budget_days(certificate) if certificate else (),
        carbon_value=carbon_value(float(kappa)) if kappa is not None else "",
        jobs=tuple(jobs),
        clusters=clusters,
        talk=conversation(found.messages, now, awards=False),
        is_simulated=str(summary.data_quality) == "simulated",
        scarce=scarce_views(prices_of(snapshot), names, now),
    )
