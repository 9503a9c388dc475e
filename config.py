"""Every setting of the program, read once from the environment.

Nothing else reads the environment. `Settings.from_env()` builds the one frozen object that is handed to whoever needs
it; `python -m config` explains every setting. A setting is one field below: its environment name is `HALFHOUR_` and
the field's name in capitals, its unit stands in square brackets at the end of its docstring.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

from config_values import (
    PROJECT_DIR,
    ApiKeys,
    ConfiguredKey,
    DatabaseUrl,
    Folder,
    Instant,
    Slug,
    Slugs,
    Url,
    Words,
    default_database,
    default_region,
    key_problem,
)
from models.domain.carbon_value import kappa_of_weights
from models.domain.errors import HalfhourError
from models.domain.regions import REGIONS
from models.domain.workload import DRY_RUN, EXECUTORS

__all__ = [
    "ConfiguredKey",
    "InvalidSettings",
    "Settings",
    "bind_problem",
    "command_env",
    "is_loopback",
    "passed_secret",
]

PREFIX = "HALFHOUR_"
"""First letters of every environment name that is ours."""

PLAIN_NAMES = frozenset(
    {
        "CACHE_TTL_SECONDS",
        "ENABLED_REGIONS",
        "DEFAULT_REGION",
        "ELEXON_API_KEY",
        "SHEFFIELD_SOLAR_API_KEY",
    }
)
"""Settings that are also accepted without our prefix; the prefixed name wins."""

NOT_SETTINGS = re.compile(r"HALFHOUR_(SHARED_DIR|TEST_[A-Z0-9_]+)")
"""Names with our prefix that only the test suite reads."""

HIGHEST_INTENSITY_KG_PER_KWH = 0.650
"""Carbon intensity no half-hour of the GB grid reaches; used by the start-up check. [kg/kWh]"""


SECRET_ENTRY = re.compile(r"([\w.@-]+:)?(?!HALFHOUR_)[A-Za-z_][A-Za-z0-9_]*")
"""A variable that workloads may refer to, for every owner or behind the name of one."""


class InvalidSettings(HalfhourError):
    """The environment cannot be used; the text names every bad setting, its range and its cure."""

    def __init__(self, problems: list[str]) -> None:
        """Store one sentence a problem."""
        super().__init__("the settings cannot be used:\n" + "\n".join(f"  - {p}" for p in problems))
        self.problems = problems


class Given(NamedTuple):
    """What the environment says about one setting."""

    name: str
    """Environment name as it was written."""
    text: str
    origin: str
    """`environment` or `.env`."""


class _Group(BaseModel):
    """A group of settings; groups are only for reading, `Settings` holds all of them flat."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        populate_by_name=True,
    )


