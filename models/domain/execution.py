"""Hand-over: what an executor is asked to run, what it reports, and what we remember of both.

A hand-over is one attempt to run one job on one executor. It is stored before the executor is called, under an id of
ours that the executor keeps, so that after a crash either side can be asked about the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from models.domain.workload import Workload

SHORTEST_LIMIT = timedelta(minutes=10)
"""Least time limit of a run that names none."""

LEAST_ROOM = 1.25
"""A run whose limit is less than so many times its planned length is handed over anew, with a longer one."""


class ExecutionState(StrEnum):
    """Where an executor says that a run stands."""

    HELD = "held"
    """Accepted; it does not start before it is released."""
    QUEUED = "queued"
    """Accepted; it starts at its begin time or as soon after it as there is room."""
    RUNNING = "running"
    SUSPENDED = "suspended"
    COMPLETED = "completed"
    FAILED = "failed"
    """It ran and ended with an error, was killed at its time limit, or its machine broke."""
    CANCELLED = "cancelled"
    """It was taken off, by us or by somebody else, before or while it ran."""
    UNKNOWN = "unknown"
    """It has started, the executor has forgotten it, and nothing says how it ended."""


OVER = frozenset({ExecutionState.COMPLETED, ExecutionState.FAILED, ExecutionState.CANCELLED})
"""States after which nothing more happens."""

WAITING = frozenset({ExecutionState.HELD, ExecutionState.QUEUED})
"""States in which a run can still be moved."""

ACTIVE = frozenset({ExecutionState.RUNNING, ExecutionState.SUSPENDED})
"""States in which a run has started and not ended."""


class Wanted(StrEnum):
    """What the plan wants of a run at its executor."""

    RUN = "run"
    """Start at the begin time, not before."""
    HOLD = "hold"
    """Stay, and do not start: the plan has no slot for it now."""
    SUSPEND = "suspend"
    """Pause between two chunks of interruptible work."""
    CANCEL = "cancel"
    """End, whether it has started or not."""
    WITHDRAW = "withdraw"
    """Be taken off if it has not started; left alone if it has."""


class Stage(StrEnum):
    """How far a hand-over has come."""

    INTENDED = "intended"
    """Stored and audited; the executor may or may not have heard of it."""
    HANDED = "handed"
    """The executor has it."""
    ENDED = "ended"
    """It is over at the executor, and the job has been told."""
    REFUSED = "refused"
    """The executor will not take it."""
    DROPPED = "dropped"
    """Taken back before the executor had it."""
    LOST = "lost"
    """The executor no longer knows it and nothing says how it ended; it is never started again by itself."""


OPEN_STAGES = frozenset({Stage.INTENDED, Stage.HANDED})
"""Stages in which there is something left to do."""


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """What an executor is given."""

    hand_over_id: str
    """Our id: letters and digits; the executor keeps it."""
    job_id: str
    owner: str
    workload: Workload
    begin: datetime | None
    """Not before this instant; None: held until released."""
    duration: timedelta
    """Planned length."""
    time_limit: timedelta
    """When the executor ends it by force."""
    is_interruptible: bool = False


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    """What an executor says of one hand-over; times are aware UTC."""

    hand_over_id: str
    external_id: str
    state: ExecutionState
    begin: datetime | None = None
    """Begin time the executor has noted, where it says."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    reason: str = ""
    """Why it waits or how it ended, in the executor's word."""
    energy_kwh: float | None = None
    """IT energy by the executor's accounting; None where it has none. [kWh]"""
    source: str = ""
    """Where the executor read it, e.g. `squeue`, `sacct`."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """One attempt to run one job, as stored."""

    hand_over_id: str
    job_id: str
    owner: str
    attempt: int
    """1, 2, 3 … within the job."""
    executor: str
    stage: Stage
    wanted: Wanted
    begin: datetime | None
    """Planned start: what the executor is to note."""
    created_at: datetime
    """Planning clock."""
    audited_seq: int
    """Record of the intent; the executor is called only once that is in the file."""
    told: Wanted | None = None
    """What the executor has last accepted."""
    told_begin: datetime | None = None
    external_id: str | None = None
    state: ExecutionState | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    reason: str = ""
    energy_kwh: float | None = None
    """IT energy by the executor's accounting. [kWh]"""
    called_at: datetime | None = None
    """System time of a call whose outcome is not known; None where none is open."""
    tries: int = 0
    """Calls in a row that did not go well."""
    retry_at: datetime | None = None
    """Earliest next call, system time."""
    last_error: str | None = None
    missing_since: datetime | None = None
    """System time since which the executor does not know it any more."""
    moves: int = 0
    """How often the begin time was changed at the executor."""
    given_sha256: str | None = None
    """Digest of the workload the executor was given; None before a call, and in rows of older versions."""
    given_limit: timedelta | None = None
    """Time limit it was given."""
    version: int = 1

    @property
    def is_open(self) -> bool:
        """Return whether there is something left to do."""
        return self.stage in OPEN_STAGES

    @property
    def has_started(self) -> bool:
        """Return whether the executor has said that it started."""
        return self.started_at is not None or self.state in ACTIVE | {ExecutionState.UNKNOWN}

    @property
    def is_told(self) -> bool:
        """Return whether the executor has been told what is wanted now."""
        if self.wanted is Wanted.RUN and self.has_started:
            return self.told is not Wanted.SUSPEND
        if self.told is not self.wanted:
            return False
        return self.wanted is not Wanted.RUN or self.told_begin == self.begin

    @property
    def may_be_there(self) -> bool:
        """Return whether the executor has it, or was called and has not answered."""
        return self.stage is Stage.HANDED or self.called_at is not None

    def is_outdated(self, workload_sha256: str, length: timedelta) -> bool:
        """Return whether what the executor was given is no longer what is to run, so that it must be given anew.

        Args:
            workload_sha256: Digest of the job's workload now.
            length: Time in which it is to run, breaks left out.
        """
        if not self.may_be_there or self.has_started or self.given_sha256 is None:
            return False
        is_too_short = self.given_limit is not None and self.given_limit < length * LEAST_ROOM
        return self.given_sha256 != workload_sha256 or is_too_short

    @property
    def queueing(self) -> timedelta | None:
        """Return how much later than planned it started; negative: earlier; None before it has."""
        if self.started_at is None or self.begin is None:
            return None
        return self.started_at - self.begin


def time_limit_of(length: timedelta, workload: Workload) -> timedelta:
    """Return when a run is ended by force: as asked, else twice its planned length, at least 10 minutes.

    Args:
        length: Planned time in which it runs, breaks left out.
        workload: What is run.
    """
    if workload.resources.time_limit_minutes is not None:
        return timedelta(minutes=workload.resources.time_limit_minutes)
    return max(2 * length, SHORTEST_LIMIT)
