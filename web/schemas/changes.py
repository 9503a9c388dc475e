"""Answers about what a plan changed against the one before."""

from __future__ import annotations

from models.domain.change import ChangeKind
from models.domain.plan import NegotiationStatus
from web.schemas.fields import Shown, When


class WindowOut(Shown):
    """Where and when a job runs."""

    asset_id: str
    region: str
    start_time: When
    end_time: When


class WorthOut(Shown):
    """What a window costs on one set of signals, at the meter; null is unknown."""

    cost_gbp: float | None
    carbon_kg: float | None
    delay_gbp: float | None
    objective_gbp: float | None
    """cost + value of carbon · carbon + delay at the weights of the new plan. [GBP]"""
    mean_carbon_g_per_kwh: float | None
    mean_price_gbp_per_kwh: float | None


class MoveValuesOut(Shown):
    """Both windows of a move: `then` on the signals of the plan before, `now` on those of this plan."""

    old_window_then: WorthOut
    old_window_now: WorthOut
    new_window_then: WorthOut
    new_window_now: WorthOut
    better_by_gbp: float | None
    """Objective of staying minus that of moving, now; negative: moving is worse. [GBP]"""
    churn_gbp: float
    """What moving itself counted, on top. [GBP]"""


class MadeRoomOut(Shown):
    """Who holds the power of the old window now: own jobs by id, others as a count."""

    job_ids: list[str]
    others: int


class PlanChangeOut(Shown):
    """One job whose answer differs from the plan before."""

    job_id: str
    job_name: str
    kind: ChangeKind
    cause: str
    why: str
    decided_at: When
    before: WindowOut | None
    after: WindowOut | None
    values: MoveValuesOut | None
    """Of moved jobs."""
    made_room_for: MadeRoomOut


class PlanSumsOut(Shown):
    """Sums over jobs that hold a window, or differences of such sums."""

    jobs: int
    cost_gbp: float
    carbon_kg: float
    delay_gbp: float
    churn_gbp: float


class PlanTotalsOut(Shown):
    """The fleet before and after: `before` and the three reasons add up to `after`."""

    before: PlanSumsOut
    because_the_forecast_changed: PlanSumsOut
    because_the_plan_changed: PlanSumsOut
    because_the_work_changed: PlanSumsOut
    after: PlanSumsOut
    unknown_jobs: int
    """Jobs left out of the sums because a figure of theirs is unknown on either side."""


class SignalShiftOut(Shown):
    """How a region's signals changed over the half-hours both plans know and that are still to come."""

    region: str
    carbon_slots: int
    carbon_mean_change_g_per_kwh: float | None
    carbon_largest_change_g_per_kwh: float | None
    price_slots: int
    price_mean_change_gbp_per_kwh: float | None
    price_largest_change_gbp_per_kwh: float | None


class PlanComparisonOut(Shown):
    """A plan against the one before, over every owner's jobs."""

    previous_id: str | None
    previous_at: When | None
    cause: str
    counts: dict[str, int]
    totals: PlanTotalsOut
    signals: list[SignalShiftOut]


class PlanChangesOut(Shown):
    """A page of what a plan changed; `comparison` is null where no plan was committed."""

    negotiation_id: str
    status: NegotiationStatus
    trigger: str
    comparison: PlanComparisonOut | None
    items: list[PlanChangeOut]
    next_cursor: str | None
