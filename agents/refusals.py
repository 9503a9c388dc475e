"""Why a job cannot be served, by which rule and number, and what was checked to help."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from agents.describe import CARBON_BUDGET
from agents.refusals_bent import bent_rule
from agents.wording import budget_text, significant, when
from models.domain.job import Flexibility, Job
from models.domain.plan import Refusal, Relaxation
from models.domain.time import Horizon, format_utc
from models.optimise.award import UNSERVED, Assignment
from models.optimise.budget import DaysLeft
from models.optimise.budget_refuse import least_breach
from models.optimise.limits import binding
from models.optimise.options import Closed, JobOptions, Weights
from models.optimise.pattern_options import PatternOptions
from models.optimise.relaxation import Relaxed, longest_room_hours, relaxations
from models.optimise.table import TOLERANCE_KW, PricedTable

OFFERED = 3
"""How many checked changes a refusal offers."""

SEARCHED_AHEAD = timedelta(days=14)
"""How far ahead of now a later deadline is looked for; the service plans no further."""

UNABLE = (Closed.POWER, Closed.TRANSFER)
"""What closes a window for want of power or data, whatever it costs."""

TRIED = {
    "latest_finish": "a later deadline",
    "carbon_cap_g_per_kwh": "a higher carbon cap",
    "max_price_per_kwh": "a higher price cap",
    "estimated_power_kw": "less power",
    "allowed_regions": "one more region",
    "flexibility_type": "letting it wait",
}


EFFORT = {Flexibility.INTERRUPTIBLE: 40, Flexibility.ELASTIC: 150}
"""What looking for changes takes, in milliseconds of CPU where this was measured; a plain window takes one."""

EFFORT_OF_CAPS = 4
"""By what caps multiply it where a run is found on demand."""

MOST_EFFORT = 20_000
"""Effort that one plan spends on changes for those it refuses."""

NOT_TRIED = (
    "; changes that would help were not looked for, because this plan refuses too many others"
)
"""End of the sentence of a refusal beyond that effort."""


def looked_after(plan: Assignment) -> frozenset[int]:
    """Return the unserved jobs for which changes are looked for: the weightiest, as far as the effort goes."""
    waiting = [k for k in range(len(plan.options)) if plan.choice[k] == UNSERVED]
    left, chosen = MOST_EFFORT, []
    for k in sorted(waiting, key=lambda each: (-plan.options[each].unserved_gbp, each)):
        effort = _effort(plan.options[k].job)
        if effort <= left:  # those that take little still get theirs
            left -= effort
            chosen.append(k)
    return frozenset(chosen)


def _effort(job: Job) -> int:
    effort = EFFORT.get(job.flexibility, 1)
    has_cap = job.carbon_cap_g_per_kwh is not None or job.max_price_gbp_per_kwh is not None
    return effort * EFFORT_OF_CAPS if has_cap and effort > 1 else effort


def refuse(
    plan: Assignment,
    k: int,
    table: PricedTable,
    weights: Weights,
    *,
    left: DaysLeft | None = None,
    looks_for_changes: bool = True,
) -> Refusal:
    """Return the refusal of an unserved job, with changes that were planned to check them.

    Args:
        plan: The plan.
        k: The job's position.
        table: What options were priced on.
        weights: The objective.
        left: What the plan leaves of carbon budgets: no change is offered that would break one.
        looks_for_changes: False: only the reason, for jobs beyond the effort of `looked_after`.
    """
    mine = plan.options[k]
    rule, detail = _rule(plan, k, table)
    if not looks_for_changes:
        detail += NOT_TRIED
    if rule == "predecessor" or not looks_for_changes:
        return Refusal(mine.job.job_id, rule, detail, None, options_considered=mine.count)
    # One half-hour less than planned ahead: the offer must still be taken when it is sent.
    now = table.horizon.start_of(table.first_open - 1)
    latest = min(table.horizon.end, now + SEARCHED_AHEAD)
    earliest = plan.neighbours(k)[0]
    release = max(mine.job.release, table.horizon.start_of(max(earliest or 0, mine.first_start)))
    found = relaxations(mine.job, table, weights, plan.room_kw, latest, release)
    if left is not None:
        found = [each for each in found if left.admits(each.options, each.pick, table)]
    offered = tuple(_offer(answer, table) for answer in found[:OFFERED])
    return Refusal(
        job_id=mine.job.job_id,
        rule=rule,
        detail=detail,
        smallest_relaxation=offered[0] if offered else None,
        relaxations=offered,
        options_considered=mine.count,
        tried=tuple(TRIED.values()),
    )


def over_budget(plan: Assignment, k: int, table: PricedTable, left: DaysLeft) -> Refusal | None:
    """Return the refusal of an unserved job for the carbon budget of a day; None where that is not what keeps it out."""
    mine = plan.options[k]
    found = least_breach(plan, k, table, left.days, left.left_kg)
    if found is None or found[1] <= left.slack_kg:
        return None
    day, over_kg = found
    told = budget_text(left.days.dates[day], left.limit_kg + over_kg, left.limit_kg)
    return Refusal(
        job_id=mine.job.job_id,
        rule=CARBON_BUDGET,
        detail=f"no window with the power it needs keeps the carbon budget: at the least {told}",
        smallest_relaxation=None,
        options_considered=mine.count,
        tried=("every window with the power it needs, in the plan as it stands",),
    )


def _offer(answer: Relaxed, table: PricedTable) -> Relaxation:
    mine, pick = answer.options, answer.pick
    cost, carbon = mine.cost_of(pick), mine.carbon_of(pick)
    hold = mine.hold(pick)
    value = format_utc(answer.value) if answer.field == "latest_finish" else answer.value
    return Relaxation(
        field=answer.field,
        value=value,
        start=table.horizon.start_of(hold.start),
        asset_id=table.assets[hold.row].asset_id,
        cost_gbp=None if np.isnan(cost) else cost,
        carbon_kg=None if np.isnan(carbon) else carbon,
    )


def _rule(plan: Assignment, k: int, table: PricedTable) -> tuple[str, str]:
    """Return the rule that closes a job and one sentence with its number."""
    mine = plan.options[k]
    job = mine.job
    missing = [p for p in plan.links.before[k] if plan.choice[p] == UNSERVED]
    if missing:
        names = [plan.options[p].job.job_id for p in missing]
        return "predecessor", f"it waits for {', '.join(names)}, which this plan does not serve"
    if job.asset_id not in table.index:
        return "asset", f"cluster {job.asset_id} no longer exists"
    if not mine.candidate_rows:
        allowed = ", ".join(job.allowed_regions)
        return "region", f"no cluster of this owner and type is in an allowed region ({allowed})"
    if isinstance(mine, PatternOptions):
        return bent_rule(plan, k, mine, table)
    if mine.count == 0:
        return _too_late(job, mine, table.horizon)
    closed = mine.closed
    if np.isin(closed, UNABLE).all():
        return _unable(mine, table)
    if np.all(closed != Closed.OPEN):
        return _capped(mine, job)
    waits = _out_of_time(plan, k, table.horizon)
    return ("predecessor", waits) if waits else ("power", _no_room(plan, k, table))


def _unable(mine: JobOptions, table: PricedTable) -> tuple[str, str]:
    """Return why none of its clusters has the power, or the job's data, in any window."""
    peak = float(mine.power_kw.max())
    assets = [table.assets[row] for row in mine.candidate_rows]
    if (mine.closed == Closed.TRANSFER).any():
        late = (
            f"its {mine.job.data_gb:g} GB of data would reach {', '.join(a.asset_id for a in assets)} "
            f"too late to finish by {when(mine.job.latest_finish)}"
        )
        if (mine.closed == Closed.TRANSFER).all():
            return "transfer", late
        return "transfer", f"where {peak:g} kW can be had, {late}"
    most = max(asset.room_kw for asset in assets)
    if peak > most + TOLERANCE_KW:
        return "power", f"it needs {peak:g} kW and its clusters offer {most:g} kW"
    span = slice(mine.first_start, mine.last_start + mine.slots)
    least = min(float(table.limit_kw[row, span].min()) for row in mine.candidate_rows)
    slots = np.arange(span.start, span.stop, dtype=np.int64)
    limits = (one for asset in assets for one in binding(asset, table.horizon, slots, peak))
    reasons = sorted({one.reason for one in limits if one.reason})
    why = f" ({', '.join(reasons)})" if reasons else ""
    return (
        "power",
        f"it needs {peak:g} kW, and in every window a limit of power{why} leaves less, down to {least:g} kW",
    )


