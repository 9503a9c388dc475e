"""Everything the Job page shows: the job, why it runs when it does, what may still move it, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agents.wording import when
from models.domain.access import Caller
from models.domain.asset import Asset
from models.domain.errors import NotFound
from models.domain.job import Job, JobStatus
from models.domain.plan import Award, NegotiationSummary
from models.domain.ports import JobView, UnitOfWork
from models.domain.signal import Quality, SignalName
from services import energy
from services.context import Context
from services.executions import tail_of, with_execution
from services.holding import freeze_lead, is_frozen
from services.types import JobDetail

MOST_CHANGES = 20
"""Most lines of what plans did with a job."""

_QUALITY_PHRASES: Mapping[Quality, str] = {
    Quality.LIVE: "on live carbon and prices",
    Quality.CACHED: "on carbon and prices that are in date, fetched a while ago",
    Quality.REPLAYED: "on replayed data",
    Quality.STALE: "on old data: the provider has not answered since",
    Quality.ESTIMATED: "partly on own estimates",
    Quality.SIMULATED: "on a simulated grid, so its figures are no savings and never enter statements",
    Quality.NONE: "with some half-hours unknown, so cost or carbon cannot be told",
}


def show(context: Context, caller: Caller, job_id: str) -> JobDetail:
    """Return everything about one job the caller may see. Raises `NotFound`."""
    now = context.clock.now()
    with context.uow() as uow:
        view = with_execution(context, uow, uow.jobs.view(job_id, now, caller.sees_owner))
        asset = _asset(uow, view)
        negotiation, record_line = _how_decided(uow, view)
        controls = tuple(
            {"action": c.action, "at": c.at, "by": c.by, "detail": dict(c.detail)}
            for c in uow.jobs.controls(job_id)
        )
        changes = uow.plans.changes_of(job_id, MOST_CHANGES)
        before = uow.jobs.many(view.job.depends_on)
        after = uow.jobs.successors(job_id)
        owner = view.job.owner
        predecessors = [
            uow.jobs.view(other, now) for other in view.job.depends_on if other in before
        ]
        successors = [uow.jobs.view(job.job_id, now) for job in after if job.owner == owner]
        held_by = _held_by(context, uow, view, now)
    award = view.plan.award if view.plan else None
    started = view.hand_over if view.hand_over and view.hand_over.has_started else None
    freeze_at = _freeze_at(context, award, asset, view.job)
    return JobDetail(
        view=view,
        asset=asset,
        value_of_carbon_gbp_per_tonne=context.policy.carbon_price_gbp_per_tonne,
        negotiation=negotiation,
        record_line=record_line,
        controls=controls,
        freeze_at=freeze_at,
        may_still_move=may_still_move(view, freeze_at, now, held_by),
        how_sure=_how_sure(context, view),
        predecessors=tuple(predecessors),
        successors=tuple(successors),
        changes=changes,
        log_tail=tail_of(context, started) if started else None,
    )


def _asset(uow: UnitOfWork, view: JobView) -> Asset | None:
    award = view.plan.award if view.plan else None
    try:
        return uow.assets.get(award.placement.asset_id if award else view.job.asset_id)
    except NotFound:  # retired since
        return None


def _how_decided(uow: UnitOfWork, view: JobView) -> tuple[NegotiationSummary | None, str | None]:
    """Return the negotiation and the audit record of the present answer, where there are any."""
    if view.plan is None:
        return None, None
    negotiation: NegotiationSummary | None = None
    line: str | None = None
    try:
        negotiation = uow.plans.negotiation_summary(view.plan.negotiation_id)
    except NotFound:
        negotiation = None
    try:
        line = uow.decisions.get(view.plan.decision_id).line
    except NotFound:
        line = None
    return negotiation, line


def _freeze_at(
    context: Context, award: Award | None, asset: Asset | None, job: Job
) -> datetime | None:
    if award is None:
        return None
    return award.placement.start - freeze_lead(context.settings, asset, job)


def _held_by(context: Context, uow: UnitOfWork, view: JobView, now: datetime) -> JobView | None:
    """Return a job that waits for this one, directly or through others, and no longer moves; so neither does this one."""
    seen = {view.job.job_id}
    wave = [view.job]
    while wave:
        near = {job.job_id: job for one in wave for job in uow.jobs.successors(one.job_id)}
        wave = [job for job_id, job in near.items() if job_id not in seen]
        seen |= near.keys()
        for job in wave:
            after = uow.jobs.view(job.job_id, now)
            if is_frozen(after, now, freeze_lead(context.settings, _asset(uow, after), job)):
                return after
    return None


def may_still_move(
    view: JobView, freeze_at: datetime | None, now: datetime, held_by: JobView | None = None
) -> str:
    """Return, in one sentence, what may still move a job.

    Args:
        view: The job with its plan.
        freeze_at: From when its award no longer moves; None without an award.
        now: Planning clock.
        held_by: A job that waits for it and no longer moves, if there is one.
    """
    job, plan = view.job, view.plan
    if job.is_held and view.status is not JobStatus.CANCELLED:
        return "It is held: it stays out of every plan until you release it."
    if view.status is JobStatus.RUNNING:
        return "It has started, so nothing moves it any more."
    if view.status in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}:
        return "It is over, so nothing moves it any more."
    if view.status is JobStatus.UNCONFIRMED:
        return "Its window has passed; say whether it ran."
    award = plan.award if plan else None
    if award is not None and freeze_at is not None:
        return _award_may_move(view, award, freeze_at, now, held_by)
    if view.status is JobStatus.REFUSED:
        last_start = job.latest_finish - job.duration
        if last_start < now:
            return f"Its last start, {when(last_start)}, has passed: it can no longer be planned."
        return f"It is tried again with each new plan until its last start, {when(last_start)}."
    if plan is not None and plan.deferral is not None:
        return f"It waits: {plan.deferral.reason}."
    return "It is not planned yet; the next plan decides."


def _award_may_move(
    view: JobView, award: Award, freeze_at: datetime, now: datetime, held_by: JobView | None
) -> str:
    start = award.placement.start
    if start <= now:
        return "Its window is open, so nothing moves it any more; say whether it started."
    if award.is_frozen or freeze_at <= now:
        return f"It no longer moves: {when(start)} is too close."
    if held_by is not None:
        name = held_by.job.job_name if held_by.job.owner == view.job.owner else "another job"
        return f"It no longer moves: {name} waits for it, and its own place stands."
    if view.job.pinned_start is not None:
        return "You pinned it, so only you move it; it is refused if its cluster loses the power."
    until = f"Until {when(freeze_at)}"
    if award.provisional:
        return f"{until} it moves as soon as carbon or prices arrive: it was placed without any."
    causes = "a new carbon forecast or other work"
    if award.placement.estimated_share > 0.0:
        causes = "published prices, a new carbon forecast or other work"
    return (
        f"{until} {causes} may move it, if another start is better by more than the cost of moving."
    )


def _how_sure(context: Context, view: JobView) -> str:
    award = view.plan.award if view.plan else None
    if award is None:
        return ""
    statistics = energy.forecast_error(context, award.placement.region, SignalName.CARBON)
    return how_sure(award, statistics)


def how_sure(award: Award, error_statistics: Mapping[str, Any]) -> str:
    """Return, in one sentence, how far the figures of an award can be trusted.

    Args:
        award: The award.
        error_statistics: Errors of archived carbon forecasts in the award's region, or the reason why there are none.
    """
    placed = award.placement
    parts = [f"Planned {_QUALITY_PHRASES[placed.data_quality]}"]
    if placed.estimated_share > 0.0:
        parts.append(f"{placed.estimated_share:.0%} of its half-hours rest on an own estimate")
    leads = error_statistics.get("by_lead")
    if leads:
        worst = max(float(row["mae"]) for row in leads)
        parts.append(f"carbon forecasts were off by up to {worst:.0f} g/kWh on average")
    else:
        reason = error_statistics.get("reason", "no statistics")
        parts.append(f"the error to expect is not known ({reason})")
    if award.savings.carbon_kg_range is None and award.savings.range_reason:
        parts.append(f"no range is given ({award.savings.range_reason})")
    return "; ".join(parts) + "."
