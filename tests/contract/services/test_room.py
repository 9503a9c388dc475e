"""Quotes read the power a plan holds once per state: they equal quotes without any memory, and are never stale."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
import pytest

from agents import policy_agent
from agents.describe import Describer
from agents.ground import first_open_slot
from agents.view import Situation
from models.domain.asset import Asset
from models.domain.job import Job
from models.optimise.assignment import UNSERVED, Assignment, Links
from models.optimise.options import build_options
from models.optimise.table import price_table
from services import controls, planning, room, single, submit
from services.drafting import job_of
from services.situation import horizon_for
from services.types import JobDraft
from tests.support.fleet import NOON
from tests.support.world import OPERATOR, World, hours, submitted, with_cluster


def waves(slug: str, at: datetime) -> float:
    return 0.2 + 0.1 * math.sin(at.hour + 0.5 * (at.minute > 0) + len(slug))


def grams(slug: str, at: datetime) -> float:
    return 150.0 + 90.0 * math.cos(0.7 * at.hour + len(slug))


@pytest.fixture
def clusters(make_world: Callable[..., World]) -> World:
    """Give three empty clusters of 60 kW."""
    world = make_world(price=waves, carbon=grams)
    for name, place in (("a", "london"), ("b", "yorkshire"), ("c", "south_wales")):
        with_cluster(world, asset_id=name, region=place, max_power_kw=60.0)
    return world


@pytest.fixture
def fleet(clusters: World) -> World:
    """Give them 20 planned jobs that fill many of their half-hours."""
    rng = random.Random(7)
    for number in range(20):
        submitted(clusters, is_planned=False, **wished(rng, f"job-{number:02d}").__dict__)
    planning.replan(clusters.context, trigger="schedule_all", wait_seconds=None)
    return clusters


def wished(rng: random.Random, job_id: str | None = None) -> JobDraft:
    length = rng.choice([0.5, 1.0, 2.25, 4.0, 6.0])
    release = NOON + hours(rng.uniform(0, 10))
    return JobDraft(
        duration=timedelta(hours=length),
        latest_finish=release + hours(length + rng.uniform(0.6, 12)),
        job_id=job_id,
        asset_id=rng.choice("abc"),
        allowed_regions=("london", "yorkshire", "south_wales"),
        earliest_start=release,
        estimated_power_kw=rng.choice([5.0, 20.0, 58.0]),
    )


def plainly(world: World, job: Job, assets: tuple[Asset, ...]) -> tuple[object, ...]:
    """Return start, cluster, cost, carbon and worth of a job's choice, with nothing remembered and its own horizon."""
    context, now = world.context, world.clock.now()
    horizon = horizon_for(now, [job])
    with context.uow() as uow:
        reserved = uow.plans.reserved(horizon.start, horizon.end)
        own = uow.plans.reserved(horizon.start, horizon.end, only_job=job.job_id)
    held = {}
    for asset_id, by_slot in reserved.items():
        row = np.zeros(horizon.slots)
        for at, kw in by_slot.items():
            row[horizon.index_of(at)] = kw - own.get(asset_id, {}).get(at, 0.0)
        held[asset_id] = row
    signals = context.signals.view([asset.region for asset in assets], horizon)
    facing = Situation(UUID(int=0), now, horizon, (job,), assets, signals, context.policy)
    table = price_table(assets, signals, horizon, first_open_slot(facing), held)
    mine = build_options(job, table, policy_agent.weights_of(context.policy), release=job.release)
    plan = Assignment([mine], Links.none(1), table.room_kw)
    pick = plan.best(0)
    if pick == UNSERVED:
        return ("refused",)
    describer = Describer.of(table, signals, context.policy.kappa_gbp_per_kg)
    placed = describer.placement(mine, pick)
    return (placed.start, placed.asset_id, placed.cost_gbp, placed.carbon_kg, placed.objective_gbp)


def test_a_quote_equals_one_that_remembers_nothing(fleet: World) -> None:
    rng = random.Random(11)
    with fleet.context.uow() as uow:
        assets = uow.assets.all_live("local")
    answers = []
    for _ in range(60):
        draft = wished(rng)
        own = next(a for a in assets if a.asset_id == draft.asset_id)
        job = job_of(draft, "local", own, assets, {}, NOON, UUID(int=5))
        told = submit.estimate(fleet.context, OPERATOR, draft)
        placed = told.placement
        quoted = ("refused",) if placed is None else (
            placed.start, placed.asset_id, placed.cost_gbp, placed.carbon_kg, placed.objective_gbp
        )  # fmt: skip
        assert quoted == plainly(fleet, job, assets)
        answers.append(quoted)
    assert ("refused",) in answers, "the fleet is full enough to refuse some"
    assert len({one for one in answers if len(one) > 1}) > 12


def test_a_planned_job_does_not_stand_in_its_own_way(fleet: World) -> None:
    with fleet.context.uow() as uow:
        assets = uow.assets.all_live("local")
        jobs = list(uow.jobs.open_jobs())[:12]
    for job in jobs:
        facing = single.alone(fleet.context, job, assets, NOON)
        placed = single.answer(fleet.context, facing).placement
        assert placed is not None
        quoted = (placed.start, placed.asset_id, placed.cost_gbp, placed.carbon_kg, placed.objective_gbp)  # fmt: skip
        assert quoted == plainly(fleet, job, assets)


def test_a_quote_sees_a_change_at_once_whoever_made_it(clusters: World) -> None:
    # 60 kW for as long as there is: only an empty cluster has that.
    whole = replace(
        wished(random.Random(1)),
        duration=hours(1),
        earliest_start=NOON + hours(30),
        latest_finish=NOON + hours(31),
        asset_id="a",
        allowed_regions=("london",),
        estimated_power_kw=60.0,
    )
    assert submit.estimate(clusters.context, OPERATOR, whole).placement is not None
    # Another process: the same database and clock, a memory of its own.
    elsewhere = replace(clusters.context)
    submit.submit(elsewhere, OPERATOR, replace(whole, job_id="first", estimated_power_kw=5.0))
    planning.replan(elsewhere, trigger="schedule_all", wait_seconds=None)
    refused = submit.estimate(clusters.context, OPERATOR, whole).refusal
    assert refused is not None
    assert refused.rule == "power"
    controls.cancel(elsewhere, OPERATOR, "first")
    assert submit.estimate(clusters.context, OPERATOR, whole).placement is not None


def test_held_power_is_laid_out_over_any_horizon(fleet: World) -> None:
    with fleet.context.uow() as uow:
        jobs = list(uow.jobs.open_jobs())
        horizon = horizon_for(NOON + hours(3), jobs)
        later = room.held_kw(fleet.context, uow, horizon, NOON + hours(3), without_job="nobody")
        plain = uow.plans.reserved(NOON + hours(3), horizon.end)
    assert later.keys() == plain.keys()
    for asset_id, row in later.items():
        assert row.shape == (horizon.slots,)
        for index, kw in enumerate(row):
            assert kw == plain[asset_id].get(horizon.start_of(index), 0.0)
