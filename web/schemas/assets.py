"""Assets: what a request may say, and how one reads back."""

from __future__ import annotations

from typing import Any, Literal

from models.domain.errors import FieldError
from models.domain.job import Flexibility
from models.domain.power_limit import MOST_LIMITS
from services.types import AssetDraft
from web.schemas.fields import (
    REGION_NAMES,
    Flag,
    Identifier,
    NewIdentifier,
    Number,
    PageQuery,
    RegionSlug,
    Shown,
    Text,
    Wanted,
    When,
    Whole,
    changes_wrong,
    field,
)
from web.schemas.power_limits import (
    LIMITS_ALLOWED,
    LIMITS_SAY,
    PowerLimitIn,
    PowerLimitOut,
    faults_of,
    limits_of,
)

TYPE_ALLOWED = "1 to 40 letters, digits, spaces, dots, dashes or underscores"
TYPE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,39}$"
POWER_ALLOWED = "more than 0, at most 100000"


class AssetSubmission(Wanted):
    """A new asset: compute at one place. Only region and power are needed."""

    asset_id: NewIdentifier | None = field(
        "Your id for it; without one it is made from name or region.",
        allowed="1 to 64 letters, digits, dots, dashes or underscores, beginning with a letter or digit",
        default=None,
    )
    name: Text = field("Shown name.", allowed="at most 80 characters", default="", max_length=80)
    asset_type: Text = field(
        "Kind of machine; jobs move only between assets of one kind.",
        allowed=TYPE_ALLOWED,
        default="gpu_cluster",
        pattern=TYPE_PATTERN,
    )
    region: RegionSlug = field(
        "Where it stands.", allowed=REGION_NAMES, cure="use one of the slugs listed at /api/regions"
    )
    max_power_kw: Number = field(
        "IT power that jobs and base load may draw together.",
        unit="kW",
        allowed=POWER_ALLOWED,
        gt=0,
        le=100_000,
    )
    pue: Number = field(
        "Power usage effectiveness: meter power over IT power.",
        allowed="1 to 3",
        default=1.0,
        ge=1,
        le=3,
    )
    base_load_kw: Number = field(
        "Inflexible IT load that jobs leave room for.",
        unit="kW",
        allowed="0 to 100000, less than max_power_kw",
        default=0.0,
        ge=0,
        le=100_000,
    )
    flexibility_type: Flexibility = field(
        "Kind given to jobs that do not name one.",
        allowed="fixed, deferrable, interruptible, elastic",
        default=Flexibility.DEFERRABLE,
    )
    is_deferrable: Flag = field(
        "False: every job here runs on arrival.", allowed="true or false", default=True
    )
    gpu_model: Text | None = field(
        "GPU model.",
        allowed="1 to 80 characters",
        default=None,
        min_length=1,
        max_length=80,
    )
    gpu_count: Whole | None = field(
        "Number of GPUs.", allowed="1 to 1000000", default=None, ge=1, le=1_000_000
    )
    embodied_g_per_kwh: Number | None = field(
        "Embodied carbon of the hardware per IT kWh; kept apart from emissions.",
        unit="g/kWh",
        allowed="0 to 100000",
        default=None,
        ge=0,
        le=100_000,
    )
    power_limits: list[PowerLimitIn] = field(
        LIMITS_SAY, allowed=LIMITS_ALLOWED, default=[], max_length=MOST_LIMITS
    )

    executor: Literal["slurm", "local", "webhook", "dry_run"] | None = field(
        "Who starts the work of jobs here; by default nobody but people.",
        allowed="slurm, local, webhook or dry_run, as far as switched on",
        default=None,
    )

    def crosscheck(self) -> tuple[FieldError, ...]:
        """Return what is wrong between fields."""
        faults = faults_of(self.power_limits)
        if self.base_load_kw < self.max_power_kw:
            return faults
        return (
            *faults,
            FieldError(
                "base_load_kw",
                "leaves no room for a job",
                self.base_load_kw,
                f"0 to less than max_power_kw ({self.max_power_kw:g})",
                "lower base_load_kw or raise max_power_kw",
            ),
        )

    def to_draft(self) -> AssetDraft:
        """Return the request in the words of the use case."""
        fields = self.model_dump(exclude={"power_limits"})
        return AssetDraft(**fields, power_limits=limits_of(self.power_limits))


