"""Awards against an exhaustive search that uses nothing of the planner.

Alone: one job on one cluster with ample power; the negotiation's start against the best of all its windows, priced by
a plain loop. Together: small fleets that do not all fit at their best; the plan's objective against the optimum over
every combination of windows and refusals (branch and bound, proven). Signals come from the simulated grid, so nothing but
the program is needed.

    python -m benchmarks.exhaustive [--alone 300] [--together 60]
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np

from agents.policy import Policy
from agents.scheduler import negotiate
from agents.view import Outcome, Situation
from api_clients.simulated import SimulatedGrid
from benchmarks.shared import show_table
from models.domain.asset import Asset
from models.domain.job import Job
from models.domain.regions import region
from models.domain.signal import RegionSignals
from models.domain.time import SLOT, Horizon

PLACE = "london"
KAPPA_GBP_PER_KG = (0.6 / 0.3) * 0.20 / 0.15
DELAY_GBP_PER_KWH_H = (0.1 / 0.3) * 0.20 / 24.0
UNSERVED_GBP_PER_KWH = 20.0 * 2.0
"""Default weights and the penalty of a job of normal priority, as docs/architecture.md has them."""

SLOTS = 96
EPSILON_GBP = 1e-6


@dataclass(frozen=True)
class Choice:
    """One window of one job."""

    start: int
    slots: int
    power_kw: float
    objective_gbp: float


def signals_at(now: datetime) -> RegionSignals:
    """Return two days of the simulated grid."""
    grid = SimulatedGrid()
    horizon = Horizon(now, SLOTS)
    carbon = next(s for s in grid.forecast(now).series if s.region == PLACE)
    # Asked at the end of the horizon, every price of it is published: no estimates are needed here.
    prices = grid.prices(region(PLACE).price_letters, now, horizon.end, horizon.end)
    price = next(s for s in prices.series if s.region == PLACE)
    return RegionSignals(PLACE, horizon, carbon.over(horizon), price.over(horizon))


def some_job(
    number: int, rng: random.Random, now: datetime, longest_slots: int, spread: int
) -> Job:
    """Return a job of normal priority that must wait if that is better by any amount."""
    slots = rng.randint(1, longest_slots)
    minutes = 30 * slots - (rng.choice([0, 0, 13]) if slots > 1 else 0)
    release = now + rng.randint(0, 8) * SLOT
    finish = release + slots * SLOT + rng.randint(4, spread) * SLOT
    return Job(
        job_id=f"job-{number}", owner="bench", job_name="case", asset_id="here",
        duration=timedelta(minutes=minutes), power_kw=float(rng.choice([10, 25, 40])), earliest_start=release,
        latest_finish=min(finish, now + SLOTS * SLOT), allowed_regions=(PLACE,), accepted_at=now,
        baseline_start=release, min_saving_percent=0.0,
    )  # fmt: skip


def choices_of(job: Job, known: RegionSignals, now: datetime) -> list[Choice]:
    """Price every window of a job by a plain loop."""
    found = []
    hours = job.duration / timedelta(hours=1)
    start = (job.earliest_start - now) // SLOT
    while now + start * SLOT + job.duration <= job.latest_finish:
        slots, gbp = 0, 0.0
        left = hours
        while left > 1e-9:
            kwh = job.power_kw * min(0.5, left)
            k = start + slots
            grams = float(known.carbon.values[k])
            gbp += kwh * float(known.price.values[k]) + KAPPA_GBP_PER_KG * kwh * grams / 1000.0
            left, slots = left - 0.5, slots + 1
        waited_h = (now + start * SLOT - job.earliest_start) / timedelta(hours=1)
        gbp += waited_h * DELAY_GBP_PER_KWH_H * job.power_kw * hours
        found.append(Choice(start, slots, job.power_kw, gbp))
        start += 1
    return found


def optimum(
    jobs: list[Job], known: RegionSignals, now: datetime, limit_kw: float
) -> tuple[float, int]:
    """Return the least objective over every combination of windows and refusals, and its refusals. [GBP, jobs]"""
    table = [sorted(choices_of(job, known, now), key=lambda c: c.objective_gbp) for job in jobs]
    penalty = [UNSERVED_GBP_PER_KWH * job.it_energy_kwh for job in jobs]
    order = sorted(range(len(jobs)), key=lambda k: -penalty[k])
    least_after = [0.0] * (len(order) + 1)
    for place in range(len(order) - 1, -1, -1):
        k = order[place]
        best = min([c.objective_gbp for c in table[k]] + [penalty[k]])
        least_after[place] = least_after[place + 1] + best
    room = np.full(SLOTS, limit_kw)
    record, fewest = sum(penalty), len(jobs)

    def search(place: int, spent: float, refused: int) -> None:
        nonlocal record, fewest
        if spent + least_after[place] >= record - 1e-12:
            return
        if place == len(order):
            record, fewest = spent, refused
            return
        k = order[place]
        for choice in table[k]:
            if spent + choice.objective_gbp + least_after[place + 1] >= record - 1e-12:
                break
            span = slice(choice.start, choice.start + choice.slots)
            if (room[span] >= choice.power_kw - 1e-9).all():
                room[span] -= choice.power_kw
                search(place + 1, spent + choice.objective_gbp, refused)
                room[span] += choice.power_kw
        search(place + 1, spent + penalty[k], refused + 1)

    search(0, 0.0, 0)
    return record, fewest


def planned(jobs: list[Job], known: RegionSignals, now: datetime, limit_kw: float) -> tuple[Outcome, float]:  # fmt: skip
    """Return the negotiation of some jobs on one cluster and its seconds."""
    asset = Asset("here", "bench", "any", PLACE, limit_kw, now)
    situation = Situation(
        UUID(int=1), now, known.horizon, tuple(jobs), (asset,), {PLACE: known}, Policy(KAPPA_GBP_PER_KG)
    )  # fmt: skip
    began = time.perf_counter()
    outcome = negotiate(situation)
    return outcome, time.perf_counter() - began


def alone(count: int) -> tuple[list[list[str]], bool]:
    """Compare single jobs; return rows and whether all agree."""
    rng = random.Random(1)
    equal, ours, theirs, windows = 0, [], [], 0
    for number in range(count):
        now = datetime(2026, 1, 1, tzinfo=UTC) + rng.randrange(0, 340 * 48) * SLOT
        known = signals_at(now)
        job = some_job(number, rng, now, 16, 70)
        began = time.perf_counter()
        choices = choices_of(job, known, now)
        best = min(choices, key=lambda c: (round(c.objective_gbp, 9), c.start))
        theirs.append(time.perf_counter() - began)
        outcome, seconds = planned([job], known, now, 1_000.0)
        ours.append(seconds)
        windows += len(choices)
        award = outcome.awards[0].placement
        is_same = award.start == now + best.start * SLOT
        equal += is_same and abs((award.objective_gbp or 0.0) - best.objective_gbp) < EPSILON_GBP
    return [
        ["jobs, one at a time", f"{count}"],
        ["windows tried in all", f"{windows}"],
        ["start and objective equal to the best window", f"{equal} of {count}"],
        ["whole negotiation p50 / p95, ms", _p50_p95(ours)],
        ["plain loop over all windows p50 / p95, ms", _p50_p95(theirs)],
    ], equal == count


def together(count: int) -> tuple[list[list[str]], bool]:
    """Compare small fleets; return rows and whether no plan was better than the proven optimum or overfull."""
    rng = random.Random(2)
    gaps, served_gaps, refusals, needed, ours, theirs, sound = [], [], 0, 0, [], [], True
    for _ in range(count):
        now = datetime(2026, 1, 1, tzinfo=UTC) + rng.randrange(0, 340 * 48) * SLOT
        known = signals_at(now)
        jobs = [some_job(number, rng, now, 8, 24) for number in range(6)]
        began = time.perf_counter()
        best, unavoidable = optimum(jobs, known, now, 55.0)
        theirs.append(time.perf_counter() - began)
        outcome, seconds = planned(jobs, known, now, 55.0)
        ours.append(seconds)
        objective = outcome.certificate.objective_gbp
        sound &= objective >= best - EPSILON_GBP
        sound &= outcome.certificate.lower_bound_gbp <= best + EPSILON_GBP
        refusals += len(outcome.refusals)
        needed += unavoidable
        gaps.append((objective - best) / best * 100.0)
        if len(outcome.refusals) == unavoidable:
            served_gaps.append(gaps[-1])
    at_best = sum(gap < 1e-6 for gap in gaps)
    return [
        ["fleets of 6 jobs on a cluster of 55 kW", f"{count}"],
        ["plans at the proven optimum", f"{at_best} of {count}"],
        ["objective above the optimum: mean / p95 / worst, %", _spread(gaps)],
        [f"the same for the {len(served_gaps)} plans that serve as many jobs", _spread(served_gaps)],
        ["jobs refused by the plans, by the optimum", f"{refusals}, {needed}"],
        ["whole negotiation p50 / p95, ms", _p50_p95(ours)],
        ["branch and bound p50 / p95, ms", _p50_p95(theirs)],
        ["certified bound never above the optimum", "yes" if sound else "NO"],
    ], sound  # fmt: skip


def _spread(percent: list[float]) -> str:
    return f"{np.mean(percent):.3f} / {np.percentile(percent, 95):.3f} / {max(percent):.3f}"


def _p50_p95(seconds: list[float]) -> str:
    return f"{np.percentile(seconds, 50) * 1e3:.2f} / {np.percentile(seconds, 95) * 1e3:.2f}"


def main() -> int:
    """Compare and print; exit 1 if a single job missed its best window, or a bound or plan was not sound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alone", type=int, default=300)
    parser.add_argument("--together", type=int, default=60)
    wanted = parser.parse_args()
    first, agree = alone(wanted.alone)
    show_table(["alone", ""], first)
    print()
    second, sound = together(wanted.together)
    show_table(["together", ""], second)
    return int(not (agree and sound))


if __name__ == "__main__":
    sys.exit(main())
