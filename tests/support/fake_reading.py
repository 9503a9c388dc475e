"""What `FakeServices` reads out: grid, board, sums, records, access."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from models.domain.access import Caller
from models.domain.job import JobStatus
from models.domain.plan import Certificate, Placement, PlanMethod
from models.domain.ports import JobFilter
from models.domain.regions import REGIONS
from models.domain.signal import Quality, SignalName
from models.domain.time import SLOT, floor_slot
from services.trade_off import Point, Sums, TradeOff, as_trade_off
from services.types import (
    Board,
    DataLine,
    EnergyRow,
    Happening,
    Need,
    RegionNow,
    Statement,
    StatementRow,
    Statistics,
)
from services.what_if import JobDifference, WhatIf
from tests.support.fake_jobs import FakeJobs
from tests.support.fake_sums import totals_of
from tests.support.sample_grid import (
    KAPPA_GBP_PER_KG,
    data_line,
    energy_row,
)


class FakeReading(FakeJobs):
    """Everything that is looked at, and who may look."""

    slow_points: list[float] = []
    """Values of carbon that a curve does not have at once; a test sets its own list. [GBP/t]"""

    # --- grid -----------------------------------------------------------------------------------

    def data_line(self) -> DataLine:
        return data_line(self.mode)

    def energy_forecast(self, region: str, hours: float) -> tuple[EnergyRow, ...]:
        start = floor_slot(self.now)
        return tuple(
            energy_row(start + k * SLOT, region, self.quality) for k in range(round(hours * 2))
        )

    def energy_current(self, region: str) -> EnergyRow:
        return energy_row(floor_slot(self.now), region, self.quality)

    def energy_history(self, region: str, start: datetime, end: datetime) -> tuple[EnergyRow, ...]:
        slots = (end - floor_slot(start)) // SLOT
        return tuple(
            energy_row(floor_slot(start) + k * SLOT, region, self.quality) for k in range(slots)
        )

    def regions_now(self, at: datetime | None = None) -> tuple[RegionNow, ...]:
        start = floor_slot(at or self.now)
        known = self.quality is not Quality.NONE
        return tuple(
            RegionNow(slug, energy_row(start, slug, self.quality), place.carbon_intensity_id % 5 if known else None,
                      ("very low", "low", "moderate", "high", "very high")[place.carbon_intensity_id % 5] if known else "unknown")
            for slug, place in REGIONS.items()
        )  # fmt: skip

    def forecast_error(self, region: str, signal: SignalName) -> Mapping[str, Any]:
        return {"known": False, "reason": "needs 14 days of archived forecasts"}

    # --- what if --------------------------------------------------------------------------------

    def what_if(self, caller: Caller, carbon_price_gbp_per_tonne: float) -> WhatIf:
        kappa = carbon_price_gbp_per_tonne / 1000

        def worth(place: Placement) -> float:
            return (place.cost_gbp or 0.0) + kappa * (place.carbon_kg or 0.0)

        rows = []
        for view in self.jobs(caller, JobFilter(), limit=10_000).items:
            if view.status in {JobStatus.SCHEDULED, JobStatus.REFUSED}:
                award = view.plan.award if view.plan else None
                best = min(self._options(view.job), key=worth, default=None)
                refusal = view.plan.refusal if view.plan and best is None else None
                rows.append(
                    JobDifference(
                        view.job.job_id, view.job.job_name, award.placement if award else None, best, refusal,
                    )
                )  # fmt: skip
        rows.sort(key=lambda row: row.job_id)
        objective = sum(worth(row.planned) for row in rows if row.planned)
        certificate = Certificate(
            objective, objective, 0.0, 0.0, 0.0, objective, 0.0, 1, 0.01, PlanMethod.GREEDY
        )
        return WhatIf(
            self.now, carbon_price_gbp_per_tonne, KAPPA_GBP_PER_KG * 1000,
            Sums.of(row.planned for row in rows), Sums.of(row.current for row in rows), tuple(rows), 0, certificate,
        )  # fmt: skip

    def trade_off(
        self, caller: Caller, carbon_price_gbp_per_tonne: float, goes_on: bool = False
    ) -> TradeOff:
        """Give every point; where `slow_points` are set, one more of those each time that is asked for."""
        current = KAPPA_GBP_PER_KG * 1000
        if goes_on and self.slow_points:
            self.slow_points.pop(0)
        prices = sorted({0.0, 245.0, 1000.0, current, 10_000.0, carbon_price_gbp_per_tonne})
        return as_trade_off(
            [
                Point(
                    price,
                    self.what_if(caller, price).totals,
                    is_current=price == current,
                    is_asked=price == carbon_price_gbp_per_tonne,
                )
                for price in prices
                if price not in self.slow_points
            ],
            self.slow_points,
        )

    def backtests(self, caller: Caller) -> tuple[Mapping[str, Any], ...]:
        return ()

    # --- pages that sum up ----------------------------------------------------------------------

    def board(self, caller: Caller, *, region: str | None = None) -> Board:
        views = self.jobs(
            caller,
            JobFilter(statuses=frozenset({JobStatus.SCHEDULED, JobStatus.RUNNING})),
            limit=200,
        ).items
        counts = self.statistics(caller).counts if self.fail_with is None else {}
        needs = [
            Need("refused", v.job.job_id, f"{v.job.job_name} does not fit", v.plan.refusal.detail,
                 (("Change it", "change"),))
            for v in self.jobs(caller, JobFilter(), limit=200).items if v.plan and v.plan.refusal
        ] + [
            Need("unconfirmed", v.job.job_id, f"Did {v.job.job_name} run?", "Its window has passed.",
                 (("It ran", "confirm:completed"), ("It did not", "confirm:did_not_run")))
            for v in self.jobs(caller, JobFilter(statuses=frozenset({JobStatus.UNCONFIRMED})), limit=200).items
        ]  # fmt: skip
        chosen = region or "london"
        planned = sorted(
            (v for v in views if v.plan and v.plan.award),
            key=lambda v: v.plan.award.placement.start,
        )
        return Board(
            now=self.now, start=floor_slot(self.now), slots=96, data=self.data_line(),
            sentence=f"{counts.get(JobStatus.SCHEDULED, 0)} jobs planned; {len(needs)} need you.",
            needs=tuple(needs), jobs=tuple(planned), uses=self.asset_uses(caller), region=chosen,
            regions=tuple(sorted({"london", *(a.region for a in self.assets_by_id.values())})),
            rows=self.energy_forecast(chosen, 48),
            happenings=tuple(
                Happening(self.now - timedelta(hours=2), "ran", j.job_id, j.job_name, "ran as planned")
                for j in self.jobs_by_id.values() if j.status is JobStatus.COMPLETED
            ),
            carbon_price_gbp_per_tonne=KAPPA_GBP_PER_KG * 1000,
            has_assets=bool(self.assets_by_id),
            has_demo=any(a.is_demo for a in self.assets_by_id.values()),
            moves=self.moves_news,
        )  # fmt: skip

    def statistics(self, caller: Caller) -> Statistics:
        if self.fail_with is not None:
            raise self.fail_with
        views = self.jobs(caller, JobFilter(), limit=10_000).items
        counts = {status: sum(v.status is status for v in views) for status in JobStatus}
        planned = totals_of([v for v in views if v.status is JobStatus.SCHEDULED])
        return Statistics(
            counts, planned, totals_of([v for v in views if v.status is JobStatus.COMPLETED]),
            planned.baseline_carbon_kg, planned.baseline_cost_gbp, 3.5 if planned.jobs else None,
            {"max_price": counts[JobStatus.REFUSED]} if counts[JobStatus.REFUSED] else {}, self.data_line(),
        )  # fmt: skip

    def statement(self, caller: Caller, start_on: date, end_on: date) -> Statement:
        stages = {
            JobStatus.SCHEDULED: "planned", JobStatus.COMPLETED: "confirmed", JobStatus.UNCONFIRMED: "unconfirmed",
        }  # fmt: skip
        views = [
            v
            for v in self.jobs(caller, JobFilter(), limit=10_000).items
            if v.status in stages and v.plan and v.plan.award
        ]
        rows = tuple(
            StatementRow(
                v.job.job_id, v.job.job_name, v.status, stages[v.status], p.start, p.end, p.region, p.energy_kwh,
                v.job.measured_energy_kwh is not None, p.carbon_kg, p.cost_gbp,
                b.carbon_kg if b else None, b.cost_gbp if b else None, p.data_quality,
            )
            for v in views
            for p, b in [(v.plan.award.placement, v.plan.award.baseline.placement)]
            if start_on <= p.start.date() <= end_on
        )  # fmt: skip
        by_stage = {
            s: totals_of([v for v in views if stages[v.status] == s]) for s in stages.values()
        }
        return Statement(
            start_on, end_on, by_stage["planned"], by_stage["confirmed"], by_stage["unconfirmed"], rows, 0,
            "run on arrival", "Computed from the signals of each plan; estimated, average location-based.",
        )  # fmt: skip
