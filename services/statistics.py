"""Counts, totals, waits and refusals over everything the caller may see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from statistics import median

from models.domain.access import Caller
from models.domain.asset import Asset
from models.domain.job import Job, JobStatus
from models.domain.ports import JobFilter, JobView
from models.domain.time import SLOT, Horizon, ceil_slot, floor_slot
from services.context import Context
from services.fleet_baseline import first_come_first_served
from services.holding import every_page
from services.memo import Dated, Memo, first_end, state_of
from services.statement import row_of, totals
from services.types import DataLine, Statistics

PLANNED = frozenset({JobStatus.SCHEDULED, JobStatus.RUNNING})
CONFIRMED = frozenset({JobStatus.COMPLETED})
REFUSED = frozenset({JobStatus.REFUSED})

LONGEST_FLEET_SLOTS = 31 * 48
"""Longest stretch of half-hours over which the fleet baseline is valued (31 days)."""


_answers: Memo[Dated[Statistics]] = Memo(8)


def show(context: Context, caller: Caller) -> Statistics:
    """Return the statistics of the caller's jobs.

    `planned` covers every open award, whatever signals it was planned on (the data line says which); `confirmed` only
    confirmed runs that were not simulated and are not part of the demo.
    """
    now, owner = context.clock.now(), caller.sees_owner
    with context.uow() as uow:
        key = (owner, floor_slot(now), state_of(uow), context.signals.mode)
    data = context.signals.data_line()
    known = _answers.get(
        context,
        key,
        lambda: _read(context, owner, now, data),
        lambda kept: kept.holds_at(now),
    )
    return replace(known.answer, data=data)


def _read(context: Context, owner: str | None, now: datetime, data: DataLine) -> Dated[Statistics]:
    with context.uow() as uow:
        planned = every_page(uow, JobFilter(owner=owner, statuses=PLANNED), now)
        done = every_page(uow, JobFilter(owner=owner, statuses=CONFIRMED), now)
        refused = every_page(uow, JobFilter(owner=owner, statuses=REFUSED), now)
        counts = uow.jobs.counts(owner, now)
        assets = {asset.asset_id: asset for asset in uow.assets.all_live()}
    real = [view for view in done if _counts(view)]
    waits = waits_hours([*planned, *real])
    rules = Counter(view.plan.refusal.rule for view in refused if view.plan and view.plan.refusal)
    carbon_kg, cost_gbp = _fleet(context, [view.job for view in planned], assets)
    found = Statistics(
        counts=counts,
        planned=totals(row for view in planned if (row := row_of(view)) is not None),
        confirmed=totals(row for view in real if (row := row_of(view)) is not None),
        fleet_baseline_carbon_kg=carbon_kg,
        fleet_baseline_cost_gbp=cost_gbp,
        median_wait_hours=median(waits) if waits else None,
        refusals_by_rule=dict(sorted(rules.items())),
        data=data,
    )
    return Dated(found, first_end(planned, now))


def _counts(view: JobView) -> bool:
    return view.plan is not None and view.plan.signals_mode != "simulated" and not view.job.is_demo


def waits_hours(views: Iterable[JobView]) -> list[float]:
    """Return how long each job with an award waits from its release to its planned start, never below 0. [h]"""
    return [
        max(0.0, (view.plan.award.placement.start - view.job.release).total_seconds() / 3600.0)
        for view in views
        if view.plan and view.plan.award
    ]


def _fleet(
    context: Context, jobs: Sequence[Job], assets: Mapping[str, Asset]
) -> tuple[float | None, float | None]:
    """Return carbon and cost of some jobs, first come first served; None where a part is unknown."""
    if not jobs:
        return None, None
    placed = first_come_first_served(jobs, assets, {})
    if placed.left_out:
        return None, None
    start = min(placed.starts.values())
    end = ceil_slot(max(placed.starts[job.job_id] + job.duration for job in jobs))
    slots = (end - start) // SLOT
    if slots > LONGEST_FLEET_SLOTS:
        return None, None
    regions = sorted({assets[job.asset_id].region for job in jobs})
    signals = context.signals.view(regions, Horizon(start, slots))
    valued = placed.valued(jobs, assets, signals)
    return valued.carbon_kg, valued.cost_gbp
