"""Find prices of power under which jobs, each on its own, nearly share the room; they prove a lower bound.

For any prices λ >= 0, Σ over jobs of their cheapest option at cost + λ·power, less Σ λ·room, is below the cost of
every plan that keeps the room. The search (a deflected projected subgradient with Polyak steps towards a target a
little above the best bound) only decides how close below.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from models.optimise.fleet import CompactFleet, Fleet, price_per_kwh, running_sums
from models.optimise.table import TOLERANCE_KW, FloatArray, IntArray

THREADS = 2
"""Workers of one planning run; the answer does not depend on it."""

PIECE = 8192
"""Jobs priced as one piece; pieces are summed in order, so that sums do not depend on threads."""

SHARE_NEW = 0.6
"""Weight of the newest excess load in the direction; the rest is the direction before."""

TARGET = 0.05
"""How far above the best bound the step aims, as a share of it."""

PATIENCE = 10
"""Rounds without gain after which the step shrinks and the search goes back to the best prices."""

SHRINK = 0.7
"""Factor on the step then."""

SMALLEST_STEP = 1e-5
"""Step factor at which the search ends."""

NOTICED = 3e-6
"""Relative gain of the bound that counts as gain."""


@dataclass(frozen=True)
class Prices:
    """Prices of power and the bound they prove.

    Attributes:
        price_gbp: Of one kW over one half-hour, shape (assets, horizon), >= 0. [GBP]
        bound_gbp: No plan costs less. [GBP]
        history_gbp: The value of each round, for the record. [GBP]
    """

    price_gbp: FloatArray
    bound_gbp: float
    history_gbp: tuple[float, ...]

    @property
    def power_gbp_per_kwh(self) -> FloatArray:
        """Return the prices as posted in a negotiation. [GBP/kWh]"""
        return price_per_kwh(self.price_gbp)

    @property
    def rounds(self) -> int:
        """Return how many rounds were held."""
        return len(self.history_gbp)


Quote = Callable[[FloatArray], tuple[float, FloatArray]]
"""Answers prices, shape (assets, horizon), with what all jobs pay together [GBP] and the load they take [kW]."""


def quotes_of(fleet: Fleet, pool: ThreadPoolExecutor) -> Quote:
    """Return the quote of a listed fleet."""

    def quote(price: FloatArray) -> tuple[float, FloatArray]:
        paid, choice = cheapest_listed(fleet, price, pool)
        return float(paid.sum()), fleet.load_kw(choice)

    return quote


def cheapest_listed(
    fleet: Fleet, price_gbp: FloatArray, pool: ThreadPoolExecutor | None = None
) -> tuple[FloatArray, IntArray]:
    """Return what each job pays at some prices and the option it takes, shape (jobs,); compiled. [GBP]

    Args:
        fleet: Listed options.
        price_gbp: Of one kW over one half-hour, shape (assets, horizon), at least 0. [GBP]
        pool: Prices pieces of the fleet side by side; None: one after the other. The answer does not depend on it.
    """
    from models.optimise import kernels

    paid, choice = np.empty(fleet.count), np.empty(fleet.count, dtype=np.int64)
    price = np.ascontiguousarray(price_gbp).ravel()
    running = running_sums(price)
    given = (fleet.slots, fleet.power_kw, fleet.profile_ptr, fleet.profile_kw)
    options = (fleet.ptr, fleet.cell, fleet.cost_gbp)

    def piece(low: int) -> None:
        high = min(low + PIECE, fleet.count)
        kernels.least_listed(*given, *options, price, running, low, high, paid, choice)

    lows = range(0, fleet.count, PIECE)
    list(map(piece, lows) if pool is None else pool.map(piece, lows))
    return paid, choice


def quotes_of_compact(fleet: CompactFleet, room_kw: FloatArray, pool: ThreadPoolExecutor) -> Quote:
    """Return the quote of a compact fleet; runs that do not fit into empty room are left out."""
    from models.optimise import kernels

    room = room_kw + TOLERANCE_KW
    windows = (fleet.slots, fleet.power_kw, fleet.first, fleet.last, fleet.ptr, fleet.asset)
    is_tight = np.zeros(fleet.asset.size, dtype=np.bool_)
    kernels.mark_tight(*windows, room, is_tight)
    costs = (fleet.extra_gbp, fleet.klass, fleet.unserved_gbp, is_tight, room)

    def quote(price: FloatArray) -> tuple[float, FloatArray]:
        running = running_sums(fleet.density_gbp + price)

        def piece(low: int) -> tuple[float, FloatArray]:
            steps = np.zeros((price.shape[0], price.shape[1] + 1))
            high = min(low + 8 * PIECE, fleet.count)
            return kernels.price_spans(*windows, *costs, running, low, high, steps), steps

        parts = list(pool.map(piece, range(0, fleet.count, 8 * PIECE)))
        steps = sum((part[1] for part in parts), np.zeros((price.shape[0], price.shape[1] + 1)))
        return sum(part[0] for part in parts), np.cumsum(steps, axis=1)[:, :-1]

    return quote


@dataclass(frozen=True)
class PriceState:
    """Where a search for prices stands; arrays have one entry per scarce thing, any shape.

    Attributes:
        room: What there is of each. [kW or, scaled, kg]
        price_gbp: Prices to be answered next, >= 0. [GBP per unit of room]
        best_gbp: Highest value proven so far. [GBP]
        best_price_gbp: The prices that prove it.
        direction: Smoothed excess of demand over room; None before the first answer.
        step: Step factor.
        stalled: Rounds since the last gain.
        history_gbp: The value of each round. [GBP]
        target_gbp: Cost of a known plan, if any; steps aim there. [GBP]
        is_done: True where another round would change nothing that counts.
    """

    room: FloatArray
    price_gbp: FloatArray
    best_gbp: float = -np.inf
    best_price_gbp: FloatArray | None = None
    direction: FloatArray | None = None
    step: float = 1.0
    stalled: int = 0
    history_gbp: tuple[float, ...] = ()
    target_gbp: float | None = None
    is_done: bool = False

    @property
    def prices(self) -> Prices:
        """Return the best prices met and what they prove."""
        best = self.price_gbp if self.best_price_gbp is None else self.best_price_gbp
        return Prices(best, self.best_gbp, self.history_gbp)

    def after(self, paid_gbp: float, load: FloatArray) -> PriceState:
        """Return the state after an answer to `price_gbp`: a deflected projected subgradient with Polyak steps.

        Prices rise where more is wanted than there is and fall where less is; a component with price 0 and room to
        spare does not enter the length of the step.

        Args:
            paid_gbp: What all jobs pay together at the prices. [GBP]
            load: What they take, shape as `room`.
        """
        value = paid_gbp - float((self.price_gbp * self.room).sum())
        is_gain = value > self.best_gbp + NOTICED * abs(self.best_gbp)
        best, best_price = self.best_gbp, self.best_price_gbp
        if value > best:
            best, best_price = value, self.price_gbp
        stalled, step, price = 0 if is_gain else self.stalled + 1, self.step, self.price_gbp
        if stalled >= PATIENCE and best_price is not None:
            step, stalled, price = step * SHRINK, 0, best_price
        excess = load - self.room
        direction = (
            excess
            if self.direction is None
            else SHARE_NEW * excess + (1 - SHARE_NEW) * self.direction
        )
        move = np.where((price <= 0) & (direction < 0), 0.0, direction)
        norm = float((move * move).sum())
        is_done = norm == 0.0 or step < SMALLEST_STEP
        if not is_done:
            aim = best + TARGET * abs(best) if self.target_gbp is None else self.target_gbp
            price = np.maximum(price + step * max(aim - value, 0.0) / norm * move, 0.0)
        return PriceState(
            room=self.room,
            price_gbp=price,
            best_gbp=best,
            best_price_gbp=best_price,
            direction=direction,
            step=step,
            stalled=stalled,
            history_gbp=(*self.history_gbp, value),
            target_gbp=self.target_gbp,
            is_done=is_done,
        )


def search(
    quote: Quote,
    room_kw: FloatArray,
    rounds: int,
    start_gbp: FloatArray | None = None,
    target_gbp: float | None = None,
    step: float = 1.0,
) -> Prices:
    """Look for prices with a high bound.

    Args:
        quote: Answers prices.
        room_kw: Shape (assets, horizon). [kW]
        rounds: Most rounds, at least 1.
        start_gbp: Prices of the first round; None: zero. [GBP]
        target_gbp: Cost of a known plan, if any; steps aim there. [GBP]
        step: Step factor of the first round.
    """
    price = np.zeros_like(room_kw) if start_gbp is None else start_gbp.copy()
    state = PriceState(room_kw, price, step=step, target_gbp=target_gbp)
    for _ in range(rounds):
        state = state.after(*quote(state.price_gbp))
        if state.is_done:
            break
    return state.prices


def find_prices(
    fleet: Fleet,
    room_kw: FloatArray,
    rounds: int,
    start_gbp: FloatArray | None = None,
    target_gbp: float | None = None,
) -> Prices:
    """Find prices for a listed fleet; the bound holds for every plan over its options."""
    with ThreadPoolExecutor(THREADS) as pool:
        return search(quotes_of(fleet, pool), room_kw, rounds, start_gbp, target_gbp)


def sample_prices(
    fleet: CompactFleet, room_kw: FloatArray, sample: int, rounds: int, seed: int
) -> FloatArray:
    """Find prices on some jobs, with the room scaled down to their share of the work; they prove nothing yet.

    Returns:
        Price of one kW over one half-hour, shape (assets, horizon). [GBP]
    """
    if fleet.count <= sample:
        jobs: IntArray = np.arange(fleet.count, dtype=np.int64)
    else:
        jobs = np.sort(np.random.default_rng(seed).choice(fleet.count, sample, replace=False))
    work = fleet.power_kw * fleet.slots
    share = float(work[jobs].sum() / work.sum())
    listed = fleet.listed(room_kw, jobs=jobs)
    return find_prices(listed, room_kw * share, rounds).price_gbp


def find_prices_compact(
    fleet: CompactFleet, room_kw: FloatArray, start_gbp: FloatArray, rounds: int, step: float
) -> Prices:
    """Prove a bound on all jobs, from prices that are nearly right."""
    with ThreadPoolExecutor(THREADS) as pool:
        quote = quotes_of_compact(fleet, room_kw, pool)
        return search(quote, room_kw, rounds, start_gbp, step=step)
