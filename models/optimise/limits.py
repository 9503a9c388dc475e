"""The power of a cluster over a horizon, half-hour by half-hour, as its limits leave it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.domain.asset import Asset
from models.domain.power_limit import WEEK, PowerLimit, minutes_of
from models.domain.signal import FloatArray, IntArray
from models.domain.time import LONDON, SLOT, SLOT_MINUTES, Horizon

BoolArray = NDArray[np.bool_]

TOLERANCE_KW = 1e-6
"""Slack in a comparison of powers, for rounding. [kW]"""


def limited_room_kw(asset: Asset, horizon: Horizon) -> FloatArray:
    """Return the IT power left for jobs in each half-hour, shape (slots,). [kW]

    Written apart from `Asset.room_at`, which says the same of one half-hour and by which plans are checked.
    """
    power = np.full(horizon.slots, asset.max_power_kw, dtype=np.float64)
    for one in asset.power_limits:
        power = np.where(covered(one, horizon), np.minimum(power, one.max_power_kw), power)
    answer: FloatArray = np.maximum(power - asset.base_load_kw, 0.0)
    return answer


def covered(one: PowerLimit, horizon: Horizon) -> BoolArray:
    """Return which half-hours a limit touches, shape (slots,)."""
    touched = np.ones(horizon.slots, dtype=np.bool_)
    if one.start is not None:
        touched[: max(0, horizon.index_of(one.start))] = False
    if one.end is not None:
        # The first half-hour that begins at or after the end is free again.
        touched[max(0, -((horizon.start - one.end) // SLOT)) :] = False
    if one.from_time is None or one.to_time is None:
        return touched
    minute, weekday = _london(horizon)
    named = np.array([not one.days or day in one.days for day in WEEK], dtype=np.bool_)
    opens, closes = minutes_of(one.from_time), minutes_of(one.to_time)
    after, before = minute + SLOT_MINUTES > opens, minute < closes
    if closes > opens:
        daily = named[weekday] & after & before
    else:
        daily = (named[weekday] & after) | (named[(weekday - 1) % len(WEEK)] & before)
    return touched & daily


def binding(asset: Asset, horizon: Horizon, slots: IntArray, needed_kw: float) -> list[PowerLimit]:
    """Return the limits of an asset that leave less than some power to jobs in one of some half-hours, as registered.

    Args:
        asset: The asset.
        horizon: What `slots` count in.
        slots: Half-hours, shape (n,).
        needed_kw: What a run needs. [kW]
    """
    return [
        one
        for one in asset.power_limits
        if one.max_power_kw - asset.base_load_kw < needed_kw - TOLERANCE_KW
        and bool(covered(one, horizon)[slots].any())
    ]


@lru_cache(maxsize=4)
def _london(horizon: Horizon) -> tuple[IntArray, IntArray]:
    """Return the London clock at the start of each half-hour: minutes after midnight, and day of the week."""
    local = [start.astimezone(LONDON) for start in horizon.starts()]
    return (
        np.array([at.hour * 60 + at.minute for at in local], dtype=np.int64),
        np.array([at.weekday() for at in local], dtype=np.int64),
    )
