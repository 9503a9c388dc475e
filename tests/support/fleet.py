"""Small jobs, assets and signals for tests, with every field settable by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from models.domain.asset import Asset
from models.domain.job import Job
from models.domain.signal import (
    Provenance,
    Quality,
    RegionSignals,
    SignalName,
    SignalSeries,
    ValueKind,
)
from models.domain.time import Horizon

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
"""A Saturday noon in winter: UTC is London time."""


def an_asset(asset_id: str = "cluster-a", region: str = "london", **changes: Any) -> Asset:
    """Return a 100 kW cluster of the local owner."""
    asset = Asset(
        asset_id=asset_id,
        owner="local",
        asset_type="gpu_cluster",
        region=region,
        max_power_kw=100.0,
        created_at=NOON - timedelta(days=30),
    )
    return replace(asset, **changes)


def a_job(job_id: str = "job-a", minutes: float = 60.0, **changes: Any) -> Job:
    """Return a job of 10 kW accepted at noon with a day to run in."""
    job = Job(
        job_id=job_id,
        owner="local",
        job_name=f"job {job_id}",
        asset_id="cluster-a",
        duration=timedelta(minutes=minutes),
        power_kw=10.0,
        earliest_start=NOON,
        latest_finish=NOON + timedelta(days=1),
        allowed_regions=("london",),
        accepted_at=NOON,
    )
    return replace(job, **changes)


def a_region(
    start: datetime,
    *,
    carbon: Iterable[float],
    price: Iterable[float],
    region: str = "london",
    quality: Quality = Quality.LIVE,
) -> RegionSignals:
    """Return published signals of a region, one value a half-hour from `start`."""
    carbon, price = list(carbon), list(price)
    horizon = Horizon(start, len(carbon))
    forecast = Provenance("a carbon source", "/c", ValueKind.FORECAST, quality, None, start)
    tariff = Provenance("a price source", "/p", ValueKind.TARIFF, quality, None, start)
    return RegionSignals(
        region,
        horizon,
        SignalSeries.of(SignalName.CARBON, region, horizon, carbon, forecast),
        SignalSeries.of(SignalName.PRICE, region, horizon, price, tariff),
    )
