"""The chair: runs a bounded negotiation between the agents and turns its end into decisions.

Pure: everything it needs is in the `Situation`; the same situation gives the same outcome, whatever the order
of its jobs and assets. It delivers in sorted sender order and stamps every message.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from time import perf_counter

from agents import policy_agent
from agents.attempt import Attempt, plan_at, within_budget
from agents.carbon_budget import CarbonBudget
from agents.certificate import (
    Proof,
    breaches,
    certificate,
    charged_gbp,
    notes_on,
    short_budgets,
)
from agents.describe import Describer, savings_between
from agents.faults import PolicyVeto, handling
from agents.ground import held_power
from agents.messages import (
    Awarded,
    Deferred,
    Message,
    PlanProposed,
    PlanVetoed,
    Refused,
    SlotArray,
)
from agents.refusals import looked_after, over_budget, refuse
from agents.started import moved
from agents.view import Outcome, PolicyAgentView, Situation
from agents.wording import award_sentence
from models.domain.job import Job
from models.domain.plan import Award, Refusal
from models.domain.signal import Quality, worst_quality
from models.optimise.assignment import UNSERVED, Assignment
from models.optimise.budget import DaysLeft
from models.optimise.options import Weights, must_run_on_arrival

NAME = "chair"
"""Sender name of the scheduler."""


def negotiate(situation: Situation) -> Outcome:
    """Negotiate a plan for everything that is up for planning.

    Raises:
        PolicyVeto: If the plan breaks a hard limit by the Policy Agent's own check.
        JobFault: If our own code fails on one job.
    """
    began = perf_counter()
    attempt = plan_at(situation)
    budget = CarbonBudget.of(situation, attempt.table)
    proof = attempt.proof
    if budget is not None:
        attempt, proof = within_budget(situation, budget, attempt)
    plan, table, minutes = attempt.plan, attempt.table, attempt.minutes
    weights = policy_agent.weights_of(situation.policy)
    helped = looked_after(plan)
    left = None if budget is None else budget.left_after(budget.carbon_kg(plan, table))
    refusals = [
        *situation.refused,
        *(
            _refuse(attempt, k, weights, left, k in helped)
            for k in range(len(plan.options))
            if plan.choice[k] == UNSERVED
        ),
    ]
    last = attempt.rounds.state.prices.rounds
    _judge(situation, attempt, proof, budget, last)
    kappa = situation.policy.kappa_gbp_per_kg
    describer = Describer.of(table, situation.signals, kappa, left)
    awards = tuple(
        _award(describer, plan, k) for k in range(len(plan.options)) if plan.choice[k] != UNSERVED
    )
    notes = [
        *notes_on(plan, situation.refused),
        *breaches(situation, table),
        *short_budgets(budget, proof),
    ]
    awards += moved(situation, table, table.room_kw - plan.room_kw, weights, describer)
    seconds = perf_counter() - began
    minutes.hear(_decisions(awards, refusals, situation), last)
    return Outcome(
        negotiation_id=situation.negotiation_id,
        awards=awards,
        refusals=tuple(sorted(refusals, key=lambda r: r.job_id)),
        deferrals=situation.deferred,
        certificate=certificate(plan, attempt.best, proof, budget, seconds, notes),
        messages=tuple(minutes.messages),
        data_quality=worst_quality(a.placement.data_quality for a in awards)
        if awards
        else Quality.NONE,
        shadow_gbp_per_kwh=attempt.rounds.scarce_half_hours(),
    )


def _judge(
    situation: Situation,
    attempt: Attempt,
    proof: Proof,
    budget: CarbonBudget | None,
    last_round: int,
) -> None:
    plan, table, minutes = attempt.plan, attempt.table, attempt.minutes
    served = int((plan.choice != UNSERVED).sum())
    load = table.room_kw - plan.room_kw
    proposal = PlanProposed(
        sender=NAME,
        load_kw=SlotArray(load),
        served=served,
        unserved=len(plan.options) - served,
        objective_gbp=plan.objective_gbp - charged_gbp(plan),
        lower_bound_gbp=proof.bound_gbp,
    )
    proposed = minutes.hear((proposal,), last_round)
    view = PolicyAgentView(
        situation.policy,
        table,
        options=tuple(plan.options),
        links=plan.links,
        choice=tuple(int(c) for c in plan.choice),
        held_kw=held_power(situation),
        predecessor_ends=situation.predecessor_ends or {},
        incumbents=situation.incumbents or {},
        carbon_left_kg={}
        if budget is None
        else dict(zip(budget.days.dates, (budget.left_kg + budget.slack_kg).tolist(), strict=True)),
    )
    verdict = minutes.hear(policy_agent.respond(view, proposed), last_round)
    for message in verdict:
        if isinstance(message, PlanVetoed):
            raise PolicyVeto(f"{message.rule}: {message.detail}", message.job_id)


def _refuse(
    attempt: Attempt, k: int, weights: Weights, left: DaysLeft | None, is_helped: bool
) -> Refusal:
    plan, table = attempt.plan, attempt.table
    with handling(plan.options[k].job.job_id, "refusing"):
        if left is not None and k in attempt.over_budget:
            refusal = over_budget(plan, k, table, left)
            if refusal is not None:
                return refusal
        return refuse(plan, k, table, weights, left=left, looks_for_changes=is_helped)


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
