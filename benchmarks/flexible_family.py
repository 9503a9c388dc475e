"""Gap and time of a negotiation over 1,000 jobs of every kind: in one piece, in chunks, at levels, waiting for another.

Room, windows, places and powers are those of `planner_family.py`, with one value of carbon; a plan that serves
everybody in one piece is known to exist. What is timed is an attempt of the real negotiation, from its situation to a
plan with its bound: pricing of options, price rounds between the agents, award and search. Every plan is checked
against the instance by code that shares nothing with the planner. Run: `python -m benchmarks.flexible_family
[--jobs 1000] [--seeds 5] [--kinds dag,elastic]`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np

from agents.attempt import Attempt, plan_at
from agents.policy import Policy
from agents.view import Held, Situation
from benchmarks.planner_family import (
    HORIZON,
    LOOSE,
    TIGHT,
    UNSERVED_GBP_PER_KWH,
    Instance,
    instance,
)
from benchmarks.shared import checked_gap
from models.domain.asset import Asset
from models.domain.job import UNSERVED_FACTOR, Flexibility, Job
from models.domain.regions import REGIONS
from models.domain.time import SLOT, Horizon
from models.optimise.assignment import UNSERVED
from models.optimise.pattern_options import PatternOptions
from tests.support.fleet import a_region, an_asset

START = datetime(2026, 11, 21, tzinfo=UTC)
KINDS = ("plain", "interruptible", "elastic", "dag")
PLACES = tuple(slug for slug, region in REGIONS.items() if not region.is_aggregate)
LEVELS = ((0.4, 0.55), (0.6, 0.75), (0.8, 0.9), (1.0, 1.0))
"""Shares of full power and of the full rate: slower saves energy."""

KLASS = 1
"""Whose costs of the family's classes are taken."""


def assets_of(made: Instance) -> tuple[Asset, ...]:
    """Return one cluster for each region, with the most power it ever has."""
    return tuple(
        an_asset(f"c{row:02d}", PLACES[row], max_power_kw=float(made.room_kw[row].max()), pue=1.0)
        for row in range(made.room_kw.shape[0])
    )


def jobs_of(made: Instance, kind: str, seed: int) -> tuple[Job, ...]:
    """Return the jobs of an instance as one kind; odd elastic jobs have a table of levels, even ones a linear rate."""
    fleet, before = made.fleet, _predecessors(made, seed) if kind == "dag" else None
    jobs = []
    for j in range(fleet.count):
        power, slots = float(fleet.power_kw[j]), int(fleet.slots[j])
        first, last = int(fleet.first[j]), int(fleet.last[j])
        places = fleet.asset[fleet.ptr[j] : fleet.ptr[j + 1]]
        begin = START + first * SLOT
        job = Job(
            job_id=f"j{j:06d}", owner="local", job_name="j", asset_id=f"c{places[0]:02d}", duration=slots * SLOT,
            power_kw=power, earliest_start=begin, latest_finish=START + (last + slots) * SLOT,
            allowed_regions=tuple(PLACES[a] for a in places), accepted_at=START, baseline_start=begin,
            min_saving_percent=0.0,
        )  # fmt: skip
        if kind == "interruptible":
            kind_of = Flexibility.INTERRUPTIBLE
            job = replace(job, flexibility=kind_of, min_run_slots=min(2, slots), max_chunks=4)
        elif kind == "elastic":
            levels = tuple((kw * power, rate) for kw, rate in LEVELS) if j % 2 else ()
            least = None if j % 2 else 0.3 * power
            job = replace(
                job, flexibility=Flexibility.ELASTIC, power_levels=levels, min_power_kw=least
            )
        if before is not None:
            job = replace(job, depends_on=tuple(f"j{p:06d}" for p in before[j]))
        jobs.append(job)
    return tuple(jobs)


def _predecessors(made: Instance, seed: int) -> list[tuple[int, ...]]:
    """Let every second job wait for up to two others that end before it starts in the planted plan."""
    rng = np.random.default_rng([seed, 7])
    ends = made.planted_start + made.fleet.slots
    before: list[tuple[int, ...]] = []
    for j in range(made.fleet.count):
        tried = rng.integers(0, made.fleet.count, 6)
        fits = [int(p) for p in tried if ends[p] <= made.planted_start[j] and p != j]
        before.append(tuple(sorted(set(fits[:2]))) if j % 2 else ())
    return before


def situation_of(made: Instance, kind: str, seed: int) -> Situation:
    """Return an instance as the input of a negotiation; power that is not there is held by other work."""
    assets = assets_of(made)
    signals = {
        PLACES[row]: a_region(
            START, carbon=[0.0] * HORIZON, price=2.0 * made.fleet.density_gbp[KLASS, row]
        )
        for row in range(len(assets))
    }
    held = tuple(
        Held(
            f"held-{row}", asset.asset_id, 0,
            tuple(float(kw) for kw in asset.max_power_kw - made.room_kw[row]), START + HORIZON * SLOT,
        )
        for row, asset in enumerate(assets)
    )  # fmt: skip
    policy = Policy(
        kappa_gbp_per_kg=0.0,
        weight_deadline=0.0,
        min_saving_percent=0.0,
        unserved_gbp_per_kwh=UNSERVED_GBP_PER_KWH,
    )
    return Situation(
        UUID(int=seed), START, Horizon(START, HORIZON), jobs_of(made, kind, seed), assets, signals,
        policy, held,
    )  # fmt: skip


