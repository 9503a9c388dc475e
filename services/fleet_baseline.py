"""The fleet baseline: the same jobs, first come first served within the same capacity.

Pure: jobs, assets and signals in, a placement per job out. Each job runs on its own asset at the first half-hour
from its release at which that asset has room for the whole run and its predecessors have finished. It knows
neither prices nor carbon nor deadlines: that is what makes it a baseline. Jobs that would end late are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from models.domain.asset import Asset
from models.domain.job import Job
from models.domain.signal import Quality, RegionSignals
from models.domain.time import SLOT, ceil_slot
from services.valuation import Valuation, job_segments, value

TOLERANCE_KW = 1e-6
"""Slack in a comparison of powers. [kW]"""

MAX_WAIT_SLOTS = 5_000
"""Half-hours searched for room before a job is left out (about 104 days)."""


@dataclass(frozen=True)
class FleetBaseline:
    """Where first come first served would have put the jobs, and what that would cost."""

    starts: Mapping[str, datetime]
    """Start by job id; jobs that found no room at all are missing."""
    values: Mapping[str, Valuation]
    """Cost and carbon by job id, at the meter."""
    late: tuple[str, ...]
    """Jobs that would have ended after their deadline."""
    left_out: tuple[str, ...]
    """Jobs whose asset is not known, or that never fit it."""

    @property
    def carbon_kg(self) -> float | None:
        """Return the sum over all jobs, None where a part of it is unknown or a job is left out. [kg]"""
        return self._total([worth.carbon_kg for worth in self.values.values()])

    @property
    def cost_gbp(self) -> float | None:
        """Return the sum over all jobs, None where a part of it is unknown or a job is left out. [GBP]"""
        return self._total([worth.cost_gbp for worth in self.values.values()])

    def valued(
        self,
        jobs: Iterable[Job],
        assets: Mapping[str, Asset],
        signals: Mapping[str, RegionSignals],
    ) -> FleetBaseline:
        """Return the same starts valued on signals by region; without its region a job's value is unknown."""
        placed = [job for job in jobs if job.job_id in self.starts]
        values = {
            job.job_id: _worth(
                job,
                assets[job.asset_id],
                self.starts[job.job_id],
                signals.get(assets[job.asset_id].region),
            )
            for job in placed
        }
        return replace(self, values=values)

    def _total(self, parts: list[float | None]) -> float | None:
        known = [part for part in parts if part is not None]
        if self.left_out or len(known) < len(parts):
            return None
        return sum(known)


def first_come_first_served(
    jobs: Iterable[Job], assets: Mapping[str, Asset], signals: Mapping[str, RegionSignals]
) -> FleetBaseline:
    """Place jobs in order of release (then acceptance, then id) and value them.

    Args:
        jobs: The jobs to place; dependencies on jobs outside this list do not hold anything up.
        assets: By id. A job runs on its own asset only.
        signals: By region; without its region a job's cost and carbon are unknown.
    """
    every = tuple(jobs)
    waiting = sorted(every, key=lambda job: (job.release, job.accepted_at, job.job_id))
    unplaced = {job.job_id for job in waiting}
    used_kw: dict[tuple[str, datetime], float] = {}
    starts: dict[str, datetime] = {}
    ends: dict[str, datetime] = {}
    late: list[str] = []
    left_out: list[str] = []
    while waiting:
        ready = [job for job in waiting if unplaced.isdisjoint(job.depends_on)]
        if (
            not ready
        ):  # only a cycle is left; submission refuses those, so this is stored data gone wrong
            left_out += [job.job_id for job in waiting]
            break
        waiting = [job for job in waiting if not unplaced.isdisjoint(job.depends_on)]
        for job in ready:
            unplaced.discard(job.job_id)
            asset = assets.get(job.asset_id)
            start = None if asset is None else _first_room(job, asset, ends, used_kw)
            if asset is None or start is None:
                left_out.append(job.job_id)
                continue
            for k, power_kw in enumerate(job.slot_power_kw()):
                key = (asset.asset_id, start + k * SLOT)
                used_kw[key] = used_kw.get(key, 0.0) + power_kw
            starts[job.job_id] = start
            ends[job.job_id] = start + job.duration
            if ends[job.job_id] > job.latest_finish:
                late.append(job.job_id)
    bare = FleetBaseline(starts, {}, tuple(late), tuple(left_out))
    return bare.valued(every, assets, signals)


def _first_room(
    job: Job,
    asset: Asset,
    ends: Mapping[str, datetime],
    used_kw: Mapping[tuple[str, datetime], float],
) -> datetime | None:
    power_kw = job.slot_power_kw()
    if max(power_kw) > asset.room_kw + TOLERANCE_KW:
        return None
    begin = max([job.release, *(ends[p] for p in job.depends_on if p in ends)])
    start = ceil_slot(begin)
    for _ in range(MAX_WAIT_SLOTS):
        clash = _last_clash(start, power_kw, asset, used_kw)
        if clash is None:
            return start
        start += (clash + 1) * SLOT
    return None


def _last_clash(
    start: datetime,
    power_kw: tuple[float, ...],
    asset: Asset,
    used_kw: Mapping[tuple[str, datetime], float],
) -> int | None:
    """Return the last half-hour of a constant run without room, the first of a varying one; None: it fits."""
    clashes = [
        k
        for k, kw in enumerate(power_kw)
        if used_kw.get((asset.asset_id, start + k * SLOT), 0.0) + kw
        > asset.room_at(start + k * SLOT) + TOLERANCE_KW
    ]
    if not clashes:
        return None
    is_constant = min(power_kw) == max(power_kw)
    return clashes[-1] if is_constant else 0


def _worth(job: Job, asset: Asset, start: datetime, signals: RegionSignals | None) -> Valuation:
    segments = job_segments(job, start)
    if signals is None:
        energy_kwh = job.it_energy_kwh * asset.pue
        return Valuation(energy_kwh, None, None, None, None, 0.0, Quality.NONE)
    return value(segments, asset.pue, signals)
