"""Try every run a job could take on one asset: an independent reading of the rules, in plain Python.

Nothing of the planner is used but the plain data types that describe a job and the half-hours of an asset.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.domain.job import Job
from models.optimise.pattern import Lane

Part = tuple[int, float, float]
"""Slot, power [kW], share of the half-hour."""


@dataclass(frozen=True)
class Run:
    """One run with what it costs."""

    parts: tuple[Part, ...]
    energy_kwh: float
    cost_gbp: float
    carbon_kg: float
    objective_gbp: float
    priced_gbp: float


def valued(lane: Lane, parts: Sequence[Part]) -> Run:
    """Price a run half-hour by half-hour."""
    energy = cost = carbon = scarcity = 0.0
    for slot, power_kw, share in parts:
        n = slot - lane.first
        kwh = power_kw * 0.5 * share * lane.pue
        energy += kwh
        cost += kwh * float(lane.price_gbp_per_kwh[n])
        carbon += kwh * float(lane.carbon_kg_per_kwh[n])
        scarcity += float(lane.shadow_gbp_per_kwh[n]) * power_kw * 0.5
    finish = parts[-1][0] + parts[-1][2]
    delay = max(0.0, finish - lane.arrived) * 0.5 * lane.delay_gbp_per_hour
    objective = cost + lane.kappa_gbp_per_kg * carbon + delay
    return Run(tuple(parts), energy, cost, carbon, objective, objective + scarcity)


def keeps_caps(job: Job, run: Run) -> bool:
    """Return whether the means of a run lie within its caps."""
    most_g, most_gbp = job.carbon_cap_g_per_kwh, job.max_price_gbp_per_kwh
    if most_g is not None and run.carbon_kg * 1000 / run.energy_kwh > most_g * (1 + 1e-9) + 1e-12:
        return False
    return most_gbp is None or run.cost_gbp / run.energy_kwh <= most_gbp + abs(most_gbp) * 1e-9


def chunk_lengths(slots: Sequence[int]) -> list[int]:
    """Return the lengths of the stretches without a break."""
    lengths = [1]
    for before, after in itertools.pairwise(slots):
        if after == before + 1:
            lengths[-1] += 1
        else:
            lengths.append(1)
    return lengths


def runs_in_chunks(job: Job, lane: Lane) -> Iterator[Run]:
    """Yield every run of an interruptible job: every set of half-hours, held against the rules one by one."""
    minutes = job.duration.total_seconds() / 60
    for size in range(1, lane.slots + 1):
        for offsets in itertools.combinations(range(lane.slots), size):
            lengths = chunk_lengths(offsets)
            total = minutes + (len(lengths) - 1) * job.checkpoint_minutes
            if math.ceil(total / 30 - 1e-9) != size or len(lengths) > job.max_chunks:
                continue
            if min(lengths) < job.min_run_slots:
                continue
            if any(lane.room_kw[n] < job.power_kw - 1e-6 for n in offsets):
                continue
            share = total / 30 - (size - 1)
            if lane.first + offsets[-1] + share > lane.end + 1e-9:
                continue
            shares = [1.0] * (size - 1) + [share]
            yield valued(
                lane,
                [(lane.first + n, job.power_kw, s) for n, s in zip(offsets, shares, strict=True)],
            )


def runs_at_levels(
    job: Job, lane: Lane, levels: Sequence[Sequence[tuple[float, float]]]
) -> Iterator[Run]:
    """Yield every run of an elastic job over given levels.

    Args:
        job: The job; its work is `duration` at rate 1.
        lane: Where it runs.
        levels: Per half-hour of the lane, (power_kw, rate) that may be used besides standing still.
    """
    work = job.duration.total_seconds() / 1800
    for length in range(1, lane.slots + 1):
        choices = [[(0.0, 0.0), *levels[n]] for n in range(length - 1)]
        for before in itertools.product(*choices):
            left = work - sum(rate for _, rate in before)
            for power_kw, rate in levels[length - 1]:
                share = left / rate
                finish = lane.first + length - 1 + share
                if not 1e-9 < share <= 1 + 1e-9 or finish > lane.end + 1e-9:
                    continue
                parts = [(lane.first + n, kw, 1.0) for n, (kw, _) in enumerate(before) if kw > 0]
                yield valued(lane, [*parts, (lane.first + length - 1, power_kw, min(share, 1.0))])
