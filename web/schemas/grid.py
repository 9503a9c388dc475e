"""The grid, the regions, the freshness of data: queries and answers."""

from __future__ import annotations

from models.domain.signal import Quality, ValueKind
from web.schemas.fields import (
    REGION_NAMES,
    Instant,
    QueryNumber,
    RegionSlug,
    Shown,
    Wanted,
    When,
    field,
    instant_field,
)


class BestWindowQuery(Wanted):
    """A question anybody may ask."""

    region: RegionSlug = field(
        "Where.", allowed=REGION_NAMES, cure="use one of the slugs listed at /api/regions"
    )
    duration_hours: QueryNumber = field(
        "How long the work runs.",
        unit="h",
        allowed="0.0167 to 336 (one minute to 14 days)",
        ge=0.0166,
        le=336,
    )
    ready_by: Instant | None = instant_field(
        "Done by; by default tomorrow 09:00 in London.", default=None
    )
    power_kw: QueryNumber | None = field(
        "Mean IT power; without it the answer is for 1 kW and says so.",
        unit="kW",
        allowed="0.001 to 100000",
        default=None,
        ge=0.001,
        le=100_000,
    )
    earliest_start: Instant | None = instant_field("Not before; by default now.", default=None)


class ForecastQuery(Wanted):
    """How far to look."""

    hours: QueryNumber = field(
        "How far to look ahead.", unit="h", allowed="0.5 to 336", default=48.0, ge=0.5, le=336
    )


class SignalOut(Shown):
    """One value of one half-hour with where it came from."""

    value: float | None
    unit: str
    kind: ValueKind | None
    quality: Quality
    issued_at: When | None
    retrieved_at: When | None
    source: str | None
    note: str
    p5: float | None
    p95: float | None


class PriceOut(SignalOut):
    """A price; `value` is ex VAT."""

    gbp_per_kwh: float | None
    gbp_per_kwh_ex_vat: float | None
    gbp_per_kwh_inc_vat: float | None
    vat_percent: float


class EnergyRowOut(Shown):
    """One half-hour of one region."""

    start_time: When
    end_time: When
    carbon: SignalOut
    price: PriceOut
    renewable_percent: float | None
    generation_mix: dict[str, float | None]
    grid_stress: float | None


class EnergyForecastOut(Shown):
    """Half-hours of one region from the current one."""

    region: str
    hours: float
    items: list[EnergyRowOut]
    next_cursor: str | None


class RegionOut(Shown):
    """One region with its present half-hour."""

    region: str
    name: str
    short_name: str
    is_aggregate: bool
    members: list[str]
    carbon_intensity_id: int
    price_letters: list[str]
    gsp_group: str | None
    band: int | None
    band_word: str
    now: EnergyRowOut


class RegionList(Shown):
    """All 18 regions, those of network operators first."""

    items: list[RegionOut]
    next_cursor: str | None


class SourceOut(Shown):
    """How one external source is doing."""

    source: str
    last_success_at: When | None
    last_failure_at: When | None
    failures_in_a_row: int
    last_error: str | None
    retry_at: When | None


class DataLineOut(Shown):
    """How fresh the signals are."""

    mode: str
    quality: Quality
    text: str
    banner: str | None
    is_simulated: bool
    carbon_issued_at: When | None
    carbon_retrieved_at: When | None
    carbon_age_minutes: float | None
    carbon_known_until: When | None
    prices_retrieved_at: When | None
    prices_known_until: When | None
    sources: list[SourceOut]
