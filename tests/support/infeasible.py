"""Generated jobs that cannot be served, of every kind and for every reason, beside work of others."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from agents.view import Held, Situation
from models.domain.asset import Asset
from models.domain.job import Flexibility, Job, Priority
from models.domain.time import Horizon
from tests.support.fleet import NOON, a_job, an_asset
from tests.support.planning import a_policy, at_slot, some_signals

PLACES = ("london", "south_wales", "north_scotland")
SLOTS = 48
WINDOW = 20
"""Jobs are due within so many half-hours; later ones are there for later deadlines."""

CAUSES = ("carbon", "price", "carbon and price", "deadline", "power", "region", "crowd")
"""What is wrong with a job; `crowd`: nothing but the jobs beside it."""

Series = dict[str, list[float]]


def infeasible_situation(seed: int) -> Situation:
    """Return a negotiation at noon in which `target` has something wrong with it.

    The same seed gives the same situation. Some targets can be served all the same.
    """
    rng = random.Random(seed)
    assets = _clusters(rng)
    price, carbon = _curve(rng, -0.05, 0.45), _curve(rng, 20.0, 320.0)
    crowd = [_job(rng, f"other-{n}", assets) for n in range(rng.randrange(1, 6))]
    target = _spoilt(rng, _job(rng, "target", assets), assets, price, carbon)
    return Situation(
        negotiation_id=UUID(int=seed),
        now=NOON,
        horizon=Horizon(NOON, SLOTS),
        jobs=(*crowd, target),
        assets=assets,
        signals=some_signals(price, carbon, assets),
        policy=a_policy(
            kappa_gbp_per_kg=rng.choice([0.0, 0.245, 2.667]),
            churn_gbp_per_kwh=0.005,
            weight_deadline=rng.choice([0.0, 0.1]),
            min_saving_percent=5.0,
        ),
        held=_held(rng, assets),
    )


def _clusters(rng: random.Random) -> tuple[Asset, ...]:
    return tuple(
        an_asset(
            f"cluster-{'abc'[n]}",
            PLACES[n],
            max_power_kw=rng.choice([12.0, 20.0, 27.5, 40.0]),
            pue=rng.choice([1.0, 1.25]),
            is_deferrable=rng.random() > 0.06,
        )
        for n in range(rng.randrange(1, len(PLACES) + 1))
    )


def _curve(rng: random.Random, low: float, high: float) -> Series:
    """Return a wave with noise for every place."""
    answer = {}
    for place in PLACES:
        shift, depth = rng.uniform(0.0, 2.0 * math.pi), rng.uniform(0.2, 0.5)
        shares = (
            0.5 + depth * math.sin(shift + slot / 6.0) + rng.uniform(-0.1, 0.1)
            for slot in range(SLOTS)
        )
        answer[place] = [low + (high - low) * min(max(share, 0.0), 1.0) for share in shares]
    return answer


def _job(rng: random.Random, job_id: str, assets: tuple[Asset, ...]) -> Job:
    """Return a job of any kind that nothing need be wrong with."""
    own = rng.choice(assets)
    minutes = rng.choice([30, 45, 60, 100, 150, 240])
    slots = -(-minutes // 30)
    release = rng.randrange(0, 6)
    slack = rng.randrange(0, WINDOW - release - slots)
    kind = rng.choice(list(Flexibility))
    elsewhere = rng.sample(PLACES[: len(assets)], rng.randrange(0, len(assets) + 1))
    job = a_job(
        job_id,
        minutes,
        asset_id=own.asset_id,
        power_kw=float(rng.choice([4.0, 6.5, 9.0, 11.3])),
        earliest_start=at_slot(release),
        latest_finish=at_slot(release + slack) + timedelta(minutes=minutes),
        allowed_regions=tuple(dict.fromkeys((own.region, *elsewhere))),
        flexibility=kind,
        priority=rng.choice(list(Priority)),
        baseline_start=at_slot(release),
    )
    return replace(job, **_shape(rng, job))


def _shape(rng: random.Random, job: Job) -> dict[str, Any]:
    """Return the fields by which a job of its kind bends."""
    if job.flexibility is Flexibility.INTERRUPTIBLE:
        return {
            "min_run_slots": rng.randrange(1, min(3, job.slots) + 1),
            "max_chunks": rng.randrange(1, 5),
            "checkpoint_minutes": rng.choice([0.0, 5.0, 12.0]),
        }
    if job.flexibility is Flexibility.ELASTIC:
        if rng.random() < 0.5:
            half = round(job.power_kw / 2.0, 2)
            return {"power_levels": ((half, rng.choice([0.4, 0.5, 0.65])), (job.power_kw, 1.0))}
        return {"min_power_kw": rng.choice([None, round(job.power_kw / 3.0, 2)])}
    if rng.random() < 0.25 and job.slots > 1:
        profile = tuple(round(job.power_kw * rng.uniform(0.5, 1.3), 1) for _ in range(job.slots))
        return {"power_profile_kw": profile, "power_kw": sum(profile) / len(profile)}
    return {}


def _spoilt(
    rng: random.Random, job: Job, assets: tuple[Asset, ...], price: Series, carbon: Series
) -> Job:
    """Return the job with something that keeps it from being served, at least in most cases."""
    cause = rng.choice(CAUSES)
    reach = [place for place in PLACES if place in job.allowed_regions]
    if "carbon" in cause:
        cleanest = min(min(carbon[place]) for place in reach)
        job = replace(job, carbon_cap_g_per_kwh=round(cleanest * rng.uniform(0.3, 1.1), 1))
    if "price" in cause:
        lowest = min(min(price[place]) for place in reach)
        job = replace(job, max_price_gbp_per_kwh=round(lowest + rng.uniform(-0.1, 0.02), 4))
    if cause == "deadline":
        return replace(job, latest_finish=job.release + job.duration * rng.uniform(0.3, 0.95))
    if cause == "region":
        mine = next(asset.region for asset in assets if asset.asset_id == job.asset_id)
        others = [place for place in PLACES if place != mine]
        return replace(job, allowed_regions=(rng.choice(others),))
    if cause == "power":
        return _scaled(job, rng.uniform(3.0, 8.0))
    return job


def _scaled(job: Job, factor: float) -> Job:
    """Return the job with more power, whatever it is made of."""
    return replace(
        job,
        power_kw=round(job.power_kw * factor, 2),
        power_profile_kw=tuple(round(kw * factor, 2) for kw in job.power_profile_kw),
        power_levels=tuple((round(kw * factor, 2), rate) for kw, rate in job.power_levels),
    )


def _held(rng: random.Random, assets: tuple[Asset, ...]) -> tuple[Held, ...]:
    """Return work that keeps its power, on any cluster."""
    found = []
    for n, asset in enumerate(assets):
        first, count = rng.randrange(0, 8), rng.randrange(0, 24)
        if count:
            power_kw = (asset.max_power_kw * rng.uniform(0.4, 1.0),) * count
            found.append(Held(f"held-{n}", asset.asset_id, first, power_kw, at_slot(first + count)))
    return tuple(found)
