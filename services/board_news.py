"""What happened since yesterday, as lines for the Schedule page: ran, moved and why, refused, what it turned out to be."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from agents.wording import when
from models.domain.job import JobStatus
from models.domain.ports import JobView
from models.domain.time import london_date, london_midnight
from services import outturn
from services.types import Happening

MOST_LINES = 30
"""Most lines shown, newest first."""

NEWS_STATUSES = frozenset(
    {
        JobStatus.COMPLETED,
        JobStatus.FAILED,
        JobStatus.CANCELLED,
        JobStatus.REFUSED,
        JobStatus.UNCONFIRMED,
    }
)
"""Statuses whose jobs may be news besides those on the chart."""


def since_yesterday(now: datetime) -> datetime:
    """Return the London midnight at which yesterday began."""
    return london_midnight(london_date(now) - timedelta(days=1))


def happenings(views: Iterable[JobView], since: datetime, now: datetime) -> tuple[Happening, ...]:
    """Return what happened to some jobs in `[since, now]`, newest first.

    Args:
        views: Jobs with their plans; one that occurs twice is told once.
        since: First instant that counts.
        now: Planning clock.
    """
    found: dict[tuple[str, str], Happening] = {}
    for view in views:
        for line in _of(view):
            if since <= line.at <= now:
                found.setdefault((line.job_id, line.kind), line)
    ordered = sorted(found.values(), key=lambda line: (line.at, line.job_id), reverse=True)
    return tuple(ordered[:MOST_LINES])


def _of(view: JobView) -> list[Happening]:
    job, plan = view.job, view.plan
    award = plan.award if plan else None
    lines: list[Happening] = []

    def tell(at: datetime | None, kind: str, text: str) -> None:
        if at is not None:
            lines.append(Happening(at, kind, job.job_id, job.job_name, text))

    if view.status is JobStatus.COMPLETED and award is not None:
        ended_at = job.ended_at or award.placement.end
        place = award.placement.asset_id
        tell(ended_at, "ran", f"Ran {when(job.started_at or award.placement.start)} on {place}.")
        known = outturn.of(view)
        if known is not None:
            tell(ended_at, "outturn", known.text)
    elif view.status is JobStatus.FAILED:
        tell(job.ended_at or job.updated_at, "failed", "Was reported as failed or not run.")
    elif view.status is JobStatus.CANCELLED:
        tell(job.updated_at, "cancelled", "Was cancelled.")
    elif view.status is JobStatus.UNCONFIRMED and award is not None:
        window = f"{when(award.placement.start)} to {when(award.placement.end)}"
        tell(award.placement.end, "unconfirmed", f"Its window {window} passed unconfirmed.")
    elif view.status is JobStatus.RUNNING:
        tell(job.started_at, "started", "Started.")
    elif view.status is JobStatus.REFUSED and plan is not None and plan.refusal is not None:
        tell(plan.decided_at, "refused", plan.refusal.detail)
    if award is not None and plan is not None and plan.moves and plan.move_reason:
        tell(plan.decided_at, "moved", f"Moved by {plan.move_reason}.")
    return lines
