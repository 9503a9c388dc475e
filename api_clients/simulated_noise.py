"""Noise that is a pure function of (seed, channel, time): no state, no generator, same value whenever it is asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def uniform(seed: int, channel: IntArray | int, point: IntArray) -> FloatArray:
    """Return numbers in (0, 1) that look random, one per (channel, point). [1]

    Source: the splitmix64 finaliser (Steele, Lea and Flood, 2014).
    """
    with np.errstate(over="ignore"):
        mixed = np.asarray(channel, dtype=np.int64).astype(np.uint64) * _MIX_1
        mixed = mixed + np.asarray(point, dtype=np.int64).astype(np.uint64)
        mixed = mixed * _GOLDEN + np.uint64(seed & 0xFFFFFFFFFFFFFFFF) * _MIX_2 + _GOLDEN
        for _ in range(2):
            mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
            mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
            mixed = mixed ^ (mixed >> np.uint64(31))
    return np.asarray(((mixed >> np.uint64(11)).astype(np.float64) + 0.5) / float(1 << 53))


def normal(seed: int, channel: IntArray | int, point: IntArray) -> FloatArray:
    """Return roughly standard normal numbers (sum of four uniform ones, scaled to unit variance). [1]"""
    base = np.asarray(channel, dtype=np.int64) * 4
    total = sum(uniform(seed, base + k, point) for k in range(4))
    return np.asarray((total - 2.0) * np.sqrt(3.0))


def smooth(seed: int, channel: IntArray | int, slot: IntArray, period_slots: float) -> FloatArray:
    """Return noise of about unit variance that changes over `period_slots` half-hours. [1]

    Values at the points of a lattice are joined by weights whose squares add up to one, so that the variance is the
    same between the points as on them.
    """
    place = np.asarray(slot, dtype=np.float64) / period_slots
    left = np.floor(place)
    angle = (place - left) * (np.pi / 2.0)
    point = left.astype(np.int64)
    return np.asarray(
        normal(seed, channel, point) * np.cos(angle)
        + normal(seed, channel, point + 1) * np.sin(angle)
    )
