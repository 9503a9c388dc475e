"""What would make an unserved job fit: the smallest change of one field, each checked in the room that is left.

A relaxation counts only if the changed job is placed, beside an otherwise unchanged plan, without breaking
anything. Fields: deadline, caps, power, regions, and letting a fixed job wait.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from models.domain.asset import Asset
from models.domain.job import Flexibility, Job
from models.domain.regions import REGIONS, admits
from models.domain.time import SLOT, ceil_slot
from models.optimise.assignment import Options
from models.optimise.choices import options_of
from models.optimise.flexible import bends_in_shape
from models.optimise.options import Closed, JobOptions, Weights, build_options
from models.optimise.table import BoolArray, FloatArray, PricedTable, fits
from models.optimise.terms import NONE_FITS

POWER_STEP_KW = 0.1
"""Offered power is rounded down to this. [kW]"""

PROFILE_STEP_KW = 0.001
"""Values of an offered profile are rounded down to this, so that its shape stays. [kW]"""

CARBON_STEP_G = 0.1
"""Offered carbon caps are rounded up to this. [g/kWh]"""

PRICE_STEP_GBP = 0.0001
"""Offered price caps are rounded up to this. [GBP/kWh]"""


@dataclass(frozen=True, slots=True)
class Relaxed:
    """A change that was checked to work.

    Attributes:
        field: REST name of the job's field.
        value: Its new value.
        options: The changed job's options.
        pick: The option it would take.
        change: Relative size of the change, for ordering.
    """

    field: str
    value: Any
    options: Options
    pick: int
    change: float


def relaxations(
    job: Job,
    table: PricedTable,
    weights: Weights,
    room_kw: FloatArray,
    latest: datetime,
    release: datetime | None = None,
) -> list[Relaxed]:
    """Return every single-field change that makes an unserved job fit, smallest first.

    Args:
        job: The unserved job.
        table: Priced half-hours; deadlines are searched up to its end.
        weights: The objective.
        room_kw: Room left by the plan, shape (assets, slots). [kW]
        latest: Latest deadline that may be offered.
        release: Earliest start where predecessors move it later; None: the job's own.

    Returns:
        Checked changes; empty when no single field helps.
    """
    search = _Search(job, table, weights, room_kw, latest, release)
    finders: tuple[Callable[[_Search], Relaxed | None], ...] = (
        (_bent_deadline, _bent_carbon_cap, _bent_price_cap, _bent_power, _regions)
        if bends_in_shape(job, _own(search))
        else (_deadline, _carbon_cap, _price_cap, _power, _regions, _waiting)
    )
    found = [answer for finder in finders if (answer := finder(search)) is not None]
    return sorted(found, key=lambda answer: (answer.change, answer.field))


@dataclass(frozen=True)
class _Search:
    job: Job
    table: PricedTable
    weights: Weights
    room_kw: FloatArray
    latest: datetime
    release: datetime | None

    def options(self, **changes: Any) -> JobOptions:
        changed = replace(self.job, **changes)
        return build_options(changed, self.table, self.weights, release=self.release)

    def fitting(self, options: JobOptions) -> BoolArray:
        """Return which options fit the room that is left, whether open or not."""
        mask = np.zeros(options.count, dtype=np.bool_)
        if not options.count:
            return mask
        for row in options.candidate_rows:
            here = options.asset_row == row
            span = slice(options.first_start, options.last_start + options.slots)
            mask[here] = fits(self.room_kw[row, span], options.power_kw)
        return mask

    def checked(self, field: str, value: Any, change: float, **changes: Any) -> Relaxed | None:
        """Return the change if the changed job is placed beside the unchanged plan."""
        changed = replace(self.job, **changes)
        options = options_of(changed, self.table, self.weights, release=self.release)
        pick = options.best_in(self.room_kw)
        return None if pick == NONE_FITS else Relaxed(field, value, options, pick, change)

    def least(
        self,
        steps: int,
        value_of: Callable[[int], Any],
        name: str,
        change_of: Callable[[Any], float],
        rest: str,
    ) -> Relaxed | None:
        """Return the smallest of some ascending values of one field that works, found by halving.

        Args:
            steps: How many values there are; a later one works wherever an earlier one does.
            value_of: The value of a step.
            name: The job's field.
            change_of: How large a change a value is.
            rest: REST name of the field.
        """

        def tried(step: int) -> Relaxed | None:
            value = value_of(step)
            return self.checked(rest, value, change_of(value), **{name: value})

        low, high = 0, steps - 1
        found = tried(high) if steps > 0 else None
        while found is not None and low < high:
            middle = (low + high) // 2
            answer = tried(middle)
            if answer is None:
                low = middle + 1
            else:
                found, high = answer, middle
        return found


def _deadline(search: _Search) -> Relaxed | None:
    job = search.job
    longer = search.options(latest_finish=search.latest)
    usable = search.fitting(longer) & (longer.closed == Closed.OPEN)
    if not usable.any():
        return None
    start = int(longer.start[usable].min())
    finish = search.table.horizon.start_of(start) + job.duration
    if finish <= job.latest_finish:
        return None
    window = max(job.latest_finish - job.release, SLOT)
    change = (finish - job.latest_finish) / window
    return search.checked("latest_finish", finish, change, latest_finish=finish)


def _carbon_cap(search: _Search) -> Relaxed | None:
    job = search.job
    if job.carbon_cap_g_per_kwh is None:
        return None
    free = search.options(carbon_cap_g_per_kwh=None)
    usable = search.fitting(free) & (free.closed == Closed.OPEN) & ~np.isnan(free.carbon_kg)
    if not usable.any():
        return None
    mean_g = free.mean_carbon_g_per_kwh[usable]
    value = _ceil_to(float(mean_g.min()), CARBON_STEP_G)
    if value <= job.carbon_cap_g_per_kwh:
        return None
    change = (value - job.carbon_cap_g_per_kwh) / max(job.carbon_cap_g_per_kwh, 1.0)
    return search.checked("carbon_cap_g_per_kwh", value, change, carbon_cap_g_per_kwh=value)


def _price_cap(search: _Search) -> Relaxed | None:
    job = search.job
    if job.max_price_gbp_per_kwh is None:
        return None
    free = search.options(max_price_gbp_per_kwh=None)
    usable = search.fitting(free) & (free.closed == Closed.OPEN) & ~np.isnan(free.cost_gbp)
    if not usable.any():
        return None
    mean_gbp = free.mean_price_gbp_per_kwh[usable]
    value = _ceil_to(float(mean_gbp.min()), PRICE_STEP_GBP)
    if value <= job.max_price_gbp_per_kwh:
        return None
    change = (value - job.max_price_gbp_per_kwh) / max(abs(job.max_price_gbp_per_kwh), 0.01)
    return search.checked("max_price_per_kwh", value, change, max_price_gbp_per_kwh=value)


def _power(search: _Search) -> Relaxed | None:
    """Offer the most power that fits in one of the job's own windows (same duration, less work)."""
    job = search.job
    if job.power_profile_kw:
        return _profile(search)
    lighter = search.options(power_kw=POWER_STEP_KW)
    if not lighter.count:
        return None
    best = 0.0
    for row in lighter.candidate_rows:
        here = (lighter.asset_row == row) & (lighter.closed == Closed.OPEN)
        span = slice(lighter.first_start, lighter.last_start + lighter.slots)
        windows = np.lib.stride_tricks.sliding_window_view(
            search.room_kw[row, span], lighter.slots
        ).min(axis=1)
        usable = windows[here[lighter.asset_row == row]]
        best = max(best, float(usable.max(initial=0.0)))
    value = math.floor((best + 1e-9) / POWER_STEP_KW) * POWER_STEP_KW
    value = round(value, 3)
    if value < max(POWER_STEP_KW, job.min_power_kw or 0.0) or value >= job.power_kw:
        return None
    change = (job.power_kw - value) / job.power_kw
    return search.checked("estimated_power_kw", value, change, power_kw=value)


