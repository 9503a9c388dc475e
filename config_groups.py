"""The settings by subject. A group is only for reading: `config.Settings` holds all of them flat."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from config_values import (
    ApiKeys,
    DatabaseUrl,
    Folder,
    Instant,
    Slug,
    Slugs,
    Url,
    Words,
    default_database,
    default_region,
)
from models.domain.regions import REGIONS
from models.domain.workload import DRY_RUN


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
    web_threads: Annotated[int, Field(ge=1, le=256)] = 16
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
    planning_effort: Annotated[float, Field(ge=0.05, le=50)] = 1.0
    """How much work a plan may take, as a multiple of the usual: 0.2 answers sooner, 5 looks further. Work is counted and
    not timed, so that every machine finds the same plan; how near the best it is stands in its certificate either way."""
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
    """Messages one address or signer may send in a minute, to all web processes together; 0 switches the limit off. [1/min]"""


GROUPS: tuple[type[_Group], ...] = (
    Serving, Keeping, Grid, Planning, Executors, Notices, Money, Market,
)  # fmt: skip
"""Groups of settings in the order in which they are explained."""
