"""`/api/statistics` and `/api/logs`: sums, and the decision log."""

from __future__ import annotations

from flask import Blueprint, Response

from models.domain.decision import SealedRecord
from models.domain.ports import Page
from web.api.lists import reply_list
from web.auth import current_caller
from web.context import services
from web.operation import operation, reply
from web.present.common import page
from web.present.records import record, verification
from web.present.records import statistics as present_statistics
from web.schemas.records import (
    LogListQuery,
    LogQuery,
    RecordList,
    StatisticsOut,
    VerificationOut,
    VerifyQuery,
)

bp = Blueprint("api_records", __name__, url_prefix="/api")

TAG = "Records"

COLUMNS = (
    "seq",
    "ts_utc",
    "event_type",
    "event_id",
    "job_id",
    "negotiation_id",
    "settlement_date",
    "settlement_period",
    "ref",
    "prev_hash",
    "hash",
)
"""Columns of the log as CSV; the records themselves are JSON."""


@bp.get("/statistics")
@operation(TAG, {200: StatisticsOut})
def statistics() -> Response:
    """Count and sum up: jobs by status, planned and confirmed work, waits, refusals, age of the data."""
    return reply(present_statistics(services().statistics(current_caller())))


@bp.get("/logs")
@bp.get("/logs.csv")
@operation(
    TAG,
    {200: RecordList},
    query=LogListQuery,
    media_types=("application/json", "text/csv"),
    answer_headers={200: ("Link",)},
)
def list_logs(query: LogListQuery) -> Response:
    """List records of the decision audit log (project profile "P444"), newest first.

    BSC Modification P444 is a supplier compensation rule and sets no logging duty; the profile is the project's own.
    """
    return _reply(_records(query, query.job_id))


@bp.get("/logs/verify")
@operation(TAG, {200: VerificationOut}, query=VerifyQuery)
def verify(query: VerifyQuery) -> Response:
    """Verify the chain of records; `ok` is false where one was changed, is missing or does not follow."""
    return reply(verification(services().verify_log(fresh=query.fresh)), etag=False)


@bp.get("/logs/<ident:job_id>")
@operation(
    TAG,
    {200: RecordList},
    query=LogQuery,
    media_types=("application/json", "text/csv"),
    answer_headers={200: ("Link",)},
)
def job_logs(job_id: str, query: LogQuery) -> Response:
    """List the records of one job, newest first."""
    return _reply(_records(query, job_id))


def _records(query: LogQuery, job_id: str | None) -> Page[SealedRecord]:
    return services().decisions(
        current_caller(),
        job_id=job_id,
        event_types=tuple(query.event_type),
        since=query.since,
        until=query.until,
        cursor=query.cursor,
        limit=query.limit,
    )


def _reply(found: Page[SealedRecord]) -> Response:
    return reply_list("decisions", page(found, record), COLUMNS)
