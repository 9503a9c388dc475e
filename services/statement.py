"""The savings statement of a period: planned, confirmed and unconfirmed kept apart, each against run on arrival.

Only confirmed runs count as confirmed; what was planned on simulated signals, and the demo, is left out and counted.
Sums are Decimal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from models.domain.access import Caller
from models.domain.errors import FieldError, InvalidRequest
from models.domain.job import JobStatus
from models.domain.ports import JobFilter, JobView
from models.domain.time import floor_slot, london_midnight
from services import outturn
from services.context import Context
from services.holding import every_page
from services.memo import Dated, Memo, first_end, state_of
from services.types import Statement, StatementRow, Totals

MEASURED_AGAINST = "run on arrival: each job alone on its own cluster from the first half-hour after it was accepted"
"""The baseline every figure of a statement is measured against."""

LONGEST_DAYS = 366
"""Longest period of one statement. [d]"""

PLANNED, CONFIRMED, UNCONFIRMED = "planned", "confirmed", "unconfirmed"

_STAGES = {
    JobStatus.SCHEDULED: PLANNED,
    JobStatus.RUNNING: PLANNED,
    JobStatus.COMPLETED: CONFIRMED,
    JobStatus.UNCONFIRMED: UNCONFIRMED,
}

_statements: Memo[Dated[Statement]] = Memo(4)


def show(context: Context, caller: Caller, start_on: date, end_on: date) -> Statement:
    """Return the statement of the jobs whose run starts in a period.

    Args:
        context: Ports.
        caller: Whose jobs; an auditor sees every owner's.
        start_on: First London date.
        end_on: Last London date, included.

    Raises:
        InvalidRequest: If the period is empty or longer than 366 days.
    """
    days = (end_on - start_on).days + 1
    if not 1 <= days <= LONGEST_DAYS:
        text = f"a statement covers 1 to {LONGEST_DAYS} days, not {days} ({start_on} to {end_on})"
        raise InvalidRequest(
            text,
            (
                FieldError(
                    "end", text, end_on.isoformat(), f"from {start_on} on, {LONGEST_DAYS} days"
                ),
            ),
        )
    now = context.clock.now()
    period = JobFilter(
        owner=caller.sees_owner,
        statuses=frozenset(_STAGES),
        start_after=london_midnight(start_on),
        start_before=london_midnight(end_on + timedelta(days=1)),
    )
    with context.uow() as uow:
        key = (caller.sees_owner, start_on, end_on, floor_slot(now), state_of(uow))
        vat = context.settings.prices_include_vat

        def made() -> Dated[Statement]:
            views = every_page(uow, period, now)
            found = compose(start_on, end_on, views, includes_vat=vat)
            return Dated(found, first_end(views, now))

        return _statements.get(context, key, made, lambda kept: kept.holds_at(now)).answer


def compose(
    start_on: date, end_on: date, views: Iterable[JobView], *, includes_vat: bool
) -> Statement:
    """Return the statement of some jobs with awards; pure."""
    kept: list[StatementRow] = []
    simulated = demo = 0
    without_outturn = 0
    for view in views:
        row = row_of(view)
        if row is None or view.plan is None:
            continue
        if view.plan.signals_mode == "simulated":
            simulated += 1
            continue
        if view.job.is_demo:
            demo += 1
            continue
        if row.stage != PLANNED and view.plan.outturn is None:
            without_outturn += 1
        kept.append(row)
    kept.sort(key=lambda row: (row.start, row.job_id))
    by_stage = {
        stage: totals(row for row in kept if row.stage == stage)
        for stage in (PLANNED, CONFIRMED, UNCONFIRMED)
    }
    return Statement(
        start_on=start_on,
        end_on=end_on,
        planned=by_stage[PLANNED],
        confirmed=by_stage[CONFIRMED],
        unconfirmed=by_stage[UNCONFIRMED],
        rows=tuple(kept),
        excluded_simulated=simulated,
        measured_against=MEASURED_AGAINST,
        method=_method(simulated, demo, without_outturn, includes_vat=includes_vat),
    )


def row_of(view: JobView) -> StatementRow | None:
    """Return a job as a row: its outturn where there is one, else what its plan expected; None without an award."""
    stage = _STAGES.get(view.status)
    if stage is None or view.plan is None or view.plan.award is None:
        return None
    award = view.plan.award
    placed, arrival = award.placement, award.baseline.placement
    known = outturn.of(view) if stage != PLANNED else None
    if known is not None:
        energy_kwh, carbon_kg, cost_gbp = (
            known.run.energy_kwh,
            known.run.carbon_kg,
            known.run.cost_gbp,
        )
        baseline_kg = known.baseline.carbon_kg if known.baseline else None
        baseline_gbp = known.baseline.cost_gbp if known.baseline else None
        quality = known.data_quality
    else:
        energy_kwh, carbon_kg, cost_gbp = placed.energy_kwh, placed.carbon_kg, placed.cost_gbp
        baseline_kg = arrival.carbon_kg if arrival else None
        baseline_gbp = arrival.cost_gbp if arrival else None
        quality = placed.data_quality
    return StatementRow(
        job_id=view.job.job_id,
        job_name=view.job.job_name,
        status=view.status,
        stage=stage,
        start=placed.start,
        end=placed.end,
        region=placed.region,
        energy_kwh=energy_kwh,
        energy_is_measured=known is not None and known.energy_is_measured,
        carbon_kg=carbon_kg,
        cost_gbp=cost_gbp,
        baseline_carbon_kg=baseline_kg,
        baseline_cost_gbp=baseline_gbp,
        data_quality=quality,
    )


@dataclass
class _Pair:
    """Sums of one quantity over the jobs where it is known, and over those where both sides are."""

    run: Decimal = Decimal(0)
    baseline: Decimal = Decimal(0)
    saved: Decimal = Decimal(0)

    def add(self, run: float | None, baseline: float | None) -> bool:
        """Add a job; return whether both sides were known."""
        if run is None:
            return False
        self.run += _exact(run)
        if baseline is None:
            return False
        self.baseline += _exact(baseline)
        self.saved += _exact(baseline) - _exact(run)
        return True


def totals(rows: Iterable[StatementRow]) -> Totals:
    """Return sums over some rows, added exactly.

    Carbon and cost sum what is known; baseline and saving only the jobs where both sides are known. Jobs with any part
    unknown are counted in `unknown_jobs`.
    """
    energy = Decimal(0)
    carbon, cost = _Pair(), _Pair()
    jobs = unknown = dirtier = 0
    for row in rows:
        jobs += 1
        energy += _exact(row.energy_kwh)
        knows_carbon = carbon.add(row.carbon_kg, row.baseline_carbon_kg)
        knows_cost = cost.add(row.cost_gbp, row.baseline_cost_gbp)
        unknown += not (knows_carbon and knows_cost)
        if row.carbon_kg is not None and row.baseline_carbon_kg is not None:
            dirtier += row.carbon_kg > row.baseline_carbon_kg + 1e-9
    return Totals(
        jobs=jobs,
        energy_kwh=float(energy),
        carbon_kg=float(carbon.run),
        cost_gbp=float(cost.run),
        saved_carbon_kg=float(carbon.saved),
        saved_cost_gbp=float(cost.saved),
        baseline_carbon_kg=float(carbon.baseline),
        baseline_cost_gbp=float(cost.baseline),
        unknown_jobs=unknown,
        dirtier_jobs=dirtier,
    )


def _exact(amount: float) -> Decimal:
    """Return a float as the shortest decimal that reads back as it."""
    return Decimal(repr(amount))


def _method(simulated: int, demo: int, without_outturn: int, *, includes_vat: bool) -> str:
    vat = "including VAT" if includes_vat else "excluding VAT"
    sentences = [
        (
            "Estimated difference in location-based emissions and in cost against running each job on arrival "
            "(alone, on its own cluster, from the first half-hour after it was accepted)."
        ),
        (
            "Carbon is energy at the meter (IT × PUE) times the average regional intensity of the GB Carbon Intensity "
            "API: CO2 of generation only; regional values are model estimates and are never metered."
        ),
        (
            f"Cost uses Octopus Agile prices {vat}: a household tariff taken for its price shape, which swings "
            "more than a business bill does."
        ),
        (
            "Planned rows use what was known when the job was last planned; confirmed and unconfirmed rows use the last "
            "values published for the same half-hours."
        ),
        "A window that nobody confirmed is listed as unconfirmed and counts in no confirmed total.",
        (
            "A difference of averages is not a measured effect on the grid; which plant answers a shift in demand is "
            "not known here."
        ),
    ]
    if without_outturn:
        sentences.append(
            f"{without_outturn} ended {_jobs(without_outturn)} without final values yet: the plan's figures stand in."
        )
    if simulated:
        sentences.append(f"{simulated} {_jobs(simulated)} planned on simulated signals left out.")
    if demo:
        sentences.append(f"{demo} demo {_jobs(demo)} left out.")
    return " ".join(sentences)


def _jobs(count: int) -> str:
    return "job" if count == 1 else "jobs"