class Serving(_Group):
    """Serving: where the program listens and who may use it."""

    bind: Annotated[
        str,
        Field(pattern=r"^[\w.:\[\]-]+$", json_schema_extra={"allowed": "a host name or address"}),
    ] = "127.0.0.1"
    """Address to listen on. Anything but loopback needs an API key."""
    port: Annotated[int, Field(ge=1, le=65535)] = 5000
    """TCP port to listen on."""
    web_workers: Annotated[int, Field(ge=1, le=64)] = 2
    """Worker processes under gunicorn."""
    web_threads: Annotated[int, Field(ge=1, le=256)] = 8
    """Threads in each gunicorn worker."""
    api_keys: ApiKeys = ()
    """Keys that may call the API: `key` (owner `local`, role operator) or `owner:role:key` with role submitter, operator
    or auditor, comma-separated. More keys come from `flask keys create`."""
    secret_key: Annotated[SecretStr | None, Field(min_length=16)] = None
    """Signs session cookies. Without it one is made at first start and kept in the data folder."""
    session_hours: Annotated[float, Field(gt=0, le=720)] = 12.0
    """How long a sign-in lasts. [h]"""
    https: bool = False
    """Whether the app is reached over TLS only: cookies are marked Secure and browsers told to stay on TLS."""
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    """Reverse proxies in front whose X-Forwarded headers are believed. With one, always use API keys."""
    allowed_hosts: Annotated[
        Words, Field(json_schema_extra={"allowed": "host names, comma-separated"})
    ] = ()
    """Host names that are answered where keys exist; without any, all are."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=16_777_216)] = 1_048_576
    """Largest request body taken; a larger one is answered 413. [B]"""
    rate_limit_per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = 6000
    """Requests one key or address may make in a minute; 0 switches the limit off. [1/min]"""
    schedule_wait_seconds: Annotated[float, Field(ge=0, le=600)] = 30.0
    """How long a scheduling request waits for its plan before it is answered 202. [s]"""
    log_format: Literal["text", "json"] = "text"
    """How the program's own log is written: for people, or one JSON object a line with request and job ids."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe message written to the program's log on standard error."""


class Keeping(_Group):
    """Keeping: where the program writes."""

    data_dir: Folder = Path("data/var")
    """Folder of the cache, forecast archives and the default database."""
    logs_dir: Folder = Path("logs")
    """Folder of the decision audit log."""
    database_url: Annotated[DatabaseUrl, Field(default_factory=default_database)]
    """Database address, SQLite or PostgreSQL."""


class Grid(_Group):
    """Grid data: where carbon and prices come from."""

    grid_source: Literal["live", "replay", "simulated", "auto"] = "auto"
    """Where carbon and prices come from; `auto` is live, and simulated under a banner until a provider has answered."""
    replay_dir: Annotated[Folder | None, Field(json_schema_extra={"allowed": "a folder"})] = None
    """Folder with signals.parquet or signals.csv, for the replay source."""
    clock: Annotated[
        Instant | None,
        Field(json_schema_extra={"allowed": "an RFC 3339 time such as 2026-11-21T18:00:00Z"}),
    ] = None
    """Instant at which the program's clock starts; bars executors and outside trade."""
    clock_rate: Annotated[float, Field(gt=0, le=100_000)] = 1.0
    """Seconds of the program's clock in a second of system time; needs the clock setting."""
    carbon_intensity_url: Url = "https://api.carbonintensity.org.uk"
    """Base address of the Carbon Intensity API."""
    octopus_url: Url = "https://api.octopus.energy/v1"
    """Base address of the Octopus Energy API, version path included."""
    octopus_product: Annotated[
        str | None,
        Field(pattern=r"^[A-Z0-9-]+$", json_schema_extra={"allowed": "a product code in capitals"}),
    ] = None
    """Agile product code to use instead of the newest one found."""
    contact: Annotated[
        str,
        Field(
            pattern=r"^[\x20-\x7e]{0,200}$",
            json_schema_extra={"allowed": "plain text of at most 200 characters"},
        ),
    ] = ""
    """Address or page that providers may write to; sent in the User-Agent."""
    http_connect_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 3.05
    """Longest wait for a connection to a provider. [s]"""
    http_read_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 15.0
    """Longest wait for bytes from a provider. [s]"""
    http_retries: Annotated[int, Field(ge=0, le=10)] = 3
    """Repeats of a failed GET, with backoff."""
    http_requests_per_minute: Annotated[int, Field(ge=1, le=6000)] = 60
    """Most requests sent to one provider in a minute. [1/min]"""
    breaker_failures: Annotated[int, Field(ge=1, le=100)] = 5
    """Failures in a row after which a provider is left alone for a while."""
    breaker_open_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """How long a failing provider is left alone. [s]"""
    cache_ttl_seconds: Annotated[int, Field(ge=0, le=86_400)] = 1500
    """Age up to which a fetched forecast counts as in date. [s]"""
    carbon_stale_hours: Annotated[float, Field(gt=0, le=168)] = 48.0
    """Age up to which an old carbon forecast is still used, labelled stale. [h]"""
    enabled_regions: Slugs = tuple(REGIONS)
    """Regions that are fetched and offered."""
    default_region: Annotated[
        Slug,
        Field(
            default_factory=default_region,
            json_schema_extra={"allowed": "one of the enabled regions", "shown": "london"},
        ),
    ]
    """Region taken where nobody named one."""
    elexon_api_key: SecretStr | None = None
    """Reserved for the Elexon client; the open endpoints need none."""
    sheffield_solar_api_key: SecretStr | None = None
    """Reserved for the PV_Live client; the open endpoints need none."""