def _out_of_time(plan: Assignment, k: int, horizon: Horizon) -> str | None:
    """Return a sentence where the jobs it waits for end too late for every one of its windows; else None."""
    earliest = plan.neighbours(k)[0] or 0
    mine = plan.options[k]
    if not plan.links.before[k] or (mine.start[mine.closed == Closed.OPEN] >= earliest).any():
        return None
    names = ", ".join(plan.options[p].job.job_id for p in plan.links.before[k])
    return (
        f"it waits for {names} until {when(horizon.start_of(earliest))}, too late to finish by "
        f"{when(mine.job.latest_finish)}"
    )


def _too_late(job: Job, mine: JobOptions, horizon: Horizon) -> tuple[str, str]:
    hours = significant(job.duration / timedelta(hours=1))
    first = horizon.start_of(max(mine.first_start, 0))
    if job.pinned_start is not None:
        return "pinned", f"the pinned start {when(job.pinned_start)} is no longer possible"
    return (
        "deadline",
        (
            f"a run of {hours} h cannot start before {when(first)} and so cannot finish by "
            f"{when(job.latest_finish)}"
        ),
    )


def _capped(mine: JobOptions, job: Job) -> tuple[str, str]:
    """Return which cap closes every window its clusters have power for, with the nearest value."""
    can_run = ~np.isin(mine.closed, UNABLE)
    mean_g = mine.mean_carbon_g_per_kwh[can_run]
    mean_gbp = mine.mean_price_gbp_per_kwh[can_run]
    cap_g, cap_gbp = job.carbon_cap_g_per_kwh, job.max_price_gbp_per_kwh
    cleanest = (
        "" if cap_g is None else f"the cleanest window averages {np.nanmin(mean_g):.1f} g/kWh"
    )
    if cap_g is not None and (mine.closed[can_run] == Closed.CARBON_CAP).all():
        return "carbon_cap", f"{cleanest} and the cap is {cap_g:g} g/kWh"
    assert cap_gbp is not None, "what no carbon cap closes, a price cap does"
    cheapest = f"the cheapest window averages £{np.nanmin(mean_gbp):.4f}/kWh"
    if cap_g is None or (mean_gbp > cap_gbp).all():
        return "max_price", f"{cheapest} and the cap is £{cap_gbp:g}/kWh"
    both = f"both the carbon cap of {cap_g:g} g/kWh and the price cap of £{cap_gbp:g}/kWh"
    return "max_price", f"no window keeps {both}: {cleanest}, {cheapest}, but never one both"


def _no_room(plan: Assignment, k: int, table: PricedTable) -> str:
    """Return how much power is free in a job's window, once the jobs it waits for have ended."""
    mine = plan.options[k]
    first = max(mine.first_start, plan.neighbours(k)[0] or 0)
    span = slice(first, mine.last_start + mine.slots)
    peak = float(mine.power_kw.max())
    hours = significant(mine.job.duration / timedelta(hours=1))
    most, longest = 0.0, 0.0
    for row in mine.candidate_rows:
        room = plan.room_kw[row, span]
        most = max(most, float(room.max(initial=0.0)))
        longest = max(longest, longest_room_hours(room, peak))
    names = ", ".join(table.assets[row].asset_id for row in mine.candidate_rows)
    if most < peak - TOLERANCE_KW:
        return (
            f"it needs {peak:g} kW and {names} has at most {most:g} kW free in any half-hour "
            "of its window"
        )
    if mine.job.power_profile_kw:
        return f"its power profile of up to {peak:g} kW over {hours} h fits nowhere on {names} in its window"
    return (
        f"it needs {peak:g} kW for {hours} h and {names} has that free for at most "
        f"{longest:g} h at a stretch in its window"
    )
