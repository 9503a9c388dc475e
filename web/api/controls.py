"""`/api/jobs/{id}/…`: what a user does to a job after submitting it."""

from __future__ import annotations

from flask import Blueprint, Response

from web.auth import Permission, current_caller
from web.context import services
from web.operation import operation, reply
from web.present.jobs import job as present
from web.schemas.answers import JobOut
from web.schemas.jobs import Confirmation, Hold, Pin

bp = Blueprint("api_controls", __name__, url_prefix="/api/jobs/<ident:job_id>")

TAG = "Control"


@bp.post("/cancel")
@operation(TAG, {200: JobOut}, errors=(409,), needs=Permission.SUBMIT)
def cancel(job_id: str) -> Response:
    """Cancel a job; its record is kept. Again: no effect."""
    return reply(present(services().cancel_job(current_caller(), job_id)))


@bp.post("/run-now")
@operation(TAG, {200: JobOut}, errors=(409,), needs=Permission.SUBMIT)
def run_now(job_id: str) -> Response:
    """Start at the next half-hour that has room. 409 if none has in time."""
    return reply(present(services().run_now(current_caller(), job_id)))


@bp.post("/pin")
@operation(TAG, {200: JobOut}, body=Pin, body_optional=True, errors=(409,), needs=Permission.SUBMIT)
def pin(job_id: str, body: Pin) -> Response:
    """Keep a job at a start (by default its present one), or let it move again with `pinned` false."""
    view = services().pin(
        current_caller(),
        job_id,
        start_time=body.start_time,
        asset_id=body.asset_id,
        pinned=body.pinned,
    )
    return reply(present(view))


@bp.post("/hold")
@operation(
    TAG, {200: JobOut}, body=Hold, body_optional=True, errors=(409,), needs=Permission.SUBMIT
)
def hold(job_id: str, body: Hold) -> Response:
    """Take a job out of the plan until released with `held` false."""
    return reply(present(services().hold(current_caller(), job_id, held=body.held)))


@bp.post("/confirm")
@operation(TAG, {200: JobOut}, body=Confirmation, errors=(409,), needs=Permission.SUBMIT)
def confirm(job_id: str, body: Confirmation) -> Response:
    """Say what really happened; only confirmed runs count in statements."""
    view = services().confirm(
        current_caller(), job_id, body.event, at=body.at, energy_kwh=body.energy_kwh
    )
    return reply(present(view))
