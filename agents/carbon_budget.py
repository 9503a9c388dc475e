"""A carbon budget of each London day: how much is left for a plan, and the charges on carbon that make plans keep it.

The charge μ of a day comes on top of the value of carbon in its half-hours, so that work moves to days and places where
a kilogram is in less demand. Where no plan keeps a budget, jobs are left out for it: it is a hard limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from agents.view import Situation
from models.domain.signal import FloatArray
from models.domain.time import SLOT
from models.optimise.assignment import Assignment
from models.optimise.budget import (
    Days,
    DaysLeft,
    FixedRun,
    committed_by_day,
    london_days,
    planned_by_day,
)
from models.optimise.table import BoolArray, PricedTable

TOLERANCE = 1e-6
"""Relative slack of a budget, for rounding."""

MOST_CHARGE = 20.0
"""Highest charge tried. [GBP/kg]"""

HOPELESS_CHARGE = 1.6
"""Charge on a day that is over budget without any work that could move: enough to send that away. [GBP/kg]"""

ATTEMPTS = 4
"""Most plans made with charges."""


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

    @property
    def left_kg(self) -> FloatArray:
        """Return what work up for planning may emit on each day, 0 where other work alone takes more. [kg]"""
        answer: FloatArray = np.maximum(self.limit_kg - self.committed_kg, 0.0)
        return answer

    @property
    def slack_kg(self) -> float:
        """Return the excess of a day that counts as rounding. [kg]"""
        return TOLERANCE * max(self.limit_kg, 1.0)

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
        return np.where(over > self.slack_kg, over, 0.0)

    def left_after(self, carbon_kg: FloatArray) -> DaysLeft:
        """Return what is left of the budgets when each day emits so much, shape (days,). [kg]"""
        return DaysLeft(self.days, self.limit_kg, self.limit_kg - carbon_kg, self.slack_kg)

    def charged(self, charge_gbp_per_kg: FloatArray) -> dict[date, float]:
        """Return the days with a charge. [GBP/kg]"""
        pairs = zip(self.days.dates, charge_gbp_per_kg, strict=True)
        return {day: float(mu) for day, mu in pairs if mu > 0.0}

    def constant_gbp(self, charge_gbp_per_kg: FloatArray) -> float:
        """Return Σ μ·(what is left): what a bound proven with charges is to be lowered by. [GBP]"""
        return float(charge_gbp_per_kg @ self.left_kg)


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
