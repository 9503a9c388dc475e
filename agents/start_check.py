"""Whether a run starts when it may: written for the Policy Agent's veto, apart from the code that makes options.

What the job itself, jobs outside the plan and the way of its data say of a start; neighbours inside the plan are looked
at where all runs are known.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import datetime

from models.domain.asset import Asset
from models.domain.job import Job
from models.domain.time import SLOT, ceil_slot
from models.optimise.table import PricedTable
from models.optimise.terms import Incumbent

GIGABIT = 8.0
"""Gigabits of a gigabyte."""


def pin_fault(job: Job, asset: Asset, start: datetime) -> str | None:
    """Return how a run differs from the start and cluster that somebody pinned, or None."""
    if job.pinned_start is not None and start != job.pinned_start:
        return f"would start {start}, pinned to {job.pinned_start}"
    if job.pinned_asset_id not in (None, asset.asset_id):
        return f"would run on {asset.asset_id}, pinned to {job.pinned_asset_id}"
    return None


def predecessor_fault(
    job: Job, start: datetime, ends: Mapping[str, datetime], planned: Collection[str]
) -> str | None:
    """Return which job outside the plan a run does not wait for, or None.

    Args:
        job: The job.
        start: Of its run.
        ends: Job id → when the jobs outside the plan that it waits for have ended.
        planned: Ids of the jobs of the plan.
    """
    unknown = [name for name in job.depends_on if name not in planned]
    if unknown and job.job_id not in ends:
        return f"waits for {', '.join(unknown)}, of which no end is known"
    if job.job_id in ends and start < ends[job.job_id]:
        return f"would start {start}, before {ends[job.job_id]}, when the jobs it waits for end"
    return None


def transfer_fault(
    job: Job,
    asset: Asset,
    start: datetime,
    table: PricedTable,
    gbit_per_s: float,
    held: Incumbent | None,
) -> str | None:
    """Return that the data cannot be there when a run in another region starts, or None.

    Args:
        job: The job; its data are with its own asset.
        asset: Where it runs.
        start: Of its run.
        table: Assets and half-hours.
        gbit_per_s: Speed of the network. [Gbit/s]
        held: The award it holds now: where its data are on their way to.
    """
    home = table.index.get(job.asset_id)
    if job.data_gb <= 0.0 or home is None or job.pinned_start is not None:
        return None
    if table.assets[home].region == asset.region:
        return None
    if (
        held is not None
        and held.asset_id == asset.asset_id
        and start >= table.horizon.start_of(held.start)
    ):
        return None
    opens = max(ceil_slot(job.release), table.horizon.start_of(table.first_open))
    sent = math.ceil(job.data_gb * GIGABIT / gbit_per_s / SLOT.total_seconds())
    if (start - opens) // SLOT < min(sent, table.horizon.slots):
        return f"would start {start}, before its {job.data_gb:g} GB can be on {asset.asset_id}"
    return None
