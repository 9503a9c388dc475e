"""Planning: schedule, negotiations, and a good start time for anybody."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response, url_for

from models.domain.plan import NegotiationStatus
from services.best_window import default_ready_by
from services.types import BestWindowQuery as Question
from services.types import PlanRun
from web.api.lists import reply_list
from web.auth import Permission, current_caller
from web.context import services
from web.operation import operation, reply
from web.present.changes import changes
from web.present.common import page
from web.present.plans import best_window as present_window
from web.present.plans import negotiation, negotiation_detail, plan_run
from web.present.plans import quote as present_quote
from web.schemas.answers import (
    BestWindowOut,
    NegotiationDetailOut,
    NegotiationList,
    PlanRunningOut,
    PlanRunOut,
    QuoteOut,
)
from web.schemas.changes import PlanChangesOut
from web.schemas.fields import PageQuery
from web.schemas.grid import BestWindowQuery
from web.schemas.jobs import JobSubmission

bp = Blueprint("api_planning", __name__, url_prefix="/api")

TAG = "Planning"

RETRY_AFTER_SECONDS = 2
"""When to look at a negotiation that still runs. [s]"""

COLUMNS = (
    "negotiation_id",
    "status",
    "trigger",
    "started_at",
    "finished_at",
    "scheduled",
    "refused",
    "deferred",
    "moved",
    "data_quality",
    "certificate.objective_gbp",
    "certificate.lower_bound_gbp",
    "certificate.gap_gbp",
    "certificate.gap_percent",
    "certificate.method",
    "certificate.seconds",
)
"""Columns of the list of negotiations as CSV."""

CHANGE_COLUMNS = (
    "job_id",
    "job_name",
    "kind",
    "cause",
    "why",
    "decided_at",
    "before.asset_id",
    "before.start_time",
    "before.end_time",
    "after.asset_id",
    "after.start_time",
    "after.end_time",
    *(
        f"values.{window}_window_{when}.{figure}"
        for window in ("old", "new")
        for when in ("then", "now")
        for figure in ("cost_gbp", "carbon_kg", "objective_gbp")
    ),
    "values.better_by_gbp",
    "values.churn_gbp",
)
"""Columns of what a plan changed as CSV."""


@bp.post("/jobs/<ident:job_id>/schedule")
@operation(
    TAG,
    {200: PlanRunOut, 202: PlanRunningOut},
    errors=(409,),
    needs=Permission.SUBMIT,
    answer_headers={202: ("Location", "Retry-After")},
)
def schedule_job(job_id: str) -> Response:
    """Plan all work not started, this job with it. A refusal is an answer, not an error."""
    return _planned(services().schedule(current_caller(), job_id))


@bp.post("/schedule-all")
@operation(
    TAG,
    {200: PlanRunOut, 202: PlanRunningOut},
    errors=(409,),
    needs=Permission.OPERATE,
    answer_headers={202: ("Location", "Retry-After")},
)
def schedule_all() -> Response:
    """Plan all work not started; past the time the server waits, 202 and where to follow it."""
    return _planned(services().schedule_all(current_caller()))


def _planned(run: PlanRun) -> Response:
    if run.finished:
        return reply(plan_run(run))
    where = url_for("api_planning.show_negotiation", negotiation_id=run.negotiation_id)
    return reply(
        {"negotiation_id": run.negotiation_id, "status": str(NegotiationStatus.RUNNING)},
        202,
        {"Location": where, "Retry-After": str(RETRY_AFTER_SECONDS)},
    )


@bp.get("/negotiations")
@bp.get("/negotiations.csv")
@operation(
    TAG,
    {200: NegotiationList},
    query=PageQuery,
    media_types=("application/json", "text/csv"),
    answer_headers={200: ("Link",)},
)
def list_negotiations(query: PageQuery) -> Response:
    """List negotiations, newest first."""
    found = services().negotiations(current_caller(), cursor=query.cursor, limit=query.limit)
    return reply_list("negotiations", page(found, negotiation), COLUMNS)


@bp.get("/negotiations/<ident:negotiation_id>")
@operation(TAG, {200: NegotiationDetailOut})
def show_negotiation(negotiation_id: str) -> Response:
    """Show a negotiation: what was said, and the plan it ended in."""
    return reply(negotiation_detail(services().negotiation(current_caller(), negotiation_id)))


@bp.get("/negotiations/<ident:negotiation_id>/changes")
@bp.get("/negotiations/<ident:negotiation_id>/changes.csv")
@operation(
    TAG,
    {200: PlanChangesOut},
    query=PageQuery,
    media_types=("application/json", "text/csv"),
    answer_headers={200: ("Link",)},
)
def list_changes(negotiation_id: str, query: PageQuery) -> Response:
    """List what a plan changed against the one before, and why; what moved comes first."""
    found = services().plan_changes(
        current_caller(), negotiation_id, cursor=query.cursor, limit=query.limit
    )
    return reply_list(f"changes-{negotiation_id}", changes(found), CHANGE_COLUMNS)


@bp.post("/quote")
@operation(TAG, {200: QuoteOut}, body=JobSubmission, needs=Permission.SUBMIT)
def quote_job(body: JobSubmission) -> Response:
    """Say what the planner would do with a job now, in the room the plan in force leaves; nothing is stored.

    Takes what `POST /api/jobs` takes; `job_id` is not looked at. A refusal is an answer, not an error.
    """
    asked_at = services().context.clock.now()
    return reply(present_quote(services().estimate(current_caller(), body.to_draft()), asked_at))


@bp.get("/best-window")
@operation(TAG, {200: BestWindowOut}, query=BestWindowQuery, needs=None)
def best_window(query: BestWindowQuery) -> Response:
    """Say when work would best start. Needs no asset, no job and no key."""
    question = Question(
        region=query.region,
        duration=timedelta(hours=query.duration_hours),
        ready_by=query.ready_by or default_ready_by(services().context.clock.now()),
        power_kw=query.power_kw,
        earliest_start=query.earliest_start,
    )
    return reply(present_window(services().best_window(question)))
