"""The composition root: the one place that builds adapters and binds them to the use cases."""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from agents.policy import Policy
from models.domain.access import Role
from models.domain.ports import (
    VerifyReport,
)
from models.domain.time import Clock
from services.access import secret_sha256
from services.clock import ShiftedClock, SystemClock
from services.context import Context, ServiceSettings
from services.facade import Services
from services.loop import Loop
from services.process_names import is_gone, process_name
from services.signal_labels import AgeLimits
from services.signals import SignalService, SignalSettings
from storage.clock_store import SqlClockStore
from storage.database import Database, open_database
from storage.leases import SqlLeaseStore
from storage.migrate import is_current, upgrade
from storage.signal_store import SqlSignalStore
from storage.unit_of_work import SqlUnitOfWorkFactory
from wiring_edges import executors, notifier, protocol
from wiring_sources import sources

if TYPE_CHECKING:
    from flask import Flask

    from api_clients.http import HttpClient
    from audit.export import ExportSummary
    from audit.writer import JsonlAuditLog
    from config import Settings

log = logging.getLogger(__name__)

SECRET_FILE = "secret-key"  # noqa: S105 - a file name
"""File in the data folder that holds the key of session cookies where none is set."""

EXTENSION = "wired"
"""Name of everything that was built among the app's extensions."""

LEAVE_SECONDS = 3.0
"""How long the end of a process waits for a round of the loop that is under way. [s]"""

WORKER = "halfhour-loop"
"""Name of the thread of the loop."""