class Planning(_Group):
    """Planning: what matters, what is forbidden and how often plans are made."""

    carbon_price_override_gbp_per_tonne: Annotated[
        float | None, Field(ge=0, le=10_000, alias="carbon_price_gbp_per_tonne")
    ] = None
    """Value of carbon; set, it replaces the weights. [£/t]"""
    weight_carbon: Annotated[float, Field(ge=0, le=1)] = 0.6
    """Weight of carbon; only its ratio to the cost weight matters."""
    weight_cost: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Weight of cost; 0 means the highest value of carbon, £10,000/t."""
    weight_deadline: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Weight of finishing early; the price of a waiting hour is proportional to it."""
    min_saving_percent: Annotated[float, Field(ge=0, le=100)] = 5.0
    """A job waits only if its objective falls by at least this much. [%]"""
    unserved_gbp_per_kwh: Annotated[float, Field(gt=0, le=10_000)] = 20.0
    """Price of leaving a job of low priority unserved (twice, four and eight times that for higher ones). [£/kWh]"""
    price_cap_gbp_per_kwh: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Highest price the tariff can reach; used by the start-up check. [£/kWh]"""
    churn_gbp_per_kwh: Annotated[float, Field(ge=0, le=100)] = 0.02
    """Price of moving work that was already planned. [£/kWh]"""
    transfer_kwh_per_gb: Annotated[float, Field(ge=0, le=10)] = 0.06
    """Energy of the network that moves a job's `data_gb` to another region: 0.06 is the mean of core and fixed-line access
    networks in 2015 (Aslan, Mayers, Koomey and France 2018, Journal of Industrial Ecology 22(4)), which halved about every
    two years until then, so it errs on the side of staying. [kWh/GB]"""
    transfer_gbit_per_s: Annotated[float, Field(gt=0, le=100_000)] = 1.0
    """How fast that network moves it, an assumption: a run in another region starts later by that time. [Gbit/s]"""
    carbon_budget_kg_per_day: Annotated[float | None, Field(gt=0, le=1e9)] = None
    """Most carbon that all work planned on one London day may emit, as planned and not as measured, with frozen work and
    work that has run already; unset, there is no budget. [kg]"""
    freeze_minutes: Annotated[int, Field(ge=0, le=1440)] = 5
    """Work starting within this time is not moved. [min]"""
    freeze_executor_minutes: Annotated[int, Field(ge=0, le=1440)] = 60
    """The same for work handed to an executor or held by a contract. [min]"""
    loop_seconds: Annotated[float, Field(ge=1, le=3600)] = 20.0
    """Pause between two rounds of the loop that refreshes, re-plans and writes the log. [s]"""
    lease_seconds: Annotated[float, Field(ge=5, le=3600)] = 90.0
    """How long the loop's lease lasts unrenewed before another process takes over. [s]"""


class Executors(_Group):
    """Executors: who starts planned work; see docs/executors.md."""

    executors: Annotated[
        Words,
        Field(json_schema_extra={"allowed": "slurm, local, webhook and dry_run, comma-separated"}),
    ] = (DRY_RUN,)
    """Executors that are switched on; everybody who may submit jobs may run work through them."""
    executor_secrets: Annotated[
        Words,
        Field(json_schema_extra={"allowed": "NAME or owner:NAME, comma-separated"}),
    ] = ()
    """Environment variables of the program that workloads may refer to, for every owner or for one."""
    executor_working_dirs: Annotated[
        Words, Field(json_schema_extra={"allowed": "full paths, comma-separated"})
    ] = ()
    """Folders in which work may start; empty: any under Slurm, only its own on this machine."""
    executor_run_dir: Annotated[
        Folder | None,
        Field(json_schema_extra={"allowed": "a folder", "shown": "runs in the data folder"}),
    ] = None
    """Folder of the runs' output and notes; under Slurm it must be at the same path on every machine."""
    slurm_conf: Annotated[Folder | None, Field(json_schema_extra={"allowed": "a file"})] = None
    """Configuration file of the Slurm cluster, where its commands do not find it by themselves."""
    slurm_prefix: Annotated[
        str, Field(json_schema_extra={"allowed": "words as a shell would split them"})
    ] = ""
    """Words before every Slurm command, such as `sudo -u hpc -E`; it must pass the environment on."""
    slurm_time_zone: Annotated[
        str, Field(json_schema_extra={"allowed": "a name such as Europe/London"})
    ] = "UTC"
    """Time zone in which Slurm's commands are run; another one than UTC is needed only if the prefix drops TZ."""
    slurm_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 20.0
    """Longest a Slurm command may take. [s]"""
    slurm_accounting: Literal["auto", "on", "off"] = "auto"
    """Whether `sacct` is asked; `auto` asks until it says that there is no accounting."""
    slurm_pause: Literal["suspend", "requeue"] = "suspend"
    """How interruptible work pauses: its processes stop, or it goes back to the queue and starts from its checkpoint."""
    local_programs: Annotated[
        Words, Field(json_schema_extra={"allowed": "full paths, comma-separated"})
    ] = ()
    """Programs the local executor may start."""
    local_variables: Annotated[
        Words, Field(json_schema_extra={"allowed": "names, comma-separated"})
    ] = ()
    """Environment variables that work of the local executor may set; with PATH or PYTHONPATH it could run anything."""
    local_memory_mb: Annotated[int, Field(ge=16, le=100_000_000)] = 4096
    """Address space of a local run that asks for none. [MB]"""
    webhook_url: Annotated[
        Url | None, Field(json_schema_extra={"allowed": "an http(s) address"})
    ] = None
    """Where the webhook executor sends; https, or http on this machine."""
    webhook_secret: Annotated[SecretStr | None, Field(min_length=16)] = None
    """Signs what the webhook executor sends."""


