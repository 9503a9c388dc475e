"""Ports: what the inside needs from the outside. Adapters implement them, `wiring.py` connects them.

Lists are keyset-paginated: `cursor` is the opaque `next_cursor` of the page before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from models.domain.access import ApiKey
from models.domain.asset import Asset
from models.domain.change import PlanChange
from models.domain.decision import DecisionDraft, SealedRecord
from models.domain.errors import FieldError
from models.domain.exchange import ExchangeRepository, MarketRepository
from models.domain.execution import (
    ExecutionReport,
    ExecutionState,
    HandOver,
    Stage,
    WorkOrder,
)
from models.domain.job import Job, JobControls, JobStatus
from models.domain.notice import Notice
from models.domain.plan import (
    Award,
    Deferral,
    NegotiationStatus,
    NegotiationSummary,
    Refusal,
)
from models.domain.routine import Routine
from models.domain.signal import MixSeries, SignalName, SignalSeries
from models.domain.time import Horizon
from models.domain.workload import Workload

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a list."""

    items: tuple[T, ...]
    next_cursor: str | None


# --- sources of signals -----------------------------------------------------------------------


@dataclass(frozen=True)
class SignalBatch:
    """One answer of a source: series by region, mixes, and what had to be dropped on the way."""

    series: tuple[SignalSeries, ...]
    mixes: tuple[MixSeries, ...] = ()
    dropped_rows: int = 0
    """Malformed or absurd rows that were left out and counted."""
    warnings: tuple[str, ...] = ()


class CarbonSource(Protocol):
    """Carbon intensity and generation mix: live client, replay or simulation.

    `now` is the planning clock. Every method raises `SourceUnavailable` (or a subclass) when the source
    gives nothing usable, and never returns an empty batch.
    """

    name: str
    mode: str
    """`live | replay | simulated`: archived values are kept apart by it."""

    def forecast(self, now: datetime) -> SignalBatch:
        """Return carbon (kind forecast) and mix for all 18 regions from the current slot, up to 48 h."""

    def history(self, start: datetime, end: datetime, now: datetime) -> SignalBatch:
        """Return past carbon in `[start, end)`; long ranges are chunked.

        National values (`gb`) are actuals; regions have none, so theirs are the last forecasts.
        """


class PriceSource(Protocol):
    """Retail price shape (Agile): live client, replay or simulation. Values are ex VAT. [GBP/kWh]"""

    name: str
    mode: str

    def prices(
        self, letters: Collection[str], start: datetime, end: datetime, now: datetime
    ) -> SignalBatch:
        """Return tariff series for the DNO regions of some letters, as far as published at `now`."""


class SignalStore(Protocol):
    """Archive of everything a source ever said; nothing is overwritten."""

    def save(self, batch: SignalBatch, mode: str) -> None:
        """Archive a batch: one issue per series and mix."""

    def latest(
        self,
        name: SignalName,
        regions: Collection[str],
        horizon: Horizon,
        mode: str,
        as_of: datetime,
    ) -> dict[str, SignalSeries]:
        """Return per region the newest value known at `as_of` for each slot.

        Actual beats forecast, then the later `retrieved_at` wins. Regions without any value are present and
        all-unknown.
        """

    def latest_mix(
        self, regions: Collection[str], horizon: Horizon, mode: str, as_of: datetime
    ) -> dict[str, tuple[MixSeries, ...]]:
        """Return per region the mixes that touch the horizon, newest first."""

    def issues(
        self, name: SignalName, region: str, horizon: Horizon, mode: str
    ) -> Iterator[SignalSeries]:
        """Yield every archived issue that touches the horizon, oldest first (forecast archive)."""

    def has_any(self, mode: str) -> bool:
        """Return whether any provider of this mode has ever answered."""

    def prune(self, before: datetime) -> int:
        """Drop issues whose last slot ended before an instant; return how many."""


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """How one external source is doing."""

    source: str
    last_success_at: datetime | None
    last_failure_at: datetime | None
    failures_in_a_row: int
    last_error: str | None
    retry_at: datetime | None
    """Earliest next attempt while backing off (planning clock); None: at the next refresh."""


# --- storage ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs a list shows; empty means all."""

    owner: str | None = None
    statuses: frozenset[JobStatus] = frozenset()
    asset_id: str | None = None
    region: str | None = None
    """Region of the award, else of the job's asset."""
    text: str | None = None
    """Part of the job name or id, case-insensitive."""
    start_after: datetime | None = None
    start_before: datetime | None = None
    """Bounds on the planned start."""


