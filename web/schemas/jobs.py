"""Jobs: what a request may say, in its own names and units."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from models.domain.errors import FieldError, InvalidRequest
from models.domain.job import Flexibility, JobStatus, Priority
from models.domain.workload import read_workload
from services.types import JobDraft
from web.schemas.fields import (
    REGION_NAMES,
    Flag,
    Identifier,
    Instant,
    NewIdentifier,
    Number,
    PageQuery,
    RegionSlug,
    Text,
    Wanted,
    Whole,
    changes_wrong,
    field,
    instant_field,
)
from web.schemas.workload import WorkloadObject

ID_ALLOWED = (
    "1 to 64 letters, digits, dots, dashes or underscores, beginning with a letter or digit"
)
POWER_ALLOWED = "0.001 to 100000"
LARGEST_WORKLOAD_BYTES = 16_384
"""Largest workload description. [B]"""

PowerKw = Annotated[Number, Field(ge=0, le=100_000)]
Share = Annotated[Number, Field(ge=0, le=1)]


def _wrong_workload(raw: dict[str, Any]) -> list[FieldError]:
    try:
        read_workload(raw)
    except InvalidRequest as error:
        return list(error.fields)
    return []


class JobFields(Wanted):
    """Fields that a submission and a change share, all of them optional."""

    job_name: Text | None = field(
        "Shown name.", allowed="at most 80 characters", default=None, max_length=80
    )
    job_type: Text | None = field(
        "Kind of work, in your words.",
        allowed="1 to 40 characters",
        default=None,
        min_length=1,
        max_length=40,
    )
    asset_id: Identifier | None = field(
        "Where it runs; by default the only or last used asset.",
        allowed=ID_ALLOWED,
        default=None,
    )
    duration_hours: Number | None = field(
        "How long it runs.",
        unit="h",
        allowed="0.0167 to 336 (one minute to 14 days)",
        default=None,
        ge=0.0166,
        le=336,
    )
    earliest_start: Instant | None = instant_field(
        "Not before; a time in the past means now.", default=None
    )
    latest_finish: Instant | None = instant_field("Done by.", default=None)
    allowed_regions: tuple[RegionSlug, ...] | None = field(
        "Regions it may run in; by default that of its asset.",
        allowed=f"up to 18 of {REGION_NAMES}",
        default=None,
        max_length=18,
    )
    flexibility_type: Flexibility | None = field(
        "How far it bends; by default as its asset says.",
        allowed="fixed, deferrable, interruptible, elastic",
        default=None,
    )
    priority: Priority | None = field(
        "How much its waiting and its refusal weigh.",
        allowed="low, normal, high, critical",
        default=None,
    )
    estimated_power_kw: Number | None = field(
        "Mean IT power while it runs.",
        unit="kW",
        allowed=POWER_ALLOWED,
        default=None,
        ge=0.001,
        le=100_000,
    )
    gpu_model: Text | None = field(
        "GPU model, in place of a power.",
        allowed="1 to 80 characters",
        default=None,
        min_length=1,
        max_length=80,
    )
    gpu_count: Whole | None = field(
        "How many of them.", allowed="1 to 1000000", default=None, ge=1, le=1_000_000
    )
    power_profile_kw: tuple[PowerKw, ...] | None = field(
        "IT power in each half-hour of the run, in place of a constant one.",
        unit="kW",
        allowed="up to 672 numbers from 0 to 100000",
        default=None,
        max_length=672,
    )
    carbon_cap_g_per_kwh: Number | None = field(
        "Highest energy-weighted mean carbon intensity over the run.",
        unit="g/kWh",
        allowed="0 to 10000",
        default=None,
        ge=0,
        le=10_000,
    )
    max_price_per_kwh: Number | None = field(
        "Highest energy-weighted mean price over the run.",
        unit="GBP/kWh",
        allowed="-10 to 100",
        default=None,
        ge=-10,
        le=100,
    )
    min_saving_percent: Number | None = field(
        "Wait only if it saves at least this share of running on arrival.",
        unit="%",
        allowed="0 to 100",
        default=None,
        ge=0,
        le=100,
    )
    depends_on: tuple[Identifier, ...] | None = field(
        "Jobs that must have finished before.",
        allowed="up to 50 job ids",
        default=None,
        max_length=50,
    )
    min_run_slots: Whole | None = field(
        "Shortest chunk of an interruptible job, in half-hours.",
        allowed="1 to 672",
        default=None,
        ge=1,
        le=672,
    )
    max_chunks: Whole | None = field(
        "Most chunks of an interruptible job.", allowed="1 to 8", default=None, ge=1, le=8
    )
    checkpoint_minutes: Number | None = field(
        "Run time that a restart adds.",
        unit="min",
        allowed="0 to 1440",
        default=None,
        ge=0,
        le=1440,
    )
    min_power_kw: Number | None = field(
        "Lowest power of an elastic job.",
        unit="kW",
        allowed="0 to 100000",
        default=None,
        ge=0,
        le=100_000,
    )
    power_levels: tuple[tuple[PowerKw, Share], ...] | None = field(
        "Power levels of an elastic job with the share of the full rate each gives.",
        allowed="up to 32 pairs [kW, share from 0 to 1]",
        default=None,
        max_length=32,
    )
    data_gb: Number | None = field(
        "Data to move when it runs in another region.",
        unit="GB",
        allowed="0 to 1000000",
        default=None,
        ge=0,
        le=1_000_000,
    )
    units_of_work: Number | None = field(
        "Inferences, tokens or steps it does.",
        allowed="more than 0, at most 1e15",
        default=None,
        gt=0,
        le=1e15,
    )
    workload: WorkloadObject | None = field(
        "What to run, for an executor; it is checked, planned and handed over with the job.",
        allowed=f"an object with command or script, of at most {LARGEST_WORKLOAD_BYTES} bytes as JSON",
        default=None,
    )

    def crosscheck(self) -> tuple[FieldError, ...]:
        """Return what is wrong between fields."""
        return (*self._wrong_lists(), *self._wrong_window(), *self._wrong_gpu())

    def _wrong_lists(self) -> list[FieldError]:
        wrong = [
            FieldError(
                name, "names one entry twice", list(values), "different entries", "name each once"
            )
            for name in ("allowed_regions", "depends_on")
            if (values := getattr(self, name)) and len(set(values)) < len(values)
        ]
        if self.workload is not None:
            text = json.dumps(self.workload)
            size = len(text)
            if size > LARGEST_WORKLOAD_BYTES:
                allowed = f"at most {LARGEST_WORKLOAD_BYTES} bytes"
                wrong.append(
                    FieldError("workload", f"is {size} bytes long", None, allowed, "shorten it")
                )
            if "\\u0000" in text:
                wrong.append(
                    FieldError(
                        "workload", "holds NUL characters", None, "text without NUL", "remove them"
                    )
                )
            wrong += _wrong_workload(self.workload) if not wrong else []
        return wrong

    def _wrong_window(self) -> list[FieldError]:
        start, finish, length = self.earliest_start, self.latest_finish, self.duration_hours
        if start is None or finish is None:
            return []
        room_hours = (finish - start) / timedelta(hours=1)
        if room_hours >= (length or 0) and room_hours > 0:
            return []
        wanted = f"{length:g} h of work" if length else "any work"
        return [
            FieldError(
                "latest_finish",
                f"leaves {room_hours:.4g} h after earliest_start, too little for {wanted}",
                finish,
                f"at least {length or 0.0167:g} h after earliest_start",
                "move latest_finish later, earliest_start earlier, or shorten the job",
            )
        ]

    def _wrong_gpu(self) -> list[FieldError]:
        if (
            self.gpu_count is not None
            and self.gpu_model is None
            and "gpu_model" not in self.model_fields_set
        ):
            return [
                FieldError(
                    "gpu_model", "is missing beside gpu_count", None, "a GPU model", "add gpu_model"
                )
            ]
        return []

    def named(self) -> dict[str, Any]:
        """Return the given fields by their names in the program."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        if given.get("duration_hours") is not None:
            given["duration"] = timedelta(hours=given.pop("duration_hours"))
        for ours, theirs in (
            ("flexibility", "flexibility_type"),
            ("max_price_gbp_per_kwh", "max_price_per_kwh"),
        ):
            if theirs in given:
                given[ours] = given.pop(theirs)
        return given


