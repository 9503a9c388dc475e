"""Several jobs at once, and work that is handed in again and again."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from models.domain.errors import FieldError
from models.domain.routine import Every
from services.routines import RoutineDraft
from services.types import JobDraft
from web.schemas.answers import JobOut
from web.schemas.fields import NewIdentifier, Number, Shown, Wanted, When, Whole, field
from web.schemas.jobs import JobFields, JobSubmission

MOST_JOBS = 500
"""Most jobs one request may hand in."""

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def _clock(value: object) -> object:
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return value
    raise PydanticCustomError("clock", "is not a time of day")


def _date(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"20\d\d-[01]\d-[0-3]\d", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise PydanticCustomError("date", "is not a date that exists") from None
    raise PydanticCustomError("date", "is not a date")


Clock = Annotated[
    str, BeforeValidator(_clock), WithJsonSchema({"type": "string", "pattern": _CLOCK.pattern})
]
Day = Annotated[date, BeforeValidator(_date), WithJsonSchema({"type": "string", "format": "date"})]


class JobBatch(Wanted):
    """Several new jobs, all or none."""

    jobs: tuple[JobSubmission, ...] = field(
        "The jobs.", allowed=f"1 to {MOST_JOBS} jobs", min_length=1, max_length=MOST_JOBS
    )

    def crosscheck(self) -> tuple[FieldError, ...]:
        """Return what is wrong between fields of any of them."""
        return tuple(
            replace(error, field=f"jobs.{n}.{error.field}")
            for n, job in enumerate(self.jobs)
            for error in job.crosscheck()
        )

    def to_drafts(self, idempotency_key: str | None) -> list[JobDraft]:
        """Return the requests in the words of the use case."""
        return [replace(job.to_draft(), idempotency_key=idempotency_key) for job in self.jobs]


class JobBatchOut(Shown):
    """Jobs as accepted, in the order of the request."""

    items: list[JobOut]


class RoutineJob(JobFields):
    """The job of a routine: as a new job, without id and window."""

    duration_hours: Number = field(
        "How long it runs.",
        unit="h",
        allowed="0.0167 to 168 (one minute to a week)",
        ge=0.0166,
        le=168,
    )

    def crosscheck(self) -> tuple[FieldError, ...]:
        """Return what is wrong between fields."""
        named = [
            FieldError(name, "is set for every occurrence by the routine", None, "nothing", f"leave {name} out")
            for name in ("earliest_start", "latest_finish")
            if getattr(self, name) is not None
        ]  # fmt: skip
        return (*named, *super().crosscheck())


class RoutineSubmission(Wanted):
    """Work to be handed in again and again until it is ended."""

    routine_id: NewIdentifier | None = field(
        "Your id for it; ids of its jobs begin with it.",
        allowed="as a job's id, at most 40 characters",
        default=None,
        max_length=40,
    )
    every: Every = field("On which days.", allowed="day, weekday, week")
    start: Clock = field("Earliest start on each of them, London clock.", allowed="00:00 to 23:59")
    finish_within_hours: Number = field(
        "From earliest start to latest finish.", unit="h", allowed="0.0167 to 168", gt=0, le=168
    )
    first_on: Day | None = field(
        "First London date; by default today. A weekly routine keeps its weekday.",
        allowed="a date such as 2026-11-27",
        default=None,
    )
    until: Day | None = field(
        "Last London date; by default until it is ended.",
        allowed="a date such as 2026-12-31",
        default=None,
    )
    copies: Whole = field("Identical jobs each time.", allowed="1 to 100", default=1, ge=1, le=100)
    job: RoutineJob = Field(description="What is handed in each time.")

    def crosscheck(self) -> tuple[FieldError, ...]:
        """Return what is wrong between fields of the job."""
        return tuple(replace(e, field=f"job.{e.field}") for e in self.job.crosscheck())

    def to_draft(self) -> RoutineDraft:
        """Return the request in the words of the use case."""
        hour, minute = map(int, self.start.split(":"))
        given: dict[str, Any] = {k: v for k, v in self.job.named().items() if v is not None}
        return RoutineDraft(
            every=self.every,
            hour=hour,
            minute=minute,
            window=timedelta(hours=self.finish_within_hours),
            job=given,
            copies=self.copies,
            first_on=self.first_on,
            until=self.until,
            routine_id=self.routine_id,
        )


class RoutineOut(Shown):
    """A routine: its request, and what became of it so far."""

    routine_id: str
    every: Every
    start: str
    finish_within_hours: float
    copies: int
    until: str | None
    is_live: bool
    next_on: str
    next_start: When
    handed_in: int
    last_error: str | None
    job: dict[str, Any]


class RoutineList(Shown):
    """Live routines."""

    items: list[RoutineOut]
