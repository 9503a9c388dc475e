"""How jobs, plans and explanations read back."""

from __future__ import annotations

from typing import Any

from models.domain.execution import ExecutionState, Stage, Wanted
from models.domain.job import Flexibility, JobStatus, Priority
from models.domain.plan import NegotiationStatus, PlanMethod
from models.domain.signal import Quality
from web.schemas.fields import Date, Shown, When


class SegmentOut(Shown):
    """A stretch of constant IT power."""

    start_time: When
    end_time: When
    power_kw: float


class PlacementOut(Shown):
    """Where and when a job runs; energy, carbon and cost at the meter. Null is unknown, never zero.

    Carbon and cost are with moving the job's data to another region; `transfer_*` is that part, 0 where it stays. The
    network's energy stands beside `energy_kwh`, not in it.
    """

    asset_id: str
    region: str
    start_time: When
    end_time: When
    segments: list[SegmentOut]
    energy_kwh: float
    carbon_kg: float | None
    cost_gbp: float | None
    transfer_kwh: float
    transfer_cost_gbp: float | None
    transfer_carbon_kg: float | None
    mean_carbon_g_per_kwh: float | None
    mean_price_gbp_per_kwh: float | None
    estimated_share: float
    delay_gbp: float | None
    objective_gbp: float | None
    data_quality: Quality


class SavingsOut(Shown):
    """Run on arrival minus plan; positive is better than on arrival."""

    carbon_kg: float | None
    carbon_percent: float | None
    cost_gbp: float | None
    cost_percent: float | None
    carbon_kg_range: tuple[float, float] | None
    cost_gbp_range: tuple[float, float] | None
    range_reason: str | None
    measured_against: str


class FlexibilityOut(Shown):
    """What the job's flexibility is worth on a market."""

    value_gbp: float | None
    regime: str | None
    eligible: bool
    reasons: list[str]


class RelaxationOut(Shown):
    """One change of one field that planning has checked to help."""

    field: str
    value: Any
    start_time: When | None
    asset_id: str
    cost_gbp: float | None
    carbon_kg: float | None


class DeferralOut(Shown):
    """Why a job is left out for now."""

    reason: str
    earliest: When | None


class RefusalOut(Shown):
    """Why a job is not served, and what was checked to help."""

    rule: str
    detail: str
    smallest_relaxation: RelaxationOut | None
    relaxations: list[RelaxationOut]
    options_considered: int
    tried: list[str]


class ExecutionOut(Shown):
    """What became of a job at its executor: its last attempt."""

    hand_over_id: str
    attempt: int
    executor: str
    external_id: str | None
    stage: Stage
    wanted: Wanted
    state: ExecutionState | None
    planned_start: When | None
    begin_told: When | None
    started_at: When | None
    ended_at: When | None
    queueing_seconds: float | None
    exit_code: int | None
    reason: str
    energy_it_kwh: float | None
    energy_basis: str
    moves: int
    tries: int
    last_error: str | None


class JobOut(Shown):
    """A job: its request, its status and what the planner last answered."""

    job_id: str
    job_name: str
    job_type: str
    asset_id: str
    duration_hours: float
    earliest_start: When
    latest_finish: When
    allowed_regions: list[str]
    flexibility_type: Flexibility
    priority: Priority
    estimated_power_kw: float
    power_profile_kw: list[float]
    gpu_model: str | None
    gpu_count: int | None
    carbon_cap_g_per_kwh: float | None
    max_price_per_kwh: float | None
    min_saving_percent: float | None
    depends_on: list[str]
    min_run_slots: int
    max_chunks: int
    checkpoint_minutes: float
    min_power_kw: float | None
    power_levels: list[list[float]]
    data_gb: float
    units_of_work: float | None
    workload: dict[str, Any] | None
    execution: ExecutionOut | None
    not_handed_over: str | None
    status: JobStatus
    schedule: PlacementOut | None
    baseline: PlacementOut | None
    baseline_reason: str | None
    baseline_breaches: list[str]
    savings: SavingsOut | None
    flexibility: FlexibilityOut | None
    why: str | None
    decision_id: str | None
    negotiation_id: str | None
    decided_at: When | None
    data_quality: Quality | None
    is_frozen: bool
    is_provisional: bool
    deferral: DeferralOut | None
    refusal: RefusalOut | None
    smallest_relaxation: RelaxationOut | None
    moves: int
    previous_start: When | None
    move_reason: str | None
    signals_mode: str | None
    outturn: dict[str, Any] | None
    owner: str
    accepted_at: When
    updated_at: When | None
    is_held: bool
    pinned_start: When | None
    pinned_asset_id: str | None
    started_at: When | None
    ended_at: When | None
    measured_energy_kwh: float | None
    is_demo: bool
    version: int


class JobList(Shown):
    """A page of jobs, newest first."""

    items: list[JobOut]
    next_cursor: str | None


class CarbonDayOut(Shown):
    """The carbon budget of a London day: planned carbon of all its work, and what a tonne more would be worth."""

    date: Date
    budget_kg: float
    planned_kg: float | None
    carbon_price_gbp_per_tonne: float | None


class CertificateOut(Shown):
    """What is proven about a plan."""

    objective_gbp: float | None
    lower_bound_gbp: float | None
    gap_gbp: float | None
    gap_percent: float | None
    gap_served_percent: float | None
    served_gbp: float | None
    unserved_gbp: float | None
    delay_gbp: float | None
    churn_gbp: float | None
    rounds: int
    seconds: float
    method: PlanMethod
    heuristic: bool
    carbon_by_day: list[CarbonDayOut]
    notes: list[str]


class PlanRunOut(Shown):
    """The answer of `schedule` and `schedule-all`."""

    negotiation_id: str
    scheduled: int
    refused: int
    deferred: int
    moved: int
    certificate: CertificateOut | None


class PlanRunningOut(Shown):
    """Planning goes on; follow the negotiation."""

    negotiation_id: str
    status: NegotiationStatus


class NegotiationOut(Shown):
    """One negotiation as listed."""

    negotiation_id: str
    status: NegotiationStatus
    trigger: str
    started_at: When
    finished_at: When | None
    scheduled: int
    refused: int
    deferred: int
    moved: int
    data_quality: Quality
    certificate: CertificateOut | None
    error: str | None


class NegotiationDetailOut(NegotiationOut):
    """One negotiation with what was said and the plan it ended in."""

    messages: list[dict[str, Any]]
    plan: dict[str, Any]


class NegotiationList(Shown):
    """A page of negotiations, newest first."""

    items: list[NegotiationOut]
    next_cursor: str | None


class BestWindowOut(Shown):
    """A good start time for work that is not even submitted."""

    region: str
    asked_at: When
    ready_by: When
    duration_hours: float
    power_kw: float
    is_per_kw: bool
    start_time: When
    end_time: When
    best: PlacementOut
    runner_up: PlacementOut | None
    on_arrival: PlacementOut | None
    savings: SavingsOut
    why: str
    carbon_price_gbp_per_tonne: float
    data_quality: Quality
    price_note: str
    error_note: str
    latest_start: When
    sbatch_line: str
    at_line: str


class QuoteOut(Shown):
    """What the planner would do with a job now, beside the plan in force; nothing was stored or booked."""

    asked_at: When
    asset_id: str
    estimated_power_kw: float
    power_note: str
    schedule: PlacementOut | None
    baseline: PlacementOut | None
    runner_up: PlacementOut | None
    savings: SavingsOut | None
    wait_hours: float | None
    why: str
    refusal: RefusalOut | None
    smallest_relaxation: RelaxationOut | None
    data_quality: Quality | None
