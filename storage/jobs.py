"""Stored jobs: writing them and reading them one by one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, func, insert, select, update

from models.domain.asset import Asset
from models.domain.errors import Conflict, NotFound
from models.domain.job import FINAL_STATUSES, Job, JobControls, JobStatus
from models.domain.ports import JobFilter, JobView, Page
from storage import job_lists
from storage.database import IN_LIST_LIMIT, Transaction
from storage.reservations import freeze_job, release_jobs
from storage.serialise import dumps, loads
from storage.tables import AssetRow, JobControlRow, JobDependencyRow, JobRow

_JOBS = cast("Table", JobRow.__table__)
_DEPENDENCIES = cast("Table", JobDependencyRow.__table__)

# Statements on the tables themselves, made once: a plan changes the status of thousands of jobs in one transaction.
_UPDATE = (
    update(_JOBS)
    .where(_JOBS.c.job_id == bindparam("which"), _JOBS.c.version == bindparam("before"))
    .values({column.name: bindparam(column.name) for column in _JOBS.columns})
)
_DROP_DEPENDENCIES = delete(_DEPENDENCIES).where(_DEPENDENCIES.c.job_id == bindparam("which"))


class SqlJobRepository:
    """`JobRepository` on SQL."""

    def __init__(self, transaction: Transaction, system_now: Callable[[], datetime]) -> None:
        """Work inside a transaction; `system_now` stamps what is changed without a given time."""
        self._tx = transaction
        self._system_now = system_now

    def add(self, job: Job) -> None:
        """Store a new job. Raises `Conflict` if the id exists."""
        if not self._tx.insert_if_absent(JobRow, ["job_id"], _values(job)):
            raise Conflict(f"a job with the id {job.job_id!r} exists already")
        self._put_dependencies(job)

    def get(self, job_id: str, owner: str | None = None) -> Job:
        """Return a job. Raises `NotFound` (also for another owner's)."""
        wanted = select(JobRow.body).where(JobRow.job_id == job_id)
        if owner is not None:
            wanted = wanted.where(JobRow.owner == owner)
        row = self._tx.first(wanted)
        if row is None:
            raise NotFound(f"there is no job {job_id!r}")
        return loads(Job, row.body)

    def update(self, job: Job, control: JobControls | None = None) -> None:
        """Store a changed job (version check as for assets) and what was done to it.

        A job that has become final gives back what it holds; what a started one holds is frozen.
        """
        changed = self._tx.execute(
            _UPDATE, {**_values(job), "which": job.job_id, "before": job.version - 1}
        )
        if changed.rowcount != 1:
            self._refuse_update(job)
        self._tx.execute(_DROP_DEPENDENCIES, {"which": job.job_id})
        self._put_dependencies(job)
        if control is not None:
            self._add_control(job.job_id, control)
        if job.status in FINAL_STATUSES:
            release_jobs(self._tx, [job.job_id])
        elif job.status is JobStatus.RUNNING:
            freeze_job(self._tx, job.job_id)

    def view(self, job_id: str, now: datetime, owner: str | None = None) -> JobView:
        """Return a job with its plan. Raises `NotFound`."""
        found = job_lists.view(self._tx, job_id, now, owner)
        if found is None:
            raise NotFound(f"there is no job {job_id!r}")
        return found

    def page(
        self,
        wanted: JobFilter,
        now: datetime,
        *,
        cursor: str | None = None,
        limit: int = 50,
        newest_first: bool = True,
    ) -> Page[JobView]:
        """Return jobs with their plans, by acceptance time then id."""
        return job_lists.page(
            self._tx, wanted, now, cursor=cursor, limit=limit, newest_first=newest_first
        )

    def open_jobs(self) -> tuple[Job, ...]:
        """Return every pending, scheduled, refused and running job of every owner, oldest first."""
        return job_lists.open_jobs(self._tx)

    def open_by_asset(self, owner: str | None) -> dict[str, int]:
        """Return how many jobs to plan or running each asset has: where awarded, else where submitted."""
        return job_lists.open_by_asset(self._tx, owner)

    def many(self, job_ids: Collection[str]) -> dict[str, Job]:
        """Return the jobs of some ids that exist."""
        found: dict[str, Job] = {}
        ids = list(dict.fromkeys(job_ids))
        for first in range(0, len(ids), IN_LIST_LIMIT):
            part = ids[first : first + IN_LIST_LIMIT]
            for row in self._tx.rows(
                select(JobRow.job_id, JobRow.body).where(JobRow.job_id.in_(part))
            ):
                found[row.job_id] = loads(Job, row.body)
        return found

    def successors(self, job_id: str) -> tuple[Job, ...]:
        """Return jobs that depend on this one, oldest first."""
        rows = self._tx.rows(
            select(JobRow.body)
            .join(JobDependencyRow, JobDependencyRow.job_id == JobRow.job_id)
            .where(JobDependencyRow.predecessor_id == job_id)
            .order_by(JobRow.accepted_at, JobRow.job_id)
        )
        return tuple(loads(Job, row.body) for row in rows)

    def counts(self, owner: str | None, now: datetime) -> dict[JobStatus, int]:
        """Return how many jobs stand in each status at `now`; a status nobody has reads 0."""
        return job_lists.counts(self._tx, owner, now)

    def due(self, now: datetime) -> tuple[JobView, ...]:
        """Return scheduled or running jobs whose award has started or ended by `now`, oldest start first."""
        return job_lists.due(self._tx, now)

    def controls(self, job_id: str) -> tuple[JobControls, ...]:
        """Return what users did to a job, oldest first."""
        rows = self._tx.rows(
            select(JobControlRow.body)
            .where(JobControlRow.job_id == job_id)
            .order_by(JobControlRow.number)
        )
        return tuple(loads(JobControls, row.body) for row in rows)

    def delete_demo(self) -> int:
        """Cancel demo jobs and retire demo assets; return how many rows changed."""
        now = self._system_now()
        final = [str(status) for status in FINAL_STATUSES]
        jobs = self._tx.rows(
            select(JobRow.body).where(JobRow.is_demo.is_(True), JobRow.status.not_in(final))
        )
        for row in jobs:
            job = loads(Job, row.body)
            cancelled = replace(
                job, status=JobStatus.CANCELLED, updated_at=now, version=job.version + 1
            )
            control = JobControls("cancel", now, "demo", {"reason": "the demo was removed"})
            self.update(cancelled, control)
        assets = self._tx.rows(
            select(AssetRow.body).where(AssetRow.is_demo.is_(True), AssetRow.deleted_at.is_(None))
        )
        for row in assets:
            asset = loads(Asset, row.body)
            retired = replace(asset, deleted_at=now, version=asset.version + 1)
            self._tx.execute(
                update(AssetRow)
                .where(AssetRow.asset_id == asset.asset_id)
                .values(deleted_at=now, version=retired.version, body=dumps(retired))
            )
        return len(jobs) + len(assets)

    def _refuse_update(self, job: Job) -> None:
        known = self._tx.first(select(JobRow.version).where(JobRow.job_id == job.job_id))
        if known is None:
            raise NotFound(f"there is no job {job.job_id!r}")
        raise Conflict(
            f"job {job.job_id!r} has changed since it was read (it is at version "
            f"{known.version}); read it again"
        )

    def _put_dependencies(self, job: Job) -> None:
        rows = [
            {"job_id": job.job_id, "predecessor_id": before}
            for before in dict.fromkeys(job.depends_on)
        ]
        if rows:
            self._tx.execute(insert(JobDependencyRow), rows)

    def _add_control(self, job_id: str, control: JobControls) -> None:
        last = self._tx.first(
            select(func.coalesce(func.max(JobControlRow.number), 0).label("number")).where(
                JobControlRow.job_id == job_id
            )
        )
        assert last is not None
        self._tx.execute(
            insert(JobControlRow).values(job_id=job_id, number=last.number + 1, body=dumps(control))
        )


def _values(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "owner": job.owner,
        "asset_id": job.asset_id,
        "status": str(job.status),
        "accepted_at": job.accepted_at,
        "is_demo": job.is_demo,
        "version": job.version,
        "search_text": job_lists.search_text(f"{job.job_name} {job.job_id}"),
        "body": dumps(job),
    }
