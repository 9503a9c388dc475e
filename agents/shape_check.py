"""Whether a run has the shape its job asks for: written for the Policy Agent's veto, apart from the code that makes runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from models.domain.job import Flexibility, Job
from models.domain.time import SLOT
from models.optimise.assignment import Options
from models.optimise.pattern_options import PatternOptions
from models.optimise.table import FloatArray, IntArray

NEAR_KW = 1e-6
"""Powers this close are the same. [kW]"""

NEAR_WORK = 1e-6
"""Work may differ by this share from what is needed, for rounding."""


@dataclass(frozen=True)
class Run:
    """An award in half-hours; arrays in the order of time.

    Attributes:
        row: Asset row.
        slots: Used, at least one.
        power_kw: IT power in each. [kW]
        share: Part of each in which it is drawn.
    """

    row: int
    slots: IntArray
    power_kw: FloatArray
    share: FloatArray


def run_of(mine: Options, pick: int) -> Run:
    """Return one option of a job as half-hours."""
    if isinstance(mine, PatternOptions):
        run = mine.pool[pick]
        return Run(run.row, run.slot, run.power_kw, run.share)
    job, start = mine.job, int(mine.start[pick])
    share = np.ones(job.slots)
    share[-1] = (job.duration - (job.slots - 1) * SLOT) / SLOT
    slots = np.arange(start, start + job.slots, dtype=np.int64)
    return Run(int(mine.asset_row[pick]), slots, np.asarray(job.slot_power_kw()), share)


def shape_fault(job: Job, run: Run) -> str | None:
    """Return what is wrong with the shape of a run, or None."""
    if (np.diff(run.slots) <= 0).any():
        return "half-hours out of order"
    if (run.share[:-1] < 1.0).any() or run.share[-1] <= 0.0 or run.share[-1] > 1.0:
        return "only its last half-hour may be used in part"
    chunks = np.split(run.slots, np.flatnonzero(np.diff(run.slots) > 1) + 1)
    if job.flexibility is Flexibility.ELASTIC and len(run.slots) > 0 and _varies(job, run):
        return _work_fault(job, run)
    if not np.allclose(run.power_kw, _expected_kw(job, run), rtol=0.0, atol=NEAR_KW):
        return "draws another power than the job's"
    if job.flexibility is not Flexibility.INTERRUPTIBLE and len(chunks) > 1:
        return "it may not be interrupted"
    if len(chunks) > job.max_chunks:
        return f"{len(chunks)} chunks, at most {job.max_chunks} are allowed"
    if len(chunks) > 1 and min(chunk.size for chunk in chunks) < job.min_run_slots:
        return f"a chunk is shorter than {job.min_run_slots} half-hours"
    needed = job.duration + (len(chunks) - 1) * timedelta(minutes=job.checkpoint_minutes)
    runs_for = float(run.share.sum()) * SLOT
    if abs(runs_for - needed) > timedelta(seconds=1):
        return f"runs for {runs_for}, needs {needed}"
    return None


def _varies(job: Job, run: Run) -> bool:
    """Return whether a run is not simply the job at full power in one stretch."""
    whole = float(run.share.sum()) * SLOT
    is_full = np.allclose(run.power_kw, job.power_kw, rtol=0.0, atol=NEAR_KW)
    is_one = not (np.diff(run.slots) > 1).any()
    return not (is_full and is_one and abs(whole - job.duration) <= timedelta(seconds=1))


def _expected_kw(job: Job, run: Run) -> FloatArray:
    if job.power_profile_kw and len(job.power_profile_kw) == run.slots.size:
        return np.asarray(job.power_profile_kw)
    return np.full(run.slots.size, job.power_kw)


def _work_fault(job: Job, run: Run) -> str | None:
    """Return whether an elastic run uses powers it may not use, or does other work than is needed."""
    if job.power_levels:
        table = {round(kw, 6): rate for kw, rate in job.power_levels}
        rates = [table.get(round(float(kw), 6)) for kw in run.power_kw]
        if any(rate is None for rate in rates):
            return "draws a power that is none of its levels"
        rate = np.array(rates, dtype=np.float64)
    else:
        least = job.min_power_kw or 0.0
        outside = (run.power_kw > job.power_kw + NEAR_KW) | (run.power_kw < least - NEAR_KW)
        if outside.any():
            return f"draws a power outside {least:g} to {job.power_kw:g} kW"
        rate = run.power_kw / job.power_kw
    done, needed = float(rate @ run.share), job.duration / SLOT
    if abs(done - needed) > NEAR_WORK * max(needed, 1.0):
        return f"does {done:g} half-hours of work at full rate, needs {needed:g}"
    return None
