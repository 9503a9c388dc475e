"""What may be claimed of a plan, and what must be said beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from agents.carbon_budget import MOST_CHARGE, CarbonBudget
from agents.ground import held_power
from agents.view import Situation
from agents.wording import money_text
from models.domain.plan import Certificate, PlanMethod, Refusal
from models.domain.signal import FloatArray
from models.optimise.assignment import UNSERVED, Assignment
from models.optimise.fleet_solve import EXACT_GAP
from models.optimise.ladder import Best
from models.optimise.table import TOLERANCE_KW, PricedTable

KG_PER_TONNE = 1000.0

ROUNDING = 1e-6
"""By what share of an objective its bound may lie above it through the rounding of sums."""

FALSE_BOUND = (
    "the bound that was proven lies above the plan, which is a fault of our own; the bound given instead is what every "
    "job would cost alone"
)
"""Note where something claimed as proven is not."""


@dataclass(frozen=True)
class Proof:
    """What is proven of a plan whose true objective leaves charges out.

    Attributes:
        bound_gbp: No plan that keeps the budgets has a lower objective. [GBP]
        alone_gbp: What all jobs would cost if each were alone, staying unserved where none can be served. [GBP]
        served_gbp: The least that serving just the served jobs costs; None: not known. [GBP]
        rounds: Price rounds held for it.
        carbon_kg: What each day of the budget emits, shape (days,). [kg]
        charge_gbp_per_kg: μ of each such day, as it proves the bound. [GBP/kg]
    """

    bound_gbp: float
    alone_gbp: float
    served_gbp: float | None
    rounds: int
    carbon_kg: FloatArray | None = None
    charge_gbp_per_kg: FloatArray | None = None


def charged_gbp(plan: Assignment) -> float:
    """Return the part of a plan's objective that is charged for short carbon budgets and never paid. [GBP]"""
    return sum(
        plan.options[k].charge_of(int(pick))
        for k, pick in enumerate(plan.choice)
        if pick != UNSERVED
    )


def notes_on(plan: Assignment, before: Sequence[Refusal]) -> list[str]:
    """Return what must be said beside a plan's bound, a sentence each."""
    notes = []
    waits = [
        k
        for k, mine in enumerate(plan.options)
        if mine.runs_on_arrival and plan.choice[k] != UNSERVED
    ]
    given_up = sum(max(0.0, plan.job_gbp(k) - plan.options[k].lower_bound_gbp) for k in waits)
    if given_up >= 0.005:
        notes.append(
            f"{len(waits)} jobs run on arrival by their own or the policy's rule, although waiting could save "
            f"{money_text(given_up)} together; the bound does not know that rule"
        )
    if before:
        notes.append(f"{len(before)} refused before planning stand outside objective and bound")
    if plan.is_cut_short:
        notes.append("the search for room for unserved jobs stopped at its limit")
    return notes


def breaches(situation: Situation, table: PricedTable) -> list[str]:
    """Return one sentence per asset whose held work alone exceeds its limit; nothing is planned around it."""
    held = held_power(situation)
    present = slice(max(0, table.first_open - 1), None)
    notes = []
    for row, asset in enumerate(table.assets):
        if asset.asset_id not in held:
            continue
        over = float((held[asset.asset_id] - table.limit_kw[row])[present].max(initial=0.0))
        if over > TOLERANCE_KW:
            notes.append(f"frozen work exceeds the limit of {asset.asset_id} by {over:g} kW")
    return notes


def short_budgets(budget: CarbonBudget | None, proof: Proof) -> list[str]:
    """Return one sentence per London day whose carbon budget other work alone exceeds."""
    if budget is None or proof.carbon_kg is None:
        return []
    over = budget.excess_kg(proof.carbon_kg)
    return [
        f"the carbon budget of {day} is exceeded by {over[n]:.3g} kg by work that no longer moves: nothing else runs that day"
        for n, day in enumerate(budget.days.dates)
        if over[n] > 0.0
    ]


def certificate(
    plan: Assignment,
    best: Best,
    proof: Proof,
    budget: CarbonBudget | None,
    seconds: float,
    notes: Sequence[str],
) -> Certificate:
    """Return what is proven. Jobs refused before planning stand outside objective and bound and are noted."""
    served = [k for k in range(len(plan.options)) if plan.choice[k] != UNSERVED]
    waiting = [k for k in range(len(plan.options)) if plan.choice[k] == UNSERVED]
    served_gbp = sum(plan.job_gbp(k) for k in served) - charged_gbp(plan)
    unserved_gbp = sum(plan.job_gbp(k) for k in waiting)
    objective = served_gbp + unserved_gbp
    bound = proof.bound_gbp
    if bound > objective + ROUNDING * max(abs(objective), 1.0):
        bound = proof.alone_gbp
        notes = [*notes, FALSE_BOUND]
    bound = min(bound, objective)
    gap = objective - bound
    is_proven = gap <= EXACT_GAP * max(abs(objective), 0.01)
    # A plan that was the best at some charges is not, once a budget has moved or left out some of it.
    found = PlanMethod.PRICED if best.method is PlanMethod.EXACT else best.method
    return Certificate(
        objective_gbp=objective,
        lower_bound_gbp=bound,
        gap_gbp=gap,
        gap_percent=None if waiting else gap / max(abs(objective), 0.01) * 100,
        gap_served_percent=_served_percent(served_gbp, proof.served_gbp if waiting else bound)
        if served
        else 0.0,
        served_gbp=served_gbp,
        unserved_gbp=unserved_gbp,
        rounds=proof.rounds,
        seconds=seconds,
        method=PlanMethod.EXACT if is_proven else found,
        heuristic=(best.is_heuristic or plan.is_cut_short) and not is_proven,
        delay_gbp=sum(plan.options[k].delay_of(int(plan.choice[k])) for k in served),
        churn_gbp=sum(plan.options[k].churn_of(int(plan.choice[k])) for k in served),
        notes=tuple(notes),
        **_carbon_by_day(budget, proof),
    )


def _served_percent(served_gbp: float, bound_gbp: float | None) -> float | None:
    if bound_gbp is None or bound_gbp > served_gbp + ROUNDING * max(abs(served_gbp), 1.0):
        return None
    return max(0.0, served_gbp - bound_gbp) / max(abs(served_gbp), 0.01) * 100


def _carbon_by_day(
    budget: CarbonBudget | None, proof: Proof
) -> dict[str, tuple[tuple[date, float], ...]]:
    if budget is None or proof.carbon_kg is None:
        return {}
    dates = budget.days.dates
    charge = np.zeros(len(dates)) if proof.charge_gbp_per_kg is None else proof.charge_gbp_per_kg
    # The highest charge tried is no worth, nor is nothing on a day that stays over budget.
    is_over = budget.excess_kg(proof.carbon_kg) > 0.0
    is_unknown = (charge >= MOST_CHARGE) | (is_over & ((charge <= 0.0) | budget.hopeless()))
    return {
        "carbon_budget_kg_by_day": tuple((day, budget.limit_kg) for day in dates),
        "carbon_kg_by_day": tuple(zip(dates, proof.carbon_kg.tolist(), strict=True)),
        "carbon_gbp_per_tonne_by_day": tuple(
            (day, float(charge[n]) * KG_PER_TONNE)
            for n, day in enumerate(dates)
            if not is_unknown[n]
        ),
    }
