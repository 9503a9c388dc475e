"""Routines: "every weekday 18:00" becomes jobs, 48 hours before each is due, until somebody ends it.

An occurrence and the date of the next are stored in one transaction, and the ids of its jobs follow from its date, so
that no crash and no second process makes one twice or leaves one out.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from models.domain.access import Caller, Role
from models.domain.errors import Conflict, FieldError, Forbidden, InvalidRequest, NotFound
from models.domain.job import Flexibility, Priority
from models.domain.ports import UnitOfWork
from models.domain.routine import AHEAD, LONGEST_WINDOW, MOST_COPIES, Every, Routine, first_on
from models.domain.time import LONDON
from models.domain.workload import workload_digest
from services import change_records, submit
from services.context import Context
from services.types import JobDraft

log = logging.getLogger(__name__)

MOST_LIVE = 200
"""Most live routines of one owner."""

NOT_ACCEPTED = (InvalidRequest, Conflict, Forbidden, NotFound)
"""Why an occurrence may be refused; the routine goes on with its next one."""


@dataclass(frozen=True)
class RoutineDraft:
    """A new routine as asked for."""

    every: Every
    hour: int
    minute: int
    window: timedelta
    job: Mapping[str, Any]
    """Fields of a `JobDraft`, without id and window."""
    copies: int = 1
    first_on: date | None = None
    """London date from which on; None: today."""
    until: date | None = None
    routine_id: str | None = None


def create(context: Context, caller: Caller, draft: RoutineDraft) -> Routine:
    """Store a routine after checking that its first occurrence could be accepted, and hand in what is due."""
    if not caller.may_submit:
        raise Forbidden(f"the role {caller.role} may read but not submit jobs")
    now = context.clock.now()
    today = now.astimezone(LONDON).date()
    first = first_on(draft.every, max(draft.first_on or today, today))
    routine = Routine(
        routine_id=draft.routine_id or f"every-{context.new_id().hex[:10]}",
        owner=caller.owner,
        every=draft.every,
        hour=draft.hour,
        minute=draft.minute,
        window=draft.window,
        copies=draft.copies,
        job=_stored(draft.job),
        next_on=first,
        until=draft.until,
        created_at=now,
    )
    while not _has_time(routine, routine.next_on, now):
        routine = replace(routine, next_on=routine.after(routine.next_on))
    _check(routine)
    with context.uow(write=True) as uow:
        if len(uow.routines.all(caller.owner)) >= MOST_LIVE:
            raise Conflict(f"{MOST_LIVE} routines are live already; end one")
        later = max(now, routine.start_on(routine.next_on))
        for one in _drafts(routine, routine.next_on):
            # As if it were near: a weekly one may begin further ahead than plans are made.
            near = replace(one, earliest_start=now, latest_finish=now + (one.latest_finish - later))
            submit.made(context, uow, caller, near)
        uow.routines.add(routine)
        uow.decisions.append(_record(context, caller, "routine_created", routine))
        uow.commit()
    _hand_in(context, routine.routine_id, now)
    with context.uow() as uow:
        return uow.routines.get(routine.routine_id)


def page(context: Context, caller: Caller) -> tuple[Routine, ...]:
    """Return the live routines the caller may see."""
    with context.uow() as uow:
        return uow.routines.all(caller.sees_owner)


def get(context: Context, caller: Caller, routine_id: str) -> Routine:
    """Return one routine. Raises `NotFound`."""
    with context.uow() as uow:
        return uow.routines.get(routine_id, caller.sees_owner)


def end(context: Context, caller: Caller, routine_id: str) -> Routine:
    """End a routine; jobs it has made stay as they are. Again: no effect."""
    if not caller.may_submit:
        raise Forbidden(f"the role {caller.role} may read but not end routines")
    with context.uow(write=True) as uow:
        routine = uow.routines.get(routine_id, caller.owner)
        if not routine.is_live:
            return routine
        ended = replace(routine, is_live=False, version=routine.version + 1)
        uow.routines.update(ended)
        uow.decisions.append(_record(context, caller, "routine_ended", ended))
        uow.commit()
    return ended


def extend(context: Context) -> int:
    """Hand in every occurrence that has come near; return how many jobs were made."""
    now = context.clock.now()
    with context.uow() as uow:
        near = [r.routine_id for r in uow.routines.all() if _is_near(r, now)]
    return sum(_hand_in(context, routine_id, now) for routine_id in near)


def _is_near(routine: Routine, now: datetime) -> bool:
    return routine.is_live and routine.start_on(routine.next_on) <= now + AHEAD


def _has_time(routine: Routine, day: date, now: datetime) -> bool:
    """Return whether an occurrence could still be finished in time."""
    length = timedelta(hours=float(routine.job["duration_hours"]))
    return routine.start_on(day) + routine.window >= now + length


def _hand_in(context: Context, routine_id: str, now: datetime) -> int:
    """Make the jobs of every near occurrence of one routine, each in a transaction of its own."""
    jobs = 0
    while True:
        with context.uow() as uow:
            seen = uow.routines.get(routine_id)
        if not _is_near(seen, now):
            return jobs
        try:
            jobs += _accept(context, seen, now)
        except NOT_ACCEPTED as error:
            log.warning("routine %s, %s: %s", routine_id, seen.next_on, error)
            _pass_over(context, seen, f"{seen.next_on}: {error}"[:500])


def _accept(context: Context, seen: Routine, now: datetime) -> int:
    """Accept the jobs of an occurrence, all or none, and go on to the next; return how many were made."""
    drafts = _drafts(seen, seen.next_on) if _has_time(seen, seen.next_on, now) else []
    caller = Caller(seen.owner, Role.SUBMITTER)
    with context.uow(write=True) as uow:
        if not _is_unchanged(uow, seen):
            return 0
        for draft in drafts:
            submit.made(context, uow, caller, draft)
        for draft in drafts:
            submit.add(context, uow, caller, draft)
        if drafts:
            uow.plans.bump()
            seen = replace(seen, handed_in=seen.handed_in + len(drafts), last_error=None)
        uow.routines.update(_moved_on(seen))
        uow.commit()
    return len(drafts)


def _pass_over(context: Context, seen: Routine, error: str) -> None:
    """Note why an occurrence was refused, and go on to the next."""
    with context.uow(write=True) as uow:
        if _is_unchanged(uow, seen):
            uow.routines.update(_moved_on(replace(seen, last_error=error)))
            uow.commit()


def _is_unchanged(uow: UnitOfWork, seen: Routine) -> bool:
    """Return whether nobody has handed an occurrence in or ended the routine meanwhile."""
    return uow.routines.get(seen.routine_id).version == seen.version


def _moved_on(routine: Routine) -> Routine:
    """Return a routine with its next occurrence; ended after its last one."""
    following = routine.after(routine.next_on)
    is_last = routine.until is not None and following > routine.until
    return replace(routine, next_on=following, is_live=not is_last, version=routine.version + 1)


def _drafts(routine: Routine, day: date) -> list[JobDraft]:
    """Return the jobs of one occurrence."""
    start = routine.start_on(day)
    plain = _draft_fields(routine.job)
    name = plain.pop("job_name", "") or routine.routine_id
    return [
        JobDraft(
            **plain,
            job_id=job_id,
            job_name=f"{name[:60]} {day:%d %b}",
            earliest_start=start,
            latest_finish=start + routine.window,
        )
        for job_id in routine.job_ids(day)
    ]


def _stored(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a draft as plain JSON."""
    plain = dict(job)
    plain["duration_hours"] = plain.pop("duration") / timedelta(hours=1)
    for name, value in plain.items():
        if isinstance(value, tuple):
            plain[name] = [list(v) if isinstance(v, tuple) else v for v in value]
        elif isinstance(value, Flexibility | Priority):
            plain[name] = str(value)
    return plain


