"""What use cases take and give back; the web layer and the commands speak only in these types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from models.domain.asset import Asset
from models.domain.change import MovesNews, PlanChange
from models.domain.job import Flexibility, JobStatus, Priority
from models.domain.plan import Certificate, NegotiationSummary, Placement, Refusal, Savings
from models.domain.ports import JobView, SourceHealth
from models.domain.power_limit import PowerLimit
from models.domain.signal import Quality, SignalValue
from models.domain.time import SLOT

# --- requests ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class AssetDraft:
    """A new asset as asked for; ranges are checked by the web schema, sense by the use case."""

    region: str
    max_power_kw: float
    asset_id: str | None = None
    """None: made from the name or the region."""
    name: str = ""
    asset_type: str = "gpu_cluster"
    pue: float = 1.0
    base_load_kw: float = 0.0
    flexibility_type: Flexibility = Flexibility.DEFERRABLE
    is_deferrable: bool = True
    gpu_model: str | None = None
    gpu_count: int | None = None
    embodied_g_per_kwh: float | None = None
    power_limits: tuple[PowerLimit, ...] = ()
    executor: str | None = None
    """Who starts the work of jobs here; None: the dry run, and people."""
    is_demo: bool = False


@dataclass(frozen=True)
class JobDraft:
    """A new job as asked for. Power, or GPU model and count, must be given."""

    duration: timedelta
    latest_finish: datetime
    estimated_power_kw: float | None = None
    gpu_model: str | None = None
    gpu_count: int | None = None
    job_id: str | None = None
    job_name: str = ""
    """Empty: `job <id>`."""
    job_type: str = "batch"
    asset_id: str | None = None
    """None: the owner's only or last used asset."""
    earliest_start: datetime | None = None
    """None or past: now."""
    allowed_regions: tuple[str, ...] = ()
    """Empty: the asset's region."""
    flexibility: Flexibility | None = None
    """None: the asset's."""
    priority: Priority = Priority.NORMAL
    power_profile_kw: tuple[float, ...] = ()
    carbon_cap_g_per_kwh: float | None = None
    max_price_gbp_per_kwh: float | None = None
    min_saving_percent: float | None = None
    depends_on: tuple[str, ...] = ()
    min_run_slots: int = 1
    max_chunks: int = 8
    checkpoint_minutes: float = 5.0
    min_power_kw: float | None = None
    power_levels: tuple[tuple[float, float], ...] = ()
    data_gb: float = 0.0
    units_of_work: float | None = None
    workload: Mapping[str, Any] | None = None
    is_demo: bool = False
    idempotency_key: str | None = None
    """Makes the id of a job that has none: the same request made again cannot become a second job."""


@dataclass(frozen=True)
class Repeat:
    """A form's wish for more of the same job."""

    copies: int = 1
    """Identical jobs, 1 to 100."""
    every: str | None = None
    """`day | weekday | week`: shift earliest start and latest finish by that step (London wall clock)."""
    times: int = 1
    """How many occurrences, the first included, 1 to 60."""


@dataclass(frozen=True)
class BestWindowQuery:
    """A question anybody may ask, without an asset or a job."""

    region: str
    duration: timedelta
    ready_by: datetime
    power_kw: float | None = None
    """None: answers per kW (cost and carbon of 1 kW), and says so. [kW]"""
    earliest_start: datetime | None = None


# --- answers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class DataLine:
    """How fresh the signals are: the line on top of every page and of `/health`."""

    mode: str
    """`live | replay | simulated`."""
    quality: Quality
    carbon_issued_at: datetime | None
    """Issue time where given, else when it was retrieved."""
    carbon_retrieved_at: datetime | None
    carbon_age: timedelta | None
    carbon_known_until: datetime | None
    prices_known_until: datetime | None
    prices_retrieved_at: datetime | None
    text: str
    """e.g. `Carbon: retrieved 15:30, 12 min old · Prices known to Thu 23:00 · Live` (London time)."""
    is_simulated: bool
    banner: str | None
    """A sentence for a banner on every page (simulated, replayed, stale, no data), or None."""
    sources: tuple[SourceHealth, ...] = ()