class AssetChange(Wanted):
    """Fields of an asset to change; what is left out stays."""

    name: Text | None = field(
        "Shown name.", allowed="at most 80 characters", default=None, max_length=80
    )
    asset_type: Text | None = field(
        "Kind of machine.", allowed=TYPE_ALLOWED, default=None, pattern=TYPE_PATTERN
    )
    region: RegionSlug | None = field(
        "Where it stands.",
        allowed=REGION_NAMES,
        cure="use one of the slugs listed at /api/regions",
        default=None,
    )
    max_power_kw: Number | None = field(
        "IT power limit.", unit="kW", allowed=POWER_ALLOWED, default=None, gt=0, le=100_000
    )
    pue: Number | None = field(
        "Power usage effectiveness.", allowed="1 to 3", default=None, ge=1, le=3
    )
    base_load_kw: Number | None = field(
        "Inflexible IT load.",
        unit="kW",
        allowed="0 to 100000",
        default=None,
        ge=0,
        le=100_000,
    )
    flexibility_type: Flexibility | None = field(
        "Kind given to jobs that do not name one.",
        allowed="fixed, deferrable, interruptible, elastic",
        default=None,
    )
    is_deferrable: Flag | None = field(
        "False: every job here runs on arrival.", allowed="true or false", default=None
    )
    gpu_model: Text | None = field(
        "GPU model; null: not known.",
        allowed="1 to 80 characters or null",
        default=None,
        min_length=1,
        max_length=80,
    )
    gpu_count: Whole | None = field(
        "Number of GPUs; null: not known.",
        allowed="1 to 1000000 or null",
        default=None,
        ge=1,
        le=1_000_000,
    )
    embodied_g_per_kwh: Number | None = field(
        "Embodied carbon per IT kWh; null: not known.",
        unit="g/kWh",
        allowed="0 to 100000 or null",
        default=None,
        ge=0,
        le=100_000,
    )

    power_limits: list[PowerLimitIn] | None = field(
        f"{LIMITS_SAY} The list replaces the one before; [] takes all away.",
        allowed=LIMITS_ALLOWED,
        default=None,
        max_length=MOST_LIMITS,
    )
    executor: Literal["slurm", "local", "webhook", "dry_run"] | None = field(
        "Who starts the work of jobs here; null: nobody but people.",
        allowed="slurm, local, webhook or dry_run, as far as switched on; or null",
        default=None,
    )

    def crosscheck(self) -> tuple[FieldError, ...]:
        """Return what is wrong between fields."""
        return (*changes_wrong(self, _NEVER_NULL), *faults_of(self.power_limits or []))

    def to_changes(self) -> dict[str, Any]:
        """Return the changed fields by their names in the program."""
        changes = self.model_dump(exclude_unset=True)
        if self.power_limits is not None:
            changes["power_limits"] = limits_of(self.power_limits)
        return changes


_NEVER_NULL = frozenset(
    {
        "asset_type",
        "base_load_kw",
        "flexibility_type",
        "is_deferrable",
        "max_power_kw",
        "name",
        "power_limits",
        "pue",
        "region",
    }
)


class AssetListQuery(PageQuery):
    """Which assets are wanted."""

    region: RegionSlug | None = field(
        "Only assets of this region.", allowed=REGION_NAMES, default=None
    )


class AssetOut(Shown):
    """An asset."""

    asset_id: Identifier
    name: str
    asset_type: str
    region: str
    max_power_kw: float
    base_load_kw: float
    pue: float
    flexibility_type: Flexibility
    is_deferrable: bool
    gpu_model: str | None
    gpu_count: int | None
    embodied_g_per_kwh: float | None
    power_limits: list[PowerLimitOut]
    tariff: str
    executor: str | None
    is_demo: bool
    owner: str
    created_at: When
    version: int


class AssetList(Shown):
    """A page of assets."""

    items: list[AssetOut]
    next_cursor: str | None
