"""Our carbon choice against CATS (PyPI `climate-aware-task-scheduler`) on the same national forecast.

Starts lie on the half-hour and durations are whole half-hours, so that both may choose among the same windows.
CATS runs in a throw-away environment made by this script. Each choice is judged by the mean of the forecast's
half-hours it covers, which is what a run in that window would be counted with.

    python -m benchmarks.beside_cats [--cases 400] [--cats-python PATH]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shared import shared_file, show_table
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
from models.domain.time import SLOT, Horizon
from models.optimise.options import Weights, build_options
from models.optimise.table import price_table

PACKAGE = "climate-aware-task-scheduler"
HORIZON_SLOTS = 96
CARBON_ONLY = Weights(1.0, 0.0, 0.0, 1e6, 0.0)
"""κ of 1 and nothing else: the choice is by carbon alone."""


@dataclass(frozen=True)
class Case:
    """One question to both: from when, how long, on which forecast."""

    start: datetime
    slots: int
    forecast: np.ndarray[Any, np.dtype[np.float64]]


def cases(count: int, seed: int = 1) -> list[Case]:
    """Return questions spread over 2023 with gap-free forecasts for 48 hours."""
    import pyarrow.parquet as pq

    table = pq.read_table(shared_file("data/carbon/gb_national_ci_forecast_actual_2023.parquet"))
    starts = [t.astimezone(UTC) for t in table["ts_utc"].to_pylist()]
    values = np.array(table["forecast_gco2_kwh"].to_pylist(), dtype=np.float64)
    known = np.isfinite(values) & (values > 0)
    rng = np.random.default_rng(seed)
    found: list[Case] = []
    for place in rng.permutation(len(starts) - HORIZON_SLOTS):
        span = slice(place, place + HORIZON_SLOTS)
        regular = starts[place + HORIZON_SLOTS - 1] - starts[place] == (HORIZON_SLOTS - 1) * SLOT
        if starts[place].year == 2023 and regular and known[span].all():
            found.append(Case(starts[place], int(rng.integers(1, 25)), values[span]))
        if len(found) == count:
            break
    return found


def our_choice(case: Case) -> tuple[int, float]:
    """Return the slot our planner's own code picks by carbon alone, and the seconds it took."""
    horizon = Horizon(case.start, HORIZON_SLOTS)
    came = Provenance("recorded", "", ValueKind.FORECAST, Quality.REPLAYED, None, case.start)
    carbon = SignalSeries.of(SignalName.CARBON, "gb", horizon, case.forecast, came)
    price = SignalSeries.of(SignalName.PRICE, "gb", horizon, np.zeros(HORIZON_SLOTS), came)
    asset = Asset("here", "bench", "any", "gb", 1.0, case.start)
    # CATS never uses a window that would need the last point of the forecast; neither may we.
    job = Job(
        job_id="case",
        owner="bench",
        job_name="case",
        asset_id="here",
        duration=case.slots * SLOT,
        power_kw=1.0,
        earliest_start=case.start,
        latest_finish=horizon.end - SLOT,
        allowed_regions=("gb",),
        accepted_at=case.start,
        baseline_start=case.start,
    )
    began = time.perf_counter()
    table = price_table(
        [asset], {"gb": RegionSignals("gb", horizon, carbon, price)}, horizon, 0, {}
    )
    options = build_options(job, table, CARBON_ONLY)
    slot = int(options.start[options.ranking[0]])
    return slot, time.perf_counter() - began


def cats_answers(asked: list[Case], python: str) -> list[dict[str, Any]]:
    """Ask CATS, in its own environment."""
    body = {
        "cases": [
            {
                "start": case.start.isoformat(),
                "duration_minutes": case.slots * 30,
                "forecast_g_per_kwh": case.forecast.tolist(),
            }
            for case in asked
        ]
    }
    worker = Path(__file__).with_name("cats_worker.py")
    done = subprocess.run(
        [python, str(worker)], input=json.dumps(body), capture_output=True, text=True, check=True
    )
    answers: list[dict[str, Any]] = json.loads(done.stdout)["answers"]
    return answers


def throwaway_python(folder: Path) -> str:
    """Make an environment with CATS and return its interpreter."""
    target = folder / "cats"
    subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
    python = str(target / "bin" / "python")
    uv = shutil.which("uv")
    install = (
        [uv, "pip", "install", "-q", "--python", python, PACKAGE]
        if uv
        else [python, "-m", "pip", "install", "-q", PACKAGE]
    )
    subprocess.run(install, check=True)
    return python


def main() -> int:
    """Compare and print; exit 1 if we were ever worse."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=400)
    parser.add_argument("--cats-python", default=None)
    wanted = parser.parse_args()
    asked = cases(wanted.cases)
    with tempfile.TemporaryDirectory() as folder:
        python = wanted.cats_python or throwaway_python(Path(folder))
        theirs = cats_answers(asked, python)
    ours = [our_choice(case) for case in asked]
    mean = [
        (
            float(case.forecast[mine : mine + case.slots].mean()),
            float(case.forecast[other["slot"] : other["slot"] + case.slots].mean()),
        )
        for case, (mine, _), other in zip(asked, ours, theirs, strict=True)
    ]
    worse = sum(a > b + 1e-9 for a, b in mean)
    better = sum(a < b - 1e-9 for a, b in mean)
    our_ms = np.array([seconds for _, seconds in ours]) * 1e3
    their_ms = np.array([answer["seconds"] for answer in theirs]) * 1e3
    rows = [
        ["starts of 2023", f"{len(asked)}", f"{len(asked)}"],
        ["mean intensity chosen, g/kWh", f"{np.mean([a for a, _ in mean]):.2f}",
         f"{np.mean([b for _, b in mean]):.2f}"],
        ["better than the other", f"{better}", f"{worse}"],
        ["decision time p50, ms", f"{np.percentile(our_ms, 50):.3f}",
         f"{np.percentile(their_ms, 50):.3f}"],
        ["decision time p95, ms", f"{np.percentile(our_ms, 95):.3f}",
         f"{np.percentile(their_ms, 95):.3f}"],
    ]  # fmt: skip
    show_table(["", "Halfhour", "CATS"], rows)
    print(f"ratio of p50: {np.median(their_ms) / np.median(our_ms):.1f} (CATS / Halfhour)")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
