"""Read, verify and write out the decision audit log."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from models.domain.access import Caller, Role
from models.domain.decision import EventType, SealedRecord
from models.domain.errors import NotFound
from models.domain.ports import Page, UnitOfWork, VerifyReport
from services.brief import Brief
from services.context import Context

REPORT_SECONDS = 60.0
"""How long a verification is shown before the next question makes another. [s]"""

_reports: Brief[VerifyReport] = Brief(REPORT_SECONDS)


def page(
    context: Context,
    caller: Caller,
    *,
    job_id: str | None = None,
    event_types: Collection[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[SealedRecord]:
    """Return records newest first: an auditor sees all, others those of their own jobs and those of no owner."""
    with context.uow() as work:
        if job_id is not None and caller.role is not Role.AUDITOR:
            work.jobs.get(job_id, caller.sees_owner)
        return work.decisions.page(
            owner=caller.sees_owner,
            job_id=job_id,
            event_types=event_types,
            since=since,
            until=until,
            cursor=cursor,
            limit=limit,
        )


def get(context: Context, caller: Caller, event_id: str) -> SealedRecord:
    """Return one record. Raises `NotFound`, also for another owner's."""
    with context.uow() as work:
        record = work.decisions.get(event_id)
    if caller.sees_owner is not None and record.owner not in {None, caller.sees_owner}:
        raise NotFound(f"there is no decision {event_id!r}")
    return record


def verify(context: Context, *, fresh: bool = False) -> VerifyReport:
    """Verify files, anchors and outbox; a report of the last minute is reused unless `fresh`."""
    return _reports.get(context, lambda: context.audit.verify(context.uow), fresh=fresh)


@dataclass(frozen=True, slots=True)
class Flushed:
    """What one pass of the writer did."""

    records: int
    anchored: bool


def flush(context: Context) -> Flushed:
    """Write sealed records to the files; once a UTC day, sign the head of the chain before.

    Raises:
        AuditBroken: If the files differ from what was committed; nothing is appended until somebody looked.
    """
    written = context.audit.flush(context.uow)
    anchored = anchor(context) if context.draft_anchor is not None else False
    if anchored:
        written += context.audit.flush(context.uow)
    return Flushed(written, anchored)


def anchor(context: Context, *, force: bool = False) -> bool:
    """Seal an anchor record over the present head if today has none yet; return whether one was made.

    Args:
        context: With the signer.
        force: Make one even if today has one already.
    """
    if context.draft_anchor is None:
        return False
    now = context.system_now()
    with context.uow() as work:
        if not (force or _is_due(work, now)):
            return False
    with context.uow(write=True) as work:
        if not (force or _is_due(work, now)):
            return False
        seq, digest = work.decisions.head()
        if seq == 0:
            return False
        work.decisions.append(context.draft_anchor(seq, digest, now))
        work.commit()
    return True


def _is_due(work: UnitOfWork, now: datetime) -> bool:
    """Return whether there are records and none of today's (UTC) is an anchor."""
    if work.decisions.head()[0] == 0:
        return False
    newest = work.decisions.page(event_types=(EventType.ANCHOR,), limit=1).items
    if not newest:
        return True
    said = json.loads(newest[0].line)["ts_utc"]
    return str(said)[:10] < now.astimezone(UTC).date().isoformat()
