"""Carbon of the London day that was planned before the half-hours of a negotiation: work that has run already.

Planned, not measured: what the awards said. A run over midnight counts on each day by its energy there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from models.domain.job import JobStatus
from models.domain.plan import Placement
from models.domain.ports import JobFilter, UnitOfWork
from models.domain.time import london_date, london_midnight
from services.holding import every_page
from services.valuation import slot_energy_kwh

ENDED = frozenset({JobStatus.COMPLETED, JobStatus.UNCONFIRMED, JobStatus.FAILED})
"""Statuses of jobs that are over and had a plan to run."""

LONGEST_RUN = timedelta(days=14)
"""A run that began earlier has ended before today."""


def kg_by_day(placed: Placement, *, until: datetime | None = None) -> dict[date, float]:
    """Return the planned carbon of one run by London day; nothing where it was not known. [kg]

    Args:
        placed: The run as planned.
        until: Only half-hours that begin earlier; None: all.
    """
    if placed.carbon_kg is None:
        return {}
    energy = slot_energy_kwh(placed.segments, 1.0)
    total = sum(energy.values())
    found: dict[date, float] = {}
    for slot, kwh in energy.items():
        if total > 0.0 and (until is None or slot < until):
            day = london_date(slot)
            found[day] = found.get(day, 0.0) + placed.carbon_kg * kwh / total
    return found


def ended_today(uow: UnitOfWork, now: datetime) -> dict[str, Placement]:
    """Return the runs that are over and lay, in part at least, on the present London day, by job id."""
    today = london_midnight(london_date(now))
    recent = JobFilter(statuses=ENDED, start_after=today - LONGEST_RUN, start_before=now)
    return {
        view.job.job_id: view.plan.award.placement
        for view in every_page(uow, recent, now)
        if view.plan and view.plan.award and view.plan.award.placement.end > today
    }


def spent_kg_by_day(
    ended: Iterable[Placement], frozen: Iterable[Placement], start: datetime
) -> dict[date, float]:
    """Return the planned carbon of ended runs, and of frozen ones before a horizon begins, by London day. [kg]

    Args:
        ended: Runs that are over.
        frozen: Runs that hold power; their half-hours from `start` on are counted by the planner.
        start: First half-hour of the horizon.
    """
    parts = [kg_by_day(placed) for placed in ended]
    parts += [kg_by_day(placed, until=start) for placed in frozen]
    total: dict[date, float] = {}
    for part in parts:
        for day, kg in part.items():
            total[day] = total.get(day, 0.0) + kg
    return total
