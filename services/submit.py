"""Accept jobs: check, store and record them before anything else happens; estimate drafts; read them back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from models.domain.access import Caller
from models.domain.asset import Asset
from models.domain.decision import DecisionDraft, EventType
from models.domain.errors import Conflict, FieldError, Forbidden, InvalidRequest, NotFound
from models.domain.job import OPEN_STATUSES, Job, JobStatus
from models.domain.ports import JobFilter, JobView, Page, UnitOfWork
from models.domain.time import LONDON, is_working_day
from models.domain.workload import workload_digest
from services import planning, records, single
from services.context import Context
from services.drafting import job_of, power_of
from services.executions import check_workload, with_execution
from services.types import Estimate, JobDraft, Repeat

MOST_AT_ONCE = 500
"""Most jobs one form may create."""

PREDECESSORS_SHOWN = 100
"""How many jobs are offered as predecessors."""


def submit(context: Context, caller: Caller, draft: JobDraft) -> JobView:
    """Accept one job; it is planned by the next negotiation."""
    (job,) = _accept(context, caller, [draft])
    return get(context, caller, job.job_id)


def submit_many(context: Context, caller: Caller, drafts: list[JobDraft]) -> tuple[JobView, ...]:
    """Accept several jobs, all or none; they are planned by the next negotiation.

    Raises:
        InvalidRequest: If one of them is wrong; fields begin with its place, as `jobs.3.`.
    """
    jobs = _accept(context, caller, drafts)
    return tuple(get(context, caller, job.job_id) for job in jobs)


def submit_and_plan(
    context: Context, caller: Caller, draft: JobDraft, repeat: Repeat
) -> tuple[JobView, ...]:
    """Accept a job, or copies and repeats of it, in one transaction, then plan."""
    jobs = _accept(context, caller, drafts_of(draft, repeat))
    planning.replan_after(context, trigger="submit")
    return tuple(get(context, caller, job.job_id) for job in jobs)


def drafts_of(draft: JobDraft, repeat: Repeat) -> list[JobDraft]:
    """Return the drafts a form's copies and repeats stand for, in order of time.

    Raises:
        InvalidRequest: If copies or times are out of range or would be too many.
    """
    if repeat.every not in {None, "day", "weekday", "week"}:
        raise InvalidRequest(
            f"jobs cannot be repeated every {repeat.every!r}",
            (
                FieldError(
                    "every", "unknown step", repeat.every, "day, weekday, week", "use one of these"
                ),
            ),
        )
    times = repeat.times if repeat.every else 1
    count = repeat.copies * times
    if not (1 <= repeat.copies <= 100 and 1 <= repeat.times <= 60) or count > MOST_AT_ONCE:
        raise InvalidRequest(
            f"{repeat.copies} copies × {repeat.times} times cannot be created at once",
            (
                FieldError(
                    "copies",
                    "too many jobs at once",
                    count,
                    f"copies 1 to 100, times 1 to 60, together at most {MOST_AT_ONCE}",
                    "submit fewer",
                ),
            ),
        )
    answer: list[JobDraft] = []
    for n, days in enumerate(_shifts(draft, repeat)):
        for copy in range(repeat.copies):
            label = _label(draft.job_name, n, times, copy, repeat.copies)
            only = count == 1
            answer.append(
                replace(
                    draft,
                    job_id=draft.job_id if only else None,
                    job_name=label,
                    earliest_start=shifted(draft.earliest_start, days),
                    latest_finish=shifted(draft.latest_finish, days) or draft.latest_finish,
                )
            )
    return answer


def _label(name: str, n: int, times: int, copy: int, copies: int) -> str:
    if not name:
        return ""
    parts = [name]
    if times > 1:
        parts.append(f"day {n + 1} of {times}")
    if copies > 1:
        parts.append(f"copy {copy + 1} of {copies}")
    return ", ".join(parts)


def _shifts(draft: JobDraft, repeat: Repeat) -> list[int]:
    """Return by how many London calendar days each occurrence is shifted."""
    if repeat.every is None or repeat.times == 1:
        return [0]
    if repeat.every == "week":
        return [7 * n for n in range(repeat.times)]
    days: list[int] = []
    start: date = draft.latest_finish.astimezone(LONDON).date()
    ahead = 0
    while len(days) < repeat.times:
        if repeat.every == "day" or is_working_day(start + timedelta(days=ahead)):
            days.append(ahead)
        ahead += 1
    return days


def shifted(instant: datetime | None, days: int) -> datetime | None:
    """Return the same London wall-clock time some days later; None stays None."""
    if instant is None or days == 0:
        return instant
    local = instant.astimezone(LONDON)
    moved = local.replace(tzinfo=None) + timedelta(days=days)
    return moved.replace(tzinfo=LONDON).astimezone(instant.tzinfo)


def _accept(context: Context, caller: Caller, drafts: list[JobDraft]) -> list[Job]:
    if not caller.may_submit:
        raise Forbidden(f"the role {caller.role} may read but not submit jobs")
    accepted: list[Job] = []
    with context.uow(write=True) as uow:
        for number, draft in enumerate(drafts):
            with _numbered(number, len(drafts)):
                accepted.append(add(context, uow, caller, draft, number))
        uow.plans.bump()
        uow.commit()
    return accepted


@contextmanager
def _numbered(number: int, count: int) -> Iterator[None]:
    """Say of which of several jobs an error inside the block is."""
    try:
        yield
    except InvalidRequest as error:
        if count == 1:
            raise
        fields = tuple(replace(one, field=f"jobs.{number}.{one.field}") for one in error.fields)
        raise type(error)(f"jobs.{number}: {error}", fields) from error
    except Conflict as error:
        if count == 1:
            raise
        raise Conflict(f"jobs.{number}: {error}") from error


def add(context: Context, uow: UnitOfWork, caller: Caller, draft: JobDraft, number: int = 0) -> Job:
    """Accept a job inside a transaction; the caller bumps the plan and commits.

    Args:
        context: Ports.
        uow: For writing.
        caller: Whose job it is.
        draft: What was asked.
        number: Its place among those of one request.
    """
    job = made(context, uow, caller, draft, number)
    uow.jobs.add(job)
    uow.decisions.append(_accepted_draft(context, caller, job, context.clock.now()))
    return job


def made(
    context: Context, uow: UnitOfWork, caller: Caller, draft: JobDraft, number: int = 0
) -> Job:
    """Return the job that would be accepted, after every check; nothing is stored."""
    own = own_asset(uow, caller, draft)
    if draft.workload is not None:
        check_workload(context, draft.workload, caller.owner, own.executor)
    assets = uow.assets.all_live(caller.owner)
    before = uow.jobs.many(draft.depends_on) if draft.depends_on else {}
    mine = {k: v for k, v in before.items() if v.owner == caller.owner}
    new_id = _new_id(context, caller, draft, number)
    return job_of(draft, caller.owner, own, assets, mine, context.clock.now(), new_id)


def _new_id(context: Context, caller: Caller, draft: JobDraft, number: int) -> UUID:
    """Return an id for a job that is given none; the same one when a cut-off request is made again."""
    if draft.idempotency_key is None:
        return context.new_id()
    return uuid5(NAMESPACE_URL, f"halfhour:{caller.owner}:{draft.idempotency_key}:{number}")


def _accepted_draft(context: Context, caller: Caller, job: Job, now: datetime) -> DecisionDraft:
    name = hashlib.sha256(job.job_name.encode()).hexdigest()
    return records.event_draft(
        EventType.INPUT_SNAPSHOT,
        records.person(caller.owner),
        {
            "accepted": {
                "job_name_sha256": name,
                "asset_id": job.asset_id,
                "duration_minutes": job.duration.total_seconds() / 60,
                "power_kw": job.power_kw,
                "latest_finish": job.latest_finish,
                "flexibility": str(job.flexibility),
                "priority": str(job.priority),
                "on_arrival": job.baseline_start,
                "on_arrival_reason": job.baseline_reason,
                "workload_sha256": workload_digest(job.workload) if job.workload else None,
            },
            "constraints": records.constraints(job, None),
        },
        job=job,
        first_slot=job.release,
        clock_utc=now if context.clock.is_shifted else None,
    )


def own_asset(uow: UnitOfWork, caller: Caller, draft: JobDraft) -> Asset:
    """Return the asset a draft belongs to: the named one, or the owner's only or last used.

    Raises:
        InvalidRequest: If the named one does not exist, or there is none to fall back on.
    """
    if draft.asset_id is not None:
        try:
            return uow.assets.get(draft.asset_id, caller.owner)
        except NotFound as error:
            known = ", ".join(a.asset_id for a in uow.assets.all_live(caller.owner)[:20])
            raise InvalidRequest(
                f"there is no cluster {draft.asset_id!r}",
                (
                    FieldError(
                        "asset_id",
                        f"there is no cluster {draft.asset_id!r}",
                        draft.asset_id,
                        known or "none registered yet",
                        "use one of these, or register it with POST /api/assets",
                    ),
                ),
            ) from error
    found = uow.assets.last_used(caller.owner)
    if found is None:
        several = uow.assets.all_live(caller.owner)
        raise InvalidRequest(
            "which cluster is this job for?" if several else "no cluster is registered yet",
            (
                FieldError(
                    "asset_id",
                    "several clusters are registered and none was used before"
                    if several
                    else "no cluster is registered yet",
                    None,
                    ", ".join(a.asset_id for a in several[:20]) or None,
                    "name one" if several else "register one with POST /api/assets",
                ),
            ),
        )
    return found


def estimate(context: Context, caller: Caller, draft: JobDraft) -> Estimate:
    """Return what the planner would do with a draft now, in the room the present plan leaves."""
    now = context.clock.now()
    context.signals.ensure_fresh()
    with context.uow() as uow:
        assets = uow.assets.all_live(caller.owner)
        named = next((one for one in assets if one.asset_id == draft.asset_id), None)
        own = named or own_asset(uow, caller, draft)
        before = uow.jobs.many(draft.depends_on) if draft.depends_on else {}
    mine = {k: v for k, v in before.items() if v.owner == caller.owner}
    power = power_of(draft)
    job = job_of(
        replace(draft, job_id=None), caller.owner, own, assets, mine, now, context.new_id()
    )
    told = single.answer(context, single.alone(context, job, assets, now, is_new=True))
    arrival = told.baseline.placement
    wait = None
    if told.placement is not None:
        wait = told.placement.start - (arrival.start if arrival else job.release)
    return Estimate(
        placement=told.placement,
        baseline=arrival,
        runner_up=told.explanation.runner_up if told.explanation else None,
        savings=told.savings,
        wait=wait,
        why=told.why,
        refusal=told.refusal,
        power_kw=power.power_kw,
        power_note=power.note,
        asset_id=own.asset_id,
    )


def get(context: Context, caller: Caller, job_id: str) -> JobView:
    """Return a job with its plan."""
    with context.uow() as uow:
        view = uow.jobs.view(job_id, context.clock.now(), caller.sees_owner)
        return with_execution(context, uow, view)


def page(
    context: Context,
    caller: Caller,
    wanted: JobFilter,
    *,
    cursor: str | None,
    limit: int,
    newest_first: bool,
) -> Page[JobView]:
    """Return jobs of the caller's owner that match a filter."""
    narrowed = wanted if caller.sees_owner is None else replace(wanted, owner=caller.sees_owner)
    with context.uow() as uow:
        return uow.jobs.page(
            narrowed,
            context.clock.now(),
            cursor=cursor,
            limit=limit,
            newest_first=newest_first,
        )


def possible_predecessors(context: Context, caller: Caller) -> tuple[Job, ...]:
    """Return open and running jobs a new one could wait for, newest first."""
    wanted = JobFilter(owner=caller.owner, statuses=OPEN_STATUSES | {JobStatus.RUNNING})
    with context.uow() as uow:
        found = uow.jobs.page(wanted, context.clock.now(), limit=PREDECESSORS_SHOWN)
    return tuple(view.job for view in found.items)
