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

NOTICED = 1e-9
"""Differences up to this are rounding. [kg] and [GBP]"""


@dataclass(frozen=True)
class _Worth:
    energy_kwh: float
    carbon_kg: float | None
    cost_gbp: float | None
    objective_gbp: float


@dataclass(frozen=True)
class _Waiting:
    """What came of the jobs that waited, one by one, against running each on arrival."""

    waited: int
    dirtier: int
    worse: int
    gained_gbp: float
    """Cost + κ·carbon that those which came out better saved. [GBP]"""
    lost_gbp: float
    """The same that the others lost. [GBP]"""


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
    queue = sums.get(Planner.FIRST_COME)
    late = [job for job in compared if _wait_hours(job, run.starts[job.job_id]) > 0.0]
    kappa, has_cost = setup.policy.kappa_gbp_per_kg, mine.cost_gbp is not None
    waiting = _waiting(late, values[name], values[Planner.ON_ARRIVAL], kappa, has_cost=has_cost)
    peak, over = _load(setup, run)
    served = [job for job in setup.jobs if job.job_id in run.starts]
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
        share_of_clairvoyant_percent=_share(arrival, mine, sums.get(Planner.CLAIRVOYANT)),
        share_of_free_percent=_share(arrival, mine, sums.get(Planner.FREE)),
        peak_kw=peak,
        over_limit_half_hours=over,
        moves_per_job=sum(run.moves.values()) / len(setup.jobs) if setup.jobs else 0.0,
        most_moves=max(run.moves.values(), default=0),
        frozen_moves=run.frozen_moves,
        waited=waiting.waited,
        dirtier=waiting.dirtier,
        dirtier_percent_of_waited=_percent(waiting.dirtier, waiting.waited),
        worse=waiting.worse,
        worse_percent_of_waited=_percent(waiting.worse, waiting.waited),
        worse_percent_of_gain=_percent(waiting.lost_gbp, waiting.gained_gbp),
        median_wait_hours=(
            median(_wait_hours(job, run.starts[job.job_id]) for job in compared)
            if compared
            else None
        ),
        negotiations=run.negotiations,
        seconds=seconds,
    )


def _waiting(
    jobs: list[Job],
    mine: Mapping[str, Valuation],
    at_once: Mapping[str, Valuation],
    kappa: float,
    *,
    has_cost: bool,
) -> _Waiting:
    """Compare jobs that waited with their run on arrival."""
    dirtier = worse = 0
    gained = lost = 0.0
    for job in jobs:
        now, then = mine[job.job_id], at_once[job.job_id]
        more_kg = (now.carbon_kg or 0.0) - (then.carbon_kg or 0.0)
        more_gbp = kappa * more_kg
        if has_cost:
            more_gbp += (now.cost_gbp or 0.0) - (then.cost_gbp or 0.0)
        dirtier += more_kg > NOTICED
        worse += more_gbp > NOTICED
        gained += max(-more_gbp, 0.0)
        lost += max(more_gbp, 0.0)
    return _Waiting(len(jobs), dirtier, worse, gained, lost)


def _share(arrival: _Worth, mine: _Worth, best: _Worth | None) -> float | None:
    """Return which part of another planner's saving against arrival this one reached. [%]"""
    if best is None or arrival.objective_gbp - best.objective_gbp <= NOTICED:
        return None
    saved = arrival.objective_gbp - mine.objective_gbp
    return saved / (arrival.objective_gbp - best.objective_gbp) * 100.0


def _percent(part: float, whole: float) -> float | None:
    return part / whole * 100.0 if whole > 0 else None


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
