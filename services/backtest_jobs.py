"""Jobs for a back-test: made by a seeded generator, or read from the rows of a trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from models.domain.asset import Asset
from models.domain.errors import InvalidRequest
from models.domain.job import Job
from models.domain.time import LONDON, SLOT, Horizon, as_utc, ceil_slot, parse_rfc3339

OWNER = "backtest"
"""Owner of every job and cluster of a back-test."""

TYPICAL_KW = 20.0
"""Median power of a generated job. [kW]"""

SPREAD = 0.6
"""Standard deviation of the logarithm of its power."""

MOST_OF_ASSET = 0.5
"""A generated job draws at most this share of its cluster."""

LONGEST_SLOTS = 24
"""Longest generated job: 12 h."""

SLACK_SLOTS = (2, 96)
"""Half-hours between the shortest and the longest wait a generated job allows."""

DAY_SHARE = 0.75
"""Share of jobs that arrive between 07:00 and 19:00 London time."""


def clusters(places: Iterable[tuple[str, float]], created_at: datetime) -> tuple[Asset, ...]:
    """Return one cluster a place.

    Args:
        places: (region, power) of each. [kW]
        created_at: Before the back-test begins.
    """
    found = []
    for number, (slug, power_kw) in enumerate(places, start=1):
        found.append(
            Asset(
                asset_id=f"cluster-{number}",
                owner=OWNER,
                asset_type="any",
                region=slug,
                max_power_kw=power_kw,
                created_at=created_at,
            )
        )
    return tuple(found)


def generated(
    period: Horizon, assets: Sequence[Asset], per_day: float, seed: int
) -> tuple[Job, ...]:
    """Return jobs that arrive at random, more of them by day; the same seed gives the same jobs.

    Durations are 0.5 to 12 h (short ones more often), slack 1 to 48 h, power is lognormal about `TYPICAL_KW`.

    Args:
        period: Half-hours in which jobs arrive.
        assets: Where they belong, at random.
        per_day: Mean number of arrivals a day.
        seed: Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    starts = period.starts()
    is_day = np.array([7 <= start.astimezone(LONDON).hour < 19 for start in starts])
    weight = np.where(is_day, DAY_SHARE, 1.0 - DAY_SHARE) / 24.0
    arrivals = rng.poisson(weight * per_day)
    places = sorted({asset.region for asset in assets})
    jobs: list[Job] = []
    for start, count in zip(starts, arrivals, strict=True):
        for _ in range(int(count)):
            asset = assets[int(rng.integers(len(assets)))]
            slots = 1 + int(min(rng.geometric(0.15), LONGEST_SLOTS) - 1)
            slack = int(rng.integers(*SLACK_SLOTS, endpoint=True))
            power_kw = min(
                float(rng.lognormal(np.log(TYPICAL_KW), SPREAD)), asset.room_kw * MOST_OF_ASSET
            )
            is_bound = bool(rng.random() < 0.5)
            jobs.append(
                _job(
                    f"job-{len(jobs) + 1:05d}",
                    asset,
                    start,
                    slots * SLOT,
                    start + (slots + slack) * SLOT,
                    round(power_kw, 1),
                    (asset.region,) if is_bound else tuple(places),
                )
            )
    return tuple(jobs)


def from_rows(rows: Iterable[Mapping[str, Any]], assets: Sequence[Asset]) -> tuple[Job, ...]:
    """Return the jobs of a trace.

    Args:
        rows: `release`, `latest_finish` (instants), `duration_hours`, `power_kw`; optionally `job_id`, `asset_id`.
        assets: A row without `asset_id` belongs to the first; every job may run in the regions of all of them.

    Raises:
        InvalidRequest: If a cell is missing or wrong; the sentence names the row.
    """
    by_id = {asset.asset_id: asset for asset in assets}
    places = tuple(sorted({asset.region for asset in assets}))
    jobs = []
    for number, row in enumerate(rows, start=1):
        try:
            asset = by_id[str(row.get("asset_id") or assets[0].asset_id)]
            duration = timedelta(hours=float(row["duration_hours"]))
            power_kw = float(row["power_kw"])
            release, latest = _instant(row["release"]), _instant(row["latest_finish"])
        except (KeyError, TypeError, ValueError, InvalidRequest) as error:
            raise InvalidRequest(
                f"row {number} of the trace: {error}; it needs release, latest_finish, duration_hours and power_kw, "
                "and an asset_id of this back-test where it names one"
            ) from error
        if duration < timedelta(minutes=1) or power_kw <= 0 or latest < release + duration:
            raise InvalidRequest(
                f"row {number} of the trace: a job needs a length, a power and a latest_finish after both"
            )
        job_id = str(row.get("job_id") or f"job-{number:05d}")
        jobs.append(_job(job_id, asset, release, duration, latest, power_kw, places))
    if len({job.job_id for job in jobs}) < len(jobs):
        raise InvalidRequest("the trace names a job_id twice")
    return tuple(sorted(jobs, key=lambda job: (job.release, job.job_id)))


def _instant(cell: Any) -> datetime:
    return as_utc(cell) if isinstance(cell, datetime) else parse_rfc3339(str(cell))


def _job(
    job_id: str,
    asset: Asset,
    release: datetime,
    duration: timedelta,
    latest_finish: datetime,
    power_kw: float,
    regions: tuple[str, ...],
) -> Job:
    arrival = ceil_slot(release)
    fits = arrival + duration <= latest_finish and power_kw <= asset.room_kw
    return Job(
        job_id=job_id,
        owner=OWNER,
        job_name=job_id,
        asset_id=asset.asset_id,
        duration=duration,
        power_kw=power_kw,
        earliest_start=release,
        latest_finish=latest_finish,
        allowed_regions=regions,
        accepted_at=release,
        baseline_start=arrival if fits else None,
        baseline_reason=None if fits else "no start on arrival meets the deadline and the power",
    )
