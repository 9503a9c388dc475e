"""Reading many jobs at once, each with its present plan, in one query.

A stored `scheduled` job whose award has ended reads `unconfirmed`: nobody has said that it ran. A confirmed
`running` job stays running.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, func, literal, or_, select, tuple_
from sqlalchemy.sql.elements import ColumnElement

from models.domain.job import Job, JobStatus
from models.domain.ports import JobFilter, JobPlan, JobView, Page
from storage.cursors import cursor_instant, decode_cursor, encode_cursor
from storage.database import Transaction
from storage.job_plan_rows import PLAN_COLUMNS, plan_from_row
from storage.serialise import loads
from storage.tables import AssetRow, JobPlanRow, JobRow
from storage.types import UtcDateTime

STATUSES_TO_PLAN = (
    JobStatus.PENDING,
    JobStatus.SCHEDULED,
    JobStatus.REFUSED,
    JobStatus.RUNNING,
)
"""Statuses a planner must consider."""


def search_text(text: str) -> str:
    """Return text as the search column holds it: case-folded, without characters a database refuses."""
    clean = text.replace("\x00", "").encode("utf-8", "replace").decode()
    return clean.casefold()


def status_at(job: Job, plan: JobPlan | None, now: datetime) -> JobStatus:
    """Return the status of a job as it reads at an instant."""
    has_ended = (
        job.status is JobStatus.SCHEDULED
        and plan is not None
        and plan.award is not None
        and plan.award.placement.end <= now
    )
    return JobStatus.UNCONFIRMED if has_ended else job.status


def view(transaction: Transaction, job_id: str, now: datetime, owner: str | None) -> JobView | None:
    """Return one job with its plan, or None."""
    wanted = _joined().where(JobRow.job_id == job_id)
    if owner is not None:
        wanted = wanted.where(JobRow.owner == owner)
    row = transaction.first(wanted)
    return None if row is None else _to_view(row, now)


def page(
    transaction: Transaction,
    wanted: JobFilter,
    now: datetime,
    *,
    cursor: str | None,
    limit: int,
    newest_first: bool,
) -> Page[JobView]:
    """Return one page of jobs, by acceptance time then id."""
    kind = "jobs-newest" if newest_first else "jobs-oldest"
    query = _filtered(_joined(), wanted, now).limit(limit + 1)
    key = tuple_(JobRow.accepted_at, JobRow.job_id)
    if cursor is not None:
        instant, job_id = decode_cursor(kind, cursor, (int, str))
        last = tuple_(literal(cursor_instant(instant), UtcDateTime()), literal(job_id))
        query = query.where(key < last if newest_first else key > last)
    if newest_first:
        query = query.order_by(JobRow.accepted_at.desc(), JobRow.job_id.desc())
    else:
        query = query.order_by(JobRow.accepted_at, JobRow.job_id)
    rows = transaction.rows(query)
    has_more = len(rows) > limit
    rows = rows[:limit]
    return Page(
        tuple(_to_view(row, now) for row in rows),
        encode_cursor(kind, rows[-1].accepted_at, rows[-1].job_id) if has_more else None,
    )


def open_jobs(transaction: Transaction) -> tuple[Job, ...]:
    """Return every job a planner must consider, oldest first."""
    rows = transaction.rows(
        select(JobRow.body)
        .where(JobRow.status.in_([str(status) for status in STATUSES_TO_PLAN]))
        .order_by(JobRow.accepted_at, JobRow.job_id)
    )
    return tuple(loads(Job, row.body) for row in rows)


def counts(transaction: Transaction, owner: str | None, now: datetime) -> dict[JobStatus, int]:
    """Return how many jobs read each status at `now`."""
    by_status = select(JobRow.status, func.count().label("jobs")).group_by(JobRow.status)
    ended = (
        select(func.count().label("jobs"))
        .select_from(JobRow)
        .join(JobPlanRow, JobPlanRow.job_id == JobRow.job_id)
        .where(_has_ended(now))
    )
    if owner is not None:
        by_status = by_status.where(JobRow.owner == owner)
        ended = ended.where(JobRow.owner == owner)
    found = dict.fromkeys(JobStatus, 0)
    for row in transaction.rows(by_status):
        found[JobStatus(row.status)] = row.jobs
    passed = transaction.first(ended)
    assert passed is not None
    found[JobStatus.SCHEDULED] -= passed.jobs
    found[JobStatus.UNCONFIRMED] += passed.jobs
    return found


def due(transaction: Transaction, now: datetime) -> tuple[JobView, ...]:
    """Return scheduled and running jobs whose award has started by `now`, oldest start first."""
    rows = transaction.rows(
        _joined()
        .where(
            JobRow.status.in_([str(JobStatus.SCHEDULED), str(JobStatus.RUNNING)]),
            JobPlanRow.start_at <= now,
        )
        .order_by(JobPlanRow.start_at, JobRow.job_id)
    )
    return tuple(_to_view(row, now) for row in rows)


def _joined() -> Select[Any]:
    return select(JobRow.job_id, JobRow.accepted_at, JobRow.body, *PLAN_COLUMNS).outerjoin(
        JobPlanRow, JobPlanRow.job_id == JobRow.job_id
    )


def _to_view(row: Row[Any], now: datetime) -> JobView:
    job = loads(Job, row.body)
    plan = plan_from_row(job.job_id, row)
    return JobView(job, plan, status_at(job, plan, now))


def _has_ended(now: datetime) -> ColumnElement[bool]:
    return and_(JobRow.status == str(JobStatus.SCHEDULED), JobPlanRow.end_at <= now)


def _is_scheduled(now: datetime) -> ColumnElement[bool]:
    return and_(
        JobRow.status == str(JobStatus.SCHEDULED),
        or_(JobPlanRow.end_at.is_(None), JobPlanRow.end_at > now),
    )


def _filtered(query: Select[Any], wanted: JobFilter, now: datetime) -> Select[Any]:
    if wanted.owner is not None:
        query = query.where(JobRow.owner == wanted.owner)
    if wanted.statuses:
        query = query.where(_reads_one_of(wanted.statuses, now))
    if wanted.asset_id is not None:
        query = query.where(func.coalesce(JobPlanRow.asset_id, JobRow.asset_id) == wanted.asset_id)
    if wanted.region is not None:
        query = query.where(_reads_in_region(wanted.region))
    if wanted.text:
        query = query.where(JobRow.search_text.contains(search_text(wanted.text), autoescape=True))
    if wanted.start_after is not None:
        query = query.where(JobPlanRow.start_at >= wanted.start_after)
    if wanted.start_before is not None:
        query = query.where(JobPlanRow.start_at < wanted.start_before)
    return query


def _reads_in_region(slug: str) -> ColumnElement[bool]:
    """Return whether a job is awarded in a region, or has no award and its own asset stands there.

    The assets of the region are looked up once: a join would look one up for each job that is passed over.
    """
    there = select(AssetRow.asset_id).where(AssetRow.region == slug)
    return or_(
        JobPlanRow.region == slug,
        and_(JobPlanRow.region.is_(None), JobRow.asset_id.in_(there)),
    )


def _reads_one_of(statuses: frozenset[JobStatus], now: datetime) -> ColumnElement[bool]:
    plain = sorted(str(status) for status in statuses - {JobStatus.SCHEDULED})
    choices: list[ColumnElement[bool]] = [JobRow.status.in_(plain)] if plain else []
    if JobStatus.SCHEDULED in statuses:
        choices.append(_is_scheduled(now))
    if JobStatus.UNCONFIRMED in statuses:
        choices.append(_has_ended(now))
    return or_(*choices)


def open_by_asset(transaction: Transaction, owner: str | None) -> dict[str, int]:
    """Return how many jobs to plan or running each asset has: where awarded, else where submitted."""
    where = func.coalesce(JobPlanRow.asset_id, JobRow.asset_id)
    wanted = (
        select(where.label("asset_id"), func.count().label("jobs"))
        .select_from(JobRow)
        .outerjoin(JobPlanRow, JobPlanRow.job_id == JobRow.job_id)
        .where(JobRow.status.in_([str(status) for status in STATUSES_TO_PLAN]))
        .group_by(where)
    )
    if owner is not None:
        wanted = wanted.where(JobRow.owner == owner)
    return {row.asset_id: int(row.jobs) for row in transaction.rows(wanted)}
