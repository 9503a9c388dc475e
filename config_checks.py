"""What is wrong with settings that are fine alone: executors, the market, and where the program may listen."""

from __future__ import annotations

import ipaddress
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from config_values import key_problem
from models.domain.workload import EXECUTORS

if TYPE_CHECKING:
    from config import Settings

SECRET_ENTRY = re.compile(r"([\w.@-]+:)?(?!HALFHOUR_)[A-Za-z_][A-Za-z0-9_]*")
"""A variable that workloads may refer to, for every owner or behind the name of one."""


def executor_problems(settings: Settings) -> list[str]:
    """Return what is wrong with the executors' settings, one sentence each."""
    on = settings.executors
    url = settings.webhook_url
    zone = settings.slurm_time_zone
    paths = (*settings.local_programs, *settings.executor_working_dirs)
    wrong = {
        f"HALFHOUR_EXECUTORS={','.join(on)} names an executor that does not exist; allowed: {', '.join(EXECUTORS)}": (
            not set(on) <= set(EXECUTORS)
        ),
        "HALFHOUR_EXECUTORS names local, which needs HALFHOUR_LOCAL_PROGRAMS, the full paths of what it may start": (
            "local" in on and not settings.local_programs
        ),
        "HALFHOUR_EXECUTORS names webhook, which needs HALFHOUR_WEBHOOK_URL and HALFHOUR_WEBHOOK_SECRET": (
            "webhook" in on and (url is None or settings.webhook_secret is None)
        ),
        f"HALFHOUR_WEBHOOK_URL={url} is not https; work would be sent in clear": (
            url is not None and _is_in_clear(url)
        ),
        f"HALFHOUR_SLURM_TIME_ZONE={zone} is not the name of a time zone; use one such as UTC or Europe/London": (
            zone not in available_timezones()
        ),
        "HALFHOUR_LOCAL_PROGRAMS and HALFHOUR_EXECUTOR_WORKING_DIRS take full paths only": any(
            not Path(path).is_absolute() for path in paths
        ),
        "HALFHOUR_EXECUTOR_SECRETS takes NAME or owner:NAME; none of the program's own HALFHOUR_ settings": any(
            not SECRET_ENTRY.fullmatch(entry) for entry in settings.executor_secrets
        ),
    }
    notify_url = settings.notify_url
    if notify_url is not None:
        wrong["HALFHOUR_NOTIFY_URL needs HALFHOUR_NOTIFY_SECRET, at least sixteen characters"] = (
            settings.notify_secret is None
        )
        wrong[f"HALFHOUR_NOTIFY_URL={notify_url} is not https; notices would be sent in clear"] = (
            _is_in_clear(notify_url)
        )
    try:
        shlex.split(settings.slurm_prefix)
    except ValueError:
        wrong["HALFHOUR_SLURM_PREFIX has a quotation mark too many or too few"] = True
    return [sentence for sentence, is_wrong in wrong.items() if is_wrong]


def _is_in_clear(url: str) -> bool:
    """Return whether what is sent to an address could be read on the way."""
    return not url.startswith("https://") and not is_loopback(urlsplit(url).hostname or "")


def is_loopback(host: str) -> bool:
    """Return whether an address or host name can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def bind_problem(bind: str, *, has_keys: bool) -> str | None:
    """Return why the program must not listen on an address, or None if it may.

    Args:
        bind: Address to listen on.
        has_keys: Whether an API key exists in the settings or in the database.
    """
    if has_keys or is_loopback(bind):
        return None
    return (
        f"refusing to listen on {bind}: without an API key anybody who reaches that address could use the program. "
        "Make a key with `flask keys create`, or set HALFHOUR_API_KEYS, or listen on 127.0.0.1."
    )


def market_problems(settings: Settings) -> list[str]:
    """Return what is wrong with the market's settings, one sentence each."""
    is_named = bool(settings.beckn_subscriber_id)
    key = settings.beckn_private_key
    others = {
        "HALFHOUR_BECKN_SUBSCRIBER_URL": settings.beckn_subscriber_url is None,
        "HALFHOUR_BECKN_KEY_ID": not settings.beckn_key_id,
        "HALFHOUR_BECKN_PRIVATE_KEY": key is None,
        "HALFHOUR_BECKN_REGISTRY_FILE or HALFHOUR_BECKN_REGISTRY_URL": (
            settings.beckn_registry_file is None and settings.beckn_registry_url is None
        ),
    }
    missing = ", ".join(name for name, is_missing in others.items() if is_missing)
    wrong = {
        f"HALFHOUR_BECKN_SUBSCRIBER_ID is set, so {missing} must be set too": (
            is_named and bool(missing)
        ),
        "HALFHOUR_BECKN_PRIVATE_KEY is not base64 of 32 or 64 bytes; make one with `flask beckn keygen`": (
            key is not None and key_problem(key.get_secret_value()) == "malformed"
        ),
        "HALFHOUR_BECKN_PRIVATE_KEY was published as an example, so anybody can sign with it; make one with "
        "`flask beckn keygen`": (
            key is not None and key_problem(key.get_secret_value()) == "published"
        ),
        "HALFHOUR_BECKN_REGISTRY_FILE and HALFHOUR_BECKN_REGISTRY_URL are both set; keep one": (
            settings.beckn_registry_file is not None and settings.beckn_registry_url is not None
        ),
    }
    return [sentence for sentence, is_wrong in wrong.items() if is_wrong]