def _profile(search: _Search) -> Relaxed | None:
    """Offer the most power that fits in one of the job's own windows, its profile scaled down in all half-hours."""
    job = search.job
    profile = np.asarray(job.power_profile_kw)
    draws = profile > 0.0
    least = POWER_STEP_KW / float(profile.max())
    lighter = search.options(power_profile_kw=tuple(profile * least), power_kw=job.power_kw * least)
    best = 0.0
    for row in lighter.candidate_rows if lighter.count else ():
        here = (lighter.asset_row == row) & (lighter.closed == Closed.OPEN)
        span = slice(lighter.first_start, lighter.last_start + lighter.slots)
        room = np.lib.stride_tricks.sliding_window_view(search.room_kw[row, span], lighter.slots)
        shares = (room[:, draws] / profile[draws]).min(axis=1)
        best = max(best, float(shares[here[lighter.asset_row == row]].max(initial=0.0)))
    if not least <= best < 1.0:
        return None
    scaled = [math.floor(kw * best / PROFILE_STEP_KW + 1e-9) * PROFILE_STEP_KW for kw in profile]
    value = [round(kw, 6) for kw in scaled]
    return search.checked(
        "power_profile_kw",
        value,
        1.0 - best,
        power_profile_kw=tuple(value),
        power_kw=sum(value) / len(value),
    )


