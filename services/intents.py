"""What executors are to be told: the difference between the plan and what was handed over, stored and audited.

Nothing here calls an executor. An intent is committed with its record before anything is said outside, so that after a
crash the table tells what may have been said and what was not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from models.domain.asset import Asset
from models.domain.decision import DecisionDraft, EventType
from models.domain.execution import HandOver, Stage, Wanted
from models.domain.job import FINAL_STATUSES, Flexibility, Job, JobStatus
from models.domain.plan import Award
from models.domain.ports import JobPlan, UnitOfWork
from models.domain.time import ceil_slot, floor_slot
from models.domain.workload import executor_of, workload_digest
from services import change_records, records
from services.context import Context
from services.executions import withheld
from services.memo import Memo

_EVENTS = {Stage.DROPPED: "dropped", Stage.ENDED: "ended"}

_followed: Memo[bool] = Memo()


@dataclass(frozen=True)
class _Now:
    """What the plan says, read in one transaction."""

    jobs: Mapping[str, Job]
    plans: Mapping[str, JobPlan]
    assets: Mapping[str, Asset]
    open: Mapping[str, HandOver]
    """Open hand-over by job id."""
    now: datetime
    """Planning clock."""


def note(context: Context) -> int:
    """Bring the table in line with the plan; return how many intents were stored.

    While neither the plan nor a job has changed there is nothing to compare within one half-hour.
    """
    now = context.clock.now()
    with context.uow() as uow:
        seen = (uow.plans.version(), floor_slot(now))
        if _followed.peek(context, seen):
            return 0
        facts = _read(uow, now)
    wanted = [
        job.job_id
        for job in facts.jobs.values()
        if job.workload is not None and _intent(context, facts, job) is not None
    ]
    stored = sum(_store(context, job_id) for job_id in wanted)
    _followed.get(context, seen, lambda: True)
    return stored


def _read(uow: UnitOfWork, now: datetime) -> _Now:
    waiting = {hand_over.job_id: hand_over for hand_over in uow.hand_overs.open()}
    jobs = {job.job_id: job for job in uow.jobs.open_jobs()}
    jobs |= uow.jobs.many([job_id for job_id in waiting if job_id not in jobs])
    assets = {asset.asset_id: asset for asset in uow.assets.all_live()}
    return _Now(jobs, uow.plans.current(), assets, waiting, now)


def _read_one(uow: UnitOfWork, job_id: str, now: datetime) -> _Now:
    view = uow.jobs.view(job_id, now)
    waiting = {h.job_id: h for h in uow.hand_overs.of_job(job_id) if h.is_open}
    assets = {asset.asset_id: asset for asset in uow.assets.all_live()}
    plans = {job_id: view.plan} if view.plan is not None else {}
    return _Now({job_id: view.job}, plans, assets, waiting, now)


def _intent(context: Context, facts: _Now, job: Job) -> HandOver | None:
    """Return the hand-over as it should be stored (version 0: a new one), or None where it is right as it is."""
    current = facts.open.get(job.job_id)
    plan = facts.plans.get(job.job_id)
    award = plan.award if plan else None
    if job.status is JobStatus.SCHEDULED and plan is not None and award is not None:
        asset = facts.assets.get(award.placement.asset_id)
        name = executor_of(job.workload, asset.executor if asset else None)
        assert name is not None
        if withheld(context, context.executors.get(name), name, plan) is not None:
            return _changed(current, Wanted.HOLD) if current else None
        if current is None:
            return HandOver(
                hand_over_id=context.new_id().hex,
                job_id=job.job_id,
                owner=job.owner,
                attempt=0,
                executor=name,
                stage=Stage.INTENDED,
                wanted=Wanted.RUN,
                begin=award.placement.start,
                created_at=context.clock.now(),
                audited_seq=0,
                version=0,
            )
        sha256 = workload_digest(job.workload or {})
        if current.executor != name or current.is_outdated(sha256, run_length(job, award)):
            return _changed(current, Wanted.WITHDRAW)  # and handed over anew once it is gone
        return _changed(current, Wanted.RUN, award.placement.start)
    if current is None:
        return None
    if job.status in {JobStatus.PENDING, JobStatus.REFUSED}:
        if current.has_started:
            return None
        is_too_late = ceil_slot(facts.now) + job.duration > job.latest_finish
        return _changed(current, Wanted.WITHDRAW if is_too_late else Wanted.HOLD)
    executor = context.executors.get(current.executor)
    is_confirmed = job.status in {JobStatus.COMPLETED, JobStatus.FAILED}
    if is_confirmed and executor is not None and not executor.reports:
        # Somebody said so; there is nothing to ask or to tell.
        return replace(current, stage=Stage.ENDED)
    if job.status is JobStatus.UNCONFIRMED and executor is not None and not executor.is_real:
        return replace(current, stage=Stage.ENDED)  # nothing was started, so nothing is awaited
    if job.status is JobStatus.COMPLETED:
        return _changed(current, Wanted.WITHDRAW)
    if job.status in FINAL_STATUSES:
        return _changed(current, Wanted.CANCEL)
    return None


def run_length(job: Job, award: Award | None) -> timedelta:
    """Return how long a job is to run, breaks left out; at lower power that is longer than was asked for."""
    segments = award.placement.segments if award else ()
    running = [s.end - s.start for s in segments if s.power_kw > 0.0]
    return max(job.duration, sum(running, timedelta(0)))


def _changed(current: HandOver, wanted: Wanted, begin: datetime | None = None) -> HandOver | None:
    """Return a hand-over with another wish; None where it has that already. One nobody was told of is dropped."""
    new_begin = begin if wanted is Wanted.RUN else current.begin
    if current.wanted is wanted and current.begin == new_begin:
        return None
    is_untold = current.stage is Stage.INTENDED and current.called_at is None
    if wanted in {Wanted.CANCEL, Wanted.WITHDRAW} and is_untold:
        return replace(current, wanted=wanted, stage=Stage.DROPPED)
    return replace(current, wanted=wanted, begin=new_begin, retry_at=None)


def _store(context: Context, job_id: str) -> bool:
    """Store and audit the intent of one job, decided again inside the transaction."""
    with context.uow(write=True) as uow:
        facts = _read_one(uow, job_id, context.clock.now())
        job = facts.jobs[job_id]
        intended = _intent(context, facts, job)
        if intended is None:
            return False
        is_new = intended.version == 0
        if is_new:
            intended = replace(intended, attempt=len(uow.hand_overs.of_job(job_id)) + 1)
        event = "intended" if is_new else _EVENTS.get(intended.stage, "changed")
        record = uow.decisions.append(told(context, event, job, intended, facts.plans.get(job_id)))
        stored = replace(intended, audited_seq=record.seq, version=intended.version + 1)
        if is_new:
            uow.hand_overs.add(stored)
        else:
            uow.hand_overs.update(stored)
        if not stored.is_open:
            uow.plans.bump()  # what is wanted instead is looked for in the next round
        uow.commit()
    return True


def told(
    context: Context,
    event: str,
    job: Job,
    hand_over: HandOver,
    plan: JobPlan | None,
    **detail: Any,
) -> DecisionDraft:
    """Return the record of something about a hand-over; the workload is bound by digest, never written out.

    Args:
        context: Ports; the clock is used.
        event: What happened, e.g. `intended`, `handed_over`, `started`.
        job: Whose hand-over it is.
        hand_over: As it is now.
        plan: The present plan of the job.
        **detail: More, without secrets.
    """
    body = {
        "hand_over": {
            "event": event,
            "hand_over_id": hand_over.hand_over_id,
            "attempt": hand_over.attempt,
            "executor": hand_over.executor,
            "external_id": hand_over.external_id,
            "wanted": str(hand_over.wanted),
            "begin": hand_over.begin,
            "workload_sha256": workload_digest(job.workload or {}),
            **detail,
        }
    }
    draft = records.event_draft(
        EventType.OUTCOME,
        records.rule(f"executor:{hand_over.executor}"),
        body,
        job=job,
        ref=change_records.uuid_or_none(plan.decision_id) if plan else None,
        first_slot=hand_over.begin,
        clock_utc=change_records.clock_utc(context),
    )
    return replace(draft, negotiation_id=plan.negotiation_id if plan else None)


def chunks(context: Context) -> int:
    """Note where interruptible work is to pause or go on now; return how many wishes changed."""
    now = context.clock.now()
    with context.uow() as uow:
        # One that paused by going back to the queue waits there; it has started all the same.
        started = [h for h in uow.hand_overs.open() if h.has_started]
    return sum(_note_chunk(context, hand_over, now) for hand_over in started)


def chunk_wish(job: Job, plan: JobPlan | None, now: datetime) -> Wanted | None:
    """Return whether running interruptible work is to run or to pause at an instant; None where that is not planned."""
    award = plan.award if plan else None
    if job.flexibility is not Flexibility.INTERRUPTIBLE or award is None:
        return None
    segments = [s for s in award.placement.segments if s.power_kw > 0.0]
    if not segments or now < segments[0].start or now >= segments[-1].end:
        return None
    runs = any(s.start <= now < s.end for s in segments)
    return Wanted.RUN if runs else Wanted.SUSPEND


def _note_chunk(context: Context, hand_over: HandOver, now: datetime) -> bool:
    with context.uow(write=True) as uow:
        view = uow.jobs.view(hand_over.job_id, now)
        fresh = uow.hand_overs.get(hand_over.hand_over_id)
        wish = chunk_wish(view.job, view.plan, now)
        pauses = {Wanted.RUN, Wanted.SUSPEND}
        if wish is None or fresh.wanted not in pauses or fresh.wanted is wish or not fresh.is_open:
            return False
        wished = replace(fresh, wanted=wish, retry_at=None, version=fresh.version + 1)
        record = uow.decisions.append(told(context, "changed", view.job, wished, view.plan))
        uow.hand_overs.update(replace(wished, audited_seq=record.seq))
        uow.commit()
    return True
