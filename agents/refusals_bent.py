"""Why a job that bends in shape (chunks, power levels) cannot be served, by which rule and number."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np

from agents.wording import significant, when
from models.domain.job import Flexibility, Job
from models.optimise.assignment import Assignment
from models.optimise.levels import levels_of, work_of
from models.optimise.pattern import FINISH_TOLERANCE, Pattern
from models.optimise.pattern_options import PatternOptions
from models.optimise.table import TOLERANCE_KW, FloatArray, PricedTable
from models.optimise.terms import NONE_FITS

NO_CAPS: dict[str, Any] = {"carbon_cap_g_per_kwh": None, "max_price_gbp_per_kwh": None}


def bent_rule(
    plan: Assignment, k: int, mine: PatternOptions, table: PricedTable
) -> tuple[str, str]:
    """Return the rule that closes a job and one sentence with its number.

    Args:
        plan: The plan that does not serve it.
        k: Its position.
        mine: Its options.
        table: What they were priced on.
    """
    job = mine.job
    if _run(mine, np.full_like(table.room_kw, job.power_kw), NO_CAPS) is None:
        return "deadline", _too_late(mine, table)
    if _run(mine, table.room_kw, NO_CAPS) is None:
        return "power", _too_weak(mine, table)
    if mine.count == 0:
        return _capped(mine, table)
    earliest = plan.neighbours(k)[0] or 0
    if plan.links.before[k] and mine.best_in(table.room_kw, earliest) == NONE_FITS:
        names = ", ".join(plan.options[p].job.job_id for p in plan.links.before[k])
        return "predecessor", (
            f"it waits for {names} until {when(table.horizon.start_of(earliest))}, too late to "
            f"finish by {when(job.latest_finish)}"
        )
    return "power", _no_room(plan, mine, earliest, table)


def _run(mine: PatternOptions, room_kw: FloatArray, changes: dict[str, Any]) -> Pattern | None:
    """Return some run of the changed job in some room, or None."""
    changed = replace(mine, job=replace(mine.job, **changes), held=None)
    return changed.cheapest(room_kw)


def _too_late(mine: PatternOptions, table: PricedTable) -> str:
    job = mine.job
    hours = significant(job.duration / timedelta(hours=1))
    first = table.horizon.start_of(max(mine.first_start, 0))
    if job.flexibility is Flexibility.ELASTIC:
        return (
            f"{hours} h of work at full power cannot be done between {when(first)} and "
            f"{when(job.latest_finish)}"
        )
    return (
        f"{hours} h of running in chunks of at least {significant(job.min_run_slots / 2)} h cannot start "
        f"before {when(first)} and so cannot finish by {when(job.latest_finish)}"
    )


def _too_weak(mine: PatternOptions, table: PricedTable) -> str:
    """Say what its clusters offer without the other jobs of this plan."""
    job = mine.job
    span = _window(mine, mine.first_start)
    most = max(float(table.room_kw[row, span].max(initial=0.0)) for row in mine.candidate_rows)
    names = ", ".join(table.assets[row].asset_id for row in mine.candidate_rows)
    if job.flexibility is Flexibility.ELASTIC:
        return (
            f"its work of {significant(work_of(job) / 2)} h at {job.power_kw:g} kW does not fit under the at most "
            f"{most:g} kW that {names} has in its window before other jobs are planned"
        )
    return (
        f"it needs {job.power_kw:g} kW and {names} has at most {most:g} kW in its window before other jobs are "
        "planned, or not for long enough"
    )


def _capped(mine: PatternOptions, table: PricedTable) -> tuple[str, str]:
    """Return the cap under which no run was found; with mean caps one may be missed, see `flexible.cheapest`."""
    job = mine.job
    cap_g, cap_gbp = job.carbon_cap_g_per_kwh, job.max_price_gbp_per_kwh
    without_g = _run(mine, table.room_kw, {"carbon_cap_g_per_kwh": None}) is not None
    without_gbp = _run(mine, table.room_kw, {"max_price_gbp_per_kwh": None}) is not None
    if cap_g is not None and without_g and not without_gbp:
        return (
            "carbon_cap",
            f"no run of it was found that averages {cap_g:g} g/kWh or less, which is its cap",
        )
    if cap_gbp is not None and without_gbp and not without_g:
        return (
            "max_price",
            f"no run of it was found that averages £{cap_gbp:g}/kWh or less, which is its cap",
        )
    if cap_g is not None and cap_gbp is None:
        return (
            "carbon_cap",
            f"no run of it was found that averages {cap_g:g} g/kWh or less, which is its cap",
        )
    both = f"the carbon cap of {cap_g or 0:g} g/kWh and the price cap of £{cap_gbp or 0:g}/kWh"
    return "max_price", f"no run of it was found that keeps both {both}"


def _no_room(plan: Assignment, mine: PatternOptions, earliest: int, table: PricedTable) -> str:
    """Say how many half-hours of its window are left for it, and how many it needs."""
    job = mine.job
    span = _window(mine, max(mine.first_start, earliest))
    least = _least_power_kw(job)
    free = max(
        int((plan.room_kw[row, span] >= least - TOLERANCE_KW).sum()) for row in mine.candidate_rows
    )
    names = ", ".join(table.assets[row].asset_id for row in mine.candidate_rows)
    if job.flexibility is Flexibility.ELASTIC:
        return (
            f"its work of {significant(work_of(job) / 2)} h at {job.power_kw:g} kW does not fit beside the other "
            f"jobs: {names} has at least {least:g} kW free in {free} half-hours of its window"
        )
    return (
        f"it needs {job.power_kw:g} kW in {job.slots} half-hours or more, in chunks of at least "
        f"{job.min_run_slots}, and {names} has that free in {free} half-hours of its window"
    )


def _window(mine: PatternOptions, first: int) -> slice:
    """Return the half-hours from one on to the deadline, the one that it ends inside included."""
    return slice(first, max(first, math.ceil(mine.end - FINISH_TOLERANCE)))


def _least_power_kw(job: Job) -> float:
    """Return the least power at which the job can work. [kW]"""
    if job.flexibility is not Flexibility.ELASTIC:
        return job.power_kw
    levels = levels_of(job)
    if levels.is_linear:
        return job.min_power_kw or 0.0
    return float(min(levels.power_kw[levels.power_kw > 0.0], default=job.power_kw))
