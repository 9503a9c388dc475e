"""One attempt at a plan: options announced, prices found, a plan made; and the attempts that keep a carbon budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from agents import energy_agent, job_agent, policy_agent
from agents.carbon_budget import ATTEMPTS, CarbonBudget
from agents.certificate import Proof, charged_gbp
from agents.charge_rounds import find_charges
from agents.ground import first_open_slot, held_power
from agents.job_agent import JobAgent
from agents.links import build_links, tightened_windows
from agents.minutes import Minutes
from agents.price_rounds import PriceRounds
from agents.view import EnergyAgentView, JobAgentView, PolicyAgentView, Situation
from models.domain.job import Job
from models.domain.plan import PlanMethod
from models.optimise.assignment import Assignment, Options
from models.optimise.award import award
from models.optimise.budget import london_days
from models.optimise.budget_programme import rearrange
from models.optimise.budget_refuse import leave_out
from models.optimise.budget_shift import shift
from models.optimise.ladder import LARGE, Best, climb, is_for_windows, rounds_for, tidied
from models.optimise.pattern_options import PatternOptions
from models.optimise.table import FloatArray, PricedTable

SEED = 0
"""Of every search: the same inputs give the same plan."""


@dataclass(frozen=True)
class Attempt:
    """A plan, how it came about and what is proven of it, charges on carbon included."""

    minutes: Minutes
    table: PricedTable
    rounds: PriceRounds
    best: Best
    plan: Assignment
    charges: Mapping[date, float] = field(default_factory=dict)
    over_budget: frozenset[int] = frozenset()
    """Positions of the jobs left out because no run of theirs keeps the carbon budget."""

    @property
    def proof(self) -> Proof:
        """Return what is proven where nothing is charged."""
        return Proof(
            bound_gbp=self.best.bound_gbp,
            alone_gbp=sum(mine.lower_bound_gbp for mine in self.plan.options),
            served_gbp=self.rounds.bound_of_served(self.plan),
            rounds=self.rounds.state.prices.rounds,
        )


def plan_at(situation: Situation, charges: Mapping[date, float] | None = None) -> Attempt:
    """Make a plan.

    Args:
        situation: What is planned.
        charges: μ of London days, on top of the value of carbon. [GBP/kg]
    """
    minutes = Minutes(situation)
    table = _open(situation, minutes, charges or {})
    jobs = tuple(sorted(situation.jobs, key=lambda job: job.job_id))
    agents = _announce(situation, table, jobs, minutes, charges or {})
    by_id = {mine.job.job_id: mine for agent in agents for mine in agent.options}
    options = tuple(by_id[job.job_id] for job in jobs)
    rounds = PriceRounds(situation, table, agents, minutes, charges or {})
    rounds.hold(1)
    held = _held_options(situation, table, options)
    links = build_links(jobs)
    settles = not is_for_windows(options, links)
    first = award(options, table.room_kw, links, held, settles=settles)
    if first.is_ideal():
        best = Best(first, rounds.state.best_gbp, PlanMethod.GREEDY, first.is_cut_short)
    else:
        effort = situation.policy.planning_effort
        rounds.hold(rounds_for(len(options), effort))
        best = climb(first, table, rounds.state.prices, bool(held), SEED, effort)
    rounds.record()
    return Attempt(minutes, table, rounds, best, tidied(best.plan), charges or {})


def within_budget(
    situation: Situation, budget: CarbonBudget, first: Attempt
) -> tuple[Attempt, Proof]:
    """Return the best attempt that keeps a carbon budget, with what is proven.

    Work is moved first. Where no plan was found that serves the same jobs, some are left out: the least penalty for each
    kilogram of excess. A day that other work alone puts over budget gets no work at all.

    Args:
        situation: What is planned.
        budget: Of its policy.
        first: The plan without charges.
    """
    bound, proving = first.best.bound_gbp, np.zeros(len(budget.days.dates))
    over_kg = _over_kg(budget, first)
    is_short = bool(over_kg.any())
    shift(first.plan, first.table, budget.days, budget.limit_kg, budget.committed_kg)
    best, least = first, _badness(budget, first)
    margin_kg, charges = np.zeros_like(over_kg), np.zeros_like(over_kg)
    for _ in range(ATTEMPTS):
        if not over_kg.any() or not first.plan.options:
            break
        before = charges
        charges = find_charges(situation, first.table, first.rounds.agents, budget, margin_kg)
        margin_kg = margin_kg + over_kg
        if np.array_equal(charges, before):
            continue  # the same charges would give the same plan
        attempt = plan_at(situation, budget.charged(charges))
        over_kg = _over_kg(budget, attempt)
        shift(attempt.plan, attempt.table, budget.days, budget.limit_kg, budget.committed_kg)
        proven = attempt.best.bound_gbp - budget.constant_gbp(charges)
        if proven > bound:
            bound, proving = proven, charges
        badness = _badness(budget, attempt)
        if badness < least:
            best, least = attempt, badness
    if is_short:
        effort = situation.policy.planning_effort
        rearrange(best.plan, first.table, budget.days, budget.limit_kg, budget.committed_kg, effort)
        held = situation.incumbents or {}
        holders = [k for k, mine in enumerate(best.plan.options) if mine.job.job_id in held]
        out = leave_out(
            best.plan, best.table, budget.days, budget.left_kg, budget.slack_kg, holders
        )
        best = replace(best, over_budget=out)
    constant = budget.constant_gbp(budget.days.array(best.charges))
    proof = best.proof
    return best, replace(
        proof,
        bound_gbp=bound,
        alone_gbp=first.proof.alone_gbp,
        served_gbp=None if proof.served_gbp is None else proof.served_gbp - constant,
        carbon_kg=budget.carbon_kg(best.plan, best.table),
        charge_gbp_per_kg=proving,
    )


def _over_kg(budget: CarbonBudget, attempt: Attempt) -> FloatArray:
    """Return by how much a plan puts each day over budget, shape (days,). [kg]"""
    return budget.excess_kg(budget.carbon_kg(attempt.plan, attempt.table))


def _badness(budget: CarbonBudget, attempt: Attempt) -> tuple[float, float, float]:
    """Return the penalty of unserved jobs, the excess over the budget and the true objective, to be made small."""
    plan = attempt.plan
    return (
        round(plan.score[0], 6),
        round(float(_over_kg(budget, attempt).sum()), 6),
        plan.objective_gbp - charged_gbp(plan),
    )


def _open(situation: Situation, minutes: Minutes, charges: Mapping[date, float]) -> PricedTable:
    view = EnergyAgentView(
        assets=situation.assets,
        signals=situation.signals,
        horizon=situation.horizon,
        first_open=first_open_slot(situation),
        held_kw=held_power(situation),
        vat_factor=situation.vat_factor,
    )
    minutes.hear(energy_agent.respond(view, ()), 0)
    table = energy_agent.table_of(view)
    if charges:
        days = london_days(table.horizon)
        table = replace(table, carbon_charge_gbp_per_kg=days.array(charges)[days.of_slot])
    posted = PolicyAgentView(situation.policy, table, carbon_charges=charges)
    minutes.hear(policy_agent.respond(posted, ()), 0)
    return table


def _announce(
    situation: Situation,
    table: PricedTable,
    jobs: tuple[Job, ...],
    minutes: Minutes,
    charges: Mapping[date, float],
) -> tuple[JobAgent, ...]:
    """Let each owner's Job Agent price its options and announce its work; agents in the order of their owners."""
    releases, deadlines = tightened_windows(
        jobs, situation.predecessor_ends or {}, table.horizon.start_of(table.first_open)
    )
    agents = []
    for owner in sorted({job.owner for job in jobs}):
        view = JobAgentView(
            jobs=tuple(job for job in jobs if job.owner == owner),
            table=table,
            weights=policy_agent.weights_of(situation.policy),
            incumbents=situation.incumbents or {},
            releases=releases,
            deadlines=deadlines,
            has_budget=situation.policy.carbon_budget_kg_per_day is not None,
            charges=charges,
        )
        agent = job_agent.agent_of(owner, view, is_large=len(jobs) > LARGE)
        minutes.hear(job_agent.respond(agent, ()), 0)
        agents.append(agent)
    return tuple(agents)


def _held_options(
    situation: Situation, table: PricedTable, options: tuple[Options, ...]
) -> dict[int, int]:
    """Return the option each job holds now, by position."""
    found: dict[int, int] = {}
    for k, mine in enumerate(options):
        present = (situation.incumbents or {}).get(mine.job.job_id)
        row = None if present is None else table.index.get(present.asset_id)
        if present is None or row is None:
            continue
        if isinstance(mine, PatternOptions):
            if mine.held is not None and mine.can_keep_held:
                found[k] = mine.add(mine.held)
            continue
        pick = mine.find(row, present.start)
        if pick is not None:
            found[k] = pick
    return found