def _draft_fields(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain JSON as the fields of a draft."""
    fields = dict(stored)
    fields["duration"] = timedelta(hours=float(fields.pop("duration_hours")))
    for name, value in fields.items():
        if isinstance(value, list):
            fields[name] = tuple(tuple(v) if isinstance(v, list) else v for v in value)
    if fields.get("flexibility") is not None:
        fields["flexibility"] = Flexibility(fields["flexibility"])
    if fields.get("priority") is not None:
        fields["priority"] = Priority(fields["priority"])
    return fields


def _check(routine: Routine) -> None:
    wrong: list[FieldError] = []
    length = timedelta(hours=float(routine.job["duration_hours"]))
    if not length <= routine.window <= LONGEST_WINDOW:
        wrong.append(
            FieldError(
                "finish_within_hours",
                "is too short for the job or longer than a week",
                routine.window / timedelta(hours=1),
                f"{length / timedelta(hours=1):g} to {LONGEST_WINDOW / timedelta(hours=1):g}",
                "count from the earliest start to the latest finish",
            )
        )
    if not 1 <= routine.copies <= MOST_COPIES:
        allowed = f"1 to {MOST_COPIES}"
        wrong.append(FieldError("copies", "is out of range", routine.copies, allowed, "send less"))
    if routine.until is not None and routine.until < routine.next_on:
        wrong.append(
            FieldError(
                "until",
                "lies before the first occurrence",
                routine.until.isoformat(),
                f"{routine.next_on} or later",
                "choose a later date, or leave it out",
            )
        )
    if wrong:
        raise InvalidRequest(f"{wrong[0].field}: {wrong[0].message}", tuple(wrong))


def _record(context: Context, caller: Caller, event: str, routine: Routine) -> Any:
    workload = routine.job.get("workload")
    detail = {
        "routine_id": routine.routine_id,
        "every": str(routine.every),
        "start_london": f"{routine.hour:02d}:{routine.minute:02d}",
        "window_hours": routine.window / timedelta(hours=1),
        "copies": routine.copies,
        "next_on": routine.next_on,
        "until": routine.until,
        "workload_sha256": workload_digest(workload) if workload else None,
    }
    return change_records.config_change(context, caller, event, detail)
