"""Builds what acts outside: executors, the sender of notices, and the participant of the market."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from models.domain.ports import Executor, Notifier
from models.domain.signature import SignedPoster
from services.context import Context
from services.protocol import Identity
from wiring_sources import PRODUCT, VERSION

if TYPE_CHECKING:
    from pydantic import SecretStr

    from beckn.registry import Registry
    from config import Settings
    from services.protocol import MarketProtocol


def executors(settings: Settings) -> dict[str, Executor]:
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


def notifier(settings: Settings) -> Notifier | None:
    """Build the sender of notices; None where they are not sent."""
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


def protocol(context: Context, settings: Settings) -> MarketProtocol:
    """Return what speaks for us on the market; without an identity it sends and receives nothing."""
    from beckn import keys
    from beckn.node import Node
    from beckn.unconnected import Unconnected

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