@dataclass(frozen=True)
class JobPlan:
    """The present answer of the planner for one job: exactly one of award, refusal, deferral is set."""

    job_id: str
    negotiation_id: str
    decision_id: str
    decided_at: datetime
    award: Award | None = None
    refusal: Refusal | None = None
    deferral: Deferral | None = None
    moves: int = 0
    """How often an award of this job has changed its start or asset."""
    previous_start: datetime | None = None
    """Start before the last move."""
    move_reason: str | None = None
    signals_mode: str = "live"
    """`live | replay | simulated`: what the award was computed from."""
    outturn: Mapping[str, Any] | None = None
    """What the same slots turned out to cost, once known (see `services/outturn.py`)."""


@dataclass(frozen=True)
class JobView:
    """A job with its present plan, as lists and pages read it."""

    job: Job
    plan: JobPlan | None
    status: JobStatus
    """Status at the asked instant: an award whose end has passed unconfirmed reads `unconfirmed`."""
    hand_over: HandOver | None = None
    """Its last attempt at an executor; only where one job is read, not in lists."""
    withheld: str | None = None
    """Why its award is not handed over, in one sentence; as `hand_over`."""


class AssetRepository(Protocol):
    """Stored assets."""

    def add(self, asset: Asset) -> None:
        """Store a new asset. Raises `Conflict` if the id exists (deleted ones included)."""

    def get(self, asset_id: str, owner: str | None = None) -> Asset:
        """Return a live asset. Raises `NotFound` (also for another owner's)."""

    def update(self, asset: Asset) -> None:
        """Store a changed asset; `version` must be the read one + 1, else `Conflict`."""

    def page(
        self,
        owner: str | None,
        *,
        region: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Asset]:
        """Return live assets by id."""

    def all_live(self, owner: str | None = None) -> tuple[Asset, ...]:
        """Return every live asset (of one owner)."""

    def last_used(self, owner: str) -> Asset | None:
        """Return the asset of the owner's newest job if still live, else the only asset, else None."""


class JobRepository(Protocol):
    """Stored jobs."""

    def add(self, job: Job) -> None:
        """Store a new job. Raises `Conflict` if the id exists."""

    def get(self, job_id: str, owner: str | None = None) -> Job:
        """Return a job. Raises `NotFound` (also for another owner's)."""

    def update(self, job: Job, control: JobControls | None = None) -> None:
        """Store a changed job (version check as for assets) and what was done to it."""

    def view(self, job_id: str, now: datetime, owner: str | None = None) -> JobView:
        """Return a job with its plan. Raises `NotFound`."""

    def page(
        self,
        wanted: JobFilter,
        now: datetime,
        *,
        cursor: str | None = None,
        limit: int = 50,
        newest_first: bool = True,
    ) -> Page[JobView]:
        """Return jobs with their plans, by acceptance time then id."""

    def open_jobs(self) -> tuple[Job, ...]:
        """Return every job of every owner that a planner must consider: pending, scheduled, refused, running."""

    def open_by_asset(self, owner: str | None) -> dict[str, int]:
        """Return how many jobs to plan or running each asset has: where awarded, else where submitted."""

    def many(self, job_ids: Collection[str]) -> dict[str, Job]:
        """Return the jobs of some ids that exist."""

    def successors(self, job_id: str) -> tuple[Job, ...]:
        """Return jobs that depend on this one."""

    def counts(self, owner: str | None, now: datetime) -> dict[JobStatus, int]:
        """Return how many jobs stand in each status at `now`."""

    def due(self, now: datetime) -> tuple[JobView, ...]:
        """Return scheduled or running jobs whose award has started or ended by `now` (lifecycle)."""

    def controls(self, job_id: str) -> tuple[JobControls, ...]:
        """Return what users did to a job, oldest first."""

    def delete_demo(self) -> int:
        """Cancel demo jobs and retire demo assets; return how many rows changed."""


