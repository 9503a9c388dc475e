"""The cheapest run of a job that bends in shape that begins in a given half-hour.

The cheapest run of all need not begin there. So what must come first is fixed (a first chunk of an interruptible job, a
first half-hour at each power of an elastic one), and the rest is found as that of a run which has started.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from models.domain.job import Flexibility, Job
from models.optimise.caps import Caps, Spent
from models.optimise.chunked import Begun
from models.optimise.flexible import Progress, cheapest
from models.optimise.levels import levels_of, work_of
from models.optimise.pattern import FINISH_TOLERANCE, Lane, Pattern, bill
from models.optimise.table import TOLERANCE_KW

LEAST_SHARE = 0.1
"""A job that may run at any power from 0 begins with at least this share of its full power."""


def cheapest_from(job: Job, lane: Lane) -> Pattern | None:
    """Return the cheapest run known that begins in the first half-hour of a lane; None where none is known.

    With mean caps one may be missed, as by `flexible.cheapest`.

    Args:
        job: An interruptible or elastic job that has not started.
        lane: The half-hours from the one in which it shall begin.
    """
    free = cheapest(job, (lane,))
    if free is not None and free.start == lane.first:
        return free
    found = [
        run
        for power_kw, count, progress in _beginnings(job, lane)
        if (run := _with_rest(job, lane, power_kw, count, progress)) is not None
    ]
    return min(found, key=lambda run: (run.tier, run.priced_gbp), default=None)


def _beginnings(job: Job, lane: Lane) -> Iterator[tuple[float, int, Progress]]:
    """Yield what a run may begin with: power, half-hours, and how far it has then come."""
    room_kw = float(lane.room_kw[0]) + TOLERANCE_KW
    if job.flexibility is Flexibility.INTERRUPTIBLE:
        count = job.min_run_slots
        yield job.power_kw, count, Progress(begun=Begun(count, 1, is_running=True))
        return
    levels = levels_of(job)
    if levels.is_linear:
        least = max(levels.lowest_kw, LEAST_SHARE * levels.full_kw)
        powers = [least, min(levels.full_kw, max(least, room_kw - TOLERANCE_KW))]
        choices = [(kw, kw / levels.full_kw) for kw in dict.fromkeys(powers)]
    else:
        choices = list(zip(levels.power_kw.tolist(), levels.rate.tolist(), strict=True))
    for power_kw, rate in choices:
        if power_kw <= room_kw:
            yield power_kw, 1, Progress(work=rate)


def _with_rest(
    job: Job, lane: Lane, power_kw: float, count: int, progress: Progress
) -> Pattern | None:
    """Return the cheapest run with a given beginning, or None."""
    left = _work_left(job, count, progress)
    shares = np.ones(count)
    if left <= FINISH_TOLERANCE:
        shares[-1] += left / (1.0 if not progress.work else progress.work)
    fits = count <= lane.slots and bool(
        (lane.room_kw[:count] >= power_kw - TOLERANCE_KW).all()
        and (lane.usable_share()[:count] >= shares - FINISH_TOLERANCE).all()
    )
    if not fits:
        return None
    first = bill(lane, np.arange(count), np.full(count, power_kw), shares, is_exact=False)
    if left <= FINISH_TOLERANCE:
        return first if first.tier > 0 or Caps.of(job).are_kept(first) else None
    if first.tier > 0:  # Caps bind only what is known.
        job = replace(job, carbon_cap_g_per_kwh=None, max_price_gbp_per_kwh=None)
    else:
        spent = Spent(first.energy_kwh, first.cost_gbp, first.carbon_kg)
        progress = replace(progress, spent=spent)
    rest = cheapest(job, (_after(lane, count),), progress) if count < lane.slots else None
    if rest is None:
        return None
    return bill(
        lane,
        np.concatenate([np.arange(count), rest.slot - lane.first]),
        np.concatenate([first.power_kw, rest.power_kw]),
        np.concatenate([first.share, rest.share]),
        is_exact=False,
    )


def _work_left(job: Job, count: int, progress: Progress) -> float:
    """Return what a beginning leaves to do, at most 0 where it is a whole run. [half-hours at its rate or at full power]"""
    return work_of(job) - (progress.work if progress.work else float(count))


def _after(lane: Lane, count: int) -> Lane:
    """Return a lane without its first half-hours."""
    return replace(
        lane,
        first=lane.first + count,
        price_gbp_per_kwh=lane.price_gbp_per_kwh[count:],
        carbon_kg_per_kwh=lane.carbon_kg_per_kwh[count:],
        shadow_gbp_per_kwh=lane.shadow_gbp_per_kwh[count:],
        room_kw=lane.room_kw[count:],
    )