class Notices(_Group):
    """Notices: where the program tells of moved, refused and silent jobs and of old data; see docs/operations.md."""

    notify_url: Annotated[
        Url | None, Field(json_schema_extra={"allowed": "an http(s) address"})
    ] = None
    """Where notices are sent; https, or http on this machine. Without it they are only kept to be read."""
    notify_secret: Annotated[SecretStr | None, Field(min_length=16)] = None
    """Signs notices that are sent."""


class Money(_Group):
    """Money: tax on prices."""

    prices_include_vat: bool = False
    """Whether plans, price caps and reports include VAT."""
    customer_class: Literal["domestic", "business"] = "domestic"
    """Whose VAT rates apply."""


class Market(_Group):
    """Market: taking part in a Beckn network."""

    beckn_subscriber_id: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9._:-]{0,200}$",
            json_schema_extra={"allowed": "a name as registered"},
        ),
    ] = ""
    """Who we are on the network; empty, this installation is not connected to one."""
    beckn_subscriber_url: Url | None = None
    """Address others send messages to, as registered: the part before `/{action}`, ending in `/beckn`."""
    beckn_key_id: Annotated[
        str,
        Field(
            pattern=r"^[^|\"\s]{0,200}$", json_schema_extra={"allowed": "a key id as registered"}
        ),
    ] = ""
    """Id of our signing key in the registry."""
    beckn_private_key: SecretStr | None = None
    """Our signing key: base64 of the 32-byte Ed25519 seed, as `flask beckn keygen` prints it."""
    beckn_network_id: Annotated[str, Field(max_length=200)] = ""
    """Network we are a member of; messages of other networks are refused."""
    beckn_registry_file: Annotated[
        Folder | None, Field(json_schema_extra={"allowed": "a file"})
    ] = None
    """JSON list of participants, in place of a registry service."""
    beckn_registry_url: Url | None = None
    """Address of a registry service."""
    beckn_registry_kind: Literal["v1", "dedi"] = "v1"
    """How that service is asked: `POST /lookup` of version 1, or a DeDi directory."""
    beckn_registry_scope: Annotated[str, Field(pattern=r"^[\w.-]{1,100}$")] = "subscribers"
    """Name of the registry inside a participant's namespace of a DeDi directory."""
    beckn_allow_loopback: bool = False
    """Whether participants on this machine are called, over plain http; for tests and demonstrations."""
    beckn_hold_seconds: Annotated[float, Field(ge=10, le=86_400)] = 600.0
    """How long capacity is kept for a contract that is not confirmed. [s]"""
    beckn_clock_skew_seconds: Annotated[int, Field(ge=0, le=60)] = 5
    """How far ahead of ours the clocks of others may be. [s]"""
    beckn_messages_per_minute: Annotated[int, Field(ge=0, le=10_000_000)] = 6000
    """Messages one address or signer may send in a minute; 0 switches the limit off. [1/min]"""


GROUPS: tuple[type[_Group], ...] = (
    Serving, Keeping, Grid, Planning, Executors, Notices, Money, Market,
)  # fmt: skip
"""Groups of settings in the order in which they are explained."""


