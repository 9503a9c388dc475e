"""Price rounds over power and carbon at once: which charges on short days the jobs' own quotes ask for.

Quotes say what a load emits on each London day, and the charge of a day rises while that is more than its budget leaves,
as the price of a half-hour rises while more power is asked for than there is. What charges prove is proven afterwards,
by a plan made with them: here they count on whole half-hours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents import job_agent, policy_agent
from agents.carbon_budget import HOPELESS_CHARGE, MOST_CHARGE, CarbonBudget
from agents.job_agent import JobAgent
from agents.messages import DemandQuoted
from agents.view import PolicyAgentView, Situation
from models.domain.signal import FloatArray
from models.optimise.budget import LoadCarbon
from models.optimise.prices import PriceState
from models.optimise.table import PricedTable

ROUNDS = 300
"""Most rounds."""


def find_charges(
    situation: Situation,
    table: PricedTable,
    agents: Sequence[JobAgent],
    budget: CarbonBudget,
    margin_kg: FloatArray,
) -> FloatArray:
    """Return the charge of each day that proves most, 0 where none is needed, shape (days,). [GBP/kg]

    Args:
        situation: What is planned.
        table: Without charges.
        agents: With options priced on it.
        budget: Of the policy.
        margin_kg: How much less than the budget each day is to emit, shape (days,): plans made with charges exceed
            what the quotes ask for, because jobs in need of the same power cannot all have their best. [kg]
    """
    carbon = LoadCarbon.of(table)
    left_kg = np.maximum(budget.limit_kg - budget.committed_kg - margin_kg, 0.0)
    hopeless = budget.hopeless()
    counts = ~hopeless
    unit_kg = _unit_kg(carbon)
    state = PriceState(_joined(table.room_kw, left_kg[counts] / unit_kg), np.zeros(table.room_kw.size + int(counts.sum())))  # fmt: skip

    def split(prices: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return prices of power [GBP/kW and half-hour] and charges by day [GBP/kg]."""
        charges = np.zeros(left_kg.size)
        charges[counts] = prices[table.room_kw.size :] / unit_kg
        return prices[: table.room_kw.size].reshape(table.room_kw.shape), charges

    while len(state.history_gbp) < ROUNDS and not state.is_done:
        power_gbp, charges = split(state.price_gbp)
        quotes = _quotes(situation, table, agents, budget, power_gbp, charges)
        load = np.sum([quote.load_kw.values for quote in quotes], axis=0)
        used = np.sum([budget.days.array(dict(quote.use_kg)) for quote in quotes], axis=0)
        state = state.after(
            sum(quote.value_gbp for quote in quotes), _joined(load, used[counts] / unit_kg)
        )
    found = np.minimum(split(state.prices.price_gbp)[1], MOST_CHARGE)
    return np.where(hopeless, HOPELESS_CHARGE, found)


def _quotes(
    situation: Situation,
    table: PricedTable,
    agents: Sequence[JobAgent],
    budget: CarbonBudget,
    power_gbp: FloatArray,
    charges: FloatArray,
) -> list[DemandQuoted]:
    """Return what the agents answer to prices of power and charges on carbon, in the order of their senders."""
    view = PolicyAgentView(
        situation.policy,
        table,
        PriceState(table.room_kw, power_gbp),
        carbon_charges=budget.charged(charges),
    )
    posted = policy_agent.respond(view, ())
    said = [message for agent in agents for message in job_agent.respond(agent, posted)]
    quotes = [message for message in said if isinstance(message, DemandQuoted)]
    return sorted(quotes, key=lambda quote: quote.sender)


def _unit_kg(carbon: LoadCarbon) -> float:
    """Return the kilograms that weigh as much in a step as one kW over one half-hour.

    A day's budget is one sum over many half-hours and clusters: by the root of their number its excess is of the size
    of theirs.
    """
    cells = carbon.kg_per_kw.size / max(len(carbon.days.dates), 1)
    return float(max(carbon.kg_per_kw.mean() * np.sqrt(cells), 1e-9))


def _joined(power: FloatArray, carbon: FloatArray) -> FloatArray:
    return np.concatenate([power.ravel(), carbon])
