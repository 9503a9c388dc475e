"""Jobs that bend in shape: one way in to the cheapest run and the lower bound of interruptible and elastic jobs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from models.domain.asset import Asset
from models.domain.job import Flexibility, Job
from models.domain.plan import Segment
from models.domain.time import SLOT, Horizon
from models.optimise import elastic, interruptible
from models.optimise.caps import DUAL_STEPS, NOTHING_SPENT, Multipliers, Quote, Spent
from models.optimise.chunked import NOT_BEGUN, Begun
from models.optimise.options import must_run_on_arrival
from models.optimise.pattern import FINISH_TOLERANCE, Lane, Pattern, bill
from models.optimise.table import FloatArray, PricedTable
from models.optimise.terms import Incumbent, Weights, delay_rate_gbp_per_hour
from models.optimise.transfer import transfer_to


@dataclass(frozen=True, slots=True)
class Progress:
    """What a started job has done before its lanes begin.

    Attributes:
        begun: Half-hours and chunks of an interruptible job.
        work: Work of an elastic job. [half-hours at the full rate]
        spent: Energy, cost and carbon, for caps that cover done and planned.
    """

    begun: Begun = NOT_BEGUN
    work: float = 0.0
    spent: Spent = NOTHING_SPENT


NO_PROGRESS = Progress()


def bends_in_shape(job: Job, own: Asset | None) -> bool:
    """Return whether a job's run may be anything but one contiguous stretch at its own power.

    A pinned job, and one whose cluster runs everything on arrival, is planned as one stretch.
    """
    kinds = (Flexibility.INTERRUPTIBLE, Flexibility.ELASTIC)
    return (
        job.flexibility in kinds and job.pinned_start is None and not must_run_on_arrival(job, own)
    )


def lanes_of(
    job: Job,
    table: PricedTable,
    weights: Weights,
    rows: Sequence[int],
    room_kw: FloatArray,
    *,
    first: int,
    end: float,
    shadow_gbp_per_kwh: FloatArray | None = None,
    sent_to: Incumbent | None = None,
    is_valued_only: bool = False,
) -> list[Lane]:
    """Return the half-hours of some assets that are open to a job.

    Args:
        job: The job; waiting is priced from its run on arrival.
        table: Priced half-hours.
        weights: The objective.
        rows: Asset rows the job may use.
        room_kw: Room that can be had, shape (assets, slots). [kW]
        first: First slot it may use.
        end: Latest finish, counted from the start of the horizon. [half-hours]
        shadow_gbp_per_kwh: λ, shape (assets, slots); None: nothing is scarce. [GBP/kWh of reserved IT power]
        sent_to: The award its data are on their way to.
        is_valued_only: Half-hours that have passed are wanted too, to value what ran in them.

    Returns:
        One lane per row; none where the window is empty. Energy of moving data is weighed in proportion to the energy
        that a run draws.
    """
    end = min(end, float(table.horizon.slots))
    stop = math.ceil(end - FINISH_TOLERANCE)
    first = first if is_valued_only else max(first, table.first_open)
    arrived = _arrival_finish(job, table.horizon)
    lanes = []
    for row in rows:
        moved = transfer_to(job, table, row, weights, first, sent_to)
        if stop <= moved.ready:
            continue
        span = slice(moved.ready, stop)
        pue = table.assets[row].pue
        energy_kwh = job.it_energy_kwh * pue
        share = moved.energy_kwh / energy_kwh
        lanes.append(
            Lane(
                row=row,
                first=moved.ready,
                end=end,
                price_gbp_per_kwh=table.price_gbp_per_kwh[row, span],
                carbon_kg_per_kwh=table.carbon_kg_per_kwh[row, span],
                shadow_gbp_per_kwh=np.zeros(stop - moved.ready)
                if shadow_gbp_per_kwh is None
                else shadow_gbp_per_kwh[row, span],
                room_kw=room_kw[row, span],
                pue=pue * (1.0 + share),
                kappa_gbp_per_kg=weights.kappa_gbp_per_kg,
                arrived=arrived,
                delay_gbp_per_hour=delay_rate_gbp_per_hour(job, energy_kwh, weights),
                charge_gbp_per_kwh=None
                if table.charge_gbp_per_kwh is None
                else table.charge_gbp_per_kwh[row, span],
                transfer_share=share,
            )
        )
    return lanes


def slots_until(instant: datetime, horizon: Horizon) -> float:
    """Return an instant as half-hours from the start of the horizon; it may lie inside one."""
    return (instant - horizon.start) / SLOT


def _arrival_finish(job: Job, horizon: Horizon) -> float:
    start = job.baseline_start or horizon.start_of(horizon.first_index_from(job.release))
    return slots_until(start + job.duration, horizon)


def cheapest(job: Job, lanes: Sequence[Lane], progress: Progress = NO_PROGRESS) -> Pattern | None:
    """Return the cheapest run of an interruptible or elastic job, scarcity included; None where none is found."""
    if job.flexibility is Flexibility.ELASTIC:
        return elastic.cheapest(job, lanes, work_done=progress.work, spent=progress.spent)
    return interruptible.cheapest(job, lanes, begun=progress.begun, spent=progress.spent)


def quote(
    job: Job,
    lanes: Sequence[Lane],
    *,
    steps: int = DUAL_STEPS,
    begin: Sequence[Multipliers] | None = None,
    progress: Progress = NO_PROGRESS,
) -> Quote:
    """Return a lower bound of what any run of an interruptible or elastic job costs at the lanes' prices."""
    if job.flexibility is Flexibility.ELASTIC:
        return elastic.quote(
            job, lanes, steps=steps, begin=begin, work_done=progress.work, spent=progress.spent
        )
    return interruptible.quote(
        job, lanes, steps=steps, begin=begin, begun=progress.begun, spent=progress.spent
    )


def run_of_segments(lane: Lane, segments: Sequence[Segment], horizon: Horizon) -> Pattern | None:
    """Return a stored run priced on a lane; None where it reaches beyond it.

    Args:
        lane: The half-hours it is priced on.
        segments: Stretches of constant power; all but the last end on a half-hour.
        horizon: Of the lane.
    """
    offsets: list[int] = []
    powers: list[float] = []
    shares: list[float] = []
    for segment in segments:
        at = horizon.index_of(segment.start)
        until = slots_until(segment.end, horizon)
        while at < until - FINISH_TOLERANCE:
            offsets.append(at - lane.first)
            powers.append(segment.power_kw)
            shares.append(min(1.0, until - at))
            at += 1
    if not offsets or offsets[0] < 0 or offsets[-1] >= lane.slots:
        return None
    return bill(lane, np.array(offsets), np.array(powers), np.array(shares), is_exact=False)


def arrival_run(job: Job, lane: Lane, horizon: Horizon) -> Pattern | None:
    """Return the run on arrival on a lane: one stretch at full power.

    None where it reaches beyond the lane, and for a job that has no such level.
    """
    levels = [rate for kw, rate in job.power_levels if kw == job.power_kw]
    if job.baseline_start is None or (job.power_levels and levels != [1.0]):
        return None
    whole = Segment(job.baseline_start, job.baseline_start + job.duration, job.power_kw)
    return run_of_segments(lane, (whole,), horizon)
