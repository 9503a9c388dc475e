"""Caps on the mean price and carbon of a run, and prices on them that prove a lower bound.

A cap on an energy-weighted mean is linear in the energy used: Σ energy · (value − cap) ≤ 0. Its left side is called
the excess. A multiplier of at least 0 on each excess turns the capped problem into an uncapped one whose least value
is never above the capped optimum; the best multipliers are looked for with cutting planes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.domain.job import Job
from models.optimise.pattern import Lane, Pattern
from models.optimise.table import GRAMS_PER_KG, FloatArray
from models.optimise.windows import CAP_TOLERANCE

Multipliers = tuple[float, float]
"""Prices of one kilogram and of one pound of excess. [GBP/kg], [GBP/GBP]"""

NO_MULTIPLIERS: Multipliers = (0.0, 0.0)

DUAL_STEPS = 16
"""Most price pairs that are tried for one job on one asset."""

HIGHEST_MULTIPLIER = 1e4
"""Multipliers stay below this many times the spread of costs over the spread of excesses."""

PROVEN = 1e-9
"""A bound this close to a cost, relative to it (and absolute below £1), proves the cost."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run that has started has already used, so that its caps cover done and planned."""

    energy_kwh: float = 0.0
    cost_gbp: float = 0.0
    carbon_kg: float = 0.0


NOTHING_SPENT = Spent()


@dataclass(frozen=True, slots=True)
class Caps:
    """The caps of one job, slack for rounding included; None where there is none."""

    carbon_kg_per_kwh: float | None
    price_gbp_per_kwh: float | None
    spent: Spent = NOTHING_SPENT

    @classmethod
    def of(cls, job: Job, spent: Spent = NOTHING_SPENT) -> Caps:
        """Return the caps of a job."""
        carbon, price = job.carbon_cap_g_per_kwh, job.max_price_gbp_per_kwh
        return cls(
            None if carbon is None else _loose(carbon) / GRAMS_PER_KG,
            None if price is None else _loose(price),
            spent,
        )

    @property
    def any(self) -> bool:
        """Return whether there is a cap at all."""
        return self.carbon_kg_per_kwh is not None or self.price_gbp_per_kwh is not None

    @property
    def used(self) -> tuple[bool, bool]:
        """Return which of the two caps there are: carbon, price."""
        return self.carbon_kg_per_kwh is not None, self.price_gbp_per_kwh is not None

    def excess_rates(self, lane: Lane) -> FloatArray:
        """Return (value − cap) of each half-hour, 0 where there is no cap; shape (2, slots). [kg/kWh], [GBP/kWh]"""
        rates = np.zeros((2, lane.slots))
        if self.carbon_kg_per_kwh is not None:
            rates[0] = np.nan_to_num(lane.carbon_kg_per_kwh) - self.carbon_kg_per_kwh
        if self.price_gbp_per_kwh is not None:
            rates[1] = np.nan_to_num(lane.price_gbp_per_kwh) - self.price_gbp_per_kwh
        return rates

    @property
    def excess_spent(self) -> FloatArray:
        """Return the excess of what is already used, shape (2,). [kg], [GBP]"""
        spent, excess = self.spent, np.zeros(2)
        if self.carbon_kg_per_kwh is not None:
            excess[0] = spent.carbon_kg - self.carbon_kg_per_kwh * spent.energy_kwh
        if self.price_gbp_per_kwh is not None:
            excess[1] = spent.cost_gbp - self.price_gbp_per_kwh * spent.energy_kwh
        return excess

    def excess(self, pattern: Pattern) -> FloatArray:
        """Return the excess of a run over each cap, what is spent included; NaN where unknown, shape (2,)."""
        excess = self.excess_spent
        drawn_kwh = pattern.energy_kwh + pattern.transfer_kwh
        if self.carbon_kg_per_kwh is not None:
            excess[0] += pattern.carbon_kg - self.carbon_kg_per_kwh * drawn_kwh
        if self.price_gbp_per_kwh is not None:
            excess[1] += pattern.cost_gbp - self.price_gbp_per_kwh * drawn_kwh
        return excess

    def are_kept(self, pattern: Pattern) -> bool:
        """Return whether a run keeps its caps; an unknown mean breaks none."""
        return not bool((self.excess(pattern) > PROVEN * 1e-3 * pattern.energy_kwh).any())


def _loose(cap: float) -> float:
    return cap + abs(cap) * CAP_TOLERANCE


@dataclass(frozen=True)
class Cut:
    """One answer of the uncapped problem: a plane that lies nowhere below its least value.

    Attributes:
        value_gbp: Cost without multipliers. [GBP]
        excess: Over each cap, shape (2,). [kg], [GBP]
        pattern: The run behind it; None where the answer only bounds.
    """

    value_gbp: float
    excess: FloatArray
    pattern: Pattern | None

    def at(self, multipliers: Multipliers) -> float:
        """Return the value with priced excess. [GBP]"""
        return self.value_gbp + float(self.excess @ np.asarray(multipliers))


