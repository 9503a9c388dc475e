"""Jobs and half-hours of *Let's Wait Awhile*, scenario II, Great Britain, and plans of them by our own engines.

3,387 machine-learning jobs of equal power over the year 2020 on one site; some run into January. The horizon is the
whole 18,000 half-hours of the paper's series. A plan is checked here apart from the engines before it is counted.

Source: Wiesner et al., "Let's Wait Awhile: How Temporal Workload Shifting Can Reduce Carbon Emissions in the Cloud",
Middleware 2021, section 5.2.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.shared import shared_file
from models.domain.job import Flexibility, Job
from models.domain.time import SLOT, SLOT_HOURS
from models.optimise.fleet import CompactFleet
from models.optimise.fleet_solve import CompactResult, solve_compact
from models.optimise.pattern import Lane
from models.optimise.pattern_fleet import RunFleet, Task
from models.optimise.prices import Prices, find_prices, search
from models.optimise.run_award import award_runs
from models.optimise.table import FloatArray, IntArray

YEAR_START = datetime(2020, 1, 1, tzinfo=UTC)

UNSERVED_PER_KWH = 10.0
"""Penalty of leaving work undone, in whatever the half-hours are worth (kg or GBP); far above the dearest of them."""

UNLIMITED = 10_000
"""A capacity that binds nowhere. [jobs]"""

ROUNDS = 400
"""Price rounds for interruptible jobs."""


@dataclass(frozen=True)
class Work:
    """The jobs in half-hours since the start of the year; deadlines are exclusive."""

    release: list[int]
    duration: list[int]
    deadline: dict[str, list[int]]


@dataclass(frozen=True)
class Plan:
    """What an engine made, and what it proves.

    Attributes:
        runs: Half-hours used by each job, ascending; None where unserved.
        bound: No plan of all jobs is worth less, penalties included. [kg or GBP]
        served_bound: No plan of exactly the served jobs is worth less. [kg or GBP]
        undone_bound: Least work, in job half-hours, that any plan leaves undone; 0 where all are served.
        seconds: Wall time.
    """

    runs: list[IntArray | None]
    bound: float
    served_bound: float
    undone_bound: float
    seconds: float

    @property
    def unserved(self) -> int:
        """Return how many jobs stay unserved."""
        return sum(run is None for run in self.runs)


def load_work() -> Work:
    """Return the jobs."""
    import pyarrow.parquet as pq

    table = pq.read_table(shared_file("data/jobs/lwa_ml_jobs_2020.parquet"))
    column = {name: table[name].to_pylist() for name in table.schema.names}
    return Work(
        column["release_slot"],
        column["duration_slots"],
        {
            "next workday": column["deadline_slot_next_workday"],
            "semi-weekly": column["deadline_slot_semi_weekly"],
        },
    )


def paper_carbon() -> FloatArray:
    """Return the paper's carbon intensity of each half-hour. [kg/kWh]"""
    import pyarrow.parquet as pq

    series = pq.read_table(shared_file("data/carbon/lwa_gb_ci_2020.parquet"))
    return np.array(series["ci_gco2_kwh"].to_pylist(), dtype=np.float64) / 1000.0


