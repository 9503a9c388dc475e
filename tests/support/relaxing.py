"""Take what a refusal offers, as a caller would who submits the job again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from models.domain.job import Flexibility, Job
from models.domain.plan import Relaxation
from models.domain.time import parse_rfc3339


def relaxed(job: Job, offer: Relaxation) -> Job:
    """Return the job with the one field changed as offered."""
    value: Any = offer.value
    match offer.field:
        case "latest_finish":
            return replace(job, latest_finish=parse_rfc3339(value))
        case "carbon_cap_g_per_kwh":
            return replace(job, carbon_cap_g_per_kwh=value)
        case "max_price_per_kwh":
            return replace(job, max_price_gbp_per_kwh=value)
        case "estimated_power_kw":
            return replace(job, power_kw=value)
        case "power_profile_kw":
            return replace(job, power_kw=sum(value) / len(value), power_profile_kw=tuple(value))
        case "allowed_regions":
            return replace(job, allowed_regions=tuple(value))
        case "flexibility_type":
            return replace(job, flexibility=Flexibility(value))
    raise AssertionError(f"no refusal offers to change {offer.field}")
