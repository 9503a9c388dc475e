"""Tables of the product.

Jobs, assets and plans keep the whole domain object as JSON in `body`/`detail` (exact, see `serialise.py`) beside the
columns that queries filter, sort and guard by. A row is written by one repository only, so the two cannot part.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storage.types import UtcDateTime

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names of indexes and constraints, the same on both databases."""


class Base(DeclarativeBase):
    """Registry of every table."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {
        datetime: UtcDateTime(),
        str: Text(),
        int: BigInteger(),
        bytes: LargeBinary(),
    }


class AssetRow(Base):
    """One cluster, deleted ones included."""

    __tablename__ = "assets"
    asset_id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    region: Mapped[str]
    max_power_kw: Mapped[float]
    base_load_kw: Mapped[float]
    has_power_limits: Mapped[bool] = mapped_column(server_default=false())
    """Whether its power is limited at times: then its room differs between half-hours and is in `body`."""
    is_demo: Mapped[bool]
    version: Mapped[int]
    deleted_at: Mapped[datetime | None]
    body: Mapped[str]
    """The `Asset` as JSON."""

    __table_args__ = (Index(None, "owner", "asset_id"),)


class JobRow(Base):
    """One job as accepted and changed."""

    __tablename__ = "jobs"
    job_id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.asset_id"))
    status: Mapped[str] = mapped_column(String(16))
    accepted_at: Mapped[datetime]
    is_demo: Mapped[bool]
    version: Mapped[int]
    search_text: Mapped[str]
    """Name and id, case-folded, for the text filter."""
    body: Mapped[str]
    """The `Job` as JSON."""

    __table_args__ = (
        Index(None, "accepted_at", "job_id"),
        Index(None, "owner", "accepted_at", "job_id"),
        Index(None, "status", "accepted_at", "job_id"),
        Index(None, "owner", "status", "accepted_at", "job_id"),
        Index(None, "asset_id"),
    )


class JobDependencyRow(Base):
    """A job and one it waits for."""

    __tablename__ = "job_dependencies"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.job_id"), primary_key=True)
    predecessor_id: Mapped[str] = mapped_column(primary_key=True)

    __table_args__ = (Index(None, "predecessor_id"),)


class JobControlRow(Base):
    """What a user did to a job."""

    __tablename__ = "job_controls"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.job_id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """1, 2, 3 … within the job."""
    body: Mapped[str]
    """The `JobControls` as JSON."""


class JobPlanRow(Base):
    """The present answer of the planner for one job."""

    __tablename__ = "job_plans"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.job_id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    """`award | refusal | deferral`: what `detail` holds."""
    negotiation_id: Mapped[str]
    decision_id: Mapped[str]
    decided_at: Mapped[datetime]
    asset_id: Mapped[str | None]
    region: Mapped[str | None]
    start_at: Mapped[datetime | None]
    end_at: Mapped[datetime | None]
    rule: Mapped[str | None]
    """Rule of a refusal."""
    signals_mode: Mapped[str]
    moves: Mapped[int]
    previous_start: Mapped[datetime | None]
    move_reason: Mapped[str | None]
    holding: Mapped[str | None]
    """Digest of the slots held in `reservations`; null where none are held."""
    detail: Mapped[str]
    """The `Award`, `Refusal` or `Deferral` as JSON."""
    outturn: Mapped[str | None]

    __table_args__ = (Index(None, "holding"), Index(None, "start_at"))


class ReservationRow(Base):
    """IT power a job holds on an asset in one half-hour."""

    __tablename__ = "reservations"
    job_id: Mapped[str] = mapped_column(ForeignKey("job_plans.job_id"), primary_key=True)
    slot_start: Mapped[datetime] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.asset_id"))
    power_kw: Mapped[float]
    frozen: Mapped[bool] = mapped_column(Boolean)

    __table_args__ = (Index(None, "asset_id", "slot_start"),)


class PlanStateRow(Base):
    """One row: the plan version, and what writers on PostgreSQL lock."""

    __tablename__ = "plan_state"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int]


class RoutineRow(Base):
    """Work that is handed in again and again."""

    __tablename__ = "routines"
    routine_id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    is_live: Mapped[bool]
    version: Mapped[int]
    body: Mapped[str]
    """The `Routine` as JSON."""

    __table_args__ = (Index(None, "is_live"), Index(None, "owner"))


class NoticeRow(Base):
    """One thing people should hear of."""

    __tablename__ = "notices"
    notice_id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str]
    """What makes it the same notice."""
    owner: Mapped[str | None]
    """Null: it concerns everybody."""
    is_due: Mapped[bool]
    """Whether it is still to be delivered."""
    created_at: Mapped[datetime]
    body: Mapped[str]
    """The `Notice` as JSON."""

    __table_args__ = (
        Index(None, "key", unique=True),
        Index(None, "is_due", "created_at"),
        Index(None, "created_at", "notice_id"),
    )


class ToldStartRow(Base):
    """The start of a job that people were last told."""

    __tablename__ = "told_starts"
    job_id: Mapped[str] = mapped_column(primary_key=True)
    start_at: Mapped[datetime]


class NegotiationRow(Base):
    """One negotiation with its messages and the frozen plan it ended in."""

    __tablename__ = "negotiations"
    negotiation_id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(String(16))
    started_at: Mapped[datetime]
    summary: Mapped[str]
    """The `NegotiationSummary` as JSON."""
    messages: Mapped[bytes | None]
    """JSON, compressed."""
    snapshot: Mapped[bytes | None]
    """JSON, compressed."""

    __table_args__ = (
        Index(None, "started_at", "negotiation_id"),
        Index(None, "status", "started_at", "negotiation_id"),
    )


class PlanChangeRow(Base):
    """One job whose answer in a plan differs from the plan before."""

    __tablename__ = "plan_changes"
    negotiation_id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    job_id: Mapped[str]
    owner: Mapped[str]
    kind: Mapped[str] = mapped_column(String(16))
    decided_at: Mapped[datetime]
    body: Mapped[str]
    """The `PlanChange` as JSON."""

    __table_args__ = (
        Index(None, "negotiation_id", "owner", "position"),
        Index(None, "job_id", "decided_at"),
        Index(None, "kind", "decided_at"),
    )


class DecisionRow(Base):
    """One sealed record of the audit outbox."""

    __tablename__ = "decisions"
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    event_id: Mapped[str]
    event_type: Mapped[str] = mapped_column(String(32))
    ts: Mapped[datetime]
    hash: Mapped[str] = mapped_column(String(64))
    prev_hash: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str | None]
    owner: Mapped[str | None]
    negotiation_id: Mapped[str | None]
    line: Mapped[str]

    __table_args__ = (
        Index(None, "event_id", unique=True),
        Index(None, "job_id", "seq"),
        Index(None, "owner", "seq"),
        Index(None, "event_type", "seq"),
        Index(None, "ts"),
    )


class DecisionHeadRow(Base):
    """One row: the end of the chain, and how far the file has it."""

    __tablename__ = "decision_head"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))
    last_ts: Mapped[datetime | None]
    flushed_seq: Mapped[int]


class HandOverRow(Base):
    """One attempt to run one job on an executor."""

    __tablename__ = "hand_overs"
    hand_over_id: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.job_id"))
    attempt: Mapped[int]
    executor: Mapped[str] = mapped_column(String(32))
    is_open: Mapped[bool]
    """Whether there is something left to do."""
    stage: Mapped[str] = mapped_column(String(16))
    state: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[datetime]
    version: Mapped[int]
    body: Mapped[str]
    """The `HandOver` as JSON."""

    __table_args__ = (
        Index(None, "job_id", "attempt", unique=True),
        Index(None, "is_open", "created_at"),
    )


class IdempotencyRow(Base):
    """An idempotency key in use or answered."""

    __tablename__ = "idempotency_keys"
    owner: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[str] = mapped_column(String(64))
    reserved_at: Mapped[datetime]
    status: Mapped[int | None]
    body: Mapped[str]
    """The answer; before there is one, the name of the process that works on it."""
    headers: Mapped[str]

    __table_args__ = (Index(None, "reserved_at"),)


class ApiKeyRow(Base):
    """One API key; the secret is only here as a hash."""

    __tablename__ = "api_keys"
    key_id: Mapped[str] = mapped_column(primary_key=True)
    secret_sha256: Mapped[str] = mapped_column(String(64))
    owner: Mapped[str]
    role: Mapped[str] = mapped_column(String(16))
    label: Mapped[str]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (Index(None, "secret_sha256", unique=True),)


class SourceHealthRow(Base):
    """How one external source is doing."""

    __tablename__ = "source_health"
    source: Mapped[str] = mapped_column(primary_key=True)
    last_success_at: Mapped[datetime | None]
    last_failure_at: Mapped[datetime | None]
    failures_in_a_row: Mapped[int]
    last_error: Mapped[str | None]
    retry_at: Mapped[datetime | None]


class LeaseRow(Base):
    """A named lease; a token identifies one holding of one lease, ever."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str | None]
    expires_at: Mapped[datetime]
    fencing_token: Mapped[int]

    __table_args__ = (Index(None, "fencing_token", unique=True),)


