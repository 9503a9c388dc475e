"""What finished awards turned out to cost, on the last values published for the same half-hours.

Regions have no carbon actuals: a regional outturn is the *latest regional estimate, not metered*. The run on arrival
is valued on the same values, with the same energy, so that a plan that lost says so. `settle` stores an outturn once
it is final; the stored mapping is `Outturn.to_mapping()`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from agents.wording import money_text, significant, when
from models.domain.job import JobStatus
from models.domain.plan import Placement, Segment
from models.domain.ports import JobFilter, JobView
from models.domain.signal import Quality, RegionSignals, worst_quality
from models.domain.time import SLOT, Horizon, ceil_slot, floor_slot, format_utc
from services import change_records
from services.context import Context
from services.holding import every_page
from services.memo import Memo
from services.valuation import Valuation, meter_factor, value, with_transfer

GIVE_UP_AFTER = timedelta(hours=24)
"""An outturn is stored this long after the run even if some half-hours are still unknown."""

LOOK_BACK = timedelta(days=16)
"""Awards that started earlier are not settled any more: a run lasts at most 14 days."""

ENDED = frozenset({JobStatus.COMPLETED, JobStatus.UNCONFIRMED})
"""Statuses of awards that have an outturn."""

NOT_METERED = "latest regional estimate, not metered"
METERED = "national actual where published, else latest estimate"

_UNSETTLED = frozenset({Quality.NONE, Quality.STALE, Quality.ESTIMATED})

_nothing_to_do: Memo[bool] = Memo()


@dataclass(frozen=True)
class Side:
    """One side of the comparison: the run, or its run on arrival. At the meter; None is unknown.

    Cost and carbon of a run in another region are with moving its data there, as in the plan.
    """

    start: str
    end: str
    energy_kwh: float
    carbon_kg: float | None
    cost_gbp: float | None


@dataclass(frozen=True)
class Outturn:
    """What an award turned out to cost; every field survives a trip through JSON."""

    status: str
    """Status of the job it was computed for, `completed` or `unconfirmed`."""
    final: bool
    computed_at: str
    basis: str
    """`confirmed times` or `planned window`."""
    run: Side
    baseline: Side | None
    """Run on arrival with the same energy."""
    energy_is_measured: bool
    mean_carbon_g_per_kwh: float | None
    mean_price_gbp_per_kwh: float | None
    forecast_carbon_kg: float | None
    """What the plan expected of this run. [kg]"""
    forecast_cost_gbp: float | None
    forecast_saved_carbon_kg: float | None
    forecast_saved_cost_gbp: float | None
    saved_carbon_kg: float | None
    """Baseline minus run; negative: it lost."""
    saved_cost_gbp: float | None
    lost: tuple[str, ...]
    """`carbon`, `cost`: where the run was worse than on arrival."""
    data_quality: Quality
    carbon_note: str
    text: str

    def to_mapping(self) -> dict[str, Any]:
        """Return the form that is stored."""
        return {**asdict(self), "data_quality": str(self.data_quality), "lost": list(self.lost)}

    @classmethod
    def from_mapping(cls, stored: Mapping[str, Any]) -> Outturn:
        """Return what `to_mapping` wrote."""
        baseline = stored["baseline"]
        return cls(
            **{
                **stored,
                "run": Side(**stored["run"]),
                "baseline": None if baseline is None else Side(**baseline),
                "lost": tuple(stored["lost"]),
                "data_quality": Quality(stored["data_quality"]),
            }
        )


def of(view: JobView) -> Outturn | None:
    """Return the stored outturn of a job, if it has one."""
    stored = view.plan.outturn if view.plan else None
    return None if stored is None else Outturn.from_mapping(stored)


def is_wanted(view: JobView, mode: str, now: datetime) -> bool:
    """Return whether a job's run is over and its outturn is missing or no longer about what was confirmed."""
    plan = view.plan
    if plan is None or plan.award is None or plan.signals_mode != mode:
        return False
    arrival = plan.award.baseline.placement
    ends = [run_end(view)] + ([arrival.end] if arrival else [])
    if view.job.status not in ENDED or max(ends) > now:
        return False
    known = of(view)
    if known is None:
        return True
    has_measure = view.job.measured_energy_kwh is not None
    return known.status != str(view.job.status) or known.energy_is_measured != has_measure


def run_end(view: JobView) -> datetime:
    """Return when the run ended: as confirmed, else as planned."""
    assert view.plan is not None
    assert view.plan.award is not None
    if _has_real_times(view) and view.job.ended_at is not None:
        return view.job.ended_at
    return view.plan.award.placement.end