class Settings(Market, Money, Notices, Executors, Planning, Grid, Keeping, Serving):
    """Every setting, checked and frozen. Build it with `from_env`, or by keyword in a test."""

    @classmethod
    def from_env(cls, mapping: Mapping[str, str] | None = None) -> Self:
        """Read the settings.

        Args:
            mapping: Names and texts; without it the process environment over the `.env` file beside this module.

        Raises:
            InvalidSettings: If a name with our prefix is unknown or a value cannot be used.
        """
        given = read(mapping)
        try:
            return cls.model_validate({field: found.text.strip() for field, found in given.items()})
        except ValidationError as error:
            raise InvalidSettings(_problems(error, given)) from None

    @property
    def kappa_gbp_per_kg(self) -> float:
        """Return κ, the value of carbon, at most 10. [£/kg]

        Source: docs/architecture.md, "Objective".
        """
        if self.carbon_price_override_gbp_per_tonne is not None:
            return self.carbon_price_override_gbp_per_tonne / 1000
        return kappa_of_weights(self.weight_carbon, self.weight_cost)

    @property
    def carbon_price_gbp_per_tonne(self) -> float:
        """Return the value of carbon as pages print it. [£/t]"""
        return self.kappa_gbp_per_kg * 1000

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        """Refuse values that are fine alone and wrong together."""
        worst = self.price_cap_gbp_per_kwh + self.kappa_gbp_per_kg * HIGHEST_INTENSITY_KG_PER_KWH
        wrong = {
            f"HALFHOUR_UNSERVED_GBP_PER_KWH={self.unserved_gbp_per_kwh:g} is not above the worst price of energy, "
            f"{worst:.2f} £/kWh (price cap plus the value of carbon at 650 g/kWh), so jobs would be refused for cost; "
            "raise it": self.unserved_gbp_per_kwh <= worst,
            "HALFHOUR_GRID_SOURCE=replay needs HALFHOUR_REPLAY_DIR, the folder with signals.parquet or signals.csv": (
                self.grid_source == "replay" and self.replay_dir is None
            ),
            f"HALFHOUR_REPLAY_DIR={self.replay_dir} is not a folder; name an existing one": (
                self.replay_dir is not None and not self.replay_dir.is_dir()
            ),
            f"HALFHOUR_CLOCK_RATE={self.clock_rate:g} has no effect without HALFHOUR_CLOCK; set that too": (
                self.clock is None and self.clock_rate != 1
            ),
            f"DEFAULT_REGION={self.default_region} is not among ENABLED_REGIONS; add it there or choose another": (
                self.default_region not in self.enabled_regions
            ),
            "HALFHOUR_WEIGHT_CARBON and HALFHOUR_WEIGHT_COST are both 0, which says nothing; raise one of them": (
                self.weight_carbon == self.weight_cost == 0
            ),
            f"HALFHOUR_LEASE_SECONDS={self.lease_seconds:g} must be at least twice HALFHOUR_LOOP_SECONDS="
            f"{self.loop_seconds:g}; raise it, or the lease runs out between rounds": (
                self.lease_seconds < 2 * self.loop_seconds
            ),
        }
        wrong.update(self._market_faults())
        found = [sentence for sentence, is_wrong in wrong.items() if is_wrong]
        found += executor_problems(self)
        if found:
            raise ValueError("\n".join(found))
        return self

    def _market_faults(self) -> dict[str, bool]:
        """Return what is wrong about the market's settings, as sentences."""
        is_named = bool(self.beckn_subscriber_id)
        key = self.beckn_private_key
        others = {
            "HALFHOUR_BECKN_SUBSCRIBER_URL": self.beckn_subscriber_url is None,
            "HALFHOUR_BECKN_KEY_ID": not self.beckn_key_id,
            "HALFHOUR_BECKN_PRIVATE_KEY": key is None,
            "HALFHOUR_BECKN_REGISTRY_FILE or HALFHOUR_BECKN_REGISTRY_URL": (
                self.beckn_registry_file is None and self.beckn_registry_url is None
            ),
        }
        missing = ", ".join(name for name, is_missing in others.items() if is_missing)
        return {
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
                self.beckn_registry_file is not None and self.beckn_registry_url is not None
            ),
        }


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