@dataclass(frozen=True)
class BestWindow:
    """A good start time, its runner-up and what starting now would be."""

    region: str
    asked_at: datetime
    ready_by: datetime
    duration: timedelta
    power_kw: float
    is_per_kw: bool
    best: Placement
    runner_up: Placement | None
    on_arrival: Placement | None
    savings: Savings
    why: str
    carbon_price_gbp_per_tonne: float
    data_quality: Quality
    price_note: str
    """e.g. `Agile is a household tariff: price shape, ex VAT`."""
    error_note: str
    """What error to expect, computed from the archive, or why that is not known yet."""
    sbatch_line: str
    """Copyable `sbatch --begin=YYYY-MM-DDTHH:MM:SS` in London local time."""
    at_line: str
    """Copyable `at -t [[CC]YY]MMDDhhmm` line in London local time."""
    late_latest_start: datetime
    """Last half-hour that still meets `ready_by`."""


@dataclass(frozen=True)
class Estimate:
    """What the planner would do with a draft right now; nothing is stored."""

    placement: Placement | None
    baseline: Placement | None
    runner_up: Placement | None
    savings: Savings | None
    wait: timedelta | None
    why: str
    refusal: Refusal | None
    power_kw: float
    power_note: str
    """How the power was arrived at, e.g. `8 × H100-SXM5 at 85 % of 10.2 kW …` or `as given`."""
    asset_id: str


@dataclass(frozen=True)
class PlanRun:
    """The answer of `schedule` and `schedule-all`."""

    negotiation_id: str
    finished: bool
    """False: still planning (202), follow the negotiation."""
    scheduled: int = 0
    refused: int = 0
    deferred: int = 0
    moved: int = 0
    certificate: Certificate | None = None


@dataclass(frozen=True)
class NegotiationView:
    """A negotiation with its messages and the frozen plan it ended in."""

    summary: NegotiationSummary
    messages: tuple[Mapping[str, Any], ...]
    snapshot: Mapping[str, Any]
    """`{"jobs": [...], "assets": [...], "policy": {...}, "signals": {...}}`, see services/snapshot.py."""


@dataclass(frozen=True)
class EnergyRow:
    """One half-hour of one region."""

    start: datetime
    end: datetime
    carbon: SignalValue
    price: SignalValue
    """GBP/kWh ex VAT."""
    price_inc_vat: float | None
    vat_percent: float
    renewable_percent: float | None
    generation_mix: Mapping[str, float]
    grid_stress: float | None


@dataclass(frozen=True)
class RegionNow:
    """One region's present half-hour, for the map."""

    region: str
    row: EnergyRow
    band: int | None
    """0 (very low) to 4 (very high) by the index words of the current year; None: unknown."""
    band_word: str


@dataclass(frozen=True)
class AssetUse:
    """An asset and how much of it the plan holds, half-hour by half-hour."""

    asset: Asset
    start: datetime
    used_kw: tuple[float, ...]
    """Reserved IT power of jobs per half-hour from `start`. [kW]"""
    open_jobs: int

    @property
    def room_kw(self) -> tuple[float, ...]:
        """Return the IT power that jobs may hold in each of those half-hours. [kW]"""
        return tuple(self.asset.room_at(self.start + k * SLOT) for k in range(len(self.used_kw)))


@dataclass(frozen=True)
class Happening:
    """One line of "since yesterday"."""

    at: datetime
    kind: str
    """`ran | moved | refused | cancelled | unconfirmed | failed | outturn | started`."""
    job_id: str
    job_name: str
    text: str


@dataclass(frozen=True)
class Need:
    """Something only the user can settle."""

    kind: str
    """`refused | confirm | unconfirmed | void | held | data | audit`."""
    job_id: str | None
    title: str
    text: str
    actions: tuple[tuple[str, str], ...] = ()
    """(label, kind of action): web turns them into buttons, e.g. (`It ran`, `confirm:completed`)."""