def _regions(search: _Search) -> Relaxed | None:
    """Offer one more region in which the owner has an asset of the same type: the cheapest, else the smallest."""
    job, own = search.job, _own(search)
    if own is None or job.pinned_asset_id is not None:
        return None
    found = []
    for asset in search.table.assets:
        same = asset.owner == job.owner and asset.asset_type == own.asset_type
        if not same or admits(job.allowed_regions, asset.region):
            continue
        allowed = (*job.allowed_regions, asset.region)
        answer = search.checked("allowed_regions", list(allowed), 1.0, allowed_regions=allowed)
        if answer is not None:
            worth = round(answer.options.objective_of(answer.pick), 9)
            found.append((worth, len(REGIONS[asset.region].members), asset.asset_id, answer))
    return min(found, key=lambda entry: entry[:3])[3] if found else None


def _waiting(search: _Search) -> Relaxed | None:
    """Offer to let a fixed job wait."""
    if search.job.flexibility is not Flexibility.FIXED:
        return None
    return search.checked(
        "flexibility_type", str(Flexibility.DEFERRABLE), 0.5, flexibility=Flexibility.DEFERRABLE
    )


def _bent_deadline(search: _Search) -> Relaxed | None:
    """Offer the earliest deadline on a half-hour at which the job fits."""
    job = search.job
    first = ceil_slot(job.latest_finish + timedelta(microseconds=1))
    window = max(job.latest_finish - job.release, SLOT)
    return search.least(
        max(0, (search.latest - first) // SLOT + 1),
        lambda step: first + step * SLOT,
        "latest_finish",
        lambda value: float((value - job.latest_finish) / window),
        "latest_finish",
    )


def _bent_carbon_cap(search: _Search) -> Relaxed | None:
    """Offer the lowest carbon cap at which the job fits."""
    cap = search.job.carbon_cap_g_per_kwh
    if cap is None:
        return None
    highest = float(np.nanmax(search.table.carbon_kg_per_kwh, initial=0.0)) * 1000.0
    begin = math.floor(cap / CARBON_STEP_G) + 1
    return search.least(
        max(0, math.ceil(highest / CARBON_STEP_G) - begin + 1),
        lambda step: round((begin + step) * CARBON_STEP_G, 6),
        "carbon_cap_g_per_kwh",
        lambda value: (value - cap) / max(cap, 1.0),
        "carbon_cap_g_per_kwh",
    )


def _bent_price_cap(search: _Search) -> Relaxed | None:
    """Offer the lowest price cap at which the job fits."""
    cap = search.job.max_price_gbp_per_kwh
    if cap is None:
        return None
    highest = float(np.nanmax(search.table.price_gbp_per_kwh, initial=cap))
    begin = math.floor(cap / PRICE_STEP_GBP) + 1
    return search.least(
        max(0, math.ceil(highest / PRICE_STEP_GBP) - begin + 1),
        lambda step: round((begin + step) * PRICE_STEP_GBP, 6),
        "max_price_gbp_per_kwh",
        lambda value: (value - cap) / max(abs(cap), 0.01),
        "max_price_per_kwh",
    )


def _bent_power(search: _Search) -> Relaxed | None:
    """Offer the most power at which the job fits (same duration, less work); not where it has levels of its own."""
    job = search.job
    if job.power_levels:
        return None
    least = max(POWER_STEP_KW, job.min_power_kw or 0.0)
    highest = math.ceil(job.power_kw / POWER_STEP_KW - 1e-9) - 1
    return search.least(
        max(0, highest - math.ceil(least / POWER_STEP_KW - 1e-9) + 1),
        lambda step: round((highest - step) * POWER_STEP_KW, 6),
        "power_kw",
        lambda value: (job.power_kw - value) / job.power_kw,
        "estimated_power_kw",
    )


def _own(search: _Search) -> Asset | None:
    row = search.table.index.get(search.job.asset_id)
    return None if row is None else search.table.assets[row]


def _ceil_to(value: float, step: float) -> float:
    """Return the value rounded up to a step, at least a hair above it."""
    return round(math.ceil((value - 1e-12) / step) * step, 6)


def longest_room_hours(room_kw: FloatArray, power_kw: float) -> float:
    """Return the longest stretch in which a power fits into one asset's room. [h]"""
    longest = run = 0
    for room in room_kw:
        run = run + 1 if room >= power_kw - 1e-6 else 0
        longest = max(longest, run)
    return longest * (SLOT / timedelta(hours=1))
