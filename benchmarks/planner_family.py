"""The instance family of the planner's bars: fleets of any size for which a plan is known to exist.

A day pair of half-hours, fourteen regions with power that differs by half-hour, jobs of 1 to 24 half-hours with 2 to 48
half-hours of slack, 1 to 14 allowed regions, lognormal power, three values of carbon and a one-off cost of leaving
home. Room is made from a planted plan: its load divided by the wanted use, nowhere less than half the mean of that, so
that every instance can be served in full.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from models.optimise.fleet import CompactFleet

REGIONS, HORIZON = 14, 96
VALUE_OF_CARBON_GBP_PER_KG = np.array([0.05, 0.2, 0.6])
TIGHT, LOOSE = 0.85, 0.28
UNSERVED_GBP_PER_KWH = 20.0


@dataclass(frozen=True)
class Instance:
    """A fleet, the room it shares, and the plan that shows it can be served."""

    fleet: CompactFleet
    room_kw: np.ndarray
    planted_asset: np.ndarray
    planted_start: np.ndarray


@numba.njit(cache=True)
def _plant(
    slots: np.ndarray,
    power: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    ptr: np.ndarray,
    asset: np.ndarray,
    seed: int,
    load: np.ndarray,
    where: np.ndarray,
    when: np.ndarray,
) -> None:
    """Place each job at the one of twelve random places whose fullest half-hour is emptiest."""
    np.random.seed(seed)
    for j in range(slots.size):
        best = np.inf
        for _ in range(12):
            a = asset[ptr[j] + np.random.randint(ptr[j + 1] - ptr[j])]
            s = first[j] + np.random.randint(last[j] - first[j] + 1)
            peak = load[a, s : s + slots[j]].max()
            if peak < best:
                best, where[j], when[j] = peak, a, s
        load[where[j], when[j] : when[j] + slots[j]] += power[j]


def _signals(rng: np.random.Generator) -> np.ndarray:
    """Return the cost of one kW over one half-hour, shape (classes, regions, half-hours). [GBP]"""
    hour = np.arange(HORIZON) % 48 / 2
    day = 1 + 0.25 * np.cos((hour - 18) / 12 * np.pi) - 0.3 * np.exp(-(((hour - 13) / 3) ** 2))
    drift = 6.25 * rng.standard_normal((REGIONS, HORIZON)).cumsum(axis=1)
    grams = np.clip(np.linspace(40, 230, REGIONS)[:, None] * day + drift, 5, 500)
    peaks = 0.06 * np.exp(-(((hour - 18) / 2.2) ** 2)) + 0.02 * np.exp(-(((hour - 8) / 2) ** 2))
    price = 0.08 + peaks + rng.normal(0, 0.004, HORIZON) + np.linspace(0, 0.01, REGIONS)[:, None]
    return 0.5 * (VALUE_OF_CARBON_GBP_PER_KG[:, None, None] * grams / 1000 + price)


def instance(jobs: int, use: float, seed: int) -> Instance:
    """Return one instance.

    Args:
        jobs: How many.
        use: Planted load over room.
        seed: Same seed, same instance.
    """
    rng = np.random.default_rng([seed, jobs])
    slots = np.minimum(1 + rng.geometric(0.13, jobs), 24).astype(np.int32)
    power = np.clip(np.rint(rng.lognormal(3.2, 0.9, jobs)), 1, 400)
    slack = rng.integers(2, 49, jobs)
    first = rng.integers(0, np.maximum(1, HORIZON - slots - slack + 1)).astype(np.int32)
    last = np.minimum(first + slack, HORIZON - slots).astype(np.int32)
    home = rng.integers(0, REGIONS, jobs)
    more = rng.choice(np.array([0, 2, 4, 13]), jobs, p=[0.35, 0.3, 0.25, 0.1])
    draw = rng.random((jobs, REGIONS), dtype=np.float32)
    draw[np.arange(jobs), home] = -1
    rank = np.empty((jobs, REGIONS), dtype=np.int8)
    np.put_along_axis(
        rank, np.argsort(draw, axis=1), np.arange(REGIONS, dtype=np.int8)[None], axis=1
    )
    owner, asset = np.nonzero(rank <= more[:, None])
    ptr = np.concatenate([[0], np.cumsum(more + 1)]).astype(np.int64)
    move = np.round(rng.gamma(2.0, 0.12, jobs), 4)
    density = _signals(rng)
    klass = rng.integers(0, 3, jobs).astype(np.int8)
    load = np.zeros((REGIONS, HORIZON))
    where, when = np.zeros(jobs, dtype=np.int16), np.zeros(jobs, dtype=np.int32)
    _plant(slots, power, first, last, ptr, asset.astype(np.int16), seed, load, where, when)
    fleet = CompactFleet(
        slots=slots,
        power_kw=power,
        first=first,
        last=last,
        ptr=ptr,
        asset=asset.astype(np.int16),
        extra_gbp=np.where(asset == home[owner], 0.0, move[owner]),
        klass=klass,
        unserved_gbp=UNSERVED_GBP_PER_KWH * 0.5 * power * slots,
        density_gbp=density,
    )
    return Instance(fleet, np.maximum(load / use, 0.5 * load.mean() / use), where, when)


def verified_cost_gbp(made: Instance, asset: np.ndarray, start: np.ndarray) -> float:
    """Check a plan against the instance alone, job by job, and return its cost. [GBP]

    Shares nothing with the planner but the instance: windows, places and power are looked up again, costs are sums
    over half-hours and not differences of running sums.

    Args:
        made: The instance.
        asset: Asset row per job, -1 where unserved.
        start: First half-hour per job.

    Raises:
        AssertionError: If any rule is broken.
    """
    fleet = made.fleet
    load = np.zeros_like(made.room_kw)
    total = 0.0
    for j in range(fleet.count):
        if asset[j] < 0:
            total += float(fleet.unserved_gbp[j])
            continue
        a, s, n = int(asset[j]), int(start[j]), int(fleet.slots[j])
        assert fleet.first[j] <= s <= fleet.last[j], f"job {j} starts outside its window"
        places = fleet.asset[fleet.ptr[j] : fleet.ptr[j + 1]]
        hit = np.flatnonzero(places == a)
        assert hit.size == 1, f"job {j} runs where it may not"
        load[a, s : s + n] += fleet.power_kw[j]
        total += float(fleet.extra_gbp[fleet.ptr[j] + hit[0]])
        total += float(fleet.power_kw[j] * fleet.density_gbp[fleet.klass[j], a, s : s + n].sum())
    assert (load <= made.room_kw + 1e-6).all(), f"over by {(load - made.room_kw).max()} kW"
    return total