class JobSubmission(JobFields):
    """A new job. Needed: how long, power (or GPU model and count), done by; the rest has defaults."""

    job_id: NewIdentifier | None = field(
        "Your id for it; without one it is made.", allowed=ID_ALLOWED, default=None
    )
    duration_hours: Number = field(
        "How long it runs.",
        unit="h",
        allowed="0.0167 to 336 (one minute to 14 days)",
        ge=0.0166,
        le=336,
    )
    latest_finish: Instant = instant_field("Done by.")

    def crosscheck(self) -> tuple[FieldError, ...]:
        """Return what is wrong between fields."""
        has_gpu = self.gpu_model is not None and self.gpu_count is not None
        if self.estimated_power_kw is not None or has_gpu or self.power_profile_kw:
            return super().crosscheck()
        return (
            FieldError(
                "estimated_power_kw",
                "is required, unless gpu_model and gpu_count are given",
                None,
                POWER_ALLOWED,
                "add estimated_power_kw in kW, or gpu_model and gpu_count",
            ),
            *(error for error in super().crosscheck() if error.field != "gpu_model"),
        )

    def to_draft(self) -> JobDraft:
        """Return the request in the words of the use case; null means the default."""
        return JobDraft(
            **{name: value for name, value in self.named().items() if value is not None}
        )


