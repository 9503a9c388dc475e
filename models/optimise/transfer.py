"""What it takes to run a job in another region: its data must get there first.

The network's energy is priced like the run itself, at the energy-weighted mean price and carbon of the run's own
half-hours, because nobody knows on which meters along the way it will be drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.domain.job import Job
from models.domain.time import SLOT
from models.optimise.table import PricedTable
from models.optimise.terms import Incumbent, Weights

GIGABITS_PER_GIGABYTE = 8.0


@dataclass(frozen=True, slots=True)
class Transfer:
    """Getting a job's data to one asset.

    Attributes:
        energy_kwh: Drawn by the network; 0 where nothing has to move. [kWh]
        ready: First slot in which the run may start there.
    """

    energy_kwh: float
    ready: int


def transfer_to(
    job: Job,
    table: PricedTable,
    row: int,
    weights: Weights,
    first: int,
    incumbent: Incumbent | None,
) -> Transfer:
    """Return what getting a job's data to an asset takes.

    Nothing moves within a region. Elsewhere the run may start as much later than at home as the transfer takes, in
    whole half-hours. A job that holds an award there keeps that start: its data are taken to be on their way. A start
    that somebody pinned was checked when it was pinned, and is not put off later.

    Args:
        job: The job; its data are with its own asset.
        table: Assets by row.
        row: Where it would run.
        weights: Energy and speed of a transfer.
        first: First slot in which it could start at home.
        incumbent: The award it holds now.
    """
    home = table.index.get(job.asset_id)
    asset = table.assets[row]
    if job.data_gb <= 0.0 or home is None or table.assets[home].region == asset.region:
        return Transfer(0.0, first)
    energy_kwh = job.data_gb * weights.transfer_kwh_per_gb
    if job.pinned_start is not None:
        return Transfer(energy_kwh, first)
    seconds = transfer_seconds(job.data_gb, weights.transfer_gbit_per_s)
    wait = min(math.ceil(seconds / SLOT.total_seconds()), table.horizon.slots)
    ready = first + wait
    if incumbent is not None and incumbent.asset_id == asset.asset_id:
        ready = max(first, min(ready, incumbent.start))
    return Transfer(energy_kwh, ready)


def transfer_seconds(data_gb: float, gbit_per_s: float) -> float:
    """Return how long a transfer takes; 1 GB is 8 Gbit. [s]"""
    return data_gb * GIGABITS_PER_GIGABYTE / gbit_per_s
