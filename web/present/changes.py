"""What a plan changed, as answers."""

from __future__ import annotations

from dataclasses import asdict

from models.domain.change import MoveValues, PlanChange, PlanComparison, PlanSums, Window, Worth
from models.domain.time import format_utc
from services.plan_changes import PlanChanges
from web.present.common import Json, number, page, when


def changes(found: PlanChanges) -> Json:
    """Return one page of what a plan changed, with the sums of the fleet."""
    summary = found.summary
    return {
        "negotiation_id": summary.negotiation_id,
        "status": str(summary.status),
        "trigger": summary.trigger,
        "comparison": _comparison(summary.comparison),
        **page(found.changes, change),
    }


def change(found: PlanChange) -> Json:
    """Return one changed job."""
    return {
        "job_id": found.job_id,
        "job_name": found.job_name,
        "kind": str(found.kind),
        "cause": found.cause,
        "why": found.text,
        "decided_at": format_utc(found.decided_at),
        "before": _window(found.before),
        "after": _window(found.after),
        "values": _values(found.values),
        "made_room_for": {"job_ids": list(found.room_for), "others": found.room_for_others},
    }


def _window(found: Window | None) -> Json | None:
    if found is None:
        return None
    return {
        "asset_id": found.asset_id,
        "region": found.region,
        "start_time": format_utc(found.start),
        "end_time": format_utc(found.end),
    }


def _values(found: MoveValues | None) -> Json | None:
    if found is None:
        return None
    return {
        "old_window_then": _worth(found.old_then),
        "old_window_now": _worth(found.old_now),
        "new_window_then": _worth(found.new_then),
        "new_window_now": _worth(found.new_now),
        "better_by_gbp": number(found.gain_gbp),
        "churn_gbp": number(found.churn_gbp),
    }


def _worth(found: Worth) -> Json:
    return {name: number(value) for name, value in asdict(found).items()}


def _comparison(found: PlanComparison | None) -> Json | None:
    if found is None:
        return None
    return {
        "previous_id": found.previous_id,
        "previous_at": when(found.previous_at),
        "cause": found.cause,
        "counts": dict(found.counts),
        "totals": {
            "before": _sums(found.before),
            "because_the_forecast_changed": _sums(found.by_forecast),
            "because_the_plan_changed": _sums(found.by_plan),
            "because_the_work_changed": _sums(found.by_work),
            "after": _sums(found.after),
            "unknown_jobs": found.unknown_jobs,
        },
        "signals": [asdict(shift) for shift in found.shifts],
    }


def _sums(found: PlanSums) -> Json:
    return asdict(found)
