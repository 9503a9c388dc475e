"""Rounds of posted prices and quotes, and the bound they prove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from agents import job_agent, policy_agent
from agents.job_agent import JobAgent
from agents.messages import DemandQuoted, Message, stamp
from agents.minutes import Minutes
from agents.view import PolicyAgentView, Situation
from models.domain.signal import FloatArray
from models.optimise.assignment import UNSERVED, Assignment
from models.optimise.ladder import LARGE
from models.optimise.quoting import Quoting
from models.optimise.table import PricedTable


class PriceRounds:
    """Rounds of posted prices and quotes; the minutes keep the first one and the one that proves the bound.

    The bound is what the quotes are worth less what the room itself would earn at the posted prices.
    """

    def __init__(
        self,
        situation: Situation,
        table: PricedTable,
        agents: Sequence[JobAgent],
        minutes: Minutes,
        charges: Mapping[date, float],
    ) -> None:
        self.situation, self.table, self.charges = situation, table, charges
        self.agents, self.minutes = agents, minutes
        self.state = policy_agent.open_rounds(table)
        self.best: tuple[int, list[Message]] | None = None

    def hold(self, most: int) -> None:
        """Hold rounds until there have been so many, or until another would change nothing that counts."""
        while self.state.prices.rounds < most and not self.state.is_done:
            self._round(self.state.prices.rounds + 1)

    def _round(self, number: int) -> None:
        view = PolicyAgentView(
            self.situation.policy, self.table, self.state, carbon_charges=self.charges
        )
        posted = self._said(policy_agent.respond(view, ()), number)
        said = list(posted)
        for agent in self.agents:
            said += self._said(job_agent.respond(agent, posted), number)
        before = self.state.best_gbp
        quotes = [message for message in said if isinstance(message, DemandQuoted)]
        self.state = policy_agent.hear(self.state, quotes)
        if number > 1 and self.state.best_gbp > before:
            self.best = number, said

    def _said(self, messages: Sequence[Message], number: int) -> tuple[Message, ...]:
        if number == 1:
            return self.minutes.hear(messages, 1)
        now, negotiation = self.situation.now, self.situation.negotiation_id
        return tuple(stamp(message, negotiation, number, 0, now) for message in messages)

    def record(self) -> None:
        """Put the round that proves the bound into the minutes."""
        if self.best is not None:
            number, said = self.best
            self.minutes.hear(said, number)

    def bound_of_served(self, plan: Assignment) -> float:
        """Return the least that serving just the served jobs costs, proven at the best prices. [GBP]"""
        served = [
            mine for mine, pick in zip(plan.options, plan.choice, strict=True) if pick != UNSERVED
        ]
        prices = self.state.prices
        is_large = len(plan.options) > LARGE
        answer = Quoting(served, self.table, is_large).at(prices.price_gbp)
        priced = answer.value_gbp - float((prices.price_gbp * self.table.room_kw).sum())
        return max(priced, sum(mine.lower_bound_gbp for mine in served))

    def scarce_half_hours(self) -> dict[str, FloatArray]:
        """Return the prices that prove the bound, of assets where any is above 0. [GBP/kWh]"""
        prices = self.state.prices.power_gbp_per_kwh
        return {
            asset.asset_id: prices[row]
            for row, asset in enumerate(self.table.assets)
            if (prices[row] > 0.0).any()
        }
