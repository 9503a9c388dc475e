"""What awards hold: reserved power per half-hour, and from when an award no longer moves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from models.domain.asset import Asset
from models.domain.job import Job, JobStatus
from models.domain.plan import Placement, Segment
from models.domain.ports import JobFilter, JobView, UnitOfWork
from models.domain.time import SLOT, floor_slot
from models.domain.workload import DRY_RUN, executor_of
from services.context import ServiceSettings

PAGE_SIZE = 500
"""Rows read at a time where every row is needed."""


def reserved_kw(placed: Placement) -> dict[datetime, float]:
    """Return the IT power a placement reserves in each half-hour; a part-used one reserves it whole. [kW]"""
    return segments_kw(placed.segments)


def segments_kw(segments: Iterable[Segment]) -> dict[datetime, float]:
    """Return the IT power some stretches reserve in each half-hour; where two share one, the greater counts. [kW]"""
    held: dict[datetime, float] = {}
    for segment in segments:
        slot = floor_slot(segment.start)
        while slot < segment.end:
            held[slot] = max(held.get(slot, 0.0), segment.power_kw)
            slot += SLOT
    return held


def total_kw(placements: Iterable[Placement]) -> dict[datetime, float]:
    """Return the IT power some placements reserve together in each half-hour. [kW]"""
    held: dict[datetime, float] = {}
    for placed in placements:
        for slot, power_kw in reserved_kw(placed).items():
            held[slot] = held.get(slot, 0.0) + power_kw
    return held


def freeze_lead(
    settings: ServiceSettings, asset: Asset | None, job: Job | None = None
) -> timedelta:
    """Return how long before its start an award on an asset, or the award of a job, stops moving."""
    handed_over = asset is not None and asset.executor is not None
    if job is not None and job.workload is not None:
        name = executor_of(job.workload, asset.executor if asset else None)
        handed_over = handed_over or name not in {None, DRY_RUN}
    minutes = settings.freeze_executor_minutes if handed_over else settings.freeze_minutes
    return timedelta(minutes=minutes)


def is_frozen(view: JobView, now: datetime, lead: timedelta) -> bool:
    """Return whether a job's award can no longer move: it is running, marked frozen, or starts within `lead`."""
    if view.plan is None or view.plan.award is None:
        return False
    if view.status is JobStatus.RUNNING:
        return True
    award = view.plan.award
    has_come = award.is_frozen or award.placement.start - lead <= now
    return view.status is JobStatus.SCHEDULED and has_come


def fixed_work(
    settings: ServiceSettings, uow: UnitOfWork, asset: Asset, now: datetime
) -> list[JobView]:
    """Return the jobs of any owner whose award on this asset can no longer move."""
    lead = freeze_lead(settings, asset)
    holding = JobFilter(
        statuses=frozenset({JobStatus.SCHEDULED, JobStatus.RUNNING}), asset_id=asset.asset_id
    )
    return [
        view
        for view in every_page(uow, holding, now)
        if is_frozen(view, now, max(lead, freeze_lead(settings, asset, view.job)))
    ]


def every_page(uow: UnitOfWork, wanted: JobFilter, now: datetime) -> list[JobView]:
    """Return all jobs that match a filter, oldest first; only for filters that bound the answer."""
    found: list[JobView] = []
    cursor: str | None = None
    while True:
        page = uow.jobs.page(wanted, now, cursor=cursor, limit=PAGE_SIZE, newest_first=False)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found