@dataclass
class Wired:
    """Everything that was built for one app."""

    services: Services
    settings: Settings
    database: Database
    audit: JsonlAuditLog
    http: list[HttpClient] = field(default_factory=list)
    worker: tuple[int, threading.Thread, threading.Event] | None = None
    """Process id, thread and stop signal of the loop, where it runs."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def close(self) -> None:
        """Stop the loop of this process and give back connections."""
        if self.worker is not None and self.worker[0] == os.getpid():
            self.worker[2].set()
            self.worker[1].join(timeout=30)
        protocol = self.services.market.protocol
        if protocol is not None:
            protocol.close()
        self.services.context.signals.close()
        for client in self.http:
            client.close()
        self.database.dispose()

    def export(
        self,
        target: Path,
        *,
        job_id: str | None = None,
        first_date: date | None = None,
        last_date: date | None = None,
    ) -> ExportSummary:
        """Write records as an export that a stranger can verify (see `audit.export`)."""
        from audit.export import Selection

        wanted = Selection(job_id, first_date, last_date)
        return self.audit.export(target, wanted, self.services.context.uow)

    def report_lines(self, report: VerifyReport) -> tuple[str, int]:
        """Return what a verification found in words, and the exit status it deserves."""
        from audit.report import exit_status, summary

        return summary(report), exit_status(report)


def build(settings: Settings) -> Services:
    """Return the use cases on real adapters; the database is brought up to date first."""
    return wire(settings).services


def wire(settings: Settings) -> Wired:
    """Build everything an app needs.

    Raises:
        HalfhourError: If the database, the replay file or a folder cannot be used; the sentence says what to do.
    """
    from audit.anchors import AnchorSigner
    from audit.writer import JsonlAuditLog

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    url = settings.database_url.get_secret_value()
    upgrade(url)
    database = open_database(url)
    clock = _clock(settings, database)
    uow = SqlUnitOfWorkFactory(database)
    leases = SqlLeaseStore(database)
    holder = process_name()
    signer = AnchorSigner(settings.data_dir)
    audit = JsonlAuditLog(settings.logs_dir, signer)
    http: list[HttpClient] = []
    signals = SignalService(
        _signal_settings(settings),
        sources(settings, clock, http),
        SqlSignalStore(database),
        uow,
        clock,
        leases=leases,
        holder=holder,
    )
    context = Context(
        uow=uow,
        clock=clock,
        signals=signals,
        policy=_policy(settings),
        leases=leases,
        audit=audit,
        settings=_service_settings(settings, holder),
        new_id=uuid4,
        draft_anchor=signer.draft_anchor,
        is_storage_current=lambda: is_current(database),
        executors=executors(settings),
        notifier=notifier(settings),
    )
    return Wired(Services(context, protocol(context, settings)), settings, database, audit, http)


# --- parts ------------------------------------------------------------------------------------


def _clock(settings: Settings, database: Database) -> Clock:
    if settings.clock is None:
        return SystemClock()
    return ShiftedClock(SqlClockStore(database), settings.clock, settings.clock_rate)


def _signal_settings(settings: Settings) -> SignalSettings:
    # Copies of the program on different machines ask at different seconds of the half-hour.
    spread = int(hashlib.sha256(socket.gethostname().encode()).hexdigest(), 16) % 60
    return SignalSettings(
        mode=settings.grid_source,
        default_region=settings.default_region,
        regions=tuple(settings.enabled_regions),
        cache_ttl=timedelta(seconds=settings.cache_ttl_seconds),
        limits=AgeLimits(stale=timedelta(hours=settings.carbon_stale_hours)),
        jitter=timedelta(seconds=spread),
    )


def _policy(settings: Settings) -> Policy:
    return Policy(
        kappa_gbp_per_kg=settings.kappa_gbp_per_kg,
        weight_deadline=settings.weight_deadline,
        min_saving_percent=settings.min_saving_percent,
        unserved_gbp_per_kwh=settings.unserved_gbp_per_kwh,
        churn_gbp_per_kwh=settings.churn_gbp_per_kwh,
        transfer_kwh_per_gb=settings.transfer_kwh_per_gb,
        transfer_gbit_per_s=settings.transfer_gbit_per_s,
        carbon_budget_kg_per_day=settings.carbon_budget_kg_per_day,
        planning_effort=settings.planning_effort,
    )


def _service_settings(settings: Settings, holder: str) -> ServiceSettings:
    keys = tuple(
        (key.owner, str(Role(key.role)), secret_sha256(key.secret.get_secret_value()))
        for key in settings.api_keys
    )
    return ServiceSettings(
        default_region=settings.default_region,
        customer_class=settings.customer_class,
        prices_include_vat=settings.prices_include_vat,
        schedule_wait_seconds=settings.schedule_wait_seconds,
        freeze_minutes=settings.freeze_minutes,
        freeze_executor_minutes=settings.freeze_executor_minutes,
        configured_keys=keys,
        logs_dir=settings.logs_dir,
        data_dir=settings.data_dir,
        hold_seconds=settings.beckn_hold_seconds,
        # Requests that wait must leave threads for those that do not.
        plan_waiters=max(1, settings.web_threads // 2),
        holder=holder,
    )


# --- secret of the session cookies ------------------------------------------------------------


def secret_key(settings: Settings) -> str:
    """Return the secret that signs cookies: from the settings, else from a file made at first start (mode 0600)."""
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    path = settings.data_dir / SECRET_FILE
    if not path.exists():
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{SECRET_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            log.info("another process made the secret key first")
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii").strip()


# --- the loop ---------------------------------------------------------------------------------


def start_loop(app: Flask) -> None:
    """Start the worker loop of an app in this process; does nothing where it runs already.

    Only the holder of the lease works, so every process may start it. A forked child starts its own.
    """
    wired = wired_of(app)
    with wired.lock:
        running = wired.worker
        if running is not None and running[0] == os.getpid() and running[1].is_alive():
            return
        left = SqlLeaseStore(wired.database).give_back(is_gone)
        if left:
            log.warning("a process ended without giving back %s; taken over", ", ".join(left))
        stop = threading.Event()
        loop = make_loop(wired)
        thread = threading.Thread(target=loop.run, args=(stop,), name=WORKER, daemon=True)
        wired.worker = (os.getpid(), thread, stop)
        thread.start()
        protocol = wired.services.market.protocol
        if protocol is not None:
            protocol.wake()
        atexit.register(_leave, os.getpid(), loop, thread, stop)


def _leave(pid: int, loop: Loop, thread: threading.Thread, stop: threading.Event) -> None:
    """Give the lease back when the process ends, so that the next one need not wait for it to run out."""
    if os.getpid() != pid or stop.is_set():
        return
    stop.set()
    thread.join(timeout=LEAVE_SECONDS)
    if thread.is_alive():
        loop.release()


def make_loop(wired: Wired) -> Loop:
    """Return the loop of this process; the caller runs it."""
    settings = wired.settings
    return Loop(
        wired.services.context,
        process_name(),
        pause_seconds=settings.loop_seconds,
        lease_seconds=settings.lease_seconds,
        more={"exchange": _tidy(wired)},
    )


def _tidy(wired: Wired) -> Callable[[], int]:
    """Return the loop's step that ends what nobody answered."""

    def step() -> int:
        protocol = wired.services.market.protocol
        return 0 if protocol is None else protocol.tidy()

    return step


def wired_of(app: Any) -> Wired:
    """Return what was built for an app."""
    wired = app.extensions[EXTENSION]
    assert isinstance(wired, Wired)
    return wired
