"""Plan and re-plan: negotiate everything that has not started, and commit the result in one transaction.

One planner works at a time (lease `plan`); the commit checks the plan version and the lease's fencing token,
so that a plan made from old facts is thrown away and made anew, never committed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from agents.scheduler import negotiate
from agents.view import Outcome
from models.domain.access import Caller
from models.domain.decision import EventType
from models.domain.errors import AuditBroken, Conflict, Forbidden, HalfhourError, StalePlan
from models.domain.plan import Award, NegotiationStatus, NegotiationSummary
from models.domain.ports import Page
from models.domain.signal import Quality
from services import records, snapshot
from services.changes import Change, changes_of
from services.context import Context
from services.situation import Facts, load, situation
from services.types import NegotiationView, PlanRun

log = logging.getLogger(__name__)

PLAN_LEASE = "plan"
"""Name of the lease every planner holds while it works."""

LEASE_SECONDS = 180.0
"""How long a planner may go silent before another takes over. [s]"""

LOCK_WAIT_SECONDS = 120.0
"""How long a planner waits for its turn. [s]"""

ATTEMPTS = 6
"""How often a plan is made anew when the facts changed meanwhile."""


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


def replan_if_needed(context: Context, report: Any) -> PlanRun | None:
    """Re-plan when signals changed or accepted work has no answer yet; None when nothing calls for it."""
    trigger = None
    if getattr(report, "mode_changed", False):
        trigger = "new_forecast"
    elif getattr(report, "prices_updated", False):
        trigger = "new_prices"
    elif getattr(report, "carbon_updated", False):
        trigger = "new_forecast"
    facts = load(context)
    plannable = [job for job in facts.jobs if not job.is_held]
    if trigger is None and any(job.job_id not in facts.plans for job in plannable):
        trigger = "worker"
    if trigger is None or not plannable:
        return None
    return replan(context, trigger=trigger, wait_seconds=None)


def replan(context: Context, *, trigger: str, wait_seconds: float | None = -1.0) -> PlanRun:
    """Plan now. Waits up to the configured seconds, then answers `finished=False` and goes on behind.

    Args:
        context: Ports.
        trigger: Why (see `NegotiationSummary.trigger`).
        wait_seconds: How long to wait; None: until done; negative: the configured time. [s]

    Raises:
        HalfhourError: What the planning raised, if it ended within the wait.
    """
    negotiation_id = context.new_id()
    begin(context, negotiation_id, trigger)
    if wait_seconds is None:
        return _run(context, negotiation_id, trigger)
    limit = context.settings.schedule_wait_seconds if wait_seconds < 0 else wait_seconds
    box: dict[str, Any] = {}

    def work() -> None:
        try:
            box["run"] = _run(context, negotiation_id, trigger)
        except BaseException as error:
            box["error"] = error
            if box.get("left"):
                log.exception("negotiation %s failed", negotiation_id)

    worker = threading.Thread(target=work, name=f"plan-{negotiation_id}", daemon=True)
    worker.start()
    worker.join(limit)
    if worker.is_alive():
        box["left"] = True
        return PlanRun(str(negotiation_id), finished=False)
    if "error" in box:
        raise box["error"]
    answer: PlanRun = box["run"]
    return answer


def begin(context: Context, negotiation_id: UUID, trigger: str) -> None:
    """Store a negotiation as running, so that it can be followed."""
    with context.uow(write=True) as uow:
        uow.plans.begin_negotiation(
            _summary(negotiation_id, trigger, NegotiationStatus.RUNNING, context.clock.now(), None)
        )
        uow.commit()


def _run(context: Context, negotiation_id: UUID, trigger: str) -> PlanRun:
    started = context.clock.now()
    holder = f"{context.settings.holder}:{negotiation_id}"
    try:
        token = _take_turn(context, holder)
        try:
            run = _plan_until_fresh(context, negotiation_id, trigger, started, token)
        finally:
            context.leases.release(PLAN_LEASE, holder, token)
    except BaseException as error:
        _mark_failed(context, negotiation_id, trigger, started, error)
        raise
    _flush(context)
    return run


def _take_turn(context: Context, holder: str) -> int:
    """Wait for the plan lease and return its fencing token."""
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    pause = 0.005
    while True:
        token = context.leases.acquire(PLAN_LEASE, holder, LEASE_SECONDS)
        if token is not None:
            return token
        if time.monotonic() > deadline:
            raise Conflict("another planner has been at work for two minutes; try again")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def _plan_until_fresh(
    context: Context, negotiation_id: UUID, trigger: str, started: datetime, token: int
) -> PlanRun:
    context.signals.ensure_fresh()
    for attempt in range(ATTEMPTS):
        facts = load(context)
        now = context.clock.now()
        facing = situation(context, facts, negotiation_id, now)
        outcome = negotiate(facing)
        try:
            return _commit(context, facts, outcome, facing.signals, trigger, started, token)
        except StalePlan:
            if attempt == ATTEMPTS - 1:
                raise
            log.info("plan %s was overtaken; planning again", negotiation_id)
    raise AssertionError("unreachable")


def _commit(
    context: Context,
    facts: Facts,
    outcome: Outcome,
    signals: Mapping[str, Any],
    trigger: str,
    started: datetime,
    token: int,
) -> PlanRun:
    """Write answers, records and the frozen view of the plan in one transaction."""
    now = context.clock.now()
    clock_utc = now if context.clock.is_shifted else None
    jobs = {job.job_id: job for job in facts.jobs}
    by_region = records.inputs_of(signals, _horizon(signals), now) if signals else {}
    changed, unchanged = changes_of(outcome, facts, jobs, trigger, context.signals.mode, now)
    messages = [message.model_dump(mode="json") for message in _told(outcome, changed)]
    summary = _finished(outcome, trigger, started, now, changed, facts)
    with context.uow(write=True) as uow:
        uow.plans.guard(facts.version, token)
        stored = list(unchanged)
        for change in changed:
            job = jobs[change.plan.job_id]
            regions = _regions_of(change, job, facts)
            inputs = [row for slug in regions for row in by_region.get(slug, ())]
            record = uow.decisions.append(
                _draft(change, job, outcome, inputs, context, trigger, clock_utc)
            )
            stored.append(replace(change.plan, decision_id=record.event_id))
            if job.status is not change.status:
                uow.jobs.update(replace(job, status=change.status, version=job.version + 1))
        uow.plans.put(stored)
        uow.plans.check_capacity()
        kept = [plan.award for plan in unchanged if plan.award is not None]
        every_input = [row for rows in by_region.values() for row in rows]
        uow.decisions.append(
            records.negotiation_draft(
                outcome, messages, every_input, context.policy, trigger,
                [change.plan.job_id for change in changed], kept, clock_utc,
            )
        )  # fmt: skip
        uow.plans.finish_negotiation(
            summary, messages, snapshot.of(outcome, facts, context.policy, signals, now)
        )
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


def _finished(
    outcome: Outcome,
    trigger: str,
    started: datetime,
    now: datetime,
    changed: Sequence[Change],
    facts: Facts,
) -> NegotiationSummary:
    open_ids = {job.job_id for job in facts.jobs}
    answered = {a.job_id for a in outcome.awards}
    frozen = [
        job_id
        for job_id, plan in facts.plans.items()
        if job_id in open_ids and job_id not in answered and plan.award is not None
        and job_id not in {r.job_id for r in outcome.refusals}
        and job_id not in {d.job_id for d in outcome.deferrals}
    ]  # fmt: skip
    return replace(
        _summary(outcome.negotiation_id, trigger, NegotiationStatus.COMMITTED, started, now),
        scheduled=len(outcome.awards) + len(frozen),
        refused=len(outcome.refusals),
        deferred=len(outcome.deferrals),
        moved=sum(change.is_move for change in changed),
        data_quality=outcome.data_quality,
        certificate=outcome.certificate,
    )


def _summary(
    negotiation_id: UUID,
    trigger: str,
    status: NegotiationStatus,
    started: datetime,
    finished: datetime | None,
    error: str | None = None,
) -> NegotiationSummary:
    return NegotiationSummary(
        negotiation_id=str(negotiation_id),
        status=status,
        trigger=trigger,
        started_at=started,
        finished_at=finished,
        scheduled=0,
        refused=0,
        deferred=0,
        moved=0,
        data_quality=Quality.NONE,
        certificate=None,
        error=error,
    )


def _mark_failed(
    context: Context, negotiation_id: UUID, trigger: str, started: datetime, error: BaseException
) -> None:
    told = str(error) if isinstance(error, HalfhourError) else type(error).__name__
    with context.uow(write=True) as uow:
        uow.plans.finish_negotiation(
            _summary(
                negotiation_id,
                trigger,
                NegotiationStatus.FAILED,
                started,
                context.clock.now(),
                told,
            ),
            (),
            {},
        )
        uow.commit()


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
    kept = tuple(m for m in messages if m.get("job_id") is None or m["job_id"] in mine)
    jobs = [job for job in view.get("jobs", ()) if job["job_id"] in mine]
    return NegotiationView(summary, kept, {**view, "jobs": jobs})


def page(
    context: Context, caller: Caller, *, cursor: str | None = None, limit: int = 50
) -> Page[NegotiationSummary]:
    """Return negotiations, newest first. They are the fleet's, so every caller sees their totals."""
    del caller
    with context.uow() as uow:
        return uow.plans.negotiations(cursor=cursor, limit=limit)


def award_of(context: Context, job_id: str) -> Award | None:
    """Return the present award of a job, or None."""
    with context.uow() as uow:
        plan = uow.plans.current().get(job_id)
    return plan.award if plan else None


def _must_submit(caller: Caller) -> None:
    if not caller.may_submit:
        raise Forbidden(f"the role {caller.role} may read but not plan; use a submitter's key")