_NEVER_NULL = frozenset(
    {
        "allowed_regions",
        "asset_id",
        "checkpoint_minutes",
        "data_gb",
        "depends_on",
        "duration_hours",
        "earliest_start",
        "flexibility_type",
        "job_name",
        "job_type",
        "latest_finish",
        "max_chunks",
        "min_run_slots",
        "power_levels",
        "power_profile_kw",
        "priority",
    }
)


class JobChange(JobFields):
    """Fields of a job to change before it starts; what is left out stays, null takes a limit away."""

    def crosscheck(self) -> tuple[FieldError, ...]:
        """Return what is wrong between fields."""
        return (*changes_wrong(self, _NEVER_NULL), *super().crosscheck())

    def named(self) -> dict[str, Any]:
        """Return the given fields by their names in the program; new GPUs replace an old power."""
        given = super().named()
        if self.gpu_model is not None and "estimated_power_kw" not in given:
            given["estimated_power_kw"] = None
        return given


class JobListQuery(PageQuery):
    """Which jobs are wanted; filters that are left out let everything through."""

    status: tuple[JobStatus, ...] = field(
        "Only jobs in this status; may be given several times.",
        allowed=", ".join(JobStatus),
        default=(),
        max_length=8,
    )
    asset_id: Identifier | None = field(
        "Only jobs on this asset.", allowed=ID_ALLOWED, default=None
    )
    region: RegionSlug | None = field(
        "Only jobs in this region.", allowed=REGION_NAMES, default=None
    )
    q: Text | None = field(
        "Part of the name or id.",
        allowed="1 to 80 characters",
        default=None,
        min_length=1,
        max_length=80,
    )
    start_after: Instant | None = instant_field("Planned start not before.", default=None)
    start_before: Instant | None = instant_field("Planned start before.", default=None)


class Pin(Wanted):
    """Keep a job at a start; without fields at its present one."""

    start_time: Instant | None = instant_field("The start to keep.", default=None)
    asset_id: Identifier | None = field("The asset to keep.", allowed=ID_ALLOWED, default=None)
    pinned: Flag = field("False: let it move again.", allowed="true or false", default=True)


class Hold(Wanted):
    """Take a job out of the plan, or back in."""

    held: Flag = field("False: release it.", allowed="true or false", default=True)


class Confirmation(Wanted):
    """What really happened to a job."""

    event: Literal["started", "completed", "failed", "did_not_run"] = field(
        "What happened.", allowed="started, completed, failed or did_not_run"
    )
    at: Instant | None = instant_field("When; by default now.", default=None)
    energy_kwh: Number | None = field(
        "Measured energy at the meter.",
        unit="kWh",
        allowed="0 to 1e9",
        default=None,
        ge=0,
        le=1e9,
    )
