"""The composition root: the one place that builds adapters and binds them to the use cases."""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import secrets
import shlex
import socket
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4
from zoneinfo import ZoneInfo

from agents.policy import Policy
from models.domain.access import Role
from models.domain.ports import (
    CarbonSource,
    Executor,
    Notifier,
    PriceSource,
    SignalBatch,
    VerifyReport,
)
from models.domain.signature import SignedPoster
from models.domain.time import Clock
from services.access import secret_sha256
from services.clock import ShiftedClock, SystemClock
from services.context import Context, ServiceSettings
from services.facade import Services
from services.loop import Loop
from services.process_names import is_gone, process_name
from services.protocol import Identity
from services.signal_labels import AgeLimits
from services.signal_refresh import GridSource
from services.signals import SignalService, SignalSettings
from storage.clock_store import SqlClockStore
from storage.database import Database, open_database
from storage.leases import SqlLeaseStore
from storage.migrate import is_current, upgrade
from storage.signal_store import SqlSignalStore
from storage.unit_of_work import SqlUnitOfWorkFactory

if TYPE_CHECKING:
    from flask import Flask
    from pydantic import SecretStr

    from api_clients.http import HttpClient
    from audit.export import ExportSummary
    from audit.writer import JsonlAuditLog
    from beckn.registry import Registry
    from config import Settings
    from services.protocol import MarketProtocol

log = logging.getLogger(__name__)

PRODUCT = "Halfhour"
VERSION = "0.1.0"
"""Name and version, as providers and `/health` see them."""

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
        _sources(settings, clock, http),
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
        executors=_executors(settings),
        notifier=_notifier(settings),
    )
    protocol = _protocol(context, settings)
    return Wired(Services(context, protocol), settings, database, audit, http)


# --- parts ------------------------------------------------------------------------------------


def _clock(settings: Settings, database: Database) -> Clock:
    if settings.clock is None:
        return SystemClock()
    return ShiftedClock(SqlClockStore(database), settings.clock, settings.clock_rate)


def _sources(settings: Settings, clock: Clock, http: list[HttpClient]) -> dict[str, GridSource]:
    """Build the sources of the modes that may be used; HTTP clients are noted for closing."""
    mode = settings.grid_source
    sources: dict[str, GridSource] = {}
    if mode == "replay":
        assert settings.replay_dir is not None, "config checks this"
        sources["replay"] = replay_source(settings.replay_dir)
    if mode in {"live", "auto"}:
        sources["live"] = _live(settings, clock, http)
    if mode in {"simulated", "auto"}:
        sources["simulated"] = simulated_source()
    return sources


def replay_source(folder: Path) -> GridSource:
    """Return the recorded grid of a folder with signals.parquet or signals.csv."""
    from api_clients.replay import ReplayGrid

    replay = ReplayGrid(folder)
    return GridSource(replay, replay)


def simulated_source() -> GridSource:
    """Return the synthetic grid."""
    from api_clients.simulated import SimulatedGrid

    simulated = SimulatedGrid()
    return GridSource(simulated, simulated)


def _live(settings: Settings, clock: Clock, http: list[HttpClient]) -> GridSource:
    """Return live sources that build their clients at the first question: their libraries are slow to import."""
    lock = threading.Lock()

    def client() -> HttpClient:
        with lock:
            if not http:
                http.append(_http_client(settings, clock))
            return http[0]

    def carbon() -> CarbonSource:
        from api_clients.carbon_intensity import CarbonIntensityClient

        ttl_seconds = settings.cache_ttl_seconds
        return CarbonIntensityClient(
            client(), settings.carbon_intensity_url, cache_ttl_seconds=ttl_seconds
        )

    def price() -> PriceSource:
        from api_clients.octopus import OctopusAgileClient

        return OctopusAgileClient(client(), settings.octopus_url, settings.octopus_product)

    return GridSource(
        LateCarbon("NESO Carbon Intensity API", carbon), LatePrices("Octopus Agile", price)
    )


def _executors(settings: Settings) -> dict[str, Executor]:
    """Build the executors that are switched on; their libraries are imported only then."""
    run_dir = settings.executor_run_dir or settings.data_dir / "runs"
    folders = settings.executor_working_dirs
    made: dict[str, Executor] = {}

    def secret(owner: str, name: str) -> str | None:
        from config import passed_secret

        return passed_secret(settings.executor_secrets, owner, name)

    if "dry_run" in settings.executors:
        from executors.dry_run import DryRunExecutor

        made["dry_run"] = DryRunExecutor()
    if "slurm" in settings.executors:
        made["slurm"] = _slurm(settings, run_dir.absolute(), secret)
    if "local" in settings.executors:
        from config import command_env
        from executors.local import LocalExecutor, LocalSettings

        local = LocalSettings(
            run_dir.absolute(),
            settings.local_programs,
            folders,
            settings.local_variables,
            settings.local_memory_mb,
            command_env(),
        )
        made["local"] = LocalExecutor(local, secret)
    if "webhook" in settings.executors:
        from executors.webhook import NAME, WebhookExecutor

        post = _signed_post(settings, NAME, settings.webhook_url, settings.webhook_secret)
        made["webhook"] = WebhookExecutor(post)
    return made