def verified_gbp(situation: Situation, made: Instance, attempt: Attempt) -> tuple[float, int]:
    """Hold a plan against the rules and return what it costs and how many jobs it leaves out. [GBP]

    Raises:
        AssertionError: If any rule is broken.
    """
    load = np.zeros_like(made.room_kw)
    price = 2.0 * made.fleet.density_gbp[KLASS]
    total, left, spans = 0.0, 0, {}
    row_of = {asset.asset_id: row for row, asset in enumerate(situation.assets)}
    for mine, pick in zip(attempt.plan.options, attempt.plan.choice, strict=True):
        job = mine.job
        if pick == UNSERVED:
            left += 1
            total += UNSERVED_GBP_PER_KWH * UNSERVED_FACTOR[job.priority] * job.it_energy_kwh
            continue
        hold = mine.hold(int(pick))
        row = row_of[attempt.table.assets[hold.row].asset_id]
        assert PLACES[row] in job.allowed_regions, "place"
        share = np.ones(hold.slots.size)
        if isinstance(mine, PatternOptions):
            share = mine.pool[int(pick)].share
        power = np.broadcast_to(hold.power_kw, hold.slots.shape)
        np.add.at(load[row], hold.slots, power)
        total += float((power * share * 0.5) @ price[row, hold.slots])
        begin = START + int(hold.slots[0]) * SLOT
        end = START + (int(hold.slots[-1]) + float(share[-1])) * SLOT
        assert begin >= job.earliest_start, "too early"
        assert end <= job.latest_finish + timedelta(milliseconds=1), "too late"
        _check_shape(job, hold.slots, power, share)
        spans[job.job_id] = (int(hold.slots[0]), int(hold.slots[-1]) + 1)
    for job in situation.jobs:
        for p in job.depends_on:
            if job.job_id in spans:
                assert p in spans, "order"
                assert spans[p][1] <= spans[job.job_id][0], "order"
    assert (load <= made.room_kw + 1e-5).all(), f"over by {(load - made.room_kw).max()} kW"
    return total, left


def _check_shape(job: Job, slots: np.ndarray, power: np.ndarray, share: np.ndarray) -> None:
    gaps = np.flatnonzero(np.diff(slots) > 1)
    if job.flexibility is Flexibility.ELASTIC:
        rates = power / job.power_kw
        if job.power_levels:
            level = np.array(job.power_levels)
            near = np.abs(level[None, :, 0] - power[:, None])
            assert (near.min(axis=1) < 1e-6).all(), "level"
            rates = level[near.argmin(axis=1), 1]
        else:
            assert (power > (job.min_power_kw or 0.0) - 1e-6).all(), "least power"
            assert (power < job.power_kw + 1e-6).all(), "full power"
        assert abs(float(rates @ share) - job.duration / SLOT) < 1e-6, "work"
        return
    lengths = np.diff(np.concatenate([[-1], gaps, [slots.size - 1]]))
    if job.flexibility is not Flexibility.INTERRUPTIBLE:
        assert lengths.size == 1, "in one piece"
        return
    minutes = job.duration.total_seconds() / 60 + (lengths.size - 1) * job.checkpoint_minutes
    assert lengths.size <= job.max_chunks, "chunks"
    assert lengths.min() >= job.min_run_slots, "minimum run"
    assert abs(share.sum() * 30 - minutes) < 1e-6, "run time"


def main() -> None:
    """Print one line per kind and load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--loads", default="tight,loose")
    asked = parser.parse_args()
    print(f"{asked.jobs} jobs, medians of {asked.seeds} seeds, times warm")
    print("| kind | load | gap to the bound | left out (most) | s | CPU s | MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    context = multiprocessing.get_context("spawn")
    for kind in asked.kinds.split(","):
        for load in asked.loads.split(","):
            with context.Pool(1) as pool:
                print(pool.apply(row, (kind, load, asked.jobs, asked.seeds)), flush=True)


def row(kind: str, load: str, jobs: int, seeds: int) -> str:
    """Measure one kind and load, in a process of its own so that memory is its own; returns a row of the table."""
    use = {"tight": TIGHT, "loose": LOOSE}[load]
    plan_at(situation_of(instance(30, use, 1), kind, 1))
    found = []
    for seed in range(1, seeds + 1):
        made = instance(jobs, use, seed)
        facing = situation_of(made, kind, seed)
        began, worked = time.perf_counter(), time.process_time()
        attempt = plan_at(facing)
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - worked
        cost, left = verified_gbp(facing, made, attempt)
        difference = abs(cost - attempt.plan.objective_gbp)
        assert difference <= 1e-6 * cost, "the planner's own sum differs"
        bound = attempt.best.bound_gbp
        gap = checked_gap(100 * (cost - bound) / bound)
        found.append((gap, left, seconds, cpu_seconds))
        print(
            f"{kind} {load} {seed}: {gap:.2f} %, {left} left out, {seconds:.1f} s", file=sys.stderr
        )
    gap, left, taken, worked = (statistics.median(column) for column in zip(*found, strict=True))
    most = max(each[1] for each in found)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"| {kind} | {load} | {gap:.2f} % | {left:.0f} ({most}) | {taken:.1f} | {worked:.1f} | {memory:.0f} |"


if __name__ == "__main__":
    main()
