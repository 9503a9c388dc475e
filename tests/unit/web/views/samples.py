"""Half-hours, placements and awards for view tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from models.domain.job import Job, JobStatus
from models.domain.plan import Award, Baseline, Explanation, Placement, Refusal, Savings, Segment
from models.domain.ports import JobPlan, JobView
from models.domain.signal import Provenance, Quality, SignalValue, ValueKind
from models.domain.time import SLOT
from services.types import EnergyRow
from tests.support.fleet import NOON, a_job

NOW = NOON
"""Saturday 21 November 2026, 12:00 UTC and London."""


def value(start: datetime, number: float | None, unit: str, kind: ValueKind) -> SignalValue:
    """Return one value; None is unknown."""
    source = Provenance("a source", "/x", kind, Quality.LIVE, None, NOW)
    return SignalValue(start, number, unit, None, None, None if number is None else source)


def rows(
    carbon: Sequence[float | None],
    price: Sequence[float | None],
    *,
    start: datetime = NOW,
    estimates_from: int | None = None,
) -> tuple[EnergyRow, ...]:
    """Return half-hours; prices from an index on are own estimates."""
    found = []
    for index, (grams, pounds) in enumerate(zip(carbon, price, strict=True)):
        at = start + index * SLOT
        is_estimate = estimates_from is not None and index >= estimates_from
        kind = ValueKind.ESTIMATE if is_estimate else ValueKind.TARIFF
        found.append(
            EnergyRow(
                start=at,
                end=at + SLOT,
                carbon=value(at, grams, "gCO2/kWh", ValueKind.FORECAST),
                price=value(at, pounds, "GBP/kWh", kind),
                price_inc_vat=None,
                vat_percent=5.0,
                renewable_percent=None,
                generation_mix={},
                grid_stress=None,
            )
        )
    return tuple(found)


def placement(start: datetime, hours: float = 1.0, **changes: Any) -> Placement:
    """Return a run of 10 kW at 100 g/kWh and 20 p/kWh."""
    end = start + timedelta(hours=hours)
    energy = 10.0 * hours
    made = Placement(
        asset_id="cluster-a",
        region="london",
        start=start,
        end=end,
        segments=(Segment(start, end, 10.0),),
        energy_kwh=energy,
        carbon_kg=energy * 0.1,
        cost_gbp=energy * 0.2,
        mean_carbon_g_per_kwh=100.0,
        mean_price_gbp_per_kwh=0.2,
        estimated_share=0.0,
        data_quality=Quality.LIVE,
    )
    return replace(made, **changes)


def award(job: Job, start: datetime, **changes: Any) -> Award:
    """Return an award with a runner-up three hours later and a run on arrival at noon."""
    arrival = placement(NOW, carbon_kg=2.0, cost_gbp=3.0)
    made = Award(
        job_id=job.job_id,
        placement=placement(start),
        baseline=Baseline(arrival),
        savings=Savings(1.0, 50.0, 1.0, 33.3),
        explanation=Explanation(
            runner_up=placement(start + timedelta(hours=3)),
            options_considered=40,
            best_options=(),
            blocked=(),
            flip_carbon_gbp_per_tonne=967.0,
            flip_direction="below",
            options_digest="0" * 64,
        ),
        why="because",
    )
    return replace(made, **changes)


def planned(job: Job | None = None, start: datetime | None = None, **changes: Any) -> JobView:
    """Return a scheduled job with an award; changes are to the job."""
    at = start or NOW + timedelta(hours=5)
    made = replace(job or a_job(), status=JobStatus.SCHEDULED, **changes)
    plan = JobPlan(made.job_id, "n-1", "d-1", NOW, award=award(made, at))
    return JobView(made, plan, JobStatus.SCHEDULED)


def refused(refusal: Refusal) -> JobView:
    """Return a refused job."""
    job = replace(a_job(), status=JobStatus.REFUSED)
    return JobView(job, JobPlan(job.job_id, "n-1", "d-1", NOW, refusal=refusal), JobStatus.REFUSED)
