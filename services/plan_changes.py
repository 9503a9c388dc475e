"""What each plan changed: compared when a plan is made, kept with it, and read back by plan, by job or as news."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.domain.access import Caller
from models.domain.change import MovesNews, PlanChange
from models.domain.decision import EventType
from models.domain.plan import NegotiationSummary
from models.domain.ports import Page, UnitOfWork
from models.domain.signal import RegionSignals
from models.domain.vat import vat_rate
from services.changes import REASONS
from services.context import Context
from services.plan_diff import Compared, Pair, compare
from services.plan_sides import Side
from services.situation import Facts

OTHER_REASON = "a new plan"
"""What a trigger without a word of its own reads as."""


@dataclass(frozen=True)
class PlanChanges:
    """A plan against the one before, with the rows a caller may see."""

    summary: NegotiationSummary
    changes: Page[PlanChange]


def compared(
    context: Context,
    negotiation_id: str,
    view: Mapping[str, Any],
    signals: Mapping[str, RegionSignals],
    facts: Facts,
    trigger: str,
) -> Compared:
    """Return how a plan that is about to be committed differs from the last one that was.

    Only one planner works at a time, so no other plan can be committed in between.

    Args:
        context: Ports.
        negotiation_id: The new plan.
        view: Its frozen view.
        signals: The signals it was made from, over its whole horizon.
        facts: What it was made from.
        trigger: Why it was made.
    """
    with context.uow() as uow:
        previous_id = _last_committed(uow)
        old_view = uow.plans.snapshot(previous_id) if previous_id else {}
        jobs = {job.job_id: job for job in facts.jobs}
        gone = {job["job_id"] for job in old_view.get("jobs", ())} - jobs.keys()
        jobs |= uow.jobs.many(gone)
    after = Side.of_view(view, signals)
    before = Side.of_view(old_view) if old_view else Side(after.at, {}, {}, {}, 0.0)
    return compare(
        Pair(
            negotiation_id,
            previous_id if old_view else None,
            before,
            after,
            jobs,
            REASONS.get(trigger, OTHER_REASON),
            _vat_factor(context),
        )
    )


def _last_committed(uow: UnitOfWork) -> str | None:
    """Return the last committed plan: its record is sealed with it, so the log knows the order of commits."""
    newest = uow.decisions.page(event_types=(str(EventType.NEGOTIATION),), limit=1).items
    return newest[0].negotiation_id if newest else None


def _vat_factor(context: Context) -> Callable[[datetime], float]:
    if not context.settings.prices_include_vat:
        return lambda _start: 1.0
    return lambda start: 1.0 + float(vat_rate(start, context.settings.customer_class))


def show(
    context: Context,
    caller: Caller,
    negotiation_id: str,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> PlanChanges:
    """Return what a plan changed; sums and counts are the fleet's, rows only those of the caller's owner."""
    with context.uow() as uow:
        summary = uow.plans.negotiation_summary(negotiation_id)
        rows = uow.plans.changes(negotiation_id, caller.sees_owner, cursor=cursor, limit=limit)
    return PlanChanges(summary, rows)


def last_moves(uow: UnitOfWork, owner: str | None, since: datetime) -> MovesNews | None:
    """Return the last plan since an instant that moved jobs of an owner (None: anybody's), or None."""
    found = uow.plans.last_moves(owner, since)
    if found is None:
        return None
    negotiation_id, at, moved = found
    trigger = uow.plans.negotiation_summary(negotiation_id).trigger
    return MovesNews(negotiation_id, at, moved, REASONS.get(trigger, OTHER_REASON))
