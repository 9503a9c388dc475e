"""The present plan of a job as a row, and a row as the present plan."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import InstrumentedAttribute

from models.domain.plan import Award, Deferral, Refusal
from models.domain.ports import JobPlan
from storage.serialise import dump_free, dumps, load_free, loads
from storage.tables import JobPlanRow

PLAN_COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (
    JobPlanRow.kind,
    JobPlanRow.negotiation_id,
    JobPlanRow.decision_id,
    JobPlanRow.decided_at,
    JobPlanRow.signals_mode,
    JobPlanRow.moves,
    JobPlanRow.previous_start,
    JobPlanRow.move_reason,
    JobPlanRow.detail,
    JobPlanRow.outturn,
)
"""Columns a query must select for `plan_from_row`."""


def plan_values(plan: JobPlan, holding: str | None) -> dict[str, Any]:
    """Return the row of a plan; `holding` is the digest of the half-hours it reserves."""
    answers = [one for one in (plan.award, plan.refusal, plan.deferral) if one is not None]
    if len(answers) != 1 or answers[0].job_id != plan.job_id:
        raise ValueError(f"job {plan.job_id}: a plan is one award, one refusal or one deferral")
    (answer,) = answers
    placement = answer.placement if isinstance(answer, Award) else None
    return {
        "job_id": plan.job_id,
        "kind": type(answer).__name__.lower(),
        "negotiation_id": plan.negotiation_id,
        "decision_id": plan.decision_id,
        "decided_at": plan.decided_at,
        "asset_id": placement.asset_id if placement else None,
        "region": placement.region if placement else None,
        "start_at": placement.start if placement else None,
        "end_at": placement.end if placement else None,
        "rule": answer.rule if isinstance(answer, Refusal) else None,
        "signals_mode": plan.signals_mode,
        "moves": plan.moves,
        "previous_start": plan.previous_start,
        "move_reason": plan.move_reason,
        "holding": holding,
        "detail": dumps(answer),
        "outturn": None if plan.outturn is None else dump_free(plan.outturn),
    }


def plan_from_row(job_id: str, row: Row[Any]) -> JobPlan | None:
    """Return the plan in a row that has `PLAN_COLUMNS`; None where an outer join found none."""
    if row.kind is None:
        return None
    return JobPlan(
        job_id=job_id,
        negotiation_id=row.negotiation_id,
        decision_id=row.decision_id,
        decided_at=row.decided_at,
        award=_award(row.detail) if row.kind == "award" else None,
        refusal=loads(Refusal, row.detail) if row.kind == "refusal" else None,
        deferral=loads(Deferral, row.detail) if row.kind == "deferral" else None,
        moves=row.moves,
        previous_start=row.previous_start,
        move_reason=row.move_reason,
        signals_mode=row.signals_mode,
        outturn=None if row.outturn is None else load_free(row.outturn),
    )


@lru_cache(maxsize=512)
def _award(detail: str) -> Award:
    """Return the award in a text; lists show the same ones again and again, and an award never changes."""
    return loads(Award, detail)
