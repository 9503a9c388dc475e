"""A fleet of many jobs, stored and planned by the program itself, for benchmarks that read it."""

from __future__ import annotations

import random
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import wiring
from benchmarks.process import environment
from config import Settings
from models.domain.access import Caller, Role
from models.domain.asset import Asset
from models.domain.time import floor_slot
from services.drafting import job_of
from services.types import AssetDraft, JobDraft

OPERATOR = Caller("local", Role.OPERATOR)

PLACES = ("london", "south_wales", "yorkshire", "north_scotland", "east_england")
"""One cluster stands in each."""

MAX_POWER_KW = 20_000.0
"""Limit of each cluster: with 10,000 jobs some half-hours are full. [kW]"""


def wished(number: int, rng: random.Random, now: datetime) -> JobDraft:
    """Return one job of some hours within two days."""
    hours = rng.choice([0.5, 1, 1.5, 2, 3, 4.25, 6])
    release = now + timedelta(hours=rng.uniform(0.5, 12))
    return JobDraft(
        duration=timedelta(hours=hours),
        latest_finish=release + timedelta(hours=hours + rng.uniform(1, 28)),
        job_id=f"job-{number:05d}",
        job_name=f"training run {number}",
        asset_id=f"cluster-{number % len(PLACES)}",
        estimated_power_kw=rng.choice([5.0, 10.0, 25.0, 40.0]),
        earliest_start=release,
    )


def request_of(rng: random.Random, now: datetime) -> dict[str, Any]:
    """Return the body of one request: a job of some hours within two days."""
    hours = rng.choice([0.5, 1, 2, 3, 4.25, 6])
    release = now + timedelta(hours=rng.uniform(0.5, 8))
    finish = release + timedelta(hours=hours + rng.uniform(1, 36))
    own = rng.randrange(len(PLACES))
    regions = {PLACES[own], *rng.sample(PLACES, rng.randrange(len(PLACES)))}
    return {
        "job_name": "asked for over HTTP",
        "asset_id": f"cluster-{own}",
        "duration_hours": hours,
        "estimated_power_kw": rng.choice([5.0, 10.0, 25.0, 40.0]),
        "earliest_start": f"{release:%Y-%m-%dT%H:%M:%SZ}",
        "latest_finish": f"{finish:%Y-%m-%dT%H:%M:%SZ}",
        "allowed_regions": sorted(regions),
    }


def planned_fleet(folder: Path, jobs: int) -> float:
    """Store clusters and jobs in a folder, plan them in one negotiation, and return the seconds of the planning.

    Jobs are stored in one transaction instead of by one request each; everything after that is the program's own way.
    """
    wired = wiring.wire(Settings.from_env(_own(environment(folder))))
    try:
        services = wired.services
        assets: list[Asset] = [
            services.create_asset(OPERATOR, AssetDraft(region=place, max_power_kw=MAX_POWER_KW, asset_id=f"cluster-{n}"))
            for n, place in enumerate(PLACES)
        ]  # fmt: skip
        services.context.signals.refresh()
        rng = random.Random(1)
        now = services.context.clock.now()
        with services.context.uow(write=True) as work:
            for number in range(jobs):
                draft = wished(number, rng, floor_slot(now))
                own = assets[number % len(assets)]
                work.jobs.add(job_of(draft, "local", own, assets, {}, now, uuid4()))
            work.plans.bump()
            work.commit()
        began = time.perf_counter()
        run = services.schedule_all(OPERATOR)
        while not run.finished:
            time.sleep(0.2)
            status = services.negotiation(OPERATOR, run.negotiation_id).summary.status
            if status == "committed":
                break
            if status != "running":
                sys.exit(f"the planning of {jobs} jobs ended {status}")
        seconds = time.perf_counter() - began
        services.context.audit.flush(services.context.uow)
        return seconds
    finally:
        wired.close()


def _own(variables: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in variables.items() if name.startswith("HALFHOUR_")}
