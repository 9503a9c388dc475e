"""Plan and re-plan: negotiate everything that has not started, and commit the result in one transaction.

One planner works at a time (lease `plan`); the commit checks the plan version and the lease's fencing token,
so that a plan made from old facts is thrown away and made anew, never committed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from agents import job_agent
from agents.view import Outcome, Situation
from models.domain.access import Caller
from models.domain.decision import EventType
from models.domain.errors import AuditBroken, Forbidden, HalfhourError, StalePlan
from models.domain.plan import NegotiationSummary
from models.domain.ports import Page
from services import plan_changes, records, snapshot
from services.changes import Change, changes_of
from services.context import Context
from services.negotiating import known_faults, negotiated
from services.negotiation_log import begin, finished, mark_failed, untouched
from services.plan_guard import check_room, held_by_all, late_for
from services.plan_queue import ASKED_FOR, PlanQueue, Ticket
from services.plan_turn import turn
from services.signals import RefreshReport
from services.situation import Facts, lacks_answer, load
from services.types import NegotiationView, PlanRun

log = logging.getLogger(__name__)

ATTEMPTS = 6
"""How often a plan is made anew when the facts changed meanwhile."""

STRICT_ATTEMPTS = 1
"""After so many attempts a plan is also taken without jobs that were added or changed meanwhile; they come with the next."""

_queue = PlanQueue()


def schedule(context: Context, caller: Caller, job_id: str) -> PlanRun:
    """Negotiate all work not started, after checking that the job is the caller's."""
    _must_submit(caller)
    with context.uow() as uow:
        uow.jobs.get(job_id, caller.sees_owner)
    return replan(context, trigger="schedule")


def schedule_all(context: Context, caller: Caller) -> PlanRun:
    """Negotiate all work not started."""
    _must_submit(caller)
    return replan(context, trigger="schedule_all")


def replan_if_needed(context: Context, report: RefreshReport) -> PlanRun | None:
    """Re-plan when signals changed or accepted work has no answer yet; None when nothing calls for it."""
    trigger = None
    if report.prices_updated and not report.mode_changed:
        trigger = "new_prices"
    elif report.has_news:
        trigger = "new_forecast"
    facts = load(context)
    if trigger is None and any(
        lacks_answer(job, facts.plans.get(job.job_id)) for job in facts.jobs
    ):
        trigger = "worker"
    if trigger is None or all(job.is_held for job in facts.jobs):
        return None
    return replan(context, trigger=trigger, wait_seconds=None)


def replan(context: Context, *, trigger: str, wait_seconds: float | None = -1.0) -> PlanRun:
    """Plan now. Waits up to the configured seconds, then answers `finished=False` and goes on behind.

    Who asks while a plan waits for its turn gets that plan (`services.plan_queue`).

    Args:
        context: Ports.
        trigger: Why (see `NegotiationSummary.trigger`).
        wait_seconds: How long to wait; None: until done; negative: the configured time. [s]

    Raises:
        HalfhourError: What the planning raised, if it ended within the wait.
    """
    ticket, is_new = _queue.join(context, trigger, context.new_id)
    limit = (
        context.settings.schedule_wait_seconds
        if wait_seconds and wait_seconds < 0
        else wait_seconds
    )
    if is_new and limit is None:
        _make(ticket)
    elif is_new:
        threading.Thread(
            target=_make, args=(ticket,), name=f"plan-{ticket.negotiation_id}", daemon=True
        ).start()
    return _queue.wait(ticket, limit)


def _make(ticket: Ticket) -> None:
    """Make the plan of a ticket, and tell everybody who waits for it."""
    context, negotiation_id = ticket.context, ticket.negotiation_id
    try:
        begin(context, negotiation_id, ticket.trigger)
        ticket.announced.set()
        run = _run(ticket)
    except BaseException as error:
        if not _queue.end(ticket, error=error):
            ours = not isinstance(error, HalfhourError)
            log.error("negotiation %s failed: %s", negotiation_id, error, exc_info=ours)
        return
    _queue.end(ticket, run=run)


def replan_after(context: Context, *, trigger: str) -> PlanRun | None:
    """Plan after something was accepted and stored; a failure does not undo that, and the loop plans later.

    Args:
        context: Ports.
        trigger: Why (see `NegotiationSummary.trigger`).

    Returns:
        What the planning came to; None where it failed, which the negotiation itself tells.
    """
    try:
        return replan(context, trigger=trigger)
    except HalfhourError:
        log.exception("planning after %r failed; what was accepted stands", trigger)
        return None


