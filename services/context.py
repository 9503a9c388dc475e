"""What every use case is given: ports, clock and the operator's policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from agents.policy import Policy
from models.domain.decision import DecisionDraft
from models.domain.ports import AuditLog, Executor, LeaseStore, Notifier, UnitOfWorkFactory
from models.domain.time import Clock
from services.signals import SignalService


@dataclass(frozen=True)
class ServiceSettings:
    """Settings that use cases need (a part of `config.Settings`, so that services do not import it)."""

    default_region: str
    customer_class: str
    """`domestic | business`: which VAT rate is shown."""
    prices_include_vat: bool
    schedule_wait_seconds: float
    freeze_minutes: float
    freeze_executor_minutes: float
    configured_keys: tuple[tuple[str, str, str], ...] = ()
    """(owner, role, SHA-256 of the secret) from `HALFHOUR_API_KEYS`."""
    logs_dir: Path = Path("logs")
    data_dir: Path = Path("data/var")
    """Where results that are no decisions are kept."""
    hold_seconds: float = 600.0
    """How long capacity is kept for a contract that is not confirmed. [s]"""
    plan_waiters: int | None = None
    """How many requests at once may wait for a plan; further ones are answered that it goes on. None: any number."""
    holder: str = "process"
    """Name of this process in leases."""


@dataclass(frozen=True)
class Context:
    """Ports and policy, bound once by `wiring.py`."""

    uow: UnitOfWorkFactory
    clock: Clock
    signals: SignalService
    policy: Policy
    leases: LeaseStore
    audit: AuditLog
    settings: ServiceSettings
    new_id: Callable[[], UUID]
    draft_anchor: Callable[[int, str, datetime], DecisionDraft] | None = None
    """Signs the head (seq, hash, system time) as the day's anchor record; None: nothing signs here."""
    is_storage_current: Callable[[], bool] = lambda: True
    """Whether the database has the schema of this version."""
    system_now: Callable[[], datetime] = lambda: datetime.now(UTC)
    """System time, for keys, anchors and reports; plans use `clock`."""
    executors: Mapping[str, Executor] = field(default_factory=dict)
    """Who starts work, by name; only those the operator switched on."""
    notifier: Notifier | None = None
    """Where notices are delivered; None: they are only kept to be read."""
