"""The chair: runs a bounded negotiation between the agents and turns its end into decisions.

Pure: everything it needs is in the `Situation`; the same situation gives the same outcome, whatever the order
of its jobs and assets. It delivers in sorted sender order and stamps every message.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter

import numpy as np

from agents import energy_agent, job_agent, policy_agent
from agents.describe import Describer, savings_between
from agents.faults import PolicyVeto, handling
from agents.job_agent import JobAgent
from agents.links import build_links, tightened_windows
from agents.messages import (
    Awarded,
    Deferred,
    DemandQuoted,
    Message,
    PlanProposed,
    PlanVetoed,
    Refused,
    SlotArray,
    stamp,
)
from agents.refusals import refuse
from agents.view import (
    EnergyAgentView,
    JobAgentView,
    Outcome,
    PolicyAgentView,
    Situation,
)
from agents.wording import award_sentence
from models.domain.job import Job
from models.domain.plan import Award, Certificate, PlanMethod, Refusal
from models.domain.signal import FloatArray, Quality, worst_quality
from models.optimise.assignment import UNSERVED, Assignment, Options
from models.optimise.award import award
from models.optimise.fleet_solve import EXACT_GAP
from models.optimise.ladder import LARGE, Best, climb, rounds_for, tidied
from models.optimise.options import Weights, must_run_on_arrival
from models.optimise.pattern_options import PatternOptions
from models.optimise.quoting import Quoting
from models.optimise.table import TOLERANCE_KW, PricedTable

SEED = 0
"""Of every search: the same inputs give the same plan."""

NAME = "chair"
"""Sender name of the scheduler."""


@dataclass
class _Minutes:
    """Everything said so far, stamped."""

    situation: Situation
    messages: list[Message] = field(default_factory=list)
    counts: dict[tuple[int, str], int] = field(default_factory=dict)

    def hear(self, said: Sequence[Message], round_number: int) -> tuple[Message, ...]:
        """Stamp and keep messages; returns them stamped."""
        stamped = []
        for message in said:
            n = self.counts.get((round_number, message.sender), 0)
            self.counts[(round_number, message.sender)] = n + 1
            stamped.append(
                stamp(
                    message,
                    self.situation.negotiation_id,
                    round_number,
                    n,
                    self.situation.now,
                )
            )
        self.messages.extend(stamped)
        return tuple(stamped)


def negotiate(situation: Situation) -> Outcome:
    """Negotiate a plan for everything that is up for planning.

    Raises:
        PolicyVeto: If the plan breaks a hard limit by the Policy Agent's own check.
        JobFault: If our own code fails on one job.
    """
    began = perf_counter()
    minutes = _Minutes(situation)
    weights = policy_agent.weights_of(situation.policy)
    table = _open(situation, minutes)
    jobs = tuple(sorted(situation.jobs, key=lambda job: job.job_id))
    agents = _announce(situation, table, jobs, minutes)
    by_id = {mine.job.job_id: mine for agent in agents for mine in agent.options}
    options = tuple(by_id[job.job_id] for job in jobs)
    rounds = _PriceRounds(situation, table, agents, minutes)
    rounds.hold(1)
    held = _held_options(situation, table, options)
    first = award(options, table.room_kw, build_links(jobs), held)
    if first.is_ideal():
        best = Best(first, rounds.state.best_gbp, PlanMethod.GREEDY, first.is_cut_short)
    else:
        rounds.hold(rounds_for(len(options)))
        best = climb(first, table, rounds.state.prices, bool(held), SEED)
    rounds.record()
    plan = tidied(best.plan)
    refusals = [
        *situation.refused,
        *(
            _refuse(plan, k, table, weights)
            for k in range(len(options))
            if plan.choice[k] == UNSERVED
        ),
    ]
    last = rounds.state.prices.rounds
    _judge(situation, table, plan, best.bound_gbp, minutes, last)
    describer = Describer.of(table, situation.signals, situation.policy.kappa_gbp_per_kg)
    awards = tuple(
        _award(describer, plan, k) for k in range(len(options)) if plan.choice[k] != UNSERVED
    )
    notes = [*_notes(plan, situation.refused), *_breaches(situation, table)]
    served_bound = rounds.bound_of_served(plan)
    certificate = _certificate(plan, best, served_bound, last, perf_counter() - began, notes)
    minutes.hear(_decisions(awards, refusals, situation), last)
    return Outcome(
        negotiation_id=situation.negotiation_id,
        awards=awards,
        refusals=tuple(sorted(refusals, key=lambda r: r.job_id)),
        deferrals=situation.deferred,
        certificate=certificate,
        messages=tuple(minutes.messages),
        data_quality=worst_quality(a.placement.data_quality for a in awards)
        if awards
        else Quality.NONE,
        shadow_gbp_per_kwh=rounds.scarce_half_hours(),
    )


def first_open_slot(situation: Situation) -> int:
    """Return the first half-hour in which anything may still start."""
    return max(0, situation.horizon.first_index_from(situation.now))


def held_power(situation: Situation) -> dict[str, FloatArray]:
    """Return the IT power held per asset by work that is not up for planning, shape (slots,). [kW]"""
    held: dict[str, FloatArray] = defaultdict(lambda: np.zeros(situation.horizon.slots))
    for work in situation.held:
        for offset, kw in enumerate(work.power_kw):
            slot = work.first_slot + offset
            if 0 <= slot < situation.horizon.slots:
                held[work.asset_id][slot] += kw
    return dict(held)


def _open(situation: Situation, minutes: _Minutes) -> PricedTable:
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
    minutes.hear(policy_agent.respond(PolicyAgentView(situation.policy, table), ()), 0)
    return table


def _announce(
    situation: Situation, table: PricedTable, jobs: tuple[Job, ...], minutes: _Minutes
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
        )
        agent = job_agent.agent_of(owner, view, is_large=len(jobs) > LARGE)
        minutes.hear(job_agent.respond(agent, ()), 0)
        agents.append(agent)
    return tuple(agents)


class _PriceRounds:
    """Rounds of posted prices and quotes; the minutes keep the first one and the one that proves the bound.

    The bound is what the quotes are worth less what the room itself would earn at the posted prices.
    """

    def __init__(
        self,
        situation: Situation,
        table: PricedTable,
        agents: Sequence[JobAgent],
        minutes: _Minutes,
    ) -> None:
        self.situation, self.table = situation, table
        self.agents, self.minutes = agents, minutes
        self.state = policy_agent.open_rounds(table)
        self.best: tuple[int, list[Message]] | None = None

    def hold(self, most: int) -> None:
        """Hold rounds until there have been so many, or until another would change nothing that counts."""
        while self.state.prices.rounds < most and not self.state.is_done:
            self._round(self.state.prices.rounds + 1)

    def _round(self, number: int) -> None:
        view = PolicyAgentView(self.situation.policy, self.table, self.state)
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
            if mine.can_keep_held:
                found[k] = mine.add(mine.held)  # type: ignore[arg-type]
            continue
        pick = mine.find(row, present.start)
        if pick is not None:
            found[k] = pick
    return found


def _judge(
    situation: Situation,
    table: PricedTable,
    plan: Assignment,
    bound: float,
    minutes: _Minutes,
    last_round: int,
) -> None:
    served = int((plan.choice != UNSERVED).sum())
    load = table.room_kw - plan.room_kw
    proposal = PlanProposed(
        sender=NAME,
        load_kw=SlotArray(load),
        served=served,
        unserved=len(plan.options) - served,
        objective_gbp=plan.objective_gbp,
        lower_bound_gbp=bound,
    )
    proposed = minutes.hear((proposal,), last_round)
    view = PolicyAgentView(
        situation.policy,
        table,
        options=tuple(plan.options),
        links=plan.links,
        choice=tuple(int(c) for c in plan.choice),
        held_kw=held_power(situation),
    )
    verdict = minutes.hear(policy_agent.respond(view, proposed), last_round)
    for message in verdict:
        if isinstance(message, PlanVetoed):
            raise PolicyVeto(f"{message.rule}: {message.detail}", message.job_id)


def _refuse(plan: Assignment, k: int, table: PricedTable, weights: Weights) -> Refusal:
    with handling(plan.options[k].job.job_id, "refusing"):
        return refuse(plan, k, table, weights)


def _award(describer: Describer, plan: Assignment, k: int) -> Award:
    with handling(plan.options[k].job.job_id, "describing"):
        return _described(describer, plan, k)


def _described(describer: Describer, plan: Assignment, k: int) -> Award:
    mine = plan.options[k]
    pick = int(plan.choice[k])
    placed = describer.placement(mine, pick)
    baseline = describer.baseline(mine.job)
    savings = savings_between(baseline.placement, placed)
    explanation = describer.explain(plan, k, mine.job.owner)
    own = describer.table.assets[describer.table.index[mine.job.asset_id]]
    why = award_sentence(
        placed,
        baseline,
        savings,
        explanation,
        is_pinned=mine.job.pinned_start is not None,
        must_run=must_run_on_arrival(mine.job, own),
    )
    return Award(
        job_id=mine.job.job_id,
        placement=placed,
        baseline=baseline,
        savings=savings,
        explanation=explanation,
        why=why,
        churn_gbp=mine.churn_of(pick),
        provisional=mine.tier_of(pick) == 2,
    )


def _notes(plan: Assignment, before: Sequence[Refusal]) -> list[str]:
    notes = []
    waits = [
        k
        for k, mine in enumerate(plan.options)
        if mine.runs_on_arrival and plan.choice[k] != UNSERVED
    ]
    given_up = sum(max(0.0, plan.job_gbp(k) - plan.options[k].lower_bound_gbp) for k in waits)
    if given_up > 0.0:
        notes.append(
            f"{len(waits)} jobs run on arrival by their own or the policy's rule, although waiting could save "
            f"£{given_up:.4f} together; the bound does not know that rule"
        )
    if before:
        notes.append(f"{len(before)} refused before planning stand outside objective and bound")
    if plan.is_cut_short:
        notes.append("the search for room for unserved jobs stopped at its limit")
    return notes


def _breaches(situation: Situation, table: PricedTable) -> list[str]:
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


def _certificate(
    plan: Assignment,
    best: Best,
    served_bound: float,
    rounds: int,
    seconds: float,
    notes: Sequence[str],
) -> Certificate:
    """Return what is proven. Jobs refused before planning stand outside objective and bound and are noted."""
    served = [k for k in range(len(plan.options)) if plan.choice[k] != UNSERVED]
    waiting = [k for k in range(len(plan.options)) if plan.choice[k] == UNSERVED]
    served_gbp = sum(plan.job_gbp(k) for k in served)
    unserved_gbp = sum(plan.job_gbp(k) for k in waiting)
    objective = served_gbp + unserved_gbp
    bound = min(best.bound_gbp, objective)
    gap = objective - bound
    served_percent = (
        max(0.0, served_gbp - served_bound) / max(abs(served_gbp), 0.01) * 100 if served else 0.0
    )
    is_proven = gap <= EXACT_GAP * max(abs(objective), 0.01)
    return Certificate(
        objective_gbp=objective,
        lower_bound_gbp=bound,
        gap_gbp=gap,
        gap_percent=None if waiting else gap / max(abs(objective), 0.01) * 100,
        gap_served_percent=served_percent,
        served_gbp=served_gbp,
        unserved_gbp=unserved_gbp,
        rounds=rounds,
        seconds=seconds,
        method=PlanMethod.EXACT if is_proven else best.method,
        heuristic=(best.is_heuristic or plan.is_cut_short) and not is_proven,
        delay_gbp=sum(plan.options[k].delay_of(int(plan.choice[k])) for k in served),
        churn_gbp=sum(plan.options[k].churn_of(int(plan.choice[k])) for k in served),
        notes=tuple(notes),
    )


def _decisions(
    awards: Sequence[Award], refusals: Sequence[Refusal], situation: Situation
) -> list[Message]:
    said: list[Message] = [
        Awarded(
            sender=NAME,
            job_id=a.job_id,
            asset_id=a.placement.asset_id,
            start=a.placement.start,
            end=a.placement.end,
            objective_gbp=(a.placement.objective_gbp or 0.0),
            why=a.why,
        )
        for a in awards
    ]
    said += [
        Deferred(sender=NAME, job_id=d.job_id, reason=d.reason, earliest=d.earliest)
        for d in situation.deferred
    ]
    said += [
        Refused(
            sender=NAME,
            job_id=r.job_id,
            rule=r.rule,
            detail=r.detail,
            smallest_relaxation=None
            if r.smallest_relaxation is None
            else {"field": r.smallest_relaxation.field, "value": r.smallest_relaxation.value},
        )
        for r in sorted(refusals, key=lambda r: r.job_id)
    ]
    return said


def last_deadline(jobs: Sequence[Job], default: datetime) -> datetime:
    """Return the last deadline among jobs."""
    return max((job.latest_finish for job in jobs), default=default)