def _run(ticket: Ticket) -> PlanRun:
    context, negotiation_id = ticket.context, ticket.negotiation_id
    started = context.clock.now()
    holder = f"{context.settings.holder}:{negotiation_id}"
    try:
        with turn(context, holder) as token:
            _queue.begun(ticket)
            run = _plan_until_fresh(context, negotiation_id, ticket.trigger, started, token)
    except BaseException as error:
        mark_failed(context, negotiation_id, ticket.trigger, started, error)
        raise
    _flush(context)
    return run


def _plan_until_fresh(
    context: Context, negotiation_id: UUID, trigger: str, started: datetime, token: int
) -> PlanRun:
    context.signals.ensure_fresh()
    for attempt in range(ATTEMPTS):
        facts = load(context)
        now = context.clock.now()
        faulty = () if trigger in ASKED_FOR else known_faults(facts)
        facing, outcome = negotiated(context, facts, negotiation_id, now, faulty)
        made = _Made(facts, outcome, facing, trigger, started, attempt < STRICT_ATTEMPTS)
        try:
            return _commit(context, made, token)
        except StalePlan:
            if attempt == ATTEMPTS - 1:
                raise
            log.info("plan %s was overtaken; planning again", negotiation_id)
    raise AssertionError("unreachable")


@dataclass(frozen=True)
class _Made:
    """A plan and what it was made from."""

    facts: Facts
    outcome: Outcome
    facing: Situation
    trigger: str
    started: datetime
    is_strict: bool


def _commit(context: Context, made: _Made, token: int) -> PlanRun:
    """Write answers, records and the frozen view of the plan in one transaction."""
    facts, outcome, facing, trigger = made.facts, made.outcome, made.facing, made.trigger
    signals = facing.signals
    now = context.clock.now()
    clock_utc = now if context.clock.is_shifted else None
    jobs = {job.job_id: job for job in facts.jobs}
    by_region = records.inputs_of(signals, _horizon(signals), now) if signals else {}
    changed, unchanged = changes_of(outcome, facts, jobs, trigger, context.signals.mode, now)
    messages = [message.model_dump(mode="json") for message in _told(outcome, changed)]
    summary = finished(outcome, trigger, made.started, now, changed, facts)
    # Whatever can be made before is made before: nobody else can write while the transaction is open.
    drafts = []
    for change in changed:
        job = jobs[change.plan.job_id]
        regions = _regions_of(change, job, facts)
        inputs = [row for slug in regions for row in by_region.get(slug, ())]
        drafts.append(_draft(change, job, outcome, inputs, context, trigger, clock_utc))
    frozen_view = snapshot.of(outcome, facts, context.policy, facing, now)
    against = plan_changes.compared(
        context, str(outcome.negotiation_id), frozen_view, signals, facts, trigger
    )
    summary = replace(summary, comparison=against.comparison)
    with context.uow(write=True) as uow:
        late = late_for(uow, facts, token, is_strict=made.is_strict)
        before = held_by_all(uow, facing.horizon) if late else {}
        stored = [plan for plan in unchanged if plan.job_id not in late]
        for change, draft in zip(changed, drafts, strict=True):
            job = jobs[change.plan.job_id]
            if job.job_id in late:
                continue
            record = uow.decisions.append(draft)
            stored.append(replace(change.plan, decision_id=record.event_id))
            if job.status is not change.status:
                uow.jobs.update(replace(job, status=change.status, version=job.version + 1))
        uow.plans.put(stored)
        uow.plans.check_capacity()
        if late:
            check_room(uow, facts, facing.horizon, before)
        kept = [plan.award for plan in unchanged if plan.award and plan.job_id not in late]
        every_input = [row for rows in by_region.values() for row in rows]
        uow.decisions.append(
            records.negotiation_draft(
                outcome, messages, every_input, context.policy, trigger,
                [change.plan.job_id for change in changed if change.plan.job_id not in late], kept, clock_utc,
            )
        )  # fmt: skip
        if late:
            frozen_view = snapshot.without(frozen_view, late - {*untouched(outcome, facts)}, facts)
            summary = _without(summary, outcome, late, facts)
        uow.plans.finish_negotiation(summary, messages, frozen_view)
        uow.plans.add_changes([one for one in against.changes if one.job_id not in late])
        uow.plans.bump()
        uow.commit()
    return PlanRun(
        str(outcome.negotiation_id),
        True,
        summary.scheduled,
        summary.refused,
        summary.deferred,
        summary.moved,
        outcome.certificate,
    )


