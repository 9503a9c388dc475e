"""Why a job cannot be served, by which rule and number, and what was checked to help."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from agents.wording import when
from models.domain.job import Job
from models.domain.plan import Refusal, Relaxation
from models.domain.time import Horizon, format_utc
from models.optimise.award import Assignment
from models.optimise.options import Closed, JobOptions, Weights
from models.optimise.relaxation import Relaxed, longest_room_hours, relaxations
from models.optimise.table import PricedTable

OFFERED = 3
"""How many checked changes a refusal offers."""

SEARCHED_AHEAD = timedelta(days=14)
"""How far ahead of now a later deadline is looked for; the service plans no further."""

TRIED = {
    "latest_finish": "a later deadline",
    "carbon_cap_g_per_kwh": "a higher carbon cap",
    "max_price_per_kwh": "a higher price cap",
    "estimated_power_kw": "less power",
    "allowed_regions": "one more region",
    "flexibility_type": "letting it wait",
}


def refuse(plan: Assignment, k: int, table: PricedTable, weights: Weights) -> Refusal:
    """Return the refusal of an unserved job, with changes that were planned to check them."""
    mine = plan.options[k]
    rule, detail = _rule(plan, k, table)
    if rule == "predecessor":
        return Refusal(mine.job.job_id, rule, detail, None, options_considered=mine.count)
    latest = min(table.horizon.end, table.horizon.start_of(table.first_open) + SEARCHED_AHEAD)
    found = relaxations(mine.job, table, weights, plan.room_kw, latest)[:OFFERED]
    offered = tuple(_offer(answer, table) for answer in found)
    return Refusal(
        job_id=mine.job.job_id,
        rule=rule,
        detail=detail,
        smallest_relaxation=offered[0] if offered else None,
        relaxations=offered,
        options_considered=mine.count,
        tried=tuple(TRIED.values()),
    )


def _offer(answer: Relaxed, table: PricedTable) -> Relaxation:
    mine, pick = answer.options, answer.pick
    cost, carbon = float(mine.cost_gbp[pick]), float(mine.carbon_kg[pick])
    value = format_utc(answer.value) if answer.field == "latest_finish" else answer.value
    return Relaxation(
        field=answer.field,
        value=value,
        start=table.horizon.start_of(int(mine.start[pick])),
        asset_id=table.assets[int(mine.asset_row[pick])].asset_id,
        cost_gbp=None if np.isnan(cost) else cost,
        carbon_kg=None if np.isnan(carbon) else carbon,
    )


def _rule(plan: Assignment, k: int, table: PricedTable) -> tuple[str, str]:
    """Return the rule that closes a job and one sentence with its number."""
    mine = plan.options[k]
    job = mine.job
    if any(plan.span(p) is None for p in plan.links.before[k]):
        names = [plan.options[p].job.job_id for p in plan.links.before[k] if plan.span(p) is None]
        return "predecessor", f"it waits for {', '.join(names)}, which this plan does not serve"
    if job.asset_id not in table.index:
        return "asset", f"cluster {job.asset_id} no longer exists"
    if not mine.candidate_rows:
        allowed = ", ".join(job.allowed_regions)
        return "region", f"no cluster of this owner and type is in an allowed region ({allowed})"
    if mine.count == 0:
        return _too_late(job, mine, table.horizon)
    closed = mine.closed
    if np.all(closed == Closed.POWER):
        most = max(float(table.limit_kw[row]) for row in mine.candidate_rows)
        return "power", f"it needs {mine.power_kw.max():g} kW and its clusters offer {most:g} kW"
    if np.all(closed != Closed.OPEN):
        return _capped(mine, job)
    return "power", _no_room(plan, mine, table)


def _too_late(job: Job, mine: JobOptions, horizon: Horizon) -> tuple[str, str]:
    hours = job.duration.total_seconds() / 3600
    first = horizon.start_of(max(mine.first_start, 0))
    if job.pinned_start is not None:
        return "pinned", f"the pinned start {when(job.pinned_start)} is no longer possible"
    return (
        "deadline",
        (
            f"a run of {hours:g} h cannot start before {when(first)} and so cannot finish by "
            f"{when(job.latest_finish)}"
        ),
    )


def _capped(mine: JobOptions, job: Job) -> tuple[str, str]:
    mean_g = mine.carbon_kg / mine.energy_kwh * 1000.0
    mean_gbp = mine.cost_gbp / mine.energy_kwh
    by_carbon = mine.closed == Closed.CARBON_CAP
    if job.carbon_cap_g_per_kwh is not None and by_carbon.sum() * 2 >= by_carbon.size:
        return (
            "carbon_cap",
            (
                f"the cleanest window averages {np.nanmin(mean_g):.1f} g/kWh and the cap is "
                f"{job.carbon_cap_g_per_kwh:g} g/kWh"
            ),
        )
    return (
        "max_price",
        (
            f"the cheapest window averages £{np.nanmin(mean_gbp):.4f}/kWh and the cap is "
            f"£{job.max_price_gbp_per_kwh:g}/kWh"
        ),
    )


def _no_room(plan: Assignment, mine: JobOptions, table: PricedTable) -> str:
    span = slice(mine.first_start, mine.last_start + mine.slots)
    peak = float(mine.power_kw.max())
    hours = mine.job.duration.total_seconds() / 3600
    most, longest = 0.0, 0.0
    for row in mine.candidate_rows:
        room = plan.room_kw[row, span]
        most = max(most, float(room.max(initial=0.0)))
        longest = max(longest, longest_room_hours(room, peak))
    names = ", ".join(table.assets[row].asset_id for row in mine.candidate_rows)
    if most < peak - 1e-6:
        return (
            f"it needs {peak:g} kW and {names} has at most {most:g} kW free in any half-hour "
            "of its window"
        )
    return (
        f"it needs {peak:g} kW for {hours:g} h and {names} has that free for at most "
        f"{longest:g} h at a stretch in its window"
    )
