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


def reduced_costs_gbp(fleet: Fleet, price_gbp: FloatArray) -> FloatArray:
    """Return how much more each option costs at the prices than its job's cheapest, shape (options,). [GBP]"""
    from models.optimise import kernels

    price = np.ascontiguousarray(price_gbp).ravel()
    reduced = np.empty(fleet.cell.size)
    runs = (fleet.slots, fleet.power_kw, fleet.profile_ptr, fleet.profile_kw)
    options = (fleet.ptr, fleet.cell, fleet.cost_gbp)
    kernels.reduced_costs(*runs, *options, price, running_sums(price), reduced)
    return reduced


def worthwhile(fleet: Fleet, room_kw: FloatArray, prices: Prices, plan_gbp: float) -> Fleet | None:
    """Return the fleet with only the options that a plan cheaper than `plan_gbp` might use.

    Args:
        fleet: Listed options.
        room_kw: Shape (assets, horizon). [kW]
        prices: Prices with the bound they prove for this fleet.
        plan_gbp: Cost of a known plan. [GBP]

    Returns:
        The smaller fleet; None if a job is left without options, so that no plan is cheaper.
    """
    gap = plan_gbp - prices.bound_gbp + MARGIN * abs(plan_gbp)
    reduced = reduced_costs_gbp(fleet, prices.price_gbp)
    return unblocked(fleet.keeping(reduced <= gap), room_kw, is_served=False)


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
    smaller = worthwhile(fleet, room_kw, prices, plan_gbp)
    if smaller is None:
        return Prices(prices.price_gbp, plan_gbp, prices.history_gbp), None
    again = find_prices(smaller, room_kw, rounds, start_gbp=prices.price_gbp)
    bound = max(prices.bound_gbp, min(again.bound_gbp, plan_gbp))
    return Prices(again.price_gbp, bound, prices.history_gbp + again.history_gbp), smaller
