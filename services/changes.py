"""Compares a negotiation's outcome with the present answers: what is new, what moved and why, what stayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from agents.view import Outcome
from agents.wording import money_text, when
from models.domain.job import Job, JobStatus
from models.domain.plan import Award, Deferral, Refusal
from models.domain.ports import JobPlan
from services.situation import Facts

DID_NOT_RUN = "a run that did not take place"
"""What moves a job whose window passed, whatever began the plan."""

REASONS = {
    "new_forecast": "a new carbon forecast",
    "new_prices": "new prices",
    "asset_changed": "a changed cluster",
    "submit": "new work",
    "cancel": "cancelled work",
    "control": "a user's change",
    "completed": "a run that was completed",
    "failed": "a run that failed",
    "did_not_run": DID_NOT_RUN,
    "executor": "a run that ended, failed or lasted longer",
}
"""What moved an award, in words; anything else reads `a new plan`."""


@dataclass(frozen=True)
class Change:
    """A job whose answer is new or different."""

    plan: JobPlan
    status: JobStatus
    is_move: bool


def changes_of(
    outcome: Outcome,
    facts: Facts,
    jobs: Mapping[str, Job],
    trigger: str,
    mode: str,
    now: datetime,
) -> tuple[list[Change], list[JobPlan]]:
    """Return changed answers, and unchanged ones with their figures brought up to date."""
    changed: list[Change] = []
    unchanged: list[JobPlan] = []
    for award in outcome.awards:
        before = facts.plans.get(award.job_id)
        if before is not None and jobs[award.job_id].status is JobStatus.RUNNING:
            changed.append(_rest_moved(before, award, outcome, trigger, mode, now))
            continue
        if _same_award(before, award) and jobs[award.job_id].status is JobStatus.SCHEDULED:
            assert before is not None
            unchanged.append(_refreshed(before, award, mode))
            continue
        passed = (
            jobs[award.job_id].status is JobStatus.PENDING
            and before is not None
            and before.award is not None
            and before.award.placement.start <= now
        )
        cause = DID_NOT_RUN if passed else REASONS.get(trigger, "a new plan")
        changed.append(_awarded(before, award, outcome, cause, mode, now))
    for refusal in outcome.refusals:
        before = facts.plans.get(refusal.job_id)
        told = jobs[refusal.job_id].status is JobStatus.REFUSED
        if told and before is not None and _same_refusal(before, refusal):
            unchanged.append(replace(before, refusal=refusal))
            continue
        plan = _fresh(before, refusal.job_id, outcome, mode, now, refusal=refusal)
        changed.append(Change(plan, JobStatus.REFUSED, False))
    for deferral in outcome.deferrals:
        before = facts.plans.get(deferral.job_id)
        told = jobs[deferral.job_id].status is JobStatus.PENDING
        if told and before is not None and before.deferral == deferral:
            continue
        plan = _fresh(before, deferral.job_id, outcome, mode, now, deferral=deferral)
        changed.append(Change(plan, JobStatus.PENDING, False))
    return changed, unchanged


def _same_award(before: JobPlan | None, award: Award) -> bool:
    if before is None or before.award is None:
        return False
    old, new = before.award.placement, award.placement
    return (old.asset_id, old.start, old.end, old.segments) == (
        new.asset_id,
        new.start,
        new.end,
        new.segments,
    ) and before.award.provisional == award.provisional


def _same_refusal(before: JobPlan, refusal: Refusal) -> bool:
    old = before.refusal
    return old is not None and old.rule == refusal.rule


def _refreshed(before: JobPlan, award: Award, mode: str) -> JobPlan:
    return replace(before, award=award, signals_mode=mode, refusal=None)


def _awarded(
    before: JobPlan | None,
    award: Award,
    outcome: Outcome,
    cause: str,
    mode: str,
    now: datetime,
) -> Change:
    old = before.award if before else None
    moved = old is not None and (
        old.placement.start != award.placement.start
        or old.placement.asset_id != award.placement.asset_id
    )
    plan = _fresh(before, award.job_id, outcome, mode, now, award=award)
    if moved and old is not None:
        told = f"{cause}: from {when(old.placement.start)} to {when(award.placement.start)}"
        gain = _gain(old, award)
        plan = replace(
            plan,
            moves=plan.moves + 1,
            previous_start=old.placement.start,
            move_reason=told + (f", {gain}" if gain else ""),
        )
    return Change(plan, JobStatus.SCHEDULED, moved)


def _rest_moved(
    before: JobPlan, award: Award, outcome: Outcome, trigger: str, mode: str, now: datetime
) -> Change:
    """Return the new answer of a job that runs and whose rest has moved; it goes on running."""
    plan = _fresh(before, award.job_id, outcome, mode, now, award=award)
    cause = REASONS.get(trigger, "a new plan")
    told = f"{cause}: the rest of the run"
    if before.award is not None:
        old, new = before.award.placement, award.placement
        told += f", which ended {when(old.end)}, now ends {when(new.end)}"
        gain = _gain(before.award, award)
        told += f", {gain}" if gain else ""
    return Change(replace(plan, moves=plan.moves + 1, move_reason=told), JobStatus.RUNNING, True)


def _gain(old: Award, new: Award) -> str:
    """Return what the present plan expects against the old expectation, as told then."""
    before, after = old.placement.cost_gbp, new.placement.cost_gbp
    if before is None or after is None:
        return ""
    return f"{money_text(before)} expected then, {money_text(after)} now"


def _fresh(
    before: JobPlan | None,
    job_id: str,
    outcome: Outcome,
    mode: str,
    now: datetime,
    *,
    award: Award | None = None,
    refusal: Refusal | None = None,
    deferral: Deferral | None = None,
) -> JobPlan:
    """Return a new answer; the decision id is filled in when its record is sealed."""
    return JobPlan(
        job_id=job_id,
        negotiation_id=str(outcome.negotiation_id),
        decision_id="",
        decided_at=now,
        award=award,
        refusal=refusal,
        deferral=deferral,
        moves=before.moves if before else 0,
        previous_start=before.previous_start if before else None,
        move_reason=before.move_reason if before else None,
        signals_mode=mode,
    )
