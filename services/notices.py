"""Notices: moved by more than half an hour, refused, not heard of after its start, data too old; each told once.

`note` compares plans, jobs and data with what people were told and stores what is new. `deliver` sends it where the
operator wants it, again and again until it arrives; without such a place notices are there to be read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from agents.wording import when
from models.domain.access import Caller
from models.domain.errors import SourceUnavailable
from models.domain.job import Job, JobStatus
from models.domain.notice import (
    MOVED_BY_MORE_THAN,
    STALE_AFTER,
    START_GRACE,
    Notice,
    NoticeKind,
)
from models.domain.ports import JobPlan, Page
from services.context import Context
from services.memo import Memo

log = logging.getLogger(__name__)

AT_ONCE = 20
"""Most notices sent in one round of the loop."""

FIRST_PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 3600.0
"""Pauses between attempts to deliver one notice: doubled each time, up to an hour. [s]"""

LOOK_SECONDS = 300.0
"""How often is looked while nothing changes: starts that nobody confirms, data that grow old. [s]"""

GIVEN_UP_AFTER = timedelta(days=3)
"""A notice that could not be delivered for so long is old news and no longer sent. [days]"""


_looked: Memo[bool] = Memo()


@dataclass(frozen=True)
class Noted:
    """What one round did."""

    stored: int = 0
    sent: int = 0
    failed: int = 0


def tell(context: Context) -> Noted:
    """Store what is new and deliver what is due; safe to call as often as wanted."""
    stored = note(context)
    sent, failed = deliver(context)
    return Noted(stored, sent, failed)


def page(
    context: Context, caller: Caller, *, cursor: str | None = None, limit: int = 50
) -> Page[Notice]:
    """Return notices about the caller's jobs and about everybody's data, newest first."""
    with context.uow() as uow:
        return uow.notices.page(caller.sees_owner, cursor=cursor, limit=limit)


# --- noting -----------------------------------------------------------------------------------


def note(context: Context) -> int:
    """Store the notices that are new; return how many.

    Looked for when the plan or a job has changed, and every five minutes.
    """
    now = context.clock.now()
    with context.uow() as uow:
        key = (uow.plans.version(), int(now.timestamp() // LOOK_SECONDS))
        if _looked.peek(context, key):
            return 0
        jobs = {job.job_id: job for job in uow.jobs.open_jobs() if not job.is_demo}
        plans = uow.plans.current()
        told = uow.notices.told_starts()
    starts = _starts(jobs, plans)
    found = [
        *_moved(context, jobs, starts, told, now),
        *_refused(context, jobs, plans, now),
        *_unheard(context, jobs, plans, now),
        *_stale(context, now),
    ]
    news = {
        job_id: start
        for job_id, start in starts.items()
        if job_id not in told or _is_far(told[job_id], start)
    }
    over = [job_id for job_id in told if job_id not in jobs]
    stored = 0
    if found or news or over:
        with context.uow(write=True) as uow:
            stored = sum(uow.notices.add(notice) for notice in found)
            uow.notices.tell_starts(news)
            uow.notices.forget_starts(over)
            uow.commit()
    _looked.get(context, key, lambda: True)
    return stored


def _starts(jobs: Mapping[str, Job], plans: Mapping[str, JobPlan]) -> dict[str, datetime]:
    """Return the planned start of every scheduled job."""
    return {
        job_id: plan.award.placement.start
        for job_id, job in jobs.items()
        if job.status is JobStatus.SCHEDULED
        and (plan := plans.get(job_id)) is not None
        and plan.award is not None
    }


def _is_far(told: datetime, start: datetime) -> bool:
    return abs(start - told) > MOVED_BY_MORE_THAN


def _moved(
    context: Context,
    jobs: Mapping[str, Job],
    starts: Mapping[str, datetime],
    told: Mapping[str, datetime],
    now: datetime,
) -> Iterator[Notice]:
    for job_id, start in starts.items():
        before = told.get(job_id)
        if before is None or not _is_far(before, start):
            continue
        job = jobs[job_id]
        text = f"{job.job_name} now starts {when(start)} (it was {when(before)})."
        key = f"moved/{job_id}/{before.isoformat()}/{start.isoformat()}/{now.isoformat()}"
        yield _notice(context, NoticeKind.MOVED, key, job, text, now, start)


def _refused(
    context: Context, jobs: Mapping[str, Job], plans: Mapping[str, JobPlan], now: datetime
) -> Iterator[Notice]:
    for job in jobs.values():
        plan = plans.get(job.job_id)
        if job.status is not JobStatus.REFUSED or plan is None or plan.refusal is None:
            continue
        text = f"{job.job_name} does not fit: {plan.refusal.detail}"
        # Its figures change with every forecast; it is news again for another rule, or once the job has changed or fitted.
        key = f"refused/{job.job_id}/{plan.refusal.rule}/{job.version}"
        yield _notice(context, NoticeKind.REFUSED, key, job, text, now)


def _unheard(
    context: Context, jobs: Mapping[str, Job], plans: Mapping[str, JobPlan], now: datetime
) -> Iterator[Notice]:
    for job_id, start in _starts(jobs, plans).items():
        if now < start + START_GRACE:
            continue
        job = jobs[job_id]
        text = (
            f"{job.job_name} was to start {when(start)}, and nothing says that it did: confirm it or look at its "
            "executor."
        )
        key = f"start/{job_id}/{start.isoformat()}"
        yield _notice(context, NoticeKind.START_UNCONFIRMED, key, job, text, now, start)


def _stale(context: Context, now: datetime) -> Iterator[Notice]:
    line = context.signals.data_line()
    if line.is_simulated or line.carbon_age is None or line.carbon_age <= STALE_AFTER:
        return
    hours = line.carbon_age / timedelta(hours=1)
    text = f"The carbon forecast is {hours:.0f} h old; plans go on with it. {line.text}"
    retrieved = line.carbon_retrieved_at.isoformat() if line.carbon_retrieved_at else ""
    yield _notice(context, NoticeKind.DATA_STALE, f"stale/{retrieved}", None, text, now)


def _notice(
    context: Context,
    kind: NoticeKind,
    key: str,
    job: Job | None,
    text: str,
    now: datetime,
    start: datetime | None = None,
) -> Notice:
    return Notice(
        notice_id=context.new_id().hex,
        key=key,
        kind=kind,
        owner=job.owner if job else None,
        job_id=job.job_id if job else None,
        text=text,
        created_at=now,
        start=start,
        is_due=context.notifier is not None,
    )


# --- delivering -------------------------------------------------------------------------------


def deliver(context: Context) -> tuple[int, int]:
    """Send what is due; return how many arrived and how many did not."""
    if context.notifier is None:
        return 0, 0
    system_now = context.system_now()
    with context.uow() as uow:
        due = uow.notices.due(10 * AT_ONCE)
    ready = [n for n in due if n.retry_at is None or n.retry_at <= system_now][:AT_ONCE]
    sent = 0
    for notice in ready:
        try:
            context.notifier.send(notice)
        except SourceUnavailable as error:
            _store(context, _failed(context, notice, error))
            return sent, 1  # the others go to the same place
        _store(context, replace(notice, is_due=False, sent_at=system_now, last_error=None))
        sent += 1
    return sent, 0


def _failed(context: Context, notice: Notice, error: SourceUnavailable) -> Notice:
    tries = notice.tries + 1
    pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(tries - 1, 10))
    gives_up = context.clock.now() > notice.created_at + GIVEN_UP_AFTER
    log.warning("notice %s: %s%s", notice.notice_id, error, "; given up" if gives_up else "")
    return replace(
        notice,
        tries=tries,
        retry_at=context.system_now() + timedelta(seconds=pause),
        last_error=str(error)[:500],
        is_due=not gives_up,
    )


def _store(context: Context, notice: Notice) -> None:
    with context.uow(write=True) as uow:
        uow.notices.update(notice)
        uow.commit()
