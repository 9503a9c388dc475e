"""Plans of jobs for storage tests, with every part a test cares about settable by name."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from models.domain.plan import (
    Award,
    Baseline,
    Deferral,
    Explanation,
    NegotiationStatus,
    NegotiationSummary,
    Placement,
    Refusal,
    Savings,
    Segment,
)
from models.domain.ports import JobPlan
from models.domain.signal import Quality
from tests.support.fleet import NOON


def a_placement(
    start: datetime = NOON,
    minutes: float = 60.0,
    power_kw: float = 10.0,
    asset_id: str = "cluster-a",
    region: str = "london",
) -> Placement:
    """Return a run of constant power."""
    end = start + timedelta(minutes=minutes)
    return Placement(
        asset_id=asset_id,
        region=region,
        start=start,
        end=end,
        segments=(Segment(start, end, power_kw),),
        energy_kwh=power_kw * minutes / 60.0,
        carbon_kg=1.25,
        cost_gbp=2.5,
        mean_carbon_g_per_kwh=125.0,
        mean_price_gbp_per_kwh=0.25,
        estimated_share=0.0,
        data_quality=Quality.LIVE,
    )


def an_award(job_id: str = "job-a", placement: Placement | None = None, **changes: Any) -> Award:
    """Return an award without alternatives."""
    chosen = placement or a_placement()
    award = Award(
        job_id=job_id,
        placement=chosen,
        baseline=Baseline(chosen),
        savings=Savings(0.0, 0.0, 0.0, 0.0),
        explanation=Explanation(None, 1, (chosen,), (), None, None, "0" * 64),
        why="It is the only window.",
    )
    return replace(award, **changes)


def a_plan(job_id: str = "job-a", placement: Placement | None = None, **changes: Any) -> JobPlan:
    """Return the plan of a job with an award; `frozen=True` freezes it."""
    frozen = changes.pop("frozen", False)
    award = an_award(job_id, placement, is_frozen=frozen)
    plan = JobPlan(job_id, "negotiation-1", f"decision-{job_id}", NOON, award=award)
    return replace(plan, **changes)


def a_refused_plan(job_id: str = "job-a", rule: str = "power") -> JobPlan:
    """Return the plan of a job that is refused."""
    refusal = Refusal(job_id, rule, "10 kW do not fit into 5 kW", None)
    return JobPlan(job_id, "negotiation-1", f"decision-{job_id}", NOON, refusal=refusal)


def a_deferred_plan(job_id: str = "job-a") -> JobPlan:
    """Return the plan of a job that is left out for now."""
    deferral = Deferral(job_id, "held by its owner", None)
    return JobPlan(job_id, "negotiation-1", f"decision-{job_id}", NOON, deferral=deferral)


def a_summary(
    negotiation_id: str = "negotiation-1", started_at: datetime = NOON, **changes: Any
) -> NegotiationSummary:
    """Return a running negotiation."""
    summary = NegotiationSummary(
        negotiation_id=negotiation_id,
        status=NegotiationStatus.RUNNING,
        trigger="submit",
        started_at=started_at,
        finished_at=None,
        scheduled=0,
        refused=0,
        deferred=0,
        moved=0,
        data_quality=Quality.LIVE,
        certificate=None,
    )
    return replace(summary, **changes)