def _signed_post(
    settings: Settings, name: str, url: str | None, secret: SecretStr | None
) -> SignedPoster:
    import requests

    from api_clients.signed_post import SignedPost

    assert url is not None, "config checks this"
    assert secret is not None, "config checks this"
    times = (settings.http_connect_timeout_seconds, settings.http_read_timeout_seconds)
    return SignedPost(name, url, secret.get_secret_value(), requests.Session(), times)


def _notifier(settings: Settings) -> Notifier | None:
    if settings.notify_url is None:
        return None
    from api_clients.notify import SOURCE, WebhookNotifier

    return WebhookNotifier(
        _signed_post(settings, SOURCE, settings.notify_url, settings.notify_secret)
    )


def _slurm(settings: Settings, run_dir: Path, secret: Callable[[str, str], str | None]) -> Executor:
    from config import command_env
    from executors.commands import CommandRunner
    from executors.slurm import SlurmExecutor, SlurmSettings

    env = {**command_env(), "TZ": settings.slurm_time_zone}
    if settings.slurm_conf is not None:
        env["SLURM_CONF"] = str(settings.slurm_conf)
    timeout = settings.slurm_timeout_seconds
    cluster = SlurmSettings(
        run_dir=run_dir,
        zone=ZoneInfo(settings.slurm_time_zone),
        timeout_seconds=timeout,
        accounting=settings.slurm_accounting,
        pause_by=settings.slurm_pause,
        working_dirs=settings.executor_working_dirs,
    )
    return SlurmExecutor(
        cluster, CommandRunner(shlex.split(settings.slurm_prefix), env, timeout), secret
    )


def _http_client(settings: Settings, clock: Clock) -> HttpClient:
    from api_clients.http import DEFAULT_RATE, KNOWN_RATES, HttpClient, Limits
    from api_clients.limits import Rate

    most_per_second = settings.http_requests_per_minute / 60
    rates = {}
    for address in (settings.carbon_intensity_url, settings.octopus_url):
        host = urlsplit(address).hostname or ""
        courteous = KNOWN_RATES.get(host, DEFAULT_RATE)
        rates[host] = Rate(min(courteous.per_second, most_per_second), courteous.burst)
    contact = f" ({settings.contact})" if settings.contact else ""
    return HttpClient(
        settings.data_dir,
        clock,
        f"{PRODUCT}/{VERSION}{contact}",
        settings.http_connect_timeout_seconds,
        settings.http_read_timeout_seconds,
        limits=Limits(
            max_retries=settings.http_retries,
            failures_to_open=settings.breaker_failures,
            cool_down_seconds=settings.breaker_open_seconds,
        ),
        rates=rates,
    )


class LateCarbon:
    """A `CarbonSource` whose client is built at the first question."""

    mode = "live"

    def __init__(self, name: str, make: Callable[[], CarbonSource]) -> None:
        """Keep how to build it."""
        self.name = name
        self._client = cache(make)

    def forecast(self, now: datetime) -> SignalBatch:
        """Ask the client."""
        return self._client().forecast(now)

    def history(self, start: datetime, end: datetime, now: datetime) -> SignalBatch:
        """Ask the client."""
        return self._client().history(start, end, now)


class LatePrices:
    """A `PriceSource` whose client is built at the first question."""

    mode = "live"

    def __init__(self, name: str, make: Callable[[], PriceSource]) -> None:
        """Keep how to build it."""
        self.name = name
        self._client = cache(make)

    def prices(
        self, letters: Collection[str], start: datetime, end: datetime, now: datetime
    ) -> SignalBatch:
        """Ask the client."""
        return self._client().prices(letters, start, end, now)


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


def _protocol(context: Context, settings: Settings) -> MarketProtocol:
    """Return what speaks for us on the market; without an identity it sends and receives nothing."""
    from beckn import keys
    from beckn.node import Node, Unconnected

    if not settings.beckn_subscriber_id:
        return Unconnected()
    from api_clients.peer_http import PeerHttp
    from beckn.registry import CachedRegistry, DediRegistry, FileRegistry, LookupRegistry
    from beckn.signing import Signer

    assert settings.beckn_private_key is not None, "config checks this"
    assert settings.beckn_subscriber_url is not None, "config checks this"
    key = keys.private_key(settings.beckn_private_key.get_secret_value())
    transport = PeerHttp(
        allow_loopback=settings.beckn_allow_loopback, user_agent=f"{PRODUCT}/{VERSION}"
    )
    registry: Registry
    if settings.beckn_registry_file is not None:
        registry = FileRegistry(settings.beckn_registry_file)
    elif settings.beckn_registry_kind == "dedi":
        registry = DediRegistry(
            settings.beckn_registry_url or "", settings.beckn_registry_scope, transport
        )
    else:
        registry = LookupRegistry(settings.beckn_registry_url or "", transport)
    identity = Identity(
        settings.beckn_subscriber_id, settings.beckn_subscriber_url, settings.beckn_key_id,
        keys.public_text(key), settings.beckn_network_id,
    )  # fmt: skip
    return Node(
        context,
        Signer(settings.beckn_subscriber_id, settings.beckn_key_id, key),
        identity,
        CachedRegistry(registry),
        transport,
        messages_per_minute=settings.beckn_messages_per_minute,
        skew_seconds=settings.beckn_clock_skew_seconds,
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