def passed_secret(entries: tuple[str, ...], owner: str, name: str) -> str | None:
    """Return the value of a variable that an owner's work may be given; None where it may not or is not set.

    Args:
        entries: What may be passed on, as in `executor_secrets`.
        owner: Whose work it is.
        name: Name of the variable.
    """
    allowed = {name, f"{owner}:{name}"} & set(entries)
    return os.environ.get(name) if allowed else None


def command_env() -> dict[str, str]:
    """Return the few variables of this process that commands of executors need."""
    kept = ("PATH", "HOME", "USER", "LOGNAME", "LANG")
    return {name: os.environ[name] for name in kept if name in os.environ}


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


# ------------------------------------------------------------------ reading
def env_name(name: str) -> str:
    """Return the environment name of a field."""
    return PREFIX + (Settings.model_fields[name].alias or name).upper()


def is_secret(name: str) -> bool:
    """Return whether a field's value must not be printed."""
    field = Settings.model_fields[name]
    return "SecretStr" in str(field.annotation) or bool(field_notes(field).get("secret"))


def field_notes(field: FieldInfo) -> dict[str, Any]:
    """Return what a field says about itself beyond its type: `allowed`, `shown`, `secret`."""
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def allowed_text(name: str) -> str:
    """Return the range or set of a field's values in words."""
    field = Settings.model_fields[name]
    notes = field_notes(field)
    if "allowed" in notes:
        return str(notes["allowed"])
    kinds = [k for k in (get_args(field.annotation) or (field.annotation,)) if k is not type(None)]
    if all(isinstance(kind, str) for kind in kinds):
        return " | ".join(str(kind) for kind in kinds)
    words = {bool: "0 or 1", int: "a whole number", float: "a number", Path: "a folder"}
    word = next((words[kind] for kind in kinds if kind in words), "text")
    signs = {
        "gt": "above",
        "ge": "from",
        "le": "up to",
        "min_length": "at least",
        "pattern": "like",
    }
    parts = [word]
    for limit in field.metadata:
        for sign, sign_word in signs.items():
            bound = getattr(limit, sign, None)
            if bound is not None:
                unit = " characters" if sign == "min_length" else ""
                parts.append(
                    f"{sign_word} {bound if isinstance(bound, str) else f'{bound:,}'}{unit}"
                )
    return " ".join(parts)


def read(mapping: Mapping[str, str] | None = None) -> dict[str, Given]:
    """Return by field what the environment says; blank text means not set.

    Args:
        mapping: As for `Settings.from_env`.

    Raises:
        InvalidSettings: If a name with our prefix is not a setting; each sentence names the nearest one.
    """
    if mapping is None:
        file = {k: v or "" for k, v in dotenv_values(PROJECT_DIR / ".env").items()}
        layers = [(".env", file), ("environment", dict(os.environ))]
    else:
        layers = [("environment", dict(mapping))]
    fields = {env_name(name): name for name in Settings.model_fields}
    found: dict[str, Given] = {}
    unknown: list[str] = []
    for origin, names in layers:
        for plain in sorted(PLAIN_NAMES & names.keys()):
            found[fields[PREFIX + plain]] = Given(plain, names[plain], origin)
        for full in sorted(n for n in names if n.startswith(PREFIX)):
            if full in fields:
                found[fields[full]] = Given(full, names[full], origin)
            elif not NOT_SETTINGS.fullmatch(full):
                near = difflib.get_close_matches(full, fields, 1, cutoff=0)
                unknown.append(f"{full} is not a setting; did you mean {near[0]}?")
    if unknown:
        raise InvalidSettings(unknown)
    return {field: given for field, given in found.items() if given.text.strip()}


def _problems(error: ValidationError, given: dict[str, Given]) -> list[str]:
    """Turn pydantic's report into sentences with name, value, allowed range and cure."""
    problems: list[str] = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        if item["type"] == "default_factory_not_called":
            continue
        message = item["msg"].removeprefix("Value error, ")
        if not item["loc"]:
            problems.extend(message.split("\n"))
            continue
        first = item["loc"][0]
        name = next(n for n, f in Settings.model_fields.items() if first in (n, f.alias))
        text = "***" if is_secret(name) else given[name].text
        problems.append(
            f"{given[name].name}={text}: {message[0].lower()}{message[1:]}; "
            f"allowed: {allowed_text(name)}; change it, or remove it to use the default"
        )
    return list(dict.fromkeys(problems))


if __name__ == "__main__":
    from scripts.explain_settings import main

    sys.exit(main(sys.argv[1:]))