def _without(
    summary: NegotiationSummary, outcome: Outcome, late: frozenset[str], facts: Facts
) -> NegotiationSummary:
    """Return a summary without the answers to jobs which changed while the plan was made; held windows still count."""
    answers = (outcome.awards, outcome.refusals, outcome.deferrals)
    awards, refusals, deferrals = (sum(each.job_id in late for each in kind) for kind in answers)
    answered = {each.job_id for kind in answers for each in kind}
    held = sum(
        plan.award is not None for job_id, plan in facts.plans.items() if job_id in late & answered
    )
    return replace(
        summary,
        scheduled=summary.scheduled - awards + held,
        refused=summary.refused - refusals,
        deferred=summary.deferred - deferrals,
    )


def _told(outcome: Outcome, changed: Sequence[Change]) -> list[Any]:
    """Return the messages worth keeping: all but awards and refusals that say what was already so."""
    new = {change.plan.job_id for change in changed}
    return [
        message
        for message in outcome.messages
        if getattr(message, "job_id", None) is None or getattr(message, "job_id", None) in new
    ]


def _draft(
    change: Change,
    job: Any,
    outcome: Outcome,
    inputs: Sequence[Mapping[str, Any]],
    context: Context,
    trigger: str,
    clock_utc: datetime | None,
) -> Any:
    event_id = context.new_id()
    if change.plan.award is not None:
        return records.award_draft(
            change.plan.award, job, outcome, inputs, context.policy, trigger, event_id, clock_utc
        )
    if change.plan.refusal is not None:
        return records.refusal_draft(
            change.plan.refusal, job, outcome, inputs, context.policy, trigger, event_id, clock_utc
        )
    deferral = change.plan.deferral
    assert deferral is not None
    return replace(
        records.event_draft(
            EventType.DECISION,
            records.PLANNER,
            {"deferral": {"reason": deferral.reason, "earliest": deferral.earliest}},
            job=job,
            clock_utc=clock_utc,
        ),
        negotiation_id=str(outcome.negotiation_id),
    )


def _regions_of(change: Change, job: Any, facts: Facts) -> list[str]:
    award = change.plan.award
    own = [asset.region for asset in facts.assets if asset.asset_id == job.asset_id]
    return sorted({*own, *([award.placement.region] if award else [])})


def _horizon(signals: Mapping[str, Any]) -> Any:
    return next(iter(signals.values())).horizon


def _flush(context: Context) -> None:
    """Write the records to the file now; the loop tries again if the disk refuses."""
    try:
        context.audit.flush(context.uow)
    except AuditBroken:
        log.exception("the audit log on disk differs from what was committed; nothing was repaired")


def show(context: Context, caller: Caller, negotiation_id: str) -> NegotiationView:
    """Return one negotiation; other owners' jobs are left out."""
    with context.uow() as uow:
        summary, messages, view = uow.plans.negotiation(negotiation_id)
        owner = caller.sees_owner
        if owner is None:
            return NegotiationView(summary, messages, view)
        named = {str(m["job_id"]) for m in messages if m.get("job_id")}
        named |= {str(job["job_id"]) for job in view.get("jobs", ())}
        mine = {j for j, job in uow.jobs.many(named).items() if job.owner == owner}
        own = {asset.asset_id for asset in uow.assets.all_live(owner)}
    kept = tuple(m for m in messages if _may_hear(m, owner, mine))
    jobs = [job for job in view.get("jobs", ()) if job["job_id"] in mine]
    per_asset = {
        name: {k: row for k, row in view.get(name, {}).items() if k in own}
        for name in ("shadow_prices", "room")
    }
    return NegotiationView(summary, kept, {**view, "jobs": jobs, **per_asset})


def _may_hear(message: Mapping[str, Any], owner: str, mine: Collection[str]) -> bool:
    """Return whether an owner may read a message: the agents of other owners and their jobs stay private."""
    sender = str(message.get("sender", ""))
    if sender.startswith(job_agent.name_of("")) and sender != job_agent.name_of(owner):
        return False
    return message.get("job_id") is None or message["job_id"] in mine


def page(
    context: Context, caller: Caller, *, cursor: str | None = None, limit: int = 50
) -> Page[NegotiationSummary]:
    """Return negotiations, newest first. They are the fleet's, so every caller sees their totals."""
    del caller
    with context.uow() as uow:
        return uow.plans.negotiations(cursor=cursor, limit=limit)


def _must_submit(caller: Caller) -> None:
    if not caller.may_submit:
        raise Forbidden(f"the role {caller.role} may read but not plan; use a submitter's key")