def measure(view: JobView, signals: Mapping[str, RegionSignals], now: datetime) -> Outturn:
    """Return what an award turned out to cost.

    Args:
        view: A job whose award has ended.
        signals: Last published values by region, over the run and the run on arrival.
        now: Planning clock.
    """
    assert view.plan is not None
    assert view.plan.award is not None
    job, award = view.job, view.plan.award
    planned, arrival = award.placement, award.baseline.placement
    segments = _real_segments(view) if _has_real_times(view) else planned.segments
    pue = meter_factor(planned)
    worth = value(segments, pue, signals[planned.region])
    moved = with_transfer(worth, planned.transfer_kwh)
    scale = 1.0
    if job.measured_energy_kwh is not None and worth.energy_kwh > 0.0:
        scale = job.measured_energy_kwh / worth.energy_kwh
    run = _with_data(_side(segments, worth, scale), worth, moved)
    baseline, baseline_worth = None, None
    if arrival is not None:
        baseline_worth = value(arrival.segments, meter_factor(arrival), signals[arrival.region])
        same_work = run.energy_kwh / planned.energy_kwh if planned.energy_kwh > 0.0 else 1.0
        baseline = _side(arrival.segments, baseline_worth, same_work)
    saved_kg = _less(baseline.carbon_kg if baseline else None, run.carbon_kg)
    saved_gbp = _less(baseline.cost_gbp if baseline else None, run.cost_gbp)
    qualities = [worth.quality] + ([baseline_worth.quality] if baseline_worth else [])
    quality = worst_quality(qualities)
    lost = [n for n, saved in (("carbon", saved_kg), ("cost", saved_gbp)) if _is_loss(saved)]
    found = Outturn(
        status=str(job.status),
        final=quality not in _UNSETTLED or now >= run_end(view) + GIVE_UP_AFTER,
        computed_at=format_utc(now),
        basis="confirmed times" if _has_real_times(view) else "planned window",
        run=run,
        baseline=baseline,
        energy_is_measured=job.measured_energy_kwh is not None,
        mean_carbon_g_per_kwh=worth.mean_carbon_g_per_kwh,
        mean_price_gbp_per_kwh=worth.mean_price_gbp_per_kwh,
        forecast_carbon_kg=planned.carbon_kg,
        forecast_cost_gbp=planned.cost_gbp,
        forecast_saved_carbon_kg=award.savings.carbon_kg,
        forecast_saved_cost_gbp=award.savings.cost_gbp,
        saved_carbon_kg=saved_kg,
        saved_cost_gbp=saved_gbp,
        lost=tuple(lost),
        data_quality=quality,
        carbon_note=METERED if planned.region == "gb" else NOT_METERED,
        text="",
    )
    return replace(found, text=sentence(found, segments[0].start))


def sentence(found: Outturn, start: datetime) -> str:
    """Return an outturn in one sentence: what it cost, against the forecast and against arrival."""
    parts = []
    if found.run.cost_gbp is not None:
        expected = found.forecast_cost_gbp
        forecast = "" if expected is None else f" ({money_text(expected)} forecast)"
        parts.append(f"{money_text(found.run.cost_gbp)}{forecast}")
    if found.run.carbon_kg is not None:
        kilograms = found.forecast_carbon_kg
        forecast = "" if kilograms is None else f" ({significant(kilograms)} kg forecast)"
        parts.append(f"{significant(found.run.carbon_kg)} kg CO2{forecast}")
    if not parts:
        return f"The half-hours from {when(start)} have no published values, so the outturn is unknown."
    against = []
    if found.saved_cost_gbp is not None:
        word = "less" if found.saved_cost_gbp >= 0 else "more"
        against.append(f"{money_text(abs(found.saved_cost_gbp))} {word}")
    if found.saved_carbon_kg is not None:
        word = "less" if found.saved_carbon_kg >= 0 else "more"
        against.append(f"{significant(abs(found.saved_carbon_kg))} kg {word}")
    tail = f"; {' and '.join(against)} than on arrival" if against else ""
    verdict = f", so it lost on {' and '.join(found.lost)}" if found.lost else ""
    head = "Turned out at" if found.status == str(JobStatus.COMPLETED) else "If it ran:"
    return f"{head} {' and '.join(parts)}{tail}{verdict}; carbon is the {found.carbon_note}."


