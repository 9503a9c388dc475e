"""Raise a proven bound: leave out options that no better plan can use, then price again.

Given a plan of cost U and prices that prove the bound B, an option whose reduced cost exceeds U − B is in no plan
cheaper than U. Staying unserved is such an option almost always; then the half-hours that every remaining option of a
job covers are surely taken, which blocks options of others that do not fit beside them. What the smaller fleet
proves holds for every plan cheaper than U, so that the least of it and U is a bound for all plans.
"""

from __future__ import annotations

import numpy as np

from models.optimise.fleet import Fleet, running_sums
from models.optimise.prices import Prices, find_prices
from models.optimise.table import FloatArray

MARGIN = 1e-9
"""Relative slack in comparing reduced costs with the gap, for rounding."""


def priced_gbp(fleet: Fleet, price_gbp: FloatArray) -> FloatArray:
    """Return what each option costs with the price of the room it takes, shape (options,). [GBP]

    In whole arrays, so that a small fleet need not wait for loops to be compiled.
    """
    price = np.ascontiguousarray(price_gbp).ravel()
    running, owner = running_sums(price), fleet.owner
    runs = fleet.cell >= 0
    begin = np.where(runs, fleet.cell, 0).astype(np.int64)
    length = np.where(runs, fleet.slots[owner], 0)
    priced = fleet.cost_gbp + fleet.power_kw[owner] * (running[begin + length] - running[begin])
    for j in np.flatnonzero(fleet.profile_ptr >= 0):
        at, n = fleet.profile_ptr[j], fleet.slots[j]
        mine = np.arange(fleet.ptr[j], fleet.ptr[j + 1])
        mine = mine[runs[mine]]
        if mine.size:
            weighed = np.convolve(price, fleet.profile_kw[at : at + n][::-1], mode="valid")
            priced[mine] = fleet.cost_gbp[mine] + weighed[fleet.cell[mine]]
    return priced


def worthwhile(fleet: Fleet, room_kw: FloatArray, price_gbp: FloatArray, plan_gbp: float) -> Fleet:
    """Return the fleet with only the options that a plan cheaper than `plan_gbp` might use.

    Args:
        fleet: Listed options.
        room_kw: Shape (assets, horizon). [kW]
        price_gbp: Prices of one kW over one half-hour, same shape; what they prove for this fleet is found here. [GBP]
        plan_gbp: Cost of a known plan. [GBP]
    """
    priced = priced_gbp(fleet, price_gbp)
    least = np.minimum.reduceat(priced, fleet.ptr[:-1])
    bound = float(least.sum()) - float((price_gbp * room_kw).sum())
    gap = max(0.0, plan_gbp - bound) + MARGIN * abs(plan_gbp)
    return fleet.keeping(priced - least[fleet.owner] <= gap)


def unblocked(fleet: Fleet, room_kw: FloatArray, is_served: bool) -> Fleet | None:
    """Return the fleet without the options that do not fit beside what other jobs surely take.

    Args:
        fleet: Listed options.
        room_kw: Shape (assets, horizon). [kW]
        is_served: Suppose that every job with any run left is served, although it might stay unserved. Good for a
            search, no proof for a bound.

    Returns:
        The smaller fleet; None if a job is left without options.
    """
    from models.optimise import kernels

    room = np.ascontiguousarray(room_kw).ravel()
    begin, end = np.empty((2, fleet.count), dtype=np.int64)
    current = fleet
    while True:
        kernels.compulsory_part(current.slots, current.ptr, current.cell, is_served, begin, end)
        keep = np.ones(current.cell.size, dtype=np.bool_)
        runs = (current.slots, current.power_kw, current.profile_ptr, current.ptr, current.cell)
        if not kernels.cut_blocked(*runs, room, begin, end, keep):
            return current
        if (np.add.reduceat(keep, current.ptr[:-1], dtype=np.int64) == 0).any():
            return None
        current = current.keeping(keep)


def tightened(
    fleet: Fleet, room_kw: FloatArray, prices: Prices, plan_gbp: float, rounds: int
) -> tuple[Prices, Fleet | None]:
    """Return prices whose bound is at least as high, and the options they are proven on (None: nothing is cheaper)."""
    left = worthwhile(fleet, room_kw, prices.price_gbp, plan_gbp)
    smaller = unblocked(left, room_kw, is_served=False)
    if smaller is None:
        return Prices(prices.price_gbp, plan_gbp, prices.history_gbp), None
    again = find_prices(smaller, room_kw, rounds, start_gbp=prices.price_gbp)
    bound = max(prices.bound_gbp, min(again.bound_gbp, plan_gbp))
    return Prices(again.price_gbp, bound, prices.history_gbp + again.history_gbp), smaller
