"""Jobs: what must run, how long, by when, and how far it bends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from models.domain.time import SLOT, SLOT_HOURS, slots_needed


class Flexibility(StrEnum):
    """How far a job bends; see design section 5."""

    FIXED = "fixed"
    """Runs on arrival."""
    DEFERRABLE = "deferrable"
    """One contiguous run anywhere in its window."""
    INTERRUPTIBLE = "interruptible"
    """Several chunks with checkpoints between them."""
    ELASTIC = "elastic"
    """Power may vary between levels; the work is what counts."""


class Priority(StrEnum):
    """How much a job's waiting and its refusal weigh."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


DELAY_FACTOR: Mapping[Priority, float] = {
    Priority.LOW: 0.5,
    Priority.NORMAL: 1.0,
    Priority.HIGH: 2.0,
    Priority.CRITICAL: 4.0,
}
"""Weight of an hour of waiting by priority (design section 4)."""

UNSERVED_FACTOR: Mapping[Priority, float] = {
    Priority.LOW: 1.0,
    Priority.NORMAL: 2.0,
    Priority.HIGH: 4.0,
    Priority.CRITICAL: 8.0,
}
"""Weight of leaving a job unserved by priority (design section 4)."""


class JobStatus(StrEnum):
    """Where a job stands."""

    PENDING = "pending"
    """Accepted, not (yet) in the plan: new, held or deferred."""
    SCHEDULED = "scheduled"
    """Holds an award that has not been confirmed as started."""
    RUNNING = "running"
    """Confirmed as started."""
    COMPLETED = "completed"
    """Confirmed as finished."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    """The last plan could not serve it; retried at each re-plan until its last start."""
    UNCONFIRMED = "unconfirmed"
    """Its window passed and nobody said whether it ran; never counts in statements."""


OPEN_STATUSES = frozenset({JobStatus.PENDING, JobStatus.SCHEDULED, JobStatus.REFUSED})
"""Statuses in which a job can still be planned."""

FINAL_STATUSES = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
"""Statuses that no planner touches again."""


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work, as accepted; times are aware UTC, power is IT power."""

    job_id: str
    owner: str
    job_name: str
    asset_id: str
    duration: timedelta
    power_kw: float
    """Constant draw while running (mean of the profile where one is given). [kW]"""
    earliest_start: datetime
    """Release: max(asked earliest start, accepted_at) is where planning begins; stored as asked or accepted_at."""
    latest_finish: datetime
    allowed_regions: tuple[str, ...]
    accepted_at: datetime
    job_type: str = "batch"
    flexibility: Flexibility = Flexibility.DEFERRABLE
    priority: Priority = Priority.NORMAL
    power_profile_kw: tuple[float, ...] = ()
    """Draw per half-hour of the run, first first; empty for constant power. [kW]"""
    gpu_model: str | None = None
    gpu_count: int | None = None
    carbon_cap_g_per_kwh: float | None = None
    """Highest energy-weighted mean carbon intensity over the run. [g/kWh]"""
    max_price_gbp_per_kwh: float | None = None
    """Highest energy-weighted mean price over the run. [GBP/kWh]"""
    min_saving_percent: float | None = None
    """Wait only if it saves at least this share of the on-arrival objective; None: the policy's value."""
    depends_on: tuple[str, ...] = ()
    min_run_slots: int = 1
    max_chunks: int = 8
    checkpoint_minutes: float = 5.0
    min_power_kw: float | None = None
    power_levels: tuple[tuple[float, float], ...] = ()
    """(power_kw, share of the full rate) of an elastic job; empty: linear in power."""
    data_gb: float = 0.0
    units_of_work: float | None = None
    workload: Mapping[str, Any] | None = None
    baseline_start: datetime | None = None
    """Start of the run on arrival, fixed at acceptance; None where none fits."""
    baseline_reason: str | None = None
    """Why there is no run on arrival; None where there is one."""
    status: JobStatus = JobStatus.PENDING
    is_held: bool = False
    """True: stays out of the plan until released."""
    pinned_start: datetime | None = None
    """A user's chosen start: the planner keeps it (with `pinned_asset_id`)."""
    pinned_asset_id: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    measured_energy_kwh: float | None = None
    """Energy at the meter as confirmed, where measured. [kWh]"""
    is_demo: bool = False
    updated_at: datetime | None = None
    version: int = 1

    @property
    def slots(self) -> int:
        """Return how many half-hours a run touches."""
        return slots_needed(self.duration)

    @property
    def release(self) -> datetime:
        """Return the earliest instant at which planning may start the job."""
        return max(self.earliest_start, self.accepted_at)

    @property
    def it_energy_kwh(self) -> float:
        """Return the IT energy of a full run. [kWh]"""
        return sum(self.slot_energy_kwh())

    def slot_power_kw(self) -> tuple[float, ...]:
        """Return the reserved IT power in each half-hour of the run; a part-used slot reserves full power. [kW]"""
        return self.power_profile_kw or (self.power_kw,) * self.slots

    def slot_energy_kwh(self) -> tuple[float, ...]:
        """Return the IT energy in each half-hour of the run; the last slot is billed by its minutes. [kWh]"""
        last_share = (self.duration - (self.slots - 1) * SLOT) / SLOT
        energy = [kw * SLOT_HOURS for kw in self.slot_power_kw()]
        energy[-1] *= last_share
        return tuple(energy)


@dataclass(frozen=True, slots=True)
class JobControls:
    """What a user did to a job after submitting it, for the record."""

    action: str
    """`run_now | pin | unpin | hold | release | cancel | undo_cancel | change | confirm`."""
    at: datetime
    by: str
    detail: Mapping[str, Any] = field(default_factory=dict)
