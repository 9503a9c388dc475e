"""The decision log, its verification, statistics, health and problems: queries and answers."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict

from models.domain.decision import EventType
from web.schemas.fields import (
    Identifier,
    Instant,
    PageQuery,
    QueryFlag,
    Shown,
    Wanted,
    When,
    field,
    instant_field,
)
from web.schemas.grid import DataLineOut


class LogQuery(PageQuery):
    """Which records are wanted."""

    event_type: tuple[EventType, ...] = field(
        "Only records of this kind; may be given several times.",
        allowed=", ".join(EventType),
        default=(),
        max_length=10,
    )
    since: Instant | None = instant_field("Written at or after.", default=None)
    until: Instant | None = instant_field("Written before.", default=None)


class LogListQuery(LogQuery):
    """Which records of which job are wanted."""

    job_id: Identifier | None = field("Only records of this job.", allowed="a job id", default=None)


class VerifyQuery(Wanted):
    """Whether to look afresh."""

    fresh: QueryFlag = field(
        "True: verify now, even if a recent report exists.", allowed="true or false", default=False
    )


class RecordOut(Shown):
    """One record of the decision log, whole; further fields depend on `event_type`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    seq: int
    event_id: str
    event_type: EventType
    ts_utc: When
    hash: str
    prev_hash: str
    job_id: str | None
    negotiation_id: str | None


class RecordList(Shown):
    """A page of records, newest first."""

    items: list[RecordOut]
    next_cursor: str | None


class VerificationOut(Shown):
    """What a verification of the chain found."""

    ok: bool
    records: int
    last_seq: int
    last_hash: str
    checked_at: When
    first_fault_seq: int | None
    fault: str | None
    anchors_checked: int
    files: list[str]
    warnings: list[str]
    command: str
    profile: str


class TotalsOut(Shown):
    """Sums over some jobs; `unknown_jobs` counts those whose parts are unknown."""

    jobs: int
    energy_kwh: float
    carbon_kg: float
    cost_gbp: float
    saved_carbon_kg: float
    saved_cost_gbp: float
    baseline_carbon_kg: float
    baseline_cost_gbp: float
    unknown_jobs: int
    dirtier_jobs: int
    measured_against: str


class FleetBaselineOut(Shown):
    """First come, first served within the same capacity."""

    carbon_kg: float | None
    cost_gbp: float | None
    saved_carbon_kg: float | None
    saved_cost_gbp: float | None
    measured_against: str


class StatisticsOut(Shown):
    """Counts, sums, waits, refusals and the age of the data."""

    counts: dict[str, int]
    planned: TotalsOut
    confirmed: TotalsOut
    fleet_baseline: FleetBaselineOut
    median_wait_hours: float | None
    refusals_by_rule: dict[str, int]
    data_age_minutes: float | None
    data: DataLineOut


class HealthOut(Shown):
    """The process answers."""

    status: str
    version: str


class ReadyOut(Shown):
    """Database, log and data are in place; further fields say how."""

    model_config = ConfigDict(extra="allow", frozen=True)

    status: str


class FieldErrorOut(Shown):
    """One wrong field."""

    field: str
    value: Any
    message: str
    allowed: str | None
    cure: str | None


class ProblemOut(Shown):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[FieldErrorOut] | None = None


def example_fields() -> dict[str, Any]:
    """Return an example of a problem, for the description of the API."""
    return {
        "type": "/api/problems/invalid-request",
        "title": "Invalid request",
        "status": 422,
        "detail": "duration_hours: is too small",
        "instance": "/api/jobs",
        "request_id": "4f1c2b",
        "errors": [
            {
                "field": "duration_hours",
                "value": 0,
                "message": "is too small",
                "allowed": "0.0167 to 336 (one minute to 14 days)",
                "cure": "send 0.0167 to 336 (one minute to 14 days)",
            }
        ],
    }