def national_carbon(slots: int) -> FloatArray:
    """Return NESO's national carbon intensity; the source is hourly, so both half-hours carry the hour's mean. [kg/kWh]"""
    import pyarrow.parquet as pq

    name = "data/carbon/gb_national_ci_hourly_2009_2025.parquet"
    found = _by_time(pq.read_table(shared_file(name)).to_pylist(), "ci_actual_gco2_kwh")
    hours = [YEAR_START + n * timedelta(hours=1) for n in range(-(-slots // 2))]
    return np.repeat([found[hour] for hour in hours], 2)[:slots] / 1000.0


def agile_price(slots: int) -> FloatArray:
    """Return Agile import prices of region J without VAT. [GBP/kWh]"""
    import pyarrow.parquet as pq

    name = "data/price/octopus_agile_import_region_J_2020_2024.parquet"
    rows = pq.read_table(shared_file(name)).to_pylist()
    column = next(key for key in rows[0] if "price" in key)
    found = _by_time(rows, column)
    return np.array([found[YEAR_START + n * SLOT] for n in range(slots)]) / 105.0


def _by_time(rows: Sequence[dict[str, object]], column: str) -> dict[datetime, float]:
    return {
        row["ts_utc"].astimezone(UTC): float(row[column])  # type: ignore[attr-defined,arg-type]
        for row in rows
        if row[column] is not None
    }


def a_job(work: Work, k: int, deadline: int, flexibility: Flexibility) -> Job:
    """Return one job of 1 kW; an interruptible one may stop after any half-hour, as in the paper, at no cost."""
    arrives = YEAR_START + work.release[k] * SLOT
    return Job(
        job_id=f"ml-{k}",
        owner="bench",
        job_name=f"ml-{k}",
        asset_id="site",
        duration=work.duration[k] * SLOT,
        power_kw=1.0,
        earliest_start=arrives,
        latest_finish=YEAR_START + deadline * SLOT,
        allowed_regions=("gb",),
        accepted_at=arrives,
        flexibility=flexibility,
        max_chunks=work.duration[k],
        checkpoint_minutes=0.0,
        baseline_start=arrives,
    )


def on_arrival(work: Work) -> list[IntArray | None]:
    """Return every job run at once."""
    return [np.arange(a, a + n) for a, n in zip(work.release, work.duration, strict=True)]


def first_come(work: Work, deadline: list[int], capacity: int, slots: int) -> Plan:
    """Return first come, first served in one piece within the capacity; who finds no room in time stays unserved."""
    began = time.perf_counter()
    load = np.zeros(slots, dtype=np.int64)
    runs: list[IntArray | None] = [None] * len(deadline)
    for k in sorted(range(len(deadline)), key=lambda n: (work.release[n], n)):
        n, full = work.duration[k], np.flatnonzero(load[work.release[k] : deadline[k]] >= capacity)
        # The first start after a full half-hour, or at once, from which n half-hours are free.
        edges = np.concatenate([[-1], full, [deadline[k] - work.release[k]]])
        wide = np.flatnonzero(np.diff(edges) > n)
        if wide.size:
            start = work.release[k] + int(edges[wide[0]]) + 1
            runs[k] = np.arange(start, start + n)
            load[start : start + n] += 1
    return Plan(runs, -np.inf, -np.inf, 0.0, time.perf_counter() - began)


def contiguous(work: Work, deadline: list[int], worth: FloatArray, capacity: int) -> Plan:
    """Plan runs in one piece with the fleet planner.

    Args:
        work: The jobs.
        deadline: Of each.
        worth: Of one kWh in each half-hour. [kg/kWh or GBP/kWh]
        capacity: Jobs that may run at once.
    """
    began = time.perf_counter()
    fleet = _fleet(work, deadline, worth)
    room = np.full((1, worth.size), float(capacity))
    found = solve_compact(fleet, room)
    runs = _runs(work, found)
    seconds = time.perf_counter() - began
    served = np.flatnonzero(found.asset >= 0)
    if served.size == fleet.count:
        return Plan(runs, found.bound_gbp, found.bound_gbp, 0.0, seconds)
    alone = find_prices(fleet.listed(room, jobs=served), room, ROUNDS).bound_gbp
    least = solve_compact(_fleet(work, deadline, np.zeros(worth.size)), room).bound_gbp
    return Plan(runs, found.bound_gbp, alone, _undone(least), seconds)


def interruptible(work: Work, deadline: list[int], worth: FloatArray, capacity: int) -> Plan:
    """Plan runs that may stop after any half-hour with the planner of jobs that bend in shape; args as `contiguous`."""
    began = time.perf_counter()
    tasks = _tasks(work, deadline, worth, capacity)
    runs: list[IntArray | None]
    if capacity >= UNLIMITED:
        fleet = RunFleet(tuple(tasks), worth.size)
        nothing, room = np.zeros((1, worth.size)), np.full((1, worth.size), float(capacity))
        bound, _ = fleet.quote(nothing, room)
        runs = [
            np.asarray(work.release[k] + fleet.used(k)[0], dtype=np.int64)
            for k in range(len(tasks))
        ]
        return Plan(runs, bound, bound, 0.0, time.perf_counter() - began)
    room = np.full((1, worth.size), float(capacity))
    prices = _prices(tasks, room)
    # Runs in one piece are a plan of these jobs too; where power is scarce it serves more than placing one by one.
    whole = _runs(work, solve_compact(_fleet(work, deadline, worth), room))
    taken = award_runs(RunFleet(tuple(tasks), worth.size), room, prices.price_gbp, whole)
    runs = [None if run is None else run.cells for run in taken]
    seconds = time.perf_counter() - began
    served = [task for task, run in zip(tasks, runs, strict=True) if run is not None]
    if len(served) == len(tasks):
        return Plan(runs, prices.bound_gbp, prices.bound_gbp, 0.0, seconds)
    alone = _prices(served, room).bound_gbp
    least = _prices(_tasks(work, deadline, np.zeros(worth.size), capacity), room).bound_gbp
    return Plan(runs, prices.bound_gbp, alone, _undone(least), seconds)


def _runs(work: Work, found: CompactResult) -> list[IntArray | None]:
    """Return the half-hours of runs in one piece."""
    return [
        None if asset < 0 else np.arange(start, start + slots)
        for asset, start, slots in zip(found.asset, found.start, work.duration, strict=True)
    ]


def _prices(tasks: list[Task], room: FloatArray) -> Prices:
    fleet = RunFleet(tuple(tasks), room.shape[1])
    return search(lambda price: fleet.quote(price, room), room, ROUNDS)


def _undone(penalty: float) -> float:
    """Return the job half-hours that a penalty stands for."""
    return penalty / (UNSERVED_PER_KWH * SLOT_HOURS)


def _fleet(work: Work, deadline: list[int], worth: FloatArray) -> CompactFleet:
    slots, count = np.array(work.duration), len(deadline)
    return CompactFleet(
        slots=slots.astype(np.int32),
        power_kw=np.ones(count),
        first=np.array(work.release, dtype=np.int32),
        last=(np.array(deadline) - slots).astype(np.int32),
        ptr=np.arange(count + 1, dtype=np.int64),
        asset=np.zeros(count, dtype=np.int16),
        extra_gbp=np.zeros(count),
        klass=np.zeros(count, dtype=np.int8),
        unserved_gbp=UNSERVED_PER_KWH * SLOT_HOURS * slots,
        density_gbp=(worth * SLOT_HOURS)[None, None, :],
    )


def _tasks(work: Work, deadline: list[int], worth: FloatArray, capacity: int) -> list[Task]:
    tasks = []
    for k, (first, end) in enumerate(zip(work.release, deadline, strict=True)):
        job = a_job(work, k, end, Flexibility.INTERRUPTIBLE)
        nothing = np.zeros(end - first)
        lane = Lane(
            row=0, first=first, end=float(end), price_gbp_per_kwh=worth[first:end], carbon_kg_per_kwh=nothing,
            shadow_gbp_per_kwh=nothing, room_kw=np.full(end - first, float(capacity)), pue=1.0,
            kappa_gbp_per_kg=0.0, arrived=float(first + work.duration[k]), delay_gbp_per_hour=0.0,
        )  # fmt: skip
        penalty = UNSERVED_PER_KWH * SLOT_HOURS * work.duration[k]
        tasks.append(Task(job, (lane,), penalty))
    return tasks


def checked(
    work: Work, deadline: list[int], plan: Plan, capacity: int, slots: int, *, in_one_piece: bool
) -> IntArray:
    """Hold a plan against the rules, sharing nothing with the planner, and return its load. [jobs]

    Raises:
        AssertionError: If any rule is broken.
    """
    load = np.zeros(slots, dtype=np.int64)
    for k, run in enumerate(plan.runs):
        if run is None:
            continue
        assert run.size == work.duration[k], f"job {k} does not do its work"
        steps = np.diff(run)
        assert (steps == 1).all() if in_one_piece else (steps >= 1).all(), f"job {k}: shape"
        assert work.release[k] <= run[0], f"job {k} starts before its release"
        assert run[-1] < deadline[k], f"job {k} ends after its deadline"
        load[run] += 1
    assert load.max() <= capacity, f"{load.max()} jobs at once, {capacity} allowed"
    return load


def worth_of(runs: Sequence[IntArray | None], worth: FloatArray, of: Plan) -> float:
    """Return what some runs are worth, over the jobs that a plan serves. [kg or GBP]"""
    return sum(
        float(worth[run].sum()) * SLOT_HOURS
        for run, served in zip(runs, of.runs, strict=True)
        if run is not None and served is not None
    )