class FencingStateRow(Base):
    """One row: the last fencing token given out, over all leases."""

    __tablename__ = "fencing_state"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_token: Mapped[int]


class ClockStateRow(Base):
    """One row: the start of a shifted clock and its last reading."""

    __tablename__ = "clock_state"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    clock_start: Mapped[datetime | None]
    system_start: Mapped[datetime | None]
    rate: Mapped[float | None]
    last_reading: Mapped[datetime | None]


class SignalModeRow(Base):
    """A mode (`live | replay | simulated`) in which some provider has answered."""

    __tablename__ = "signal_modes"
    mode: Mapped[str] = mapped_column(primary_key=True)


class SignalProvenanceRow(Base):
    """Where archived values came from; shared by the regions of one answer, never changed."""

    __tablename__ = "signal_provenances"
    provenance_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 over the other columns."""
    source: Mapped[str]
    endpoint: Mapped[str]
    kind: Mapped[str] = mapped_column(String(16))
    quality: Mapped[str] = mapped_column(String(16))
    issued_at: Mapped[datetime | None]
    retrieved_at: Mapped[datetime]
    sha256: Mapped[str]
    note: Mapped[str]

    __table_args__ = (Index(None, "digest", unique=True),)


class SignalIssueRow(Base):
    """One thing a source said about one signal of one region (`mix`: the generation mix)."""

    __tablename__ = "signal_issues"
    issue_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    mode: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(16))
    region: Mapped[str] = mapped_column(String(32))
    provenance_id: Mapped[int] = mapped_column(ForeignKey("signal_provenances.provenance_id"))
    retrieved_at: Mapped[datetime]
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    channels: Mapped[str]
    """Names of the rows of `payload`, comma-separated."""
    payload: Mapped[bytes]
    """float64, channels × slots, compressed."""

    __table_args__ = (
        Index(None, "mode", "name", "region", "end_at", "start_at", "retrieved_at"),
        Index(None, "provenance_id"),
        Index(None, "end_at"),
    )


class SignalDayRow(Base):
    """The newest known value of every half-hour of one UTC day: what `SignalStore.latest` reads."""

    __tablename__ = "signal_days"
    mode: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    region: Mapped[str] = mapped_column(String(32), primary_key=True)
    day_start: Mapped[datetime] = mapped_column(primary_key=True)
    newest_at: Mapped[datetime]
    """Greatest `retrieved_at` of any issue that touches the day; an older `as_of` cannot use the row."""
    channels: Mapped[str]
    payload: Mapped[bytes]
    """float64, channels × 48, then int64 provenance ids × 48 (0: unknown), compressed."""


class ContractRow(Base):
    """One contract of the market, from the first quote on."""

    __tablename__ = "market_contracts"
    contract_id: Mapped[str] = mapped_column(primary_key=True)
    side: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(16))
    peer_id: Mapped[str]
    transaction_id: Mapped[str]
    owner: Mapped[str]
    job_id: Mapped[str | None]
    created_at: Mapped[datetime]
    version: Mapped[int]
    body: Mapped[str]
    """The `Contract` as JSON."""

    __table_args__ = (
        Index(None, "side", "peer_id", "transaction_id", unique=True),
        Index(None, "state", "created_at"),
        Index(None, "created_at"),
        Index(None, "job_id"),
    )


class ClaimRow(Base):
    """Power of an asset that a contract claims in one half-hour."""

    __tablename__ = "market_claims"
    contract_id: Mapped[str] = mapped_column(
        ForeignKey("market_contracts.contract_id"), primary_key=True
    )
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.asset_id"), primary_key=True)
    slot_start: Mapped[datetime] = mapped_column(primary_key=True)
    power_kw: Mapped[float]
    most_kw: Mapped[float | None]
    job_id: Mapped[str | None]

    __table_args__ = (Index(None, "slot_start"),)


class FoundWindowRow(Base):
    """A window that another party offered."""

    __tablename__ = "market_found"
    slot_id: Mapped[str] = mapped_column(primary_key=True)
    peer_id: Mapped[str] = mapped_column(primary_key=True)
    start_at: Mapped[datetime]
    found_at: Mapped[datetime]
    body: Mapped[str]
    """The `Window` as JSON."""

    __table_args__ = (Index(None, "start_at"),)


class MessageRow(Base):
    """One message of an exchange with another party, as it was on the wire."""

    __tablename__ = "exchange_messages"
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    direction: Mapped[str] = mapped_column(String(3))
    peer_id: Mapped[str]
    action: Mapped[str] = mapped_column(String(32))
    transaction_id: Mapped[str]
    message_id: Mapped[str]
    at: Mapped[datetime]
    dialect: Mapped[str] = mapped_column(String(8))
    authorization: Mapped[str]
    signature: Mapped[str]
    status: Mapped[int]
    body: Mapped[bytes]
    answer: Mapped[bytes]

    __table_args__ = (
        Index(None, "direction", "peer_id", "action", "message_id", unique=True),
        Index(None, "transaction_id", "seq"),
        Index(None, "at"),
    )


class WorkRow(Base):
    """One thing to do for an exchange: the outbox, and what was accepted and is not carried out yet."""

    __tablename__ = "exchange_work"
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(8))
    peer_id: Mapped[str]
    url: Mapped[str]
    action: Mapped[str] = mapped_column(String(32))
    transaction_id: Mapped[str]
    message_id: Mapped[str]
    dialect: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    body: Mapped[bytes | None]
    request_seq: Mapped[int]
    chain: Mapped[str]
    attempts: Mapped[int]
    state: Mapped[str] = mapped_column(String(8))
    error: Mapped[str]
    taken_until: Mapped[datetime | None]

    __table_args__ = (
        Index(None, "state", "due_at"),
        Index(None, "peer_id", "transaction_id", "state", "seq"),
        Index(None, "created_at"),
    )


class AllowanceRow(Base):
    """What one address or signer may still send to all processes, as of the last time one of them settled."""

    __tablename__ = "exchange_allowances"
    name: Mapped[str] = mapped_column(primary_key=True)
    left_over: Mapped[float]
    """Messages; below 0 where several processes let through more than there was."""
    at: Mapped[datetime]
