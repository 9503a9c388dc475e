"""Change a job that has not started: check it as if it were new, but keep when it arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from models.domain.access import Caller
from models.domain.asset import Asset
from models.domain.errors import FieldError, InvalidRequest
from models.domain.job import Job
from models.domain.ports import JobView, UnitOfWork
from models.domain.workload import workload_digest
from services.acts import do, must_be_open, must_not_be_frozen
from services.context import Context
from services.drafting import job_of, run_on_arrival
from services.executions import check_workload
from services.types import JobDraft


def change(context: Context, caller: Caller, job_id: str, changes: Mapping[str, Any]) -> JobView:
    """Change fields of a job that has not started, check it as if it were new, and re-plan."""

    def act(uow: UnitOfWork, view: JobView, now: datetime) -> Job:
        must_be_open(view, "changed")
        must_not_be_frozen(context, uow, view, now)
        assets = uow.assets.all_live(view.job.owner)
        draft = _changed(view.job, changes)
        own = uow.assets.get(draft.asset_id or view.job.asset_id, view.job.owner)
        if draft.workload is not None and {"workload", "asset_id"} & changes.keys():
            check_workload(context, draft.workload, view.job.owner, own.executor)
        if "allowed_regions" not in changes:
            draft = replace(draft, allowed_regions=_regions(uow, view.job, own))
        before = uow.jobs.many(draft.depends_on) if draft.depends_on else {}
        mine = {k: v for k, v in before.items() if v.owner == view.job.owner}
        _no_circle(uow, job_id, draft.depends_on)
        made = job_of(draft, view.job.owner, own, assets, mine, now, UUID(int=0))
        arrived = replace(
            made,
            accepted_at=view.job.accepted_at,
            earliest_start=made.earliest_start
            if changes.get("earliest_start")
            else view.job.earliest_start,
        )
        start, reason = run_on_arrival(arrived, own)
        return replace(
            arrived,
            job_id=job_id,
            job_name=draft.job_name or view.job.job_name,
            baseline_start=start,
            baseline_reason=reason,
            status=view.job.status,
            is_held=view.job.is_held,
            pinned_start=view.job.pinned_start,
            pinned_asset_id=view.job.pinned_asset_id,
            is_demo=view.job.is_demo,
            version=view.job.version,
        )

    named = {key: _shown(key, value) for key, value in changes.items()}
    return do(context, caller, job_id, "change", act, detail=named, trigger="control")


def _draft_of(job: Job) -> JobDraft:
    """Return the draft that would make this job again."""
    same = {f.name for f in fields(JobDraft)} & {f.name for f in fields(Job)}
    values = {name: getattr(job, name) for name in same - {"job_id"}}
    return JobDraft(
        **values,
        job_id=job.job_id,
        estimated_power_kw=None if job.power_profile_kw else job.power_kw,
    )


def _changed(job: Job, changes: Mapping[str, Any]) -> JobDraft:
    """Return the draft of the changed job; new power figures replace the old ones, of whatever kind they were."""
    draft = _draft_of(job)
    if {"gpu_model", "gpu_count"} & changes.keys():
        draft = replace(draft, estimated_power_kw=None, power_profile_kw=())
    elif "estimated_power_kw" in changes:
        draft = replace(draft, power_profile_kw=())
    return replace(draft, **dict(changes))


def _regions(uow: UnitOfWork, job: Job, own: Asset) -> tuple[str, ...]:
    """Return the regions of a job whose regions were not named: they go with its cluster if they were just that."""
    if own.asset_id == job.asset_id:
        return job.allowed_regions
    former = {asset.asset_id: asset for asset in uow.assets.all_live(job.owner)}.get(job.asset_id)
    just_its_own = former is not None and job.allowed_regions == (former.region,)
    return (own.region,) if just_its_own else job.allowed_regions


def _no_circle(uow: UnitOfWork, job_id: str, depends_on: tuple[str, ...]) -> None:
    """Refuse predecessors that wait, directly or not, for this very job."""
    seen: set[str] = set()
    ahead = set(depends_on)
    while ahead:
        if job_id in ahead:
            raise InvalidRequest(
                f"job {job_id} would wait for itself",
                (
                    FieldError(
                        "depends_on",
                        "the jobs would wait for each other in a circle",
                        list(depends_on),
                        "jobs that do not wait for this one",
                        "remove the job that closes the circle",
                    ),
                ),
            )
        seen |= ahead
        found = uow.jobs.many(ahead)
        ahead = {p for job in found.values() for p in job.depends_on} - seen


def _shown(name: str, value: Any) -> Any:
    """Return a changed value for the record; a workload is bound by its digest only."""
    if name == "workload" and value is not None:
        return {"sha256": workload_digest(value)}
    if isinstance(value, timedelta):
        return value.total_seconds() / 3600
    return value