@dataclass(frozen=True)
class Dual:
    """What cutting planes found.

    Attributes:
        bound_gbp: No run that keeps the caps costs less; infinite where none keeps them. [GBP]
        multipliers: Where that was proven.
        cuts: Every answer seen.
    """

    bound_gbp: float
    multipliers: Multipliers
    cuts: tuple[Cut, ...]


@dataclass(frozen=True)
class Quote:
    """What one job answers to prices.

    Attributes:
        bound_gbp: No run costs less, scarcity included; infinite where there is none. [GBP]
        pattern: A run of that cost, or (under caps) the one behind the bound, which may break a cap; None where there
            is none.
        multipliers: Per lane, where the bound under caps was proven; begin there next time.
    """

    bound_gbp: float
    pattern: Pattern | None
    multipliers: tuple[Multipliers, ...]


def raise_dual(
    solve: Callable[[Multipliers], Cut | None],
    cleanest: Sequence[Cut],
    used: tuple[bool, bool],
    steps: int = DUAL_STEPS,
    begin: Multipliers = NO_MULTIPLIERS,
) -> Dual:
    """Look for the multipliers with the highest bound.

    Args:
        solve: Least cost plus priced excess, as the run that has it; None where there is no run at all.
        cleanest: Runs of least excess, one per cap that is used; their planes hold everywhere.
        used: Which caps there are.
        steps: Most calls of `solve`; every one yields a valid bound.
        begin: Where to start; multipliers of an earlier, similar problem save steps.
    """
    first = solve(begin)
    if first is None or any(
        used[n] and cut.excess[n] > 1e-12 for n, cut in zip(_places(used), cleanest, strict=True)
    ):
        return Dual(float("inf"), begin, tuple(cleanest))
    cuts, best, where = [*cleanest, first], first.at(begin), begin
    for _ in range(steps - 1):
        there, promise = _highest(cuts, used)
        if promise <= best + PROVEN * max(1.0, abs(best)):
            break
        answer = solve(there)
        assert answer is not None, "what is feasible at one price is feasible at all"
        cuts.append(answer)
        if answer.at(there) > best:
            best, where = answer.at(there), there
    return Dual(best, where, tuple(cuts))


def _places(used: tuple[bool, bool]) -> list[int]:
    return [n for n in range(2) if used[n]]


def _highest(cuts: Sequence[Cut], used: tuple[bool, bool]) -> tuple[Multipliers, float]:
    """Return the highest point under all planes with multipliers between 0 and their limit, and its height."""
    values = np.array([cut.value_gbp for cut in cuts])
    excess = np.array([cut.excess for cut in cuts])
    spread = float(np.ptp(values)) + 1.0
    tops = [
        HIGHEST_MULTIPLIER * spread / max(float(np.abs(excess[:, n]).max()), 1e-12) * used[n]
        for n in range(2)
    ]
    found = [(0.0, 0.0), (tops[0], 0.0), (0.0, tops[1]), (tops[0], tops[1])]
    for n, fixed in itertools.product(range(2), (False, True)):
        if used[n]:
            found += _edge_crossings(values, excess, n, tops[1 - n] if fixed else 0.0)
    if all(used):
        found += _inner_crossings(values, excess)
    points = np.array([p for p in found if 0 <= p[0] <= tops[0] and 0 <= p[1] <= tops[1]])
    heights = (values[:, None] + excess @ points.T).min(axis=0)
    top = int(heights.argmax())
    return (float(points[top, 0]), float(points[top, 1])), float(heights[top])


def _edge_crossings(
    values: FloatArray, excess: FloatArray, n: int, other: float
) -> list[Multipliers]:
    """Return where two planes cross while the other multiplier is fixed."""
    level = values + excess[:, 1 - n] * other
    found = []
    for a, b in itertools.combinations(range(values.size), 2):
        slope = float(excess[a, n] - excess[b, n])
        if abs(slope) > 1e-15:
            at = float(level[b] - level[a]) / slope
            found.append((at, other) if n == 0 else (other, at))
    return found


def _inner_crossings(values: FloatArray, excess: FloatArray) -> list[Multipliers]:
    """Return where three planes cross."""
    trios = np.array(list(itertools.combinations(range(values.size), 3)), dtype=np.int64)
    if not trios.size:
        return []
    left = excess[trios[:, 1:]] - excess[trios[:, :1]]
    right = values[trios[:, :1]] - values[trios[:, 1:]]
    size = left[:, 0, 0] * left[:, 1, 1] - left[:, 0, 1] * left[:, 1, 0]
    solid = np.abs(size) > 1e-15
    left, right, size = left[solid], right[solid], size[solid]
    first = (right[:, 0] * left[:, 1, 1] - right[:, 1] * left[:, 0, 1]) / size
    second = (right[:, 1] * left[:, 0, 0] - right[:, 0] * left[:, 1, 0]) / size
    return [(float(a), float(b)) for a, b in zip(first, second, strict=True)]
