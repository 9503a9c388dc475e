"""Runs that last longer than planned: they keep their power, and what was planned next makes room."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from models.domain.asset import Asset
from models.domain.job import Job
from models.domain.plan import Award
from models.domain.ports import JobPlan
from models.domain.time import SLOT, ceil_slot, floor_slot
from services.holding import segments_kw

LATE_START = timedelta(minutes=5)
"""A start this much later than planned moves the expected end; less is left to the end itself. [min]"""

LATE_END = timedelta(minutes=1)
"""A run that lasts this much longer than planned keeps its power for another half-hour. [min]"""

AHEAD = timedelta(minutes=10)
"""A run that overruns already keeps it for one more this long before the last one ends. [min]"""

TOLERANCE_KW = 1e-6


def held_award(award: Award, job: Job, now: datetime) -> Award | None:
    """Return the award of a running job with the power it must hold, None where it holds enough.

    Args:
        award: As planned, or as held before.
        job: The running job, with its real start.
        now: Planning clock.
    """
    if job.started_at is None:
        return None
    if job.started_at + SLOT <= award.placement.start:
        moved = _moved(award, floor_slot(job.started_at))
        return held_award(moved, job, now) or moved
    placed = award.placement
    held = max(ceil_slot(placed.end), award.held_until or placed.end)
    expected = job.started_at + (placed.end - placed.start)
    needed = ceil_slot(expected) if expected >= held + LATE_START else held
    if now >= held + LATE_END:
        needed = max(needed, floor_slot(now) + SLOT)
    elif award.held_until is not None and now >= held - AHEAD:
        needed = max(needed, held + SLOT)
    return replace(award, held_until=needed, is_frozen=True) if needed > held else None


def _moved(award: Award, start: datetime) -> Award:
    """Return an award laid to another start: its executor started it before the plan could move it."""
    placed = award.placement
    shift = start - placed.start
    segments = tuple(replace(s, start=s.start + shift, end=s.end + shift) for s in placed.segments)
    moved = replace(placed, start=start, end=placed.end + shift, segments=segments)
    return replace(award, placement=moved, is_frozen=True, held_until=None)


def thawed(
    frozen: Collection[Job],
    plans: Mapping[str, JobPlan],
    assets: Collection[Asset],
    now: datetime,
) -> set[str]:
    """Return the jobs that are too near their start to move, but whose power an overrunning run still holds.

    Args:
        frozen: Jobs whose award can no longer move.
        plans: The present plan of every job.
        assets: Every live asset.
        now: Planning clock.
    """
    awards = {
        job.job_id: plan.award
        for job in frozen
        if (plan := plans.get(job.job_id)) is not None and plan.award is not None
    }
    late = {a.placement.asset_id for a in awards.values() if a.held_until is not None}
    lost: set[str] = set()
    for asset in assets:
        if asset.asset_id not in late:
            continue
        mine = [(i, a) for i, a in awards.items() if a.placement.asset_id == asset.asset_id]
        used: dict[datetime, float] = {}
        # Those that run, then those that come next: who finds no room any more must move.
        for job_id, award in sorted(mine, key=lambda pair: (pair[1].placement.start, pair[0])):
            wanted = segments_kw(award.held_segments)
            total = {slot: used.get(slot, 0.0) + kw for slot, kw in wanted.items()}
            has_room = all(kw <= asset.room_at(slot) + TOLERANCE_KW for slot, kw in total.items())
            if has_room or award.placement.start <= now:
                used |= total
            else:
                lost.add(job_id)
    return lost