@dataclass(frozen=True)
class Board:
    """The Schedule page."""

    now: datetime
    start: datetime
    """First half-hour of the 48 h chart."""
    slots: int
    data: DataLine
    sentence: str
    """e.g. `9 jobs planned; next starts 23:30; 1 needs you.`"""
    needs: tuple[Need, ...]
    jobs: tuple[JobView, ...]
    """Jobs with an award that touches the chart, by start."""
    uses: tuple[AssetUse, ...]
    region: str
    """Region whose carbon and price are drawn (the one most jobs are on, else the default)."""
    regions: tuple[str, ...]
    """Regions that can be chosen for the chart."""
    rows: tuple[EnergyRow, ...]
    happenings: tuple[Happening, ...]
    carbon_price_gbp_per_tonne: float
    has_assets: bool
    has_demo: bool
    moves: MovesNews | None = None
    """The last plan since yesterday that moved any of the jobs; None: none did."""


@dataclass(frozen=True)
class Totals:
    """Sums over some jobs; None where any part is unknown is not hidden: `unknown_jobs` counts them."""

    jobs: int = 0
    energy_kwh: float = 0.0
    carbon_kg: float = 0.0
    cost_gbp: float = 0.0
    saved_carbon_kg: float = 0.0
    saved_cost_gbp: float = 0.0
    baseline_carbon_kg: float = 0.0
    baseline_cost_gbp: float = 0.0
    unknown_jobs: int = 0
    dirtier_jobs: int = 0
    """Jobs that emitted more than on arrival."""


@dataclass(frozen=True)
class StatementRow:
    """One job in a savings statement."""

    job_id: str
    job_name: str
    status: JobStatus
    stage: str
    """`planned | confirmed | unconfirmed`."""
    start: datetime
    end: datetime
    region: str
    energy_kwh: float
    energy_is_measured: bool
    carbon_kg: float | None
    cost_gbp: float | None
    baseline_carbon_kg: float | None
    baseline_cost_gbp: float | None
    data_quality: Quality


@dataclass(frozen=True)
class Statement:
    """Savings over a period, planned, confirmed and unconfirmed kept apart."""

    start_on: date
    end_on: date
    """Inclusive London dates."""
    planned: Totals
    confirmed: Totals
    unconfirmed: Totals
    rows: tuple[StatementRow, ...]
    excluded_simulated: int
    """Jobs left out because their plan used simulated signals."""
    measured_against: str
    method: str
    """One paragraph: how it was computed, from what, and what it is not."""


@dataclass(frozen=True)
class Statistics:
    """`GET /api/statistics`."""

    counts: Mapping[JobStatus, int]
    planned: Totals
    confirmed: Totals
    fleet_baseline_carbon_kg: float | None
    """First-come-first-served within the same capacity, over the planned jobs."""
    fleet_baseline_cost_gbp: float | None
    median_wait_hours: float | None
    refusals_by_rule: Mapping[str, int]
    data: DataLine


@dataclass(frozen=True)
class JobDetail:
    """Everything the Job page shows."""

    view: JobView
    asset: Asset | None
    value_of_carbon_gbp_per_tonne: float
    negotiation: NegotiationSummary | None
    record_line: str | None
    """Raw audit record of the present decision (canonical JSON)."""
    controls: tuple[Mapping[str, Any], ...] = ()
    freeze_at: datetime | None = None
    """From when the award no longer moves."""
    may_still_move: str = ""
    """One sentence: what may still move it."""
    how_sure: str = ""
    """One sentence: data quality, estimated share, error statistics or why there are none."""
    predecessors: tuple[JobView, ...] = ()
    successors: tuple[JobView, ...] = field(default=())
    changes: tuple[PlanChange, ...] = ()
    """What plans did with it, newest first."""
    log_tail: str | None = None
    """End of what its last run wrote, where that is kept here."""
