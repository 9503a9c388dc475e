"""`/health`, `/ready` and `/metrics`: is the process alive, can it do its work, how is it doing."""

from __future__ import annotations

from flask import Blueprint, Response

from web.auth import current_caller, unasked
from web.context import services, web_settings
from web.operation import finish_get, operation, reply
from web.present.metrics import MEDIA_TYPE, metrics
from web.present.records import readiness
from web.schemas.records import HealthOut, ReadyOut

bp = Blueprint("api_health", __name__)

TAG = "Health"


@bp.get("/health")
@unasked
@operation(TAG, {200: HealthOut}, needs=None)
def health() -> Response:
    """Say that the process answers; touches nothing else."""
    return reply({"status": "ok", "version": web_settings().version}, etag=False)


@bp.get("/ready")
@operation(TAG, {200: ReadyOut}, needs=None)
def ready() -> Response:
    """Say whether database, log and data are in place; 503 if not."""
    return reply(readiness(services().ready()), etag=False)


@bp.get("/metrics")
@operation(TAG, {200: None}, media_types=(MEDIA_TYPE,))
def show_metrics() -> Response:
    """Tell jobs, planning, hand-overs, age of data and records of the log, in the text format of Prometheus."""
    found = services().statistics(current_caller())
    body = metrics(found, services().ready(), services().telemetry())
    return finish_get(
        Response(body, content_type=f"{MEDIA_TYPE}; version=0.0.4; charset=utf-8"), etag=False
    )
