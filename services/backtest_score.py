"""What came of each planner's starts, valued on what really came. Pure; written apart from the planner's arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from models.domain.job import Job
from models.domain.signal import RegionSignals
from models.domain.time import SLOT
from services.backtest_types import Planner, Run, Score, Setup, Start
from services.valuation import Valuation, job_segments, value, with_transfer

OVER_KW = 1e-6
"""Slack when a load is compared with a limit. [kW]"""


@dataclass(frozen=True)
class _Worth:
    energy_kwh: float
    carbon_kg: float | None
    cost_gbp: float | None
    objective_gbp: float


def scores(
    setup: Setup,
    runs: Mapping[str, Run],
    truth: Mapping[str, RegionSignals],
    seconds: Mapping[str, float] | None = None,
) -> tuple[Score, ...]:
    """Return one score a planner.

    Sums and savings are over the jobs that every planner served and whose carbon is known for each of them, so that
    nobody looks good by leaving jobs out.

    Args:
        setup: What was replayed.
        runs: By planner; run on arrival must be among them.
        truth: What really came, over all half-hours of the setup, by region.
        seconds: How long each planner took. [s]
    """
    values = {name: _values(setup, run, truth) for name, run in runs.items()}
    compared = [
        job
        for job in setup.jobs
        if all(job.job_id in v and v[job.job_id].carbon_kg is not None for v in values.values())
    ]
    has_cost = bool(compared) and all(
        v[job.job_id].cost_gbp is not None for job in compared for v in values.values()
    )
    kappa = setup.policy.kappa_gbp_per_kg
    sums = {
        name: _sum([v[job.job_id] for job in compared], kappa, has_cost=has_cost)
        for name, v in values.items()
    }
    return tuple(
        _score(setup, name, run, compared, values, sums, (seconds or {}).get(name, 0.0))
        for name, run in runs.items()
    )


def _values(setup: Setup, run: Run, truth: Mapping[str, RegionSignals]) -> dict[str, Valuation]:
    assets = {asset.asset_id: asset for asset in setup.assets}
    found = {}
    for job in setup.jobs:
        start = run.starts.get(job.job_id)
        if start is not None:
            asset = assets[start.asset_id]
            worth = value(job_segments(job, start.start), asset.pue, truth[asset.region])
            home = assets[job.asset_id].region
            moved_gb = job.data_gb if asset.region != home else 0.0
            found[job.job_id] = with_transfer(worth, moved_gb * setup.policy.transfer_kwh_per_gb)
    return found


def _sum(parts: list[Valuation], kappa: float, *, has_cost: bool) -> _Worth:
    carbon = sum(part.carbon_kg or 0.0 for part in parts)
    cost = sum(part.cost_gbp or 0.0 for part in parts) if has_cost else None
    energy = sum(part.energy_kwh for part in parts)
    return _Worth(energy, carbon if parts else None, cost, (cost or 0.0) + kappa * carbon)


def _score(
    setup: Setup,
    name: str,
    run: Run,
    compared: list[Job],
    values: Mapping[str, Mapping[str, Valuation]],
    sums: Mapping[str, _Worth],
    seconds: float,
) -> Score:
    mine, arrival = sums[name], sums[Planner.ON_ARRIVAL]
    queue, ideal = sums.get(Planner.FIRST_COME), sums.get(Planner.CLAIRVOYANT)
    waited = [job for job in compared if _wait_hours(job, run.starts[job.job_id]) > 0.0]
    at_once = values[Planner.ON_ARRIVAL]
    dirtier = sum(
        (values[name][job.job_id].carbon_kg or 0.0) > (at_once[job.job_id].carbon_kg or 0.0) + 1e-9
        for job in waited
    )
    peak, over = _load(setup, run)
    served = [job for job in setup.jobs if job.job_id in run.starts]
    ideal_saving = None if ideal is None else arrival.objective_gbp - ideal.objective_gbp
    return Score(
        planner=str(name),
        served=len(served),
        unserved=len(setup.jobs) - len(served),
        late=sum(run.starts[job.job_id].start + job.duration > job.latest_finish for job in served),
        compared_jobs=len(compared),
        energy_kwh=mine.energy_kwh,
        carbon_kg=mine.carbon_kg,
        cost_gbp=mine.cost_gbp,
        objective_gbp=mine.objective_gbp,
        carbon_saving_percent=_saving(arrival.carbon_kg, mine.carbon_kg),
        cost_saving_percent=_saving(arrival.cost_gbp, mine.cost_gbp),
        objective_saving_percent=_saving(arrival.objective_gbp, mine.objective_gbp),
        carbon_saving_percent_of_first_come=_saving(queue.carbon_kg, mine.carbon_kg)
        if queue
        else None,
        cost_saving_percent_of_first_come=_saving(queue.cost_gbp, mine.cost_gbp) if queue else None,
        share_of_clairvoyant_percent=(
            (arrival.objective_gbp - mine.objective_gbp) / ideal_saving * 100.0
            if ideal_saving is not None and ideal_saving > 1e-9
            else None
        ),
        peak_kw=peak,
        over_limit_half_hours=over,
        moves_per_job=sum(run.moves.values()) / len(setup.jobs) if setup.jobs else 0.0,
        most_moves=max(run.moves.values(), default=0),
        waited=len(waited),
        dirtier=dirtier,
        dirtier_percent_of_waited=dirtier / len(waited) * 100.0 if waited else None,
        median_wait_hours=(
            median(_wait_hours(job, run.starts[job.job_id]) for job in compared)
            if compared
            else None
        ),
        negotiations=run.negotiations,
        seconds=seconds,
    )


def _wait_hours(job: Job, start: Start) -> float:
    arrival = job.baseline_start or start.start
    return max(0.0, (start.start - arrival).total_seconds() / 3600.0)


def _saving(before: float | None, after: float | None) -> float | None:
    if before is None or after is None or abs(before) < 1e-12:
        return None
    return (before - after) / abs(before) * 100.0


def _load(setup: Setup, run: Run) -> tuple[float, int]:
    """Return the highest IT power of all assets together, and in how many asset half-hours a limit was exceeded."""
    assets = {asset.asset_id: asset for asset in setup.assets}
    used: dict[tuple[str, int], float] = {}
    total: dict[int, float] = {}
    for job in setup.jobs:
        start = run.starts.get(job.job_id)
        if start is None:
            continue
        first = (start.start - setup.period.start) // SLOT
        for k, power_kw in enumerate(job.slot_power_kw()):
            key = (start.asset_id, first + k)
            used[key] = used.get(key, 0.0) + power_kw
            total[first + k] = total.get(first + k, 0.0) + power_kw
    over = sum(
        kw > assets[asset_id].room_at(setup.period.start_of(slot)) + OVER_KW
        for (asset_id, slot), kw in used.items()
    )
    return max(total.values(), default=0.0), over
