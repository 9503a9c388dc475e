"""The savings statement: stages kept apart, sums exact, unknown and excluded jobs counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from models.domain.job import JobStatus
from models.domain.plan import Baseline
from models.domain.ports import JobPlan, JobView
from models.domain.signal import Quality
from services.outturn import Outturn, Side
from services.statement import compose, row_of, totals
from tests.support.fleet import NOON, a_job
from tests.support.stored import a_placement, an_award

DAY = date(2026, 11, 21)
FORBIDDEN_WORDS = ("avoided", "offset", "carbon neutral", "verified")


def a_view(
    job_id: str,
    status: JobStatus,
    *,
    carbon_kg: float | None = 1.0,
    cost_gbp: float | None = 2.0,
    baseline_kg: float | None = 3.0,
    baseline_gbp: float | None = 5.0,
    mode: str = "live",
    is_demo: bool = False,
    outturn: Outturn | None = None,
    start_hours: float = 0.0,
) -> JobView:
    start = NOON + timedelta(hours=start_hours)
    chosen = replace(a_placement(start), carbon_kg=carbon_kg, cost_gbp=cost_gbp, energy_kwh=10.0)
    arrival = replace(a_placement(NOON), carbon_kg=baseline_kg, cost_gbp=baseline_gbp)
    award = replace(an_award(job_id, chosen), baseline=Baseline(arrival))
    plan = JobPlan(
        job_id, "n", "d", NOON, award=award, signals_mode=mode,
        outturn=None if outturn is None else outturn.to_mapping(),
    )  # fmt: skip
    return JobView(a_job(job_id, is_demo=is_demo, status=status), plan, status)


def an_outturn(carbon_kg: float, baseline_kg: float, *, measured: bool = False) -> Outturn:
    side = Side("2026-11-21T12:00:00Z", "2026-11-21T13:00:00Z", 12.0, carbon_kg, 2.5)
    return Outturn(
        status="completed", final=True, computed_at="2026-11-22T00:00:00Z", basis="planned window",
        run=side, baseline=replace(side, carbon_kg=baseline_kg, cost_gbp=4.0),
        energy_is_measured=measured, mean_carbon_g_per_kwh=None, mean_price_gbp_per_kwh=None,
        forecast_carbon_kg=1.0, forecast_cost_gbp=2.0, forecast_saved_carbon_kg=2.0,
        forecast_saved_cost_gbp=3.0, saved_carbon_kg=baseline_kg - carbon_kg, saved_cost_gbp=1.5,
        lost=(), data_quality=Quality.CACHED, carbon_note="latest regional estimate, not metered",
        text="It ran.",
    )  # fmt: skip


def test_planned_confirmed_and_unconfirmed_are_summed_apart() -> None:
    views = [
        a_view("a", JobStatus.SCHEDULED),
        a_view("b", JobStatus.RUNNING),
        a_view("c", JobStatus.COMPLETED, outturn=an_outturn(1.5, 4.0)),
        a_view("d", JobStatus.UNCONFIRMED, carbon_kg=7.0),
    ]
    told = compose(DAY, DAY, views, includes_vat=False)
    assert (told.planned.jobs, told.confirmed.jobs, told.unconfirmed.jobs) == (2, 1, 1)
    # Two planned jobs: 1 kg of 3 kg and £2 of £5 each.
    assert told.planned.carbon_kg == 2.0
    assert told.planned.saved_carbon_kg == 4.0
    assert told.planned.saved_cost_gbp == 6.0
    # The confirmed one by its outturn: 1.5 kg of 4 kg, £2.50 of £4.
    assert told.confirmed.saved_carbon_kg == 2.5
    assert told.confirmed.saved_cost_gbp == 1.5
    assert told.confirmed.energy_kwh == 12.0
    # The unconfirmed one was dirtier than on arrival.
    assert told.unconfirmed.saved_carbon_kg == -4.0
    assert told.unconfirmed.dirtier_jobs == 1


def test_failed_cancelled_and_refused_jobs_are_in_no_statement() -> None:
    views = [a_view("a", s) for s in (JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.PENDING)]
    assert compose(DAY, DAY, views, includes_vat=False).rows == ()


def test_simulated_and_demo_jobs_are_left_out_and_counted() -> None:
    views = [
        a_view("a", JobStatus.COMPLETED, mode="simulated"),
        a_view("b", JobStatus.SCHEDULED, mode="simulated"),
        a_view("c", JobStatus.SCHEDULED, is_demo=True),
        a_view("d", JobStatus.SCHEDULED, mode="replay"),
    ]
    told = compose(DAY, DAY, views, includes_vat=False)
    assert [row.job_id for row in told.rows] == ["d"]
    assert told.excluded_simulated == 2
    assert "2 jobs planned on simulated signals left out" in told.method
    assert "1 demo job left out" in told.method


def test_an_ended_job_without_outturn_shows_its_plan_and_the_method_says_so() -> None:
    told = compose(DAY, DAY, [a_view("a", JobStatus.COMPLETED)], includes_vat=False)
    assert told.confirmed.carbon_kg == 1.0
    assert "1 ended job without final values yet" in told.method


def test_the_method_claims_nothing_it_may_not_claim_and_names_the_baseline() -> None:
    told = compose(DAY, DAY, [], includes_vat=True)
    text = told.method.casefold()
    assert not [word for word in FORBIDDEN_WORDS if word in text]
    assert "location-based" in text
    assert "including vat" in text
    assert "household tariff" in text
    assert told.measured_against.startswith("run on arrival")


def test_measured_energy_is_marked() -> None:
    row = row_of(a_view("a", JobStatus.COMPLETED, outturn=an_outturn(1.0, 2.0, measured=True)))
    assert row is not None
    assert row.energy_is_measured


def test_rows_are_in_order_of_start() -> None:
    views = [
        a_view("late", JobStatus.SCHEDULED, start_hours=5),
        a_view("early", JobStatus.SCHEDULED, start_hours=1),
    ]
    assert [r.job_id for r in compose(DAY, DAY, views, includes_vat=False).rows] == [
        "early",
        "late",
    ]


def test_sums_are_decimal_and_keep_every_penny() -> None:
    # Ten times 0.1 is 0.9999999999999999 in floats.
    rows = [
        row
        for n in range(10)
        if (row := row_of(a_view(str(n), JobStatus.SCHEDULED, cost_gbp=0.1, baseline_gbp=0.3)))
    ]
    assert sum(row.cost_gbp or 0.0 for row in rows) != 1.0
    assert totals(rows).cost_gbp == 1.0
    assert totals(rows).saved_cost_gbp == 2.0


def test_a_job_with_an_unknown_part_counts_as_unknown_and_saves_nothing_there() -> None:
    views = [
        a_view("a", JobStatus.SCHEDULED, baseline_kg=None),
        a_view("b", JobStatus.SCHEDULED, cost_gbp=None),
        a_view("c", JobStatus.SCHEDULED),
    ]
    found = totals(row for view in views if (row := row_of(view)))
    assert found.unknown_jobs == 2
    assert found.carbon_kg == 3.0
    # Carbon is comparable for b and c, cost for a and c.
    assert found.baseline_carbon_kg == 6.0
    assert found.saved_carbon_kg == 4.0
    assert found.cost_gbp == 4.0
    assert found.saved_cost_gbp == pytest.approx(6.0)
