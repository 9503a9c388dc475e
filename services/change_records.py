"""Drafts of audit records for changes of set-up and for what became of awards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from models.domain.access import Caller
from models.domain.asset import Asset
from models.domain.decision import DecisionDraft, EventType
from models.domain.job import Job
from models.domain.ports import JobPlan
from services import records
from services.context import Context


def actor_of(caller: Caller) -> dict[str, Any]:
    """Return the person or program behind a request, by key id and role (no name, no secret)."""
    return {**records.person(caller.key_id or "loopback without key"), "role": str(caller.role)}


def clock_utc(context: Context) -> datetime | None:
    """Return the planning clock where it differs from system time, for a record."""
    return context.clock.now() if context.clock.is_shifted else None


def asset_change(
    context: Context, caller: Caller, event: str, before: Asset | None, after: Asset | None
) -> DecisionDraft:
    """Return the record of an asset registered, changed or retired.

    Args:
        context: Ports; the clock is used.
        caller: Who did it.
        event: `asset_created | asset_changed | asset_deleted`.
        before: The asset as it was; None for a new one.
        after: The asset as it is; None for a retired one.
    """
    subject = after or before
    assert subject is not None
    old = {} if before is None else asdict(before)
    new = {} if after is None else asdict(after)
    changed = [name for name in (new or old) if old.get(name) != new.get(name)]
    what = {
        "change": {
            "event": event,
            "asset_id": subject.asset_id,
            "before": {name: old[name] for name in changed} if old else None,
            "after": {name: new[name] for name in changed} if new else None,
        }
    }
    return records.event_draft(
        EventType.CONFIG_CHANGE,
        actor_of(caller),
        what,
        owner=subject.owner,
        clock_utc=clock_utc(context),
    )


def config_change(
    context: Context, caller: Caller, event: str, detail: Mapping[str, Any]
) -> DecisionDraft:
    """Return the record of another change of set-up, such as the demo being removed."""
    return records.event_draft(
        EventType.CONFIG_CHANGE,
        actor_of(caller),
        {"change": {"event": event, **detail}},
        owner=caller.owner,
        clock_utc=clock_utc(context),
    )


def outcome(
    context: Context,
    rule: str,
    event: str,
    job: Job,
    plan: JobPlan,
    detail: Mapping[str, Any],
) -> DecisionDraft:
    """Return the record of what became of an award; `ref` is the decision it belongs to.

    Args:
        context: Ports; the clock is used.
        rule: Which of our rules found it, e.g. `lifecycle`.
        event: `unconfirmed | void | outturn`.
        job: Whose award it was.
        plan: The present plan of the job.
        detail: What happened.
    """
    draft = records.event_draft(
        EventType.OUTCOME,
        records.rule(rule),
        {"outcome": {"event": event, **detail}},
        job=job,
        ref=uuid_or_none(plan.decision_id),
        first_slot=plan.award.placement.start if plan.award else None,
        clock_utc=clock_utc(context),
    )
    return replace(draft, negotiation_id=plan.negotiation_id)


def uuid_or_none(text: str) -> UUID | None:
    """Return the id in a text, None where it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
