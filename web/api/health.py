"""`/health` and `/ready`: is the process alive, can it do its work."""

from __future__ import annotations

from flask import Blueprint, Response

from web.auth import unasked
from web.context import services, web_settings
from web.operation import operation, reply
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
