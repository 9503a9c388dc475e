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
from agents.links import build_links, tightened_windows
from agents.messages import (
    Awarded,
    Deferred,
    DemandQuoted,
    Message,
    PlanProposed,
    PlanVetoed,
    PricesPosted,
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
from models.domain.time import SLOT_HOURS
from models.optimise.award import UNSERVED, Assignment, award
from models.optimise.options import JobOptions, must_run_on_arrival
from models.optimise.table import TOLERANCE_KW, PricedTable

NAME = "chair"
"""Sender name of the scheduler."""


class PolicyVeto(RuntimeError):
    """The Policy Agent vetoed a plan the award made: our own mistake, so nothing is committed."""


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
    """
    began = perf_counter()
    minutes = _Minutes(situation)
    weights = policy_agent.weights_of(situation.policy)
    table = _open(situation, minutes)
    jobs = tuple(sorted(situation.jobs, key=lambda job: job.job_id))
    options = _announce(situation, table, jobs, minutes)
    bound = _price_rounds(situation, table, options, minutes)
    links = build_links(jobs)
    plan = award(options, table.room_kw, links, _held_options(situation, table, options))
    refusals = [
        *situation.refused,
        *(
            refuse(plan, k, table, weights)
            for k in range(len(options))
            if plan.choice[k] == UNSERVED
        ),
    ]
    _judge(situation, table, options, plan, bound, minutes)
    describer = Describer.of(table, situation.signals, situation.policy.kappa_gbp_per_kg)
    awards = tuple(
        _award(describer, plan, k) for k in range(len(options)) if plan.choice[k] != UNSERVED
    )
    notes = [*_notes(plan, situation.refused), *_breaches(situation, table)]
    certificate = _certificate(plan, bound, perf_counter() - began, notes)
    minutes.hear(_decisions(awards, refusals, situation), 1)
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
) -> tuple[JobOptions, ...]:
    """Let each owner's Job Agent price its options and announce its work; options come back in `jobs` order."""
    releases, deadlines = tightened_windows(
        jobs, situation.predecessor_ends or {}, table.horizon.start_of(table.first_open)
    )
    by_id: dict[str, JobOptions] = {}
    for owner in sorted({job.owner for job in jobs}):
        view = JobAgentView(
            jobs=tuple(job for job in jobs if job.owner == owner),
            table=table,
            weights=policy_agent.weights_of(situation.policy),
            incumbents=situation.incumbents or {},
            releases=releases,
            deadlines=deadlines,
        )
        mine = job_agent.options_of(view)
        by_id.update({options.job.job_id: options for options in mine})
        minutes.hear(job_agent.respond(owner, table, mine, ()), 0)
    return tuple(by_id[job.job_id] for job in jobs)


def _price_rounds(
    situation: Situation,
    table: PricedTable,
    options: tuple[JobOptions, ...],
    minutes: _Minutes,
) -> float:
    """Post prices, collect quotes, and return the lower bound they prove. [GBP]

    The bound is what the quotes are worth less what the room itself would earn at the posted prices.
    """
    posted = minutes.hear(
        policy_agent.respond(PolicyAgentView(situation.policy, table), minutes.messages), 1
    )
    value = -sum(
        float((message.power_gbp_per_kwh.values * table.room_kw).sum()) * SLOT_HOURS
        for message in posted
        if isinstance(message, PricesPosted)
    )
    for owner in sorted({mine.job.owner for mine in options}):
        mine = [each for each in options if each.job.owner == owner]
        quotes = minutes.hear(job_agent.respond(owner, table, mine, posted), 1)
        value += sum(quote.value_gbp for quote in quotes if isinstance(quote, DemandQuoted))
    return value


def _held_options(
    situation: Situation, table: PricedTable, options: tuple[JobOptions, ...]
) -> dict[int, int]:
    """Return the option each job holds now, by position."""
    found: dict[int, int] = {}
    for k, mine in enumerate(options):
        present = (situation.incumbents or {}).get(mine.job.job_id)
        row = None if present is None else table.index.get(present.asset_id)
        if present is None or row is None:
            continue
        pick = mine.find(row, present.start)
        if pick is not None:
            found[k] = pick
    return found


def _judge(
    situation: Situation,
    table: PricedTable,
    options: tuple[JobOptions, ...],
    plan: Assignment,
    bound: float,
    minutes: _Minutes,
) -> None:
    served = int((plan.choice != UNSERVED).sum())
    load = table.room_kw - plan.room_kw
    proposal = PlanProposed(
        sender=NAME,
        load_kw=SlotArray(load),
        served=served,
        unserved=len(options) - served,
        objective_gbp=plan.objective_gbp,
        lower_bound_gbp=bound,
    )
    proposed = minutes.hear((proposal,), 1)
    view = PolicyAgentView(
        situation.policy, table, options, plan.links, tuple(int(c) for c in plan.choice)
    )
    verdict = minutes.hear(policy_agent.respond(view, proposed), 1)
    for message in verdict:
        if isinstance(message, PlanVetoed):
            raise PolicyVeto(f"{message.rule}: {message.detail}")


def _award(describer: Describer, plan: Assignment, k: int) -> Award:
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
        churn_gbp=float(mine.churn_gbp[pick]),
        provisional=bool(mine.tier[pick] == 2),
    )


def _notes(plan: Assignment, before: Sequence[Refusal]) -> list[str]:
    notes = ["one round at price zero: the bound is every job's own unconstrained best"]
    if before:
        notes.append(f"{len(before)} refused before planning stand outside objective and bound")
    if plan.is_cut_short:
        notes.append("the search for room for unserved jobs stopped at its limit")
    return notes


def _breaches(situation: Situation, table: PricedTable) -> list[str]:
    """Return one sentence per asset whose held work alone exceeds its limit; nothing is planned around it."""
    held = held_power(situation)
    notes = []
    for row, asset in enumerate(table.assets):
        if asset.asset_id not in held:
            continue
        over = float(held[asset.asset_id].max() - table.limit_kw[row])
        if over > TOLERANCE_KW:
            notes.append(f"frozen work exceeds the limit of {asset.asset_id} by {over:g} kW")
    return notes


def _certificate(
    plan: Assignment, bound: float, seconds: float, notes: Sequence[str]
) -> Certificate:
    """Return what is proven. Jobs refused before planning stand outside objective and bound and are noted."""
    served = [k for k in range(len(plan.options)) if plan.choice[k] != UNSERVED]
    waiting = [k for k in range(len(plan.options)) if plan.choice[k] == UNSERVED]
    served_gbp = sum(plan.job_gbp(k) for k in served)
    unserved_gbp = sum(plan.job_gbp(k) for k in waiting)
    objective = served_gbp + unserved_gbp
    gap = max(0.0, objective - bound)
    served_bound = sum(plan.options[k].lower_bound_gbp for k in served)
    served_percent = (
        max(0.0, served_gbp - served_bound) / max(abs(served_gbp), 0.01) * 100 if served else 0.0
    )
    return Certificate(
        objective_gbp=objective,
        lower_bound_gbp=bound,
        gap_gbp=gap,
        gap_percent=None if waiting else gap / max(abs(objective), 0.01) * 100,
        gap_served_percent=served_percent,
        served_gbp=served_gbp,
        unserved_gbp=unserved_gbp,
        rounds=1,
        seconds=seconds,
        method=PlanMethod.GREEDY,
        heuristic=plan.is_cut_short,
        delay_gbp=sum(float(plan.options[k].delay_gbp[plan.choice[k]]) for k in served),
        churn_gbp=sum(float(plan.options[k].churn_gbp[plan.choice[k]]) for k in served),
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
