"""Fleets small enough to try every plan, for tests of the fleet planner."""

from __future__ import annotations

import itertools

import numpy as np

from models.optimise.fleet import UNSERVED_CELL, CompactFleet, Fleet

ASSETS, HORIZON = 2, 7


def a_compact_fleet(jobs: int, seed: int, unserved_gbp: float = 30.0) -> CompactFleet:
    """Return a fleet of whole kilowatts on two assets over seven half-hours, two cost classes."""
    rng = np.random.default_rng(seed)
    slots = rng.integers(1, 4, jobs).astype(np.int32)
    first = rng.integers(0, 3, jobs).astype(np.int32)
    last = np.minimum(first + rng.integers(0, 4, jobs), HORIZON - slots).astype(np.int32)
    places = rng.integers(1, ASSETS + 1, jobs)
    ptr = np.concatenate([[0], np.cumsum(places)]).astype(np.int64)
    asset = np.concatenate([rng.permutation(ASSETS)[:n] for n in places]).astype(np.int16)
    return CompactFleet(
        slots=slots,
        power_kw=rng.integers(1, 6, jobs).astype(np.float64),
        first=first,
        last=last,
        ptr=ptr,
        asset=asset,
        extra_gbp=rng.integers(0, 3, asset.size) * 0.5,
        klass=rng.integers(0, 2, jobs).astype(np.int8),
        unserved_gbp=np.full(jobs, unserved_gbp),
        density_gbp=rng.integers(1, 10, (2, ASSETS, HORIZON)) / 10,
    )


def some_room(seed: int, low: int = 3, high: int = 9) -> np.ndarray:
    """Return whole kilowatts of room, shape (assets, half-hours)."""
    return np.random.default_rng(seed).integers(low, high, (ASSETS, HORIZON)).astype(np.float64)


def with_profiles(fleet: Fleet, seed: int) -> Fleet:
    """Return the fleet with every second job's power varying between half-hours, its peak in the first."""
    rng = np.random.default_rng(seed)
    starts, parts, at = np.full(fleet.count, -1, dtype=np.int64), [], 0
    for j in range(0, fleet.count, 2):
        parts.append(fleet.power_kw[j] * np.r_[1.0, rng.integers(0, 3, fleet.slots[j] - 1) / 2])
        starts[j], at = at, at + parts[-1].size
    return Fleet(
        **{**vars(fleet), "profile_ptr": starts, "profile_kw": np.concatenate(parts)},
    )


def power_of(fleet: Fleet, job: int) -> np.ndarray:
    """Return the power of each half-hour of a job's run. [kW]"""
    n, at = int(fleet.slots[job]), int(fleet.profile_ptr[job])
    return np.full(n, fleet.power_kw[job]) if at < 0 else fleet.profile_kw[at : at + n]


def keeps_room(fleet: Fleet, room_kw: np.ndarray, choice: tuple[int, ...] | np.ndarray) -> bool:
    """Return whether a plan keeps the room, run by run."""
    left = room_kw.ravel().copy()
    for job, option in enumerate(choice):
        cell = int(fleet.cell[option])
        if cell != UNSERVED_CELL:
            left[cell : cell + int(fleet.slots[job])] -= power_of(fleet, job)
    return bool((left >= -1e-6).all())


def least_cost_gbp(fleet: Fleet, room_kw: np.ndarray) -> float:
    """Return the least cost of any plan, by trying all. [GBP]"""
    spans = [range(fleet.ptr[j], fleet.ptr[j + 1]) for j in range(fleet.count)]
    return min(
        float(fleet.cost_gbp[list(choice)].sum())
        for choice in itertools.product(*spans)
        if keeps_room(fleet, room_kw, choice)
    )