def settle(context: Context) -> int:
    """Compute and store every outturn that has become final; return how many.

    Safe to call often and from several processes: nothing is stored twice for one state of a job. Ended jobs are looked
    through again when another one ends or is confirmed, and in each new half-hour.
    """
    now, mode = context.clock.now(), context.signals.mode
    with context.uow() as uow:
        counts = uow.jobs.counts(None, now)
        key = (mode, floor_slot(now), *(counts[status] for status in sorted(ENDED)))
        if _nothing_to_do.peek(context, key):
            return 0
        recent = JobFilter(statuses=ENDED, start_after=now - LOOK_BACK, start_before=now)
        wanted = [view for view in every_page(uow, recent, now) if is_wanted(view, mode, now)]
    stored = 0
    if wanted:
        signals = _published(context, wanted)
        finished = [(view, measure(view, signals, now)) for view in wanted]
        stored = sum(_save(context, view, found) for view, found in finished if found.final)
    if not stored:
        _nothing_to_do.get(context, key, lambda: True)
    return stored


def _published(context: Context, views: Iterable[JobView]) -> dict[str, RegionSignals]:
    spans: list[tuple[datetime, datetime]] = []
    regions: set[str] = set()
    for view in views:
        assert view.plan is not None
        assert view.plan.award is not None
        placed: list[Placement | None] = [
            view.plan.award.placement,
            view.plan.award.baseline.placement,
        ]
        for one in placed:
            if one is not None:
                regions.add(one.region)
                spans.append((one.start, one.end))
        if view.job.started_at is not None:
            spans.append((view.job.started_at, run_end(view)))
    start = floor_slot(min(start for start, _ in spans))
    end = ceil_slot(max(end for _, end in spans))
    return context.signals.view(sorted(regions), Horizon(start, max(1, (end - start) // SLOT)))


def _save(context: Context, view: JobView, found: Outturn) -> bool:
    """Store one outturn with its record; False where the job changed or another process was quicker."""
    now = context.clock.now()
    with context.uow(write=True) as uow:
        fresh = uow.jobs.view(view.job.job_id, now)
        if fresh.job != view.job or fresh.plan is None or fresh.plan != view.plan:
            return False
        uow.plans.save_outturn(view.job.job_id, found.to_mapping())
        uow.decisions.append(
            change_records.outcome(
                context, "outturn", "outturn", fresh.job, fresh.plan, found.to_mapping()
            )
        )
        uow.commit()
    return True


def _has_real_times(view: JobView) -> bool:
    job = view.job
    return (
        job.status is JobStatus.COMPLETED
        and job.started_at is not None
        and job.ended_at is not None
        and job.ended_at > job.started_at
    )


def _real_segments(view: JobView) -> tuple[Segment, ...]:
    """Return the planned power laid over the confirmed times; the last power lasts to the confirmed end."""
    assert view.plan is not None
    assert view.plan.award is not None
    start, end = view.job.started_at, view.job.ended_at
    assert start is not None
    assert end is not None
    planned = view.plan.award.placement.segments
    shift = start - planned[0].start
    moved = [Segment(s.start + shift, s.end + shift, s.power_kw) for s in planned]
    kept = [replace(s, end=min(s.end, end)) for s in moved if s.start < end]
    kept[-1] = replace(kept[-1], end=end)
    return tuple(kept)


def _side(segments: tuple[Segment, ...], worth: Valuation, scale: float) -> Side:
    def scaled(amount: float | None) -> float | None:
        return None if amount is None else amount * scale

    return Side(
        format_utc(segments[0].start),
        format_utc(segments[-1].end),
        worth.energy_kwh * scale,
        scaled(worth.carbon_kg),
        scaled(worth.cost_gbp),
    )


def _with_data(run: Side, worth: Valuation, moved: Valuation) -> Side:
    """Return the run with the carbon and cost of moving its data, which no measured energy scales."""
    return replace(
        run,
        carbon_kg=_more(run.carbon_kg, worth.carbon_kg, moved.carbon_kg),
        cost_gbp=_more(run.cost_gbp, worth.cost_gbp, moved.cost_gbp),
    )


def _more(total: float | None, before: float | None, after: float | None) -> float | None:
    return total if total is None or before is None or after is None else total + (after - before)


def _less(baseline: float | None, run: float | None) -> float | None:
    return None if baseline is None or run is None else baseline - run


def _is_loss(saved: float | None) -> bool:
    return saved is not None and saved < -1e-9