class PlanRepository(Protocol):
    """Awards, refusals, negotiations, and the guard against double booking."""

    def version(self) -> int:
        """Return the plan version: grows with every committed change of awards, jobs open for planning or assets."""

    def bump(self) -> None:
        """Grow the plan version (job accepted or changed, asset changed), so that a plan in the making is stale."""

    def current(self) -> dict[str, JobPlan]:
        """Return the present plan of every open job and of every award that still holds power."""

    def put(self, plans: Iterable[JobPlan]) -> None:
        """Store the answers of a negotiation and replace the slots those jobs hold.

        Reserved power of an award: its segments on its asset, until the job is final.
        """

    def release(self, job_id: str) -> None:
        """Give back every slot a job still holds (cancelled, failed, refused, unconfirmed after its end)."""

    def forget(self, job_id: str) -> None:
        """Drop the answer of a job that no longer has one (cancelled while it was left out of the plan)."""

    def check_capacity(self, tolerance_kw: float = 1e-6) -> None:
        """Raise `StalePlan` if any asset's reserved power exceeds its room in any half-hour.

        A breach by frozen awards alone is let pass.
        """

    def reserved(
        self, start: datetime, end: datetime, *, only_job: str | None = None
    ) -> dict[str, dict[datetime, float]]:
        """Return the IT power awards (or one job's) hold per asset id and half-hour start in `[start, end)`. [kW]"""

    def holders(
        self, asset_id: str, start: datetime, end: datetime
    ) -> tuple[tuple[datetime, str, str, float], ...]:
        """Return who holds an asset's power in `[start, end)`: (half-hour start, job id, owner, kW), by time then id."""

    def guard(self, expected_version: int, fencing_token: int) -> None:
        """Lock the plan row; raise `StalePlan` if the version or the lease's token has moved on."""

    def begin_negotiation(self, summary: NegotiationSummary) -> None:
        """Store a negotiation as running."""

    def finish_negotiation(
        self,
        summary: NegotiationSummary,
        messages: Sequence[Mapping[str, Any]],
        snapshot: Mapping[str, Any],
    ) -> None:
        """Store how it ended, with its messages (JSON) and a frozen view of the plan for `/plans/<id>`."""

    def negotiation(
        self, negotiation_id: str
    ) -> tuple[NegotiationSummary, tuple[Mapping[str, Any], ...], Mapping[str, Any]]:
        """Return summary, messages and snapshot. Raises `NotFound`."""

    def snapshot(self, negotiation_id: str) -> Mapping[str, Any]:
        """Return the frozen view of a plan, without what was said; empty while it runs. Raises `NotFound`."""

    def negotiation_summary(self, negotiation_id: str) -> NegotiationSummary:
        """Return how a negotiation stands, without reading what was said. Raises `NotFound`."""

    def negotiations(
        self, *, status: NegotiationStatus | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[NegotiationSummary]:
        """Return negotiations, newest first."""

    def count_refused(self, rule: str) -> int:
        """Return how many jobs, of every owner, are refused by a rule now."""

    def add_changes(self, changes: Iterable[PlanChange]) -> None:
        """Store what a plan changed against the one before."""

    def changes(
        self,
        negotiation_id: str,
        owner: str | None = None,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[PlanChange]:
        """Return what a plan changed, in its order; `owner` None: every owner's jobs."""

    def changes_of(self, job_id: str, limit: int = 20) -> tuple[PlanChange, ...]:
        """Return the last changes of one job, newest first."""

    def last_moves(self, owner: str | None, since: datetime) -> tuple[str, datetime, int] | None:
        """Return (negotiation, time, moved jobs) of the last plan since then that moved jobs of an owner, or None."""

    def save_outturn(self, job_id: str, outturn: Mapping[str, Any]) -> None:
        """Store what a finished award turned out to cost."""


class DecisionRepository(Protocol):
    """The audit outbox: records sealed inside the transaction of what they record."""

    def append(self, draft: DecisionDraft) -> SealedRecord:
        """Lock the head, seal the draft as the next record and store it (a `segment_start` first when the day changed)."""

    def head(self) -> tuple[int, str]:
        """Return (seq, hash) of the last record; (0, GENESIS_HASH) when empty."""

    def flushed_seq(self) -> int:
        """Return the last seq known to be safely in the file."""

    def mark_flushed(self, seq: int) -> None:
        """Advance `flushed_seq` (never back)."""

    def after(self, seq: int, limit: int) -> tuple[SealedRecord, ...]:
        """Return records with a greater seq, in order."""

    def get(self, event_id: str) -> SealedRecord:
        """Return one record. Raises `NotFound`."""

    def page(
        self,
        *,
        owner: str | None = None,
        job_id: str | None = None,
        event_types: Collection[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[SealedRecord]:
        """Return records, newest first; with `owner`, theirs and those that belong to nobody (negotiations, anchors)."""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """What was answered to an idempotent request."""

    request_sha256: str
    status: int | None
    """None while the first request is still being worked on."""
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    holder: str = ""
    """Name of the process at work, while there is no answer."""
    reserved_at: datetime | None = None
    """Since when it is at work."""


class IdempotencyRepository(Protocol):
    """Answers by (owner, route, key)."""

    def reserve(
        self, owner: str, route: str, key: str, request_sha256: str, now: datetime, holder: str
    ) -> StoredResponse | None:
        """Reserve a key for a process; return what is stored if it was used before (any status)."""

    def take_over(
        self, owner: str, route: str, key: str, was: str, holder: str, now: datetime
    ) -> bool:
        """Give an unanswered key to another process; False if it was answered or taken meanwhile."""

    def complete(self, owner: str, route: str, key: str, response: StoredResponse) -> None:
        """Store the answer."""

    def forget(self, owner: str, route: str, key: str) -> None:
        """Free a reserved key whose request failed without effect."""


class KeyRepository(Protocol):
    """API keys."""

    def add(self, key: ApiKey) -> None:
        """Store a key."""

    def by_secret_sha256(self, digest: str) -> ApiKey | None:
        """Return the live key with this secret hash."""

    def all(self) -> tuple[ApiKey, ...]:
        """Return every key, revoked ones too."""

    def revoke(self, key_id: str, now: datetime) -> None:
        """Revoke a key. Raises `NotFound`."""


class HealthRepository(Protocol):
    """Health of external sources, shared by all processes."""

    def record(self, health: SourceHealth) -> None:
        """Store how a source is doing."""

    def all(self) -> dict[str, SourceHealth]:
        """Return the health of every source ever tried."""


class HandOverRepository(Protocol):
    """What was or is to be handed to executors: the outbox between the plan and the clusters."""

    def add(self, hand_over: HandOver) -> None:
        """Store a new one. Raises `Conflict` if the job has this attempt already."""

    def update(self, hand_over: HandOver) -> None:
        """Store a changed one; `version` must be the read one + 1, else `Conflict`."""

    def get(self, hand_over_id: str) -> HandOver:
        """Return one. Raises `NotFound`."""

    def of_job(self, job_id: str) -> tuple[HandOver, ...]:
        """Return every attempt of a job, first first."""

    def open(self) -> tuple[HandOver, ...]:
        """Return every one with something left to do, oldest first."""

    def counts(self) -> Mapping[tuple[str, Stage, ExecutionState | None], int]:
        """Return how many there are by executor, stage and the executor's last word."""


class NoticeRepository(Protocol):
    """What people should hear of, and what they were told."""

    def add(self, notice: Notice) -> bool:
        """Store a notice; False where one with its key is stored already."""

    def update(self, notice: Notice) -> None:
        """Store what became of its delivery. Raises `NotFound`."""

    def due(self, limit: int) -> tuple[Notice, ...]:
        """Return notices still to be delivered, oldest first."""

    def page(
        self, owner: str | None, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Notice]:
        """Return notices an owner may read, newest first; None: of every owner."""

    def told_starts(self) -> Mapping[str, datetime]:
        """Return the start last told of every job that has one."""

    def tell_starts(self, starts: Mapping[str, datetime]) -> None:
        """Note what people know of some jobs."""

    def forget_starts(self, job_ids: list[str]) -> None:
        """Forget what was told of jobs that are over."""


class RoutineRepository(Protocol):
    """Work that is handed in again and again."""

    def add(self, routine: Routine) -> None:
        """Store a new one. Raises `Conflict` if its id exists."""

    def update(self, routine: Routine) -> None:
        """Store a changed one; `version` must be the read one + 1, else `Conflict`."""

    def get(self, routine_id: str, owner: str | None = None) -> Routine:
        """Return one, of an owner where one is given. Raises `NotFound`."""

    def all(self, owner: str | None = None, *, only_live: bool = True) -> tuple[Routine, ...]:
        """Return routines by id, of an owner where one is given."""


class UnitOfWork(Protocol):
    """One transaction. Leaving the block without `commit()` rolls back.

    `begin(write=True)` takes the write lock at once where the database has only one (SQLite).
    """

    assets: AssetRepository
    jobs: JobRepository
    plans: PlanRepository
    decisions: DecisionRepository
    idempotency: IdempotencyRepository
    keys: KeyRepository
    health: HealthRepository
    market: MarketRepository
    exchange: ExchangeRepository
    hand_overs: HandOverRepository
    notices: NoticeRepository
    routines: RoutineRepository

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Roll back unless committed, and give the connection back."""

    def commit(self) -> None:
        """Make it durable."""


class UnitOfWorkFactory(Protocol):
    """Makes units of work."""

    def __call__(self, *, write: bool = False) -> UnitOfWork:
        """Return a new one; `write=True` for anything that changes rows."""


class LeaseStore(Protocol):
    """Named leases in the database, on system time, with fencing tokens that only grow."""

    def acquire(self, name: str, holder: str, ttl_seconds: float) -> int | None:
        """Return a fencing token if the lease was free, expired or ours; None if another holds it."""

    def renew(self, name: str, holder: str, token: int, ttl_seconds: float) -> bool:
        """Extend a held lease; False if it was lost."""

    def release(self, name: str, holder: str, token: int) -> None:
        """Give a lease back (no effect if lost)."""

    def holder(self, name: str) -> str | None:
        """Return who holds an unexpired lease."""


class ClockStore(Protocol):
    """Where the first process stores the start of a shifted clock."""

    def anchor(
        self, clock_start: datetime, system_start: datetime, rate: float
    ) -> tuple[datetime, datetime, float]:
        """Store (or return the already stored) clock start, system start and rate."""

    def floor(self, value: datetime) -> datetime:
        """Return the greater of `value` and the stored last clock reading, and store it: the clock never goes back."""


class Notifier(Protocol):
    """Where notices go."""

    def send(self, notice: Notice) -> None:
        """Deliver one; sent again it is the same notice. Raises `SourceUnavailable` where it did not arrive."""


# --- executors --------------------------------------------------------------------------------


class Executor(Protocol):
    """A way to start work: a batch system, this machine, or whoever listens to a webhook.

    Every method that acts may be called again with the same ids: it then has no further effect. Errors are
    `ExecutorFailed`, which says whether the call may have taken effect and whether trying again can help. Instants are
    system time: executors know no other clock.
    """

    name: str
    is_real: bool
    """False: it only notes what it would do, so simulated plans and shifted clocks may reach it."""
    is_idempotent: bool
    """True: handing over the same id twice starts one run, so an unanswered call may simply be repeated."""
    settle_seconds: float
    """How long after an unanswered call its effect may still appear; until then it is not repeated. [s]"""
    reports: bool
    """False: it never says how a run goes; people or the work itself confirm it."""

    def check(self, workload: Workload, owner: str) -> tuple[FieldError, ...]:
        """Return why this executor would not run a workload, naming fields as the caller wrote them."""

    def hand_over(self, order: WorkOrder) -> str:
        """Accept work that starts at its begin time, or held; return the executor's id for it."""

    def move(self, external_id: str, begin: datetime) -> None:
        """Start a waiting run at another time, releasing it where it is held."""

    def hold(self, external_id: str) -> None:
        """Keep a waiting run from starting."""

    def cancel(self, external_id: str, *, only_waiting: bool = False) -> None:
        """End a run; with `only_waiting` one that has started is left alone."""

    def suspend(self, external_id: str) -> None:
        """Pause a running one."""

    def resume(self, external_id: str) -> None:
        """Let a paused one go on."""

    def find(self, wanted: Mapping[str, str | None]) -> dict[str, tuple[ExecutionReport, ...]]:
        """Return what the executor knows of some hand-overs, by our id.

        Args:
            wanted: The executor's id of each of ours, where we know it.

        Returns:
            For every id asked about its reports, empty where there is no trace; more than one where it was handed over
            more than once, the one that counts first.
        """

    def log_tail(self, hand_over_id: str, external_id: str, max_bytes: int = 16_384) -> str | None:
        """Return the end of what a run wrote; None where that is not kept here."""


# --- audit log --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a verification of the chain found."""

    ok: bool
    records: int
    last_seq: int
    last_hash: str
    checked_at: datetime
    first_fault_seq: int | None = None
    fault: str | None = None
    """`changed | missing | reordered | appended | truncated | unreadable | anchor`, with detail after a colon."""
    anchors_checked: int = 0
    files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class AuditLog(Protocol):
    """The JSONL files on disk."""

    def flush(self, uow_factory: UnitOfWorkFactory) -> int:
        """Append every sealed record beyond the file, fsync, then advance `flushed_seq`; return how many.

        Raises:
            AuditBroken: If the file is behind `flushed_seq` or differs from the outbox; nothing is repaired.
        """

    def verify(self, uow_factory: UnitOfWorkFactory | None = None) -> VerifyReport:
        """Check the files as a chain, against anchors, and against the outbox where one is given."""
