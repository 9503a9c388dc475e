"""The GB part of *Let's Wait Awhile*, scenario II, planned by our own code over the whole year of 2020.

3,387 machine-learning jobs of equal power, each with its release and two deadlines (next workday, semi-weekly), on the
paper's GB carbon series, with perfect knowledge and without a limit of power. The saving is that of the jobs' summed
emissions against running each on arrival. The planner prices the windows of every job on one table of 17,568 half-hours
and more (jobs of the last days run into January); nothing is cut into days.

    python -m benchmarks.lets_wait_awhile

Source: Wiesner et al., "Let's Wait Awhile: How Temporal Workload Shifting Can Reduce Carbon Emissions in the Cloud",
Middleware 2021, section 5.2. The savings to reproduce stand in the README of the reference data.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from benchmarks.shared import shared_file, show_table
from models.domain.asset import Asset
from models.domain.job import Flexibility, Job
from models.domain.signal import (
    Provenance,
    Quality,
    RegionSignals,
    SignalName,
    SignalSeries,
    ValueKind,
)
from models.domain.time import SLOT, Horizon
from models.optimise.options import Closed, Weights, build_options
from models.optimise.table import PricedTable, price_table

CARBON_ONLY = Weights(1.0, 0.0, 0.0, 1e6, 0.0)
"""κ of 1 and nothing else: the choice is by carbon alone."""

YEAR_START = datetime(2020, 1, 1, tzinfo=UTC)

PUBLISHED_PERCENT = {"next workday": 6.66, "semi-weekly": 14.85}
"""Savings of one contiguous run, by deadline. [%]"""

TOLERANCE_PERCENT = 0.005
"""The published figures have two decimals. [percentage points]"""


@dataclass(frozen=True)
class Work:
    """The jobs in half-hours since the start of the year; deadlines are exclusive."""

    release: list[int]
    duration: list[int]
    deadline: dict[str, list[int]]


@dataclass(frozen=True)
class Found:
    """What one deadline rule gave."""

    percent: float
    peak_jobs: int
    arrival_peak_jobs: int
    moved: int
    seconds: float


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


def load_table() -> PricedTable:
    """Return the carbon series as a priced table of one asset of unlimited power; prices are zero."""
    import pyarrow.parquet as pq

    series = pq.read_table(shared_file("data/carbon/lwa_gb_ci_2020.parquet"))
    values = np.array(series["ci_gco2_kwh"].to_pylist(), dtype=np.float64)
    horizon = Horizon(YEAR_START, values.size)
    came = Provenance("recorded", "", ValueKind.ACTUAL, Quality.REPLAYED, None, YEAR_START)
    carbon = SignalSeries.of(SignalName.CARBON, "gb", horizon, values, came)
    price = SignalSeries.of(SignalName.PRICE, "gb", horizon, np.zeros(values.size), came)
    asset = Asset("site", "bench", "any", "gb", 1e9, YEAR_START)
    return price_table([asset], {"gb": RegionSignals("gb", horizon, carbon, price)}, horizon, 0, {})


def a_job(work: Work, k: int, deadline: int, flexibility: Flexibility) -> Job:
    """Return one job of 1 kW."""
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
        baseline_start=arrives,
    )


def plan(table: PricedTable, work: Work, deadline: list[int]) -> Found:
    """Give every job its best window and count what that saves against arrival."""
    began = time.perf_counter()
    planned_kg = arrival_kg = 0.0
    load = np.zeros(table.horizon.slots, dtype=np.int64)
    at_once = np.zeros(table.horizon.slots, dtype=np.int64)
    moved = 0
    for k, release in enumerate(work.release):
        options = build_options(
            a_job(work, k, deadline[k], Flexibility.DEFERRABLE), table, CARBON_ONLY
        )
        pick = int(options.ranking[0])
        arrival = options.find(0, release)
        if arrival is None or options.closed[pick] != Closed.OPEN:
            raise SystemExit(f"job {k} does not fit before its deadline: the data have changed")
        planned_kg += float(options.carbon_kg[pick])
        arrival_kg += float(options.carbon_kg[arrival])
        start = int(options.start[pick])
        load[start : start + work.duration[k]] += 1
        at_once[release : release + work.duration[k]] += 1
        moved += start != release
    seconds = time.perf_counter() - began
    percent = (1.0 - planned_kg / arrival_kg) * 100.0
    return Found(percent, int(load.max()), int(at_once.max()), moved, seconds)


def rows_of(found: dict[str, Found]) -> list[list[str]]:
    """Return the table, one row a deadline rule."""
    return [
        [
            name,
            f"{one.percent:.2f}",
            f"{PUBLISHED_PERCENT[name]:.2f}",
            f"{one.moved:,}",
            f"{one.peak_jobs}",
            f"{one.arrival_peak_jobs}",
            f"{one.seconds:.1f}",
        ]
        for name, one in found.items()
    ]


def main(argv: list[str] | None = None) -> int:
    """Print the table; exit 1 if a published figure is not reproduced."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(argv)
    work, table = load_work(), load_table()
    found: dict[str, Found] = {
        name: plan(table, work, deadline) for name, deadline in work.deadline.items()
    }
    head: list[Any] = [
        "deadline, contiguous", "saving, %", "published, %", "jobs moved", "peak, jobs", "peak on arrival, jobs", "s",
    ]  # fmt: skip
    print(f"{len(work.release):,} jobs, {table.horizon.slots:,} half-hours, unlimited power")
    show_table(head, rows_of(found))
    wrong = [
        name
        for name, one in found.items()
        if abs(one.percent - PUBLISHED_PERCENT[name]) > TOLERANCE_PERCENT + 1e-9
    ]
    if wrong:
        print(f"not reproduced: {', '.join(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
