"""What may be asked of an explanation, and how it reads back."""

from __future__ import annotations

from typing import Any

from models.domain.job import JobStatus
from models.domain.signal import Quality
from services.explain_types import WindowOrder, WindowQuery
from web.schemas.answers import (
    DeferralOut,
    PlacementOut,
    RefusalOut,
    RelaxationOut,
    SavingsOut,
)
from web.schemas.fields import (
    REGION_NAMES,
    Identifier,
    Instant,
    QueryWhole,
    RegionSlug,
    Shown,
    Text,
    Wanted,
    When,
    field,
    instant_field,
)


class ExplainQuery(Wanted):
    """Which windows are listed, and which instant is asked about."""

    start_time: Instant | None = instant_field(
        "Ask why the job does not run then; any instant, aligned or not.", default=None
    )
    asset_id: Identifier | None = field(
        "Only windows on this asset; with start_time also the asset asked about.",
        allowed="an id of an asset",
        default=None,
    )
    region: RegionSlug | None = field(
        "Only windows on assets of this region.", allowed=REGION_NAMES, default=None
    )
    sort: WindowOrder = field(
        "Order of the windows: by the policy's weights, cost, carbon (least first) or start.",
        allowed=", ".join(WindowOrder),
        default=WindowOrder.OBJECTIVE,
    )
    limit: QueryWhole = field(
        "How many windows a page has.", allowed="1 to 500", default=100, ge=1, le=500
    )
    cursor: Text | None = field(
        "`next_cursor` of the page before.",
        allowed="a cursor from an answer",
        cure="leave cursor out to begin at the first page",
        default=None,
        min_length=1,
        max_length=128,
    )

    def windows(self) -> WindowQuery:
        """Return which windows are listed, in the words of the use case."""
        return WindowQuery(self.sort, self.region, self.asset_id, self.cursor, self.limit)


class BlockedOut(Shown):
    """Better windows that were not available, by the rule that closed them."""

    rule: str
    count: int
    best_start: When
    best_asset_id: str
    better_by_gbp: float | None
    held_by: list[str]


class ShadowOut(Shown):
    """What scarce power would cost a run, per kWh of reserved IT power, by the plan in force."""

    mean_gbp_per_kwh: float
    highest_gbp_per_kwh: float
    run_gbp: float


class CandidateOut(Shown):
    """One window of a job; energy, carbon and cost at the meter. `held_by` names own jobs only, at most 20."""

    asset_id: str
    region: str
    start_time: When
    end_time: When
    energy_kwh: float
    carbon_kg: float | None
    cost_gbp: float | None
    delay_gbp: float | None
    objective_gbp: float | None
    mean_carbon_g_per_kwh: float | None
    mean_price_gbp_per_kwh: float | None
    estimated_share: float
    data_quality: Quality
    feasible: bool
    rule: str | None
    extra_gbp: float | None
    held_by: list[str]
    held_by_own_jobs: int
    held_by_others: int
    shadow: ShadowOut | None


class FlipOut(Shown):
    """The value of carbon at which the runner-up draws level."""

    carbon_price_gbp_per_tonne: float
    runner_up_wins: str | None


class ScarcityOut(Shown):
    """Which plan is in force, and where its power is scarce."""

    negotiation_id: str | None
    planned_at: When | None
    note: str


class DifferenceOut(Shown):
    """A window against the one the job has; positive is more."""

    objective_gbp: float | None
    cost_gbp: float | None
    carbon_kg: float | None
    carbon_gbp: float | None
    delay_gbp: float | None
    moving_gbp: float | None
    """What leaving the present award counts; part of the objective. [GBP]"""


class WhyNotOut(Shown):
    """Why the job does not run at the instant asked about, in one sentence with its numbers."""

    asked_start_time: When
    start_time: When
    asset_id: str
    verdict: str
    sentence: str
    numbers: dict[str, float | None]
    against_chosen: DifferenceOut | None
    candidate: CandidateOut | None


class CheckedRelaxationOut(Shown):
    """A change a refusal offers, and where the job would run with it now; null: its room has been taken since."""

    field: str
    value: Any
    placement: PlacementOut | None


class ExplanationOut(Shown):
    """Why a job stands where it stands, and what would change that."""

    job_id: str
    status: JobStatus
    asked_at: When
    why: str | None
    decision_id: str | None
    negotiation_id: str | None
    chosen: PlacementOut | None
    baseline: PlacementOut | None
    savings: SavingsOut | None
    carbon_price_gbp_per_tonne: float
    runner_up: PlacementOut | None
    flip: FlipOut | None
    blocked: list[BlockedOut]
    options_considered: int
    options_digest: str | None
    best_options: list[PlacementOut]
    latest_start: When | None
    waits_only_if_pays: bool
    deferral: DeferralOut | None
    refusal: RefusalOut | None
    smallest_relaxation: RelaxationOut | None
    relaxations: list[CheckedRelaxationOut]
    freeze_at: When | None
    may_still_move: str
    how_sure: str
    data_quality: Quality | None
    scarcity: ScarcityOut
    why_not: WhyNotOut | None
    candidates: list[CandidateOut]
    candidates_total: int
    candidates_open: int
    next_cursor: str | None
