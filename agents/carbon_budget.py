"""A carbon budget of each London day: how much is left for a plan, and the charges on carbon that make plans keep it.

The charge μ of a day comes on top of the value of carbon in its half-hours, so that work moves to days and places where
a kilogram is in less demand. A budget moves work; it never leaves a job out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from agents.view import Situation
from models.domain.signal import FloatArray
from models.domain.time import SLOT
from models.optimise.assignment import Assignment
from models.optimise.budget import Days, FixedRun, committed_by_day, london_days, planned_by_day
from models.optimise.table import BoolArray, PricedTable

TOLERANCE = 1e-6
"""Relative slack of a budget, for rounding."""

FIRST_CHARGE = 0.1
"""First charge on a day whose budget is exceeded. [GBP/kg]"""

GROWTH = 4.0
"""By what a charge grows while its day is still over budget."""

MOST_CHARGE = 20.0
"""Highest charge tried. [GBP/kg]"""

HOPELESS_CHARGE = 1.6
"""Highest charge on a day that is over budget without any work that could move: enough to send that away. [GBP/kg]"""

ATTEMPTS = 8
"""Most plans made with charges."""

CLOSE = 0.1
"""A charge is close enough where the next lower one tried, which was too low, is at most this part below it."""


@dataclass(frozen=True)
class CarbonBudget:
    """The budget of each London day of a horizon; arrays have shape (days,).

    Attributes:
        days: The London days.
        limit_kg: Most carbon of a day. [kg]
        committed_kg: What work outside the plan takes of it. [kg]
    """

    days: Days
    limit_kg: float
    committed_kg: FloatArray

    @classmethod
    def of(cls, situation: Situation, table: PricedTable) -> CarbonBudget | None:
        """Return the budget of a situation, None where its policy has none."""
        limit_kg = situation.policy.carbon_budget_kg_per_day
        if limit_kg is None:
            return None
        days = london_days(table.horizon)
        return cls(days, limit_kg, committed_kg(situation, table, days))

    def hopeless(self) -> BoolArray:
        """Return the days that other work alone puts over budget, shape (days,)."""
        return self.excess_kg(self.committed_kg) > 0.0

    def carbon_kg(self, plan: Assignment, table: PricedTable) -> FloatArray:
        """Return what each day emits with a plan, committed work included. [kg]"""
        answer: FloatArray = self.committed_kg + planned_by_day(plan, table, self.days)
        return answer

    def excess_kg(self, carbon_kg: FloatArray) -> FloatArray:
        """Return by how much each day exceeds its budget, rounding aside. [kg]"""
        over = carbon_kg - self.limit_kg
        return np.where(over > TOLERANCE * max(self.limit_kg, 1.0), over, 0.0)

    def constant_gbp(self, charge_gbp_per_kg: FloatArray) -> float:
        """Return Σ μ·(limit − committed): what a bound proven with charges is to be lowered by. [GBP]"""
        return float(charge_gbp_per_kg @ (self.limit_kg - self.committed_kg))


@dataclass
class Charges:
    """The search for charges: each rises until its day keeps the budget, then halves the way to the last too low one.

    Attributes:
        hopeless: Days whose budget no charge can keep, shape (days,).
    """

    hopeless: BoolArray
    low: FloatArray = field(init=False)
    high: FloatArray = field(init=False)
    now: FloatArray = field(init=False)
    attempts: int = 0

    def __post_init__(self) -> None:
        """Begin without charges."""
        self.low, self.now = np.zeros(self.hopeless.size), np.zeros(self.hopeless.size)
        self.high = np.full(self.hopeless.size, np.inf)

    def go_on(self, is_over: BoolArray) -> bool:
        """Set the charges to try next; False where another plan would gain little.

        Args:
            is_over: Which days exceed their budget at the present charges, shape (days,).
        """
        given_up = self.hopeless & (self.now >= HOPELESS_CHARGE)
        self.low = np.where(is_over, self.now, self.low)
        self.high = np.where(is_over, self.high, np.minimum(self.high, self.now))
        known = np.isfinite(self.high)
        risen = np.where(self.now > 0.0, self.now * GROWTH, FIRST_CHARGE)
        midway = (self.low + np.where(known, self.high, 0.0)) / 2
        wide = known & (self.high - self.low > CLOSE * self.high)
        after = np.where(is_over, np.where(known, midway, risen), np.where(wide, midway, self.now))
        after = np.minimum(after, np.where(self.hopeless, HOPELESS_CHARGE, MOST_CHARGE))
        after = np.where(given_up, self.now, after)
        is_new = bool((np.abs(after - self.now) > 0.0).any())
        self.now, self.attempts = after, self.attempts + 1
        return is_new and self.attempts <= ATTEMPTS


def committed_kg(situation: Situation, table: PricedTable, days: Days) -> FloatArray:
    """Return the planned carbon of frozen and running work and of work that has run, by day, shape (days,). [kg]

    Planned, not measured: half-hours of the table at their present carbon, and those before it as they were planned.
    """
    runs = [
        FixedRun(
            held.asset_id,
            held.first_slot,
            held.power_kw,
            (held.end - table.horizon.start_of(held.first_slot + len(held.power_kw) - 1)) / SLOT,
            held.transfer_kwh,
        )
        for held in situation.held
        if held.power_kw
    ]
    answer: FloatArray = committed_by_day(runs, table, days) + days.array(situation.spent_kg_by_day)
    return answer
