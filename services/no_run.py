"""Why a job that may pause or change its power has no run from a start that somebody named."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.domain.asset import Asset
from models.domain.time import SLOT_HOURS
from models.optimise.levels import levels_of
from models.optimise.pattern import Pattern
from models.optimise.pattern_options import PatternOptions
from models.optimise.table import GRAMS_PER_KG
from services.asset_room import AssetRoom, limit_text
from services.windows import run_at

NO_CARBON_CAP: dict[str, Any] = {"carbon_cap_g_per_kwh": None}
NO_PRICE_CAP: dict[str, Any] = {"max_price_gbp_per_kwh": None}


@dataclass(frozen=True)
class Obstacle:
    """What closes a start: its verdict, the rest of a sentence, and the figures of it."""

    verdict: str
    rest: str
    numbers: dict[str, float] = field(default_factory=dict)


def obstacle(mine: PatternOptions, asset: Asset, start: int, room: AssetRoom) -> Obstacle:
    """Return what keeps every run of a job from a start, even if nobody else held power there.

    Args:
        mine: The job's options.
        asset: Where it would run.
        start: Slot, within the job's window.
        room: Limits of that asset.
    """
    row = mine.table.index[asset.asset_id]
    ready = mine.ready(row)
    if start < ready:
        return Obstacle(
            "transfer",
            "comes too early: the job's data cannot be there by then",
            {"wait_hours": (ready - mine.first_start) * SLOT_HOURS},
        )
    empty_kw = mine.table.limit_kw
    cap_g, cap_gbp = mine.job.carbon_cap_g_per_kwh, mine.job.max_price_gbp_per_kwh
    if cap_g is not None and (run := run_at(mine, row, start, empty_kw, NO_CARBON_CAP)) is not None:
        return _carbon_cap(run, cap_g)
    if (
        cap_gbp is not None
        and (run := run_at(mine, row, start, empty_kw, NO_PRICE_CAP)) is not None
    ):
        return _price_cap(run, cap_gbp)
    uncapped = NO_CARBON_CAP | NO_PRICE_CAP
    if cap_g is not None and cap_gbp is not None and run_at(mine, row, start, empty_kw, uncapped):
        both = {"carbon_cap_g_per_kwh": cap_g, "max_price_gbp_per_kwh": cap_gbp}
        return Obstacle(
            "max_price",
            f"is closed by the job's caps: no run that begins then was found to keep even one of {cap_g:g} g/kWh and £{cap_gbp:g}/kWh",
            both,
        )
    endless_kw = np.full_like(empty_kw, mine.job.power_kw)
    if run_at(mine, row, start, endless_kw, uncapped) is not None:
        return _too_small(mine, asset, start, room)
    return Obstacle(
        "no_run",
        "is not possible: no run that begins then does the job's work by its deadline",
    )


def _too_small(mine: PatternOptions, asset: Asset, start: int, room: AssetRoom) -> Obstacle:
    """Return that the cluster is too small, or the limit without which a run would begin then."""
    row = mine.table.index[asset.asset_id]
    plain_kw = np.full_like(mine.table.limit_kw, room.plain_kw)
    begins, horizon = mine.table.horizon.start_of(start), mine.table.horizon
    ends = horizon.start_of(math.ceil(mine.end))
    limits = [one for one in room.limits if one.start < ends and begins < one.end]
    least = _least_kw(mine)
    if limits and run_at(mine, row, start, plain_kw, NO_CARBON_CAP | NO_PRICE_CAP) is not None:
        limit = limits[0]
        told = limit_text(asset.asset_id, limit, max(begins, limit.start))
        rest = (
            f"is limited: {told}, and no run that begins then does the job's work in time with that"
        )
        power_kw = limit.power_kw
    else:
        power_kw = float(mine.table.limit_kw[row, start])
        rest = f"is too small: it offers {power_kw:g} kW to jobs, and no run that begins then does the job's work in time with that"
    numbers = {"limit_kw": power_kw}
    return Obstacle("power", rest, {"needed_kw": least, **numbers} if least > power_kw else numbers)


def _carbon_cap(run: Pattern, cap: float) -> Obstacle:
    mean = run.carbon_kg / (run.energy_kwh + run.transfer_kwh) * GRAMS_PER_KG
    rest = f"is closed by the job's carbon cap: no run that begins then was found to average {cap:g} g/kWh or less"
    if math.isnan(mean):
        return Obstacle("carbon_cap", rest, {"carbon_cap_g_per_kwh": cap})
    return Obstacle(
        "carbon_cap",
        f"{rest}; the best without it averages {mean:.1f} g/kWh",
        {"carbon_cap_g_per_kwh": cap, "mean_carbon_g_per_kwh": mean},
    )


def _price_cap(run: Pattern, cap: float) -> Obstacle:
    mean = run.cost_gbp / (run.energy_kwh + run.transfer_kwh)
    rest = f"is closed by the job's price cap: no run that begins then was found to average £{cap:g}/kWh or less"
    if math.isnan(mean):
        return Obstacle("max_price", rest, {"max_price_gbp_per_kwh": cap})
    return Obstacle(
        "max_price",
        f"{rest}; the best without it averages £{mean:.4f}/kWh",
        {"max_price_gbp_per_kwh": cap, "mean_price_gbp_per_kwh": mean},
    )


def _least_kw(mine: PatternOptions) -> float:
    """Return the least power at which the job can run. [kW]"""
    job = mine.job
    return levels_of(job).lowest_kw if job.power_levels or job.min_power_kw else job.power_kw
