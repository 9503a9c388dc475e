"""`/api/routines`: work that is handed in again and again; `/api/jobs/batch`: several jobs at once."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response, request, url_for

from models.domain.routine import Routine
from models.domain.time import format_utc
from web.auth import Permission, current_caller
from web.context import services
from web.idempotency import HEADER
from web.operation import operation, reply
from web.present.common import Json, loose
from web.present.jobs import job as present_job
from web.schemas.routines import (
    JobBatch,
    JobBatchOut,
    RoutineList,
    RoutineOut,
    RoutineSubmission,
)

bp = Blueprint("api_routines", __name__, url_prefix="/api")

TAG = "Routines"


def present(found: Routine) -> Json:
    """Return a routine."""
    return {
        "routine_id": found.routine_id,
        "every": str(found.every),
        "start": f"{found.hour:02d}:{found.minute:02d}",
        "finish_within_hours": found.window / timedelta(hours=1),
        "copies": found.copies,
        "until": found.until.isoformat() if found.until else None,
        "is_live": found.is_live,
        "next_on": found.next_on.isoformat(),
        "next_start": format_utc(found.start_on(found.next_on)),
        "handed_in": found.handed_in,
        "last_error": found.last_error,
        "job": loose(found.job),
    }


@bp.post("/jobs/batch")
@operation(
    "Jobs",
    {201: JobBatchOut},
    body=JobBatch,
    takes_table=True,
    errors=(409,),
    needs=Permission.SUBMIT,
)
def submit_jobs(body: JobBatch) -> Response:
    """Accept several jobs, all or none; what is wrong is named with its place, as `jobs.3.latest_finish`.

    They may also come as CSV, one a line under a line of field names; then the place is the line in the file, as
    `lines.5.latest_finish`. Lists have a bar between their parts, `workload` is JSON, `command` is a command line.
    """
    drafts = body.to_drafts(request.headers.get(HEADER))
    accepted = services().submit_jobs(current_caller(), drafts)
    return reply({"items": [present_job(view) for view in accepted]}, 201)


@bp.post("/routines")
@operation(
    TAG,
    {201: RoutineOut},
    body=RoutineSubmission,
    errors=(409,),
    needs=Permission.SUBMIT,
    answer_headers={201: ("Location",)},
)
def create_routine(body: RoutineSubmission) -> Response:
    """Hand work in again and again, such as every weekday at 18:00; each time becomes jobs 48 hours before it is due."""
    made = services().create_routine(current_caller(), body.to_draft())
    where = url_for("api_routines.show_routine", routine_id=made.routine_id)
    return reply(present(made), 201, {"Location": where})


@bp.get("/routines")
@operation(TAG, {200: RoutineList})
def list_routines() -> Response:
    """List live routines."""
    return reply({"items": [present(one) for one in services().routines(current_caller())]})


@bp.get("/routines/<ident:routine_id>")
@operation(TAG, {200: RoutineOut})
def show_routine(routine_id: str) -> Response:
    """Show one routine, ended ones too."""
    return reply(present(services().routine(current_caller(), routine_id)))


@bp.delete("/routines/<ident:routine_id>")
@operation(TAG, {200: RoutineOut}, errors=(409,), needs=Permission.SUBMIT)
def end_routine(routine_id: str) -> Response:
    """End a routine; jobs it has made stay as they are."""
    return reply(present(services().end_routine(current_caller(), routine_id)))
