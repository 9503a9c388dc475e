"""`/api/jobs`: submit, list, read, change, cancel; the calendar; why a job stands where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flask import Blueprint, Response, request, url_for

from models.domain.job import JobStatus
from models.domain.ports import JobFilter, JobView
from web import ics
from web.api.lists import next_link, reply_list
from web.auth import Permission, current_caller
from web.context import services
from web.idempotency import HEADER
from web.operation import finish_get, operation, reply
from web.present.common import page
from web.present.explain import explanation
from web.present.jobs import job as present
from web.schemas.answers import JobList, JobOut
from web.schemas.explain import ExplainQuery, ExplanationOut
from web.schemas.jobs import JobChange, JobListQuery, JobSubmission

bp = Blueprint("api_jobs", __name__, url_prefix="/api")

COLUMNS = (
    "job_id",
    "job_name",
    "job_type",
    "status",
    "asset_id",
    "duration_hours",
    "estimated_power_kw",
    "earliest_start",
    "latest_finish",
    "flexibility_type",
    "priority",
    "carbon_cap_g_per_kwh",
    "max_price_per_kwh",
    "schedule.asset_id",
    "schedule.region",
    "schedule.start_time",
    "schedule.end_time",
    "schedule.energy_kwh",
    "schedule.carbon_kg",
    "schedule.cost_gbp",
    "schedule.mean_carbon_g_per_kwh",
    "schedule.mean_price_gbp_per_kwh",
    "schedule.estimated_share",
    "baseline.start_time",
    "baseline.carbon_kg",
    "baseline.cost_gbp",
    "savings.carbon_kg",
    "savings.cost_gbp",
    "data_quality",
    "why",
    "refusal.rule",
    "decision_id",
    "accepted_at",
)
"""Columns of the list as CSV."""

MOST_EVENTS = 1000
"""Jobs in the calendar at most; the soonest accepted come first."""


@bp.post("/jobs")
@operation(
    "Jobs",
    {201: JobOut},
    body=JobSubmission,
    errors=(409,),
    needs=Permission.SUBMIT,
    answer_headers={201: ("Location",)},
)
def submit_job(body: JobSubmission) -> Response:
    """Accept a job and say where to follow it; `schedule` or the planning loop plans it.

    Needed are how long, power (or GPU model and count) and done by; the rest has defaults.
    """
    draft = replace(body.to_draft(), idempotency_key=request.headers.get(HEADER))
    accepted = services().submit_job(current_caller(), draft)
    where = url_for("api_jobs.show_job", job_id=accepted.job.job_id)
    return reply(present(accepted), 201, {"Location": where})


@bp.get("/jobs")
@bp.get("/jobs.csv")
@operation(
    "Jobs",
    {200: JobList},
    query=JobListQuery,
    media_types=("application/json", "text/csv"),
    answer_headers={200: ("Link",)},
)
def list_jobs(query: JobListQuery) -> Response:
    """List jobs, newest first."""
    wanted = JobFilter(
        statuses=frozenset(query.status),
        asset_id=query.asset_id,
        region=query.region,
        text=query.q,
        start_after=query.start_after,
        start_before=query.start_before,
    )
    found = services().jobs(current_caller(), wanted, cursor=query.cursor, limit=query.limit)
    return reply_list("jobs", page(found, present), COLUMNS)


@bp.get("/jobs.ics")
@operation("Jobs", {200: None}, media_types=(ics.MEDIA_TYPE,))
def jobs_calendar() -> Response:
    """Planned and running jobs as a calendar that follows when they move."""
    body = ics.calendar(_planned())
    response = Response(body, content_type="text/calendar; charset=utf-8")
    response.headers["Content-Disposition"] = 'inline; filename="halfhour.ics"'
    return finish_get(response)


def _planned() -> Iterator[JobView]:
    wanted = JobFilter(statuses=frozenset({JobStatus.SCHEDULED, JobStatus.RUNNING}))
    cursor: str | None = None
    seen = 0
    while seen < MOST_EVENTS:
        found = services().jobs(current_caller(), wanted, cursor=cursor, limit=200)
        yield from found.items
        seen += len(found.items)
        cursor = found.next_cursor
        if cursor is None:
            return


@bp.get("/jobs/<ident:job_id>")
@operation("Jobs", {200: JobOut})
def show_job(job_id: str) -> Response:
    """Show a job: its request, its status, its slot with baseline and savings, and why."""
    return reply(present(services().job(current_caller(), job_id)))


@bp.get("/jobs/<ident:job_id>/log")
@operation("Jobs", {200: None}, media_types=("text/plain",), errors=(502,))
def job_log(job_id: str) -> Response:
    """Give the end of what a job's last run wrote, where its executor keeps that here."""
    text = services().job_log(current_caller(), job_id)
    return finish_get(Response(text, content_type="text/plain; charset=utf-8"), etag=False)


@bp.patch("/jobs/<ident:job_id>")
@operation("Jobs", {200: JobOut}, body=JobChange, errors=(409,), needs=Permission.SUBMIT)
def change_job(job_id: str, body: JobChange) -> Response:
    """Change a job that has not started, and plan again."""
    return reply(present(services().change_job(current_caller(), job_id, body.named())))


@bp.delete("/jobs/<ident:job_id>")
@operation("Jobs", {200: JobOut}, errors=(409,), needs=Permission.SUBMIT)
def delete_job(job_id: str) -> Response:
    """Cancel a job; its record is kept."""
    return reply(present(services().cancel_job(current_caller(), job_id)))


@bp.get("/jobs/<ident:job_id>/explain")
@operation("Jobs", {200: ExplanationOut}, query=ExplainQuery, answer_headers={200: ("Link",)})
def explain_job(job_id: str, query: ExplainQuery) -> Response:
    """Say why a job stands where it stands: its windows, what closes them, and why not another one.

    With `start_time` (any instant, and `asset_id` where it matters) one sentence says why the job does not run then.
    """
    caller = current_caller()
    detail = services().job_detail(caller, job_id)
    account = services().explain(
        caller, job_id, query.windows(), start=query.start_time, asset_id=query.asset_id
    )
    found = explanation(detail, account)
    return reply(found, headers=next_link(found["next_cursor"]), etag=False)
